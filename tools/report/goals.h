// goals: what a run must not come to, each one line of a small language:
//
//   goal    = measure [ "[" scope "]" ] op limit        latency.p99[GET /items/{id}] > 10ms
//   measure = a name of measures.h                      latency.p95, mismatch.rate, status.5xx
//   scope   = an endpoint, or a service; '*' is any run of letters
//   op      = ">" ">=" "<" "<=" "=" "!="
//   limit   = what the measure's unit takes             50ms, 1%, 0, 100/s, 10MiB/s
//
// A goal is missed when what it says is so, and also when its figure was not measured.
#ifndef TAPEDECK_TOOLS_REPORT_GOALS_H
#define TAPEDECK_TOOLS_REPORT_GOALS_H

#include "tools/report/measures.h"

#define GOALS_MAX 100
#define GOAL_TEXT 400

enum goal_op { GOAL_ABOVE, GOAL_AT_LEAST, GOAL_BELOW, GOAL_AT_MOST, GOAL_EQUAL, GOAL_OTHER };

struct goal {
    char text[GOAL_TEXT];
    const struct measure *measure;
    struct measure_arg arg;
    char scope[GOAL_TEXT]; // "": the whole run
    enum goal_op op;
    double limit;
    // After goals_judge():
    bool missed;
    double value;
    char unmeasured[SUMS_REASON]; // "": value is its figure
};
struct goals {
    struct goal items[GOALS_MAX];
    size_t n;
};

// Adds a goal. 0, or E_SYNTAX, E_NOTFOUND, E_RANGE, E_LIMIT with why: the goal's column, what is
// wrong and what is allowed.
int goals_add(struct goals *g, struct view text, char why[WHY_MAX]) MUST_CHECK;

// Those that hold where none is given: nothing differs (where anything was compared), nothing
// failed, nothing was left unsent.
void goals_defaults(struct goals *g, const struct verdict *v);

// Judges all; returns how many are missed, -1 without memory. fresh as in measures.h.
int goals_judge(struct goals *g, const struct verdict *v, int64_t fresh);

// The list of measures, for help; NULL without memory.
const char *goals_list(void);

#endif
