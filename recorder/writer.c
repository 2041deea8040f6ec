// writer: see writer.h.
//
// A batch is one commit, as a rule. When the store refuses a row for what is in it, that record is
// put as it is, and the batch is parted behind it, so that no row is tried more than twice for each
// that is refused. When only the commit fails, halving finds the record. It is parted as well where
// records that refer to content made it large: each part of it copies no more than a batch's bytes,
// and one record's content.
#include "recorder/writer.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "recorder/unpack.h"

#include <assert.h>
#include <errno.h>
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define TELL_EVERY_US (10 * US_PER_S) // a failure that lasts is told so often
#define TEND_EVERY_S  60              // without batches
#define YIELD_EVERY   16              // records: tens of microseconds
#define SLICE_NS      (100 * 1000)    // the shortest that there is

struct writer {
    struct recorder_sink *sink;
    struct unpack *unpack; // for hellos
    int64_t retry_us;
    int fd;
    pthread_t thread;
    bool running;

    pthread_mutex_t lock; // of what follows
    pthread_cond_t wake;
    struct batch *job, *done;
    bool stop, end;
    bool new_retain;
    struct retain_conf retain;
    struct writer_counts counts;

    int64_t told_us; // mono, of the last failure in the log
    bool failing;
    int64_t unread_told_us; // the same of a record that was kept unread
    uint64_t unread_untold; // since then
};

static const char *text_of(const struct writer *w, int e)
{
    return e == E_NOMEM ? err_text(e) : w->sink->ops->why(w->sink);
}

// ---- one commit

// Errors that a row's content explains; all others are the file's or the machine's.
static bool is_refused_row(int e)
{
    return e == E_EXISTS || e == E_RANGE || e == E_LIMIT;
}

// From now on the record is put as it is. Told at most once in a while: a newer proxy may send
// many.
static void keep_unread(struct writer *w, struct batch *b, struct batch_frame *f, const char *why)
{
    int64_t now = clock_mono_us();
    f->keep = true;
    if (w->unread_told_us && now - w->unread_told_us < TELL_EVERY_US) {
        w->unread_untold++;
        return;
    }
    log_warn("record kept unread stream=%lld seq=%llu type=%u(%s) size=%u untold=%llu "
             "reason=\"%s\"",
             (long long)b->streams[f->stream].id, (unsigned long long)f->seq, f->type,
             wire_type_text(f->type), f->n, (unsigned long long)w->unread_untold, why);
    w->unread_told_us = now;
    w->unread_untold = 0;
}

static int put_frame(struct writer *w, struct batch *b, struct batch_frame *f)
{
    const struct recorder_sink_ops *ops = w->sink->ops;
    const struct view payload = batch_payload(b, f->at, f->n);
    const int64_t stream = b->streams[f->stream].id;
    if (!f->keep) {
        int e = ops->put(w->sink, stream, f->seq, f->type, payload);
        if (e != E_SYNTAX)
            return e;
        keep_unread(w, b, f,
                    f->type == 0 || f->type >= WIRE_TYPES
                        ? "its type is not known here"
                        : "its payload is not what its type says");
    }
    return ops->keep(w->sink, stream, f->seq, f->type, payload);
}

static int put_progress(struct writer *w, struct batch *b, bool last)
{
    const struct recorder_sink_ops *ops = w->sink->ops;
    int e = 0;
    for (size_t i = 0; i < b->streams_count && !e; i++) {
        struct batch_stream *s = &b->streams[i];
        bool ends = last && s->ended;
        if (s->upto || ends)
            e = ops->progress(w->sink, s->id, ends ? s->last_seq : s->upto,
                              ends ? clock_wall_us() : 0);
    }
    return e;
}

