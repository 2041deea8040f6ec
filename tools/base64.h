// base64: RFC 4648 in pieces, to a file.
#ifndef TAPEDECK_TOOLS_BASE64_H
#define TAPEDECK_TOOLS_BASE64_H

#include "proto/base/view.h"

#include <stdio.h>

struct base64 {
    FILE *out;
    unsigned wrap; // columns of a line; 0: one line without its end
    unsigned column, held;
    unsigned char hold[3];
};

void base64_add(struct base64 *b, struct view in);
void base64_end(struct base64 *b); // what is held, the padding, and the end of the last line

#endif
