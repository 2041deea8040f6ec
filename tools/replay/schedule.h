// schedule: when each request of a run is to go. Pure.
//
//   as recorded   the recorded times, divided by the speed
//   rate          so many a second, evenly
//   stages        "10s@100,1m@1000": for 10 s 100 a second, then for a minute 1000
//   at once       no plan: as soon as the one before it was answered
//
// Requests are counted over all rounds through the plan: the k-th of them.
#ifndef TAPEDECK_TOOLS_REPLAY_SCHEDULE_H
#define TAPEDECK_TOOLS_REPLAY_SCHEDULE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

#include <stdint.h>

#define SCHEDULE_STAGES   64
#define SCHEDULE_RATE_MAX 10000000.0
#define SCHEDULE_END      INT64_MAX // there is no such request: the stages are over

enum schedule_kind { SCHEDULE_RECORDED, SCHEDULE_RATE, SCHEDULE_AT_ONCE };

struct schedule {
    enum schedule_kind kind;
    double speed; // of the recorded times: 2 is twice as fast
    struct {
        int64_t us; // how long; the last one of a plain rate has no end
        double rate;
    } stages[SCHEDULE_STAGES];
    size_t n;
};

// --speed: "1", "0.5", "max". 0; E_SYNTAX, E_RANGE with why: what is allowed.
int schedule_speed(struct schedule *s, struct view text, char why[WHY_MAX]) MUST_CHECK;
// --rate: "100", "100/s", "5/m".
int schedule_rate(struct schedule *s, struct view text, char why[WHY_MAX]) MUST_CHECK;
// --stages.
int schedule_stages(struct schedule *s, struct view text, char why[WHY_MAX]) MUST_CHECK;

// µs since the run's start of the k-th request of a rate or of stages, or SCHEDULE_END.
int64_t schedule_at(const struct schedule *s, uint64_t k);
// A span of recorded time as it is in this run.
int64_t schedule_span(const struct schedule *s, int64_t recorded_us);
// How long all stages last; SCHEDULE_END: they have no end.
int64_t schedule_length(const struct schedule *s);
// How many requests they have; UINT64_MAX: no end.
uint64_t schedule_count(const struct schedule *s);

#endif
