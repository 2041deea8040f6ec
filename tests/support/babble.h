// babble: talks to an emitter without sense but by the sink's contract, as some bytes decide, and
// asserts that in the end everything adds up.
#ifndef TAPEDECK_TESTS_BABBLE_H
#define TAPEDECK_TESTS_BABBLE_H

#include "proto/base/view.h"

struct babble_result {
    uint64_t ended, rows, filtered, lost; // transactions
    uint64_t relayed, stored, omitted, lost_bytes;
    uint64_t lost_ring; // bytes and transactions lost to a full ring
};

// The first bytes choose the ring, the budget, the filter, the policy; the rest what is said.
struct babble_result babble(struct view bytes);

#endif
