// hex: bytes that are kept as text, as in tests/golden: hexadecimal digits, white space between
// them is free, '#' begins a comment up to the end of the line.
#ifndef TAPEDECK_TESTS_HEX_H
#define TAPEDECK_TESTS_HEX_H

#include "proto/base/view.h"

// The bytes, in memory of the caller's; aborts on a foreign character or an odd digit.
unsigned char *hex_parse(struct view text, size_t *n);
unsigned char *hex_read(const char *path, size_t *n);

#endif
