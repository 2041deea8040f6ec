// chunks: the pieces of a conversation that no decoder names, in the order of their time.
#ifndef TAPEDECK_TOOLS_CHUNKS_H
#define TAPEDECK_TOOLS_CHUNKS_H

#include "schema/store.h"

struct chunk {
    bool s2c;
    int64_t first_us, last_us;
    int64_t at; // offset of its first byte in its direction
    struct view bytes;
};

// Gives each piece of the flow's transaction number n that s, one file of a capture, has, and the
// files before it (store_set_earlier()). take answers 0 to go on; its other answers are returned.
// What cannot be read is told with cli_damage(). *missing: pieces that the transaction had and
// these files have not (lost, or in a file that is not here).
int chunks_each(struct store *s, int64_t flow, int64_t n, int64_t *missing,
                int (*take)(void *arg, const struct chunk *c), void *arg);

#endif
