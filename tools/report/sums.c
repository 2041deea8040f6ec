// sums: figures that are made of several counts, and lists in the order in which they are shown.
#include "tools/report/sums.h"

#include "tools/fields.h"

#include <stdlib.h>

const char *verdict_unmeasured(const struct verdict *v)
{
    return v->unmeasured[0] ? v->unmeasured : NULL;
}

uint64_t sums_planned(const struct verdict *v)
{
    return v->planned > v->all.counts.told ? v->planned : v->all.counts.told;
}

uint64_t sums_undone(const struct verdict *v)
{
    return sums_planned(v) - v->all.counts.told;
}

uint64_t sums_errors(const struct sums_counts *c)
{
    return c->missing;
}

uint64_t sums_compared(const struct sums_counts *c)
{
    return c->equal + c->different + c->missing;
}

uint64_t sums_mismatches(const struct sums_counts *c)
{
    return c->different + c->missing;
}

double sums_rate(const struct verdict *v, uint64_t n)
{
    return v->end_us > 0 ? (double)n * 1e6 / (double)v->end_us : 0;
}

double sums_punctual(const struct verdict *v)
{
    const struct histogram *h = &v->lateness;
    return h->n ? (double)histogram_upto(h, 1000) / (double)h->n : 1;
}

static int by_answers(const void *a, const void *b)
{
    const struct sums_gathered *x = *(const struct sums_gathered *const *)a;
    const struct sums_gathered *y = *(const struct sums_gathered *const *)b;
    if (x->known != y->known)
        return x->known - y->known;
    if (x->answers != y->answers)
        return x->answers > y->answers ? -1 : 1;
    int c = strcmp(x->endpoint->service, y->endpoint->service);
    c = c ? c : strcmp(x->endpoint->name, y->endpoint->name);
    c = c ? c : strcmp(x->where, y->where);
    return c ? c : (int)x->kind - (int)y->kind;
}

const struct sums_gathered **sums_gathered_sorted(const struct verdict *v, size_t *n)
{
    *n = v->gathered_n;
    const struct sums_gathered **out = *n ? calloc(*n, sizeof *out) : NULL;
    if (!out)
        return NULL;
    for (size_t i = 0; i < *n; i++)
        out[i] = v->gathered[i];
    qsort(out, *n, sizeof *out, by_answers);
    return out;
}

static int by_requests(const void *a, const void *b)
{
    const struct sums_group *x = *(const struct sums_group *const *)a;
    const struct sums_group *y = *(const struct sums_group *const *)b;
    if (x->counts.told != y->counts.told)
        return x->counts.told > y->counts.told ? -1 : 1;
    int c = strcmp(x->service, y->service);
    return c ? c : strcmp(x->name, y->name);
}

const struct sums_group **sums_endpoints_sorted(const struct verdict *v, size_t *n)
{
    const struct sums_group *rest = v->endpoints[VERDICT_ENDPOINTS];
    *n = v->endpoints_n + (rest != NULL);
    const struct sums_group **out = *n ? calloc(*n, sizeof *out) : NULL;
    if (!out)
        return NULL;
    for (size_t i = 0; i < v->endpoints_n; i++)
        out[i] = v->endpoints[i];
    qsort(out, v->endpoints_n, sizeof *out, by_requests);
    if (rest)
        out[*n - 1] = rest;
    return out;
}
