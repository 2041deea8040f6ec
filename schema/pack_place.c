// pack_place: see pack_place.h.
//
// In place, the two files change their names in one step, which fails when from was removed
// meanwhile (as retention does): so a file that was deleted does not come back. Where the file
// system cannot do that, from is looked at, and then replaced.
//
// What has the name that a file is made under is taken over, and removed, only when it is ours: it
// is locked by nobody, and
//   empty                                         killed as it was made
//   begins with the mark                          killed before it was whole
//   the same capture as the file that it stands beside, one of the two packed and the other plain,
//   of the same time                              killed as the two changed their names
#include "schema/pack_place.h"

#include "proto/base/clock.h"
#include "schema/folder.h"
#include "schema/pack.h"
#include "schema/packed.h"
#include "schema/sqlite_head.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

int pack_place_fail(struct pack_place *p, int e, const char *format, ...)
{
    va_list ap;
    int n = snprintf(p->why, WHY_MAX, "%s: ", p->from);
    size_t at = n < 0 || n >= WHY_MAX ? 0 : (size_t)n;
    va_start(ap, format);
    vsnprintf(p->why + at, WHY_MAX - at, format, ap);
    va_end(ap);
    return e;
}

static int failed(struct pack_place *p, const char *path, const char *doing)
{
    int was = errno, e = was == EFBIG ? E_FULL : err_from_errno(was);
    snprintf(p->why, WHY_MAX, "%s: %s: %s", path, doing,
             e == E_FULL ? err_full_text(was) : strerror(was));
    return e == E_AGAIN || e == 0 ? E_IO : e;
}

int pack_place_nomem(struct pack_place *p)
{
    snprintf(p->why, WHY_MAX, "out of memory");
    return E_NOMEM;
}

static int put(struct pack_place *p, const void *bytes, size_t n, uint64_t at)
{
    for (const unsigned char *from = bytes; n > 0;) {
        ssize_t some = pwrite(p->out, from, n, (off_t)at);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0)
            return failed(p, p->beside, "cannot write");
        from += some;
        at += (uint64_t)some;
        n -= (size_t)some;
    }
    return 0;
}

// How many of n bytes from there on are among the first ones of the file.
static size_t in_first(size_t n, uint64_t at)
{
    size_t left = at < PACK_PLACE_FIRST ? PACK_PLACE_FIRST - (size_t)at : 0;
    return n < left ? n : left;
}

