// journal_file: open, lock, recover, remove.
//
//   PATH absent ────────────────────────────────→ made, new stream
//        there, locked by another ──────────────→ E_BUSY
//        there, unfinished (no magic) ──────────→ made anew, new stream
//        there, header and every frame sound ───→ taken over; resized when it holds no frame
//        there, anything else ──────────────────→ renamed to PATH.damaged (or .damaged.2 …),
//                                                new stream
//
// The lock belongs to the open file, so a second open in this process is refused as well. Between
// open and lock another process may have removed or renamed the file: then it is tried again.
#include "proxy/emit/journal_file.h"

#include "proto/base/fnv.h"
#include "proto/digest.h"
#include "proto/wire.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define TRIES       8    // to open the file that is at PATH when the lock is ours
#define DAMAGED_MAX 1000 // files set aside at one PATH

static const char magic[8] = "TAPERING";

static uint64_t header_check(const struct journal_header *h)
{
    const unsigned char *p = (const unsigned char *)&h->version;
    const unsigned char *end = (const unsigned char *)&h->check;
    return fnv_more(FNV_START, p, (size_t)(end - p));
}

static int fail(char why[WHY_MAX], const char *path, const char *what, int e)
{
    snprintf(why, WHY_MAX, "journal %s: %s: %s", path ? path : "(memory)", what,
             e == E_IO     ? strerror(errno)
             : e == E_FULL ? err_full_text(errno)
                           : err_text(e));
    return e;
}

static int map(struct journal_file *f, uint64_t size)
{
    int flags = f->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    unsigned char *p = MAP_FAILED;

    if (size <= SIZE_MAX - JOURNAL_PAGE)
        p = mmap(NULL, JOURNAL_PAGE + size, PROT_READ | PROT_WRITE, flags, f->fd, 0);
    if (p == MAP_FAILED)
        return E_NOMEM;
    f->header = (struct journal_header *)(void *)p;
    f->ring = p + JOURNAL_PAGE;
    f->mapped = size;
    return 0;
}

static void unmap(struct journal_file *f)
{
    if (f->header)
        munmap(f->header, JOURNAL_PAGE + f->mapped);
    f->header = NULL;
    f->ring = NULL;
}

// All blocks now, so that a full disk is an error here and no signal later.
static int allocate(struct journal_file *f, uint64_t size)
{
    int e;

    do
        e = posix_fallocate(f->fd, 0, (off_t)(JOURNAL_PAGE + size));
    while (e == EINTR);
    if (!e && ftruncate(f->fd, (off_t)(JOURNAL_PAGE + size)) != 0)
        e = errno;
    if (!e)
        return 0;
    errno = e;
    return e == ENOSPC || e == EDQUOT || e == EFBIG ? E_FULL : E_IO;
}

// A new stream in a file (or in memory) of the asked size.
static int begin(struct journal_file *f, uint64_t size, int64_t now_us, char why[WHY_MAX])
{
    int e = f->fd < 0 ? 0 : allocate(f, size);
    if (e < 0)
        return fail(why, f->path, "cannot allocate its blocks", e);
    e = map(f, size);
    if (e < 0)
        return fail(why, f->path, "cannot map it", e);
    struct journal_header *h = f->header;
    memset(h, 0, sizeof *h);
    h->version = JOURNAL_VERSION;
    h->header_size = sizeof *h;
    digest_random(h->stream, sizeof h->stream);
    h->started_us = now_us;
    h->check = header_check(h);
    h->size = size;
    h->next_seq = 1;
    __atomic_signal_fence(__ATOMIC_RELEASE);
    memcpy(h->magic, magic, sizeof magic);
    f->first_seq = f->next_seq = 1;
    f->pad_at = f->pad_n = 0;
    f->recovered = false;
    return 0;
}

