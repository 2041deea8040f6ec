// emitter_state: what the emitter's files share, and nobody else sees. Their functions begin with
// emit_, those that all know with emitter_.
//
//   emitter.c         life, flows, the tick
//   emitter_txn.c     what the sink is told of a transaction
//   emitter_body.c    content on its way
//   emitter_put.c     records and the ledger
//   emitter_filter.c  what a filter may know
//   emitter_nobody.c  flows without memory
//   emitter_late.c    what waits for room, with --on-full block
//   emitter_twin.c    content that the recorder has already
//
// A transaction's fate:
//     PEND_KEPT ──filter says no, before anything was written──→ PEND_FILTERED
//         └─────no memory for it───────────────────────────────→ PEND_LOST
// Each wire byte that the sink is told of is, at any time, in exactly one place: due or left_out of
// a half (or head_wire, until its Transaction, or lost, until the filter's verdict), or booked:
// stored or omitted in a record that was written, in omitted of its flow, or lost. flow.told = what
// waits in halves + flow.booked.
#ifndef TAPEDECK_PROXY_EMIT_EMITTER_STATE_H
#define TAPEDECK_PROXY_EMIT_EMITTER_STATE_H

#include "proto/digest.h"
#include "proxy/emit/emitter.h"
#include "proxy/emit/filter.h"
#include "proxy/emit/pack.h"
#include "proxy/emit/pool.h"
#include "proxy/emit/twin.h"

#define LONG_US       US_PER_S    // what lives longer is told of before it ends
#define DIRECT_MIN    (32 * 1024) // pieces from this on go straight into a Part
#define INTERIM_BYTES (64 * 1024) // of interim heads kept with one message
#define RHYTHM_PAIRS  256
#define CAUSES        5 // that this process can tell
#define BUDGET_MIN    (64 * 1024)
#define HELD_OPEN     (WIRE_HEADER + PACK_FLOW_OPEN_MAX)
#define HELD_CLOSE    (WIRE_HEADER + PACK_FLOW_CLOSE_MAX)
#define HELD_LOSS     (WIRE_HEADER + PACK_LOSS_MAX)
#define HELD_FLOW     (HELD_OPEN + HELD_CLOSE + HELD_LOSS)
#define BLOCK_SHARE   8  // of the ring: what may be held for flows with --on-full block
#define QUIET_SHARE   4  // of the ring: what may be held for flows that say nothing
#define TWINS_SHARE   32 // of the budget: what is remembered of contents
#define NO_TEXT       UINT32_MAX
#define RULE_INTERIM  "interim:rest" // heads of 1xx answers beyond PACK_INTERIMS_MAX, INTERIM_BYTES

// A member of a list whose head is a node too.
struct node {
    struct node *prev, *next;
};
#define NODE_OWNER(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void node_init(struct node *list)
{
    list->prev = list->next = list;
}
static inline bool node_listed(const struct node *n)
{
    return n->next != NULL;
}
static inline void node_add(struct node *list, struct node *n)
{
    n->prev = list->prev;
    n->next = list;
    list->prev->next = n;
    list->prev = n;
}
static inline void node_del(struct node *n)
{
    if (!n->next)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->prev = n->next = NULL;
}

// Losses that no record tells of yet.
struct book {
    unsigned due; // bits of lines
    struct book_line {
        uint64_t transactions, flows, bytes[2];
        int64_t first_us, last_us;
    } line[CAUSES]; // in the order of emit_causes
};
extern const enum cause emit_causes[CAUSES];
static inline unsigned emit_cause_index(enum cause cause)
{
    return cause == CAUSE_BUDGET_FULL ? CAUSES - 1 : cause - CAUSE_RING_FULL;
}

// When the pieces of a message came; encoded as record.proto says.
struct rhythm {
    struct pool_buf pairs;
    unsigned count; // pairs in there
    bool begun, given_up;
    int64_t before_us, at_us; // the piece before, and the one at hand
    uint64_t wire;            // of the one at hand
};

struct half {
    struct pool_buf data; // interims, head and texts │ gathered content │ trailers
    uint32_t interims, interim_end[PACK_INTERIMS_MAX];
    uint32_t head_at, head_n, body_at, body_n, trailers_at, trailers_n;
    bool seen;          // anything of it
    bool begun;         // its head, not an interim one
    bool in_parts;      // the content goes out in Parts
    bool hashed;        // digest was begun
    bool withheld;      // of the content only the size is known
    bool head_left_out; // the last one it began with: redaction leaves out nothing more of it
    enum msg_end end;
    uint32_t parts;
    int64_t first_us, last_us, gather_first, gather_last;
    uint64_t head_wire;           // with interims; all of it goes with the Transaction
    uint64_t body_wire;           // told
    uint64_t due, left_out;       // of it, not booked: to be stored, left out by max-body
    uint64_t lost;                // told of as lost before the filter had decided
    enum cause lost_cause;        // of that, the last one
    uint64_t credit;              // of head_wire and due: left out by redaction
    uint64_t size, stored, limit; // content: all, kept, to be kept at most
    uint64_t put_at;              // content that went out in Parts, or was lost on the way
    uint64_t like;                // content at the front that Parts are to say is the twin's
    uint64_t rules;               // bits of emitter.rule: what was left out of it by name
    struct digest_state digest;   // over all content so far, if it is hashed
    struct twin *twin;            // in place of digest, or NULL
    uint32_t hold_at, hold_n;     // while it holds: its chunk
    bool holds;                   // the twin is not another one yet
    bool known;                   // the recorder has all of the content
    struct rhythm rhythm;
};

