// map: see map.h.
#include "proxy/map.h"

#include <stdio.h>

#define PORT_MAX 65535

static const struct {
    struct view scheme;
    const struct front_ops *front;
} protocols[] = {
    {{"tcp://", 6}, &front_fixed},
    {{"http://", 7}, &front_http},
};

static int parse_listen(struct view v, struct addr *out)
{
    struct hostport hp;
    char wide[HOSTPORT_TEXT];
    uint64_t port;
    if (view_number(v, 10, PORT_MAX, &port) == 0)
        return addr_parse(out, VIEW_LIT("127.0.0.1"), (uint16_t)port);
    bool any = view_starts(v, VIEW_LIT("*:"));
    if (any)
        v = view_from(v, 1);
    if (v.n >= 2 && view_eq(view_from(v, v.n - 2), VIEW_LIT(":0"))) { // a free one
        v.n -= 2;
        snprintf(wide, sizeof wide, "%.*s:1", (int)(any ? 4 : v.n), any ? "[::]" : v.p);
        if (v.n > HOST_MAX || hostport_parse(&hp, view_of(wide), 0) != 0)
            return E_SYNTAX;
        hp.port = 0;
    } else {
        if (v.n > HOST_MAX)
            return E_SYNTAX;
        snprintf(wide, sizeof wide, "%s%.*s", any ? "[::]" : "", (int)v.n, v.p);
        if (hostport_parse(&hp, view_of(wide), 0) != 0)
            return E_SYNTAX;
    }
    return addr_parse_here(out, view_of(hp.host), hp.port);
}

int map_parse(struct map *m, const char *text, char why[WHY_MAX])
{
    struct view all = view_of(text), to;
    size_t at = view_find(all, '=');
    *m = (struct map){.front = &front_fixed};
    if (at == all.n || parse_listen(view_head(all, at), &m->bind) != 0)
        goto wrong;
    to = view_from(all, at + 1);
    for (size_t i = 0; i < sizeof protocols / sizeof *protocols; i++) {
        if (!view_istarts(to, protocols[i].scheme))
            continue;
        m->front = protocols[i].front;
        to = view_from(to, protocols[i].scheme.n);
        break;
    }
    if (hostport_parse(&m->target, to, 0) == 0 && m->target.port)
        return 0;
wrong:
    snprintf(why, WHY_MAX,
             "map: \"%.200s\" is not LISTEN=[tcp://|http://]HOST:PORT, where LISTEN is PORT or "
             "ADDR:PORT",
             text);
    return E_SYNTAX;
}

int map_text(const char *text, const struct addr *bound, char *out, size_t size)
{
    char at[ADDR_TEXT];
    const char *to = strchr(text, '=');
    int n = snprintf(out, size, "%s%s", addr_text(bound, at), to ? to : "");
    return n >= 0 && (size_t)n < size ? 0 : E_LIMIT;
}
