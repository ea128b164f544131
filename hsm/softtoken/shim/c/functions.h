/* Every function of PKCS#11 v2.40, in the order of CK_FUNCTION_LIST, each as
 *   F(name, what its first argument is, parameters, arguments, what is told about the call)
 * NOTHING, SLOT and SESSION say what the first argument is; h is its name where it is one. G is an F that is not only
 * forwarded but changed, by the function change_NAME of change.c. */

#ifndef G
#define G F
#endif

#define KEYED mechanism(&q, m)
#define MAKES(t, n) template(&q, t, n)
#define FILLS(p) sizing(&q, p)

F(C_Initialize, NOTHING, (void *a), (a), )
F(C_Finalize, NOTHING, (void *a), (a), )
F(C_GetInfo, NOTHING, (void *i), (i), )
F(C_GetFunctionList, NOTHING, (struct function_list **l), (l), )
G(C_GetSlotList, NOTHING, (byte present, ulong *l, ulong *n), (present, l, n), q.extra = present)
G(C_GetSlotInfo, SLOT, (ulong h, struct slot_info *i), (h, i), )
G(C_GetTokenInfo, SLOT, (ulong h, struct token_info *i), (h, i), )
G(C_GetMechanismList, SLOT, (ulong h, ulong *l, ulong *n), (h, l, n), )
G(C_GetMechanismInfo, SLOT, (ulong h, ulong t, struct mechanism_info *i), (h, t, i), q.mechanism = t)
F(C_InitToken, SLOT, (ulong h, byte *p, ulong n, byte *l), (h, p, n, l), )
F(C_InitPIN, SESSION, (ulong h, byte *p, ulong n), (h, p, n), )
F(C_SetPIN, SESSION, (ulong h, byte *o, ulong on, byte *p, ulong n), (h, o, on, p, n), )
F(C_OpenSession, SLOT, (ulong h, ulong f, void *a, void *cb, ulong *s), (h, f, a, cb, s), q.extra = f)
F(C_CloseSession, SESSION, (ulong h), (h), )
F(C_CloseAllSessions, SLOT, (ulong h), (h), )
F(C_GetSessionInfo, SESSION, (ulong h, void *i), (h, i), )
F(C_GetOperationState, SESSION, (ulong h, byte *o, ulong *n), (h, o, n), FILLS(o))
F(C_SetOperationState, SESSION, (ulong h, byte *o, ulong n, ulong k, ulong a), (h, o, n, k, a), )
G(C_Login, SESSION, (ulong h, ulong u, byte *p, ulong n), (h, u, p, n), q.extra = u)
F(C_Logout, SESSION, (ulong h), (h), )
F(C_CreateObject, SESSION, (ulong h, struct attribute *t, ulong n, ulong *o), (h, t, n, o), MAKES(t, n))
F(C_CopyObject, SESSION, (ulong h, ulong k, struct attribute *t, ulong n, ulong *o), (h, k, t, n, o), MAKES(t, n))
F(C_DestroyObject, SESSION, (ulong h, ulong o), (h, o), )
F(C_GetObjectSize, SESSION, (ulong h, ulong o, ulong *n), (h, o, n), )
F(C_GetAttributeValue, SESSION, (ulong h, ulong o, struct attribute *t, ulong n), (h, o, t, n), )
F(C_SetAttributeValue, SESSION, (ulong h, ulong o, struct attribute *t, ulong n), (h, o, t, n), )
F(C_FindObjectsInit, SESSION, (ulong h, struct attribute *t, ulong n), (h, t, n), )
F(C_FindObjects, SESSION, (ulong h, ulong *o, ulong max, ulong *n), (h, o, max, n), )
F(C_FindObjectsFinal, SESSION, (ulong h), (h), )
F(C_EncryptInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_Encrypt, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_EncryptUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_EncryptFinal, SESSION, (ulong h, byte *o, ulong *n), (h, o, n), FILLS(o))
F(C_DecryptInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_Decrypt, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DecryptUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DecryptFinal, SESSION, (ulong h, byte *o, ulong *n), (h, o, n), FILLS(o))
F(C_DigestInit, SESSION, (ulong h, struct mechanism *m), (h, m), KEYED)
F(C_Digest, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DigestUpdate, SESSION, (ulong h, byte *i, ulong in), (h, i, in), )
F(C_DigestKey, SESSION, (ulong h, ulong k), (h, k), )
F(C_DigestFinal, SESSION, (ulong h, byte *o, ulong *n), (h, o, n), FILLS(o))
F(C_SignInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_Sign, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_SignUpdate, SESSION, (ulong h, byte *i, ulong in), (h, i, in), )
F(C_SignFinal, SESSION, (ulong h, byte *o, ulong *n), (h, o, n), FILLS(o))
F(C_SignRecoverInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_SignRecover, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_VerifyInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_Verify, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong n), (h, i, in, o, n), )
F(C_VerifyUpdate, SESSION, (ulong h, byte *i, ulong in), (h, i, in), )
F(C_VerifyFinal, SESSION, (ulong h, byte *o, ulong n), (h, o, n), )
F(C_VerifyRecoverInit, SESSION, (ulong h, struct mechanism *m, ulong k), (h, m, k), KEYED)
F(C_VerifyRecover, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DigestEncryptUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DecryptDigestUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_SignEncryptUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_DecryptVerifyUpdate, SESSION, (ulong h, byte *i, ulong in, byte *o, ulong *n), (h, i, in, o, n), FILLS(o))
F(C_GenerateKey, SESSION, (ulong h, struct mechanism *m, struct attribute *t, ulong n, ulong *o), (h, m, t, n, o), KEYED; MAKES(t, n))
F(C_GenerateKeyPair, SESSION,
  (ulong h, struct mechanism *m, struct attribute *t, ulong n, struct attribute *pt, ulong pn, ulong *o, ulong *po),
  (h, m, t, n, pt, pn, o, po), KEYED; MAKES(t, n); MAKES(pt, pn))
G(C_WrapKey, SESSION, (ulong h, struct mechanism *m, ulong w, ulong k, byte *o, ulong *n), (h, m, w, k, o, n), KEYED; FILLS(o))
F(C_UnwrapKey, SESSION, (ulong h, struct mechanism *m, ulong w, byte *i, ulong in, struct attribute *t, ulong n, ulong *o),
  (h, m, w, i, in, t, n, o), KEYED; MAKES(t, n))
F(C_DeriveKey, SESSION, (ulong h, struct mechanism *m, ulong b, struct attribute *t, ulong n, ulong *o), (h, m, b, t, n, o),
  KEYED; MAKES(t, n))
F(C_SeedRandom, SESSION, (ulong h, byte *i, ulong in), (h, i, in), )
F(C_GenerateRandom, SESSION, (ulong h, byte *o, ulong n), (h, o, n), )
F(C_GetFunctionStatus, SESSION, (ulong h), (h), )
F(C_CancelFunction, SESSION, (ulong h), (h), )
F(C_WaitForSlotEvent, NOTHING, (ulong f, ulong *h, void *r), (f, h, r), )

#undef F
#undef G
#undef KEYED
#undef MAKES
#undef FILLS
