// hear: the sink: requests as the decoder names them, each decided upon when it is whole. All that
// is told goes on to the sink behind.
//
// Before that sink's txn_end() it is told of the recording that was played, and the outcome.
#include "tools/mock/tape_in.h"

#include "tools/mock/near.h"
#include "tools/mock/prefer.h"

#include <stdio.h>
#include <stdlib.h>

#define HEARD_KEPT 4096 // bytes of memory for content that a connection keeps for its next request

static struct end *end_of(struct sink_flow *f)
{
    return (struct end *)(void *)((char *)f - offsetof(struct end, tap));
}

static void count(atomic_uint_fast64_t *what, int64_t by)
{
    atomic_fetch_add_explicit(what, (uint_fast64_t)by, memory_order_relaxed);
}

static void link_to(struct end *e, uint64_t n, int64_t original, const char *outcome,
                    const struct fault_plan *faults)
{
    char text[64 + FAULTS_NAMES], names[FAULTS_NAMES] = "";
    if (!e->next)
        return;
    snprintf(text, sizeof text, "%s%s", outcome, faults ? fault_plan_text(faults, names) : "");
    e->next->ops->linked(e->next, n, original, text);
}

// ---- words of our own

static void explain(struct ask *a, const char *cause, struct view document)
{
    char length[24];
    snprintf(length, sizeof length, "%zu", document.n);
    buf_reset(&a->own);
    a->kind = ASK_OWN;
    int e = buf_printf(&a->own,
                       "HTTP/1.1 502 Bad Gateway\r\nContent-Type: application/json\r\n"
                       "Content-Length: %s\r\nTapedeck-Miss: %s\r\n\r\n",
                       length, cause);
    a->own_head = buf_len(&a->own);
    if (!e && buf_add_view(&a->own, document))
        buf_clear(&a->own); // nothing can be said then, and the flow ends
}

// A sentence as the document; quotes and what else JSON escapes are blanks in it.
static void explain_line(struct ask *a, const char *cause, const char *sentence)
{
    char text[WHY_MAX + 64], clean[WHY_MAX];
    snprintf(clean, sizeof clean, "%s", sentence);
    for (char *c = clean; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == '"' || *c == '\\')
            *c = ' ';
    int n = snprintf(text, sizeof text, "{\"error\":\"%s\",\"cause\":\"%s\"}\n", clean, cause);
    explain(a, cause, view_n(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1));
}

void hear_spoilt(struct end *e, struct ask *a, const char *why)
{
    int64_t id = index_entry(e->tape->mock->index, a->entry)->id;
    char line[WHY_MAX];
    snprintf(line, sizeof line, "the recorded answer cannot be said: %.200s", why);
    explain_line(a, "recording", line);
    count(&e->tape->counts->hits, -1);
    count(&e->tape->counts->misses, 1);
    link_to(e, a->n, id, "miss", a->faults);
}

void hear_unreached(struct ask *a, const char *why)
{
    char line[WHY_MAX];
    snprintf(line, sizeof line, "nothing is recorded, and the server does not answer: %.180s", why);
    explain_line(a, "server", line);
    a->to.keeps = false;
}

// ---- the decision

static size_t unanswered(const struct end *e)
{
    size_t n = 0;
    for (size_t i = 0; i < e->count; i++)
        n += end_ask(e, i)->kind == ASK_OWN;
    return n;
}

static void fill_request(const struct end *e, struct match_request *r)
{
    const struct heard *h = &e->heard;
    *r = (struct match_request){.method = h->method,
                                .scheme = h->scheme,
                                .path = h->path,
                                .query = h->query,
                                .host = h->host.n > 0 ? h->host : view_of(e->host),
                                .head = buf_view(&h->head),
                                .content = buf_view(&h->body),
                                .sealed = h->sealed,
                                .size = h->size};
    if (!r->sealed)
        return;
    struct digest_state d = h->digest;
    digest_end(&d, r->digest);
    r->content = view_n(NULL, 0);
}