// Commits frames from .. *to - 1, or fewer. *at: the frame that failed, or *to.
static int commit_range(struct writer *w, struct batch *b, size_t from, size_t *to, size_t *at)
{
    const struct recorder_sink_ops *ops = w->sink->ops;
    for (size_t i = 0; i < b->streams_count; i++)
        b->streams[i].upto = 0;
    *at = *to;
    int e = ops->begin(w->sink);
    if (e)
        return e;
    const bool behind = batch_is_full(b);
    size_t i = from;
    for (; i < *to; i++) {
        // A batch takes its time, and those that it records may wait for this very processor.
        if (!behind && i % YIELD_EVERY == 0)
            sched_yield();
        e = put_frame(w, b, &b->frames[i]);
        b->streams[b->frames[i].stream].upto = b->frames[i].seq;
        if (e)
            break;
        if (ops->copied(w->sink) >= (int64_t)b->bytes_max)
            *to = i + 1;
    }
    *at = i;
    if (!e)
        e = put_progress(w, b, *to == b->count);
    if (!e)
        e = ops->commit(w->sink);
    if (e)
        ops->rollback(w->sink);
    else
        b->done = *to;
    return e;
}

// Commits all that is not done, with rows that are refused put as they are.
static int store_frames(struct writer *w, struct batch *b)
{
    size_t to = b->count, at;
    for (;;) {
        const size_t from = b->done;
        int e = commit_range(w, b, from, &to, &at);
        if (e == 0 && to == b->count)
            return 0;
        if (e && (!is_refused_row(e) || from == to))
            return e;
        if (e == 0) {
            to = b->count;
        } else if (at == to && to - from > 1) {
            to = from + (to - from) / 2;
        } else {
            if (at == to)
                at = from;
            if (b->frames[at].keep)
                return e;
            keep_unread(w, b, &b->frames[at], text_of(w, e));
            to = at + 1;
        }
    }
}

static int answer_hello(struct writer *w, struct batch *b, struct batch_hello *h)
{
    struct unpack_hello hello;
    int e = unpack_hello(w->unpack, batch_payload(b, h->at, h->n), &hello);
    if (!e)
        e = w->sink->ops->stream(w->sink, &hello.stream, hello.first_seq, &h->id, &h->last_seq);
    h->error = e;
    return e == E_SYNTAX || is_refused_row(e) ? 0 : e;
}

int writer_commit(struct writer *w, struct batch *b)
{
    int e = 0;
    const bool ends = b->streams_count > 0 && b->count == 0; // byes alone
    if (b->done < b->count || ends)
        e = store_frames(w, b);
    for (size_t i = 0; i < b->hellos_count && !e; i++)
        e = answer_hello(w, b, &b->hellos[i]);
    if (e == 0)
        b->file = w->sink->ops->file(w->sink);
    return e;
}

// ---- the thread

static void tell_failure(struct writer *w, const struct batch *b, int e)
{
    int64_t now = clock_mono_us();
    if (w->failing && now - w->told_us < TELL_EVERY_US)
        return;
    w->failing = true;
    w->told_us = now;
    log_error("CANNOT STORE, nothing is acknowledged, trying again records=%zu reason=\"%s\"",
              b->count - b->done, text_of(w, e));
}

static void tell_recovery(struct writer *w)
{
    if (w->failing)
        log_info("storing again");
    w->failing = false;
}

static struct timespec from_now(int64_t us)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    us += t.tv_nsec / 1000;
    t.tv_sec += us / US_PER_S;
    t.tv_nsec = us % US_PER_S * 1000;
    return t;
}

// Waits before the next try; false: told to stop.
static bool wait_for_retry(struct writer *w)
{
    struct timespec until = from_now(w->retry_us);
    pthread_mutex_lock(&w->lock);
    w->counts.failures++;
    while (!w->stop && pthread_cond_timedwait(&w->wake, &w->lock, &until) != ETIMEDOUT)
        ;
    bool stop = w->stop;
    pthread_mutex_unlock(&w->lock);
    return !stop;
}

static void work(struct writer *w, struct batch *b)
{
    int64_t began = clock_mono_us();
    for (;;) {
        b->error = writer_commit(w, b);
        if (b->error == 0)
            break;
        if (b->error == E_NOTFOUND) {
            log_error("CANNOT STORE, ending, for a new one to begin records=%zu reason=\"%s\"",
                      b->count - b->done, text_of(w, b->error));
            break;
        }
        tell_failure(w, b, b->error);
        if (!wait_for_retry(w))
            break;
    }
    if (b->error == 0)
        tell_recovery(w);
    uint64_t kept = 0;
    for (size_t i = 0; i < b->done; i++)
        kept += b->frames[i].keep;
    pthread_mutex_lock(&w->lock);
    w->counts.batches++;
    w->counts.records += b->done;
    w->counts.bytes += b->used;
    w->counts.kept += kept;
    w->counts.busy_us += clock_mono_us() - began;
    pthread_mutex_unlock(&w->lock);
}

