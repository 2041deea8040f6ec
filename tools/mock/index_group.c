// index_group: rows to entries in groups of equal ones, and what finds a group.
#include "tools/mock/index_in.h"

#include <stdlib.h>

static int three_way(uint64_t a, uint64_t b)
{
    return a < b ? -1 : a > b;
}

static int by_age(const struct index_entry *x, const struct index_entry *y)
{
    if (x->start_us != y->start_us)
        return x->start_us < y->start_us ? -1 : 1;
    if (x->file != y->file)
        return x->file < y->file ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int by_recorded_flow(const void *a, const void *b)
{
    const struct index_row *x = a, *y = b;
    if (x->capture != y->capture)
        return x->capture < y->capture ? -1 : 1;
    return x->flow < y->flow ? -1 : x->flow > y->flow;
}

static int by_equal(const void *a, const void *b)
{
    const struct index_row *x = a, *y = b;
    int c = three_way(x->equal, y->equal);
    return c ? c : by_age(&x->entry, &y->entry);
}

static int by_alike(const void *a, const void *b, void *arg)
{
    const struct index_row *rows = arg;
    const struct index_row *x = &rows[*(const uint32_t *)a], *y = &rows[*(const uint32_t *)b];
    int c = three_way(x->alike, y->alike);
    return c ? c : by_age(&x->entry, &y->entry);
}

static int by_flow(const void *a, const void *b, void *arg)
{
    const struct index_entry *entries = arg;
    const struct index_entry *x = &entries[*(const uint32_t *)a],
                             *y = &entries[*(const uint32_t *)b];
    if (x->flow != y->flow)
        return x->flow < y->flow ? -1 : 1;
    return x->n != y->n ? (x->n < y->n ? -1 : 1) : by_age(x, y);
}

static void number_flows(struct index_rows *r)
{
    uint32_t flow = 0;
    if (r->n > 0)
        qsort(r->rows, r->n, sizeof *r->rows, by_recorded_flow);
    for (size_t i = 0; i < r->n; i++) {
        flow += i == 0 || by_recorded_flow(&r->rows[i], &r->rows[i - 1]) != 0;
        r->rows[i].entry.flow = flow;
    }
}

// Groups of n places, of which key tells those that belong together.
static int make_groups(struct index *ix, struct grouping *g, size_t n, const struct index_row *rows,
                       bool alike)
{
    size_t groups = 0;
    uint64_t before = 0;
    for (size_t i = 0; i < n; i++) {
        const struct index_row *row = &rows[group_entry(g, (uint32_t)i)];
        uint64_t key = alike ? row->alike : row->equal;
        groups += i == 0 || key != before;
        before = key;
    }
    g->groups = calloc(groups + 1, sizeof *g->groups);
    g->by_flow = calloc(n + 1, sizeof *g->by_flow);
    if (!g->groups || !g->by_flow)
        return E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = group_entry(g, i);
        uint64_t key = alike ? rows[at].alike : rows[at].equal;
        if (i == 0 || key != g->groups[g->n - 1].key) {
            g->groups[g->n].key = key;
            g->groups[g->n++].first = i;
        }
        g->groups[g->n - 1].vague |= rows[at].entry.vague >> alike & 1;
        g->by_flow[i] = at;
    }
    g->groups[g->n].first = (uint32_t)n;
    for (size_t i = 0; i < g->n; i++)
        qsort_r(g->by_flow + g->groups[i].first, group_size(&g->groups[i]), sizeof *g->by_flow,
                by_flow, ix->entries);
    ix->sums.memory += (g->n + 1) * sizeof *g->groups + n * sizeof *g->by_flow;
    return 0;
}

// A slot of the table: the upper 40 bits of a raw hash, whose lower ones say where it stands, and
// the number of the group and 1 in 24 bits.
static uint64_t slot_of(uint64_t raw, size_t group)
{
    return (raw >> 24) << 24 | (group + 1);
}

static int make_table(struct index *ix, const struct index_row *rows)
{
    size_t size = 64;
    _Static_assert(INDEX_MAX < 1 << 23, "a number of a group and 1 has 24 bits");
    while (size < ix->n + ix->n / 2)
        size *= 2;
    ix->table = calloc(size, sizeof *ix->table);
    if (!ix->table)
        return E_NOMEM;
    ix->table_size = size;
    ix->sums.memory += size * sizeof *ix->table;
    for (size_t g = 0; g < ix->equal.n; g++)
        for (uint32_t i = ix->equal.groups[g].first; i < ix->equal.groups[g + 1].first; i++) {
            uint64_t raw = rows[i].raw, slot = slot_of(raw, g);
            size_t at = raw % size;
            if (!rows[i].has_raw)
                continue;
            while (ix->table[at] && ix->table[at] >> 24 != slot >> 24)
                at = (at + 1) % size;
            ix->table[at] = ix->table[at] ? ix->table[at] : slot;
        }
    return 0;
}

const struct group *index_raw(const struct index *ix, uint64_t raw)
{
    size_t at = raw % ix->table_size;
    while (ix->table[at] && ix->table[at] >> 24 != raw >> 24)
        at = (at + 1) % ix->table_size;
    return ix->table[at] ? &ix->equal.groups[(ix->table[at] & 0xffffff) - 1] : NULL;
}

int index_group_rows(struct index *ix, struct index_rows *r)
{
    number_flows(r);
    if (r->n > 0)
        qsort(r->rows, r->n, sizeof *r->rows, by_equal);
    ix->entries = calloc(r->n + 1, sizeof *ix->entries);
    ix->uses = calloc(r->n + 1, sizeof *ix->uses);
    if (!ix->entries || !ix->uses)
        return E_NOMEM;
    ix->n = r->n;
    ix->sums.memory += r->n * (sizeof *ix->entries + sizeof *ix->uses);
    size_t alike = 0;
    for (size_t i = 0; i < r->n; i++) {
        const struct index_entry *e = &r->rows[i].entry;
        ix->entries[i] = *e;
        ix->known[e->known] = true;
        if (r->rows[i].has_alike) {
            ix->alike_known[e->mask][e->known] = true;
            alike++;
        }
    }
    int e = make_groups(ix, &ix->equal, r->n, r->rows, false);
    e = e ? e : make_table(ix, r->rows);
    if (e || alike == 0)
        return e;
    ix->alike.order = calloc(alike, sizeof *ix->alike.order);
    if (!ix->alike.order)
        return E_NOMEM;
    alike = 0;
    for (uint32_t i = 0; i < r->n; i++)
        if (r->rows[i].has_alike)
            ix->alike.order[alike++] = i;
    qsort_r(ix->alike.order, alike, sizeof *ix->alike.order, by_alike, r->rows);
    ix->sums.memory += alike * sizeof *ix->alike.order;
    return make_groups(ix, &ix->alike, alike, r->rows, true);
}

const struct group *index_group(const struct grouping *g, uint64_t key)
{
    size_t from = 0, to = g->n;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        if (g->groups[middle].key < key)
            from = middle + 1;
        else
            to = middle;
    }
    return from < g->n && g->groups[from].key == key ? &g->groups[from] : NULL;
}
