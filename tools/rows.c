// rows: one cursor a file, merged by the order's key. Within a file the order, and going on behind
// damage, are the store's.
#include "tools/rows.h"

#include "tools/cli.h"

#include <stdlib.h>

struct key {
    int64_t number, id;
};
struct cursor {
    struct store *store;
    struct store_query *query, *heads, *cut;
    const char *path;
    struct key key; // of the row at hand
    bool live;      // there is one
};
struct rows {
    struct rows_spec spec;
    struct cursor *cursors;
    size_t n;
    struct cursor *now;
    int64_t given;
};

enum store_order rows_order(const struct options *o)
{
    const char *word = options_text(o, "order");
    return strcmp(word, "newest") == 0    ? STORE_NEWEST_FIRST
           : strcmp(word, "slowest") == 0 ? STORE_SLOWEST_FIRST
                                          : STORE_OLDEST_FIRST;
}

static struct key key_of(const struct rows *r, const struct store_query *q)
{
    struct key k = {.id = store_int(q, FIELD_ID)};
    if (r->spec.order == STORE_SLOWEST_FIRST)
        k.number = ~store_int(q, FIELD_DURATION); // turns the order round without overflow
    else if (r->spec.order == STORE_NEWEST_FIRST)
        k = (struct key){~store_int(q, STORE_START_US), ~k.id};
    else if (r->spec.order == STORE_OLDEST_FIRST)
        k.number = store_int(q, STORE_START_US);
    return k;
}

static bool before(const struct key *a, const struct key *b)
{
    return a->number != b->number ? a->number < b->number : a->id < b->id;
}

static void advance(struct rows *r, struct cursor *c)
{
    int e = store_step(c->query);
    c->live = e == 1;
    if (c->live) {
        c->key = key_of(r, c->query);
        return;
    }
    if (e < 0)
        cli_damage("%s", store_why(c->store));
    int64_t skipped = store_skipped(c->query);
    if (skipped)
        cli_damage("%s: it is damaged: places that could not be read: %lld", c->path,
                   (long long)skipped);
}

static void close_cursor(struct cursor *c)
{
    store_query_free(c->query);
    store_query_free(c->heads);
    store_query_free(c->cut);
    store_close(c->store);
    *c = (struct cursor){0};
}

static bool open_cursor(struct rows *r, struct cursor *c, size_t i)
{
    c->path = r->spec.capture->paths[i];
    c->store = capture_open_file(r->spec.capture, i);
    if (!c->store)
        return false;
    if (store_transactions(c->store, r->spec.filter, r->spec.order, r->spec.limit, 0, &c->query)) {
        cli_damage("%s", store_why(c->store));
        close_cursor(c);
        return false;
    }
    advance(r, c);
    return true;
}

int rows_open(struct rows **out, const struct rows_spec *spec)
{
    struct rows *r = calloc(1, sizeof *r);
    *out = r;
    if (!r || !(r->cursors = calloc(spec->capture->n, sizeof *r->cursors))) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    r->spec = *spec;
    for (size_t i = 0; i < spec->capture->n; i++)
        if (open_cursor(r, &r->cursors[r->n], i))
            r->n++;
    return r->n > 0 ? CLI_OK : CLI_FAILED;
}

void rows_close(struct rows *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++)
        close_cursor(&r->cursors[i]);
    free(r->cursors);
    free(r);
}

bool rows_next(struct rows *r)
{
    if (r->spec.limit && r->given == r->spec.limit)
        return false;
    if (r->now)
        advance(r, r->now);
    r->now = NULL;
    for (size_t i = 0; i < r->n; i++) {
        struct cursor *c = &r->cursors[i];
        if (c->live && (!r->now || before(&c->key, &r->now->key)))
            r->now = c;
    }
    r->given += r->now != NULL;
    return r->now != NULL;
}

const struct store_query *rows_row(const struct rows *r)
{
    return r->now->query;
}

struct store *rows_store(const struct rows *r)
{
    return r->now->store;
}

// Asks *q, which is made once a file, about the row at hand: whether it has an answer.
static bool ask(struct cursor *c, struct store_query **q, const char *sql)
{
    int e = *q ? 0 : store_query(c->store, sql, q);
    if (*q)
        store_rewind(*q);
    e = e ? e : store_bind_int(*q, 1, store_int(c->query, FIELD_ID));
    e = e ? e : store_step(*q);
    if (e < 0)
        cli_damage("%s", store_why(c->store));
    return e == 1;
}

void rows_heads(struct rows *r, struct heads *out)
{
    struct cursor *c = r->now;
    *out = (struct heads){0};
    if (!ask(c, &c->heads,
             "SELECT req, res, interim, req_trailers, res_trailers, redacted"
             " FROM head WHERE txn = ?1"))
        return;
    struct view *views[] = {&out->req,          &out->res,          &out->interim,
                            &out->req_trailers, &out->res_trailers, &out->redacted};
    for (int i = 0; i < 6; i++)
        *views[i] = store_bytes(c->heads, i);
}

bool rows_cut(struct rows *r, bool s2c)
{
    struct cursor *c = r->now;
    return ask(c, &c->cut, "SELECT cut FROM txn WHERE id = ?1") &&
           store_int(c->cut, 0) & (s2c ? 2 : 1);
}
