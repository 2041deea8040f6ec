// histogram: a bucket's number is the value's highest bits.
#include "tools/stats/histogram.h"

#include "proto/base/clamp.h"

#define SUB ((int64_t)1 << HISTOGRAM_SUB)

static int bucket(int64_t v)
{
    if (v < 2 * SUB)
        return (int)v;
    if (v >> HISTOGRAM_TOP)
        return HISTOGRAM_BUCKETS - 1;
    int shift = 63 - __builtin_clzll((unsigned long long)v) - HISTOGRAM_SUB;
    return (int)((shift << HISTOGRAM_SUB) + (v >> shift));
}

// The middle of a bucket.
static int64_t middle(int i)
{
    if (i < 2 * SUB)
        return i;
    int shift = (i >> HISTOGRAM_SUB) - 1;
    int64_t from = ((int64_t)i - ((int64_t)shift << HISTOGRAM_SUB)) << shift;
    return from + (((int64_t)1 << shift) - 1) / 2;
}

void histogram_add(struct histogram *h, int64_t v)
{
    if (v < 0)
        v = 0;
    if (h->n == 0 || v < h->least)
        h->least = v;
    if (v > h->most)
        h->most = v;
    h->n++;
    h->sum = clamp_add(h->sum, v);
    h->buckets[bucket(v)]++;
}

void histogram_join(struct histogram *a, const struct histogram *b)
{
    if (b->n == 0)
        return;
    if (a->n == 0 || b->least < a->least)
        a->least = b->least;
    if (b->most > a->most)
        a->most = b->most;
    a->n += b->n;
    a->sum = clamp_add(a->sum, b->sum);
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++)
        a->buckets[i] += b->buckets[i];
}

int64_t histogram_at(const struct histogram *h, double p)
{
    double exact = p * (double)h->n;
    int64_t rank = (int64_t)exact + ((double)(int64_t)exact < exact), seen = 0;
    if (h->n == 0)
        return 0;
    if (rank >= h->n)
        return h->most;
    for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->buckets[i];
        if (seen < rank || seen == 0)
            continue;
        int64_t v = middle(i);
        return v < h->least ? h->least : v > h->most ? h->most : v;
    }
    return h->most;
}

int64_t histogram_upto(const struct histogram *h, int64_t v)
{
    int64_t n = 0;
    if (v >= h->most)
        return h->n;
    for (int i = 0; v >= 0 && i <= bucket(v); i++)
        n += h->buckets[i];
    return n;
}
