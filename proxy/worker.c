// worker: one thread: assembled, run, drained.
//
//   RUNNING ── worker_drain ──→ DRAINING (flows) ── none left, or deadline ──→ FINISHING (journals)
//       └──── worker_stop ────────→┴────────────────────→┴──→ the loop ends ←── all acknowledged ┘
//
// worker_new() and worker_free() run on the main thread while this one does not; everything else,
// but for posting, runs on this one.
#include "proxy/worker.h"

#include "proxy/capture.h"
#include "proxy/upstream/net.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FLOW_MARK 0x7464 // SO_MARK of what we dial: redirection rules leave it alone

enum phase { RUNNING, DRAINING, FINISHING };

struct job {
    struct job *next;
    void (*run)(struct worker *w, void *arg);
    void *arg;
};

struct worker {
    struct worker_conf conf;
    struct event_base *base;
    struct flow_env env;
    struct stats stats;
    struct secure_env *secure; // NULL: no TLS of ours
    struct capture *capture;
    struct upstream *net;
    struct world_worker given; // to the hook
    void *part;                // the hook's; NULL: there is none
    struct acceptor *acceptors[MODE_LISTENERS];
    struct event *tick, *wake;
    int wake_fd;
    pthread_mutex_t lock; // of what follows
    struct job *jobs, **jobs_end;
    bool ended; // no job is taken any more

    pthread_t thread;
    bool started, stop;
    enum phase phase;
    int64_t deadline_us, finish_us;
};

static void on_finished(void *arg)
{
    struct worker *w = arg;
    w->stop = true;
    w->conf.on_finished(w->conf.arg);
}

static void finish(struct worker *w)
{
    w->phase = FINISHING;
    flow_env_end_all(&w->env);
    flow_env_reap(&w->env);
    capture_finish(w->capture, w->finish_us, on_finished, w);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct worker *w = arg;
    (void)fd;
    (void)what;
    int64_t now = flow_env_touch(&w->env);
    flow_env_set_wall(&w->env, clock_wall_us());
    wheel_turn(&w->env.wheel, now);
    capture_tick(w->capture);
    if (w->phase == DRAINING && (w->env.live.count == 0 || now >= w->deadline_us))
        finish(w);
}

// The jobs that wait; ended: no more are taken.
static void run_jobs(struct worker *w, bool ended)
{
    pthread_mutex_lock(&w->lock);
    struct job *jobs = w->jobs;
    w->jobs = NULL;
    w->jobs_end = &w->jobs;
    w->ended = ended;
    pthread_mutex_unlock(&w->lock);
    flow_env_touch(&w->env);
    for (struct job *next; jobs; jobs = next) {
        next = jobs->next;
        jobs->run(w, jobs->arg);
        free(jobs);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t count;
    (void)what;
    if (read(fd, &count, sizeof count) == sizeof count)
        run_jobs(arg, false);
}

// A write fails only when the counter is full, and then the worker is awake.
static void wake(struct worker *w)
{
    uint64_t one = 1;
    (void)!write(w->wake_fd, &one, sizeof one);
}

int worker_post(struct worker *w, void (*run)(struct worker *w, void *arg), void *arg)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return E_NOMEM;
    *job = (struct job){.run = run, .arg = arg};
    pthread_mutex_lock(&w->lock);
    bool ended = w->ended;
    if (!ended) {
        *w->jobs_end = job;
        w->jobs_end = &job->next;
    }
    pthread_mutex_unlock(&w->lock);
    if (ended) {
        free(job);
        return E_EOF;
    }
    wake(w);
    return 0;
}

static void *run(void *arg)
{
    struct worker *w = arg;
    struct pollfd told = {.fd = w->wake_fd, .events = POLLIN};
    while (poll(&told, 1, -1) < 0 && errno == EINTR)
        ;
    while (!w->stop) {
        event_base_loop(w->base, EVLOOP_ONCE);
        flow_env_reap(&w->env);
    }
    run_jobs(w, true);
    return NULL;
}

