#include "proxy/settings.h"

#include "proto/base/clock.h"
#include "proto/digest.h"
#include "proto/filter.h"
#include "proxy/emit/filter.h"
#include "proxy/emit/journal.h"
#include "proxy/emit/redact.h"
#include "proxy/map.h"

#include <assert.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS_OWN  4 // at most, when nothing is said
#define KEY_FILE_MIN 32
#define KEY_FILE_MAX 65536

// "*" is every address.
static int parse_host(const char *text, uint16_t port, struct addr *out)
{
    return addr_parse_here(out, view_of(strcmp(text, "*") == 0 ? "::" : text), port);
}

static int take_binds(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    for (size_t i = 0; i < s->mode.count; i++) {
        bool in = s->mode.listeners[i].direction == INBOUND;
        const char *name = in ? "in-bind" : "out-bind", *text = options_text(o, name);
        int64_t port = options_number(o, in ? "proxy-in-port" : "proxy-out-port");
        if (parse_host(text, (uint16_t)port, &s->binds[i])) {
            snprintf(why, WHY_MAX, "%s: \"%s\" is neither *, localhost nor a numeric address", name,
                     text);
            return E_SYNTAX;
        }
    }
    return 0;
}

static int take_target(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    const char *host = options_text(o, "proxy-host");
    s->target.port = (uint16_t)options_number(o, "proxy-port");
    if (hostport_set_host(&s->target, view_of(host)) == 0)
        return 0;
    snprintf(why, WHY_MAX, "proxy-host: \"%s\" is no host name and no address", host);
    return E_SYNTAX;
}

// Behind the listeners of the mode.
static int take_maps(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    size_t n = options_count(o, "map");
    for (size_t i = 0; i < s->mode.count; i++)
        s->targets[i] = s->target;
    if (n > MODE_MAPS) {
        snprintf(why, WHY_MAX, "map: given %zu times; at most %d", n, MODE_MAPS);
        return E_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        struct map m;
        int e = map_parse(&m, options_nth(o, "map", i), why);
        if (e)
            return e;
        s->binds[s->mode.count] = m.bind;
        s->targets[s->mode.count] = m.target;
        mode_add_map(&s->mode, m.front);
    }
    return 0;
}

static int take_admin(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    const char *text = options_text(o, "admin-listen");
    struct hostport hp;
    if (strcmp(text, "off") == 0)
        return 0;
    bool any = strncmp(text, "*:", 2) == 0;
    char wide[320];
    snprintf(wide, sizeof wide, "%s%s", any ? "[::]" : "", any ? text + 1 : text);
    if (hostport_parse(&hp, view_of(wide), 0) == 0 && parse_host(hp.host, hp.port, &s->admin) == 0)
        return 0;
    snprintf(
        why, WHY_MAX,
        "admin-listen: \"%s\" is not ADDR:PORT with a numeric address, localhost or *, nor off",
        text);
    return E_SYNTAX;
}

int settings_take_key(struct proxy_settings *s, char why[WHY_MAX])
{
    const struct options *o = s->options;
    const char *path = options_text(o, "redact-key-file");
    char content[KEY_FILE_MAX];
    if (!path) {
        digest_random(s->redact_key, sizeof s->redact_key);
        return 0;
    }
    FILE *file = fopen(path, "re");
    size_t n = file ? fread(content, 1, sizeof content, file) : 0;
    bool failed = !file || ferror(file);
    if (failed)
        snprintf(why, WHY_MAX, "redact-key-file: %s: %s", path, strerror(errno));
    else if (n < KEY_FILE_MIN)
        snprintf(why, WHY_MAX, "redact-key-file: %s holds %zu bytes; at least %d are needed", path,
                 n, KEY_FILE_MIN);
    if (file)
        fclose(file);
    if (failed || n < KEY_FILE_MIN)
        return failed ? E_IO : E_RANGE;
    digest_once(view_n(content, n), s->redact_key);
    memset(content, 0, sizeof content);
    return 0;
}

// What there is no listener for is left; secrets.c tells it.
static int take_tls(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    bool in = false, out = false;
    int e = settings_tls(o, &s->tls, why);
    for (size_t i = 0; i < s->mode.count; i++) {
        in = in || s->mode.listeners[i].direction == INBOUND;
        out = out || s->mode.listeners[i].direction == OUTBOUND;
    }
    s->tls.in = s->tls.in && in;
    s->tls.out = s->tls.out && out;
    return e;
}

static int check_labels(const struct options *o, char why[WHY_MAX])
{
    size_t n = options_count(o, "label");
    if (n > SETTINGS_LABELS_MAX) {
        snprintf(why, WHY_MAX, "label: %zu are given; there may be at most %d", n,
                 SETTINGS_LABELS_MAX);
        return E_LIMIT;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = options_nth(o, "label", i), *value = strchr(text, '=');
        if (value && value > text)
            continue;
        snprintf(why, WHY_MAX, "label: \"%.200s\" is not NAME=VALUE", text);
        return E_SYNTAX;
    }
    return 0;
}

