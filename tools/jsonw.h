// jsonw: JSON to a file, value by value, in memory that does not depend on the size of any value.
//
// key is NULL in an array and at the top. Commas are set by the writer. A value at the top is
// followed by nothing: ends of lines are the caller's.
#ifndef TAPEDECK_TOOLS_JSONW_H
#define TAPEDECK_TOOLS_JSONW_H

#include "proto/base/view.h"
#include "tools/base64.h"

#include <stdio.h>

#define JSONW_DEPTH 32 // nesting; deeper is our own mistake

struct jsonw {
    FILE *out;
    int lines; // so many levels have each value on a line of its own; 0: no white space at all
    int depth;
    bool some[JSONW_DEPTH]; // a value stands before in this array or object
    struct base64 base64;
};

void jsonw_init(struct jsonw *w, FILE *out);

void jsonw_object(struct jsonw *w, const char *key);
void jsonw_array(struct jsonw *w, const char *key);
void jsonw_object_end(struct jsonw *w);
void jsonw_array_end(struct jsonw *w);

// Bytes that are not UTF-8 become U+FFFD. v.p NULL: null.
void jsonw_text(struct jsonw *w, const char *key, struct view v);
// Header fields: when they are not UTF-8 each byte is a character (ISO-8859-1), so nothing is lost.
void jsonw_field(struct jsonw *w, const char *key, struct view v);
void jsonw_string(struct jsonw *w, const char *key, const char *s);
void jsonw_int(struct jsonw *w, const char *key, int64_t v);
void jsonw_real(struct jsonw *w, const char *key, double v); // null for what is no number
void jsonw_ms(struct jsonw *w, const char *key, int64_t us); // milliseconds with their fraction
void jsonw_bool(struct jsonw *w, const char *key, bool v);
void jsonw_null(struct jsonw *w, const char *key);
void jsonw_raw(struct jsonw *w, const char *key, struct view json); // text that is JSON already

// A string in pieces: UTF-8 (which the caller has proved of the whole), or base64 of any bytes.
void jsonw_open(struct jsonw *w, const char *key);
void jsonw_add(struct jsonw *w, struct view utf8);
void jsonw_add_field(struct jsonw *w, struct view v); // mended like jsonw_field()
void jsonw_add_base64(struct jsonw *w, struct view bytes);
void jsonw_close(struct jsonw *w);

#endif
