// workload: see workload.h. That it could not be executed comes back through a pipe that a
// successful exec closes.
#include "tools/record/workload.h"

#include "tools/cli.h"
#include "tools/which.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const int taken_signals[] = {SIGCHLD, SIGINT,  SIGTERM, SIGHUP,
                                    SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

void workload_prepare(struct workload_state *was, sigset_t *taken)
{
    struct sigaction ignore = {.sa_handler = SIG_IGN}, normal = {.sa_handler = SIG_DFL};
    struct sigaction given;
    sigemptyset(taken);
    sigemptyset(&was->ignored);
    for (size_t i = 0; i < sizeof taken_signals / sizeof *taken_signals; i++) {
        sigaddset(taken, taken_signals[i]);
        // What is blocked comes to us even so.
        if (sigaction(taken_signals[i], NULL, &given) == 0 && given.sa_handler == SIG_IGN)
            sigaddset(&was->ignored, taken_signals[i]);
    }
    sigprocmask(SIG_BLOCK, taken, &was->mask);
    sigaction(SIGPIPE, &ignore, &was->pipe);
    sigaction(SIGCHLD, &normal, &was->child); // ignored, it would take the exit code with it
}

static int tell(const char *name, int errnum)
{
    bool missing = errnum == ENOENT || errnum == ENOTDIR;
    cli_error("%s: %s", name,
              errnum == ENOENT && !strchr(name, '/') ? "command not found" : strerror(errnum));
    return missing ? WORKLOAD_MISSING : WORKLOAD_CANNOT;
}

// 0, or why one file cannot be executed.
static int judge(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return errno;
    if (S_ISDIR(st.st_mode))
        return EISDIR;
    return access(path, X_OK) == 0 ? 0 : errno;
}

int workload_find(const char *name, char file[PATH_MAX])
{
    if (!*name)
        return tell("''", ENOENT);
    if (strchr(name, '/')) {
        bool fits = snprintf(file, PATH_MAX, "%s", name) < PATH_MAX;
        int bad = fits ? judge(name) : ENAMETOOLONG;
        return bad ? tell(name, bad) : 0;
    }
    struct which w;
    int worst = ENOENT, bad;
    which_begin(&w);
    while (which_next(&w, name, file)) {
        if ((bad = judge(file)) == 0)
            return 0;
        if (bad == EACCES)
            worst = bad;
    }
    return tell(name, worst);
}

// In the child.
static void become(char **argv, const struct vars *v, const struct workload_state *was, int told)
{
    int bad = ENOMEM;
    sigaction(SIGPIPE, &was->pipe, NULL);
    sigaction(SIGCHLD, &was->child, NULL);
    if (vars_set(v) == 0) {
        sigprocmask(SIG_SETMASK, &was->mask, NULL);
        execvp(argv[0], argv);
        bad = errno;
    }
    (void)!write(told, &bad, sizeof bad);
    _exit(WORKLOAD_MISSING);
}

int workload_start(char **argv, const struct vars *v, const struct workload_state *was, pid_t *pid)
{
    int told[2] = {-1, -1}, bad = 0;
    fflush(NULL);
    if (pipe2(told, O_CLOEXEC) != 0 || (*pid = fork()) < 0) {
        cli_error("%s: %s", argv[0], strerror(errno));
        for (int i = 0; i < 2 && told[i] >= 0; i++)
            close(told[i]);
        *pid = 0;
        return WORKLOAD_FAILED;
    }
    if (*pid == 0)
        become(argv, v, was, told[1]);
    close(told[1]);
    ssize_t n;
    do
        n = read(told[0], &bad, sizeof bad);
    while (n < 0 && errno == EINTR);
    close(told[0]);
    if (n != (ssize_t)sizeof bad)
        return 0;
    waitpid(*pid, NULL, 0);
    *pid = 0;
    // The file is there: what is missing is what it names in its first line.
    if (bad == ENOENT) {
        cli_error("%s: its interpreter is not there", argv[0]);
        return WORKLOAD_CANNOT;
    }
    return tell(argv[0], bad);
}

bool workload_forwards(int signal, int code)
{
    return signal != SIGCHLD && code != SI_KERNEL;
}

int workload_code(int status)
{
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
