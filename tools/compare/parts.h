// parts: what a message is made of, for those that compare it: its target, its fields, the form of
// its content.
#ifndef TAPEDECK_TOOLS_COMPARE_PARTS_H
#define TAPEDECK_TOOLS_COMPARE_PARTS_H

#include "tools/compare/tree.h"

// The path of a request's target, without scheme and authority, which are the connection's matter;
// and its query.
struct view parts_target(struct view target, struct view *query);

// The next segment of a path, which begins with '/': takes it off; false at the end.
bool parts_segment(struct view *path, struct view *out);

// The fields behind a first line as an object of texts, names in lower case, but those that never
// count (rules.h). sized: Content-Length counts. 0, E_LIMIT, E_NOMEM; to be cleared in any case.
int parts_fields(struct tree *t, struct view fields, bool sized) MUST_CHECK;

enum parts_form {
    PARTS_UNKNOWN,
    PARTS_JSON,
    PARTS_LINES, // values of JSON, one behind the other
    PARTS_XML,
    PARTS_PAIRS,
    PARTS_TEXT,
    PARTS_FORMS
};
enum parts_form parts_form_of(struct view type); // the value of Content-Type
// Whether content that nobody says the form of may be JSON.
bool parts_like_json(struct view content);
// Whether it is text for a person: lines of UTF-8.
bool parts_is_text(struct view content);

// Content of a structured form as a tree: as tree_json() and the others.
int parts_tree(enum parts_form form, struct tree *t, struct view in, char why[WHY_MAX]) MUST_CHECK;

#endif
