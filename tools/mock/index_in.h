// index_in: what an index is made of, for the files that build it and look things up in it.
//
//   by what is asked      raw hash ──table──→ group of equal entries ──cursor──→ entry
//                         equal hash ──search──↗
//   under rules           alike hash ──search──→ group of alike ones ──cursor──→ entry
//   by where it went      endpoint ──→ its entries
//
// 1. Entries stand in the order of their groups, and within one by age, so that a group of equal
//    ones is a range of entries; a group of alike ones is a range of `order`.
// 2. `by_flow` has the same ranges, each by flow and number.
// 3. A cursor is a round (how often all of the group have been used) and the first place that may
//    not have been used in it.
#ifndef TAPEDECK_TOOLS_MOCK_INDEX_IN_H
#define TAPEDECK_TOOLS_MOCK_INDEX_IN_H

#include "tools/compare/parts.h"
#include "tools/mock/asked.h"

#include <stdatomic.h>

struct group {
    uint64_t key;
    _Atomic uint64_t cursor; // round in the upper half, place within the group in the lower
    uint32_t first;
    bool vague; // its entries may be equal, compare() has to say
};

struct grouping {
    struct group *groups; // by key; one more behind the last, whose first is the end
    size_t n;
    uint32_t *order; // NULL: entries stand in it
    uint32_t *by_flow;
};

// A set of what redaction replaced, with the rules that are at work then.
struct mask {
    char *text;       // its items, comma-separated
    struct rules own; // made of them
    struct rules all; // those of the conf, and own; only the array is its own
};

struct talk_turns;

struct index {
    const struct match_conf *conf;
    const struct capture *captures;
    size_t captures_n;

    struct index_entry *entries;
    _Atomic uint32_t *uses;
    size_t n;
    struct grouping equal, alike;
    uint64_t *table; // of groups of equal ones by raw hash; 0: none
    size_t table_size;
    bool known[3];                            // which of INDEX_WHOLE… there are
    bool alike_known[INDEX_MASKS_MAX + 1][3]; // and which among the alike ones, by mask
    bool rules;                               // there are rules, or masks
    bool forms[PARTS_FORMS];                  // that their contents have
    struct mask masks[INDEX_MASKS_MAX + 1];
    size_t masks_n; // masks[0] is none, with the rules of the conf

    struct index_endpoint *endpoints;
    uint32_t *endpoint_first; // of by_endpoint
    uint32_t *by_endpoint;
    size_t endpoints_n;
    struct buf names;

    struct talk_turns *talks;
    struct index_sums sums;
};

// The rules for an entry of that mask; NULL: none.
const struct rules *index_rules(const struct index *ix, size_t mask);
// The mask of a transaction, made when it is new: 0 for none, or for too many. E_NOMEM.
int index_mask(struct index *ix, struct view redacted, bool content) MUST_CHECK;

// Hashes as they are looked up. asked is that of the mask's kind: whole, sealed, sized.
int index_key(const struct rules *rules, const struct asked *a, const struct compare_half *h,
              int known, uint64_t *key, bool *vague) MUST_CHECK;
const struct group *index_group(const struct grouping *g, uint64_t key); // NULL: there is none
const struct group *index_raw(const struct index *ix, uint64_t raw);     // the same

static inline uint32_t group_size(const struct group *g)
{
    return g[1].first - g->first;
}
static inline uint32_t group_entry(const struct grouping *in, uint32_t at)
{
    return in->order ? in->order[at] : at;
}

// ---- of match.c, for near.c

struct index *match_index(struct match *m);
struct asked_reader *match_reader(struct match *m);
// What differs between the request of an entry (left) and a live one, told by half. 1, 0 (it cannot
// be read, which was told), E_NOMEM.
int match_compare(struct match *m, uint32_t entry, const struct rules *rules,
                  const struct asked *live, const struct compare_half *half,
                  struct differences *d) MUST_CHECK;

// ---- building: rows as they are read, and what is made of them

struct index_row {
    struct index_entry entry;
    uint64_t raw, equal, alike;
    int64_t flow;
    uint32_t capture;
    bool has_raw, has_alike;
};
struct index_rows {
    struct index_row *rows;
    size_t n, cap;
};

// Makes entries and groups of rows, which it sorts. 0 or E_NOMEM.
int index_group_rows(struct index *ix, struct index_rows *rows) MUST_CHECK;

// Endpoints (index_names.c). *endpoint becomes INDEX_NONE where there is no room for more.
struct index_names;
struct index_names *index_names_new(void);
void index_names_free(struct index_names *n); // n may be NULL
int index_names_add(struct index_names *n, const struct match_request *r, struct view route,
                    uint32_t *endpoint) MUST_CHECK;
// Moves them into ix, and numbers them anew there: the most frequent first.
int index_names_end(struct index_names *n, struct index *ix) MUST_CHECK;

// ---- conversations (index_talk.c)

int index_talks_begin(struct index *ix) MUST_CHECK;
// Reads the one at hand. 1, 0 (no byte of it was kept), E_NOMEM, E_LIMIT.
int index_talks_add(struct index *ix, struct store *s, const struct index_talk *talk,
                    struct view host) MUST_CHECK;
int index_talks_end(struct index *ix) MUST_CHECK;
void index_talks_free(struct index *ix);

#endif