static void plan_faults(struct end *e, struct ask *a, const struct match_request *r)
{
    struct faults *f = e->tape->mock->conf.faults;
    struct fault_plan plan;
    if (!f || !faults_any(f))
        return;
    struct fault_request q = {.protocol = "http",
                              .at_us = e->heard.at_us,
                              .n = a->n,
                              .method = r->method,
                              .scheme = r->scheme,
                              .host = r->host,
                              .path = r->path,
                              .query = r->query,
                              .version = e->heard.version,
                              .head = r->head,
                              .size = r->size,
                              .body = r->sealed      ? view_n(NULL, 0)
                                      : r->content.p ? r->content
                                                     : view_n("", 0)};
    faults_of_request(f, &e->who, &q, &plan);
    a->faults = plan.kinds ? malloc(sizeof plan) : NULL;
    if (!a->faults) {
        fault_plan_clear(&plan);
        return;
    }
    *a->faults = plan;
    count(&e->tape->counts->faults, 1);
}

static void explain_miss(struct end *e, struct ask *a, const struct match_request *r)
{
    struct near_miss near;
    struct buf json;
    if (unanswered(e) >= TAPE_EXPLAIN) {
        explain_line(a, "many", "no recorded answer, as to many requests before this one");
        return;
    }
    buf_init(&json, NEAR_JSON_MAX);
    int error = near_find(e->tape->match, r, &near);
    error = error ? error : near_json(&near, r, &json);
    if (error)
        explain_line(a, "unknown", "no recorded answer");
    else
        explain(a, near_causes[near.cause], buf_view(&json));
    near_clear(&near);
    buf_clear(&json);
}

static void missed(struct end *e, struct ask *a, const struct match_request *r)
{
    struct mock *m = e->tape->mock;
    uint64_t key = 0;
    if (m->conf.on_miss == MOCK_RECORD && match_key(e->tape->match, r, &key) == 0) {
        a->known = a->to.old ? NULL : remember_find(m->remembered, key);
        a->key = key;
    }
    if (a->known) {
        a->kind = ASK_LEARNED;
        count(&e->tape->counts->hits, 1);
        link_to(e, a->n, 0, "hit", NULL);
    } else if (m->conf.on_miss != MOCK_FAIL && a->from >= e->wire_at) {
        a->kind = ASK_FORWARD;
        count(&e->tape->counts->passed, 1);
        link_to(e, a->n, 0, "passthrough", NULL);
        forward_dial(e);
    } else {
        if (m->conf.on_miss == MOCK_FAIL)
            explain_miss(e, a, r);
        else
            explain_line(a, "size",
                         "no recorded answer, and the request is too large to be passed on");
        count(&e->tape->counts->misses, 1);
        link_to(e, a->n, 0, "miss", a->faults);
    }
}

static void hit(struct end *e, struct ask *a, uint32_t entry, const char *outcome)
{
    a->kind = ASK_HIT;
    a->entry = entry;
    count(&e->tape->counts->hits, 1);
    link_to(e, a->n, index_entry(e->tape->mock->index, entry)->id, outcome, a->faults);
}

static void decide(struct end *e, struct ask *a)
{
    struct match_request r;
    struct match_found found;
    fill_request(e, &r);
    plan_faults(e, a, &r);
    if (e->heard.prefer.n > 0 && prefer_take(e, a, &r)) {
        link_to(e, a->n,
                a->entry == INDEX_NONE ? 0 : index_entry(e->tape->mock->index, a->entry)->id, "hit",
                a->faults);
        count(&e->tape->counts->hits, 1);
        return;
    }
    int n = match_take(e->tape->match, &r, &e->match, &found);
    if (n == 1)
        hit(e, a, found.entry, "hit");
    else if (n == 0)
        missed(e, a, &r);
    else
        e->broken = e->over = e->reset = true;
}

// ---- requests

static struct view moved(struct view v, struct view from, const char *to)
{
    if (v.n == 0 || v.p < from.p || v.p >= from.p + from.n)
        return v; // static
    return view_n(to + (v.p - from.p), v.n);
}

static struct ask *newest(struct end *e)
{
    return e->count > 0 ? end_ask(e, e->count - 1) : NULL;
}

