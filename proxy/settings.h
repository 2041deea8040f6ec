// settings: the option values as the proxy uses them: judged together, in its own units.
#ifndef TAPEDECK_PROXY_SETTINGS_H
#define TAPEDECK_PROXY_SETTINGS_H

#include "proto/base/log.h"
#include "proto/base/options.h"
#include "proxy/flow.h"
#include "proxy/mode.h"
#include "proxy/settings_tls.h"

#define SETTINGS_MEMORY_MIN  (128u << 10) // bytes of --memory that a worker needs
#define SETTINGS_WORKERS_MAX 64           // as the table of options has it
#define SETTINGS_LABELS_MAX  64
#define SETTINGS_LABEL_MAX   512 // bytes of one, as the table has it

struct proxy_settings {
    const struct options *options; // owns all texts below

    struct mode mode;
    struct addr binds[MODE_LISTENERS];       // of the mode's listeners, in their order
    struct hostport target;                  // proxy-host:proxy-port
    struct hostport targets[MODE_LISTENERS]; // of those listeners that have a fixed one
    struct addr admin;                       // not set: off
    size_t head_max;
    unsigned workers;
    uint32_t user;
    struct tls_settings tls; // pass may change at SIGHUP

    // what SIGHUP may change
    struct flow_limits limits;
    int64_t drain_us;
    unsigned max_flows;
    uint64_t max_body; // UINT64_MAX: all
    const char *filter;
    const char *redact;
    enum log_level log_level;
    const char *log_topics;

    unsigned char redact_key[32];                  // settings_take_key()
    const char *recorder, *spool_dir, *ready_file; // spool_dir, ready_file: NULL without
    uint64_t spool_size;
    size_t memory;
    bool block;
};

// 0; or an error told in one line: a value or a pair of values that cannot be. o outlives out.
int settings_from(const struct options *o, struct proxy_settings *out,
                  char why[WHY_MAX]) MUST_CHECK;

// Fills redact_key from --redact-key-file, or at random. Once, while it may still be read: with
// another key equal values would not stay equal. 0; or an error told in one line.
int settings_take_key(struct proxy_settings *s, char why[WHY_MAX]) MUST_CHECK;

// Level and topics of the log.
void settings_apply_log(const struct proxy_settings *s);

#endif
