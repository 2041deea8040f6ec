// meeting: a comparison under way: where it is in the message, which rules are at work there, what
// was found. Shared by the files of this folder that compare.
#ifndef TAPEDECK_TOOLS_COMPARE_MEETING_H
#define TAPEDECK_TOOLS_COMPARE_MEETING_H

#include "tools/compare/differences.h"
#include "tools/compare/rules.h"
#include "tools/compare/tree.h"

#define MEETING_STEPS  (TREE_DEPTH_MAX + 4)
#define MEETING_BUDGET (4u << 20) // values looked at in search of equal ones; then by order alone

struct meeting {
    const struct rule **rules; // those that are for this message
    size_t n_rules;
    uint64_t *states; // MEETING_STEPS times n_rules: what is matched of each rule, for each depth
    struct differences *out;
    enum where_part part;
    struct where_step steps[MEETING_STEPS];
    size_t depth;
    int error;       // E_NOMEM: nothing more is compared
    unsigned quiet;  // > 0: only whether anything differs is wanted
    bool found;      // while quiet
    uint32_t budget; // what is left of it
};

// Which rules apply is found out once. 0 or E_NOMEM; to be ended in any case.
int meeting_begin(struct meeting *m, const struct rules *rules, const struct rules_subject *subject,
                  struct differences *out) MUST_CHECK;
void meeting_end(struct meeting *m);

// Goes to a part of the message; one step down and back.
void meeting_at(struct meeting *m, enum where_part part);
void meeting_down(struct meeting *m, const struct where_step *step);
void meeting_up(struct meeting *m);

// What the rules say of this place.
bool meeting_ignored(const struct meeting *m);
bool meeting_unordered(const struct meeting *m);
// Whether any value may stand here.
bool meeting_masked(const struct meeting *m);
// Whether a shape, a tolerance or an expression makes these two equal, which differ; or what
// redaction replaced in them (tag.h).
// Texts that look like numbers or times are taken for such.
bool meeting_allowed(const struct meeting *m, struct view left, struct view right);

// Whether some bytes of the content may differ, so that it is compared as bytes; whether that one
// may.
bool meeting_has_bytes(const struct meeting *m);
bool meeting_allows_byte(const struct meeting *m, uint64_t at);

// How many shapes, tolerances and expressions are for this place; *one: one of them.
size_t meeting_values(const struct meeting *m, const struct rule **one);
// Whether text has the expression of a rule.
bool meeting_found(const struct rule *r, struct view text);
// Whether a rule may pick one of what stands below this place by its number; one of `ignore` alone
// unless all.
bool meeting_picks(const struct meeting *m, bool all);

// Nothing more can come of it: out of memory, or quiet and found.
bool meeting_over(const struct meeting *m);

// A difference here. The texts are what is shown, cut; the shape is looked for by the caller.
void meeting_tell(struct meeting *m, enum difference_kind kind, enum shape shape, struct view left,
                  struct view right);
// The same with " line 3" behind the place.
void meeting_tell_at(struct meeting *m, enum difference_kind kind, const char *what, uint64_t at,
                     struct view left, struct view right);

// Two plain texts at this place, unless it is ignored.
void meeting_texts(struct meeting *m, struct view left, struct view right);

// ---- the comparers

// The roots of two trees, at this place.
void trees_compare(struct meeting *m, const struct tree *left, const struct tree *right);
// Lines; bytes.
void text_compare(struct meeting *m, struct view left, struct view right);
void bytes_compare(struct meeting *m, struct view left, struct view right);

#endif
