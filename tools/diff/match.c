// match: rows are known by a hash of 64 bits of what identifies them; flows by one of the hashes of
// their rows. Both sides are sorted by it, and walked together.
#include "tools/diff/match.h"

#include "schema/route.h"
#include "tools/cli.h"
#include "tools/load.h"

#include <stdlib.h>

#define ROUTE_MAX 4096 // bytes; a longer path is its own route

// ---- loading

static uint64_t mix(uint64_t h, struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        h = (h ^ (unsigned char)v.p[i]) * UINT64_C(0x100000001b3);
    h = (h ^ v.n) * UINT64_C(0x9e3779b97f4a7c15); // where one ends and the next begins
    return h ^ h >> 29;
}

static uint64_t key_of(const struct store_query *q)
{
    static const int columns[] = {FIELD_PROTOCOL, FIELD_METHOD, FIELD_HOST, FIELD_PATH,
                                  FIELD_QUERY};
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        h = mix(h, store_bytes(q, columns[i]));
    return h;
}

static uint32_t like_of(const struct store_query *q, struct view route)
{
    while (route.n > 0 && memchr(route.p, '/', route.n))
        route = view_from(route, view_find(route, '/') + 1);
    uint64_t h = mix(mix(0, store_bytes(q, FIELD_PROTOCOL)), store_bytes(q, FIELD_METHOD));
    return (uint32_t)mix(h, route);
}

// As key_of, but of the path's route and the query's names.
static uint64_t route_key_of(const struct store_query *q, struct view route)
{
    static const int columns[] = {FIELD_PROTOCOL, FIELD_METHOD, FIELD_HOST};
    struct view query = store_bytes(q, FIELD_QUERY);
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        h = mix(h, store_bytes(q, columns[i]));
    h = mix(h, route);
    while (query.n > 0) {
        size_t n = view_find(query, '&');
        struct view one = view_head(query, n);
        h = mix(h, view_head(one, view_find(one, '=')));
        query = view_from(query, n < query.n ? n + 1 : n);
    }
    return h;
}

static int add(struct match_side *side, size_t *cap, const struct store_query *q, size_t file,
               struct buf *buf)
{
    if (view_eq(store_bytes(q, FIELD_OUTCOME), VIEW_LIT(LOAD_SENT_AGAIN)))
        return CLI_OK;
    if (side->n == MATCH_ROWS_MAX) {
        cli_error("more than %d transactions: a filter takes fewer", MATCH_ROWS_MAX);
        return CLI_FAILED;
    }
    if (side->n == *cap) {
        *cap = *cap ? 2 * *cap : 1024;
        struct match_row *more = realloc(side->rows, *cap * sizeof *more);
        if (!more) {
            cli_error("out of memory");
            return CLI_FAILED;
        }
        side->rows = more;
    }
    route_of(store_bytes(q, FIELD_PATH), buf);
    struct view route = buf_len(buf) ? buf_view(buf) : store_bytes(q, FIELD_PATH);
    side->rows[side->n++] = (struct match_row){
        .id = store_int(q, FIELD_ID),
        .flow = store_int(q, FIELD_FLOW),
        .n = store_int(q, FIELD_N),
        .start_us = store_int(q, STORE_START_US),
        .original = store_int(q, FIELD_ORIGINAL),
        .key = key_of(q),
        .route = route_key_of(q, route),
        .like = like_of(q, route),
        .other = MATCH_NONE,
        .file = (uint32_t)file,
    };
    return CLI_OK;
}

