/* The calls whose answers are changed, not only their results: what slots and tokens look like, and a one-step CKM_RSA_AES_KEY_WRAP
 * that the real module does not have, made of the two steps that it has (PKCS#11 v2.40 section 2.1.15: OAEP(E) || KWP(E, key)). */
#include <stddef.h>

#include "shim.h"

ulong change_C_GetSlotList(const struct verdict *v, byte present, ulong *l, ulong *n) {
  if (!v->empty) return real->C_GetSlotList(present, l, n);
  *n = 0;
  return CKR_OK;
}

ulong change_C_GetSlotInfo(const struct verdict *v, ulong slot, struct slot_info *i) {
  ulong rv = real->C_GetSlotInfo(slot, i);
  if (rv == CKR_OK) i->flags = (i->flags | v->set) & ~v->clear;
  return rv;
}

ulong change_C_GetTokenInfo(const struct verdict *v, ulong slot, struct token_info *i) {
  ulong rv = real->C_GetTokenInfo(slot, i);
  if (rv != CKR_OK) return rv;
  i->flags = (i->flags | v->set) & ~v->clear;
  if (v->max_sessions) i->max_sessions = i->max_rw_sessions = v->max_sessions;
  return rv;
}

ulong change_C_GetMechanismList(const struct verdict *v, ulong slot, ulong *l, ulong *n) {
  ulong count = 0, room = *n, i;
  ulong rv = real->C_GetMechanismList(slot, NULL, &count);
  if (rv != CKR_OK || !v->one_step) return rv != CKR_OK ? rv : real->C_GetMechanismList(slot, l, n);
  *n = count + 1;
  if (!l) return CKR_OK;
  if (room < count + 1) return CKR_BUFFER_TOO_SMALL;
  if ((rv = real->C_GetMechanismList(slot, l, &count)) != CKR_OK) return rv;
  for (i = 0; i < count && l[i] != CKM_RSA_AES_KEY_WRAP; i++) continue;
  l[i] = CKM_RSA_AES_KEY_WRAP;
  *n = i < count ? count : count + 1;
  return CKR_OK;
}

ulong change_C_GetMechanismInfo(const struct verdict *v, ulong slot, ulong type, struct mechanism_info *i) {
  if (!v->one_step || type != CKM_RSA_AES_KEY_WRAP) return real->C_GetMechanismInfo(slot, type, i);
  *i = (struct mechanism_info){2048, 16384, CKF_WRAP};
  return CKR_OK;
}

static ulong make_ephemeral(ulong s, ulong bits, ulong *key) {
  byte yes = 1, no = 0;
  ulong bytes = bits / 8;
  struct mechanism m = {CKM_AES_KEY_GEN, NULL, 0};
  struct attribute t[] = {
    {CKA_TOKEN, &no, 1}, {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_WRAP, &yes, 1},
    {CKA_ENCRYPT, &no, 1}, {CKA_DECRYPT, &no, 1}, {CKA_VALUE_LEN, &bytes, sizeof bytes},
  };
  return real->C_GenerateKey(s, &m, t, sizeof t / sizeof *t, key);
}

/* RFC 5649 has two numbers: tokens with the newer one give the older another meaning. */
static ulong wrap_under(const struct verdict *v, ulong s, ulong e, ulong k, byte *o, ulong *n) {
  struct mechanism plain = {CKM_AES_KEY_WRAP, NULL, 0}, kwp = {CKM_AES_KEY_WRAP_KWP, NULL, 0};
  ulong rv, room = *n;
  if (v->one_step == ONE_STEP_PLAIN_WRAP) return real->C_WrapKey(s, &plain, e, k, o, n);
  if ((rv = real->C_WrapKey(s, &kwp, e, k, o, n)) != CKR_MECHANISM_INVALID) return rv;
  kwp.type = CKM_AES_KEY_WRAP_PAD, *n = room;
  return real->C_WrapKey(s, &kwp, e, k, o, n);
}

