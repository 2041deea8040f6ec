// recorded: a half of a transaction in a capture, for a speaker.
#ifndef TAPEDECK_TOOLS_SPEAK_RECORDED_H
#define TAPEDECK_TOOLS_SPEAK_RECORDED_H

#include "tools/rows.h"
#include "tools/speak/speak.h"

// The half of the row at hand; false: it was never seen. heads are those of rows_heads(); out lends
// from them and from the row. Its content is store_body() of STORE_REQ_BODY or STORE_RES_BODY, or,
// of a conversation, what chunks_each() gives. What cannot be read is told with cli_damage().
bool recorded_half(struct rows *r, const struct heads *heads, bool s2c, struct speak_half *out);

#endif
