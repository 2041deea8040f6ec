// redact: stands between the taps and the emitter, and hands on what it was told, changed or not.
//
// 1. What no rule concerns passes by after a look at the headers' names; nothing is copied.
// 2. The views that are handed on hold no secret: the head, its parsed form, the query, the host.
// 3. Scratch holds what is made of one message, for one call; of a large one it keeps little.
// 4. Where memory fails the bytes are lost, never passed as they are.
#include "proto/digest.h"
#include "proxy/emit/redact_state.h"

#include <assert.h>
#include <stdlib.h>

#define SCRATCH_MAX  (1u << 20)  // bytes of a changed head
#define SCRATCH_KEEP (64u << 10) // bytes of each that are kept for the next message

static struct redact_flow *flow_of(struct sink_flow *f)
{
    return (struct redact_flow *)(void *)f;
}

// ---- changes

void redact_tag(const struct redact *r, struct view secret, char out[REDACT_TAG])
{
    unsigned char digest[DIGEST_SIZE];
    char hex[2 * 8 + 1];

    digest_hmac(view_n(r->key, sizeof r->key), secret, digest);
    digest_hex(digest, 8, hex);
    memcpy(out, "redacted:", 9);
    memcpy(out + 9, hex, 16);
}

void redact_edit_begin(struct redact_edit *e, struct redact *r, struct buf *out, struct view in)
{
    *e = (struct redact_edit){.r = r, .out = out, .in = in};
    buf_reset(out);
}

static void put(struct redact_edit *e, size_t at, size_t n, unsigned rule, const char *text,
                size_t size)
{
    struct redact *r = e->r;
    uint64_t bit = (uint64_t)1 << rule;

    assert(at >= e->done && at + n <= e->in.n);
    e->changed = true;
    if (buf_add(e->out, e->in.p + e->done, at - e->done) < 0 || buf_add(e->out, text, size) < 0)
        e->failed = true;
    e->done = at + n;
    if (e->again)
        return;
    if (!(r->touched & bit))
        r->omitted[rule] = 0;
    r->touched |= bit;
    r->omitted[rule] += n;
}

void redact_edit_put(struct redact_edit *e, size_t at, size_t n, unsigned rule)
{
    char tag[REDACT_TAG];

    redact_tag(e->r, view_n(e->in.p + at, n), tag);
    put(e, at, n, rule, tag, sizeof tag);
}

void redact_edit_put_json(struct redact_edit *e, size_t at, size_t n, unsigned rule,
                          struct view secret)
{
    char tag[REDACT_TAG + 2];

    redact_tag(e->r, secret, tag + 1);
    tag[0] = tag[REDACT_TAG + 1] = '"';
    put(e, at, n, rule, tag, sizeof tag);
}

struct view redact_edit_end(struct redact_edit *e)
{
    if (!e->changed)
        return e->in;
    if (buf_add(e->out, e->in.p + e->done, e->in.n - e->done) < 0)
        e->failed = true;
    return e->failed ? view_n(NULL, 0) : buf_view(e->out);
}

void redact_tell_omitted(struct redact_flow *f, uint64_t n, enum dir dir)
{
    struct redact *r = f->r;

    for (; r->touched; r->touched &= r->touched - 1) {
        int rule = __builtin_ctzll(r->touched);
        f->next->ops->omitted(f->next, n, dir, r->rule[rule].what, r->omitted[rule]);
    }
}

// What was made of a message was handed on: memory that few need is given back.
static void rest(struct redact *r)
{
    struct buf *const all[] = {&r->head, &r->host, &r->path, &r->query, &r->text};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        buf_drop(all[i], buf_len(all[i]), SCRATCH_KEEP);
}

// ---- what the sink is told

// The host, too, when its header is a secret.
static void hide_host(struct redact *r, struct sink_msg *m)
{
    for (unsigned i = 0; i < r->rules; i++) {
        if (r->rule[i].kind == REDACT_HEADER && m->host.n &&
            view_eq(r->rule[i].name, VIEW_LIT("host"))) {
            redact_tag(r, m->host, r->host_tag);
            m->host = view_n(r->host_tag, sizeof r->host_tag);
        }
    }
}

static void on_begin(struct sink_flow *sf, const struct sink_msg *m)
{
    struct redact_flow *f = flow_of(sf);
    struct redact *r = f->r;
    struct sink_msg changed;
    bool failed = false;

    if (m->unreadable && !m->interim)
        redact_body_withhold(f, m);
    else if (r->jsons && !m->interim && !m->as_parts)
        redact_body_begin(f, m);
    if (!redact_head_concerns(r, m)) {
        f->next->ops->msg_begin(f->next, m);
        return;
    }
    changed = *m;
    changed.head = redact_head(r, m->head, m->dir == C2S, &failed);
    failed |= !redact_target(r, &changed);
    hide_host(r, &changed);
    if (m->http && changed.head.p != m->head.p) {
        size_t used;
        int e = http_head_parse(changed.head, 0, m->dir == C2S, &r->parsed, &used);
        changed.http = e == 0 ? &r->parsed : NULL;
    }
    if (failed) {
        changed.head = changed.host = changed.path = changed.query = view_n(NULL, 0);
        changed.http = NULL;
        changed.head_wire = 0;
        r->touched = 0;
    }
    f->next->ops->msg_begin(f->next, &changed);
    redact_tell_omitted(f, m->n, m->dir);
    if (failed)
        f->next->ops->lost(f->next, m->n, m->dir, CAUSE_OUT_OF_MEMORY, m->head_wire, m->at_us);
    rest(r);
}