int worker_start(struct worker *w, char why[WHY_MAX])
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->started = error == 0;
    if (error)
        snprintf(why, WHY_MAX, "cannot start the thread of worker %u: %s", w->conf.index,
                 strerror(error));
    return error ? E_NOMEM : 0;
}

void worker_go(struct worker *w)
{
    wake(w);
}

static void stop_job(struct worker *w, void *arg)
{
    (void)arg;
    w->stop = true;
}

void worker_stop(struct worker *w)
{
    while (worker_post(w, stop_job, NULL) == E_NOMEM)
        usleep(1000); // until there is memory for a few bytes
}

struct ends {
    int64_t deadline_us, finish_us;
};

static void drain_job(struct worker *w, void *arg)
{
    struct ends *ends = arg;
    if (w->phase == RUNNING && !w->stop) {
        w->phase = DRAINING;
        w->deadline_us = ends->deadline_us;
        w->finish_us = ends->finish_us;
        for (size_t i = 0; i < w->conf.count; i++)
            acceptor_finish(w->acceptors[i]);
        flow_env_drain(&w->env);
        if (w->env.live.count == 0)
            finish(w);
    }
    free(ends);
}

void worker_drain(struct worker *w, int64_t deadline_us, int64_t finish_us)
{
    struct ends *ends;
    while (!(ends = malloc(sizeof *ends)))
        usleep(1000);
    *ends = (struct ends){deadline_us, finish_us};
    int e;
    while ((e = worker_post(w, drain_job, ends)) == E_NOMEM)
        usleep(1000);
    if (e)
        free(ends);
}

struct change {
    struct flow_limits limits;
    uint64_t max_body;
    char *filter, *redact; // filter NULL: everything is kept
};

static void change_free(struct change *c)
{
    free(c->filter);
    free(c->redact);
    free(c);
}

static void apply_job(struct worker *w, void *arg)
{
    struct change *c = arg;
    w->env.limits = c->limits;
    capture_apply(w->capture, c->max_body, c->filter, c->redact);
    change_free(c);
}

bool worker_apply(struct worker *w, const struct proxy_settings *s)
{
    struct change *c = calloc(1, sizeof *c);
    if (!c)
        return false;
    c->limits = s->limits;
    c->max_body = s->max_body;
    c->redact = strdup(s->redact);
    c->filter = s->filter ? strdup(s->filter) : NULL;
    bool whole = c->redact && (c->filter || !s->filter);
    int e = whole ? worker_post(w, apply_job, c) : E_NOMEM;
    if (e)
        change_free(c);
    return e != E_NOMEM;
}

struct flow_env *worker_env(struct worker *w)
{
    return &w->env;
}

const struct stats *worker_stats(const struct worker *w)
{
    return &w->stats;
}

static int set_up_loop(struct worker *w)
{
    struct event_config *c = event_config_new();
    struct timeval tick = {.tv_usec = WHEEL_TICK_US};
    if (!c)
        return E_NOMEM;
    // Jobs come through a descriptor, so the base needs no lock. No list of changes either: it
    // would speak of a descriptor after it was closed, when another worker may have it already.
    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK);
    if (w->conf.hook && w->conf.hook->precise)
        event_config_set_flag(c, EVENT_BASE_FLAG_PRECISE_TIMER);
    w->base = event_base_new_with_config(c);
    event_config_free(c);
    w->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (!w->base || w->wake_fd < 0)
        return E_NOMEM;
    w->wake = event_new(w->base, w->wake_fd, EV_READ | EV_PERSIST, on_wake, w);
    w->tick = event_new(w->base, -1, EV_PERSIST, on_tick, w);
    if (!w->wake || !w->tick || event_add(w->wake, NULL) || event_add(w->tick, &tick))
        return E_NOMEM;
    return 0;
}

