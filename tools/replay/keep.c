// keep: the recorder's life, as tapedeck run leads it: started, restarted when it dies, ended last.
#include "tools/replay/keep.h"

#include "proto/base/log.h"
#include "proto/settings.h"
#include "proxy/capture.h"
#include "tools/cli.h"
#include "tools/run/child.h"
#include "tools/run/new_capture.h"
#include "tools/run/place.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_US  (10 * US_PER_S) // for the recorder to begin
#define FINISH_US (60 * US_PER_S) // for what is still to be written
#define END_US    (30 * US_PER_S) // for the recorder to end
#define SPOOL     "64MiB"
#define PATH_TEXT 128

struct keep {
    struct keep_conf conf;
    struct options *options; // of the proxy's table
    struct proxy_settings settings;
    struct link_identity identity;
    struct utsname host;
    struct stats stats;
    struct capture *capture;
    struct child recorder;
    char folder[64], address[PATH_TEXT], file[PATH_MAX];
    bool finished, ended;
    uint64_t lost;
};

const char *keep_file(const struct keep *k)
{
    return k->file;
}

static int path_in(const struct keep *k, const char *name, char out[PATH_TEXT])
{
    return snprintf(out, PATH_TEXT, "%s/%s", k->folder, name) < PATH_TEXT ? 0 : E_LIMIT;
}

// ---- the recorder

