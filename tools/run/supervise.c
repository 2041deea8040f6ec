// supervise: one loop over a signalfd.
//
//   RUNNING --SIGTERM--> STOP_PROXY --proxy ended--> STOP_RECORDER --recorder ended--> done
//
// 1. The recorder ends after the proxy, so that what the proxy flushes is committed; one that is
//    down meanwhile is started for it, without back-off.
// 2. Before the sidecar is ready, a child that refuses its options or its capture (exit code 2) or
//    a proxy that ends is the end of all: waiting would only hide the message. Later everything is
//    restarted.
// 3. The workload's port must not change by a restart: a port that was chosen freely is asked for
//    by number from then on.
#include "tools/run/supervise.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/whole_file.h"
#include "proto/settings.h"
#include "tools/run/ready.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_POLL_MS     10 // while the proxy is not ready yet
#define IDLE_POLL_MS      1000
#define RECORDER_STOP_US  (10 * US_PER_S) // for its last commit
#define STOP_GRACE_US     (5 * US_PER_S)  // on top of the drain timeout
#define RECORDER_FIRST_US (300 * US_PER_MS)
#define RECORDER_WORD_US  (3 * US_PER_S) // ready is not told earlier, unless it said how it fares
#define PATH_TEXT         96

enum phase { RUNNING, STOP_PROXY, STOP_RECORDER };

struct loop {
    struct supervise *s;
    enum phase phase;
    bool ready_told, recorder_ended;
    pid_t told; // the proxy that ready was told of
    int64_t began_us;
    int code;
    int64_t kill_us;     // when the child that is being stopped is killed
    json_t *proxy_ready; // what the proxy's ready file said last
};

static void signals_of(sigset_t *set)
{
    static const int taken[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP};
    sigemptyset(set);
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++)
        sigaddset(set, taken[i]);
}

