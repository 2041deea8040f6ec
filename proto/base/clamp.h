// clamp: sums and differences of numbers that a damaged file may hold: beyond the range of their
// type they stay at its end.
#ifndef TAPEDECK_BASE_CLAMP_H
#define TAPEDECK_BASE_CLAMP_H

#include <stdint.h>

static inline int64_t clamp_add(int64_t a, int64_t b)
{
    int64_t out;
    return !__builtin_add_overflow(a, b, &out) ? out : a < 0 ? INT64_MIN : INT64_MAX;
}

static inline int64_t clamp_sub(int64_t a, int64_t b)
{
    int64_t out;
    return !__builtin_sub_overflow(a, b, &out) ? out : a < 0 ? INT64_MIN : INT64_MAX;
}

#endif
