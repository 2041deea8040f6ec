// ways: see ways.h.
#include "tools/mock/ways.h"

#include "tools/capture.h"
#include "tools/cli.h"

#include <stdio.h>

// Outbound fixed is a port of --map.
enum {
    IN_FIXED = 1,
    IN_HTTP = 2,
    IN_SOCKS = 4,
    OUT_MAP = 8,
    OUT_HTTP = 16,
    OUT_SOCKS = 32,
};

static const char *const names[] = {"inbound tcp",       "inbound http",  "inbound socks",
                                    "outbound by --map", "outbound http", "outbound socks"};

static const struct {
    unsigned fronts;
    const char *type, *protocol;
} all[] = {
    {IN_FIXED, "reverse", "tcp"},
    {IN_HTTP, "reverse", "http"},
    {IN_SOCKS, "reverse", "socks"},
    {0, "forward", "http"}, // maps alone
    {OUT_HTTP, "forward", "http"},
    {OUT_SOCKS, "forward", "socks"},
    {IN_HTTP | OUT_HTTP, "dual", "http"},
    {IN_SOCKS | OUT_SOCKS, "dual", "socks"},
    {IN_FIXED | OUT_HTTP, "dual", "tcp:http"},
    {IN_FIXED | OUT_SOCKS, "dual", "tcp:socks"},
};

static unsigned front_of(struct view direction, struct view front)
{
    bool in = view_eq(direction, VIEW_LIT("inbound"));
    if (view_starts(front, VIEW_LIT("socks")))
        return in ? IN_SOCKS : OUT_SOCKS;
    if (view_eq(front, VIEW_LIT("http")))
        return in ? IN_HTTP : OUT_HTTP;
    return in ? IN_FIXED : OUT_MAP;
}

static void name(struct ways *s, unsigned fronts)
{
    size_t n = 0;

    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (fronts & 1u << i && n < sizeof s->fronts)
            n += (size_t)snprintf(s->fronts + n, sizeof s->fronts - n, "%s%s", n ? ", " : "",
                                  names[i]);
    for (size_t i = 0; fronts && i < sizeof all / sizeof *all; i++) {
        if (all[i].fronts != (fronts & ~(unsigned)OUT_MAP))
            continue;
        s->type = all[i].type;
        s->protocol = all[i].protocol;
    }
}

// One of those that --map led to, unless it is there already.
static void add_map(struct ways *s, struct view target)
{
    size_t n = strlen(s->maps);
    char text[300];
    snprintf(text, sizeof text, "%.*s", (int)target.n, target.n ? target.p : "");
    if (strstr(s->maps, text))
        return;
    if (n + strlen(text) + 8 < sizeof s->maps)
        snprintf(s->maps + n, sizeof s->maps - n, "%s%s", n ? ", " : "", text);
    else if (!strstr(s->maps, "…"))
        snprintf(s->maps + n, sizeof s->maps - n, ", …");
}

static int read_file(struct store *store, struct ways *s, unsigned *fronts)
{
    struct store_query *q = NULL;
    int e = store_query(store, "SELECT DISTINCT direction, front FROM flow", &q);
    while (!e && (e = store_step(q)) == 1) {
        *fronts |= front_of(store_bytes(q, 0), store_bytes(q, 1));
        e = 0;
    }
    store_query_free(q);
    q = NULL;
    e = e ? e
          : store_query(store,
                        "SELECT DISTINCT target FROM flow WHERE direction = 'outbound' AND front = "
                        "'fixed' ORDER BY target",
                        &q);
    while (!e && (e = store_step(q)) == 1) {
        add_map(s, store_bytes(q, 0));
        e = 0;
    }
    store_query_free(q);
    q = NULL;
    e = e ? e : store_query(store, "SELECT 1 FROM tls WHERE mode = 'intercepted' LIMIT 1", &q);
    if (!e && (e = store_step(q)) == 1) {
        s->tls = true;
        e = 0;
    }
    store_query_free(q);
    return e;
}

int ways_of(struct ways *s, const char *const *captures, size_t n)
{
    unsigned fronts = 0;
    int code = CLI_OK;
    *s = (struct ways){0};
    for (size_t i = 0; i < n && !code; i++) {
        struct capture c;
        size_t opened = 0;
        code = capture_find(&c, captures[i]);
        for (size_t k = 0; k < c.n && !code; k++) {
            struct store *store = capture_open_file(&c, k);
            opened += store != NULL;
            if (store && read_file(store, s, &fronts) != 0) {
                cli_error("%s: %s", c.paths[k], store_why(store));
                code = CLI_FAILED;
            }
            store_close(store);
        }
        if (!code && opened == 0)
            code = CLI_FAILED; // what is wrong has been told
        capture_clear(&c);
    }
    name(s, fronts);
    return code;
}
