// verdict: what is made of the results of a run: counts, histograms, a series over time,
// differences gathered by place, errors by cause. It keeps sums, never a result, in memory that
// does not depend on how many there are; it knows no clock, no socket and no file.
//
// Each result is one of: equal, different (answered, but not as recorded), missing (an error: no
// answer), uncompared (answered, nothing compared), unsent. A mismatch is a different or a missing
// one.
//
// Where the generator itself was the bottleneck no latency is a measurement: verdict_unmeasured()
// then has the reason, which stands in each report in place of the figures. That is so when
//   more than GENERATOR_SHARE of the sends went GENERATOR_LATE_US or more behind the moment at
//   which nothing but ourselves stood in their way, or
//   more than GENERATOR_SHARE of the time was spent in turns of the loop that long (verdict_turn),
//   in which no answer is seen.
#ifndef TAPEDECK_TOOLS_REPORT_VERDICT_H
#define TAPEDECK_TOOLS_REPORT_VERDICT_H

#include "tools/report/result.h"

#include <stdbool.h>
#include <stdint.h>

#define GENERATOR_LATE_US 10000
#define GENERATOR_SHARE   0.01

#define VERDICT_ENDPOINTS 500 // method, service and route; those beyond are counted together
#define VERDICT_SERVICES  64
#define VERDICT_GATHERED  2000 // places that differ; those beyond are counted
#define VERDICT_EXAMPLES  3    // of each
#define VERDICT_CAUSES    100  // of errors: kind and reason; those beyond count by kind alone
#define VERDICT_SETTINGS  64

struct verdict;

// started_us: the wall time at the run's start, since 1970. NULL: no memory.
struct verdict *verdict_new(int64_t started_us);
void verdict_free(struct verdict *v); // may be NULL

// A line for the report's head: "capture", "target", "speed" …; copied. Beyond VERDICT_SETTINGS, or
// without memory, it is left out.
void verdict_setting(struct verdict *v, const char *name, struct view value);

// How many requests the plan has, as far as it is known: beside it the report says what was not
// come to. Never called: as many as were told of.
void verdict_planned(struct verdict *v, uint64_t requests);

// Takes one result; all in it are loans until return. Never fails: where memory is missing it is
// counted, and what could not be kept of it is counted as left out.
void verdict_add(struct verdict *v, const struct result *r);

// A turn of the generator's loop that took us microseconds, from the poll's return to the next
// poll: so long an answer may have waited unseen. May be left out for short ones (< 1 ms).
void verdict_turn(struct verdict *v, int64_t us);

// Bytes that came where no request was open: "3 answers nobody asked for".
void verdict_unasked(struct verdict *v, uint64_t answers);

// The run is over, at end_us since its start. stopped: NULL, or why it ended before its plan: a
// phrase ("interrupted"), copied. After it the verdict only gets read.
void verdict_end(struct verdict *v, int64_t end_us, const char *stopped);

// A line for the terminal while it runs, at now_us since the start; permille of the way, -1: not
// known. "42.0 %  18,112 sent  1,208/s  3 errors  5 mismatches  late p99 84us". Returns out.
#define VERDICT_LINE 200
const char *verdict_line(struct verdict *v, int64_t now_us, int permille, char out[VERDICT_LINE]);

#endif
