// tls: recognises TLS, and reports what both hellos tell in the clear, and of TLS 1.2 and before
// the server's certificate. The bytes themselves are a raw conversation under the name "tls".
//
//   C2S:  ClientHello (held until whole) ───────────────→ facts kept ─→ bytes pass to raw
//   S2C:  ServerHello, Certificate (held until whole) ──→ sink->tls ──→ bytes pass to raw
//
// 1. Every byte goes to raw exactly once: a hello when it was read or given up, the rest at once.
// 2. sink->tls is called at most once: at the server's hello, or when none can come any more.
// 3. The client's facts are on the heap only between the two hellos.
// 4. A client hello that breaks its grammar makes it LOST; an answer that does is a server that
//    refused, and stays part of the conversation.
#include "proxy/decode/raw.h"
#include "proxy/tls/certificate.h"
#include "proxy/tls/hello.h"

#include <stdlib.h>

struct tls {
    struct raw raw;
    struct client_hello *client; // NULL: not read, or reported
    int64_t at_us;               // of the client's first byte
    bool heard[2];               // by enum dir: the hello was read or given up
    bool reported;
};

static void report(struct tls *t, struct decode_ctx *ctx, const struct client_hello *client,
                   const struct server_hello *server, const struct certificate *certificate)
{
    if (t->reported)
        return;
    t->reported = true;
    struct tls_facts facts = {
        .at_us = t->at_us,
        .sni = client ? client->sni : "",
        .alpn_offered = client ? client->alpn : "",
        .versions_offered = client ? client->versions : "",
        .version = server ? server->version : "",
        .cipher = server ? server->cipher : "",
        .alpn = server ? server->alpn : "",
        .mode = "opaque",
        .why = ctx->facts->tls_why,
        .certificate = certificate,
    };
    ctx->sink->ops->tls(ctx->sink, &facts);
    free(t->client);
    t->client = NULL;
}

static enum decode_sniff tls_sniff(enum dir dir, struct view first)
{
    if (dir == S2C)
        return SNIFF_NO; // a server never begins TLS
    enum hello_may may = hello_may_be(first);
    return may == HELLO_YES ? SNIFF_YES : may == HELLO_MORE ? SNIFF_MORE : SNIFF_NO;
}

static void tls_init(void *d, struct decode_ctx *ctx)
{
    struct tls *t = d;
    raw_begin(&t->raw, "tls");
    t->at_us = ctx->now_us;
}

// Whether a hello's answer means that more bytes are worth holding the present ones for.
static bool wait_for_more(int r, const struct decode_ctx *ctx, struct view in)
{
    return r == E_AGAIN && !ctx->last && in.n < TAP_HOLD_MAX;
}

// False: wait.
static enum decode_verdict client_bytes(struct tls *t, struct decode_ctx *ctx, struct view in,
                                        bool *wait)
{
    struct client_hello hello;
    int r = hello_client(in, &hello);
    *wait = wait_for_more(r, ctx, in);
    if (*wait)
        return DECODE_MORE;
    if (r == E_SYNTAX) {
        t->reported = true;
        memcpy(ctx->note, "not tls: bad client hello", sizeof "not tls: bad client hello");
        return DECODE_LOST;
    }
    t->heard[C2S] = true;
    t->at_us = ctx->first_us;
    if (r == 0 && !t->heard[S2C] && (t->client = malloc(sizeof hello)))
        *t->client = hello;
    else
        report(t, ctx, r == 0 ? &hello : NULL, NULL, NULL);
    return DECODE_MORE;
}

static void server_bytes(struct tls *t, struct decode_ctx *ctx, struct view in, bool *wait)
{
    struct server_hello hello;
    struct certificate certificate;
    unsigned char memory[HELLO_MAX];
    struct view der = {0};
    int r = hello_server(in, &hello);
    bool clear = r == 0 && strcmp(hello.version, "1.3") != 0;
    int c = clear ? hello_certificate(in, memory, &der) : E_NOTFOUND;
    *wait = wait_for_more(r, ctx, in) || wait_for_more(c, ctx, in);
    if (*wait)
        return;
    t->heard[S2C] = true;
    bool shown = c == 0 && certificate_read_der(der, &certificate) == 0;
    if (t->heard[C2S])
        report(t, ctx, t->client, r == 0 ? &hello : NULL, shown ? &certificate : NULL);
}

static enum decode_verdict tls_feed(void *d, struct decode_ctx *ctx, enum dir dir, struct view in,
                                    size_t *used)
{
    struct tls *t = d;
    bool wait = false;
    enum decode_verdict verdict = DECODE_MORE;
    *used = 0;
    if (!t->heard[dir]) {
        if (dir == C2S)
            verdict = client_bytes(t, ctx, in, &wait);
        else
            server_bytes(t, ctx, in, &wait);
    }
    if (verdict != DECODE_MORE || wait)
        return verdict;
    raw_hear(&t->raw, ctx, dir, in);
    *used = in.n;
    return DECODE_MORE;
}

static void tls_end(void *d, struct decode_ctx *ctx, enum dir dir)
{
    struct tls *t = d;
    if (dir == S2C && t->heard[C2S])
        report(t, ctx, t->client, NULL, NULL);
    raw_end(&t->raw, ctx, dir);
}

static void tls_clear(void *d, struct decode_ctx *ctx)
{
    struct tls *t = d;
    if (t->heard[C2S])
        report(t, ctx, t->client, NULL, NULL);
    raw_finish(&t->raw, ctx, ctx->note);
}

const struct decoder_ops decoder_tls = {
    .name = "tls",
    .size = sizeof(struct tls),
    .sniff = tls_sniff,
    .init = tls_init,
    .feed = tls_feed,
    .end = tls_end,
    .clear = tls_clear,
};
