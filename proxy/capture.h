// capture: what the taps of one worker lead to: redaction, the emitter, the journal and its link.
//
//   tap → (a hook's) → redact → emitter → journal → link → recorder
#ifndef TAPEDECK_PROXY_CAPTURE_H
#define TAPEDECK_PROXY_CAPTURE_H

#include "proxy/emit/link.h"
#include "proxy/flow.h"
#include "proxy/settings.h"
#include "proxy/world.h"

struct capture;

struct capture_conf {
    unsigned worker;
    // Copied; its texts need not outlive the call, but recorder.
    const struct proxy_settings *settings;
    const struct link_identity *identity;
    struct event_base *base;
    struct flow_env *env; // gets its sinks, and its pauses with --on-full block
    struct stats *stats;
    const struct world_hook *hook; // NULL: none; its part of this worker
    void *part;
};

// All on the worker's thread, or before it runs. NULL with why.
struct capture *capture_new(const struct capture_conf *conf, char why[WHY_MAX]);
// Every 100 ms or so, with env at the present time.
void capture_tick(struct capture *c);
// What SIGHUP may change: the largest body, the filter (NULL: all), the rules of redaction.
void capture_apply(struct capture *c, uint64_t max_body, const char *filter, const char *redact);
// No flow is left: sends all until finish_us, then calls done, perhaps at once.
void capture_finish(struct capture *c, int64_t finish_us, void (*done)(void *arg), void *arg);
// The number of records that nobody acknowledged and that no spool directory keeps, and of losses
// that could not be recorded.
uint64_t capture_free(struct capture *c);

#endif
