// run: `tapedeck run`: the sidecar: a recorder and a proxy as supervised children, which meet at a
// private socket.
//
// Each child reads the file, the annotations and the environment itself, so that SIGHUP means the
// same everywhere; only what stood on our command line is handed down, and what ties the three
// together: socket, ready files, ports.
#include "proto/base/log.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "tools/cli.h"
#include "tools/run/supervise.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

// The journals can wait, the workload cannot: where they meet on a processor, the recorder steps
// back.
#define RECORDER_NICE 5

#define READY_MAX 65536 // bytes of a ready file

// DIR/NAME, where DIR is the folder of the running program. 0 or E_NOTFOUND.
static int companion(const char *name, char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;
    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
    }
    if (!slash || snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name) >= PATH_MAX)
        return E_NOTFOUND;
    if (access(out, X_OK) != 0) {
        fprintf(stderr, "tapedeck run: %s: %s\n", out, strerror(errno));
        return E_NOTFOUND;
    }
    return 0;
}

// The options that the command line gave and that the child takes.
static int hand_down(struct child *c, const struct options *o, unsigned program)
{
    for (const struct option_def *d = settings_table; d->name; d++) {
        if (!(d->programs & program) || !(d->programs & FOR_RUN) ||
            options_source(o, d->name) != OPT_BY_COMMAND)
            continue;
        size_t n = d->flags & OPT_REPEATS ? options_count(o, d->name) : 1;
        for (size_t i = 0; i < n; i++) {
            const char *value =
                d->flags & OPT_REPEATS ? options_nth(o, d->name, i) : options_text(o, d->name);
            // An option that was emptied has no text.
            int e = child_arg(c, "--%s=%s", d->name, value ? value : "");
            if (e)
                return e;
        }
    }
    return 0;
}

// A folder that only the proxy's user (after it dropped root's rights) and we may enter.
static int private_dir(char out[64], const struct options *o)
{
    const char *tmp = getenv("XDG_RUNTIME_DIR");
    if (!tmp || strlen(tmp) > 30 || access(tmp, W_OK) != 0)
        tmp = "/tmp";
    snprintf(out, 64, "%s/tapedeck-XXXXXX", tmp);
    if (!mkdtemp(out)) {
        fprintf(stderr, "tapedeck run: no folder %s: %s\n", out, strerror(errno));
        return E_IO;
    }
    uid_t user = (uid_t)options_number(o, "user");
    if (geteuid() == 0 && user != 0 && chown(out, user, user) != 0) {
        fprintf(stderr, "tapedeck run: %s: %s\n", out, strerror(errno));
        return E_IO;
    }
    return 0;
}

static int set_up(struct supervise *s, const struct options *o)
{
    char recorder[PATH_MAX], proxy[PATH_MAX];
    if (companion("tapedeck-recorder", recorder) || companion("tapedeck-proxy", proxy))
        return E_NOTFOUND;
    int e = child_init(&s->recorder, "recorder", recorder);
    e = e ? e : child_init(&s->proxy, "proxy", proxy);
    e = e ? e : hand_down(&s->recorder, o, FOR_RECORDER);
    e = e ? e : hand_down(&s->proxy, o, FOR_PROXY);
    e = e ? e : private_dir(s->dir, o);
    s->recorder.nice = RECORDER_NICE;
    char text[96];
    snprintf(text, sizeof text, "unix:%s/recorder.sock", s->dir);
    e = e ? e : child_set_arg(&s->recorder, "listen", text);
    e = e ? e : child_set_arg(&s->proxy, "recorder", text);
    snprintf(text, sizeof text, "%s/recorder.ready", s->dir);
    e = e ? e : child_set_arg(&s->recorder, "ready-file", text);
    snprintf(text, sizeof text, "%s/proxy.ready", s->dir);
    e = e ? e : child_set_arg(&s->proxy, "ready-file", text);
    return e;
}

