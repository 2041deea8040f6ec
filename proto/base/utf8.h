// utf8: is it UTF-8, whole, piece by piece, or character by character.
#ifndef TAPEDECK_BASE_UTF8_H
#define TAPEDECK_BASE_UTF8_H

#include "proto/base/view.h"

// The state between two pieces of one text (RFC 3629: no overlong forms, no surrogates, nothing
// beyond U+10FFFF). {0} is the start.
struct utf8 {
    unsigned char need;   // continuation bytes that must follow
    unsigned char lo, hi; // what the next of them may be
};

// Whether the text may still be UTF-8 with these bytes behind it. After false the state means
// nothing.
bool utf8_feed(struct utf8 *u, struct view in);

// Whether the text may end here.
static inline bool utf8_whole(const struct utf8 *u)
{
    return u->need == 0;
}

bool utf8_valid(struct view v);

// The first character of v (v.n > 0) and its length in bytes; -1 with length 1 where v does not
// start with one.
int32_t utf8_next(struct view v, size_t *n);

#endif
