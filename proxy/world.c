// world: the order in which a proxy comes to life and goes.
//
//   descriptors' limit → keys read → listeners bound → spool directory → workers made (journals,
//   links) → admin listener → all asked that giving up privileges takes → threads made, which wait
//   → ready file written → privileges dropped → threads go → main loop
//
//   SIGTERM, SIGINT  drain: workers stop accepting, flows end, journals are sent, the loop ends
//   … once more      at once
//   SIGHUP           options are read again; what cannot change is named
//
// Everything that can fail does so before the ready file is written: from then on the system
// accepts for us; what comes behind it asks for nothing that could be refused. The main thread
// touches no flow.
#include "proxy/world.h"

#include "proxy/admin.h"
#include "proxy/emit/emitter.h"
#include "proxy/map.h"
#include "proxy/privs.h"
#include "proxy/ready.h"
#include "proxy/spool.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/utsname.h>
#include <unistd.h>

#define LOOK_S     1              // between two looks at the files of certificates
#define GRACE_US   (2 * US_PER_S) // for the journals, when flows took all of the drain timeout
#define FILES_MORE 256            // descriptors beside those of flows

struct world {
    const struct options *options; // as the run began
    struct options *latest;        // what SIGHUP read last; NULL: nothing yet
    const struct proxy_settings *settings;
    world_read_options *again;
    void *again_arg;
    const struct world_hook *hook; // NULL: none
    struct event_base *base;
    struct listener listeners[MODE_LISTENERS];
    int fds[MODE_LISTENERS][SETTINGS_WORKERS_MAX];
    struct secrets *secrets; // NULL: no TLS of ours
    struct worker *workers[SETTINGS_WORKERS_MAX];
    size_t count;
    struct admin *admin;
    struct addr admin_bound;
    int finished_fd; // a worker writes 1 when it is drained
    size_t finished;
    bool draining, written;
    int64_t drain_us;
    struct event *events[6];
    struct utsname host;
    struct buf settings_json;
    char label_text[SETTINGS_LABELS_MAX][SETTINGS_LABEL_MAX + 1];
    const char *labels[2 * SETTINGS_LABELS_MAX + 1];
};

static void stop_all(struct world *w)
{
    for (size_t i = 0; i < w->count; i++)
        worker_stop(w->workers[i]);
    event_base_loopbreak(w->base);
}

static void on_term(evutil_socket_t number, short what, void *arg)
{
    struct world *w = arg;
    (void)what;
    if (w->draining) {
        log_warn("ending at once signal=%d", (int)number);
        stop_all(w);
        return;
    }
    w->draining = true;
    log_info("draining signal=%d timeout_ms=%lld", (int)number,
             (long long)(w->drain_us / US_PER_MS));
    if (w->admin)
        admin_set_ready(w->admin, false);
    int64_t deadline = clock_mono_us() + w->drain_us;
    for (size_t i = 0; i < w->count; i++)
        worker_drain(w->workers[i], deadline, deadline + GRACE_US);
}

static void on_finished(void *arg)
{
    struct world *w = arg;
    uint64_t one = 1;
    (void)!write(w->finished_fd, &one, sizeof one);
}

static void on_finished_event(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    uint64_t n = 0;
    (void)what;
    if (read(fd, &n, sizeof n) == sizeof n)
        w->finished += n;
    if (w->finished == w->count)
        event_base_loopbreak(w->base);
}

static void apply(struct world *w, const struct proxy_settings *s)
{
    settings_apply_log(s);
    w->drain_us = s->drain_us;
    if (w->secrets)
        secrets_apply(w->secrets, s);
    for (size_t i = 0; i < w->settings->mode.count; i++)
        atomic_store(&w->listeners[i].max, s->max_flows);
    for (size_t i = 0; i < w->count; i++)
        if (!worker_apply(w->workers[i], s))
            log_error("settings not changed for want of memory worker=%zu", i);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    (void)fd;
    (void)what;
    secrets_look(w->secrets);
}

static void on_hangup(evutil_socket_t number, short what, void *arg)
{
    struct world *w = arg;
    char why[WHY_MAX], frozen[WHY_MAX];
    struct proxy_settings s;
    (void)number;
    (void)what;
    struct options *o = w->again(w->again_arg, why);
    if (!o || settings_from(o, &s, why)) {
        log_error("options stay as they were reason=\"%s\"", why);
        options_free(o);
        return;
    }
    if (options_frozen_changes(w->options, o, frozen) > 0)
        log_warn("these options change only with a restart names=\"%s\"", frozen);
    memcpy(s.redact_key, w->settings->redact_key, sizeof s.redact_key);
    apply(w, &s);
    options_free(w->latest);
    w->latest = o;
    if (w->hook && w->hook->again)
        w->hook->again(w->hook->again_arg, o);
    log_info("options read again");
}

