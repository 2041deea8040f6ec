// pretty: content as a person reads it: JSON indented, text as it is, anything else as a dump.
#ifndef TAPEDECK_TOOLS_PRETTY_H
#define TAPEDECK_TOOLS_PRETTY_H

#include "tools/term.h"

// JSON with two blanks of indentation; every number and string as it was written. false, and
// nothing written, when text is not one JSON value (RFC 8259).
bool pretty_json(const struct term *t, struct view text);

// "00000000  47 45 54 20 …  |GET …|"; at: the offset of the first byte.
void pretty_hex(const struct term *t, struct view bytes, uint64_t at);

// Whether bytes are a text for people: UTF-8 with hardly any control character.
bool pretty_is_text(struct view bytes);

// Any content: one of the above, with the end of the last line.
void pretty_any(const struct term *t, struct view bytes);

#endif
