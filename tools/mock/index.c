// index: reads each transaction once, in the order of its file, makes hashes of what was asked, and
// leaves the rest to index_group.c.
#include "tools/mock/index.h"

#include "tools/cli.h"
#include "tools/compare/key.h"
#include "tools/compare/masks.h"
#include "tools/mock/index_in.h"

#include <stdio.h>
#include <stdlib.h>

// ---- masks

const struct rules *index_rules(const struct index *ix, size_t mask)
{
    return mask ? &ix->masks[mask].all : ix->conf->rules;
}

static bool is_chosen(const struct match_conf *conf, struct view name)
{
    for (size_t i = 0; i < conf->n_headers; i++)
        if (view_ieq(name, view_of(conf->headers[i])))
            return true;
    return false;
}

// What of it concerns what is compared.
static int concerning(const struct index *ix, struct view redacted, bool content, struct buf *out)
{
    int e = 0;
    while (redacted.n > 0 && !e) {
        size_t n = view_find(redacted, ',');
        struct view item = view_trim(view_head(redacted, n));
        redacted = view_from(redacted, n < redacted.n ? n + 1 : n);
        bool header = view_starts(item, VIEW_LIT("header:"));
        bool other = view_starts(item, VIEW_LIT("query:")) ||
                     (content && (view_starts(item, VIEW_LIT("json")) ||
                                  view_starts(item, VIEW_LIT("http ("))));
        if (header ? is_chosen(ix->conf, view_from(item, 7)) : other)
            e = buf_printf(out, "%s%.*s", buf_len(out) ? "," : "", (int)item.n, item.p);
    }
    return e;
}

static int new_mask(struct index *ix, struct view text)
{
    const struct rules *base = ix->conf->rules;
    size_t n = base ? base->n : 0;
    struct mask *m = &ix->masks[ix->masks_n];
    *m = (struct mask){.text = malloc(text.n + 1)};
    int e = m->text ? masks_add(&m->own, text) : E_NOMEM;
    if (!e && m->own.n > 0) {
        memcpy(m->text, text.p, text.n);
        m->text[text.n] = 0;
        m->all.items = calloc(n + m->own.n, sizeof *m->all.items);
        m->all.n = n + m->own.n;
        e = m->all.items ? 0 : E_NOMEM;
    }
    if (e || m->own.n == 0) {
        rules_clear(&m->own);
        free(m->text);
        *m = (struct mask){0};
        return e == E_LIMIT ? 0 : e;
    }
    if (n > 0)
        memcpy(m->all.items, base->items, n * sizeof *base->items);
    memcpy(m->all.items + n, m->own.items, m->own.n * sizeof *m->own.items);
    return (int)ix->masks_n++;
}

int index_mask(struct index *ix, struct view redacted, bool content)
{
    struct buf text;
    if (redacted.n == 0)
        return 0;
    buf_init(&text, 64u << 10);
    int e = concerning(ix, redacted, content, &text);
    int mask = e == E_NOMEM ? e : 0;
    if (!e && buf_len(&text) > 0) {
        struct view v = buf_view(&text);
        for (size_t i = 1; i < ix->masks_n && !mask; i++)
            if (view_eq(v, view_of(ix->masks[i].text)))
                mask = (int)i;
        if (!mask && ix->masks_n <= INDEX_MASKS_MAX)
            mask = new_mask(ix, v);
    }
    buf_clear(&text);
    return mask;
}

// ---- keys

int index_key(const struct rules *rules, const struct asked *a, const struct compare_half *h,
              int known, uint64_t *key, bool *vague)
{
    struct key k;
    int e = key_half(rules, &a->subject, h, &k);
    *key = k.hash * 4 + (uint64_t)known;
    *vague = k.vague;
    return e;
}

// ---- reading

struct build {
    struct index *ix;
    const struct filter *filter;
    struct asked_reader *reader;
    struct asked_room room;
    struct index_rows rows;
    struct index_names *names;
    uint32_t capture, file;
    int64_t n; // of both kinds
};

static int out_of_memory(void)
{
    cli_error("out of memory");
    return CLI_FAILED;
}

static struct index_row *new_row(struct index_rows *r)
{
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 1024;
        struct index_row *more = realloc(r->rows, cap * sizeof *more);
        if (!more)
            return NULL;
        r->rows = more;
        r->cap = cap;
    }
    r->rows[r->n] = (struct index_row){0};
    return &r->rows[r->n++];
}