// Every frame from tail to head: kind, length, consecutive numbers. NULL: sound.
static const char *check_frames(struct journal_file *f)
{
    struct journal_header *h = f->header;
    uint64_t at = h->tail, seq = 0;

    f->pad_at = f->pad_n = 0;
    if (h->head - h->tail > h->size)
        return "its offsets contradict each other";
    while (at < h->head) {
        uint64_t lap = at % h->size, rest = h->size - lap;
        struct wire_frame frame;
        size_t used = 0;

        if (at + rest < h->head && (rest < WIRE_HEADER || !f->ring[lap + 4])) { // kind 0: a pad
            if (f->pad_n)
                return "it has two pads";
            f->pad_at = at;
            f->pad_n = rest;
            at += rest;
            continue;
        }
        if (wire_take(view_n(f->ring + lap, rest), &frame, &used) < 0 || at + used > h->head)
            return "a frame is not whole";
        if (frame.kind != WIRE_RECORD || !frame.type || !frame.seq || (seq && frame.seq != seq + 1))
            return "a frame is out of order";
        if (!seq)
            f->first_seq = frame.seq;
        seq = frame.seq;
        at += used;
    }
    // Killed between the stores of head and next_seq, the latter is one behind. It is mended here:
    // when all frames are forgotten, nothing else knows the number.
    if (h->next_seq != seq + 1 && h->next_seq != seq)
        return "its frames do not end where its header says";
    f->next_seq = seq + 1;
    __atomic_store_n(&h->next_seq, f->next_seq, __ATOMIC_RELEASE);
    return NULL;
}

// NULL: the mapped file is sound and ready for use.
static const char *check(struct journal_file *f, uint64_t mapped)
{
    struct journal_header *h = f->header;

    if (memcmp(h->magic, magic, sizeof magic) != 0)
        return "it is no journal";
    if (h->version != JOURNAL_VERSION || h->header_size != sizeof *h)
        return "another version made it";
    if (h->check != header_check(h))
        return "its header is damaged";
    if (h->size == 0 || h->size > mapped || h->size % JOURNAL_PAGE != 0)
        return "it is cut short";
    if (h->head > h->tail)
        return check_frames(f);
    if (h->next_seq == 0)
        return "its header is damaged";
    h->head = 0; // in this order: the rewind of a killed process is finished
    __atomic_signal_fence(__ATOMIC_RELEASE);
    h->tail = 0;
    f->first_seq = f->next_seq = h->next_seq;
    f->pad_at = f->pad_n = 0;
    return NULL;
}

// The open and locked file's stream goes on. E_DAMAGED: with why the reason; E_NOTFOUND: it was
// never finished.
static int take_over(struct journal_file *f, uint64_t bytes, uint64_t size, char why[WHY_MAX])
{
    char head[sizeof magic] = {0};

    if (pread(f->fd, head, sizeof head, 0) < 0)
        return fail(why, f->path, "cannot read it", E_IO);
    if (memcmp(head, (char[sizeof magic]){0}, sizeof head) == 0)
        return E_NOTFOUND;
    uint64_t ring = bytes > JOURNAL_PAGE ? (bytes - JOURNAL_PAGE) / JOURNAL_PAGE * JOURNAL_PAGE : 0;
    if (ring == 0) {
        snprintf(why, WHY_MAX, "it is cut short");
        return E_DAMAGED;
    }
    // Blocks that are not there (a copied file may have holes) must not become a signal.
    int e = allocate(f, ring);
    if (e < 0)
        return fail(why, f->path, "cannot allocate its blocks", e);
    e = map(f, ring);
    if (e < 0)
        return fail(why, f->path, "cannot map it", e);
    const char *bad = check(f, ring);
    if (bad) {
        unmap(f);
        snprintf(why, WHY_MAX, "%s", bad);
        return E_DAMAGED;
    }
    f->recovered = true;
    uint64_t had = f->header->size;
    if (f->header->head == f->header->tail && had != size) {
        // Grown first and shrunk last, so that header.size is never more than the file holds.
        if (size > had && (e = allocate(f, size)) < 0) {
            unmap(f);
            return fail(why, f->path, "cannot allocate its blocks", e);
        }
        f->header->size = size;
        had = size;
    }
    if (had == ring)
        return 0;
    unmap(f);
    if (had < ring && (e = allocate(f, had)) < 0)
        return fail(why, f->path, "cannot cut it", e);
    e = map(f, had);
    return e < 0 ? fail(why, f->path, "cannot map it", e) : 0;
}

