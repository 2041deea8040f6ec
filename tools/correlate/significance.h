// significance: whether a text is likely to have been issued, rather than to stand for itself.
//
//   strong    looks drawn: a UUID, ULID, object id, JWT, long hexadecimal or mixed letters and
//             digits; a long number that is no time; what redaction put in place of a secret
//   named     has letters and digits, or is long, under a name that says id, token, cursor …
//   counted   a short number: goes from answer to request only as the id of the same kind of thing:
//             POST /items → {"id": 17}, then /items/17 or item_id=17, but not page=17
//   none      words, truth values, times, addresses, media types, prices
#ifndef TAPEDECK_TOOLS_CORRELATE_SIGNIFICANCE_H
#define TAPEDECK_TOOLS_CORRELATE_SIGNIFICANCE_H

#include "proto/base/view.h"

#define SIGNIFICANCE_LEAST 4 // bytes of a text that is no number
#define SIGNIFICANCE_NOUN  64

bool significance_strong(struct view text);
// Whether the text may be a value at all that stands under a name.
bool significance_possible(struct view text);
// Whether a name says that what stands under it was issued; under token: also words.
bool significance_name(struct view name);
bool significance_token(struct view name);
bool significance_id(struct view name);
bool significance_counted(struct view text);

// The thing that a name or a segment of a path is about, in the singular: "items", "item_id",
// "itemId" → "item"; "id" → "". NUL-terminated.
struct view significance_noun(struct view name, char out[SIGNIFICANCE_NOUN]);

#endif