static int make_keys(struct build *b, struct index_row *row, const struct asked_row *in)
{
    struct index *ix = b->ix;
    struct asked asked;
    bool vague[2] = {false, false};
    const struct match_request *r = &in->request;
    int e = asked_make(ix->conf, r, &b->room, &asked), known = INDEX_WHOLE;
    if (r->sealed) {
        known = in->has_digest ? INDEX_SEALED : INDEX_SIZED;
        asked.half = asked_sealed(&asked, r, &b->room, in->has_digest);
    }
    row->entry.known = (uint8_t)known;
    if (known == INDEX_WHOLE && r->content.n > 0)
        ix->forms[parts_form_of(asked.half.type)] = true;
    int mask = e ? 0 : index_mask(ix, in->redacted, r->sealed || r->content.n > 0);
    if (e || mask < 0)
        return E_NOMEM;
    row->entry.mask = (uint16_t)mask;
    row->has_raw = known != INDEX_SIZED;
    row->raw = row->has_raw ? asked_raw(ix->conf, r) : 0;
    e = index_key(NULL, &asked, &asked.half, known, &row->equal, &vague[0]);
    const struct rules *rules = index_rules(ix, (size_t)mask);
    row->has_alike = rules && rules->n > 0;
    if (!e && row->has_alike)
        e = index_key(rules, &asked, &asked.half, known, &row->alike, &vague[1]);
    row->entry.vague = (uint8_t)(vague[0] | vague[1] << 1);
    row->entry.path = (uint32_t)key_mix(0, r->path);
    row->entry.query = (uint32_t)key_mix(0, r->query);
    return e;
}

static int add_transaction(struct build *b, const struct store_query *q)
{
    struct asked_row in;
    int64_t id = store_int(q, FIELD_ID);
    int e = asked_read(b->reader, b->file, id, &in);
    if (e != 1)
        return e == E_NOMEM ? out_of_memory() : CLI_OK;
    struct index_row *row = new_row(&b->rows);
    if (!row)
        return out_of_memory();
    row->entry.id = id;
    row->entry.start_us = store_int(q, STORE_START_US);
    row->entry.n = (uint32_t)store_int(q, FIELD_N);
    row->entry.file = b->file;
    row->flow = store_int(q, FIELD_FLOW);
    row->capture = b->capture;
    e = make_keys(b, row, &in);
    e = e ? e : index_names_add(b->names, &in.request, in.route, &row->entry.endpoint);
    return e ? out_of_memory() : CLI_OK;
}

static int add_talk(struct build *b, const struct store_query *q)
{
    struct store *s = asked_store(b->reader, b->file);
    struct index_talk talk = {.id = store_int(q, FIELD_ID),
                              .flow = store_int(q, FIELD_FLOW),
                              .n = store_int(q, FIELD_N),
                              .start_us = store_int(q, STORE_START_US),
                              .file = b->file};
    int e = s ? index_talks_add(b->ix, s, &talk, store_bytes(q, FIELD_HOST)) : 0;
    if (e == E_LIMIT) {
        cli_error("more than %d turns of conversations: a filter takes fewer", INDEX_TURNS_MAX);
        return CLI_FAILED;
    }
    b->ix->sums.talks += e == 1;
    b->ix->sums.unanswered += e == 0;
    return e < 0 ? out_of_memory() : CLI_OK;
}

static int add(struct build *b, const struct store_query *q)
{
    struct index_sums *sums = &b->ix->sums;
    struct view protocol = store_bytes(q, FIELD_PROTOCOL);
    bool http = view_eq(protocol, VIEW_LIT("http")), raw = view_eq(protocol, VIEW_LIT("raw"));
    bool answered = store_column_type(q, FIELD_STATUS) != STORE_NULL;
    if (store_int(q, FIELD_BY_PROXY)) {
        sums->by_proxy++;
        return CLI_OK;
    }
    if ((!http && !raw) || (http && store_bytes(q, FIELD_METHOD).n == 0)) {
        sums->other++;
        return CLI_OK;
    }
    if (http && !answered) {
        sums->unanswered++;
        return CLI_OK;
    }
    if (b->n++ == INDEX_MAX) {
        cli_error("more than %d recorded transactions: a filter takes fewer", INDEX_MAX);
        return CLI_FAILED;
    }
    return http ? add_transaction(b, q) : add_talk(b, q);
}

static int read_file(struct build *b, const struct capture *c, size_t i, size_t *opened)
{
    struct store *s = asked_store(b->reader, b->file);
    struct store_query *q = NULL;
    int code = CLI_OK;
    if (!s)
        return CLI_OK;
    ++*opened;
    int e = store_transactions(s, b->filter, STORE_BY_ID, 0, 0, &q);
    while (!e && !code && (e = store_step(q)) == 1) {
        code = add(b, q);
        e = 0;
    }
    if (e < 0)
        cli_damage("%s", store_why(s));
    else if (q && store_skipped(q))
        cli_damage("%s: it is damaged: places that could not be read: %lld", c->paths[i],
                   (long long)store_skipped(q));
    store_query_free(q);
    return code;
}

