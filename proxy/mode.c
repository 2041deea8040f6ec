// mode: the table of pairs. Reverse never dials what a client names: the inbound port faces the
// network.
#include "proxy/mode.h"

#include "proto/base/err.h"

#include <assert.h>
#include <stdio.h>

enum kind { NONE, TCP, HTTP, SOCKS };

static const struct pair {
    const char *type, *protocol;
    enum kind in, out;
} pairs[] = {
    {"reverse", "tcp", TCP, NONE},     {"reverse", "http", HTTP, NONE},
    {"reverse", "socks", SOCKS, NONE}, {"forward", "http", NONE, HTTP},
    {"forward", "socks", NONE, SOCKS}, {"dual", "http", HTTP, HTTP},
    {"dual", "socks", SOCKS, SOCKS},   {"dual", "tcp:http", TCP, HTTP},
    {"dual", "tcp:socks", TCP, SOCKS},
};

#define LEGAL                                                                                      \
    "legal pairs are reverse with tcp, http, socks; forward with http, socks; dual with http, "    \
    "socks, tcp:http, tcp:socks"

static void add(struct mode *m, const char *name, enum direction direction, enum kind kind)
{
    if (kind == NONE)
        return;
    m->listeners[m->count++] = (struct mode_listener){
        .name = name,
        .direction = direction,
        .front = kind == TCP    ? &front_fixed
                 : kind == HTTP ? &front_http
                                : NULL,
        .fixed_target = direction == INBOUND,
    };
}

int mode_of(const char *type, const char *protocol, struct mode *out, char why[WHY_MAX])
{
    *out = (struct mode){0};
    if (strcmp(type, "transparent") == 0) {
        snprintf(why, WHY_MAX,
                 "proxy-type transparent, the default, needs redirection rules, which this version "
                 "does not have; give --proxy-type reverse, forward or dual: " LEGAL);
        return E_UNSUPPORTED;
    }
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        if (strcmp(pairs[i].type, type) != 0 || strcmp(pairs[i].protocol, protocol) != 0)
            continue;
        add(out, "in", INBOUND, pairs[i].in);
        add(out, "out", OUTBOUND, pairs[i].out);
        return 0;
    }
    snprintf(why, WHY_MAX, "proxy-type %s does not go with proxy-protocol %s; " LEGAL, type,
             protocol);
    return E_RANGE;
}

void mode_add_map(struct mode *m, const struct front_ops *front)
{
    assert(m->count < MODE_LISTENERS);
    m->listeners[m->count++] = (struct mode_listener){
        .name = "map", .direction = OUTBOUND, .front = front, .fixed_target = true, .mapped = true};
}
