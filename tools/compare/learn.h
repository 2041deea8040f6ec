// learn: rules from the differences of two runs that ought to be equal (A/A): as few as make them
// equal, as text that a person goes over.
//
// A value that keeps its shape becomes a rule of that shape, values in another order one of
// `unordered`, anything else an `ignore`; each once for all items of an array and all transactions.
// A status, a whole body and what else every message has are ignored in those of the same method
// and route alone, or without a route of the same host. A list that was full, or items that only
// meet under the new rules, may take a second round: learn again from what still differs, into the
// same rules.
#ifndef TAPEDECK_TOOLS_COMPARE_LEARN_H
#define TAPEDECK_TOOLS_COMPARE_LEARN_H

#include "proto/base/buf.h"
#include "tools/compare/differences.h"
#include "tools/compare/rules.h"

#define LEARN_MAX 900 // rules; what would need more is counted

struct learn;

struct learn *learn_new(void);    // NULL: no memory
void learn_free(struct learn *l); // l may be NULL

// Takes what differs in one pair of messages, all loans until return. 0 or E_NOMEM.
int learn_add(struct learn *l, const struct rules_subject *subject,
              const struct differences *d) MUST_CHECK;

// The rules so far, and what there was no room for.
size_t learn_count(const struct learn *l);
uint64_t learn_left_out(const struct learn *l);

// Appends them as a text for rules_parse(), each with a comment why. 0, E_LIMIT, E_NOMEM.
int learn_write(const struct learn *l, struct buf *out) MUST_CHECK;

#endif