static int check_filter(const char *text, char why[WHY_MAX])
{
    struct filter *f = NULL;
    size_t column = 0;
    char sentence[WHY_MAX];
    if (!text)
        return 0;
    int e = filter_parse(view_of(text), clock_wall_us(), &f, &column, sentence);
    if (e) {
        snprintf(why, WHY_MAX, "capture-filter: column %zu: %.400s", column + 1, sentence);
        return e;
    }
    if (filter_fields_of(filter_root(f)) & FILTER_ROW_ONLY) {
        snprintf(why, WHY_MAX,
                 "capture-filter: id and flow are known only once a transaction is "
                 "stored; any other field may be used");
        e = E_RANGE;
    }
    filter_free(f);
    return e;
}

static int check_share(const char *name, uint64_t size, uint64_t least, unsigned workers,
                       char why[WHY_MAX])
{
    if (size / workers >= least)
        return 0;
    snprintf(why, WHY_MAX,
             "%s: each of %u workers needs %llu KiB of it: at least %llu KiB, or fewer workers",
             name, workers, (unsigned long long)least >> 10,
             (unsigned long long)least * workers >> 10);
    return E_RANGE;
}

// As many as were asked for, if their shares are large enough; else one a processor, but no more
// than have their shares.
static int take_workers(const struct options *o, struct proxy_settings *s, char why[WHY_MAX])
{
    int64_t asked = options_number(o, "workers");
    cpu_set_t set;
    s->spool_size = (uint64_t)options_number(o, "spool-size");
    s->memory = (size_t)options_number(o, "memory");
    if (asked > 0) {
        s->workers = (unsigned)asked;
        int e = check_share("spool-size", s->spool_size, JOURNAL_MIN, s->workers, why);
        return e ? e : check_share("memory", s->memory, SETTINGS_MEMORY_MIN, s->workers, why);
    }
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    s->workers = n < 1 ? 1 : n > WORKERS_OWN ? WORKERS_OWN : (unsigned)n;
    while (s->workers > 1 && (s->spool_size / s->workers < JOURNAL_MIN ||
                              s->memory / s->workers < SETTINGS_MEMORY_MIN))
        s->workers--;
    return 0;
}

static void take_reloadable(const struct options *o, struct proxy_settings *s)
{
    s->limits = (struct flow_limits){
        .handshake = options_number(o, "handshake-timeout"),
        .head = options_number(o, "head-timeout"),
        .connect = options_number(o, "connect-timeout"),
        .idle = options_number(o, "idle-timeout"),
    };
    s->drain_us = options_number(o, "drain-timeout");
    s->max_flows = (unsigned)options_number(o, "max-flows");
    s->max_body = (uint64_t)options_number(o, "max-body");
    if (s->max_body == 0)
        s->max_body = UINT64_MAX;
    s->filter = options_text(o, "capture-filter");
    s->redact = options_text(o, "redact");
    s->log_topics = options_text(o, "log-topics");
    if (!s->log_topics)
        s->log_topics = "";
}

int settings_from(const struct options *o, struct proxy_settings *out, char why[WHY_MAX])
{
    struct proxy_settings *s = out;
    *s = (struct proxy_settings){.options = o};
    const char *type = options_text(o, "proxy-type");
    int e = mode_of(type, options_text(o, "proxy-protocol"), &s->mode, why);
    e = e ? e : take_binds(o, s, why);
    e = e ? e : take_target(o, s, why);
    e = e ? e : take_maps(o, s, why);
    e = e ? e : take_admin(o, s, why);
    e = e ? e : check_labels(o, why);
    e = e ? e : take_tls(o, s, why);
    take_reloadable(o, s);
    e = e ? e : check_filter(s->filter, why);
    e = e ? e : redact_check(s->redact, why);
    if (e == 0 && log_level_parse(options_text(o, "log-level"), &s->log_level)) {
        snprintf(why, WHY_MAX, "log-level: \"%s\"", options_text(o, "log-level"));
        e = E_RANGE;
    }
    s->head_max = (size_t)options_number(o, "head-max");
    assert(s->head_max <= FLOW_HEAD_MAX); // as the table of options has it
    e = e ? e : take_workers(o, s, why);
    s->user = (uint32_t)options_number(o, "user");
    s->recorder = options_text(o, "recorder");
    s->spool_dir = options_text(o, "spool-dir");
    s->ready_file = options_text(o, "ready-file");
    s->block = strcmp(options_text(o, "on-full"), "block") == 0;
    return e;
}

void settings_apply_log(const struct proxy_settings *s)
{
    log_set_level(s->log_level);
    if (log_set_topics(s->log_topics))
        log_error("log-topics are too long and stay as they were topics=\"%s\"", s->log_topics);
}