void supervise_prepare(void)
{
    sigset_t set;
    signals_of(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

// ---- readiness

static json_t *load_ready(const struct supervise *s, const char *name)
{
    char path[PATH_TEXT];
    snprintf(path, sizeof path, "%s/%s.ready", s->dir, name);
    return ready_load(path);
}

// "0.0.0.0:4143" → "4143"
static void keep_port(struct child *proxy, const json_t *ready, const char *key, const char *option)
{
    const char *address = json_string_value(json_object_get(ready, key));
    const char *colon = address ? strrchr(address, ':') : NULL;
    if (colon && child_set_arg(proxy, option, colon + 1) != 0)
        log_warn("a restart may choose another port option=%s", option);
}

// The same for maps, which may have come from elsewhere than the command line: the n-th stays the
// n-th.
static void keep_maps(struct child *proxy, const json_t *ready)
{
    const json_t *maps = json_object_get(ready, "maps");
    int at = 1, e = 0;
    for (size_t i = 0; i < json_array_size(maps) && !e; i++) {
        const char *text = json_string_value(json_array_get(maps, i));
        if (!text)
            return;
        while (at < proxy->argc && strncmp(proxy->argv[at], "--map=", 6) != 0)
            at++;
        if (at == proxy->argc) {
            e = child_arg(proxy, "--map=%s", text);
        } else {
            char *new = NULL;
            e = asprintf(&new, "--map=%s", text) < 0 ? E_NOMEM : 0;
            if (!e) {
                free(proxy->argv[at]);
                proxy->argv[at] = new;
            }
        }
        at++;
    }
    if (e)
        log_warn("a restart may choose other ports option=map");
}

// Writes our own ready file from what the proxy said, with the pids of this moment.
static void tell_ready(struct loop *l)
{
    struct supervise *s = l->s;
    const json_t *proxy = l->proxy_ready;
    json_t *all = json_object();
    json_object_set(all, "in", json_object_get(proxy, "in"));
    json_object_set(all, "out", json_object_get(proxy, "out"));
    json_object_set(all, "admin", json_object_get(proxy, "admin"));
    if (json_object_get(proxy, "maps"))
        json_object_set(all, "maps", json_object_get(proxy, "maps"));
    json_object_set_new(all, "supervisor", json_integer(getpid()));
    json_object_set_new(all, "proxy", json_integer(s->proxy.pid));
    json_object_set_new(all, "recorder", json_integer(s->recorder.pid));
    json_object_set_new(all, "capture", json_string(s->capture));
    char *text = json_dumps(all, JSON_INDENT(2));
    char why[WHY_MAX];
    if (text && s->ready_file && whole_file_write(s->ready_file, view_of(text), why) != 0)
        log_error("ready file not written error=\"%s\"", why);
    if (!l->ready_told) {
        const char *in = json_string_value(json_object_get(proxy, "in"));
        const char *out = json_string_value(json_object_get(proxy, "out"));
        log_info("ready in=%s out=%s capture=\"%s\"", in ? in : "-", out ? out : "-", s->capture);
    }
    free(text);
    json_decref(all);
    l->ready_told = true;
    l->told = s->proxy.pid;
}

// The children's ready files are removed before each start, so one that is there is of the present
// life.
static void forget_ready(const struct supervise *s, const char *name)
{
    char path[PATH_TEXT];
    snprintf(path, sizeof path, "%s/%s.ready", s->dir, name);
    unlink(path);
}

static void look_for_ready(struct loop *l)
{
    struct child *proxy = &l->s->proxy;
    if (proxy->was_ready || proxy->state != CHILD_UP)
        return;
    json_t *ready = load_ready(l->s, "proxy");
    if (!ready)
        return;
    if (json_integer_value(json_object_get(ready, "pid")) == proxy->pid) {
        proxy->was_ready = true;
        keep_port(proxy, ready, "in", "proxy-in-port");
        keep_port(proxy, ready, "out", "proxy-out-port");
        keep_maps(proxy, ready);
        const char *admin = json_string_value(json_object_get(ready, "admin"));
        if (admin && child_set_arg(proxy, "admin-listen", admin) != 0)
            log_warn("a restart may choose another port option=admin-listen");
        json_decref(l->proxy_ready);
        l->proxy_ready = json_incref(ready);
    }
    json_decref(ready);
}

static bool recorder_is_ready(const struct loop *l)
{
    char path[PATH_TEXT];
    snprintf(path, sizeof path, "%s/recorder.ready", l->s->dir);
    return access(path, F_OK) == 0;
}

// A recorder that refuses its capture does so at once: nobody is to be told that we are ready
// before. One that is slow, or fails for now, holds nobody up for long.
static void ready_may_be_told(struct loop *l)
{
    const struct child *proxy = &l->s->proxy;
    if (!proxy->was_ready || proxy->state != CHILD_UP || l->told == proxy->pid)
        return;
    if (l->ready_told || l->recorder_ended || recorder_is_ready(l) ||
        clock_mono_us() - l->began_us >= RECORDER_WORD_US)
        tell_ready(l);
}

// ---- the children's lives

static void start(struct loop *l, struct child *c)
{
    forget_ready(l->s, c->name);
    c->was_ready = false;
    child_start(c, clock_mono_us());
    if (c == &l->s->recorder && l->ready_told)
        tell_ready(l);
}

static const char *end_text(int status, char *out, size_t n)
{
    if (WIFSIGNALED(status))
        snprintf(out, n, "signal=%d", WTERMSIG(status));
    else
        snprintf(out, n, "code=%d", WEXITSTATUS(status));
    return out;
}

static void stop(struct loop *l, int code)
{
    if (l->phase != RUNNING)
        return;
    l->code = code;
    l->phase = STOP_PROXY;
    l->kill_us = clock_mono_us() + l->s->drain_us + STOP_GRACE_US;
    l->s->recorder.restart_us = 0;
    child_signal(&l->s->proxy, SIGTERM);
}

static void ended(struct loop *l, struct child *c, int status)
{
    char how[32];
    bool was_ready = c->was_ready;
    child_ended(c, status, clock_mono_us());
    l->recorder_ended = l->recorder_ended || c == &l->s->recorder;
    if (l->phase == STOP_PROXY && c == &l->s->recorder && !child_refused(c)) {
        c->restart_us = clock_mono_us() + CHILD_BACKOFF_MIN;
        log_error("%s died while the proxy drains %s", c->name, end_text(status, how, sizeof how));
        return;
    }
    if (l->phase != RUNNING) {
        c->state = CHILD_ENDED;
        if (child_ended_as_asked(c)) {
            // Told when it was killed. What the recorder did not acknowledge the proxy keeps, or
            // has told of.
            if (c->asked == SIGKILL && c == &l->s->proxy)
                l->code = l->code ? l->code : EXIT_FAILED;
        } else {
            log_warn("%s ended badly %s", c->name, end_text(status, how, sizeof how));
            bool lost = c == &l->s->proxy && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_LOST;
            l->code = l->code ? l->code : lost ? EXIT_LOST : EXIT_FAILED;
        }
        return;
    }
    bool never_ready = c == &l->s->proxy && !l->ready_told && !was_ready && WIFEXITED(status);
    bool refused = child_refused(c) && !l->ready_told;
    if (refused || never_ready) {
        c->state = CHILD_ENDED;
        stop(l, refused ? EXIT_USAGE : EXIT_FAILED);
        return;
    }
    log_error("%s died %s restart_in_ms=%lld", c->name, end_text(status, how, sizeof how),
              (long long)(c->restart_us - clock_mono_us()) / US_PER_MS);
}

static void reap(struct loop *l)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == l->s->proxy.pid)
            ended(l, &l->s->proxy, status);
        else if (pid == l->s->recorder.pid)
            ended(l, &l->s->recorder, status);
    }
}

