// dialogue_fuzz: a dialogue from the input of a fuzz target.
//
//   first byte   bits 0-1 the decoder to begin with (guess, http1, tls, raw); the others the size
//                of a piece, 0 for 64
//   then steps   0x1e and a letter: 'c' 's' 'o' the bytes that follow are the client's, the
//                server's, our own; 'C' 'S' the end of a direction; 'm' the next byte times 64 is
//                all that may be held from the beginning; any other letter: as 'c'
#ifndef TAPEDECK_TESTS_DIALOGUE_FUZZ_H
#define TAPEDECK_TESTS_DIALOGUE_FUZZ_H

#include "tests/support/dialogue.h"

// Reads it into d, which dialogue_init made.
void dialogue_from_bytes(struct dialogue *d, struct view input);

// Plays it whole and in pieces; both must keep the rules and the ledger, and where nothing limits
// what may be held, they must be heard as the same. Aborts otherwise. hint: NULL to let the first
// byte say.
void dialogue_fuzz(struct view input, const struct decoder_ops *hint);

#endif
