// series: two buckets become one until the time fits.
#include "tools/report/series.h"

#include <string.h>

#define SUB (INT64_C(1) << SERIES_SUB)

void series_init(struct series *s)
{
    memset(s, 0, sizeof *s);
    s->width_us = SERIES_FIRST_US;
}

static void spread_join(struct series_spread *a, const struct series_spread *b)
{
    a->n += b->n;
    a->most = b->most > a->most ? b->most : a->most;
    for (int i = 0; i < SERIES_FINE; i++)
        a->parts[i] += b->parts[i];
}

static void join(struct series_bucket *a, const struct series_bucket *b)
{
    a->planned += b->planned;
    a->sent += b->sent;
    a->answered += b->answered;
    a->errors += b->errors;
    a->mismatches += b->mismatches;
    spread_join(&a->latency, &b->latency);
    spread_join(&a->lateness, &b->lateness);
}

static void widen(struct series *s)
{
    for (int i = 0; i < SERIES_BUCKETS / 2; i++) {
        struct series_bucket one = s->buckets[2 * i];
        join(&one, &s->buckets[2 * i + 1]);
        s->buckets[i] = one;
    }
    memset(&s->buckets[SERIES_BUCKETS / 2], 0, sizeof s->buckets / 2);
    s->width_us *= 2;
    s->used = (s->used + 1) / 2;
}

struct series_bucket *series_at(struct series *s, int64_t at_us)
{
    at_us = at_us < 0 ? 0 : at_us > SERIES_LAST_US ? SERIES_LAST_US : at_us;
    while (at_us / s->width_us >= SERIES_BUCKETS)
        widen(s);
    int i = (int)(at_us / s->width_us);
    if (i >= s->used)
        s->used = i + 1;
    return &s->buckets[i];
}

void series_spread_add(struct series_spread *s, int64_t us)
{
    us = us < 0 ? 0 : us;
    s->n++;
    s->most = us > s->most ? us : s->most;
    if (us >= INT64_C(1) << 32)
        us = (INT64_C(1) << 32) - 1;
    int shift = us < 2 * SUB ? 0 : 63 - __builtin_clzll((unsigned long long)us) - SERIES_SUB;
    s->parts[((int64_t)shift << SERIES_SUB) + (us >> shift)]++;
}

int64_t series_spread_at(const struct series_spread *s, double p)
{
    double exact = p * (double)s->n;
    uint64_t rank = (uint64_t)exact + ((double)(uint64_t)exact < exact), seen = 0;
    if (s->n == 0 || rank >= s->n)
        return s->n ? s->most : 0;
    for (int i = 0; i < SERIES_FINE; i++) {
        seen += s->parts[i];
        if (seen < rank || seen == 0)
            continue;
        int shift = i < 2 * SUB ? 0 : (i >> SERIES_SUB) - 1;
        int64_t from = ((int64_t)i - ((int64_t)shift << SERIES_SUB)) << shift;
        int64_t v = from + ((INT64_C(1) << shift) - 1) / 2;
        return v > s->most ? s->most : v;
    }
    return s->most;
}
