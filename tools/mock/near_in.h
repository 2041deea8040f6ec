// near_in: what the files of near share.
#ifndef TAPEDECK_TOOLS_MOCK_NEAR_IN_H
#define TAPEDECK_TOOLS_MOCK_NEAR_IN_H

#include "tools/mock/index_in.h"
#include "tools/mock/near.h"

#define NEAR_RULES_MAX (8u << 10) // bytes of the rules for one recording

// A live request beside a recorded one.
struct near_pair {
    struct match *m;
    uint32_t entry;
    const struct asked *live;
    const struct compare_half *half;   // of live, as the recording knows content
    struct rules_subject recorded;     // of the recorded one; its texts are cut
    const struct rules *rules;         // that are at work already
    const struct differences *differs; // under these
};

// Appends rules to out, as YAML, under which nothing differs any more: as narrow ones as do it. 0;
// out stays empty where none do. E_NOMEM.
int near_rules(const struct near_pair *p, struct buf *out) MUST_CHECK;

#endif