static void begin_request(struct end *e, const struct sink_msg *m)
{
    struct heard *h = &e->heard;
    struct ask *a = end_ask_new(e, m->n);
    buf_reset(&h->head);
    buf_reset(&h->body);
    h->size = 0;
    h->sealed = false;
    if (!a || buf_add_view(&h->head, m->head)) {
        e->broken = e->over = e->reset = true;
        return;
    }
    const char *to = buf_view(&h->head).p;
    h->on = true;
    h->at_us = m->at_us;
    h->method = moved(m->method, m->head, to);
    h->scheme = moved(m->scheme, m->head, to);
    h->host = moved(m->host, m->head, to);
    h->path = moved(m->path, m->head, to);
    h->query = moved(m->query, m->head, to);
    h->version = moved(m->version, m->head, to);
    const struct http_header *prefer =
        m->http ? http_head_find(m->http, VIEW_LIT("tapedeck-prefer")) : NULL;
    h->prefer = prefer ? moved(prefer->value, m->head, to) : view_n(NULL, 0);
    a->from = e->told;
    if (!m->http)
        return;
    a->to.old = m->http->minor == 0;
    a->to.keeps = !m->http->close && (!a->to.old || m->http->keep_alive);
    a->expects = m->http->expect_continue && !a->to.old;
    if (view_eq(m->method, VIEW_LIT("HEAD")) || view_eq(m->method, VIEW_LIT("CONNECT")))
        snprintf(a->to.method, sizeof a->to.method, "%.*s", (int)m->method.n, m->method.p);
}

// What the client says is no HTTP.
static void begin_other(struct end *e)
{
    if (e->forward.raw || e->talk.mode != TALK_OFF)
        return;
    if (e->http) {
        e->foreign = true; // what follows is not understood
    } else {
        e->talk.mode = TALK_BY_STATE; // of which nothing is recorded
        e->talk.missed = true;
    }
}

static void on_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct end *e = end_of(f);
    bool http = m->protocol[0] == 'h'; // "http"
    e->next->ops->msg_begin(e->next, m);
    if (!http) {
        e->raw = true;
        e->raw_n = m->n;
    }
    if (m->dir == S2C) {
        e->forward.switches = http && m->status == 101;
        return;
    }
    if (http) {
        e->http = true;
        begin_request(e, m);
    } else {
        begin_other(e);
    }
    e->told += m->head_wire;
    end_stir(e);
}

static void hear_content(struct heard *h, struct view content)
{
    h->size += content.n;
    if (!content.p)
        return;
    if (!h->sealed && buf_add_view(&h->body, content) == 0)
        return;
    if (!h->sealed) { // from here on
        h->sealed = true;
        digest_begin(&h->digest);
        digest_more(&h->digest, buf_view(&h->body));
        buf_clear(&h->body);
    }
    digest_more(&h->digest, content);
}

static void on_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct end *e = end_of(f);
    e->next->ops->msg_body(e->next, n, dir, content, wire, at_us);
    if (dir == S2C)
        return;
    e->told += wire;
    if (e->heard.on)
        hear_content(&e->heard, content);
}

static void on_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct end *e = end_of(f);
    e->next->ops->msg_end(e->next, n, dir, how, trailers, wire, at_us);
    if (dir == S2C) {
        if (e->count > 0 && end_ask(e, 0)->kind == ASK_FORWARD && end_ask(e, 0)->n == n)
            forward_answered(e, how == MSG_COMPLETE);
        return;
    }
    e->told += wire;
    struct ask *a = newest(e);
    if (!e->heard.on || !a || e->over)
        return;
    e->heard.on = false;
    if (how != MSG_COMPLETE)
        return; // it stays as it is: nothing answers it
    a->whole_us = end_now(e);
    a->until = e->told;
    a->expects = false;
    decide(e, a);
    if (e->heard.body.cap > HEARD_KEPT)
        buf_clear(&e->heard.body);
    end_stir(e);
}

static void on_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct end *e = end_of(f);
    if (e->raw && n == e->raw_n) {
        const struct talk *t = &e->talk;
        bool forwarded = e->forward.raw;
        link_to(e, n, t->id,
                forwarded             ? "passthrough"
                : t->id && !t->missed ? "hit"
                                      : "miss",
                t->faults);
        if (t->missed && !forwarded)
            count(&e->tape->counts->misses, 1);
        e->raw = false;
    }
    e->next->ops->txn_end(e->next, n, note);
}

static void on_tls(struct sink_flow *f, const struct tls_facts *t)
{
    struct end *e = end_of(f);
    e->next->ops->tls(e->next, t);
}

static void on_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct end *e = end_of(f);
    e->next->ops->omitted(e->next, n, dir, what, wire);
}

static void on_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct end *e = end_of(f);
    e->next->ops->lost(e->next, n, dir, cause, wire, at_us);
}

static void on_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct end *e = end_of(f);
    e->next->ops->linked(e->next, n, original, outcome);
}

static void on_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct end *e = end_of(f);
    e->next->ops->close(e->next, totals);
    e->next = NULL;
    if (e->closed)
        tape_bury(e);
}

const struct sink_ops hear_ops = {
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
