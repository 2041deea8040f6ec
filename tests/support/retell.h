// retell: a sink that keeps all that it is told of a flow, and says it again with the speakers of
// tools/speak, half by half in the order in which it was heard. What a decoder then hears can be
// compared with what was told.
//
//   dialogue → tap → decoder → retell a ─speak→ dialogue → tap → decoder → retell b;  a = b?
//
// Compared is what a capture keeps: of each half the protocol, interim heads, head, content,
// trailers and how it ended; the notes of transactions. Not: wire bytes, pieces, and the order of
// what the two directions said.
#ifndef TAPEDECK_TESTS_RETELL_H
#define TAPEDECK_TESTS_RETELL_H

#include "tests/support/dialogue.h"

struct retell; // begins with a struct sink

// One flow at a time. Aborts without memory.
struct retell *retell_new(void);
void retell_free(struct retell *r);
// next is told all as well.
struct sink *retell_sink(struct retell *r, struct sink *next);
void retell_reset(struct retell *r);

// Whether a transaction has a note; whether, when it was said again, one ended its protocol (what
// the tap guesses then depends on the order in which bytes come).
bool retell_noted(const struct retell *r);
bool retell_switched(const struct retell *r);

// A decoder to hear it again with: by the order in which bytes came the tap may have guessed what
// they do not show when they are said in the order in which they were heard. NULL: a guess will do.
const struct decoder_ops *retell_hint(const struct retell *r);

// Says all of it again: steps of d, which dialogue_init() made and nobody gave steps; its bytes are
// a loan until the next call on r. Content is cut in two at that offset in all of the flow's, and
// behind it in pieces of size (0: as it was heard). 0; E_UNSUPPORTED: a protocol that cannot be
// spoken; E_FULL: more turns than a dialogue has. An error of a speaker is printed and aborts.
int retell_say(struct retell *r, struct dialogue *d, size_t cut, size_t size);

// Whether both were told the same; prints what differs, unless name is NULL. notes: these too.
bool retell_same(const struct retell *a, const struct retell *b, bool notes, const char *name);

// The one half that was heard of a direction; what it was, for the caller to look at.
struct retell_half {
    struct view interim, head, content, trailers;
    enum msg_end how;
};
// False: there was none, or more than one.
bool retell_only(const struct retell *r, enum dir dir, struct retell_half *out);

// What told keeps is said again with its content cut so, and heard: 0, E_DAMAGED when that is not
// what was told (it is printed), or as retell_say(). again: for its steps, which are forgotten; its
// sink and its hint are set.
int retell_once(struct retell *told, struct retell *heard, struct dialogue *again, size_t cut,
                size_t size, bool notes, const char *name);

// Plays d whole, and says it again: with the content as it was heard, cut in two at every place,
// and in pieces of some sizes. As retell_once().
int retell_check(struct dialogue *d, bool notes, const char *name);

#endif