static int by_start(const void *a, const void *b)
{
    const struct match_row *x = a, *y = b;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int match_load(struct match_side *side, const struct capture *c, const struct filter *f)
{
    size_t cap = 0;
    int code = CLI_OK;
    struct buf route;
    buf_init(&route, ROUTE_MAX);
    *side = (struct match_side){0};
    for (size_t i = 0; i < c->n && !code; i++) {
        struct store *s = capture_open_file(c, i);
        struct store_query *q = NULL;
        if (!s)
            continue;
        int e = store_transactions(s, f, STORE_BY_ID, 0, 0, &q);
        while (!e && !code && (e = store_step(q)) == 1) {
            code = add(side, &cap, q, i, &route);
            e = 0;
        }
        if (e < 0)
            cli_damage("%s", store_why(s));
        else if (q && store_skipped(q))
            cli_damage("%s: it is damaged: places that could not be read: %lld", c->paths[i],
                       (long long)store_skipped(q));
        store_query_free(q);
        store_close(s);
    }
    buf_clear(&route);
    if (side->n > 0)
        qsort(side->rows, side->n, sizeof *side->rows, by_start);
    return code;
}

void match_clear(struct match_side *side)
{
    free(side->rows);
    *side = (struct match_side){0};
}

// ---- what was played from what

// Rows by one of their numbers, in their order where it is the same.
struct numbered {
    int64_t number;
    size_t row;
};
struct numbers {
    struct numbered *items;
    size_t n;
};

static int by_number(const void *a, const void *b)
{
    const struct numbered *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static bool number(struct numbers *out, const struct match_side *side, bool originals)
{
    *out = (struct numbers){.items = calloc(side->n + 1, sizeof *out->items)};
    if (!out->items)
        return false;
    for (size_t i = 0; i < side->n; i++) {
        int64_t number = originals ? side->rows[i].original : side->rows[i].id;
        if (number)
            out->items[out->n++] = (struct numbered){number, i};
    }
    qsort(out->items, out->n, sizeof *out->items, by_number);
    return true;
}

static void pair(struct match_side *left, size_t l, struct match_side *right, size_t r)
{
    left->rows[l].other = r;
    right->rows[r].other = l;
}

// Walks both, the n-th of a number with the n-th. How many pairs there are that look alike, and of
// how many; commit: they are pairs.
static size_t walk(struct match_side *left, const struct numbers *a, struct match_side *right,
                   const struct numbers *b, bool commit, size_t *all)
{
    size_t alike = 0;
    *all = 0;
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        const struct numbered *x = &a->items[i], *y = &b->items[j];
        if (x->number == y->number) {
            alike += left->rows[x->row].like == right->rows[y->row].like;
            ++*all;
            if (commit)
                pair(left, x->row, right, y->row);
        }
        i += x->number <= y->number;
        j += x->number >= y->number;
    }
    return alike;
}

static bool played(struct match_side *left, struct match_side *right)
{
    struct numbers from = {0}, ways[2] = {{0}, {0}}; // the left ones' ids, and their originals
    size_t alike[2] = {0}, all[2] = {0};
    bool ok = number(&from, right, true);
    for (int i = 0; i < 2 && ok && from.n > 0; i++) {
        ok = number(&ways[i], left, i == 1);
        if (ok)
            alike[i] = walk(left, &ways[i], right, &from, false, &all[i]);
    }
    int best = alike[1] >= alike[0]; // two replays of one capture are compared more often
    if (ok && alike[best] > 0 && 2 * alike[best] >= all[best])
        (void)walk(left, &ways[best], right, &from, true, &all[best]);
    free(from.items);
    free(ways[0].items);
    free(ways[1].items);
    return ok;
}

// ---- matching

struct flow {
    uint64_t key;
    size_t first, count; // in the order of rows by flow
    int64_t start_us;
};
struct sorted {
    size_t *rows; // indexes of rows, by flow and number
    struct flow *flows;
    size_t n;
};

static int by_flow(const void *a, const void *b, void *arg)
{
    const struct match_row *rows = arg;
    const struct match_row *x = &rows[*(const size_t *)a], *y = &rows[*(const size_t *)b];
    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    return x->n != y->n ? (x->n < y->n ? -1 : 1) : by_start(x, y);
}

static int by_key(const void *a, const void *b, void *arg)
{
    const struct match_row *rows = arg;
    const struct match_row *x = &rows[*(const size_t *)a], *y = &rows[*(const size_t *)b];
    return x->key != y->key ? (x->key < y->key ? -1 : 1) : by_start(x, y);
}

static int by_route(const void *a, const void *b, void *arg)
{
    const struct match_row *rows = arg;
    const struct match_row *x = &rows[*(const size_t *)a], *y = &rows[*(const size_t *)b];
    return x->route != y->route ? (x->route < y->route ? -1 : 1) : by_start(x, y);
}

static int flow_order(const void *a, const void *b)
{
    const struct flow *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    return x->start_us != y->start_us ? (x->start_us < y->start_us ? -1 : 1)
           : x->first < y->first      ? -1
                                      : x->first > y->first;
}

// The rows that have no other yet: how many.
static size_t unpaired(size_t *rows, const struct match_side *side)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++)
        if (side->rows[i].other == MATCH_NONE)
            rows[n++] = i;
    return n;
}

