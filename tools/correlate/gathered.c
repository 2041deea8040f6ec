// gathered: open addressing, grown at three quarters; texts in blocks that go to the result.
#include "tools/correlate/gathered.h"

#include "proto/base/fnv.h"

#include <stdlib.h>

#define BLOCK      65536
#define PLACES_MAX (1u << 20)

struct correlate_memory {
    struct correlate_memory *next;
    size_t n, cap;
    char bytes[];
};

uint64_t gathered_hash(struct view kind, struct view text)
{
    uint64_t h = fnv_more(FNV_START, kind.p, kind.n);
    h = fnv_more(fnv_more(h, "", 1), text.p, text.n);
    return h ? h : 1;
}

static char *keep(struct gathered *g, struct view v)
{
    struct correlate_memory *m = g->memory;
    if (!m || m->cap - m->n < v.n + 1) {
        size_t cap = v.n + 1 > BLOCK ? v.n + 1 : BLOCK;
        m = malloc(sizeof *m + cap);
        if (!m)
            return NULL;
        *m = (struct correlate_memory){.next = g->memory, .cap = cap};
        g->memory = m;
    }
    char *at = m->bytes + m->n;
    if (v.n)
        memcpy(at, v.p, v.n);
    at[v.n] = 0;
    m->n += v.n + 1;
    return at;
}

void gathered_free_memory(struct correlate_memory *m)
{
    while (m) {
        struct correlate_memory *next = m->next;
        free(m);
        m = next;
    }
}

// ---- what requests carry

static struct carried *slot(struct carried *all, size_t slots, uint64_t hash)
{
    size_t i = (hash ^ hash >> 29) & (slots - 1);
    while (all[i].hash && all[i].hash != hash)
        i = (i + 1) & (slots - 1);
    return &all[i];
}

int gathered_carry(struct gathered *g, uint64_t hash)
{
    if (4 * (g->carried_n + 1) > 3 * g->slots) {
        size_t slots = g->slots ? 2 * g->slots : 1024;
        struct carried *more = calloc(slots, sizeof *more);
        if (!more)
            return E_NOMEM;
        for (size_t i = 0; i < g->slots; i++)
            if (g->carried[i].hash)
                *slot(more, slots, g->carried[i].hash) = g->carried[i];
        free(g->carried);
        g->carried = more;
        g->slots = slots;
    }
    struct carried *c = slot(g->carried, g->slots, hash);
    if (c->hash)
        return 0;
    if (g->carried_n == CORRELATE_CARRIED_MAX) {
        g->out->carried_left++;
        return 0;
    }
    c->hash = hash;
    g->carried_n++;
    return 0;
}

struct carried *gathered_find(struct gathered *g, uint64_t hash)
{
    struct carried *c = g->slots ? slot(g->carried, g->slots, hash) : NULL;
    return c && c->hash ? c : NULL;
}

// ---- values, places, edges

// Room for one more of items of that size; NULL: no memory.
static void *room(void *items, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return items;
    size_t more = *cap ? 2 * *cap : 64;
    void *all = realloc(items, more * size);
    if (all)
        *cap = more;
    return all;
}

int gathered_value(struct gathered *g, struct carried *c, struct view text, struct issued **out)
{
    *out = NULL;
    if (g->n == CORRELATE_VALUES_MAX) {
        g->out->values_left++;
        return 0;
    }
    struct issued *all = room(g->values, g->n, &g->cap, sizeof *all);
    if (!all)
        return E_NOMEM;
    g->values = all;
    char *copy = keep(g, text);
    if (!copy)
        return E_NOMEM;
    all[g->n] = (struct issued){.text = view_n(copy, text.n)};
    *out = &all[g->n++];
    c->value = (uint32_t)g->n;
    return 0;
}

static size_t place_slot(const struct gathered *g, struct view text)
{
    size_t i = fnv_fold(fnv_more(FNV_START, text.p, text.n)) & (g->place_slot_n - 1);
    while (g->place_slots[i] && !view_eq(view_of(g->places[g->place_slots[i] - 1]), text))
        i = (i + 1) & (g->place_slot_n - 1);
    return i;
}

