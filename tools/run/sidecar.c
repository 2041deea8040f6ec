// sidecar: see sidecar.h.
//
// Each child reads the file, the annotations and the environment itself, so that SIGHUP means the
// same everywhere; only what stood on our command line is handed down, and what ties the three
// together: socket, ready files, ports.
#include "tools/run/sidecar.h"

#include "proto/base/log.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "tools/run/place.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

// The journals can wait, the workload cannot: where they meet on a processor, the recorder steps
// back.
#define RECORDER_NICE 5

const struct sidecar_kind sidecar_proxy = {FOR_RUN, FOR_PROXY, "tapedeck-proxy"};
const struct sidecar_kind sidecar_mock = {FOR_MOCK_RUN, FOR_MOCK, "tapedeck-mock"};

static int companion(const char *name, const char *command, char out[PATH_MAX])
{
    int e = child_companion(name, out);
    if (e)
        fprintf(stderr, "tapedeck %s: %s: %s\n", command, out, strerror(errno));
    return e;
}

int sidecar_hand_down(struct child *c, const struct options *o, unsigned program)
{
    for (const struct option_def *d = settings_table; d->name; d++) {
        if (!(d->programs & program) || !options_has(o, d->name) ||
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
static int private_dir(char out[SUPERVISE_DIR], const struct options *o, const char *command)
{
    char why[WHY_MAX];
    uid_t user = (uid_t)options_number(o, "user");
    int e = place_make(out, SUPERVISE_DIR, "tapedeck", why);
    if (!e && geteuid() == 0 && user != 0 && chown(out, user, user) != 0) {
        snprintf(why, sizeof why, "%s: %s", out, strerror(errno));
        e = E_IO;
    }
    if (e)
        fprintf(stderr, "tapedeck %s: %s\n", command, why);
    return e;
}

static int set_up(struct supervise *s, const struct sidecar_kind *kind, const struct options *o,
                  const char *command)
{
    char recorder[PATH_MAX], proxy[PATH_MAX];
    if (companion("tapedeck-recorder", command, recorder) ||
        companion(kind->program, command, proxy))
        return E_NOTFOUND;
    int e = child_init(&s->recorder, "recorder", recorder);
    e = e ? e : child_init(&s->proxy, "proxy", proxy);
    e = e ? e : sidecar_hand_down(&s->recorder, o, FOR_RECORDER);
    e = e ? e : sidecar_hand_down(&s->proxy, o, kind->proxy);
    e = e ? e : private_dir(s->dir, o, command);
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

void sidecar_take_log_level(const struct options *o)
{
    enum log_level level = LOG_INFO;
    if (log_level_parse(options_text(o, "log-level"), &level) == 0)
        log_set_level(level);
}

// What the children take at SIGHUP is taken here too, where it concerns us. When it cannot be read
// they say so.
static void reread(struct supervise *s, const void *arg)
{
    const struct sidecar *x = arg;
    const struct child *line = &x->line;
    struct options *o = options_new(settings_table, x->kind->options);
    char *argv[CHILD_ARGS_MAX + 1], why[WHY_MAX];
    int rest;
    memcpy(argv, line->argv, sizeof argv);
    if (o && config_load(o, line->argc, argv, environ, &rest, why) == 0) {
        s->drain_us = options_number(o, "drain-timeout");
        sidecar_take_log_level(o);
    }
    options_free(o);
}

int sidecar_init(struct sidecar *x, const struct sidecar_kind *kind, const struct options *o,
                 const char *command)
{
    const char *given = options_text(o, "capture");
    char here[PATH_MAX / 2];
    memset(x, 0, sizeof *x);
    x->kind = kind;
    x->s = (struct supervise){
        .ready_file = options_text(o, "ready-file"),
        .capture = given ? given : "",
        .drain_us = options_number(o, "drain-timeout"),
        .reread = reread,
        .arg = x,
    };
    if (given && given[0] != '/' && getcwd(here, sizeof here) &&
        snprintf(x->capture, sizeof x->capture, "%s/%s", here, given) < (int)sizeof x->capture)
        x->s.capture = x->capture;
    int e = child_init(&x->line, "run", "tapedeck");
    e = e ? e : sidecar_hand_down(&x->line, o, kind->options);
    e = e ? e : set_up(&x->s, kind, o, command);
    if (e == E_LIMIT || e == E_NOMEM)
        fprintf(stderr, "tapedeck %s: the children's command lines: %s\n", command, err_text(e));
    return e;
}

void sidecar_clear(struct sidecar *x)
{
    struct supervise *s = &x->s;
    child_clear(&x->line);
    child_clear(&s->recorder);
    child_clear(&s->proxy);
    if (!s->dir[0])
        return;
    char path[96];
    snprintf(path, sizeof path, "%s/recorder.sock", s->dir);
    unlink(path);
    rmdir(s->dir);
    s->dir[0] = '\0';
}
