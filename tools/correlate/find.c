// find: the two passes over a recording, both in the order in which requests began.
//
// 1. A value goes from an answer to a request only if the answer was whole before the request
//    began; so the earliest that issued it is known when a request that carries it is come to.
// 2. What a client carried before that is its own: it goes to none of its requests. The answers to
//    it are an echo.
// 3. Inbound and outbound are apart.
// 4. A credential that redaction hid, and that no answer shows hidden alike, is taken for the last
//    token that an answer gave on this connection before, or else to this client.
#include "tools/correlate/gathered.h"

#include "proto/base/fnv.h"
#include "tools/body.h"
#include "tools/cli.h"
#include "tools/head.h"
#include "tools/rows.h"

#include <stdlib.h>

#define CLIENTS         4096 // whose last token is remembered
#define STEP            64   // transactions between two calls of progress
#define PLACES_TOO_MANY 4    // that issue a value that is not strong: it stands for itself

struct last_token {
    uint32_t of; // a connection, a client
    uint32_t place;
    int64_t id, end_us;
};

struct finding {
    struct gathered g;
    const struct rewrite *rules;
    bool second; // pass
    bool by_rules;
    struct extract extract;
    struct buf content;
    // Of the transaction at hand.
    int64_t id, start_us, end_us;
    uint32_t client, flow;
    bool inbound;
    struct last_token tokens[CLIENTS];
    int64_t rows, done;
};

// What goes to the workload came from it, and what it sends from those that it asks: the two are
// played by different runs.
static uint64_t hash_of(const struct finding *f, const struct extracted *x)
{
    uint64_t h = gathered_hash(x->kind, x->text);
    return f->inbound || ~h == 0 ? h : ~h;
}

// ---- requests

static int use(struct finding *f, uint32_t value, const struct extracted *x)
{
    char text[PLACE_TEXT];
    uint32_t place;
    if (!place_text(x->part, x->within, text))
        return 0;
    int e = gathered_place(&f->g, text, &place);
    if (e)
        return e == E_LIMIT ? 0 : e;
    size_t before = f->g.edge_n;
    e = gathered_edge(&f->g, value, place, f->id, true);
    f->g.values[value].uses += f->g.edge_n > before;
    return e;
}

static bool is_hidden(const struct extracted *x)
{
    return view_starts(x->text, VIEW_LIT("redacted:")) && x->part->kind == PART_HEADER &&
           view_eq(x->part->steps[0].key, VIEW_LIT("authorization"));
}

// Of a connection, or of a client; NULL: none was whole before.
static const struct last_token *last_token(const struct finding *f, uint32_t of)
{
    const struct last_token *t = &f->tokens[of % CLIENTS];
    return t->of == of && t->id != 0 && t->end_us <= f->start_us ? t : NULL;
}

static int assume(struct finding *f, struct carried *c, const struct extracted *x)
{
    const struct last_token *t = last_token(f, f->flow);
    struct issued *v;
    t = t ? t : last_token(f, f->client);
    if (!t)
        return 0;
    int e = gathered_value(&f->g, c, x->text, &v);
    if (e || !v)
        return e;
    v->strong = v->assumed = true;
    v->end_us = t->end_us;
    v->issues = 1;
    uint32_t index = c->value - 1;
    e = gathered_edge(&f->g, index, t->place, t->id, false);
    return e ? e : use(f, index, x);
}

static int carries(struct finding *f, const struct extracted *x)
{
    uint64_t hash = hash_of(f, x);
    if (!f->second)
        return gathered_carry(&f->g, hash);
    struct carried *c = gathered_find(&f->g, hash);
    if (!c)
        return 0;
    struct issued *v = c->value ? &f->g.values[c->value - 1] : NULL;
    bool own = c->early == GATHERED_MANY || c->early == f->client;
    if (v && view_eq(v->text, x->text) && v->end_us <= f->start_us) {
        bool common = !v->strong && v->place_count >= PLACES_TOO_MANY;
        return (own && !f->by_rules) || common ? 0 : use(f, c->value - 1, x);
    }
    if (!v && !own && is_hidden(x)) {
        int e = assume(f, c, x);
        if (e || c->value)
            return e;
    }
    c->early =
        c->early == 0 || own ? (c->early == GATHERED_MANY ? c->early : f->client) : GATHERED_MANY;
    return 0;
}