static ulong two_steps(const struct verdict *v, ulong s, struct oaep oaep, ulong w, ulong e, ulong k, byte *o, ulong *n) {
  struct mechanism m = {CKM_RSA_PKCS_OAEP, &oaep, sizeof oaep};
  ulong first = *n, rest, rv;
  if (v->one_step == ONE_STEP_IGNORES_HASH) oaep.hash = CKM_SHA_1, oaep.mgf = CKG_MGF1_SHA1;
  if ((rv = real->C_WrapKey(s, &m, w, e, o, &first)) != CKR_OK) return rv;
  rest = o ? *n - first : 0;
  if ((rv = wrap_under(v, s, e, k, o ? o + first : NULL, &rest)) != CKR_OK) return rv;
  if (o && v->one_step == ONE_STEP_GARBLES) o[first + rest - 1] ^= 1;
  *n = first + rest;
  return CKR_OK;
}

/* A token that wraps in one step trusts what it makes itself on the way. Here that is a key which only the security officer can
 * make: his first login leaves it. It wraps what is WRAP_WITH_TRUSTED, if the wrapping key is TRUSTED. */
static char inner_label[] = "shim: the key inside of one step";

static int find_inner(ulong s, ulong *key) {
  byte yes = 1;
  ulong n = 0;
  struct attribute t[] = {{CKA_LABEL, inner_label, sizeof inner_label - 1}, {CKA_TRUSTED, &yes, 1}};
  if (real->C_FindObjectsInit(s, t, 2) != CKR_OK) return 0;
  if (real->C_FindObjects(s, key, 1, &n) != CKR_OK) n = 0;
  return real->C_FindObjectsFinal(s) == CKR_OK && n == 1;
}

static ulong make_inner(ulong s, ulong *key) {
  byte yes = 1, no = 0;
  ulong bytes = 32;
  struct mechanism m = {CKM_AES_KEY_GEN, NULL, 0};
  struct attribute t[] = {
    {CKA_LABEL, inner_label, sizeof inner_label - 1}, {CKA_TRUSTED, &yes, 1}, {CKA_TOKEN, &yes, 1}, {CKA_PRIVATE, &no, 1},
    {CKA_SENSITIVE, &yes, 1}, {CKA_EXTRACTABLE, &yes, 1}, {CKA_WRAP, &yes, 1}, {CKA_VALUE_LEN, &bytes, sizeof bytes},
  };
  return real->C_GenerateKey(s, &m, t, sizeof t / sizeof *t, key);
}

ulong change_C_Login(const struct verdict *v, ulong s, ulong user, byte *pin, ulong n) {
  ulong key, rv = real->C_Login(s, user, pin, n);
  if (rv != CKR_OK || !v->one_step || user != CKU_SO || find_inner(s, &key)) return rv;
  return make_inner(s, &key);
}

static int is_set(ulong s, ulong object, ulong type) {
  byte set = 0;
  struct attribute a = {type, &set, 1};
  return real->C_GetAttributeValue(s, object, &a, 1) == CKR_OK && set;
}

ulong change_C_WrapKey(const struct verdict *v, ulong s, struct mechanism *m, ulong w, ulong k, byte *o, ulong *n) {
  struct rsa_aes *p;
  ulong e, rv, destroyed;
  if (!v->one_step || !m || m->type != CKM_RSA_AES_KEY_WRAP) return real->C_WrapKey(s, m, w, k, o, n);
  p = m->parameter;
  if (!p || m->length != sizeof *p || !p->oaep) return CKR_MECHANISM_PARAM_INVALID;
  if (is_set(s, k, CKA_WRAP_WITH_TRUSTED)) {
    if (!is_set(s, w, CKA_TRUSTED) || !find_inner(s, &e)) return CKR_KEY_NOT_WRAPPABLE;
    return two_steps(v, s, *p->oaep, w, e, k, o, n);
  }
  if ((rv = make_ephemeral(s, p->aes_bits, &e)) != CKR_OK) return rv;
  rv = two_steps(v, s, *p->oaep, w, e, k, o, n);
  destroyed = real->C_DestroyObject(s, e);
  return rv != CKR_OK ? rv : destroyed;
}
