// privs: what a process gives up once it has what needed root, and how many descriptors it may
// have.
#ifndef TAPEDECK_PROXY_PRIVS_H
#define TAPEDECK_PROXY_PRIVS_H

#include "proto/base/err.h"
#include "proto/base/options.h"

// As root and with uid other than 0: privs_prepare() does all that may be refused, before any
// thread is started, and leaves us root's access to files; then privs_drop() goes on as that user,
// in all threads, without a way back. 0, or an error told in why.
int privs_prepare(uint32_t uid, char why[WHY_MAX]) MUST_CHECK;
int privs_drop(uint32_t uid, char why[WHY_MAX]) MUST_CHECK;

// No core dump of this process from now on, and no other process of its user looks into it. To be
// said again behind privs_drop(), with which the kernel may forget the latter. 0, or an error told
// in why.
int privs_no_dumps(char why[WHY_MAX]) MUST_CHECK;

// Raises the limit of open files to at least wanted, as far as the system permits. What it is now.
uint64_t privs_raise_files(uint64_t wanted);

#endif
