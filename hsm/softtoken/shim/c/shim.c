/* A PKCS#11 module that asks a controller about each call, and forwards it to a real module, answers it itself, or does both
 * differently. It finds the controller (socket) and the real module's path (real) beside itself, in the directory it was loaded from. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "shim.h"

#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

struct function_list *real; /* of the real module, from C_Initialize on */

static int beside(const char *name, char *path, size_t size) {
  Dl_info self;
  char file[PATH_MAX];
  if (!dladdr((void *)beside, &self)) return 0;
  snprintf(file, sizeof file, "%s", self.dli_fname);
  return snprintf(path, size, "%s/%s", dirname(file), name) < (int)size;
}

static int load(void) {
  char path[PATH_MAX], module[PATH_MAX];
  ulong (*list)(struct function_list **);
  void *library;
  FILE *f;
  if (real) return 1;
  if (!beside("real", path, sizeof path) || !(f = fopen(path, "r"))) return 0;
  module[fread(module, 1, sizeof module - 1, f)] = 0;
  fclose(f);
  if (!(library = dlopen(module, RTLD_NOW | RTLD_LOCAL))) return 0;
  *(void **)&list = dlsym(library, "C_GetFunctionList");
  return list && list(&real) == CKR_OK;
}

static int all(int in, int fd, void *buffer, size_t left) {
  for (char *at = buffer; left > 0;) {
    ssize_t n = in ? recv(fd, at, left, 0) : send(fd, at, left, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return 0;
    at += n, left -= n;
  }
  return 1;
}

static int ask(struct question *q, struct verdict *v) {
  struct sockaddr_un to = {.sun_family = AF_UNIX};
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd >= 0 && beside("socket", to.sun_path, sizeof to.sun_path) && connect(fd, (struct sockaddr *)&to, sizeof to) == 0 &&
      all(0, fd, q, sizeof *q) && all(1, fd, v, sizeof *v))
    return fd;
  fprintf(stderr, "keyferry shim: %s: no controller at %s\n", q->function, to.sun_path);
  if (fd >= 0) close(fd);
  return -1;
}

static ulong report(const char *function, int fd, ulong rv) {
  uint64_t result = rv;
  if (all(0, fd, &result, sizeof result) && all(1, fd, &result, sizeof result)) return result;
  fprintf(stderr, "keyferry shim: %s: the controller went away\n", function);
  return CKR_GENERAL_ERROR;
}

static void mechanism(struct question *q, struct mechanism *m) {
  if (m) q->mechanism = m->type;
}

static void template(struct question *q, struct attribute *t, ulong n) {
  for (; t && n > 0; t++, n--)
    if (t->type == CKA_TOKEN && t->value && *(byte *)t->value) q->flags |= TOKEN_OBJECT;
}

static void sizing(struct question *q, void *out) {
  if (!out) q->flags |= SIZING;
}

static void purge(void) {
  ulong slots[256], n = sizeof slots / sizeof *slots;
  if (real->C_GetSlotList(1, slots, &n) != CKR_OK) return;
  while (n > 0) real->C_CloseAllSessions(slots[--n]);
}

#define FIRST_NOTHING 0
#define FIRST_SLOT h
#define FIRST_SESSION h
#define FORWARD_CALL(name, kind, params, call, about)                                                         \
  static ulong forward_##name params {                                                                        \
    struct question q = {.function = #name, .flags = kind, .handle = FIRST_##kind, .mechanism = UINT64_MAX};  \
    struct verdict v = {0};                                                                                   \
    q.pid = getpid();                                                                                         \
    about;                                                                                                    \
    if (!load()) return CKR_GENERAL_ERROR;                                                                    \
    int fd = ask(&q, &v);                                                                                     \
    if (fd < 0) return CKR_GENERAL_ERROR;                                                                     \
    ulong rv = v.result;                                                                                      \
    if (v.action == FORWARD) {                                                                                \
      if (v.purge) purge();                                                                                   \
      rv = report(#name, fd, real->name ? call : CKR_FUNCTION_NOT_SUPPORTED);                                 \
    }                                                                                                         \
    close(fd);                                                                                                \
    return rv;                                                                                                \
  }
#define LIST(...) __VA_ARGS__
#define F(name, kind, params, args, about) FORWARD_CALL(name, kind, params, real->name args, about)
#define G(name, kind, params, args, about) FORWARD_CALL(name, kind, params, change_##name(&v, LIST args), about)
#include "functions.h"

static struct function_list functions = {
  {2, 40},
#define F(name, kind, params, args, about) forward_##name,
#include "functions.h"
};

__attribute__((visibility("default"))) ulong C_GetFunctionList(struct function_list **list) {
  *list = &functions;
  return CKR_OK;
}
