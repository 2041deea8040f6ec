// packer: see packer.h.
//
//   waiting[] ──next──▶ now ──pack_file()──▶ packed │ gone │ refused │ cannot be done now
//
// 1. What lies in the file (it is damaged, it has another name) is told once, and it is not tried
//    again while it is as it was. What lies elsewhere (no room, no memory) is told, and everything
//    waits for the next list.
// 2. The lock is taken for a moment; `stop` is looked at once a group.
#include "recorder/packer.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/units.h"
#include "schema/pack.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NICE       19
#define IO_PROCESS 1         // ioprio_set(2): of one thread
#define IO_IDLE    (3 << 13) // its class, when nobody else wants the disk

struct refused {
    dev_t device;
    ino_t inode;
    struct timespec changed;
};

struct packer {
    pthread_t thread;
    bool running;
    atomic_bool stop; // what is being packed

    pthread_mutex_t lock; // of what follows
    pthread_cond_t wake;
    bool end;
    char *waiting[PACKER_MAX];
    int count;
    unsigned lists; // that were given
    char *now;

    struct refused refused[PACKER_REFUSED]; // the thread's
    unsigned refusals;
};

static int progress(void *arg, int permille)
{
    struct packer *p = arg;
    (void)permille;
    return atomic_load_explicit(&p->stop, memory_order_relaxed);
}

// ---- the thread

static bool same(const struct refused *r, const struct stat *st)
{
    return r->inode == st->st_ino && r->device == st->st_dev &&
           r->changed.tv_sec == st->st_ctim.tv_sec && r->changed.tv_nsec == st->st_ctim.tv_nsec;
}

static bool was_refused(const struct packer *p, const struct stat *st)
{
    for (size_t i = 0; i < PACKER_REFUSED; i++)
        if (same(&p->refused[i], st))
            return true;
    return false;
}

// Whether other files would not fare better just now.
static bool is_general(int e)
{
    return e == E_FULL || e == E_NOMEM || e == E_IO;
}

static void tell(const char *path, const struct stat *before, int64_t began_us)
{
    struct stat st;
    char size[UNITS_TEXT], was[UNITS_TEXT];
    if (stat(path, &st) == 0)
        log_info("sealed file packed file=\"%s\" size=%s was=%s took_ms=%lld", path,
                 units_size_text((uint64_t)st.st_size, size),
                 units_size_text((uint64_t)before->st_size, was),
                 (long long)(clock_mono_us() - began_us) / 1000);
}

// false: the others are to wait.
static bool pack(struct packer *p, const char *path)
{
    char why[WHY_MAX];
    struct stat st;
    int64_t began = clock_mono_us();
    if (stat(path, &st) != 0 || was_refused(p, &st))
        return true;
    int e = pack_file(path, NULL, progress, p, why);
    if (e == 0)
        tell(path, &st, began);
    if (e == 0 || e == E_AGAIN || e == E_NOTFOUND || e == E_EXISTS)
        return true;
    log_warn("sealed file stays as it is reason=\"%s\"", why);
    if (is_general(e))
        return false;
    p->refused[p->refusals++ % PACKER_REFUSED] = (struct refused){st.st_dev, st.st_ino, st.st_ctim};
    return true;
}

static void forget(struct packer *p)
{
    while (p->count > 0)
        free(p->waiting[--p->count]);
}

static char *next(struct packer *p, unsigned *list)
{
    pthread_mutex_lock(&p->lock);
    while (!p->end && p->count == 0)
        pthread_cond_wait(&p->wake, &p->lock);
    char *path = p->end ? NULL : p->waiting[0];
    if (path)
        memmove(p->waiting, p->waiting + 1, (size_t)--p->count * sizeof *p->waiting);
    p->now = path;
    *list = p->lists;
    atomic_store(&p->stop, p->end);
    pthread_mutex_unlock(&p->lock);
    return path;
}

static void *run(void *arg)
{
    struct packer *p = arg;
    // Where it is not allowed it works on as it is.
    setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), NICE);
    syscall(SYS_ioprio_set, IO_PROCESS, 0, IO_IDLE);
    unsigned list;
    for (char *path; (path = next(p, &list)) != NULL;) {
        bool goes_on = pack(p, path);
        pthread_mutex_lock(&p->lock);
        p->now = NULL;
        if (!goes_on && list == p->lists)
            forget(p);
        pthread_mutex_unlock(&p->lock);
        free(path);
    }
    return NULL;
}

// ---- the owner's side

struct packer *packer_new(void)
{
    struct packer *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    return p;
}

static void start(struct packer *p)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    p->running = pthread_create(&p->thread, NULL, run, p) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void packer_give(struct packer *p, char **paths, int n)
{
    pthread_mutex_lock(&p->lock);
    bool goes_on = !p->now;
    forget(p);
    p->lists++;
    for (int i = 0; i < n; i++) {
        if (p->now && strcmp(p->now, paths[i]) == 0) {
            goes_on = true;
            free(paths[i]);
        } else {
            p->waiting[p->count++] = paths[i];
        }
    }
    if (!goes_on)
        atomic_store(&p->stop, true);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (n > 0 && !p->running)
        start(p);
}

void packer_free(struct packer *p)
{
    if (!p)
        return;
    pthread_mutex_lock(&p->lock);
    p->end = true;
    atomic_store(&p->stop, true);
    pthread_cond_signal(&p->wake);
    pthread_mutex_unlock(&p->lock);
    if (p->running)
        pthread_join(p->thread, NULL);
    forget(p);
    pthread_cond_destroy(&p->wake);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
