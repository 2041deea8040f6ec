// rules_fields: what stands in one rule, read value by value.
#ifndef TAPEDECK_TOOLS_REWRITE_RULES_FIELDS_H
#define TAPEDECK_TOOLS_REWRITE_RULES_FIELDS_H

#include "tools/rewrite/rules.h"
#include "tools/yamlr.h"

struct rules_reader {
    struct yamlr *y;
    const char *name;
    struct rewrite *rewrite;
    struct rewrite_rule *rule;                   // at hand
    unsigned seen;                               // its keys
    char place[PLACE_TEXT];                      // as the rule has it
    struct yamlr_mark named[TEMPLATE_NAMES_MAX]; // where each live value is named first
    char *why;
};

// The key at hand, and its value behind it.
int rules_field(struct rules_reader *r) MUST_CHECK;
// The value at hand, as the rule's place; as what it sets.
int rules_place(struct rules_reader *r) MUST_CHECK;
int rules_value(struct rules_reader *r) MUST_CHECK;
// Whether the rule, which began at mark, has what it needs.
int rules_fields_check(struct rules_reader *r, struct yamlr_mark mark) MUST_CHECK;

const char *rules_example(enum rules_section section);

#endif
