// graph: the edges of all values, each with the endpoints of both ends, sorted and counted.
#include "tools/correlate/graph.h"

#include "tools/cli.h"

#include <stdlib.h>

// The transactions that edges name, with the endpoint of each.
struct known {
    int64_t id;
    uint32_t endpoint;
};
struct all_known {
    struct known *items;
    size_t n;
};

static int by_known(const void *a, const void *b)
{
    const struct known *l = a, *r = b;
    return l->id < r->id ? -1 : l->id > r->id;
}

static struct known *find(const struct all_known *k, int64_t id)
{
    struct known key = {.id = id};
    return k->n ? bsearch(&key, k->items, k->n, sizeof key, by_known) : NULL;
}

// ---- texts

// Shown in a line, in YAML and in a pattern: what is no visible letter stands for any.
static void put_plain(char *out, size_t size, size_t *n, struct view v)
{
    for (size_t i = 0; i < v.n && *n + 1 < size; i++) {
        unsigned char c = (unsigned char)v.p[i];
        out[(*n)++] = c <= ' ' || c >= 0x7f ? '*' : (char)c;
    }
    out[*n] = 0;
}

// "{id}" of a route is any text.
static void put_route(char *out, size_t size, size_t *n, struct view v)
{
    while (v.n > 0) {
        bool id = view_starts(v, VIEW_LIT("{id}"));
        put_plain(out, size, n, id ? VIEW_LIT("*") : view_head(v, 1));
        v = view_from(v, id ? 4 : 1);
    }
}

// "body.items[3].id" as "body.items[*].id".
static void put_place(char out[PLACE_TEXT], const char *place)
{
    size_t n = 0;
    bool in_body = strncmp(place, "body", 4) == 0;
    for (const char *at = place; *at && n + 4 < PLACE_TEXT; at++) {
        size_t digits = *at == '[' ? strspn(at + 1, "0123456789") : 0;
        in_body = in_body && strncmp(at, " > ", 3) != 0;
        out[n++] = *at;
        if (!in_body || digits == 0 || at[1 + digits] != ']')
            continue;
        out[n++] = '*';
        at += digits;
    }
    out[n] = 0;
}

const char *graph_text(const struct graph *g, uint32_t i)
{
    return i < g->texts.place_n ? g->texts.places[i] : "? ? ?";
}

void graph_endpoint(const struct graph *g, uint32_t i, struct view piece[3])
{
    struct view v = view_of(graph_text(g, i));
    for (int k = 0; k < 3; k++) {
        piece[k] = k < 2 ? view_head(v, view_find(v, ' ')) : v;
        v = view_from(v, piece[k].n < v.n ? piece[k].n + 1 : piece[k].n);
    }
}

// ---- endpoints

static int know_ids(struct all_known *k, const struct correlate *c)
{
    size_t n = 0;
    k->items = calloc(c->edge_count + 1, sizeof *k->items);
    if (!k->items)
        return E_NOMEM;
    for (size_t i = 0; i < c->edge_count; i++)
        k->items[i] = (struct known){c->edges[i].id, UINT32_MAX};
    if (c->edge_count > 1)
        qsort(k->items, c->edge_count, sizeof *k->items, by_known);
    for (size_t i = 0; i < c->edge_count; i++)
        if (n == 0 || k->items[n - 1].id != k->items[i].id)
            k->items[n++] = k->items[i];
    k->n = n;
    return 0;
}

static int know_row(struct graph *g, struct all_known *k, const struct store_query *q)
{
    char text[PLACE_TEXT] = "";
    size_t n = 0;
    struct known *one = find(k, store_int(q, 0));
    if (!one)
        return 0;
    put_plain(text, sizeof text, &n, store_bytes(q, 1));
    put_plain(text, sizeof text, &n, VIEW_LIT("\t"));
    text[n - (n > 0)] = ' ';
    put_plain(text, sizeof text, &n, store_bytes(q, 2));
    put_plain(text, sizeof text, &n, VIEW_LIT("\t"));
    text[n - (n > 0)] = ' ';
    put_route(text, sizeof text, &n, store_bytes(q, store_bytes(q, 4).n ? 4 : 3));
    int e = gathered_place(&g->texts, text, &one->endpoint);
    return e == E_LIMIT ? 0 : e;
}

