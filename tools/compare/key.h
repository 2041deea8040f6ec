// key: a number that two halves have in common when nothing differs between them under rules, so
// that equal ones are found without comparing each with each.
#ifndef TAPEDECK_TOOLS_COMPARE_KEY_H
#define TAPEDECK_TOOLS_COMPARE_KEY_H

#include "tools/compare/compare.h"

struct key {
    uint64_t hash;
    bool vague; // the same hash says that they may be equal, compare() has to say whether
};

// Of a half that is told by its parts (named). Two halves that are equal under the rules have the
// same hash, and where neither is vague two of the same hash are equal, but for chance. They are to
// be alike in what is known of their content: whole, or its size and digest, or its size alone; the
// rules the same for both; and their types to name the same form. All are loans until return. 0 or
// E_NOMEM.
int key_half(const struct rules *rules, const struct rules_subject *subject,
             const struct compare_half *h, struct key *out) MUST_CHECK;

// Hashes of 64 bits, for what is put together from parts.
uint64_t key_mix(uint64_t hash, struct view v);

#endif
