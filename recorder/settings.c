// settings: see settings.h. The table of options has checked each value by itself; here they are
// only taken.
#include "recorder/settings.h"

#include "proto/settings.h"

int settings_read(struct recorder_settings *s, const struct options *o, char why[WHY_MAX])
{
    const char *sink = options_text(o, "sink");
    *s = (struct recorder_settings){
        .listen = options_text(o, "listen"),
        .capture = options_text(o, "capture"),
        .ready_file = options_text(o, "ready-file"),
        .sink = sink_find(sink),
        .batch_records = (size_t)options_number(o, "batch-records"),
        .batch_bytes = (size_t)options_number(o, "batch-bytes"),
        .batch_time_us = options_number(o, "batch-time"),
        .user = (uid_t)options_number(o, "user"),
        .retain = {.rotate_size = options_number(o, "rotate-size"),
                   .rotate_age_us = options_number(o, "rotate-age"),
                   .keep_files = options_number(o, "keep-files"),
                   .keep_size = options_number(o, "keep-size"),
                   .keep_age_us = options_number(o, "keep-age"),
                   .pack = options_flag(o, "pack-sealed")},
    };
    if (!s->sink) {
        snprintf(why, WHY_MAX, "sink: \"%s\" is not offered", sink);
        return E_UNSUPPORTED;
    }
    return log_level_parse(options_text(o, "log-level"), &s->log_level);
}

void settings_apply_log(const struct recorder_settings *s)
{
    log_set_level(s->log_level);
}

static bool same_text(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

static bool is_same(const struct option_def *d, const struct options *a, const struct options *b)
{
    if (d->type == OPT_TEXT || d->choices)
        return same_text(options_text(a, d->name), options_text(b, d->name));
    return options_number(a, d->name) == options_number(b, d->name);
}

void settings_tell_changes(const struct options *start, const struct options *latest,
                           const struct options *next)
{
    char frozen[WHY_MAX];
    unsigned changes = 0;
    for (const struct option_def *d = settings_table; d->name; d++) {
        if (!(d->programs & FOR_RECORDER) || !(d->flags & OPT_RELOADABLE) ||
            is_same(d, latest, next))
            continue;
        changes++;
        if (d->type == OPT_TEXT || d->choices) {
            const char *text = options_text(next, d->name);
            log_info("option changed %s=\"%s\"", d->name, text ? text : "");
        } else if (d->type == OPT_FLAG) {
            log_info("option changed %s=%s", d->name,
                     options_flag(next, d->name) ? "true" : "false");
        } else {
            log_info("option changed %s=%lld", d->name, (long long)options_number(next, d->name));
        }
    }
    if (options_frozen_changes(start, next, frozen) > 0)
        log_warn("these options change only with a restart names=\"%s\"", frozen);
    else if (changes == 0)
        log_info("options read again, nothing changed");
}
