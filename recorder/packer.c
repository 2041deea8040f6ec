// packer: see packer.h.
//
//   IDLE ──swept──▶ DUE ──something to be packed──▶ AT WORK ──end of the pipe──▶ DUE
//     ▲               │ nothing                        │ E_FULL, E_NOMEM, E_IO
//     └───────────────┴────────────────────────────────┘
//
// 1. What lies in a file (it is damaged, it has another name, what belongs to it stands beside it)
//    is told once, and it is tried again later, and less and less often (retain.h). What lies
//    elsewhere (no room, no memory) is told, and all wait for the next sweep.
// 2. Words come in the order of the files, each at once: it is less than what a pipe keeps
//    together. So the first file without one is what is packed now, or was when the process died.
#include "recorder/packer.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/units.h"
#include "schema/pack.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define NICE       19
#define IO_PROCESS 1         // ioprio_set(2)
#define IO_IDLE    (3 << 13) // its class, when nobody else wants the disk

extern char **environ;

// What came of a file.
struct word {
    int e;
    int64_t was, size, took_us;
    char why[WHY_MAX];
};
_Static_assert(sizeof(struct word) <= PIPE_BUF, "a word is written at once");

struct packer {
    char *program;
    char *files[PACKER_MAX];
    int count, done; // files[done]: the one at work
    pid_t pid;       // 0: nothing is at work
    int words;       // the pipe; -1: none
    bool due;        // something may be to be packed
    bool ends;       // it is to end with what it has done
};

// ---- the process

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int packer_main(int argc, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (argc < 3 || getppid() != (pid_t)strtol(argv[2], NULL, 10))
        return EXIT_FAILURE; // it ended before
    // Where it is not allowed it works on as it is.
    setpriority(PRIO_PROCESS, 0, NICE);
    syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_IDLE);
    for (int i = 3; i < argc; i++) {
        struct word w = {.was = size_of(argv[i])};
        int64_t began = clock_mono_us();
        w.e = pack_sealed(argv[i], NULL, NULL, w.why);
        w.size = size_of(argv[i]);
        w.took_us = clock_mono_us() - began;
        if (write(STDOUT_FILENO, &w, sizeof w) != (ssize_t)sizeof w)
            return EXIT_FAILURE;
    }
    return EXIT_SUCCESS;
}

// ---- the recorder's side

struct packer *packer_new(const char *program)
{
    struct packer *p = calloc(1, sizeof *p);
    char *name = strdup(program);
    if (!p || !name) {
        free(p);
        free(name);
        return NULL;
    }
    p->program = name;
    p->words = -1;
    return p;
}

static void forget(struct packer *p)
{
    if (p->words >= 0)
        close(p->words);
    p->words = -1;
    p->pid = 0;
    while (p->count > 0)
        free(p->files[--p->count]);
    p->done = 0;
    p->ends = false;
}

// Its exit status; -1: somebody else took it.
static int reap(struct packer *p)
{
    int status = -1;
    pid_t pid;
    while ((pid = waitpid(p->pid, &status, 0)) < 0 && errno == EINTR)
        ;
    return pid == p->pid ? status : -1;
}

void packer_stop(struct packer *p)
{
    p->due = false;
    if (p->pid == 0)
        return;
    kill(p->pid, SIGKILL);
    reap(p);
    for (int i = p->done; i < p->count; i++)
        pack_clean(p->files[i]);
    forget(p);
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    packer_stop(p);
    free(p->program);
    free(p);
}

// The writer's thread has all signals blocked; the process does not.
static int spawn(struct packer *p, int out, char **argv)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t how;
    sigset_t none;
    sigemptyset(&none);
    if (posix_spawn_file_actions_init(&files) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&how) != 0) {
        posix_spawn_file_actions_destroy(&files);
        return ENOMEM;
    }
    int error = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    if (error == 0)
        error = posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    if (error == 0)
        error = posix_spawnattr_setsigmask(&how, &none);
    if (error == 0)
        error = posix_spawnattr_setflags(&how, POSIX_SPAWN_SETSIGMASK);
    if (error == 0)
        error = posix_spawn(&p->pid, p->program, &files, &how, argv, environ);
    posix_spawnattr_destroy(&how);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

