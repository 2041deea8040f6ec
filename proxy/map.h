// map: the text of --map: a port that stands for one upstream, for clients that know no proxies.
#ifndef TAPEDECK_PROXY_MAP_H
#define TAPEDECK_PROXY_MAP_H

#include "proto/base/options.h"
#include "proxy/front/front.h"

struct map {
    struct addr bind;
    struct hostport target;
    const struct front_ops *front;
};

// LISTEN=[proto://]HOST:PORT. LISTEN is PORT, of 127.0.0.1, or ADDR:PORT, * for every address; port
// 0 takes a free one. proto is tcp, the default, where the bytes tell what is spoken and pass as
// they are, or http, where requests are taken one at a time. 0; E_SYNTAX, told.
int map_parse(struct map *m, const char *text, char why[WHY_MAX]) MUST_CHECK;

// The same text with the port that was bound. E_LIMIT: longer than size.
int map_text(const char *text, const struct addr *bound, char *out, size_t size) MUST_CHECK;

#endif
