// sums: what a verdict holds, for the parts that judge and write it. Texts in it are mended
// (mend.h) but for those of examples, which are as they came.
#ifndef TAPEDECK_TOOLS_REPORT_SUMS_H
#define TAPEDECK_TOOLS_REPORT_SUMS_H

#include "tools/report/series.h"
#include "tools/report/verdict.h"
#include "tools/stats/histogram.h"

#define SUMS_NAME     400 // bytes of an endpoint's or service's name
#define SUMS_REASON   256
#define SUMS_STATUSES 500 // 100 … 599

struct sums_counts {
    uint64_t told, sent, answered;
    uint64_t equal, different, missing, uncompared, unsent; // of told, each is one of them
    uint64_t kinds[RESULT_KINDS]; // of missing and unsent by kind; [RESULT_ANSWERED] stays 0
    uint64_t sent_bytes, received_bytes;
    uint64_t odd_statuses; // answers with another than below
    uint32_t statuses[SUMS_STATUSES];
};

struct sums_times {
    struct histogram latency;  // since the planned time
    struct histogram sending;  // since the send
    struct histogram recorded; // of those that were recorded with an answer
};

// An endpoint (name "GET /items/{id}"), a service (its name), all (""), or the rest ("(others)").
struct sums_group {
    char *service, *name;
    struct sums_counts counts;
    struct sums_times times;
};

// All differences of one kind at one place of one endpoint's answers.
struct sums_example {
    int64_t id;       // of the recorded transaction
    const char *file; // or NULL
    char *left, *right;
};
struct sums_gathered {
    const struct sums_group *endpoint;
    char *where;
    enum difference_kind kind;
    bool known;              // the baseline has it
    uint64_t count, answers; // differences; answers that have any
    uint64_t last;           // the number of the result that had it last
    size_t n;
    struct sums_example examples[VERDICT_EXAMPLES];
};

struct sums_cause {
    enum result_kind kind;
    char *reason;
    uint64_t count;
    int64_t id; // the first of them
    const char *file;
};

struct sums_setting {
    char *name, *value;
};

struct verdict {
    int64_t started_us, end_us;
    char stopped[SUMS_REASON]; // "": it went to its end
    char unmeasured[SUMS_REASON];
    bool ended;
    uint64_t planned, unasked;
    struct sums_group all;
    struct histogram first; // first byte of the answer since the send
    struct histogram lateness, ours;
    uint64_t late;   // sends that were GENERATOR_LATE_US or more late by ours
    int64_t slow_us; // time in turns that long

    struct sums_group *services[VERDICT_SERVICES + 1];   // the last one: the others
    struct sums_group *endpoints[VERDICT_ENDPOINTS + 1]; // likewise
    size_t services_n, endpoints_n;
    uint16_t endpoint_slots[2048];
    struct sums_group spare; // counts what there was no memory for

    struct sums_gathered *gathered[VERDICT_GATHERED];
    size_t gathered_n;
    uint16_t gathered_slots[8192];
    struct sums_cause causes[VERDICT_CAUSES + RESULT_KINDS];
    size_t causes_n;
    struct sums_setting settings[VERDICT_SETTINGS];
    size_t settings_n;
    uint64_t differences;    // all
    uint64_t left_out;       // of them: counted, but gathered nowhere
    uint64_t without_memory; // results of which something could not be kept

    uint64_t shown; // of the line: what had been sent when it was made last
    int64_t shown_us;
    struct series series;
};

// gather.c: takes the differences of the result's answer to an endpoint. false: no memory for
// some. gather_clear() frees all.
bool gather(struct verdict *v, const struct sums_group *endpoint, const struct result *r);
void gather_clear(struct verdict *v);

// Why latency is not measured, NULL: it is. After verdict_end().
const char *verdict_unmeasured(const struct verdict *v);

// Requests of the plan, and those that were not come to.
uint64_t sums_planned(const struct verdict *v);
uint64_t sums_undone(const struct verdict *v);
// Errors; answers that were compared or ought to have been; those that were not as recorded.
uint64_t sums_errors(const struct sums_counts *c);
uint64_t sums_compared(const struct sums_counts *c);
uint64_t sums_mismatches(const struct sums_counts *c);
// Per second of the run; 0 for none.
double sums_rate(const struct verdict *v, uint64_t n);

// The share of the sends that went within a millisecond of their plan; 1 for none.
double sums_punctual(const struct verdict *v);

extern const char *const result_kinds[RESULT_KINDS];     // "timeout", as goals and JSON call it
extern const char *const result_sentences[RESULT_KINDS]; // "no answer in time"

// The gathered ones by number of answers, the endpoints by number of requests, each from the
// most; an array to be freed, of *n, or NULL without memory (or without any).
const struct sums_gathered **sums_gathered_sorted(const struct verdict *v, size_t *n);
const struct sums_group **sums_endpoints_sorted(const struct verdict *v, size_t *n);

#endif
