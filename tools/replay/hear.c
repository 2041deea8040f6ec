// hear: a flow's sink finds its connection by the facts, which are a part of it.
#include "tools/replay/hear.h"

#include <stdio.h>
#include <stdlib.h>

#define SPARE_MAX 4096

struct hear_flow {
    struct sink_flow flow; // first
    struct hear *hear;
    struct connection *c;
    struct sink_flow *next;
    struct hear_flow *spare;
};

static struct hear_flow *of(struct sink_flow *f)
{
    return (struct hear_flow *)(void *)f;
}

static struct exchange *find(const struct connection *c, uint64_t n)
{
    for (struct exchange *x = c->first; x; x = x->next)
        if (x->numbered && x->n == n)
            return x;
    return NULL;
}

// A conversation has one exchange, whatever the decoder makes of it.
static struct exchange *talking(const struct connection *c)
{
    return c->first && c->first->material->kind == PLAN_RAW ? c->first : NULL;
}

static void hold(struct buf *b, struct view v)
{
    (void)!buf_add_view(b, v); // what is too long stays what fits
}

static void begin_answer(struct connection *c, const struct sink_msg *m)
{
    struct exchange *x = talking(c);
    if (x) {
        x->heard = true;
        x->first_us = x->first_us < 0 ? c->all->env->now : x->first_us;
        return;
    }
    x = find(c, m->n);
    if (strcmp(m->protocol, "http") != 0) {
        if (!c->switched)
            c->garbage = true;
        c->spoke = c->switched;
        c->early_n = m->n;
        return;
    }
    if (!x) {
        c->garbage = true;
        if (!m->interim)
            c->all->ops->unasked(c);
        return;
    }
    if (x->first_us < 0)
        x->first_us = c->all->env->now;
    if (m->interim) {
        if (buf_add_view(&x->interim, m->head))
            c->garbage = true; // more of them than anybody would read
        c->waits_for_100 = false;
        return;
    }
    x->heard = true;
    x->received_bytes += m->head_wire;
    x->status = (int64_t)m->status;
    hold(&x->answer_head, m->head);
    c->waits_for_100 = false;
    if (m->http && (m->http->close || (m->http->minor == 0 && !m->http->keep_alive)) &&
        m->status != 101)
        c->final = true;
}

static void hear_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct hear_flow *h = of(f);
    struct connection *c = h->c;
    if (m->dir == S2C) {
        begin_answer(c, m);
    } else if (c->last && !c->last->numbered) {
        c->last->numbered = true;
        c->last->n = m->n;
    }
    if (m->dir == S2C && talking(c) && !talking(c)->numbered) { // the server spoke first
        talking(c)->numbered = true;
        talking(c)->n = m->n;
    }
    if (h->next)
        h->next->ops->msg_begin(h->next, m);
}

static void hear_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                      uint64_t wire, int64_t at_us)
{
    struct hear_flow *h = of(f);
    struct exchange *x = dir == S2C ? talking(h->c) : NULL;
    x = x || dir == C2S ? x : find(h->c, n);
    if (!x && dir == S2C && h->c->spoke && n == h->c->early_n &&
        buf_add_view(&h->c->early, content))
        h->c->garbage = true; // more than anybody would listen to
    if (x) {
        const struct material *m = x->material;
        x->received_bytes += wire;
        if (m->answer_cut && m->kind == PLAN_HTTP) // an endless one, say: no more is compared
            content = view_head(content,
                                m->answer_size > x->size ? (size_t)(m->answer_size - x->size) : 0);
        exchange_hear(h->c->all->exchanges, x, content);
    }
    if (h->next)
        h->next->ops->msg_body(h->next, n, dir, content, wire, at_us);
}

static void link_to(struct hear_flow *h, struct exchange *x)
{
    if (x->linked)
        return;
    x->linked = true;
    const char *outcome = h->c->all->ops->outcome(h->c, x);
    if (h->next)
        h->next->ops->linked(h->next, x->n, x->material->id, outcome);
}

