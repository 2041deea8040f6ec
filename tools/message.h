// message: one half of a transaction as bytes that can be sent again.
#ifndef TAPEDECK_TOOLS_MESSAGE_H
#define TAPEDECK_TOOLS_MESSAGE_H

#include "tools/rows.h"

#include <stdio.h>

// Writes the half of the row at hand: its exact head, its content, its trailers. A chunked body is
// framed anew (how it was cut into chunks is not kept). What is written is the message itself
// unless *note says otherwise ("" as a rule; a static text); of redaction the capture tells the
// transaction, not the half. For a conversation without a decoder: all bytes of that direction.
// What cannot be read is told with cli_damage().
void message_write(FILE *out, struct rows *r, const struct heads *heads, bool s2c,
                   const char **note);

#endif
