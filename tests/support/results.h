// results: made-up runs: what a replay of a small shop would tell a verdict.
#ifndef TAPEDECK_TESTS_RESULTS_H
#define TAPEDECK_TESTS_RESULTS_H

#include "tools/report/verdict.h"

// An answer as it was recorded: status 200, sent at once, answered took_us later.
struct result results_one(const char *method, const char *path, int64_t planned_us,
                          int64_t took_us);

// Adds it with differences: where, left, right, each NULL-terminated; kind of all.
void results_differ(struct verdict *v, struct result r, enum difference_kind kind,
                    const char *const (*places)[3]);
// Adds it as equal.
void results_equal(struct verdict *v, struct result r);

// What a run is made of; bits may be joined.
enum {
    RESULTS_CHANGED = 1, // a new build: some values differ
    RESULTS_ERRORS = 2,  // some have no answer
    RESULTS_HOSTILE = 4, // names and values that are markup, control characters, no UTF-8
    RESULTS_SLOW = 8,    // the generator is late by itself
    RESULTS_NEWER = 16,  // one more place differs
};
// The run, over; requests of them a millisecond apart. NULL: no memory.
struct verdict *results_run(unsigned what, int requests);

#endif
