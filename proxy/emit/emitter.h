// emitter: the last sink: gathers each transaction and writes it as records into the journal, or
// counts it as lost.
#ifndef TAPEDECK_PROXY_EMIT_EMITTER_H
#define TAPEDECK_PROXY_EMIT_EMITTER_H

#include "proto/filter.h"
#include "proxy/emit/journal.h"
#include "proxy/emit/sink.h"
#include "proxy/stats.h"

#define EMIT_INLINE_MAX                                                                            \
    (64 * 1024) // content bytes of one message that travel within its Transaction
#define EMIT_PART_MAX    (256 * 1024)     // content bytes of one Part
#define EMIT_JOIN_US     (20 * US_PER_MS) // bytes of one direction closer than this become one Part
#define EMIT_PENDING_MAX 256              // unfinished transactions a flow (pipelining)

struct emitter_conf {
    uint64_t max_body; // content bytes kept of one message; UINT64_MAX: all
    bool block;        // --on-full block
    size_t budget; // bytes of unfinished transactions held by this worker; beyond it they go out in
                   // Parts early
    const struct filter
        *filter; // which transactions to keep; NULL: all. Outlives the emitter, or is replaced
    void (*on_append)(void *arg); // records were appended (once a call into the emitter at most)
    void *arg;
};

struct emitter; // begins with a struct sink
struct emitter *emitter_new(const struct emitter_conf *conf, struct journal *j,
                            struct stats *stats);
void emitter_free(struct emitter *e);
struct sink *emitter_sink(struct emitter *e);
void emitter_set_filter(struct emitter *e, const struct filter *f);
void emitter_set_max_body(struct emitter *e, uint64_t max_body);

// With --on-full block: true while the journal has no room for what reading on could bring. The
// relay then stops reading.
bool emitter_blocked(const struct emitter *e);

// Every 100 ms or so: ends raw joins, tells of long transactions and of losses, retries what waits
// for room.
void emitter_tick(struct emitter *e, int64_t now_us);

#endif