// Of n bytes at the front of its content, those that are within the limit.
static inline uint64_t emit_within(const struct half *h, uint64_t n)
{
    return n < h->limit ? n : h->limit;
}

// The same of content that comes next.
static inline struct view emit_keep(const struct half *h, struct view content)
{
    uint64_t allowed = h->limit > h->size ? h->limit - h->size : 0;

    return content.n > allowed ? view_head(content, (size_t)allowed) : content;
}

enum fate { PEND_KEPT, PEND_FILTERED, PEND_LOST };
enum { TEXT_METHOD, TEXT_SCHEME, TEXT_HOST, TEXT_PATH, TEXT_QUERY, TEXTS };

struct linked {  // where a transaction was played from
    size_t size; // of its block
    int64_t original;
    char outcome[];
};

struct pend { // a transaction that has not ended
    struct node in_flow, in_age, in_gather;
    struct emit_flow *flow;
    size_t size; // of its block
    uint64_t n;
    enum fate fate;
    enum cause cause; // of PEND_LOST
    bool decided;     // by the filter, that it is kept
    bool told;        // by a TransactionOpen
    bool raw, by_proxy;
    bool ended; // it waits for room; no age any more
    char *note; // of its end; NULL: ""
    const char *protocol;
    char version[8];
    unsigned status;
    uint32_t text[TEXTS];  // offsets in the client's half, or NO_TEXT
    int64_t check_us;      // when to look at it again
    struct linked *linked; // NULL, as a rule
    struct half half[2];
};

// WAITING: nothing was said in it, nothing is held for it. UNRECORDED: its losses stand in the
// worker's book. With --on-full block nothing may be held for one that is ADMITTED.
enum emit_state { EMIT_WAITING, EMIT_ADMITTED, EMIT_UNRECORDED };

// Of a flow that ended and waits for room: what was a loan.
struct late {
    struct flow_facts facts;
    struct flow_totals totals;
    char text[];
};

struct emit_flow {
    struct sink_flow base;
    struct emitter *e;
    const struct flow_facts *facts;
    struct node in_young, in_lossy, in_late;
    struct late *late; // NULL: it has not ended
    struct node pends; // of its transactions, by n
    size_t pend_count; // that have not ended
    enum emit_state state;
    uint64_t seq;         // of its FlowOpen; 0: not written
    bool holds;           // room for its end
    size_t held;          // in the journal
    unsigned held_losses; // bits of lines: among it is room to tell of these
    uint64_t next_n, transactions, filtered;
    uint64_t told[2], booked[2], omitted[2];
    int64_t passed_us;   // when bytes last passed that are not kept
    enum cause short_of; // why a transaction found no place at its beginning
    struct book book;
    char *sni;    // when the filter asks for it
    bool has_sni; // even where its text is not there
};

struct emitter {
    struct sink sink;
    struct emitter_conf conf;
    struct journal *journal;
    struct stats *stats;
    struct pool pool;
    size_t pool_told; // of it in stats
    size_t inline_max, part_max, ring_size;
    const struct filter *filter;
    uint64_t filter_fields;
    bool restart_due, appended;
    size_t held; // for losses of whole flows
    struct book book;
    struct sink_flow nobody;        // of flows without memory
    uint64_t nobody_txns;           // that ended there
    struct node young, lossy, late; // flows
    struct node ages, gathers;      // transactions
    struct twins *twins;
    uint64_t file;              // of the recorder, that content may be referred to in; 0: none
    char *rule[PACK_RULES_MAX]; // RULE_INTERIM, what redaction replaced; the last: what found no
                                // place here
    unsigned rules;
};

// ---- emitter.c
// Room for the flow's last words is set aside, or they will wait for it, or it is not recorded:
// false.
bool emit_admit(struct emit_flow *f);
void emit_end_flow(struct emit_flow *f, const struct flow_totals *totals); // frees f
void emit_close(struct sink_flow *sf, const struct flow_totals *totals);
// After each call from outside: tells the link and the counters.
void emitter_done(struct emitter *e);
// The bit of a rule of redaction.
uint64_t emitter_rule(struct emitter *e, const char *what);

