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

// The pieces of the flow's transaction number n that s, one file of a capture, has, and the files
// before it (store_set_earlier()). Any number may be open on one store; all are closed before it.
// What cannot be read is told with cli_damage(), and passed over. NULL: out of memory, which was
// told.
struct chunks;
struct chunks *chunks_open(struct store *s, int64_t flow, int64_t n);
// The next one, a loan until the next call; false: there is none.
bool chunks_next(struct chunks *c, struct chunk *out);
// Behind the last one: pieces that the transaction had and these files have not (lost, or in a file
// that is not here).
int64_t chunks_missing(const struct chunks *c);
void chunks_close(struct chunks *c); // c may be NULL

// Each of them. take answers 0 to go on; its other answers are returned. *missing: see above; 0
// where take ended it.
int chunks_each(struct store *s, int64_t flow, int64_t n, int64_t *missing,
                int (*take)(void *arg, const struct chunk *c), void *arg);

#endif
