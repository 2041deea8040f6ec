// pattern: what the load generator and the origin agree on: a transaction's id decides its bodies.
#ifndef TAPEDECK_TESTS_PATTERN_H
#define TAPEDECK_TESTS_PATTERN_H

#include <stddef.h>
#include <stdint.h>

// A well-mixed number for a transaction (splitmix64).
static inline uint64_t pattern_mix(uint64_t id)
{
    uint64_t z = id + 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Sizes between 0 and max: nine in ten below 2 KiB, one in a hundred up to max.
static inline size_t pattern_size(uint64_t id, size_t max)
{
    uint64_t r = pattern_mix(id), lot = r % 100;
    size_t below = lot < 90 ? 2048 : lot < 99 ? 16384 : max;
    return below > 0 ? (size_t)((r >> 32) % ((below < max ? below : max) + 1)) : 0;
}

// The bytes [at, at + n) of the body of a transaction.
static inline void pattern_fill(uint64_t id, size_t at, unsigned char *out, size_t n)
{
    uint64_t seed = pattern_mix(id ^ 0x5bd1e995);
    for (size_t i = 0; i < n; i++)
        out[i] = (unsigned char)((seed >> ((at + i) % 56)) + (at + i) * 131);
}

#endif