// ---- answers

static void count_place(struct issued *v, uint32_t place)
{
    for (uint32_t i = 0; i < v->place_count; i++)
        if (v->places[i] == place)
            return;
    if (v->place_count < 4)
        v->places[v->place_count++] = place;
}

static int remember_token(struct finding *f, const struct extracted *x)
{
    char text[PLACE_TEXT];
    uint32_t place;
    bool access = view_istarts(x->part->steps[x->part->depth - 1].key, VIEW_LIT("access"));
    if (!place_text(x->part, NULL, text))
        return 0;
    int e = gathered_place(&f->g, text, &place);
    for (int i = 0; i < 2 && !e; i++) {
        uint32_t of = i ? f->client : f->flow;
        struct last_token *t = &f->tokens[of % CLIENTS];
        if (t->id != f->id || t->of != of || access)
            *t = (struct last_token){of, place, f->id, f->end_us};
    }
    return e == E_LIMIT ? 0 : e;
}

static int issues(struct finding *f, const struct extracted *x)
{
    char text[PLACE_TEXT];
    uint32_t place;
    int e = x->bearer ? remember_token(f, x) : 0;
    struct carried *c = e ? NULL : gathered_find(&f->g, hash_of(f, x));
    if (!c || (!f->by_rules && (c->early == GATHERED_MANY || c->early == f->client)))
        return e;
    struct issued *v = c->value ? &f->g.values[c->value - 1] : NULL;
    if ((v && !view_eq(v->text, x->text)) || !place_text(x->part, x->within, text))
        return 0;
    e = gathered_place(&f->g, text, &place);
    if (e)
        return e == E_LIMIT ? 0 : e;
    if (!v) {
        e = gathered_value(&f->g, c, x->text, &v);
        if (e || !v)
            return e;
        v->end_us = f->end_us;
    }
    v->strong = v->strong || x->strong || x->kind.n > 0;
    if (f->end_us < v->end_us)
        v->end_us = f->end_us;
    count_place(v, place);
    if (v->issues >= CORRELATE_ISSUES_MAX)
        return 0;
    v->issues++;
    return gathered_edge(&f->g, c->value - 1, place, f->id, false);
}

static int one_text(void *arg, const struct extracted *x)
{
    struct finding *f = arg;
    return f->extract.s2c ? issues(f, x) : carries(f, x);
}

// ---- a transaction

