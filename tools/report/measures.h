// measures: the figures that goals name, in one table: parsing, help and values come from it.
#ifndef TAPEDECK_TOOLS_REPORT_MEASURES_H
#define TAPEDECK_TOOLS_REPORT_MEASURES_H

#include "proto/base/options.h"
#include "tools/report/sums.h"

enum measure_unit {
    MEASURE_COUNT,
    MEASURE_SHARE, // 0 … 1
    MEASURE_TIME,  // µs
    MEASURE_PER_S, // 1/s
    MEASURE_SIZE,  // bytes
    MEASURE_SIZE_PER_S
};

// What the upper-case word of a name may stand for.
enum measure_word { MEASURE_PLAIN, MEASURE_STAT, MEASURE_KIND, MEASURE_CODE };

struct measure_arg {
    enum { STAT_AT, STAT_LEAST, STAT_MEAN, STAT_MOST } stat;
    double at; // STAT_AT: 0 … 1
    enum result_kind kind;
    int from, to; // status codes, both among them
};

// What is measured: the whole run, or of some endpoints.
struct measure_of {
    const struct verdict *v;
    const struct sums_counts *counts;
    const struct sums_times *times;
    int64_t fresh; // places that differ and are not in the baseline; -1: there is none
};

struct measure_value {
    const char *unmeasured; // why; NULL: it is
    double value;
};

struct measure {
    const char *name; // "latency.STAT"
    const char *sentence;
    enum measure_unit unit;
    enum measure_word word;
    bool scoped; // also of endpoints
    double (*get)(const struct measure_of *of, const struct measure_arg *arg);
    // Why there is no figure; NULL: there is, or the function itself is missing.
    const char *(*lacks)(const struct measure_of *of, const struct measure_arg *arg);
};
extern const struct measure measures[]; // name NULL at the end

// The measure of that name. 0, or E_NOTFOUND, E_SYNTAX with why and *at the byte it is about.
int measure_find(struct view name, const struct measure **out, struct measure_arg *arg, size_t *at,
                 char why[WHY_MAX]) MUST_CHECK;

struct measure_value measure_get(const struct measure *m, const struct measure_arg *arg,
                                 const struct measure_of *of);

// "12.3ms", "0.4 %", "1,204".
#define MEASURE_TEXT 40
const char *measure_text(enum measure_unit unit, double value, char out[MEASURE_TEXT]);

// "a duration, as 50ms": what a limit of that unit looks like.
const char *measure_allowed(enum measure_unit unit);
// The limit itself. 0, E_SYNTAX, E_RANGE.
int measure_limit(enum measure_unit unit, struct view text, double *out) MUST_CHECK;

// The endpoints whose name (or, without a blank in the pattern, whose service) matches it, joined;
// '*' is any run of letters. Returns how many.
size_t measure_scope(const struct verdict *v, struct view pattern, struct sums_group *out);

#endif