// The proxy's first start waits a little for the recorder, so that it finds it; never long.
static void proxy_may_start(struct loop *l)
{
    struct child *proxy = &l->s->proxy;
    if (proxy->started_us == 0 && recorder_is_ready(l))
        proxy->restart_us = 0;
}

static void restart_due(struct loop *l, struct child *c)
{
    if (c->state == CHILD_WAITING && clock_mono_us() >= c->restart_us)
        start(l, c);
}

// One step of stopping; true when both have ended.
static bool stopped(struct loop *l)
{
    struct supervise *s = l->s;
    if (l->phase == STOP_PROXY && s->proxy.pid == 0) {
        l->phase = STOP_RECORDER;
        l->kill_us = clock_mono_us() + RECORDER_STOP_US;
        child_signal(&s->recorder, SIGTERM);
    }
    if (l->phase == STOP_RECORDER && s->recorder.pid == 0)
        return true;
    if (clock_mono_us() >= l->kill_us) {
        struct child *late = l->phase == STOP_PROXY ? &s->proxy : &s->recorder;
        log_error("%s does not end and is killed pid=%d", late->name, (int)late->pid);
        child_signal(late, SIGKILL);
        l->kill_us = clock_mono_us() + STOP_GRACE_US;
    }
    return false;
}

static void take_signal(struct loop *l, int signo)
{
    struct supervise *s = l->s;
    switch (signo) {
    case SIGCHLD:
        break; // reaped in each turn
    case SIGHUP:
        s->reread(s, s->arg);
        child_signal(&s->recorder, SIGHUP);
        child_signal(&s->proxy, SIGHUP);
        break;
    default:
        if (l->phase == RUNNING)
            log_info("stopping signal=%d", signo);
        else if (l->phase == STOP_PROXY)
            child_signal(&s->proxy, SIGTERM); // its second one: it hurries
        stop(l, 0);
    }
}

static void wait_signal(struct loop *l, int fd)
{
    bool hurry = l->phase != RUNNING || !l->s->proxy.was_ready || !l->ready_told ||
                 l->s->recorder.state != CHILD_UP;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, hurry ? READY_POLL_MS : IDLE_POLL_MS) <= 0)
        return;
    struct signalfd_siginfo info;
    while (read(fd, &info, sizeof info) == (ssize_t)sizeof info)
        take_signal(l, (int)info.ssi_signo);
}

int supervise_run(struct supervise *s)
{
    struct loop l = {.s = s, .began_us = clock_mono_us()};
    sigset_t set;
    signals_of(&set);
    int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (fd < 0) {
        log_error("no signalfd error=\"%s\"", strerror(errno));
        return EXIT_FAILED;
    }
    start(&l, &s->recorder);
    s->proxy.state = CHILD_WAITING;
    s->proxy.restart_us = clock_mono_us() + RECORDER_FIRST_US;
    for (;;) {
        wait_signal(&l, fd);
        reap(&l);
        if (l.phase == RUNNING) {
            proxy_may_start(&l);
            restart_due(&l, &s->recorder);
            restart_due(&l, &s->proxy);
            look_for_ready(&l);
            ready_may_be_told(&l);
        } else if (stopped(&l)) {
            break;
        } else if (l.phase == STOP_PROXY) {
            restart_due(&l, &s->recorder);
        }
    }
    forget_ready(s, "proxy");
    forget_ready(s, "recorder");
    json_decref(l.proxy_ready);
    close(fd);
    return l.code;
}
