// differences: what differs between two messages: a list that a person reads and a program counts,
// with a ceiling for what is kept, not for what is counted.
#ifndef TAPEDECK_TOOLS_COMPARE_DIFFERENCES_H
#define TAPEDECK_TOOLS_COMPARE_DIFFERENCES_H

#include "proto/base/err.h"
#include "tools/compare/shape.h"

#define DIFFERENCE_WHERE 256
#define DIFFERENCE_TEXT  256 // of a value; a longer one is cut, with "…" at its end

enum difference_kind {
    DIFFERENCE_VALUE,
    DIFFERENCE_TYPE,    // 1 and "1"
    DIFFERENCE_MISSING, // is on the left alone
    DIFFERENCE_EXTRA,   // is on the right alone
    DIFFERENCE_ORDER,   // the same values in another order
    DIFFERENCE_COUNT,   // more or fewer of them
    DIFFERENCE_MALFORMED,
    DIFFERENCE_KINDS
};
extern const char *const difference_kinds[DIFFERENCE_KINDS]; // "value"

struct difference {
    enum difference_kind kind;
    enum shape shape;             // that both whole values have, or SHAPE_NONE
    char where[DIFFERENCE_WHERE]; // see where.h; also "body line 3", "body byte 16"
    char left[DIFFERENCE_TEXT], right[DIFFERENCE_TEXT]; // "": is not there
};

struct differences {
    struct difference *items; // the first of them
    size_t n, cap, max;
    uint64_t total; // all that were found
};

void differences_init(struct differences *d, size_t max);
void differences_clear(struct differences *d); // may be used again
// Adds one with room for its texts, which are empty; NULL with *e 0: it is counted but not kept, or
// with E_NOMEM.
struct difference *differences_add(struct differences *d, enum difference_kind kind, int *e);

// Copies text into out, cut between characters.
void difference_text(char out[DIFFERENCE_TEXT], struct view text);

#endif
