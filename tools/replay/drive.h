// drive: a run: sends what the plan has when the schedule says, hears, judges, and tells.
//
// One thread, one loop. Ctrl-C ends it: nothing goes any more, and what comes within a second is
// still heard; a second one ends it at once.
#ifndef TAPEDECK_TOOLS_REPLAY_DRIVE_H
#define TAPEDECK_TOOLS_REPLAY_DRIVE_H

#include "tools/replay/keep.h"
#include "tools/replay/material.h"
#include "tools/replay/schedule.h"
#include "tools/report/verdict.h"
#include "tools/rewrite/rewrite.h"

#include <limits.h>

#define DRIVE_CONNECTIONS_MAX 20000 // open at once

struct tls_context;

struct drive_conf {
    const struct capture *capture;
    const struct filter *filter; // of it; NULL: all
    const struct plan *plan;
    const struct targets *targets;
    struct schedule schedule;
    unsigned connections; // of a pool, for each service; 0: as recorded
    unsigned users;       // that play one recorded connection after the other; 0: no
    uint32_t times;       // rounds through the plan; 0: no end
    int64_t for_us;       // 0: no end
    int64_t timeout_us, connect_us, answer_us; // 0: without end
    bool keep_host;
    size_t memory;
    uint64_t max_decoded;
    const struct rules *rules;     // NULL: none
    const struct rewrite *rewrite; // NULL: none
    const struct correlate *edges; // NULL: none
    struct tls_context *tls;       // NULL: no target has it
    bool verify;
    bool progress; // a line on stderr
    bool quiet;    // no warnings
    bool cookies;  // those of the run in place of the recorded ones
    bool capture_it;
    uint64_t max_body;    // content of a message that its capture keeps; 0: all
    const char *file;     // of the replay's own capture; NULL: a new one
    const char *redact;   // rules for it
    const char *settings; // JSON, for it
};

struct drive_sums {
    char file[PATH_MAX]; // of the replay's own capture; "": none
    uint64_t lost;       // records that are not in it
    uint64_t reconnects; // connections that the target closed although the recorded one went on
    uint64_t retries;    // requests sent once more, since their connection had just been closed
    uint64_t missing;    // values that requests carry, and that no answer of this run had issued
    int64_t length_us;
    bool all_said; // the plan was come to its end
};

// Runs until all is done. *out: what was made of it, for the caller to free. Errors are told:
// CLI_OK or CLI_FAILED, where nothing was sent and *out is NULL.
int drive_run(const struct drive_conf *conf, struct verdict **out,
              struct drive_sums *sums) MUST_CHECK;

#endif