static int open_listeners(struct world *w, char why[WHY_MAX])
{
    const struct proxy_settings *s = w->settings;
    for (size_t i = 0; i < s->mode.count; i++) {
        const struct mode_listener *m = &s->mode.listeners[i];
        struct listener *l = &w->listeners[i];
        l->name = m->name;
        l->direction = m->direction;
        l->front = m->front;
        l->front_conf = (struct front_conf){
            .fixed_target = m->fixed_target, .target = s->targets[i], .head_max = s->head_max};
        if (m->fixed_target)
            hostport_text(&s->targets[i], l->target);
        l->secure = secrets_way(w->secrets, m->direction);
        l->bound = s->binds[i];
        l->max = s->max_flows;
        int e = listen_open(l, w->fds[i], s->workers, why);
        if (e)
            return e;
    }
    return 0;
}

// "NAME=VALUE" options as name, value, name, value …
static void take_labels(struct world *w)
{
    size_t n = options_count(w->options, "label");
    for (size_t i = 0; i < n; i++) { // settings_from() has judged them
        char *text = w->label_text[i];
        snprintf(text, sizeof w->label_text[0], "%s", options_nth(w->options, "label", i));
        char *value = strchr(text, '=');
        *value++ = 0;
        w->labels[2 * i] = text;
        w->labels[2 * i + 1] = value;
    }
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static int make_workers(struct world *w, char why[WHY_MAX])
{
    const struct options *o = w->options;
    buf_init(&w->settings_json, 1u << 20);
    (void)uname(&w->host);
    if (options_json(o, &w->settings_json) || buf_add(&w->settings_json, "", 1))
        return E_NOMEM;
    take_labels(w);
    for (unsigned i = 0; i < w->settings->workers; i++) {
        int fds[MODE_LISTENERS];
        struct worker_conf conf = {
            .index = i,
            .settings = w->settings,
            .listeners = w->listeners,
            .count = w->settings->mode.count,
            .fds = fds,
            .secrets = w->secrets,
            .hook = w->hook,
            .admin = &w->admin_bound,
            .identity = {.software = "tapedeck-proxy " TAPEDECK_VERSION,
                         .host = w->host.nodename,
                         .pod = or_empty(options_text(o, "pod")),
                         .namespace_ = or_empty(options_text(o, "namespace")),
                         .workload = or_empty(options_text(o, "workload")),
                         .node = or_empty(options_text(o, "node")),
                         .settings_json = buf_view(&w->settings_json).p,
                         .labels = w->labels,
                         .worker = i},
            .on_finished = on_finished,
            .arg = w,
        };
        for (size_t k = 0; k < conf.count; k++)
            fds[k] = w->fds[k][i];
        w->workers[i] = worker_new(&conf, why);
        for (size_t k = 0; k < conf.count; k++)
            w->fds[k][i] = fds[k];
        if (!w->workers[i])
            return E_IO;
        w->count++;
    }
    return 0;
}

static int make_admin(struct world *w, char why[WHY_MAX])
{
    struct admin_conf conf = {.base = w->base,
                              .bind = w->settings->admin,
                              .workers = w->workers,
                              .count = w->count,
                              .page = w->hook ? w->hook->page : NULL};
    if (!addr_is_set(&conf.bind))
        return 0;
    w->admin = admin_new(&conf, &w->admin_bound, why);
    return w->admin ? 0 : E_IO;
}

static int add_event(struct world *w, struct event *event, const struct timeval *every)
{
    size_t i = 0;
    while (w->events[i])
        i++;
    w->events[i] = event;
    return event && event_add(event, every) == 0 ? 0 : E_NOMEM;
}

static int make_loop(struct world *w)
{
    const struct timeval every = {.tv_sec = LOOK_S};
    w->base = event_base_new();
    w->finished_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!w->base || w->finished_fd < 0)
        return E_NOMEM;
    int e = add_event(w, evsignal_new(w->base, SIGTERM, on_term, w), NULL);
    e = e ? e : add_event(w, evsignal_new(w->base, SIGINT, on_term, w), NULL);
    e = e ? e : add_event(w, evsignal_new(w->base, SIGHUP, on_hangup, w), NULL);
    e = e ? e
          : add_event(
                w, event_new(w->base, w->finished_fd, EV_READ | EV_PERSIST, on_finished_event, w),
                NULL);
    if (e == 0 && w->secrets)
        e = add_event(w, event_new(w->base, -1, EV_PERSIST, on_look, w), &every);
    return e;
}

_Static_assert(READY_MAPS >= MODE_MAPS, "the ready file has room for all maps");

// The maps as they were given, with the ports that were bound.
static int take_maps(const struct world *w, struct ready *r)
{
    int e = 0;
    for (size_t i = 0; i < w->settings->mode.count && !e; i++) {
        if (!w->settings->mode.listeners[i].mapped)
            continue;
        const char *text = options_nth(w->options, "map", r->maps);
        e = map_text(text, &w->listeners[i].bound, r->map[r->maps], sizeof r->map[0]);
        r->maps++;
        log_info("maps %s", r->map[r->maps - 1]);
    }
    return e;
}

