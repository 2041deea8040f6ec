// spool: the journals' files: one a worker, and those that a run with more workers left behind.
#ifndef TAPEDECK_PROXY_SPOOL_H
#define TAPEDECK_PROXY_SPOOL_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#define SPOOL_PATH     4200
#define SPOOL_LEFT_MAX 64 // journals of an earlier run that are looked after

// Makes dir (mode 0700) when it is missing; owner: who it shall belong to, 0: nobody else. 0 or an
// error told in why.
int spool_prepare(const char *dir, uint32_t owner, char why[WHY_MAX]) MUST_CHECK;

// "DIR/journal-N.ring" into out.
const char *spool_path(const char *dir, unsigned n, char out[SPOOL_PATH]);

// The numbers, at least from, of journals that lie in dir. The count.
size_t spool_left(const char *dir, unsigned from, unsigned out[SPOOL_LEFT_MAX]);

#endif