static void tear_down(struct supervise *s)
{
    child_clear(&s->recorder);
    child_clear(&s->proxy);
    if (!s->dir[0])
        return;
    char path[96];
    snprintf(path, sizeof path, "%s/recorder.sock", s->dir);
    unlink(path);
    rmdir(s->dir);
}

static void take_log_level(const struct options *o)
{
    enum log_level level = LOG_INFO;
    if (log_level_parse(options_text(o, "log-level"), &level) == 0)
        log_set_level(level);
}

// What the children take at SIGHUP is taken here too, where it concerns us. When it cannot be read
// they say so.
static void reread(struct supervise *s, const void *arg)
{
    const struct child *line = arg;
    struct options *o = options_new(settings_table, FOR_RUN);
    char *argv[CHILD_ARGS_MAX + 1], why[WHY_MAX];
    int rest;
    memcpy(argv, line->argv, sizeof argv);
    if (o && config_load(o, line->argc, argv, environ, &rest, why) == 0) {
        s->drain_us = options_number(o, "drain-timeout");
        take_log_level(o);
    }
    options_free(o);
}

// Removes a ready file of an earlier life, which must not be taken for ours, or ours; nothing else.
static void forget_ready_file(const char *path)
{
    struct stat st;
    if (!path || lstat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > READY_MAX)
        return;
    json_t *all = json_load_file(path, 0, NULL);
    if (json_is_integer(json_object_get(all, "supervisor")))
        unlink(path);
    json_decref(all);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)c;
    if (argc > 0) {
        fprintf(stderr, "tapedeck run: takes options only, not '%s'\n", argv[0]);
        return CLI_USAGE;
    }
    if (options_flag(o, "dump-options"))
        return options_dump(o, stdout) ? CLI_FAILED : CLI_OK;
    log_init("tapedeck");
    take_log_level(o);

    char capture[PATH_MAX];
    const char *given = options_text(o, "capture");
    struct supervise s = {
        .ready_file = options_text(o, "ready-file"),
        .capture = given,
        .drain_us = options_number(o, "drain-timeout"),
        .reread = reread,
    };
    struct child line; // as it was given
    char here[PATH_MAX / 2];
    if (given[0] != '/' && getcwd(here, sizeof here) &&
        snprintf(capture, sizeof capture, "%s/%s", here, given) < (int)sizeof capture)
        s.capture = capture;
    forget_ready_file(s.ready_file);
    supervise_prepare();
    int code = CLI_FAILED;
    int e = child_init(&line, "run", "tapedeck");
    e = e ? e : hand_down(&line, o, FOR_RUN);
    e = e ? e : set_up(&s, o);
    s.arg = &line;
    if (e == 0) // the recorder must not make a capture when the proxy will not have it so
        code = child_refuses(&s.proxy, "--check-options") ? CLI_USAGE : supervise_run(&s);
    else if (e == E_LIMIT || e == E_NOMEM)
        fprintf(stderr, "tapedeck run: the children's command lines: %s\n", err_text(e));
    forget_ready_file(s.ready_file);
    tear_down(&s);
    child_clear(&line);
    return code;
}

const struct command command_run = {
    .name = "run",
    .sentence = "run the sidecar: a proxy that records into a capture",
    .operands = "",
    .example = "tapedeck run --proxy-type dual --proxy-protocol tcp:http --proxy-port 8080\n"
               "tapedeck run --proxy-type forward --proxy-protocol socks --capture day.db",
    .text = "Exit code 0: it ended as told, and every record is in the capture or waits in "
            "--spool-dir; what became no record, with the journal full, say, the capture declares "
            "as lost (tapedeck verify). 1: it failed. 2: an option is wrong, or the capture's path "
            "cannot be one. 3: it ended as told, but records are lost: the recorder did not take "
            "them, and without --spool-dir nobody keeps them.",
    .options = settings_table,
    .program = FOR_RUN,
    .configured = true,
    .run = run,
};