static int tell_ready(struct world *w, char why[WHY_MAX])
{
    struct ready r = {.admin = w->admin ? &w->admin_bound : NULL};
    if (take_maps(w, &r)) {
        snprintf(why, WHY_MAX, "map: too long");
        return E_LIMIT;
    }
    char in[ADDR_TEXT], out[ADDR_TEXT], admin[ADDR_TEXT] = "off";
    for (size_t i = 0; i < w->settings->mode.count; i++) {
        if (w->settings->mode.listeners[i].mapped)
            continue;
        if (w->listeners[i].direction == INBOUND)
            r.in = &w->listeners[i].bound;
        else
            r.out = &w->listeners[i].bound;
    }
    if (w->settings->ready_file) {
        int e = ready_write(w->settings->ready_file, &r, why);
        if (e)
            return e;
        w->written = true;
    }
    if (w->admin)
        admin_set_ready(w->admin, true);
    log_info("ready in=%s out=%s admin=%s workers=%zu recorder=%s",
             r.in ? addr_text(r.in, in) : "none", r.out ? addr_text(r.out, out) : "none",
             r.admin ? addr_text(r.admin, admin) : admin, w->count, w->settings->recorder);
    return 0;
}

// Each connection that has said anything holds a little of the ring until it ends. With all of them
// open at once, at least half of the ring should be left for records.
static void weigh_flows(const struct proxy_settings *s)
{
    uint64_t borne = s->spool_size / 2 / EMIT_FLOW_HELD / s->mode.count;
    if (!s->block && s->max_flows > borne)
        log_warn("more connections may be open than spool-size bears, and some may then not be "
                 "recorded max-flows=%u borne=%llu spool-size=%llu",
                 s->max_flows, (unsigned long long)borne, (unsigned long long)s->spool_size);
}

static int begin(struct world *w, char why[WHY_MAX])
{
    const struct proxy_settings *s = w->settings;
    uint64_t files = 2 * (uint64_t)s->max_flows * s->mode.count + FILES_MORE;
    uint64_t have = privs_raise_files(files);
    if (have < files)
        log_debug("fewer descriptors than max-flows could need have=%llu need=%llu",
                  (unsigned long long)have, (unsigned long long)files);
    weigh_flows(s);
    uint32_t owner = geteuid() == 0 ? s->user : 0;
    int e = secrets_new(&w->secrets, s, owner, why);
    e = e ? e : open_listeners(w, why);
    if (e == 0 && s->spool_dir)
        e = spool_prepare(s->spool_dir, owner, why);
    e = e ? e : make_loop(w);
    e = e ? e : make_workers(w, why);
    e = e ? e : make_admin(w, why);
    e = e ? e : privs_prepare(s->user, why);
    e = e || !w->secrets ? e : privs_no_dumps(why); // a new identity is allowed them again
    for (size_t i = 0; e == 0 && i < w->count; i++)
        e = worker_start(w->workers[i], why);
    e = e ? e : tell_ready(w, why);
    e = e ? e : privs_drop(s->user, why);
    e = e || !w->secrets ? e : privs_no_dumps(why);
    for (size_t i = 0; e == 0 && i < w->count; i++)
        worker_go(w->workers[i]);
    return e;
}

// The number of records that were lost.
static uint64_t clear(struct world *w)
{
    uint64_t lost = 0;
    admin_free(w->admin);
    for (size_t i = 0; i < w->count; i++)
        lost += worker_free(w->workers[i]);
    for (size_t i = 0; i < MODE_LISTENERS; i++)
        for (size_t k = 0; k < SETTINGS_WORKERS_MAX; k++)
            if (w->fds[i][k] >= 0)
                close(w->fds[i][k]);
    for (size_t i = 0; i < sizeof w->events / sizeof *w->events && w->events[i]; i++)
        event_free(w->events[i]);
    if (w->base)
        event_base_free(w->base);
    if (w->finished_fd >= 0)
        close(w->finished_fd);
    if (w->written)
        (void)unlink(w->settings->ready_file);
    secrets_free(w->secrets);
    buf_clear(&w->settings_json);
    options_free(w->latest);
    free(w);
    libevent_global_shutdown();
    return lost;
}

int world_run(const struct options *o, const struct proxy_settings *s, world_read_options *again,
              void *arg, const struct world_hook *hook, uint64_t *lost, char why[WHY_MAX])
{
    struct world *w = calloc(1, sizeof *w);
    *lost = 0;
    event_set_log_callback(log_libevent);
    snprintf(why, WHY_MAX, "out of memory");
    if (!w || evthread_use_pthreads()) {
        free(w);
        return E_NOMEM;
    }
    w->options = o;
    w->settings = s;
    w->again = again;
    w->again_arg = arg;
    w->hook = hook;
    w->drain_us = s->drain_us;
    w->finished_fd = -1;
    memset(w->fds, 0xff, sizeof w->fds);
    int e = begin(w, why);
    if (e == 0)
        event_base_dispatch(w->base);
    else
        for (size_t i = 0; i < w->count; i++)
            worker_stop(w->workers[i]);
    *lost = clear(w);
    if (e == 0 && *lost > 0)
        log_error("records are lost: no recorder acknowledged them, and nobody keeps them "
                  "records=%llu",
                  (unsigned long long)*lost);
    if (e == 0)
        log_info("ended");
    return e;
}
