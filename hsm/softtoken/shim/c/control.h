/* What the shim and its controller say to each other, on a connection of its own for each call: a question before it, and, if the
 * verdict was to go on, the module's result after it. Numbers in the machine's own order; controller and shim share a machine. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdint.h>

enum { NOTHING = 0, SLOT = 1, SESSION = 2, SIZING = 4, TOKEN_OBJECT = 8 };

struct question {
  char function[32];
  uint64_t pid, flags, handle, mechanism, extra; /* handle: of the slot or session; extra: user type, session flags, token present */
};

enum { FORWARD = 0, ANSWER = 1 };
enum { ONE_STEP_NONE = 0, ONE_STEP_RIGHT, ONE_STEP_IGNORES_HASH, ONE_STEP_PLAIN_WRAP, ONE_STEP_GARBLES };

struct verdict {
  uint64_t action, result; /* result: what is answered when action is ANSWER */
  uint64_t set, clear;     /* bits of the flags in a CK_TOKEN_INFO or CK_SLOT_INFO */
  uint64_t max_sessions;   /* shown in CK_TOKEN_INFO, 0 as the module shows it */
  uint64_t empty;          /* a slot list without slots */
  uint64_t purge;          /* close all sessions first: the token was away */
  uint64_t one_step;       /* how CKM_RSA_AES_KEY_WRAP is done */
};

#endif
