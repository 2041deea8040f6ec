// series: a run over time in fixed memory: a row of buckets whose width doubles when the run goes
// beyond the last one.
#ifndef TAPEDECK_TOOLS_REPORT_SERIES_H
#define TAPEDECK_TOOLS_REPORT_SERIES_H

#include <stdint.h>

#define SERIES_BUCKETS  200 // even
#define SERIES_FIRST_US 10000
#define SERIES_LAST_US  (INT64_C(366) * 86400 * 1000000) // what lies beyond counts there

// Percentiles within 7 %: eight parts of each power of two up to 2^32 µs.
#define SERIES_SUB  3
#define SERIES_FINE ((32 - SERIES_SUB + 1) << SERIES_SUB)

struct series_spread {
    uint32_t n;
    int64_t most;
    uint32_t parts[SERIES_FINE];
};
struct series_bucket {
    uint32_t planned, sent, answered, errors, mismatches;
    struct series_spread latency;  // since the planned time, by that time
    struct series_spread lateness; // by the time of the send
};
struct series {
    int64_t width_us;
    int64_t end_us; // of the run, when it is over
    int used;       // buckets up to the last one that holds anything
    struct series_bucket buckets[SERIES_BUCKETS];
};

void series_init(struct series *s);

// The bucket of that time, at_us < 0 being 0; good until the next call.
struct series_bucket *series_at(struct series *s, int64_t at_us);

void series_spread_add(struct series_spread *s, int64_t us);
// As histogram_at(); 0 for none.
int64_t series_spread_at(const struct series_spread *s, double p);

#endif