static int set_up_capture(struct worker *w, char why[WHY_MAX])
{
    struct capture_conf conf = {.worker = w->conf.index,
                                .settings = w->conf.settings,
                                .identity = &w->conf.identity,
                                .base = w->base,
                                .env = &w->env,
                                .stats = &w->stats,
                                .hook = w->conf.hook,
                                .part = w->part};
    w->capture = capture_new(&conf, why);
    return w->capture ? 0 : E_IO;
}

static int set_up_tls(struct worker *w, char why[WHY_MAX])
{
    int e = w->conf.secrets ? secrets_worker(w->conf.secrets, &w->secure, why) : 0;
    return e || !w->secure ? e : flow_env_secure(&w->env, w->secure);
}

static int set_up_upstream(struct worker *w, char why[WHY_MAX])
{
    const struct world_hook *hook = w->conf.hook;
    struct net_conf conf = {.base = w->base,
                            .env = &w->env,
                            .listeners = w->conf.listeners,
                            .count = w->conf.count,
                            .admin = w->conf.admin,
                            .mark = FLOW_MARK};
    w->env.base = w->base;
    w->env.stats = &w->stats;
    w->env.limits = w->conf.settings->limits;
    w->env.next_id = ((uint64_t)w->conf.index << 48) + 1;
    w->env.upstream = w->net = net_new(&conf);
    if (!w->net)
        return E_NOMEM;
    if (!hook)
        return 0;
    w->given = (struct world_worker){.index = w->conf.index,
                                     .base = w->base,
                                     .env = &w->env,
                                     .net = w->net,
                                     .secure = w->secure};
    w->part = hook->join(hook->arg, &w->given, why);
    if (!w->part)
        return E_IO;
    w->env.upstream = hook->upstream(w->part);
    return 0;
}

static int set_up_flows(struct worker *w)
{
    for (size_t i = 0; i < w->conf.count; i++) {
        int fd = w->conf.fds[i];
        w->conf.fds[i] = -1;
        w->acceptors[i] = acceptor_new(&w->env, &w->conf.listeners[i], fd);
        if (!w->acceptors[i])
            return E_NOMEM;
    }
    return 0;
}

struct worker *worker_new(const struct worker_conf *conf, char why[WHY_MAX])
{
    struct worker *w = calloc(1, sizeof *w);
    snprintf(why, WHY_MAX, "out of memory");
    if (!w)
        return NULL;
    w->conf = *conf;
    w->wake_fd = -1;
    w->jobs_end = &w->jobs;
    pthread_mutex_init(&w->lock, NULL);
    int e = flow_env_init(&w->env, clock_mono_us, clock_wall_us());
    e = e ? e : set_up_loop(w);
    e = e ? e : set_up_tls(w, why);
    e = e ? e : set_up_upstream(w, why);
    e = e ? e : set_up_capture(w, why);
    e = e ? e : set_up_flows(w);
    if (e == 0)
        return w;
    (void)worker_free(w);
    return NULL;
}

uint64_t worker_free(struct worker *w)
{
    if (!w)
        return 0;
    if (w->started)
        pthread_join(w->thread, NULL);
    for (size_t i = 0; i < w->conf.count; i++)
        acceptor_free(w->acceptors[i]);
    flow_env_clear(&w->env);
    net_free(w->net); // it turns the loop
    uint64_t lost = capture_free(w->capture);
    if (w->part)
        w->conf.hook->leave(w->part);
    secrets_worker_free(w->secure);
    for (struct job *job; (job = w->jobs);) { // of one that was never started: to stop
        w->jobs = job->next;
        free(job);
    }
    if (w->wake)
        event_free(w->wake);
    if (w->tick)
        event_free(w->tick);
    if (w->base)
        event_base_free(w->base);
    if (w->wake_fd >= 0)
        close(w->wake_fd);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return lost;
}