static int check(const struct match_conf *conf)
{
    if (conf->n_headers > MATCH_HEADERS_MAX) {
        cli_error("more than %d headers to compare", MATCH_HEADERS_MAX);
        return CLI_FAILED;
    }
    for (size_t i = 0; i < conf->n_headers; i++)
        if (rules_ignores(view_of(conf->headers[i]))) {
            cli_error("the header %s is never compared: it is of one connection or one moment",
                      conf->headers[i]);
            return CLI_FAILED;
        }
    return CLI_OK;
}

static int build(struct build *b, const struct index_conf *conf)
{
    struct index *ix = b->ix;
    int code = check(conf->match);
    if (code)
        return code;
    b->reader = asked_reader_new(conf->captures, conf->n, conf->match);
    if (!b->reader || !(b->names = index_names_new()) || index_talks_begin(ix))
        return out_of_memory();
    for (size_t i = 0; i < conf->n && !code; i++) {
        size_t opened = 0;
        b->capture = (uint32_t)i;
        for (size_t k = 0; k < conf->captures[i].n && !code; k++, b->file++)
            code = read_file(b, &conf->captures[i], k, &opened);
        if (!code && opened == 0)
            code = CLI_FAILED; // what is wrong has been told
    }
    if (code)
        return code;
    ix->rules = (conf->match->rules && conf->match->rules->n > 0) || ix->masks_n > 1;
    ix->sums.transactions = b->rows.n;
    int e = index_group_rows(ix, &b->rows);
    e = e ? e : index_names_end(b->names, ix);
    e = e ? e : index_talks_end(ix);
    return e ? out_of_memory() : CLI_OK;
}

int index_build(struct index **out, const struct index_conf *conf)
{
    struct index *ix = *out = calloc(1, sizeof *ix);
    struct build b = {.ix = ix, .filter = conf->filter};
    if (!ix)
        return out_of_memory();
    ix->conf = conf->match;
    ix->captures = conf->captures;
    ix->captures_n = conf->n;
    ix->masks_n = 1;
    asked_room_init(&b.room);
    int code = build(&b, conf);
    free(b.rows.rows);
    index_names_free(b.names);
    asked_room_clear(&b.room);
    asked_reader_free(b.reader);
    if (code) {
        index_free(ix);
        *out = NULL;
    }
    return code;
}

void index_free(struct index *ix)
{
    if (!ix)
        return;
    for (size_t i = 1; i < ix->masks_n; i++) {
        free(ix->masks[i].text);
        rules_clear(&ix->masks[i].own);
        free(ix->masks[i].all.items);
    }
    struct grouping *both[] = {&ix->equal, &ix->alike};
    for (int i = 0; i < 2; i++) {
        free(both[i]->groups);
        free(both[i]->order);
        free(both[i]->by_flow);
    }
    free(ix->entries);
    free(ix->uses);
    free(ix->table);
    free(ix->endpoints);
    free(ix->endpoint_first);
    free(ix->by_endpoint);
    buf_clear(&ix->names);
    index_talks_free(ix);
    free(ix);
}

// ---- what is known

void index_sums(const struct index *ix, struct index_sums *out)
{
    *out = ix->sums;
}

const struct index_entry *index_entry(const struct index *ix, uint32_t entry)
{
    return &ix->entries[entry];
}

uint32_t index_uses(const struct index *ix, uint32_t entry)
{
    return atomic_load_explicit(&ix->uses[entry], memory_order_relaxed);
}

uint32_t index_find_id(const struct index *ix, int64_t id)
{
    uint32_t best = INDEX_NONE;
    for (uint32_t i = 0; i < ix->n; i++)
        if (ix->entries[i].id == id &&
            (best == INDEX_NONE || ix->entries[i].file < ix->entries[best].file))
            best = i;
    return best;
}

void index_file(const struct index *ix, uint32_t file, size_t *capture, size_t *file_of_it)
{
    size_t at = file, c = 0;
    while (c + 1 < ix->captures_n && at >= ix->captures[c].n)
        at -= ix->captures[c++].n;
    *capture = c;
    *file_of_it = at;
}

size_t index_endpoints(const struct index *ix)
{
    return ix->endpoints_n;
}

const struct index_endpoint *index_endpoint(const struct index *ix, size_t i)
{
    return &ix->endpoints[i];
}

uint32_t index_endpoint_entry(const struct index *ix, size_t i, uint32_t k)
{
    return ix->by_endpoint[ix->endpoint_first[i] + k];
}
