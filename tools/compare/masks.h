// masks: what redaction replaced in a recording, as rules: whatever value is there now is equal.
#ifndef TAPEDECK_TOOLS_COMPARE_MASKS_H
#define TAPEDECK_TOOLS_COMPARE_MASKS_H

#include "tools/compare/rules.h"

// Appends to out what head.redacted says of a request: "query:token", "json:$.a..b[*]",
// "header:x-key"; content that was left out as a whole ("json (encoded)") is ignored. What is of
// no such form is passed over. 0, E_LIMIT (more than RULES_MAX rules), E_NOMEM: out is as it was,
// but for memory.
int masks_add(struct rules *out, struct view redacted) MUST_CHECK;

#endif
