/* The part of PKCS#11 v2.40 (OASIS, pkcs11-base) that forwarding and rewriting calls needs. On Unix its structures are laid out as
 * the C compiler would; a CK_ULONG is an unsigned long. */
#ifndef CRYPTOKI_H
#define CRYPTOKI_H

typedef unsigned long ulong;
typedef unsigned char byte;

struct version { byte major, minor; };
struct mechanism { ulong type; void *parameter; ulong length; };
struct attribute { ulong type; void *value; ulong length; };
struct mechanism_info { ulong min, max, flags; };
struct slot_info { byte description[64], manufacturer[32]; ulong flags; struct version hardware, firmware; };
struct token_info {
  byte label[32], manufacturer[32], model[16], serial[16];
  ulong flags, max_sessions, sessions, max_rw_sessions, rw_sessions;
  ulong max_pin, min_pin, total_public, free_public, total_private, free_private;
  struct version hardware, firmware;
  byte time[16];
};
struct oaep { ulong hash, mgf, source; void *data; ulong length; };
struct rsa_aes { ulong aes_bits; struct oaep *oaep; };

enum {
  CKR_OK = 0x0, CKR_GENERAL_ERROR = 0x5, CKR_FUNCTION_NOT_SUPPORTED = 0x54, CKR_KEY_NOT_WRAPPABLE = 0x69, CKR_MECHANISM_INVALID = 0x70,
  CKR_MECHANISM_PARAM_INVALID = 0x71, CKR_BUFFER_TOO_SMALL = 0x150,
  CKA_CLASS = 0x0, CKA_TOKEN = 0x1, CKA_PRIVATE = 0x2, CKA_LABEL = 0x3, CKA_TRUSTED = 0x86, CKA_SENSITIVE = 0x103, CKA_ENCRYPT = 0x104, CKA_DECRYPT = 0x105, CKA_WRAP = 0x106,
  CKA_VALUE_LEN = 0x161, CKA_EXTRACTABLE = 0x162, CKA_WRAP_WITH_TRUSTED = 0x210, CKU_SO = 0,
  CKM_RSA_PKCS_OAEP = 0x9, CKM_SHA_1 = 0x220, CKG_MGF1_SHA1 = 0x1, CKM_RSA_AES_KEY_WRAP = 0x1054,
  CKM_AES_KEY_GEN = 0x1080, CKM_AES_KEY_WRAP = 0x2109, CKM_AES_KEY_WRAP_PAD = 0x210A, CKM_AES_KEY_WRAP_KWP = 0x210B,
  CKF_WRAP = 0x20000,
};

#endif