static int recorder_line(struct keep *k)
{
    char program[PATH_MAX], path[PATH_TEXT];
    struct child *c = &k->recorder;
    if (child_companion("tapedeck-recorder", program)) {
        cli_error("%s: %s", program, strerror(errno));
        return CLI_FAILED;
    }
    int e = child_init(c, "recorder", program);
    c->orderly = true;
    e = e ? e : child_arg(c, "--listen=%s", k->address);
    e = e ? e : child_arg(c, "--capture=%s", k->file);
    e = e ? e : path_in(k, "recorder.ready", path);
    e = e ? e : child_arg(c, "--ready-file=%s", path);
    e = e ? e : child_arg(c, "--user=0");
    e = e ? e : child_arg(c, "--log-level=warn");
    e = e ? e : child_arg(c, "--sink=sqlite");
    if (e)
        cli_error("the recorder's command line: %s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

// Whether it is running; reaps it.
static bool is_up(struct keep *k)
{
    int status;
    if (k->recorder.pid > 0 && waitpid(k->recorder.pid, &status, WNOHANG) == k->recorder.pid)
        child_ended(&k->recorder, status, clock_mono_us());
    return k->recorder.pid > 0;
}

static int start_recorder(struct keep *k)
{
    char ready[PATH_TEXT];
    int64_t until = clock_mono_us() + READY_US;
    int code = recorder_line(k);
    if (code || path_in(k, "recorder.ready", ready))
        return CLI_FAILED;
    child_start(&k->recorder, clock_mono_us());
    while (access(ready, F_OK) != 0) {
        if (!is_up(k) || clock_mono_us() > until) {
            cli_error("%s: the recorder did not begin", k->file);
            return CLI_FAILED;
        }
        struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
        nanosleep(&pause, NULL);
    }
    return CLI_OK;
}

// ---- what leads to it

static int set(struct keep *k, const char *name, const char *value, char why[WHY_MAX])
{
    return options_set(k->options, name, view_of(value), OPT_BY_COMMAND, NULL, why);
}

static int make_settings(struct keep *k, char why[WHY_MAX])
{
    char memory[32], body[32];
    snprintf(memory, sizeof memory, "%zu", k->conf.memory);
    snprintf(body, sizeof body, "%llu", (unsigned long long)k->conf.max_body);
    k->options = options_new(settings_table, FOR_PROXY);
    if (!k->options)
        return err_no_memory(why, WHY_MAX);
    int e = set(k, "proxy-type", "forward", why);
    e = e ? e : set(k, "recorder", k->address, why);
    e = e ? e : set(k, "memory", memory, why);
    e = e ? e : set(k, "max-body", body, why);
    e = e ? e : set(k, "redact", k->conf.redact, why);
    e = e ? e : set(k, "spool-size", SPOOL, why);
    e = e ? e : set(k, "on-full", "block", why);
    e = e ? e : set(k, "workers", "1", why);
    e = e ? e : settings_from(k->options, &k->settings, why);
    return e ? e : settings_take_key(&k->settings, why);
}

static int make_capture(struct keep *k)
{
    static const char *const none[] = {NULL};
    char why[WHY_MAX] = "";
    (void)uname(&k->host);
    k->identity = (struct link_identity){
        .software = "tapedeck replay " TAPEDECK_VERSION,
        .host = k->host.nodename,
        .pod = "",
        .namespace_ = "",
        .workload = "",
        .node = "",
        .settings_json = k->conf.settings,
        .labels = none,
    };
    int e = make_settings(k, why);
    if (!e) {
        struct capture_conf conf = {.settings = &k->settings,
                                    .identity = &k->identity,
                                    .base = k->conf.base,
                                    .env = k->conf.env,
                                    .stats = &k->stats};
        k->capture = capture_new(&conf, why);
    }
    if (!k->capture)
        cli_error("%s: %s", k->file, why);
    return k->capture ? CLI_OK : CLI_FAILED;
}

struct keep *keep_new(const struct keep_conf *conf)
{
    struct keep *k = calloc(1, sizeof *k);
    char why[WHY_MAX];
    if (!k) {
        cli_error("out of memory");
        return NULL;
    }
    k->conf = *conf;
    int code = new_capture_make(k->file, conf->file, "replay");
    if (!code && place_make(k->folder, sizeof k->folder, "tapedeck", why)) {
        cli_error("%s", why);
        code = CLI_FAILED;
    }
    if (!code)
        snprintf(k->address, sizeof k->address, "unix:%s/recorder.sock", k->folder);
    code = code ? code : start_recorder(k);
    code = code ? code : make_capture(k);
    if (!code)
        return k;
    keep_free(k);
    return NULL;
}

void keep_tick(struct keep *k)
{
    int64_t now = clock_mono_us();
    capture_tick(k->capture);
    if (k->recorder.pid > 0 && !is_up(k) && !k->ended)
        cli_error("the recorder died, and is started again");
    if (!k->ended && k->recorder.pid == 0 && now >= k->recorder.restart_us)
        child_start(&k->recorder, now);
}

bool keep_is_full(const struct keep *k)
{
    const struct flow_env *env = k->conf.env;
    return env->blocked && env->blocked(env->blocked_arg);
}

// ---- the end

static void on_finished(void *arg)
{
    struct keep *k = arg;
    k->finished = true;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
}

static void end_recorder(struct keep *k)
{
    int64_t until = clock_mono_us() + END_US;
    k->ended = true;
    child_signal(&k->recorder, SIGTERM);
    while (is_up(k)) {
        struct timespec pause = {.tv_nsec = 2 * 1000 * 1000};
        nanosleep(&pause, NULL);
        if (clock_mono_us() > until)
            child_signal(&k->recorder, SIGKILL);
    }
}

uint64_t keep_finish(struct keep *k, bool (*hurry)(void *arg), void *arg)
{
    struct timeval tick = {.tv_usec = 20 * US_PER_MS};
    struct event *e = event_new(k->conf.base, -1, EV_PERSIST, on_tick, k);
    int64_t until = flow_env_touch(k->conf.env) + FINISH_US;
    if (e)
        event_add(e, &tick);
    capture_finish(k->capture, until, on_finished, k);
    while (!k->finished && !hurry(arg) && clock_mono_us() < until + US_PER_S) {
        event_base_loop(k->conf.base, EVLOOP_ONCE);
        flow_env_touch(k->conf.env);
        flow_env_set_wall(k->conf.env, clock_wall_us());
        keep_tick(k);
        flow_env_reap(k->conf.env);
    }
    if (e)
        event_free(e);
    uint64_t lost = capture_free(k->capture);
    k->capture = NULL;
    end_recorder(k);
    return lost;
}

void keep_free(struct keep *k)
{
    char path[PATH_TEXT];
    if (!k)
        return;
    bool begun = k->capture || k->ended;
    if (k->capture)
        (void)capture_free(k->capture);
    if (k->recorder.pid > 0)
        end_recorder(k);
    child_clear(&k->recorder);
    if (!begun)
        new_capture_forget(k->file);
    if (*k->folder) {
        static const char *const names[] = {"recorder.sock", "recorder.ready"};
        for (size_t i = 0; i < 2; i++)
            if (path_in(k, names[i], path) == 0)
                unlink(path);
        rmdir(k->folder);
    }
    options_free(k->options);
    free(k);
}