static void start(struct packer *p)
{
    static char name[] = "tapedeck-recorder", mode[] = PACKER_MODE;
    char parent[24], *argv[PACKER_MAX + 4] = {name, mode, parent};
    int ends[2];
    snprintf(parent, sizeof parent, "%lld", (long long)getpid());
    memcpy(argv + 3, p->files, (size_t)p->count * sizeof *p->files);
    int error = pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
    if (error == 0) {
        p->words = ends[0];
        if (fcntl(p->words, F_SETFL, O_NONBLOCK) != 0)
            error = errno;
        else
            error = spawn(p, ends[1], argv);
        close(ends[1]);
    }
    if (error == 0)
        return;
    log_warn("sealed files cannot be packed now error=\"%s\"", strerror(error));
    p->pid = 0;
    forget(p);
    p->due = false;
}

static void tell(const char *path, const struct word *w)
{
    char size[UNITS_TEXT], was[UNITS_TEXT];
    log_info("sealed file packed file=\"%s\" size=%s was=%s took_ms=%lld", path,
             units_size_text((uint64_t)w->size, size), units_size_text((uint64_t)w->was, was),
             (long long)w->took_us / 1000);
}

// Whether other files would not fare better just now.
static bool is_general(int e)
{
    return e == E_FULL || e == E_NOMEM || e == E_IO;
}

static void take(struct packer *p, struct retain *sealed, const struct word *w, int64_t now_us)
{
    const char *path = p->files[p->done++];
    if (w->e == 0)
        tell(path, w);
    if (w->e == 0 || w->e == E_EXISTS || w->e == E_NOTFOUND) {
        retain_packed(sealed, path);
    } else if (is_general(w->e)) {
        log_warn("sealed file stays as it is reason=\"%s\"", w->why);
        p->ends = true;
    } else if (retain_stays(sealed, path, now_us)) {
        log_warn("sealed file stays as it is reason=\"%s\"", w->why);
    }
}

// It died by itself, or was killed: with the file that it was at.
static void take_death(struct packer *p, struct retain *sealed, int status, int64_t now_us)
{
    struct word w = {.e = E_RESET};
    snprintf(w.why, sizeof w.why, "%.400s: the process that packed it ended, %s %d",
             p->files[p->done], WIFSIGNALED(status) ? "signal" : "exit code",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    pack_clean(p->files[p->done]);
    take(p, sealed, &w, now_us);
}

// What came since the last time.
static void listen_to(struct packer *p, struct retain *sealed, int64_t now_us)
{
    struct word w;
    ssize_t n = 0;
    while (p->done < p->count && !p->ends &&
           (n = read(p->words, &w, sizeof w)) == (ssize_t)sizeof w)
        take(p, sealed, &w, now_us);
    if (p->ends) {
        packer_stop(p);
    } else if (p->done == p->count || n == 0) {
        int status = reap(p);
        if (p->done < p->count)
            take_death(p, sealed, status, now_us);
        forget(p);
    }
}

void packer_tend(struct packer *p, struct retain *sealed, const char *live, int64_t now_us)
{
    if (p->pid != 0)
        listen_to(p, sealed, now_us);
    if (p->pid != 0 || !p->due)
        return;
    p->count = retain_plain(sealed, live, now_us, p->files, PACKER_MAX);
    if (p->count > 0) {
        start(p);
    } else {
        p->due = p->count < 0; // out of memory: at the next time
        p->count = 0;
    }
}

void packer_swept(struct packer *p, struct retain *sealed)
{
    if (p->pid != 0 && p->done < p->count && !retain_has(sealed, p->files[p->done]))
        packer_stop(p);
    p->due = true;
}
