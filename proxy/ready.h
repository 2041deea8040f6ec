// ready: the file that tells a supervisor, or a script, that the listeners accept and where.
#ifndef TAPEDECK_PROXY_READY_H
#define TAPEDECK_PROXY_READY_H

#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define READY_MAPS     32
#define READY_MAP_TEXT 512

struct ready {
    const struct addr *in, *out, *admin; // NULL: there is none
    char map[READY_MAPS][READY_MAP_TEXT];
    size_t maps;
};

// {"pid": N, "in": "ADDR:PORT" or null, "out": …, "admin": …, "maps": ["LISTEN=TARGET", …]},
// without maps where there are none; the file appears whole. 0, or an error told in why.
int ready_write(const char *path, const struct ready *r, char why[WHY_MAX]) MUST_CHECK;

#endif