// Opens and locks what is at the path. *bytes: its size.
static int open_locked(struct journal_file *f, uint64_t *bytes, char why[WHY_MAX])
{
    for (int i = 0; i < TRIES; i++) {
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        struct stat mine, there;

        f->fd = open(f->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (f->fd < 0)
            return fail(why, f->path, "cannot open it", E_IO);
        if (fstat(f->fd, &mine) != 0)
            return fail(why, f->path, "cannot stat it", E_IO);
        if (!S_ISREG(mine.st_mode)) {
            errno = EINVAL;
            return fail(why, f->path, "not a regular file", E_IO);
        }
        if (fcntl(f->fd, F_OFD_SETLK, &lock) != 0) {
            if (errno != EAGAIN && errno != EACCES)
                return fail(why, f->path, "cannot lock it", E_IO);
            snprintf(why, WHY_MAX, "journal %s: another process uses it", f->path);
            return E_BUSY;
        }
        if (stat(f->path, &there) == 0 && there.st_ino == mine.st_ino &&
            there.st_dev == mine.st_dev && fstat(f->fd, &mine) == 0) {
            *bytes = (uint64_t)mine.st_size;
            return 0;
        }
        close(f->fd);
        f->fd = -1;
    }
    snprintf(why, WHY_MAX, "journal %s: it is replaced again and again", f->path);
    return E_BUSY;
}

// To the first of PATH.damaged, PATH.damaged.2 … that is free: each may be the only copy of
// records. *to, the caller's to free, is its name.
static int set_aside(struct journal_file *f, char **to, char why[WHY_MAX])
{
    size_t n = strlen(f->path) + sizeof ".damaged.4294967295";
    char *name = malloc(n);
    struct stat there;
    int e = E_NOMEM;

    if (name) {
        snprintf(name, n, "%s.damaged", f->path);
        for (unsigned i = 2; lstat(name, &there) == 0 && i <= DAMAGED_MAX; i++)
            snprintf(name, n, "%s.damaged.%u", f->path, i);
        errno = EEXIST;
        // Nobody comes in between: who takes such a name has this lock.
        e = lstat(name, &there) != 0 && rename(f->path, name) == 0 ? 0 : E_IO;
    }
    if (e < 0) {
        (void)fail(why, f->path, "cannot rename it", e);
        free(name);
        name = NULL;
    }
    *to = name;
    close(f->fd);
    f->fd = -1;
    return e;
}

// What is at the path is taken over, or set aside (why then says so), or was never finished.
static int reuse(struct journal_file *f, uint64_t bytes, uint64_t size, char why[WHY_MAX])
{
    char reason[WHY_MAX], *aside;
    int e = take_over(f, bytes, size, reason);

    if (e == E_DAMAGED) {
        e = set_aside(f, &aside, why);
        if (e == 0)
            e = open_locked(f, &bytes, why);
        if (e == 0)
            snprintf(why, WHY_MAX, "journal: %.100s; set aside as %.300s", reason, aside);
        free(aside);
    } else if (e != 0 && e != E_NOTFOUND) {
        memcpy(why, reason, WHY_MAX);
    }
    return e == E_NOTFOUND ? 0 : e;
}

int journal_file_open(struct journal_file *f, const char *path, uint64_t size, int64_t now_us,
                      char why[WHY_MAX])
{
    uint64_t bytes = 0;
    int e;

    *f = (struct journal_file){.fd = -1};
    why[0] = '\0';
    if (size > INT64_MAX - 2 * JOURNAL_PAGE)
        return fail(why, path, "its size", E_RANGE);
    size = (size + JOURNAL_PAGE - 1) / JOURNAL_PAGE * JOURNAL_PAGE;
    if (!path)
        return begin(f, size, now_us, why);
    f->path = strdup(path);
    if (!f->path)
        return fail(why, path, "cannot open it", E_NOMEM);
    e = open_locked(f, &bytes, why);
    if (e == 0 && bytes > 0)
        e = reuse(f, bytes, size, why);
    bool unfinished = e == 0 && !f->header;
    if (unfinished)
        e = begin(f, size, now_us, why);
    if (e < 0)
        journal_file_close(f, unfinished);
    return e;
}

void journal_file_close(struct journal_file *f, bool and_remove)
{
    if (f->path && and_remove)
        unlink(f->path);
    unmap(f);
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    *f = (struct journal_file){.fd = -1};
}
