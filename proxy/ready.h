// ready: the file that tells a supervisor, or a script, that the listeners accept and where.
#ifndef TAPEDECK_PROXY_READY_H
#define TAPEDECK_PROXY_READY_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

struct ready { // NULL: there is none
    const struct addr *in, *out, *admin;
};

// {"pid": N, "in": "ADDR:PORT" or null, "out": …, "admin": …}; the file appears whole. 0, or an
// error told in why.
int ready_write(const char *path, const struct ready *r, char why[WHY_MAX]) MUST_CHECK;

#endif
