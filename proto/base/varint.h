// varint: numbers as protobuf's wire format has them: seven bits a byte, the lowest first.
#ifndef TAPEDECK_BASE_VARINT_H
#define TAPEDECK_BASE_VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 // bytes of one

static inline size_t varint_size(uint64_t v)
{
    return (size_t)(63 - __builtin_clzll(v | 1)) / 7 + 1;
}

// Writes varint_size(v) bytes: behind them.
static inline unsigned char *varint_put(unsigned char *out, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *out++ = (unsigned char)(v | 0x80);
    *out++ = (unsigned char)v;
    return out;
}

#endif
