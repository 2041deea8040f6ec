// program: see program.h.
#include "tests/support/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_S 20

static void die(const char *what, const char *name)
{
    fprintf(stderr, "program: cannot %s %s: %s\n", what, name, strerror(errno));
    abort();
}

static const char *path_of(const char *name, char out[PATH_MAX])
{
    const char *bin = getenv("TAPEDECK_BIN");
    if (strchr(name, '/'))
        return name;
    snprintf(out, PATH_MAX, "%s/%s", bin && *bin ? bin : "../build/bin", name);
    return out;
}

// So that a script finds the programs by their names.
static void set_path(void)
{
    char path[PATH_MAX], all[2 * PATH_MAX];
    const char *bin = getenv("TAPEDECK_BIN"), *old = getenv("PATH");
    if (!realpath(bin && *bin ? bin : "../build/bin", path))
        return;
    snprintf(all, sizeof all, "%s:%s", path, old ? old : "/usr/bin:/bin");
    setenv("PATH", all, 1);
}

static void become(const char *const *words, const char *const *environment, const int fds[3])
{
    char path[PATH_MAX];
    for (int i = 0; i < 3; i++)
        if (dup2(fds[i], i) < 0)
            _exit(126);
    for (; environment && *environment; environment++) {
        const char *eq = strchr(*environment, '=');
        char name[64];
        snprintf(name, sizeof name, "%.*s", (int)(eq ? eq - *environment : 60), *environment);
        if (eq)
            setenv(name, eq + 1, 1);
        else
            unsetenv(name);
    }
    set_path();
    execv(path_of(words[0], path), (char **)(uintptr_t)words);
    _exit(127);
}

void program_start(struct program *p, const char *const *words, const char *const *environment)
{
    int out[2], err[2], none = open("/dev/null", O_RDONLY | O_CLOEXEC);
    *p = (struct program){.code = -1};
    if (none < 0 || pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        die("make pipes for", words[0]);
    fflush(NULL);
    p->pid = fork();
    if (p->pid < 0)
        die("fork for", words[0]);
    if (p->pid == 0)
        become(words, environment, (const int[]){none, out[1], err[1]});
    close(none);
    close(out[1]);
    close(err[1]);
    p->out_fd = out[0];
    p->err_fd = err[0];
    p->out = calloc(1, 1);
    p->err = calloc(1, 1);
}

// Appends what is there; false at the end.
static bool take(int fd, char **text, size_t *n)
{
    char piece[65536];
    ssize_t r = read(fd, piece, sizeof piece);
    if (r <= 0)
        return r < 0 && errno == EINTR;
    char *more = realloc(*text, *n + (size_t)r + 1);
    if (!more)
        die("keep the output of", "a program");
    memcpy(more + *n, piece, (size_t)r);
    *n += (size_t)r;
    more[*n] = 0;
    *text = more;
    return true;
}

// Reads once from whatever has something; false when both have ended or ms have passed.
static bool listen_once(struct program *p, int ms)
{
    struct pollfd fds[2] = {{.fd = p->out_fd, .events = POLLIN},
                            {.fd = p->err_fd, .events = POLLIN}};
    if ((p->out_fd < 0 && p->err_fd < 0) || poll(fds, 2, ms) <= 0)
        return false;
    if (fds[0].revents && !take(p->out_fd, &p->out, &p->out_n)) {
        close(p->out_fd);
        p->out_fd = -1;
    }
    if (fds[1].revents && !take(p->err_fd, &p->err, &p->err_n)) {
        close(p->err_fd);
        p->err_fd = -1;
    }
    return true;
}

bool program_wait_for(struct program *p, const char *text)
{
    time_t until = time(NULL) + PATIENCE_S;
    while (!memmem(p->out, p->out_n, text, strlen(text))) {
        if (time(NULL) > until || (!listen_once(p, 1000) && p->out_fd < 0))
            return false;
    }
    return true;
}

void program_end(struct program *p, int signal_number)
{
    int status = 0;
    if (signal_number)
        kill(p->pid, signal_number);
    time_t until = time(NULL) + PATIENCE_S;
    while ((p->out_fd >= 0 || p->err_fd >= 0) && time(NULL) < until)
        listen_once(p, 1000);
    if (time(NULL) >= until)
        kill(p->pid, SIGKILL);
    waitpid(p->pid, &status, 0);
    p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
    if (p->out_fd >= 0)
        close(p->out_fd);
    if (p->err_fd >= 0)
        close(p->err_fd);
}

void program_run(struct program *p, const char *const *words, const char *const *environment,
                 struct view input)
{
    FILE *in = tmpfile();
    int out[2], err[2], status = 0;
    *p = (struct program){.code = -1};
    if (!in || (input.n && fwrite(input.p, 1, input.n, in) != input.n) || fflush(in) ||
        pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        die("make pipes for", words[0]);
    rewind(in);
    lseek(fileno(in), 0, SEEK_SET);
    fflush(NULL);
    p->pid = fork();
    if (p->pid < 0)
        die("fork for", words[0]);
    if (p->pid == 0)
        become(words, environment, (const int[]){fileno(in), out[1], err[1]});
    fclose(in);
    close(out[1]);
    close(err[1]);
    p->out_fd = out[0];
    p->err_fd = err[0];
    p->out = calloc(1, 1);
    p->err = calloc(1, 1);
    while (listen_once(p, 1000 * PATIENCE_S * 6)) {
    }
    waitpid(p->pid, &status, 0);
    p->code = WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

void program_clear(struct program *p)
{
    free(p->out);
    free(p->err);
    *p = (struct program){0};
}

bool program_says(const char *text, const char *words)
{
    if (strstr(text, words))
        return true;
    fprintf(stderr, "not found: %s\nin: %.2000s\n", words, text);
    return false;
}

void program_shell(struct program *p, const char *script)
{
    program_run(p, (const char *const[]){"/bin/sh", "-c", script, NULL}, NULL,
                (struct view){NULL, 0});
}
