// kept: whole small answers of recordings in a worker's memory, as they go out, so that a file is
// not asked for each.
//
// Each recording has one place, by its number; another that has the same place takes it over.
#ifndef TAPEDECK_TOOLS_MOCK_KEPT_H
#define TAPEDECK_TOOLS_MOCK_KEPT_H

#include "proto/base/view.h"
#include "tools/speak/speak.h"

#define KEPT_ONE_MAX (64u << 10) // bytes of one
#define KEPT_MAX     (32u << 20) // of all of a worker, as usual
#define KEPT_PLACES  16384

struct kept {
    uint32_t entry;
    unsigned refs; // users, and the cache itself
    enum speak_then then;
    bool stays[2];  // the connection may go on behind it: for a client of 1.1, of 1.0
    bool continues; // it begins with an answer 100
    int64_t wait_us, id;
    size_t n;
    char bytes[];
};

struct kept_cache {
    struct kept **places; // NULL: nothing is kept
    size_t bytes, max, hand;
};

// max: bytes. 0 or E_NOMEM.
int kept_init(struct kept_cache *c, size_t max) MUST_CHECK;
void kept_clear(struct kept_cache *c);

// For its caller, who drops it; NULL: it is not there.
struct kept *kept_find(struct kept_cache *c, uint32_t entry);
// Takes over k, whose one reference is the caller's and stays so; does nothing where it has no
// room.
void kept_add(struct kept_cache *c, struct kept *k);
void kept_drop(struct kept *k);

#endif