static int hold(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

static bool is_media(struct view type)
{
    return view_istarts(type, VIEW_LIT("image/")) || view_istarts(type, VIEW_LIT("video/")) ||
           view_istarts(type, VIEW_LIT("audio/")) || view_istarts(type, VIEW_LIT("font/"));
}

// The content of a half, where it is worth a look.
static struct view content_of(struct finding *f, struct rows *rows, bool s2c, struct view head)
{
    const struct store_query *q = rows_row(rows);
    int64_t size = store_int(q, s2c ? FIELD_RES_SIZE : FIELD_REQ_SIZE);
    int64_t stored = store_int(q, s2c ? STORE_RES_STORED : STORE_REQ_STORED);
    char joined[HEAD_JOINED];
    struct body b;
    buf_reset(&f->content);
    if (size == 0 || is_media(head_get(head, "content-type")))
        return (struct view){0};
    if (size > CORRELATE_BODY_MAX || stored < size) {
        f->g.out->bodies_left += f->second;
        return (struct view){0};
    }
    body_init(&b, rows_store(rows), store_int(q, s2c ? STORE_RES_BODY : STORE_REQ_BODY), size,
              stored, head_joined(head, "content-encoding", joined));
    body_look(&b, true, CORRELATE_BODY_MAX);
    bool fits = b.length <= CORRELATE_BODY_MAX && !b.damaged;
    if (!fits || body_give(&b, hold, &f->content) != 0) {
        f->g.out->bodies_left += f->second;
        buf_reset(&f->content);
    }
    body_clear(&b);
    return buf_view(&f->content);
}

static uint32_t client_of(const struct store_query *q)
{
    struct view client = store_bytes(q, FIELD_CLIENT), way = store_bytes(q, FIELD_DIRECTION);
    while (client.n > 0 && client.p[client.n - 1] != ':')
        client.n--;
    uint32_t h = fnv_fold(fnv_more(fnv_more(FNV_START, client.p, client.n), way.p, way.n));
    return h == 0 || h == GATHERED_MANY ? 1 : h;
}

static int transaction(struct finding *f, struct rows *rows)
{
    const struct store_query *q = rows_row(rows);
    struct heads heads;
    rows_heads(rows, &heads);
    struct rules_subject about = {.method = store_bytes(q, FIELD_METHOD),
                                  .host = store_bytes(q, FIELD_HOST),
                                  .path = store_bytes(q, FIELD_PATH)};
    f->id = store_int(q, FIELD_ID);
    f->start_us = store_int(q, STORE_START_US);
    f->end_us = store_int(q, STORE_END_US);
    f->client = client_of(q);
    int64_t flow = store_int(q, FIELD_FLOW);
    f->flow = fnv_fold(fnv_more(FNV_START, &flow, sizeof flow));
    f->inbound = view_eq(store_bytes(q, FIELD_DIRECTION), VIEW_LIT("inbound"));
    int e = 0;
    if (heads.req.n > 0)
        e = extract_each(&f->extract, false, &about, heads.req,
                         content_of(f, rows, false, heads.req));
    if (!e && f->second && heads.res.n > 0)
        e = extract_each(&f->extract, true, &about, heads.res,
                         content_of(f, rows, true, heads.res));
    return e;
}

static int pass(struct finding *f, const struct rows_spec *spec,
                int (*progress)(void *arg, int permille), void *arg)
{
    struct rows *rows;
    int e = rows_open(&rows, spec) == CLI_OK ? 0 : E_IO;
    for (f->done = 0; !e && rows_next(rows); f->done++) {
        e = transaction(f, rows);
        f->rows += !f->second;
        if (!e && progress && f->done % STEP == 0)
            e = progress(arg, f->second ? 500 + (int)(500 * f->done / (f->rows + 1)) : 0);
    }
    rows_close(rows);
    return e;
}

int correlate_find(struct correlate **out, const struct capture *capture,
                   const struct filter *filter, const struct rewrite *rules,
                   int (*progress)(void *arg, int permille), void *arg)
{
    struct rows_spec spec = {.capture = capture, .filter = filter, .order = STORE_OLDEST_FIRST};
    struct finding *f = calloc(1, sizeof *f);
    struct correlate *c = calloc(1, sizeof *c);
    int e = f && c ? 0 : E_NOMEM;
    *out = NULL;
    if (!e) {
        f->g.out = c;
        f->by_rules = rules && rules->sections[RULES_CORRELATE] > 0;
        extract_init(&f->extract, rules, one_text, f);
        buf_init(&f->content, CORRELATE_BODY_MAX);
        e = pass(f, &spec, progress, arg);
        f->second = true;
        e = e ? e : pass(f, &spec, progress, arg);
        e = e ? e : gathered_end(&f->g);
        extract_clear(&f->extract);
        buf_clear(&f->content);
        gathered_clear(&f->g);
    }
    free(f);
    if (e)
        correlate_free(c);
    else
        *out = c;
    return e;
}

void correlate_free(struct correlate *c)
{
    if (!c)
        return;
    free(c->values);
    free(c->edges);
    free(c->places);
    gathered_free_memory(c->memory);
    free(c);
}
