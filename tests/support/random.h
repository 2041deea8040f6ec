// random: numbers that are the same in each run (xorshift64).
#ifndef TAPEDECK_TESTS_RANDOM_H
#define TAPEDECK_TESTS_RANDOM_H

#include <stdint.h>

#define RANDOM_SEED UINT64_C(88172645463325252)

// The next one; *state is not 0.
static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

#endif
