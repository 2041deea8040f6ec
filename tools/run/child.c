// child: see child.h. The state machine:
//
//   DOWN --child_start--> UP --child_ended--> WAITING --child_start (at restart_us)--> UP
//                          └── child_ended while stopping --> ENDED (set by the supervisor)
#include "tools/run/child.h"

#include "proto/base/log.h"
#include "proto/settings.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

int child_companion(const char *name, char out[PATH_MAX])
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    char *slash = NULL;
    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
    }
    if (!slash || snprintf(out, PATH_MAX, "%.*s/%s", (int)(slash - self), self, name) >= PATH_MAX) {
        snprintf(out, PATH_MAX, "%s", name);
        errno = ENOENT;
        return E_NOTFOUND;
    }
    return access(out, X_OK) == 0 ? 0 : E_NOTFOUND;
}

int child_arg(struct child *c, const char *format, ...)
{
    if (c->argc == CHILD_ARGS_MAX)
        return E_LIMIT;
    va_list args;
    va_start(args, format);
    char *text = NULL;
    int n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        return E_NOMEM;
    c->argv[c->argc++] = text;
    c->argv[c->argc] = NULL;
    return 0;
}

int child_init(struct child *c, const char *name, const char *path)
{
    memset(c, 0, sizeof *c);
    c->name = name;
    c->backoff_us = CHILD_BACKOFF_MIN;
    return child_arg(c, "%s", path);
}

void child_clear(struct child *c)
{
    for (int i = 0; i < c->argc; i++)
        free(c->argv[i]);
    c->argc = 0;
}

int child_set_arg(struct child *c, const char *name, const char *value)
{
    char *text = NULL;
    if (asprintf(&text, "--%s=%s", name, value) < 0)
        return E_NOMEM;
    size_t key = strlen(name) + 3; // "--" and "="
    for (int i = 1; i < c->argc; i++) {
        if (strncmp(c->argv[i], text, key) == 0) {
            free(c->argv[i]);
            c->argv[i] = text;
            return 0;
        }
    }
    int e = child_arg(c, "%s", text);
    free(text);
    return e;
}

// In the child, between fork and exec: only async-signal-safe calls.
static void become(const struct child *c, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if (c->nice)
        (void)!nice(c->nice);
    prctl(PR_SET_PDEATHSIG, c->orderly ? SIGTERM : SIGKILL);
    if (getppid() != parent)
        _exit(EXIT_FAILED);
    execv(c->argv[0], c->argv);
    static const char failed[] = "tapedeck: cannot execute its companion program\n";
    (void)!write(2, failed, sizeof failed - 1);
    _exit(EXIT_USAGE);
}

void child_start(struct child *c, int64_t now_us)
{
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0) {
        log_error("%s not started error=\"%s\"", c->name, strerror(errno));
        c->state = CHILD_WAITING;
        c->restart_us = now_us + c->backoff_us;
        return;
    }
    if (pid == 0)
        become(c, parent);
    c->pid = pid;
    c->asked = 0;
    c->state = CHILD_UP;
    c->started_us = now_us;
    log_debug("%s started pid=%d", c->name, (int)pid);
}

void child_ended(struct child *c, int status, int64_t now_us)
{
    c->pid = 0;
    c->status = status;
    if (now_us - c->started_us >= CHILD_STEADY)
        c->backoff_us = CHILD_BACKOFF_MIN;
    c->state = CHILD_WAITING;
    c->restart_us = now_us + c->backoff_us;
    if (c->backoff_us < CHILD_BACKOFF_MAX / 2)
        c->backoff_us *= 2;
    else
        c->backoff_us = CHILD_BACKOFF_MAX;
}

bool child_refused(const struct child *c)
{
    return WIFEXITED(c->status) && WEXITSTATUS(c->status) == EXIT_USAGE;
}

bool child_refuses(const struct child *c, const char *flag)
{
    struct child once = *c; // its arguments are the other's
    once.pid = 0;
    if (child_arg(&once, "%s", flag))
        return false;
    child_start(&once, 0);
    if (once.pid > 0)
        while (waitpid(once.pid, &once.status, 0) < 0 && errno == EINTR)
            ;
    free(once.argv[once.argc - 1]);
    return once.pid > 0 && child_refused(&once);
}

void child_signal(struct child *c, int signal)
{
    if (signal == SIGTERM || signal == SIGKILL)
        c->asked = signal;
    if (c->pid > 0)
        kill(c->pid, signal);
}

bool child_ended_as_asked(const struct child *c)
{
    if (!WIFSIGNALED(c->status))
        return WEXITSTATUS(c->status) == 0;
    int how = WTERMSIG(c->status);
    return c->asked && (how == SIGTERM || how == c->asked);
}
