// ear: see ear.h.
#include "tests/support/ear.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct ear *ear_of(struct sink_flow *f)
{
    return (struct ear *)(void *)((char *)f - offsetof(struct ear, flow));
}

static void keep(char out[EAR_TEXT], struct view v)
{
    assert_true(v.n < EAR_TEXT);
    if (v.n)
        memcpy(out, v.p, v.n);
    out[v.n] = '\0';
}

static void on_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct ear *e = ear_of(f);

    keep(e->head[m->dir], m->head);
    if (m->dir == C2S) {
        keep(e->path, m->path);
        keep(e->query, m->query);
        keep(e->host, m->host);
    }
    e->had_http = m->http != NULL;
    if (m->http)
        e->http = *m->http;
    e->wire[m->dir] += m->head_wire;
}

static void on_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct ear *e = ear_of(f);

    (void)n;
    (void)at_us;
    e->wire[dir] += wire;
    if (!content.p) {
        e->withheld[dir] += content.n;
        return;
    }
    assert_true(e->content_n[dir] + content.n < EAR_CONTENT);
    memcpy(e->content[dir] + e->content_n[dir], content.p, content.n);
    e->content_n[dir] += content.n;
}

static void on_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct ear *e = ear_of(f);

    (void)n;
    (void)how;
    (void)at_us;
    keep(e->trailers[dir], trailers);
    e->wire[dir] += wire;
}

static void on_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    (void)n;
    (void)note;
    ear_of(f)->txns++;
}

static void on_tls(struct sink_flow *f, const struct tls_facts *t)
{
    (void)f;
    (void)t;
}

static void on_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct ear *e = ear_of(f);

    (void)n;
    e->omitted[dir] += wire;
    size_t at = strlen(e->what);
    snprintf(e->what + at, sizeof e->what - at, "%s ", what);
}

static void on_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct ear *e = ear_of(f);

    (void)n;
    (void)cause;
    (void)at_us;
    e->lost[dir] += wire;
    e->wire[dir] += wire;
}

static void on_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct ear *e = ear_of(f);

    (void)n;
    e->original = original;
    snprintf(e->outcome, sizeof e->outcome, "%s", outcome);
}

static void on_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct ear *e = ear_of(f);

    e->relayed[C2S] = totals->relayed[C2S];
    e->relayed[S2C] = totals->relayed[S2C];
}

static const struct sink_ops ops = {
    .msg_begin = on_begin,
    .msg_body = on_body,
    .msg_end = on_end,
    .txn_end = on_txn_end,
    .tls = on_tls,
    .omitted = on_omitted,
    .lost = on_lost,
    .linked = on_linked,
    .close = on_close,
};

static struct sink_flow *on_open(struct sink *s, const struct flow_facts *facts)
{
    struct ear *e = (struct ear *)(void *)s;

    (void)facts;
    e->flow.ops = &ops;
    return &e->flow;
}

static const struct sink_factory factory = {.open = on_open};

struct sink *ear_begin(struct ear *e)
{
    memset(e, 0, sizeof *e);
    e->sink.ops = &factory;
    e->content[C2S] = malloc(EAR_CONTENT);
    e->content[S2C] = malloc(EAR_CONTENT);
    assert_true(e->content[C2S] && e->content[S2C]);
    return &e->sink;
}

void ear_end(struct ear *e)
{
    free(e->content[C2S]);
    free(e->content[S2C]);
}
