// tag: what redaction puts in the place of a value: "redacted:" and 16 hexadecimal digits, which
// are equal for equal values of one capture (proxy/emit/redact.h). Another capture has other digits
// for the same value, and what was not redacted has the value itself.
#ifndef TAPEDECK_TOOLS_COMPARE_TAG_H
#define TAPEDECK_TOOLS_COMPARE_TAG_H

#include "proto/base/view.h"

// Whether there is one in the text; the text is one.
bool tag_in(struct view text);
bool tag_is(struct view text);

// Whether two texts that differ may have been equal before: where one side has a tag, any bytes,
// but at least one, may stand on the other. Linear in their length.
bool tag_may_equal(struct view left, struct view right);

#endif
