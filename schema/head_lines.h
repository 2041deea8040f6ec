// head_lines: walks the header lines of a stored head or trailer section.
#ifndef TAPEDECK_SCHEMA_HEAD_LINES_H
#define TAPEDECK_SCHEMA_HEAD_LINES_H

#include "proto/base/view.h"

// The next line with its name and value (trimmed) of *rest, which moves on; false at the end. A
// line without a colon has an empty name. The start line of a head is a line like the others.
bool head_line(struct view *rest, struct view *name, struct view *value);

// A view of head behind its start line.
struct view head_fields(struct view head);

// The first value of that name, any case; false: there is none.
bool head_find(struct view head, struct view name, struct view *value);

#endif
