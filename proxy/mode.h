// mode: what a pair of proxy-type and proxy-protocol means: a list of listeners. Below this file
// nothing knows the pair.
#ifndef TAPEDECK_PROXY_MODE_H
#define TAPEDECK_PROXY_MODE_H

#include "proto/base/options.h"
#include "proxy/front/front.h"

#define MODE_MAPS      32 // of --map
#define MODE_LISTENERS (2 + MODE_MAPS)

struct mode_listener {
    const char *name; // "in", "out", "map"
    enum direction direction;
    const struct front_ops *front; // NULL: socks, told apart by a client's first byte
    bool fixed_target; // everything goes to one: proxy-host:proxy-port, or what a map says
    bool mapped;
};

struct mode {
    struct mode_listener listeners[MODE_LISTENERS];
    size_t count;
};

// 0; E_RANGE: no such pair, why names the legal ones; E_UNSUPPORTED: transparent.
int mode_of(const char *type, const char *protocol, struct mode *out, char why[WHY_MAX]) MUST_CHECK;

// Adds the listener of a map, at most MODE_MAPS times.
void mode_add_map(struct mode *m, const struct front_ops *front);

#endif
