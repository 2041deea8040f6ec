// index_names: each method, host and route once, in one piece of memory, found by a hash while they
// are gathered.
#include "tools/compare/key.h"
#include "tools/mock/index_in.h"

#include <stdlib.h>

#define NAMES_MAX (32u << 20) // bytes of all of them
#define NAME_MAX  512         // of a method or a route; a longer one is cut
#define TABLE     (1u << 17)  // more than twice INDEX_ENDPOINTS_MAX

struct name {
    uint64_t hash;
    size_t at;        // of its bytes: method, host, route
    uint32_t size[3]; // of each
    uint32_t count;
};
struct index_names {
    struct buf bytes;
    struct name *items;
    size_t n, cap;
    uint32_t table[TABLE]; // 0: none, else the number and 1
};

struct index_names *index_names_new(void)
{
    struct index_names *n = calloc(1, sizeof *n);
    if (n)
        buf_init(&n->bytes, NAMES_MAX);
    return n;
}

void index_names_free(struct index_names *n)
{
    if (!n)
        return;
    buf_clear(&n->bytes);
    free(n->items);
    free(n);
}

static int new_name(struct index_names *n, uint64_t hash, const struct view part[3])
{
    if (n->n == INDEX_ENDPOINTS_MAX)
        return E_LIMIT;
    if (n->n == n->cap) {
        size_t cap = n->cap ? 2 * n->cap : 256;
        struct name *more = realloc(n->items, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        n->items = more;
        n->cap = cap;
    }
    struct name *item = &n->items[n->n];
    *item = (struct name){.hash = hash, .at = buf_len(&n->bytes)};
    for (int i = 0; i < 3; i++) {
        int e = buf_add_view(&n->bytes, part[i]);
        if (e)
            return e; // what was added is of no harm
        item->size[i] = (uint32_t)part[i].n;
    }
    n->n++;
    return 0;
}

int index_names_add(struct index_names *n, const struct match_request *r, struct view route,
                    uint32_t *endpoint)
{
    char host[ASKED_HOST];
    struct view part[3] = {view_head(r->method, NAME_MAX), asked_host(r->scheme, r->host, host),
                           view_head(route, NAME_MAX)};
    uint64_t hash = key_mix(key_mix(key_mix(0, part[0]), part[1]), part[2]);
    size_t slot = hash % TABLE;
    *endpoint = INDEX_NONE;
    while (n->table[slot] && n->items[n->table[slot] - 1].hash != hash)
        slot = (slot + 1) % TABLE;
    if (!n->table[slot]) {
        int e = new_name(n, hash, part);
        if (e)
            return e == E_LIMIT ? 0 : e;
        n->table[slot] = (uint32_t)n->n;
    }
    *endpoint = n->table[slot] - 1;
    n->items[*endpoint].count++;
    return 0;
}

static int by_count(const void *a, const void *b, void *arg)
{
    const struct name *items = arg;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (items[x].count != items[y].count)
        return items[x].count > items[y].count ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int by_age(const void *a, const void *b, void *arg)
{
    const struct index_entry *entries = arg;
    const struct index_entry *x = &entries[*(const uint32_t *)a],
                             *y = &entries[*(const uint32_t *)b];
    if (x->endpoint != y->endpoint)
        return x->endpoint < y->endpoint ? -1 : 1;
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int index_names_end(struct index_names *n, struct index *ix)
{
    uint32_t *order = calloc(2 * n->n + 1, sizeof *order), *number = order + n->n, first = 0;
    ix->endpoints = calloc(n->n + 1, sizeof *ix->endpoints);
    ix->endpoint_first = calloc(n->n + 1, sizeof *ix->endpoint_first);
    ix->by_endpoint = calloc(ix->n + 1, sizeof *ix->by_endpoint);
    if (!order || !ix->endpoints || !ix->endpoint_first || !ix->by_endpoint) {
        free(order);
        return E_NOMEM;
    }
    ix->names = n->bytes;
    buf_init(&n->bytes, 0);
    for (uint32_t i = 0; i < n->n; i++)
        order[i] = i;
    qsort_r(order, n->n, sizeof *order, by_count, n->items);
    for (uint32_t i = 0; i < n->n; i++) {
        const struct name *item = &n->items[order[i]];
        struct view all = view_from(buf_view(&ix->names), item->at);
        number[order[i]] = i;
        ix->endpoint_first[i] = first;
        ix->endpoints[i] = (struct index_endpoint){
            .method = view_head(all, item->size[0]),
            .host = view_head(view_from(all, item->size[0]), item->size[1]),
            .route = view_head(view_from(all, item->size[0] + item->size[1]), item->size[2]),
            .n = item->count};
        first += item->count;
    }
    size_t named = 0;
    for (uint32_t i = 0; i < ix->n; i++) {
        struct index_entry *e = &ix->entries[i];
        if (e->endpoint == INDEX_NONE)
            continue;
        e->endpoint = number[e->endpoint];
        ix->by_endpoint[named++] = i;
    }
    qsort_r(ix->by_endpoint, named, sizeof *ix->by_endpoint, by_age, ix->entries);
    ix->endpoints_n = n->n;
    ix->sums.memory += ix->names.cap + n->n * (sizeof *ix->endpoints + 4) + ix->n * 4;
    free(order);
    return 0;
}
