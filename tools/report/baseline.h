// baseline: the JSON report of an earlier run, read back: which places differed then, and how long
// answers took.
#ifndef TAPEDECK_TOOLS_REPORT_BASELINE_H
#define TAPEDECK_TOOLS_REPORT_BASELINE_H

#include "proto/base/options.h"
#include "tools/report/sums.h"

#define BASELINE_MAX (64u << 20) // bytes of the file

#define REPORT_WORD    "tapedeck replay" // member "report" of the document
#define REPORT_VERSION 1                 // member "version": a reader of 1 can read all of 1

// Latencies in µs, since the planned time; -1: not measured.
struct baseline_times {
    int64_t p50, p95, p99;
};

struct baseline;

// name stands for the text in messages. 0, or E_SYNTAX, E_VERSION, E_LIMIT, E_NOMEM with why: what
// is wrong and where.
int baseline_parse(struct baseline **out, const char *name, struct view text,
                   char why[WHY_MAX]) MUST_CHECK;
void baseline_free(struct baseline *b); // may be NULL

const char *baseline_name(const struct baseline *b);
const char *baseline_started(const struct baseline *b); // as its report has it, "" for none

// Marks what was known and returns how many places are new; differences that were gathered nowhere
// count as one where the baseline had no such. *gone: places of the baseline that differ no longer.
int64_t baseline_apply(const struct baseline *b, struct verdict *v, uint64_t *gone);

// Of an endpoint; name NULL: of the whole run. false: it had none of that name.
bool baseline_times(const struct baseline *b, const char *service, const char *name,
                    struct baseline_times *out);

#endif
