// emitter: the last sink: gathers each transaction and writes it as records into the journal, or
// counts it as lost.
#ifndef TAPEDECK_PROXY_EMIT_EMITTER_H
#define TAPEDECK_PROXY_EMIT_EMITTER_H

#include "proto/base/clock.h"
#include "proto/filter.h"
#include "proxy/emit/journal.h"
#include "proxy/emit/sink.h"
#include "proxy/stats.h"

#define EMIT_INLINE_MAX                                                                            \
    (64 * 1024) // content bytes of one message that travel within its Transaction
#define EMIT_PART_MAX    (256 * 1024)     // content bytes of one Part
#define EMIT_JOIN_US     (20 * US_PER_MS) // raw bytes of one direction closer than this join
#define EMIT_PENDING_MAX 256              // unfinished transactions a flow (pipelining)
#define EMIT_READ_MAX                                                                              \
    (256 * 1024) // bytes that one call into a tap can bring, those it held included
#define EMIT_FLOW_HELD                                                                             \
    448 // bytes of the ring set aside for a flow's end, once it has said anything
// In a small ring the first two shrink to a 16th and an 8th of it.

struct link_identity;

struct emitter_conf {
    uint64_t max_body; // content bytes kept of one message; UINT64_MAX: all
    bool block;        // --on-full block
    size_t budget; // bytes of unfinished transactions held by this worker; beyond it they go out in
                   // Parts early, and what cannot is lost
    const struct filter
        *filter; // which transactions to keep; NULL: all. Outlives the emitter, or is replaced
    const struct link_identity *identity; // for filters that ask for it; NULL: unknown. Outlives it
    void (*on_append)(void *arg); // records were appended (once a call into the emitter at most)
    void *arg;
};

struct emitter; // begins with a struct sink
// NULL: out of memory. When the journal was recovered, the first record is a Restart.
struct emitter *emitter_new(const struct emitter_conf *conf, struct journal *j, struct stats *stats,
                            int64_t now_us);
// All flows were closed, and none opens any more: tells of all losses that are not told yet.
void emitter_finish(struct emitter *e);
// on_append is called neither here nor by emitter_new(). e may be NULL. The number of losses that
// found no room in the ring to the last, each with a line in the log: no record tells of them.
uint64_t emitter_free(struct emitter *e);
struct sink *emitter_sink(struct emitter *e);
void emitter_set_filter(struct emitter *e, const struct filter *f);
void emitter_set_max_body(struct emitter *e, uint64_t max_body);
// The file that the recorder writes to, as its Welcome names it: content that was sent since it was
// begun travels no more, but is referred to. 0: it always travels, as before the first call.
void emitter_set_file(struct emitter *e, uint64_t file);

// With --on-full block: true while the journal has no room for what reading on could bring, and an
// ACK could make some, or anything read before waits for room. The relay then stops reading, and
// asks again after link_conf.on_room. Nothing is lost then, however many flows there are, as long
// as the ring is at least some times larger than the heads of one transaction: what finds no room
// waits in memory, beyond the budget if it must.
bool emitter_blocked(const struct emitter *e);
// The journal has more room: writes what waited for it.
void emitter_catch_up(struct emitter *e);
// Records will come although no flow is left.
bool emitter_waits(const struct emitter *e);

// Every 100 ms or so: ends raw joins, tells of long transactions and of losses, retries what waits
// for room. now_us is the wall clock, as in the sink's calls.
void emitter_tick(struct emitter *e, int64_t now_us);

#endif