static bool sort(struct sorted *s, const struct match_side *side)
{
    struct match_row *rows = side->rows;
    s->rows = calloc(side->n + 1, sizeof *s->rows);
    s->flows = calloc(side->n + 1, sizeof *s->flows);
    if (!s->rows || !s->flows)
        return false;
    size_t n = unpaired(s->rows, side);
    qsort_r(s->rows, n, sizeof *s->rows, by_flow, rows);
    for (size_t i = 0; i < n; i++) {
        const struct match_row *row = &rows[s->rows[i]];
        if (i == 0 || row->flow != rows[s->rows[i - 1]].flow)
            s->flows[s->n++] = (struct flow){.first = i, .start_us = row->start_us};
        struct flow *f = &s->flows[s->n - 1];
        f->key = mix(f->key, view_n(&row->key, sizeof row->key));
        f->count++;
    }
    qsort(s->flows, s->n, sizeof *s->flows, flow_order);
    return true;
}

static void flows(struct match_side *left, const struct sorted *a, struct match_side *right,
                  const struct sorted *b)
{
    for (size_t i = 0, j = 0; i < a->n && j < b->n;) {
        const struct flow *x = &a->flows[i], *y = &b->flows[j];
        if (x->key != y->key || x->count != y->count) {
            bool first = x->key < y->key || (x->key == y->key && x->count < y->count);
            i += first;
            j += !first;
            continue;
        }
        for (size_t k = 0; k < x->count; k++)
            pair(left, a->rows[x->first + k], right, b->rows[y->first + k]);
        i++;
        j++;
    }
}

// The rows that have no other yet, by key or by route: how many. s's memory is used anew.
static size_t rest(struct sorted *s, const struct match_side *side, bool route)
{
    size_t n = unpaired(s->rows, side);
    qsort_r(s->rows, n, sizeof *s->rows, route ? by_route : by_key, side->rows);
    return n;
}

static void rows(struct match_side *left, struct sorted *a, struct match_side *right,
                 struct sorted *b, bool route)
{
    size_t na = rest(a, left, route), nb = rest(b, right, route);
    for (size_t i = 0, j = 0; i < na && j < nb;) {
        const struct match_row *l = &left->rows[a->rows[i]], *r = &right->rows[b->rows[j]];
        uint64_t x = route ? l->route : l->key, y = route ? r->route : r->key;
        if (x == y)
            pair(left, a->rows[i], right, b->rows[j]);
        i += x <= y;
        j += x >= y;
    }
}

int match_sides(struct match_side *left, struct match_side *right)
{
    struct sorted a = {0}, b = {0};
    bool ok = played(left, right) && sort(&a, left) && sort(&b, right);
    if (ok) {
        flows(left, &a, right, &b);
        rows(left, &a, right, &b, false);
        rows(left, &a, right, &b, true);
    } else {
        cli_error("out of memory");
    }
    free(a.rows);
    free(a.flows);
    free(b.rows);
    free(b.flows);
    return ok ? CLI_OK : CLI_FAILED;
}
