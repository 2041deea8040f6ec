// histogram: percentiles of any number of values in fixed memory, within 0.8 %.
#ifndef TAPEDECK_TOOLS_STATS_HISTOGRAM_H
#define TAPEDECK_TOOLS_STATS_HISTOGRAM_H

#include <stdint.h>

// Values below 128 have a bucket each; above, each power of two is cut into 64 buckets.
#define HISTOGRAM_SUB     6
#define HISTOGRAM_TOP     44 // values from 2^44 µs (half a year) on share the last bucket
#define HISTOGRAM_BUCKETS ((HISTOGRAM_TOP - HISTOGRAM_SUB + 1) << HISTOGRAM_SUB)

struct histogram {
    int64_t n, sum, least, most;
    uint32_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, int64_t v); // v < 0 counts as 0

// Adds all values of b to a.
void histogram_join(struct histogram *a, const struct histogram *b);

// The value that p (0..1) of the values do not exceed; 0 for none. p = 1 is the largest, exactly.
int64_t histogram_at(const struct histogram *h, double p);

// How many values are at most v, as far as the buckets tell.
int64_t histogram_upto(const struct histogram *h, int64_t v);

#endif
