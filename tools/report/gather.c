// gather: a table of places that differ: endpoint, place and kind are the key; the place is the
// pattern that a rule would have (general.h).
#include "proto/base/fnv.h"
#include "tools/compare/general.h"
#include "tools/report/mend.h"
#include "tools/report/sums.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS (sizeof((struct verdict *)0)->gathered_slots / sizeof(uint16_t))

static void example(struct sums_gathered *g, const struct result *r, const char *left,
                    const char *right, bool *whole)
{
    struct sums_example *e = &g->examples[g->n];
    *e = (struct sums_example){.id = r->original, .file = r->file};
    e->left = strdup(left);
    e->right = strdup(right);
    if (!e->left || !e->right) {
        free(e->left);
        free(e->right);
        *whole = false;
        return;
    }
    g->n++;
}

static struct sums_gathered *gathered_new(struct verdict *v, const struct sums_group *endpoint,
                                          const char *where, enum difference_kind kind)
{
    struct sums_gathered *g = calloc(1, sizeof *g);
    if (g && !(g->where = strdup(where))) {
        free(g);
        g = NULL;
    }
    if (g) {
        g->endpoint = endpoint;
        g->kind = kind;
        v->gathered[v->gathered_n++] = g;
    }
    return g;
}

// The one of that key; NULL: there is no room, or (*whole false) no memory.
static struct sums_gathered *find(struct verdict *v, const struct sums_group *endpoint,
                                  const char *where, enum difference_kind kind, bool *whole)
{
    uint64_t hash = fnv_more(FNV_START, &endpoint, sizeof endpoint);
    hash = fnv_more(hash, &kind, sizeof kind);
    size_t at = fnv_fold(fnv_more(hash, where, strlen(where))) & (SLOTS - 1);
    for (; v->gathered_slots[at]; at = (at + 1) & (SLOTS - 1)) {
        struct sums_gathered *g = v->gathered[v->gathered_slots[at] - 1];
        if (g->endpoint == endpoint && g->kind == kind && strcmp(g->where, where) == 0)
            return g;
    }
    if (v->gathered_n == VERDICT_GATHERED)
        return NULL;
    struct sums_gathered *g = gathered_new(v, endpoint, where, kind);
    if (g)
        v->gathered_slots[at] = (uint16_t)v->gathered_n;
    else
        *whole = false;
    return g;
}

static void add(struct verdict *v, const struct sums_group *endpoint, const struct result *r,
                const struct difference *d, bool *whole)
{
    char place[DIFFERENCE_WHERE], where[DIFFERENCE_WHERE];
    general_place(view_of(d->where), place);
    mend(view_of(place), where, sizeof where);
    struct sums_gathered *g = find(v, endpoint, where, d->kind, whole);
    v->differences++;
    if (!g) {
        v->left_out++;
        return;
    }
    g->count++;
    if (g->last != v->all.counts.told) {
        g->answers++;
        if (g->n < VERDICT_EXAMPLES) // one of each answer
            example(g, r, d->left, d->right, whole);
    }
    g->last = v->all.counts.told;
}

bool gather(struct verdict *v, const struct sums_group *endpoint, const struct result *r)
{
    bool whole = true;
    if (r->found && r->found->total > 0) {
        for (size_t i = 0; i < r->found->n; i++)
            add(v, endpoint, r, &r->found->items[i], &whole);
        v->differences += r->found->total - r->found->n;
        v->left_out += r->found->total - r->found->n;
        return whole;
    }
    struct difference d = {.kind = DIFFERENCE_MISSING, .where = "message"};
    if (r->recorded_status > 0)
        snprintf(d.left, sizeof d.left, "status %lld", (long long)r->recorded_status);
    snprintf(d.right, sizeof d.right, "%s", r->reason ? r->reason : result_sentences[r->kind]);
    add(v, endpoint, r, &d, &whole);
    return whole;
}

void gather_clear(struct verdict *v)
{
    for (size_t i = 0; i < v->gathered_n; i++) {
        struct sums_gathered *g = v->gathered[i];
        for (size_t k = 0; k < g->n; k++) {
            free(g->examples[k].left);
            free(g->examples[k].right);
        }
        free(g->where);
        free(g);
    }
    v->gathered_n = 0;
}
