// head: reads the recorded head of a message, leniently: what was relayed is shown, whether it was
// right or not.
#ifndef TAPEDECK_TOOLS_HEAD_H
#define TAPEDECK_TOOLS_HEAD_H

#include "proto/base/view.h"

struct head_field {
    struct view name, value; // value without the white space around it; a line without ':' has an
                             // empty name and is all value
    struct view folds;       // lines that continue it (obs-fold), for head_fold()
};

// The first line of head, without its end; *rest becomes the lines behind it.
struct view head_first(struct view head, struct view *rest);

// The next field of *rest; false at the empty line or the end.
bool head_next(struct view *rest, struct head_field *f);

// The next of the lines that continue a field, without the white space around it; false at their
// end. RFC 9112, section 5.2: a blank stands for each break.
bool head_fold(struct view *folds, struct view *part);

// The next head where several stand one behind the other (interim answers): from *rest, which moves
// on; empty at the end.
struct view head_split(struct view *rest);

// The value of the first field of that name, {NULL, 0} when there is none.
struct view head_get(struct view head, const char *name);

// All values of that name, joined by ", ", but those that the room is too small for;
// NUL-terminated.
#define HEAD_JOINED 256
struct view head_joined(struct view head, const char *name, char out[HEAD_JOINED]);

// "GET /x HTTP/1.1" and "HTTP/1.1 200 Fine": the three words; a missing one is empty.
void head_words(struct view line, struct view word[3]);

#endif