// ---- emitter_put.c
void emit_book_lost(struct emit_flow *f, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us);
void emit_book_lost_txn(struct emit_flow *f, enum cause cause, int64_t at_us);
void emit_book_lost_record(struct emit_flow *f, enum cause cause,
                           int64_t at_us); // stands for no bytes
// A whole flow, with what is not booked of it: bytes by enum dir.
void emit_book_lost_flow(struct emitter *e, enum cause cause, const uint64_t bytes[2],
                         uint64_t transactions, int64_t at_us);
// The end of a flow, and its book, that no record will tell of: they go into the worker's book.
void emit_book_untold(struct emit_flow *f, int64_t at_us);
void emit_book_omitted(struct emit_flow *f, enum dir dir, uint64_t wire);

bool emit_put_restart(struct emitter *e, int64_t now_us);
// Once. False: no room, which can only be when none was held.
bool emit_put_flow_open(struct emit_flow *f);
bool emit_put_flow_close(struct emit_flow *f, const struct flow_totals *totals); // the same
bool emit_put_tls(struct emit_flow *f, const struct tls_facts *t);
void emit_put_txn_open(struct pend *p); // once, when there is room
bool emit_put_txn(struct pend *p, const char *note);
// Content that stands for wire bytes of what is due; without room it is lost.
void emit_put_part(struct pend *p, enum dir dir, struct view bytes, uint64_t wire);
// The same of size bytes that are those of the content with that digest.
void emit_put_like(struct pend *p, enum dir dir, const unsigned char digest[DIGEST_SIZE],
                   uint64_t size, uint64_t wire);
// Losses that are not told yet: of the flow or, with f NULL, of whole flows. last: from what is
// held.
void emit_put_losses(struct emitter *e, struct emit_flow *f, bool last);

// ---- emitter_body.c
void emit_rhythm_hear(struct rhythm *r, struct pool *pool, uint64_t wire, int64_t at_us);
// Encoded, when there was more than one piece; a loan until the half is freed.
struct view emit_rhythm_bytes(struct half *h, struct pool *pool);
// Content, and the wire bytes that it stands for. May change the fate.
void emit_body_add(struct pend *p, enum dir dir, struct view content, uint64_t wire, int64_t at_us);
// The content from now on, and what was gathered, goes out in Parts. May change the fate.
void emit_body_spill(struct pend *p, enum dir dir);
// What was gathered goes out in a Part, or waits for room unless it is the last of its message. May
// change the fate.
void emit_body_flush(struct pend *p, enum dir dir, bool last);
// Memory within the budget, if need be by sending out what other transactions have gathered.
bool emit_body_room(struct pend *p, struct pool_buf *b, size_t n);
void *emit_body_block(struct emitter *e, size_t n, size_t *size);
// Why one of these two just failed.
enum cause emit_body_shortage(const struct emitter *e);

// What is gathered or held changed: keeps the list of those that gather.
void emit_body_gathered(struct pend *p);

// ---- emitter_twin.c
// Content, for as long as it may be one that the recorder has. Returns how many bytes at its front
// need nothing more.
size_t emit_twin_add(struct pend *p, enum dir dir, struct view content, int64_t at_us);
// It is taken for one that the recorder has not; what is held of it is gathered then.
void emit_twin_leave(struct pend *p, enum dir dir);
// Writes Parts for what is like the twin; they stand for what is due but for spare bytes.
void emit_twin_tell(struct pend *p, enum dir dir, uint64_t spare);
// The content is over, in good order or not.
void emit_twin_end(struct pend *p, enum dir dir, bool whole);
// Its Transaction was written.
void emit_twin_written(struct half *h);

// ---- emitter_txn.c
extern const struct sink_ops emitter_ops;
void emit_pend_drop(struct pend *p, enum fate fate,
                    enum cause cause); // and its memory but for itself
void emit_pend_end(struct pend *p,
                   const char *note); // the last call about it; it may wait for room
void emit_pend_put(struct pend *p, const char *note); // written now, or lost; p is gone
int64_t emit_pend_last_us(const struct pend *p);

// ---- emitter_late.c
// With --on-full block: an ACK will make room, and should do so before n bytes of frames are
// written.
bool emit_late_must_wait(const struct emitter *e, uint64_t n);
uint64_t emit_late_need(const struct pend *p); // n for its records
// It ended, and waits for room. False: it does not.
bool emit_late_pend(struct pend *p, const char *note);
// The flow ended, and waits. False: it does not.
bool emit_late_flow(struct emit_flow *f, const struct flow_totals *totals);
// Writes what waited, as far as there is room; all: whether there is room or not.
void emit_late_catch_up(struct emitter *e, bool all);

// ---- emitter_nobody.c
extern const struct sink_ops emitter_nobody_ops;

// ---- emitter_filter.c
// ended: nothing more will be known.
enum filter_verdict emit_filter_pend(const struct pend *p, bool ended, const char *note);
// Whether it is kept, once and for all; an undecided one is. False: it was dropped.
bool emit_filter_settle(struct pend *p);

#endif
