// mend: a stranger's bytes as text that stays on its line: UTF-8, no control character, no mark
// that turns the direction of writing; what is otherwise becomes U+FFFD.
#ifndef TAPEDECK_TOOLS_REPORT_MEND_H
#define TAPEDECK_TOOLS_REPORT_MEND_H

#include "proto/base/view.h"

// Into out, cut between characters with "…" behind; returns the length, below size. size is at
// least 8.
size_t mend(struct view v, char *out, size_t size);

// Whether a character may stand in a document: XML's and HTML's characters without the controls
// (but tab and line feed) and without the marks above.
bool mend_fine(int32_t c);

#endif
