// body_cache: the bodies that were stored last, by digest: a repeated body costs no SQL.
//
// A table of fixed size in sets of four; within a set the entry that was used longest ago gives
// way.
#ifndef TAPEDECK_SCHEMA_BODY_CACHE_H
#define TAPEDECK_SCHEMA_BODY_CACHE_H

#include "proto/base/view.h"
#include "proto/digest.h"

#define BODY_CACHE_SETS 32768 // a power of two
#define BODY_CACHE_WAYS 4

struct body_cache_entry {
    unsigned char digest[DIGEST_SIZE];
    int64_t stored, id; // id 0: free
};
struct body_cache {
    struct body_cache_entry *entries; // SETS * WAYS; NULL: out of memory, nothing is remembered
    uint64_t used;
};

void body_cache_init(struct body_cache *c);
void body_cache_clear(struct body_cache *c); // frees
void body_cache_forget(struct body_cache *c);
int64_t body_cache_find(struct body_cache *c, const unsigned char digest[DIGEST_SIZE],
                        int64_t stored); // 0: not known
void body_cache_add(struct body_cache *c, const unsigned char digest[DIGEST_SIZE], int64_t stored,
                    int64_t id);

#endif
