// store_lock: one writer a capture, by an open-file lock on PATH-lock.
//
// The kernel drops the lock with its holder, so a writer that was killed leaves none behind. The
// database file itself does not do for it, since a rotation renames it. It is locked besides, as
// long as it is open, for it may have a second name (a hard link): two writers would have a WAL
// each. SQLite's own POSIX locks vanish with any descriptor of ours that is closed: SQLite has to
// close it first.
//
// The file is removed by the holder. Whoever then holds a lock on a file without a name tries
// again.
#include "schema/store_impl.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static char *lock_path(const char *database)
{
    size_t n = strlen(database) + sizeof "-lock";
    char *path = malloc(n);
    if (path)
        snprintf(path, n, "%s-lock", database);
    return path;
}

// 1: fd is the file of that name.
static int is_named(int fd, const char *path)
{
    struct stat mine, named;
    return fstat(fd, &mine) == 0 && stat(path, &named) == 0 && mine.st_ino == named.st_ino &&
           mine.st_dev == named.st_dev;
}

static int try_lock(struct store *s, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        int e = errno == ENOENT ? E_NOTFOUND : err_from_errno(errno);
        return store_refuse(s, e, "cannot make %s: %s", path, strerror(errno));
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        int e = errno == EAGAIN || errno == EACCES ? E_BUSY : err_from_errno(errno);
        close(fd);
        return store_refuse(s, e, "%s",
                            e == E_BUSY ? "another recorder writes to it" : strerror(errno));
    }
    if (!is_named(fd, path)) {
        close(fd);
        return E_AGAIN;
    }
    s->lock = fd;
    return 0;
}

int store_lock(struct store *s)
{
    char *path = lock_path(s->path);
    if (!path)
        return store_refuse(s, E_NOMEM, "out of memory");
    int e = E_AGAIN;
    for (int i = 0; i < 100 && e == E_AGAIN; i++)
        e = try_lock(s, path);
    free(path);
    return e == E_AGAIN ? store_refuse(s, E_BUSY, "another recorder writes to it") : e;
}

void store_unlock(struct store *s)
{
    if (s->lock < 0)
        return;
    char *path = lock_path(s->path);
    if (path)
        unlink(path);
    free(path);
    close(s->lock);
    s->lock = -1;
}

int store_lock_file(struct store *s)
{
    s->file = open(s->path, O_RDONLY | O_CLOEXEC);
    // A file system without such locks, or a file that SQLite will have words for, is let pass.
    if (s->file >= 0 && flock(s->file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK)
        return store_refuse(s, E_BUSY, "another recorder writes to it, by another of its names");
    return 0;
}

void store_unlock_file(struct store *s)
{
    if (s->file >= 0)
        close(s->file);
    s->file = -1;
}

bool store_is_written(const struct store *s)
{
    // A reader may have come through a link; the lock stands beside the file itself.
    char *full = realpath(s->path, NULL);
    char *path = full ? lock_path(full) : NULL;
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    bool hidden = fd < 0 && errno != ENOENT; // a lock that we may not look at is somebody's
    free(full);
    free(path);
    if (fd < 0)
        return hidden;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool held = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    close(fd);
    return held;
}
