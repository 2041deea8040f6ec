// tls_ends: bytes go over as exact copies on the heap, so that reading behind them is noticed.
#include "tests/support/tls_ends.h"

#include <stdio.h>
#include <stdlib.h>

#define GOT_MAX (64 * 1024 * 1024)

void tls_ends_init(struct tls_ends *t, struct tls_engine *client, struct tls_engine *server)
{
    *t = (struct tls_ends){.client.e = client, .server.e = server};
    buf_init(&t->client.got, GOT_MAX);
    buf_init(&t->server.got, GOT_MAX);
}

void tls_ends_clear(struct tls_ends *t)
{
    tls_engine_free(t->client.e);
    tls_engine_free(t->server.e);
    buf_clear(&t->client.got);
    buf_clear(&t->server.got);
}

void tls_ends_give(struct tls_end *to, struct view bytes)
{
    char *copy = malloc(bytes.n ? bytes.n : 1), content[16384];
    size_t n = 0;
    if (!copy)
        abort();
    if (bytes.n > 0)
        memcpy(copy, bytes.p, bytes.n);
    tls_engine_put(to->e, view_n(copy, bytes.n));
    while ((to->last = tls_engine_get(to->e, content, sizeof content, &n)) == 0)
        if (n == 0 || n > sizeof content || buf_add(&to->got, content, n) != 0)
            abort();
    free(copy);
}

bool tls_ends_step(struct tls_ends *t, bool from_client, size_t n)
{
    struct tls_end *from = from_client ? &t->client : &t->server;
    struct tls_end *to = from_client ? &t->server : &t->client;
    struct view out = tls_engine_out(from->e);
    n = n ? n : t->piece;
    out = n ? view_head(out, n) : out;
    if (out.n == 0)
        return false;
    if (t->seen)
        t->seen(t->arg, from_client, out);
    tls_ends_give(to, out);
    tls_engine_took(from->e, out.n);
    return true;
}

void tls_ends_run(struct tls_ends *t)
{
    if (tls_engine_state(t->client.e) == TLS_HANDSHAKE)
        tls_ends_give(&t->client, view_n(NULL, 0));
    for (bool more = true; more;) {
        more = false;
        while (tls_ends_step(t, true, 0))
            more = true;
        while (tls_ends_step(t, false, 0))
            more = true;
    }
}