static int grow_places(struct gathered *g)
{
    size_t slots = g->place_slot_n ? 2 * g->place_slot_n : 256;
    uint32_t *more = calloc(slots, sizeof *more);
    if (!more)
        return E_NOMEM;
    free(g->place_slots);
    g->place_slots = more;
    g->place_slot_n = slots;
    for (size_t i = 0; i < g->place_n; i++)
        more[place_slot(g, view_of(g->places[i]))] = (uint32_t)i + 1;
    return 0;
}

int gathered_place(struct gathered *g, const char *text, uint32_t *out)
{
    if (2 * (g->place_n + 1) > g->place_slot_n && grow_places(g))
        return E_NOMEM;
    size_t i = place_slot(g, view_of(text));
    *out = g->place_slots[i] - 1; // UINT32_MAX: it is new
    if (g->place_slots[i])
        return 0;
    if (g->place_n == PLACES_MAX)
        return E_LIMIT;
    const char **all = room(g->places, g->place_n, &g->place_cap, sizeof *all);
    if (!all)
        return E_NOMEM;
    g->places = all;
    all[g->place_n] = keep(g, view_of(text));
    if (!all[g->place_n])
        return E_NOMEM;
    g->place_slots[i] = (uint32_t)++g->place_n;
    *out = (uint32_t)g->place_n - 1;
    return 0;
}

int gathered_edge(struct gathered *g, uint32_t value, uint32_t place, int64_t id, bool use)
{
    if (g->edge_n == CORRELATE_EDGES_MAX) {
        g->out->edges_left++;
        return 0;
    }
    struct gathered_edge *all = room(g->edges, g->edge_n, &g->edge_cap, sizeof *all);
    if (!all)
        return E_NOMEM;
    g->edges = all;
    all[g->edge_n] = (struct gathered_edge){value, place, (uint32_t)g->edge_n, use, id};
    g->edge_n++;
    return 0;
}

// ---- the end

static int by_value(const void *a, const void *b)
{
    const struct gathered_edge *l = a, *r = b;
    if (l->value != r->value)
        return l->value < r->value ? -1 : 1;
    if (l->use != r->use)
        return l->use ? 1 : -1;
    return l->order < r->order ? -1 : l->order > r->order;
}

int gathered_end(struct gathered *g)
{
    struct correlate *c = g->out;
    size_t values = 0, at = 0;
    for (size_t i = 0; i < g->n; i++)
        values += g->values[i].uses > 0;
    c->memory = g->memory; // all texts
    g->memory = NULL;
    c->values = calloc(values + 1, sizeof *c->values);
    c->edges = calloc(g->edge_n + 1, sizeof *c->edges);
    c->places = calloc(g->place_n + 1, sizeof *c->places);
    if (!c->values || !c->edges || !c->places)
        return E_NOMEM;
    for (size_t i = 0; i < g->place_n; i++)
        c->places[i].text = g->places[i];
    c->place_count = g->place_n;
    if (g->edge_n > 1)
        qsort(g->edges, g->edge_n, sizeof *g->edges, by_value);
    for (size_t i = 0; i < g->n; i++) {
        struct correlate_value v = {.text = g->values[i].text, .assumed = g->values[i].assumed};
        for (int use = 0; use < 2; use++) {
            *(use ? &v.use : &v.issue) = (uint32_t)c->edge_count;
            for (; at < g->edge_n && g->edges[at].value == i && g->edges[at].use == use; at++) {
                if (g->values[i].uses == 0)
                    continue;
                c->edges[c->edge_count++] =
                    (struct correlate_edge){g->edges[at].id, (uint32_t)c->n, g->edges[at].place};
                *(use ? &v.uses : &v.issues) += 1;
            }
        }
        if (v.uses > 0)
            c->values[c->n++] = v;
        else
            c->edge_count = v.issue; // its edges did not fit
    }
    return 0;
}

void gathered_clear(struct gathered *g)
{
    free(g->carried);
    free(g->values);
    free(g->edges);
    free((void *)(uintptr_t)g->places);
    free(g->place_slots);
    gathered_free_memory(g->memory);
    *g = (struct gathered){0};
}