static int know_endpoints(struct graph *g, struct all_known *k, const struct capture *capture)
{
    static const char sql[] = "SELECT id, method, host, path, route FROM txn";
    int e = 0;
    for (size_t i = 0; i < capture->n && e != E_NOMEM; i++) {
        struct store *s = capture_open_file(capture, i);
        struct store_query *q = NULL;
        e = s ? store_query(s, sql, &q) : 0;
        while (s && !e && (e = store_step(q)) == 1)
            e = know_row(g, k, q);
        if (s && e < 0 && e != E_NOMEM)
            cli_damage("%s", store_why(s));
        store_query_free(q);
        store_close(s);
    }
    return e == E_NOMEM ? e : 0;
}

// ---- edges

static int compare_numbers(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

// The order of the recording is that of the values.
static int by_ends(const void *a, const void *b)
{
    const struct graph_edge *l = a, *r = b;
    int by = compare_numbers(l->from.endpoint, r->from.endpoint);
    by = by ? by : compare_numbers(l->from.place, r->from.place);
    by = by ? by : compare_numbers(l->to.endpoint, r->to.endpoint);
    by = by ? by : compare_numbers(l->to.place, r->to.place);
    by = by ? by : compare_numbers(l->value, r->value);
    return by ? by : compare_numbers((uint64_t)l->to_id, (uint64_t)r->to_id);
}

static int end_of(struct graph *g, const struct all_known *k, const struct correlate_edge *e,
                  struct graph_end *out)
{
    char text[PLACE_TEXT];
    const struct known *one = find(k, e->id);
    put_place(text, g->c->places[e->place].text);
    out->endpoint = one ? one->endpoint : UINT32_MAX;
    return gathered_place(&g->texts, text, &out->place);
}

static int make_edges(struct graph *g, const struct all_known *k)
{
    const struct correlate *c = g->c;
    size_t n = 0;
    int e = 0;
    g->edges = calloc(c->edge_count + 1, sizeof *g->edges);
    if (!g->edges)
        return E_NOMEM;
    for (size_t i = 0; i < c->n && !e; i++) {
        const struct correlate_value *v = &c->values[i];
        const struct correlate_edge *from = &c->edges[v->issue];
        struct graph_end begin;
        e = end_of(g, k, from, &begin);
        for (uint32_t u = 0; u < v->uses && !e; u++) {
            const struct correlate_edge *to = &c->edges[v->use + u];
            struct graph_edge *one = &g->edges[n++];
            *one = (struct graph_edge){.from = begin,
                                       .value = (uint32_t)i,
                                       .from_id = from->id,
                                       .to_id = to->id,
                                       .times = 1,
                                       .values = 1,
                                       .assumed = v->assumed};
            e = end_of(g, k, to, &one->to);
        }
    }
    if (n > 1)
        qsort(g->edges, n, sizeof *g->edges, by_ends);
    uint32_t last = 0;
    for (size_t i = 0; i < n; i++) {
        struct graph_edge *one = g->n ? &g->edges[g->n - 1] : NULL;
        const struct graph_edge *next = &g->edges[i];
        if (one && memcmp(&one->from, &next->from, sizeof next->from) == 0 &&
            memcmp(&one->to, &next->to, sizeof next->to) == 0) {
            one->times++;
            one->values += next->value != last;
        } else {
            g->edges[g->n++] = *next;
        }
        last = next->value;
    }
    return e;
}

bool graph_same_from(const struct graph *g, size_t i)
{
    return i > 0 && memcmp(&g->edges[i].from, &g->edges[i - 1].from, sizeof g->edges->from) == 0;
}

int graph_make(struct graph *g, const struct correlate *c, const struct capture *capture)
{
    struct all_known k = {0};
    *g = (struct graph){.c = c};
    int e = know_ids(&k, c);
    e = e ? e : know_endpoints(g, &k, capture);
    e = e ? e : make_edges(g, &k);
    free(k.items);
    if (e)
        cli_error("%s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

void graph_clear(struct graph *g)
{
    gathered_clear(&g->texts);
    free(g->edges);
    g->edges = NULL;
    g->n = 0;
}
