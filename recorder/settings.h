// settings: what the recorder was told, taken out of its options once.
#ifndef TAPEDECK_RECORDER_SETTINGS_H
#define TAPEDECK_RECORDER_SETTINGS_H

#include "proto/base/log.h"
#include "proto/base/options.h"
#include "recorder/sink.h"

#include <sys/types.h>

// Texts are loans from the options.
struct recorder_settings {
    const char *listen, *capture, *ready_file; // ready_file may be NULL
    const struct recorder_sink_ops *sink;
    size_t batch_records, batch_bytes;
    int64_t batch_time_us;
    uid_t user;
    // These may change while it runs:
    struct retain_conf retain;
    enum log_level log_level;
};

// 0, or E_… with why.
int settings_read(struct recorder_settings *s, const struct options *o,
                  char why[WHY_MAX]) MUST_CHECK;

// The level of the log.
void settings_apply_log(const struct recorder_settings *s);

// One log line for each option that can change while running and differs between latest and next,
// and one for those that cannot and differ between start and next.
void settings_tell_changes(const struct options *start, const struct options *latest,
                           const struct options *next);

#endif
