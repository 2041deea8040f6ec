// far: a tape in the place of the network: what a proxy's world is given (world.h) so that its
// flows are answered from captures.
//
//   client ── flow ── far end ── match ─┬─ hit ──→ the recorded answer, spoken from the file
//                        ↑              └─ miss ─→ told in the protocol's words; or the network
//                  tap ──┴→ redact → emitter: what was asked and answered is recorded as ever, with
//                           the recorded transaction that it was answered from, and the outcome:
//                           "hit", "miss", "passthrough", each with " fault=NAME" behind it where
//                           that was done
#ifndef TAPEDECK_TOOLS_MOCK_FAR_H
#define TAPEDECK_TOOLS_MOCK_FAR_H

#include "proto/base/options.h"
#include "proxy/world.h"

struct faults; // faults.h

enum mock_on_miss { MOCK_FAIL, MOCK_PASSTHROUGH, MOCK_RECORD };
enum mock_repeat { MOCK_REPEAT_LAST, MOCK_REPEAT_CYCLE, MOCK_REPEAT_FAIL };

// Texts are loans until mock_free(), but for those that are read at once.
struct mock_conf {
    char *const *captures; // files or folders; each a capture of its own, asked in this order
    size_t count;
    const char *filter;         // of recordings that answer; NULL: all
    const char *rules;          // path of a file of rules for comparing (help topic rules), or NULL
    const char *const *headers; // of requests, that are compared as well
    size_t header_count;
    // A recording answers whichever host is asked for; rules that are limited to a host are for
    // all.
    bool any_host;
    // Flows of that direction are none of the tape's: they go to the network as without a mock, and
    // their transactions are not linked.
    bool relay[3]; // by enum direction
    enum mock_on_miss on_miss;
    enum mock_repeat repeat; // when all recordings of a request have been used
    double speed;          // of the answers' timing: 1 as recorded, 2 in half of the time; 0: none
    struct faults *faults; // outlives the mock; NULL: none
    size_t cache;          // bytes of whole small answers that a worker keeps; 0: as usual
};

struct mock_tally {
    uint64_t recorded; // transactions and conversations that can answer
    uint64_t unused;   // of them
    uint64_t hits, misses, passed, faults;
};

struct mock;

// Reads the captures' indexes. 0, or an error told in why: what, where, what is allowed. What could
// not be read beside that is told with cli_damage().
int mock_new(const struct mock_conf *conf, struct mock **out, char why[WHY_MAX]) MUST_CHECK;
void mock_free(struct mock *m); // no world runs with it; m may be NULL

// For world_run(); a loan until mock_free(). Its `again` is NULL: what a SIGHUP may change is the
// program's business (of what is here, faults alone).
struct world_hook mock_hook(struct mock *m);

// From any thread, at any time.
void mock_tally(struct mock *m, struct mock_tally *out);

#endif
