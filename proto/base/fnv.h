// fnv: the hash FNV-1a of 64 bits (draft-eastlake-fnv), for tables of short keys and against decay.
// Whoever chooses keys can make them meet: then it begins with a secret, or the table bears it.
#ifndef TAPEDECK_BASE_FNV_H
#define TAPEDECK_BASE_FNV_H

#include <stddef.h>
#include <stdint.h>

#define FNV_START 0xcbf29ce484222325u

// hash: FNV_START, or that of the bytes before.
static inline uint64_t fnv_more(uint64_t hash, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

// Folded, for tables.
static inline uint32_t fnv_fold(uint64_t hash)
{
    return (uint32_t)(hash ^ hash >> 32);
}

#endif