static void give_back(struct writer *w, struct batch *b)
{
    const uint64_t one = 1;
    pthread_mutex_lock(&w->lock);
    w->job = NULL;
    w->done = b;
    pthread_mutex_unlock(&w->lock);
    while (write(w->fd, &one, sizeof one) < 0 && errno == EINTR)
        ;
}

static void tend(struct writer *w)
{
    struct retain_conf retain;
    pthread_mutex_lock(&w->lock);
    bool changed = w->new_retain;
    w->new_retain = false;
    retain = w->retain;
    pthread_mutex_unlock(&w->lock);
    if (changed)
        w->sink->ops->set_retain(w->sink, &retain);
    w->sink->ops->tend(w->sink, clock_wall_us());
}

// The next batch, NULL when it is time to tend. *end: told to end.
static struct batch *next_job(struct writer *w, bool *end)
{
    struct timespec until = from_now(TEND_EVERY_S * US_PER_S);
    pthread_mutex_lock(&w->lock);
    while (!w->job && !w->end && !w->new_retain)
        if (pthread_cond_timedwait(&w->wake, &w->lock, &until) == ETIMEDOUT)
            break;
    struct batch *job = w->job;
    *end = w->end && !job;
    pthread_mutex_unlock(&w->lock);
    return job;
}

// Who yields gives up the rest of a slice. With a short one that is little, and the writer has its
// share however often it does so. Linux 6.12; older ones look away.
static void take_short_slices(void)
{
    const struct {
        uint32_t size, policy;
        uint64_t flags;
        int32_t nice;
        uint32_t priority;
        uint64_t slice_ns, deadline, period;
    } attr = {.size = sizeof attr,
              .flags = SCHED_FLAG_KEEP_POLICY,
              .nice = getpriority(PRIO_PROCESS, 0),
              .slice_ns = SLICE_NS};
    (void)syscall(SYS_sched_setattr, 0, &attr, 0);
}

static void *run(void *arg)
{
    struct writer *w = arg;
    bool end = false;
    take_short_slices();
    tend(w);
    for (;;) {
        struct batch *b = next_job(w, &end);
        if (end)
            return NULL;
        if (b) {
            work(w, b);
            give_back(w, b);
        }
        tend(w);
    }
}

// ---- the owner's side

struct writer *writer_new(struct recorder_sink *sink, int64_t retry_us)
{
    struct writer *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->sink = sink;
    w->retry_us = retry_us;
    w->unpack = unpack_new();
    w->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    if (w->unpack && w->fd >= 0)
        return w;
    writer_free(w);
    return NULL;
}

int writer_start(struct writer *w)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&w->thread, NULL, run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    w->running = !failed;
    return failed ? E_NOMEM : 0;
}

static void set_flags(struct writer *w, bool end)
{
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    w->end = w->end || end;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void writer_stop(struct writer *w)
{
    set_flags(w, false);
}

void writer_free(struct writer *w)
{
    if (!w)
        return;
    if (w->running) {
        set_flags(w, true);
        pthread_join(w->thread, NULL);
    }
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    if (w->fd >= 0)
        close(w->fd);
    unpack_free(w->unpack);
    free(w);
}

int writer_fd(const struct writer *w)
{
    return w->fd;
}

void writer_submit(struct writer *w, struct batch *b)
{
    pthread_mutex_lock(&w->lock);
    assert(!w->job && !w->done);
    w->job = b;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

struct batch *writer_take(struct writer *w)
{
    uint64_t count;
    while (read(w->fd, &count, sizeof count) < 0 && errno == EINTR)
        ;
    pthread_mutex_lock(&w->lock);
    struct batch *b = w->done;
    w->done = NULL;
    pthread_mutex_unlock(&w->lock);
    return b;
}

void writer_set_retain(struct writer *w, const struct retain_conf *retain)
{
    pthread_mutex_lock(&w->lock);
    w->retain = *retain;
    w->new_retain = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

void writer_get_counts(struct writer *w, struct writer_counts *out)
{
    pthread_mutex_lock(&w->lock);
    *out = w->counts;
    pthread_mutex_unlock(&w->lock);
}
