// near: records travel without encryption, so what others could read along is no address here.
#include "proto/base/near.h"

#include <stdio.h>

static const char prefix[] = "unix:";

static int parse_unix(struct near *out, const char *option, const char *path, char why[WHY_MAX])
{
    size_t n = strlen(path);
    if (n == 0 || n >= sizeof out->un.sun_path) {
        snprintf(why, WHY_MAX, "%s: unix:%.200s: the path must have 1 to %zu bytes", option, path,
                 sizeof out->un.sun_path - 1);
        return E_SYNTAX;
    }
    out->un.sun_family = AF_UNIX;
    memcpy(out->un.sun_path, path, n + 1);
    out->size = sizeof out->un;
    return 0;
}

int near_parse(struct near *out, const char *option, const char *text, char why[WHY_MAX])
{
    struct hostport hp;
    memset(out, 0, sizeof *out);
    if (strncmp(text, prefix, sizeof prefix - 1) == 0)
        return parse_unix(out, option, text + sizeof prefix - 1, why);
    if (hostport_parse(&hp, view_of(text), 0) != 0) {
        snprintf(why, WHY_MAX, "%s: \"%.200s\" is neither unix:PATH nor HOST:PORT of this machine",
                 option, text);
        return E_SYNTAX;
    }
    if (addr_parse_here(&out->ip, view_of(hp.host), hp.port) != 0 || !addr_is_loopback(&out->ip)) {
        snprintf(why, WHY_MAX,
                 "%s: %.200s: only a loopback address (127.0.0.1, [::1]) or unix:PATH, since "
                 "records travel without encryption",
                 option, text);
        return E_REFUSED;
    }
    out->size = addr_len(&out->ip);
    return 0;
}