static void on_body(struct sink_flow *sf, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct redact_flow *f = flow_of(sf);

    if ((f->msgs || f->all_out) && redact_body_hear(f, n, dir, content, wire, at_us))
        return;
    f->next->ops->msg_body(f->next, n, dir, content, wire, at_us);
}

static void on_end(struct sink_flow *sf, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct redact_flow *f = flow_of(sf);
    bool failed = false;

    if (f->msgs)
        redact_body_end(f, n, dir, how != MSG_CUT);
    if (trailers.n)
        trailers = redact_trailers(f->r, trailers, &failed);
    if (failed) {
        f->r->touched = 0;
        f->next->ops->lost(f->next, n, dir, CAUSE_OUT_OF_MEMORY, wire, at_us);
        wire = 0;
    }
    f->next->ops->msg_end(f->next, n, dir, how, trailers, wire, at_us);
    redact_tell_omitted(f, n, dir);
    rest(f->r);
}

static void on_txn_end(struct sink_flow *sf, uint64_t n, const char *note)
{
    struct redact_flow *f = flow_of(sf);

    if (f->msgs) {
        redact_body_end(f, n, C2S, false);
        redact_body_end(f, n, S2C, false);
    }
    f->next->ops->txn_end(f->next, n, note);
}

static void on_tls(struct sink_flow *sf, const struct tls_facts *t)
{
    struct redact_flow *f = flow_of(sf);

    f->next->ops->tls(f->next, t);
}

static void on_omitted(struct sink_flow *sf, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct redact_flow *f = flow_of(sf);

    f->next->ops->omitted(f->next, n, dir, what, wire);
}

static void on_lost(struct sink_flow *sf, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct redact_flow *f = flow_of(sf);

    f->next->ops->lost(f->next, n, dir, cause, wire, at_us);
}

static void on_linked(struct sink_flow *sf, uint64_t n, int64_t original, const char *outcome)
{
    struct redact_flow *f = flow_of(sf);

    f->next->ops->linked(f->next, n, original, outcome);
}

static void on_close(struct sink_flow *sf, const struct flow_totals *totals)
{
    struct redact_flow *f = flow_of(sf);

    redact_body_clear(f);
    f->next->ops->close(f->next, totals);
    free(f);
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
    struct redact *r = (struct redact *)(void *)s;
    struct redact_flow *f = calloc(1, sizeof *f);

    if (!f)
        return r->next->ops->open(r->next, NULL);
    f->base.ops = &ops;
    f->r = r;
    f->next = r->next->ops->open(r->next, facts);
    if (!f->next) {
        free(f);
        return NULL;
    }
    return &f->base;
}

static const struct sink_factory factory = {.open = on_open};

// ---- life

int redact_check(const char *rules, char why[WHY_MAX])
{
    struct redact *r = calloc(1, sizeof *r);
    int e = E_NOMEM;

    if (r)
        e = redact_parse(r, rules, why);
    else
        snprintf(why, WHY_MAX, "redact: %s", err_text(e));
    redact_free(r);
    return e;
}

struct redact *redact_new(const char *rules, const unsigned char key[32], struct sink *next,
                          char why[WHY_MAX])
{
    struct redact *r = calloc(1, sizeof *r);

    if (!r) {
        snprintf(why, WHY_MAX, "redact: %s", err_text(E_NOMEM));
        return NULL;
    }
    r->sink.ops = &factory;
    r->next = next;
    r->credentials = REDACT_NO_RULE;
    memcpy(r->key, key, sizeof r->key);
    buf_init(&r->head, SCRATCH_MAX);
    buf_init(&r->host, SCRATCH_MAX);
    buf_init(&r->path, SCRATCH_MAX);
    buf_init(&r->query, SCRATCH_MAX);
    buf_init(&r->text, 2 * REDACT_BODY_MAX);
    if (redact_parse(r, rules, why) < 0) {
        redact_free(r);
        return NULL;
    }
    return r;
}

void redact_bound(struct redact *r, size_t *used, size_t max, struct stats *stats)
{
    r->used = used;
    r->used_max = max;
    r->stats = stats;
}

void redact_free(struct redact *r)
{
    if (!r)
        return;
    redact_forget(r);
    buf_clear(&r->head);
    buf_clear(&r->host);
    buf_clear(&r->path);
    buf_clear(&r->query);
    buf_clear(&r->text);
    for (struct redact_msg *m; (m = r->spare);) {
        r->spare = m->next;
        free(m);
    }
    free(r);
}

struct sink *redact_sink(struct redact *r)
{
    return r->rules ? &r->sink : r->next;
}
