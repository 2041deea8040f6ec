// fault_rules: the rules of faults.h as they were read.
#ifndef TAPEDECK_TOOLS_MOCK_FAULT_RULES_H
#define TAPEDECK_TOOLS_MOCK_FAULT_RULES_H

#include "proto/filter.h"
#include "tools/mock/faults.h"

#define FAULT_PARTS_ALL 1000000u // percent, in parts of a million

struct fault_rule {
    enum fault_kind kind;
    size_t line;
    char *when;            // NULL: always
    struct filter *filter; // of when
    uint64_t asked;        // fields of it, as filter_fields_of() tells
    uint32_t parts;        // of FAULT_PARTS_ALL
    uint64_t after, times; // times UINT64_MAX: for ever

    // FAULT_LATENCY: from…to, or where deviation is not 0 around mean.
    int64_t from_us, to_us, mean_us, deviation_us;

    unsigned status;
    char *reason, *type, *body; // NULL: not given
    size_t body_n;

    struct fault_header *headers; // name and value are its own
    size_t header_count;

    struct fault_place place;
    int64_t stall_us;
    uint64_t bytes; // FAULT_CORRUPT, FAULT_DRIBBLE
    int64_t every_us;
};

struct fault_rules {
    struct fault_rule *items;
    size_t n, cap;
};

// As faults_set().
int fault_rules_read(struct fault_rules *out, const char *name, struct view text,
                     char why[WHY_MAX]) MUST_CHECK;
void fault_rules_clear(struct fault_rules *r);

// Fields that a filter may use: of refused, and of all others.
extern const uint64_t fault_fields_flow, fault_fields_request;

#endif