static bool is_named(int fd, const char *path)
{
    struct stat mine, named;
    return fstat(fd, &mine) == 0 && lstat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

struct content {
    bool packed;
    uint64_t plain_size;
};

static bool content_of(int fd, struct content *c, struct stat *st)
{
    unsigned char head[PACKED_HEADER];
    struct packed_header h;
    const char *fault;
    if (fstat(fd, st) != 0 || pread(fd, head, sizeof head, 0) != (ssize_t)sizeof head)
        return false;
    bool packed = packed_header_get(head, &h, &fault) == 0;
    *c = (struct content){packed, packed ? h.plain_size : (uint64_t)st->st_size};
    return packed ? h.packed_size == (uint64_t)st->st_size
                  : sqlite_head_is(head) && sqlite_head_application(head) == STORE_APPLICATION;
}

static bool is_counterpart(int fd, const char *path)
{
    struct content mine, its;
    struct stat st, its_st;
    int other = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    bool is = other >= 0 && content_of(fd, &mine, &st) && content_of(other, &its, &its_st) &&
              mine.packed != its.packed && mine.plain_size == its.plain_size &&
              clock_same(&st.st_mtim, &its_st.st_mtim);
    if (other >= 0)
        close(other);
    return is;
}

// Whether what is open there was left behind by one that was killed as it made path.
static bool is_remains(int fd, const char *path)
{
    char first[PACK_PLACE_FIRST];
    ssize_t n = pread(fd, first, sizeof first, 0);
    return n == 0 ||
           (n == (ssize_t)sizeof first && memcmp(first, PACK_PLACE_MARK, sizeof first) == 0) ||
           is_counterpart(fd, path);
}

// The lock tells what somebody else is making from what was left behind.
static int make_beside(struct pack_place *p)
{
    struct stat st;
    p->out = open(p->beside, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
    if (p->out < 0 || fstat(p->out, &st) != 0)
        return failed(p, p->beside, "cannot make it");
    bool ours =
        S_ISREG(st.st_mode) && flock(p->out, LOCK_EX | LOCK_NB) == 0 && is_named(p->out, p->beside);
    if (!ours) {
        close(p->out); // not to be removed: it is somebody else's
        p->out = -1;
        return pack_place_fail(p, E_BUSY, "%s is being made by another process", p->beside);
    }
    if (!is_remains(p->out, p->to)) {
        close(p->out);
        p->out = -1;
        return pack_place_fail(
            p, E_REFUSED, "%s stands beside it, which is nothing of ours; give it another name",
            p->beside);
    }
    if (ftruncate(p->out, 0) != 0)
        return failed(p, p->beside, "cannot make it");
    return put(p, PACK_PLACE_MARK, PACK_PLACE_FIRST, 0);
}

void pack_clean(const char *path)
{
    char name[4096];
    if (snprintf(name, sizeof name, "%s" PACK_BESIDE, path) >= (int)sizeof name)
        return;
    int fd = open(name, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0 && is_named(fd, name) && is_remains(fd, path))
        unlink(name);
    close(fd);
}

int pack_place_open(struct pack_place *p, const char *from, const char *to, char why[WHY_MAX])
{
    *p = (struct pack_place){.in = -1, .out = -1, .why = why};
    why[0] = '\0';
    p->from = realpath(from, NULL);
    if (!p->from)
        return failed(p, from, "cannot read it");
    p->to = strdup(to ? to : p->from);
    size_t n = p->to ? strlen(p->to) + sizeof PACK_BESIDE : 0;
    p->beside = p->to ? malloc(n) : NULL;
    if (!p->beside)
        return pack_place_nomem(p);
    snprintf(p->beside, n, "%s" PACK_BESIDE, p->to);
    p->in = open(p->from, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (p->in < 0 || fstat(p->in, &p->was) != 0)
        return failed(p, from, "cannot read it");
    if (!S_ISREG(p->was.st_mode))
        return pack_place_fail(p, E_UNSUPPORTED, "not a file");
    // The other name may be that of the live file, when a rotation was cut short.
    if (!to && p->was.st_nlink > 1)
        return pack_place_fail(p, E_BUSY, "it has another name, a hard link, as well");
    struct stat st;
    if (to && lstat(to, &st) == 0) {
        snprintf(why, WHY_MAX, "%s: it is there already", to);
        return E_EXISTS;
    }
    return make_beside(p);
}

bool pack_place_is_same(const struct pack_place *p)
{
    return strcmp(p->from, p->to) == 0;
}

int pack_place_sync(struct pack_place *p)
{
    // Who is not root keeps what is his own.
    if (fchown(p->out, p->was.st_uid, p->was.st_gid) != 0 && errno != EPERM)
        return failed(p, p->beside, "cannot set its owner");
    if (fchmod(p->out, p->was.st_mode & 0777) != 0)
        return failed(p, p->beside, "cannot set its mode");
    return fsync(p->out) == 0 ? 0 : failed(p, p->beside, "cannot write");
}

static bool lacks(int error)
{
    return error == EINVAL || error == ENOSYS || error == EOPNOTSUPP;
}

static int take_over(struct pack_place *p)
{
    if (renameat2(AT_FDCWD, p->beside, AT_FDCWD, p->to, RENAME_EXCHANGE) == 0) {
        if (is_named(p->in, p->beside))
            return unlink(p->beside) == 0 ? 0 : failed(p, p->beside, "cannot remove it");
        // What stood there is not what was read.
        if (renameat2(AT_FDCWD, p->beside, AT_FDCWD, p->to, RENAME_EXCHANGE) != 0)
            return failed(p, p->to, "cannot be put back");
    } else if (!lacks(errno)) {
        return failed(p, p->to, errno == ENOENT ? "it was removed meanwhile" : "cannot replace it");
    } else if (is_named(p->in, p->to)) {
        return rename(p->beside, p->to) == 0 ? 0 : failed(p, p->to, "cannot replace it");
    }
    return pack_place_fail(p, E_BUSY, "another file took its place");
}

static int take_new(struct pack_place *p)
{
    int rc = renameat2(AT_FDCWD, p->beside, AT_FDCWD, p->to, RENAME_NOREPLACE);
    if (rc != 0 && lacks(errno)) {
        errno = EEXIST;
        rc = access(p->to, F_OK) == 0 ? -1 : rename(p->beside, p->to);
    }
    return rc == 0 ? 0 : failed(p, p->to, "cannot make it");
}

static int complete(struct pack_place *p)
{
    const struct timespec times[2] = {p->was.st_atim, p->was.st_mtim};
    int e = put(p, p->first, sizeof p->first, 0);
    if (e != 0)
        return e;
    if (futimens(p->out, times) != 0)
        return failed(p, p->beside, "cannot set its time");
    return fsync(p->out) == 0 ? 0 : failed(p, p->beside, "cannot write");
}

int pack_place_take(struct pack_place *p)
{
    int e = complete(p);
    if (e == 0)
        e = pack_place_is_same(p) ? take_over(p) : take_new(p);
    if (e != 0)
        return e;
    folder_sync(p->to);
    close(p->out);
    p->out = -1;
    return 0;
}

void pack_place_close(struct pack_place *p)
{
    if (p->out >= 0) {
        unlink(p->beside);
        close(p->out);
    }
    if (p->in >= 0)
        close(p->in);
    free(p->from);
    free(p->to);
    free(p->beside);
    *p = (struct pack_place){.in = -1, .out = -1};
}

int pack_place_read(struct pack_place *p, int fd, void *out, size_t n, uint64_t at)
{
    const size_t all = n;
    const uint64_t from = at;
    for (unsigned char *to = out; n > 0;) {
        ssize_t some = pread(fd, to, n, (off_t)at);
        if (some < 0 && errno == EINTR)
            continue;
        if (some < 0) {
            int e = failed(p, fd == p->out ? p->beside : p->from, "cannot read it");
            return fd == p->in && e == E_IO ? E_DAMAGED : e;
        }
        if (some == 0)
            return pack_place_fail(p, E_DAMAGED, "it ends before byte %llu",
                                   (unsigned long long)at + n);
        to += some;
        at += (uint64_t)some;
        n -= (size_t)some;
    }
    if (fd == p->out && from < PACK_PLACE_FIRST)
        memcpy(out, p->first + from, in_first(all, from));
    return 0;
}

int pack_place_write(struct pack_place *p, const void *bytes, size_t n, uint64_t at)
{
    const unsigned char *from = bytes;
    size_t first = in_first(n, at);
    if (first > 0)
        memcpy(p->first + at, from, first);
    return put(p, from + first, n - first, at + first);
}

int pack_place_cut(struct pack_place *p, uint64_t size)
{
    return ftruncate(p->out, (off_t)size) == 0 ? 0 : failed(p, p->beside, "cannot write");
}
