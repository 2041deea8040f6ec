// beside: see beside.h.
#include "tools/record/beside.h"

#include "proto/base/log.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "tools/cli.h"
#include "tools/env/trust.h"
#include "tools/run/ready.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_TOLD 4096 // bytes at the end of the log that are told

static bool says(const struct child *line, const char *option)
{
    char prefix[64];
    int n = snprintf(prefix, sizeof prefix, "--%s=", option);
    for (int i = 1; i < line->argc; i++)
        if (strncmp(line->argv[i], prefix, (size_t)n) == 0)
            return true;
    return false;
}

int beside_options(struct options **out, const struct sidecar_kind *kind, const struct child *line)
{
    char *argv[CHILD_ARGS_MAX + 1], why[WHY_MAX];
    int rest;
    *out = options_new(settings_table, kind->options);
    if (!*out) {
        cli_error("the sidecar's options: %s", err_text(E_NOMEM));
        return CLI_FAILED;
    }
    memcpy(argv, line->argv, sizeof argv);
    if (config_load(*out, line->argc, argv, environ, &rest, why) == 0)
        return CLI_OK;
    cli_error("%s", why);
    return CLI_USAGE;
}

int beside_init(struct beside *b, const struct sidecar_kind *kind, struct child *line,
                const char *folder, const char *log, const char *command)
{
    int e = 0;
    memset(b, 0, sizeof *b);
    b->folder = folder;
    if (snprintf(b->ready, sizeof b->ready, "%s/ready", folder) >= (int)sizeof b->ready ||
        snprintf(b->log, sizeof b->log, log ? "%s" : "%s/log", log ? log : folder) >=
            (int)sizeof b->log)
        e = E_LIMIT;
    e = e ? e : child_arg(line, "--ready-file=%s", b->ready);
    if (!e && !says(line, "admin-listen"))
        e = child_arg(line, "--admin-listen=off");
    if (!e && !says(line, "spool-dir")) // one of the environment is everybody's
        e = child_arg(line, "--spool-dir=");
    if (!e && !log && !says(line, "log-level")) // a line a connection, that nobody reads
        e = child_arg(line, "--log-level=warn");
    if (e) {
        cli_error("the sidecar's options: %s", err_text(e));
        return CLI_FAILED;
    }
    int code = beside_options(&b->options, kind, line);
    if (code)
        return code;
    if (sidecar_init(&b->sidecar, kind, b->options, command) != 0)
        return CLI_FAILED;
    return child_refuses(&b->sidecar.s.proxy, "--check-options") ? CLI_USAGE : CLI_OK;
}

void beside_clear(struct beside *b)
{
    sidecar_clear(&b->sidecar);
    options_free(b->options);
    b->options = NULL;
    if (*b->ready)
        unlink(b->ready);
}

// In the process that is to be the supervisor.
static void become(struct beside *b, int log, int nothing, const sigset_t *signals, pid_t parent)
{
    setsid();
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    dup2(nothing, STDIN_FILENO);
    dup2(nothing, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    // What the workload was given is not held open by us.
    close_range(STDERR_FILENO + 1, ~0U, 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, signals, NULL);
    supervise_prepare();
    log_init("tapedeck");
    sidecar_take_log_level(b->options);
    int code = getppid() == parent ? supervise_run(&b->sidecar.s) : EXIT_FAILED;
    unlink(b->ready);
    if (getppid() != parent) { // nobody else will
        sidecar_clear(&b->sidecar);
        beside_remove(b->folder);
    }
    _exit(code);
}

int beside_start(struct beside *b, const sigset_t *signals)
{
    pid_t parent = getpid();
    int log = open(b->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log < 0) {
        cli_error("%s: %s", b->log, strerror(errno));
        return CLI_FAILED;
    }
    b->log_from = lseek(log, 0, SEEK_END);
    int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    fflush(NULL);
    b->pid = nothing < 0 ? -1 : fork();
    if (b->pid == 0)
        become(b, log, nothing, signals, parent);
    int code = b->pid > 0 ? CLI_OK : CLI_FAILED;
    if (code) {
        cli_error("the sidecar: %s", strerror(errno));
        b->pid = 0;
    }
    close(log);
    if (nothing >= 0)
        close(nothing);
    return code;
}

bool beside_is_ready(struct beside *b)
{
    json_t *ready = ready_load(b->ready);
    bool ours = json_integer_value(json_object_get(ready, "supervisor")) == b->pid;
    if (ours && !ready_address(ready, "in", &b->in))
        b->in.port = 0;
    ours = ours && ready_address(ready, "out", &b->out);
    json_decref(ready);
    return ours && b->out.port;
}

bool beside_ended(struct beside *b)
{
    if (b->pid > 0 && waitpid(b->pid, &b->status, WNOHANG) == b->pid)
        b->pid = 0;
    return b->pid == 0;
}

void beside_stop(const struct beside *b)
{
    if (b->pid > 0)
        kill(b->pid, SIGTERM);
}

void beside_tell_log(const struct beside *b)
{
    char text[LOG_TOLD + 1];
    int fd = open(b->log, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    off_t end = lseek(fd, 0, SEEK_END), begin = b->log_from > 0 ? b->log_from : 0;
    off_t from = end - begin > LOG_TOLD ? end - LOG_TOLD : begin;
    ssize_t n = pread(fd, text, LOG_TOLD, from);
    close(fd);
    if (n <= 0)
        return;
    text[n] = '\0';
    const char *whole = from > begin ? strchr(text, '\n') : NULL; // not from within a line
    for (const char *line = whole ? whole + 1 : text; *line;) {
        size_t size = strcspn(line, "\n");
        if (!memmem(line, size, " info tapedeck", 14))
            fprintf(stderr, "%.*s\n", (int)size, line);
        line += size + (line[size] == '\n');
    }
}

void beside_remove(const char *folder)
{
    static const char *const names[] = {"log", BESIDE_REPORT};
    char path[PATH_MAX + 8];
    trust_remove(folder);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}
