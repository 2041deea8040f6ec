// keep: the capture of a replay: a recorder of its own, and what leads to it.
//
//   hear → redact → emitter → journal → link → recorder (a child) → replay-….db
//
// Where the recorder falls behind, the replay waits rather than lose a record. When we are killed
// the recorder ends in order: what it has it has written.
#ifndef TAPEDECK_TOOLS_REPLAY_KEEP_H
#define TAPEDECK_TOOLS_REPLAY_KEEP_H

#include "proxy/flow.h"

struct keep;

struct keep_conf {
    const char *file;     // NULL: a new replay-YYYYMMDD-HHMMSSZ.db here
    const char *settings; // of the replay, as JSON: a loan for as long as it lives
    const char *redact;   // rules
    struct event_base *base;
    struct flow_env *env; // gets its sinks
    size_t memory;
    uint64_t max_body;
};

// Errors are told: NULL. The recorder is ready then.
struct keep *keep_new(const struct keep_conf *conf);
// Every 100 ms or so.
void keep_tick(struct keep *k);
// Whether nothing more should be sent for now.
bool keep_is_full(const struct keep *k);
const char *keep_file(const struct keep *k);
// No connection is left: waits until all is written, at most for some seconds, in the loop of conf.
// hurry, asked now and then: wait no longer. The number of records that are not in the capture.
uint64_t keep_finish(struct keep *k, bool (*hurry)(void *arg), void *arg);
void keep_free(struct keep *k); // k may be NULL; what keep_finish() did not wait for is given up

#endif
