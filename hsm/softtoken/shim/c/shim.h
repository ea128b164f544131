#ifndef SHIM_H
#define SHIM_H

#include "control.h"
#include "cryptoki.h"

struct function_list {
  struct version version;
#define F(name, kind, params, args, about) ulong(*name) params;
#include "functions.h"
};

extern struct function_list *real;

/* change_NAME calls the real module as v wants it done. */
ulong change_C_GetSlotList(const struct verdict *v, byte present, ulong *l, ulong *n);
ulong change_C_GetSlotInfo(const struct verdict *v, ulong slot, struct slot_info *i);
ulong change_C_GetTokenInfo(const struct verdict *v, ulong slot, struct token_info *i);
ulong change_C_GetMechanismList(const struct verdict *v, ulong slot, ulong *l, ulong *n);
ulong change_C_GetMechanismInfo(const struct verdict *v, ulong slot, ulong type, struct mechanism_info *i);
ulong change_C_Login(const struct verdict *v, ulong s, ulong user, byte *pin, ulong n);
ulong change_C_WrapKey(const struct verdict *v, ulong s, struct mechanism *m, ulong w, ulong k, byte *o, ulong *n);

#endif
