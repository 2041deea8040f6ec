// bytes: the notation of bytes in a script: "text with \r \n \x00", hexadecimal pairs, 100*"text".
#ifndef TAPEDECK_TESTS_SCRIPT_BYTES_H
#define TAPEDECK_TESTS_SCRIPT_BYTES_H

#include "proto/base/view.h"

#define BYTES_MAX (8u << 20)

// *out is a loan until the next call. false: not understood.
bool bytes_parse(const char *text, struct view *out);

// At most the first 60 of them in the same notation, in static memory; two calls may stand in one
// printf.
const char *bytes_show(struct view v);

#endif