static void hear_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                     struct view trailers, uint64_t wire, int64_t at_us)
{
    struct hear_flow *h = of(f);
    struct exchange *x = talking(h->c) ? NULL : find(h->c, n);
    if (h->next)
        h->next->ops->msg_end(h->next, n, dir, how, trailers, wire, at_us);
    if (!x || dir != S2C)
        return;
    hold(&x->trailers, trailers);
    x->over = true;
    x->cut = how == MSG_CUT;
    x->until_close = how == MSG_UNTIL_CLOSE;
    x->end_us = h->c->all->env->now;
    x->received_bytes += wire;
    if (!x->cut)
        x->kind = RESULT_ANSWERED;
    if (x->status == 101 || (x->status < 300 && view_eq(x->material->method, VIEW_LIT("CONNECT"))))
        h->c->switched = true;
    if (!x->cut) // else it is known with txn_end() why
        link_to(h, x);
}

static void hear_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct hear_flow *h = of(f);
    struct exchange *x = find(h->c, n);
    if (x) {
        bool whole = x->over && !x->cut;
        if (!whole && *note && x->material->kind != PLAN_RAW && !x->material->answer_cut) {
            snprintf(x->note, sizeof x->note, "%s", note);
            x->kind = RESULT_GARBAGE;
            x->reason = x->note;
            h->c->garbage = true;
        }
        link_to(h, x);
    }
    if (h->next)
        h->next->ops->txn_end(h->next, n, note);
}

static void hear_tls(struct sink_flow *f, const struct tls_facts *t)
{
    struct hear_flow *h = of(f);
    if (h->next)
        h->next->ops->tls(h->next, t);
}

static void hear_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct hear_flow *h = of(f);
    if (h->next)
        h->next->ops->linked(h->next, n, original, outcome);
}

static void hear_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                         uint64_t wire)
{
    struct hear_flow *h = of(f);
    if (h->next)
        h->next->ops->omitted(h->next, n, dir, what, wire);
}

static void hear_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause,
                      uint64_t wire, int64_t at_us)
{
    struct hear_flow *h = of(f);
    if (h->next)
        h->next->ops->lost(h->next, n, dir, cause, wire, at_us);
}

static void hear_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct hear_flow *h = of(f);
    struct hear *all = h->hear;
    if (h->next)
        h->next->ops->close(h->next, totals);
    if (all->spares == SPARE_MAX) {
        free(h);
        return;
    }
    h->spare = all->spare;
    all->spare = h;
    all->spares++;
}

static const struct sink_ops ops = {
    .msg_begin = hear_begin,
    .msg_body = hear_body,
    .msg_end = hear_end,
    .txn_end = hear_txn_end,
    .tls = hear_tls,
    .linked = hear_linked,
    .omitted = hear_omitted,
    .lost = hear_lost,
    .close = hear_close,
};

static struct sink_flow *hear_open(struct sink *s, const struct flow_facts *facts)
{
    struct hear *all = (struct hear *)(void *)s;
    struct hear_flow *h = all->spare;
    if (h) {
        all->spare = h->spare;
        all->spares--;
    } else {
        h = malloc(sizeof *h);
    }
    if (!h)
        return NULL; // the connection looks whether it is heard
    struct sink_flow *next = all->next ? all->next->ops->open(all->next, facts) : NULL;
    *h = (struct hear_flow){.flow = {&ops}, .hear = all, .next = next};
    h->c = (struct connection *)(void *)((char *)(uintptr_t)facts -
                                         offsetof(struct connection, facts));
    return &h->flow;
}

static const struct sink_factory factory = {hear_open};

void hear_init(struct hear *h, struct sink *next)
{
    *h = (struct hear){.sink = {&factory}, .next = next};
}

void hear_clear(struct hear *h)
{
    for (struct hear_flow *f; (f = h->spare);) {
        h->spare = f->spare;
        free(f);
    }
    h->spares = 0;
}
