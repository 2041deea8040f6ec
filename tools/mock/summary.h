// summary: what a mock's own capture says of it: how many requests were answered out of recordings,
// which recordings, which faults were done.
#ifndef TAPEDECK_TOOLS_MOCK_SUMMARY_H
#define TAPEDECK_TOOLS_MOCK_SUMMARY_H

#include "tools/capture.h"
#include "tools/mock/faults.h"

#define SUMMARY_MAX 20000000 // transactions

struct summary_miss {
    int64_t id;
    uint32_t file;
    char cause[24]; // as the answer's head has it; "" where it says nothing
};

struct summary {
    uint64_t hits, missed, passed;
    uint64_t refused;             // by a fault, before anything was looked for
    uint64_t faulted;             // of these, with any fault
    uint64_t faults[FAULT_KINDS]; // how often each was done
    int64_t *used;                // originals of the hits, each once, in order
    size_t used_n, used_cap;
    struct summary_miss *misses;
    size_t misses_n, misses_cap;
};

// Errors are told: CLI_OK, CLI_FAILED. summary_clear() in any case.
int summary_read(struct summary *s, const struct capture *c);
void summary_clear(struct summary *s);

bool summary_uses(const struct summary *s, int64_t original);

#endif
