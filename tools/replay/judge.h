// judge: whether an answer is the recorded one.
#ifndef TAPEDECK_TOOLS_REPLAY_JUDGE_H
#define TAPEDECK_TOOLS_REPLAY_JUDGE_H

#include "tools/replay/exchange.h"

#define JUDGE_LISTED_MAX 100 // differences of an answer that are kept

struct judge {
    struct materials *materials;
    const struct rules *rules; // NULL: the built-in ones
    uint64_t max_decoded;
    struct differences found; // of the last one
    struct buf decoded;
    unsigned char digest[DIGEST_SIZE];
    // The halves of the last one, for who learns from them.
    struct compare_half recorded, live;
};

void judge_init(struct judge *j, struct materials *m, const struct rules *rules,
                uint64_t max_decoded);
void judge_clear(struct judge *j);

// What the caller wants of recorded and live: nothing, all but their contents, all.
enum judge_halves { JUDGE_NONE, JUDGE_HEADS, JUDGE_CONTENTS };

// What differs, a loan until the next call; NULL: out of memory, or the recording cannot be read,
// which was told.
const struct differences *judge_answer(struct judge *j, struct exchange *x,
                                       enum judge_halves wanted);

#endif
