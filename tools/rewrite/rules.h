// rules: what a file of rules says, read (rules.c, rules_fields.c), for those who do it. See
// `tapedeck help rewriting`.
#ifndef TAPEDECK_TOOLS_REWRITE_RULES_H
#define TAPEDECK_TOOLS_REWRITE_RULES_H

#include "proto/filter.h"
#include "proto/sign.h"
#include "tools/rewrite/place.h"
#include "tools/rewrite/rewrite.h"
#include "tools/rewrite/template.h"

#include <regex.h>

enum rules_section {
    RULES_SET,
    RULES_REMOVE,
    RULES_REPLACE,
    RULES_CAPTURE,
    RULES_JWT,
    RULES_DATES,
    RULES_CORRELATE,
    RULES_SECTIONS
};
extern const char *const rewrite_sections[RULES_SECTIONS];

#define RULES_CLAIMS_MAX 32
#define RULES_TO_MAX     256 // places of one rule of correlate

struct rules_claim {
    char *name;
    struct template value;
};

// Of which transactions a rule is; NULL: of all.
struct rules_limits {
    char *host, *method, *path;
    struct filter *filter;
};

// A place in some transactions: an end of an edge.
struct rules_end {
    struct place place;
    struct rules_limits limits;
};

struct rewrite_rule {
    enum rules_section section;
    struct place place;
    bool all_times; // of dates: wherever a time stands
    struct rules_limits limits;
    size_t line;
    char *text; // "FILE:LINE set header x"

    struct template value; // of set; with of replace; key of jwt
    bool json;             // value is JSON as it is
    regex_t *match;        // of replace, capture; NULL: all of it
    size_t name;           // of capture: index of the live value
    enum sign_algorithm algorithm;
    struct rules_claim *claims;
    size_t claim_count;
    int64_t shift_us; // of dates
    bool by_recording;
    struct rules_end *to; // of correlate; place is where the value comes from
    size_t to_count;
};

struct rewrite {
    char *name;
    struct rewrite_rule *rules;
    size_t n, cap;
    size_t sections[RULES_SECTIONS]; // how many rules
    bool has_filter;
    uint64_t seed; // 0: not said
    struct resources resources;
    struct template_names names; // of live values
    bool *captured;              // of names: a rule gives it
};

bool rules_limits_take(const struct rules_limits *l, const struct rules_subject *s);
void rules_limits_clear(struct rules_limits *l);

#endif
