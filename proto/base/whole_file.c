// whole_file: written beside its path, then renamed.
#include "proto/base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE 16384 // bytes that are read at once

static const char suffix[] = ".XXXXXX";

// 0, or an errno.
static int write_all(int fd, struct view v)
{
    while (v.n > 0) {
        ssize_t n = write(fd, v.p, v.n);
        if (n < 0 && errno != EINTR)
            return errno;
        if (n > 0)
            v = view_from(v, (size_t)n);
    }
    return 0;
}

int whole_file_write_as(const char *path, struct view content, unsigned mode, char why[WHY_MAX])
{
    size_t size = strlen(path) + sizeof suffix;
    char *beside = malloc(size);
    if (!beside) {
        snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(E_NOMEM));
        return E_NOMEM;
    }
    snprintf(beside, size, "%s%s", path, suffix);
    int fd = mkostemp(beside, O_CLOEXEC); // a new file, 0600
    int failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        failed = write_all(fd, content);
        if (!failed && mode != 0600 && fchmod(fd, mode) != 0)
            failed = errno;
        if (close(fd) != 0 && !failed)
            failed = errno;
        if (!failed && rename(beside, path) != 0)
            failed = errno;
        if (failed)
            (void)unlink(beside);
    }
    free(beside);
    if (failed)
        snprintf(why, WHY_MAX, "%.300s: %s", path, strerror(failed));
    return failed ? err_from_errno(failed) : 0;
}

int whole_file_write(const char *path, struct view content, char why[WHY_MAX])
{
    return whole_file_write_as(path, content, 0600, why);
}

static int read_all(int fd, const char *path, size_t max, struct buf *out, char why[WHY_MAX])
{
    char piece[PIECE];
    for (size_t left = max + 1; left > 0;) {
        ssize_t n = read(fd, piece, left < PIECE ? left : PIECE);
        if (n == 0)
            return 0;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            int number = errno;
            snprintf(why, WHY_MAX, "cannot read %.300s: %s", path, strerror(number));
            return err_from_errno(number);
        }
        left -= (size_t)n;
        int e = left > 0 ? buf_add(out, piece, (size_t)n) : E_LIMIT;
        if (e == E_NOMEM) {
            snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(e));
            return e;
        }
        if (e)
            break;
    }
    snprintf(why, WHY_MAX, "%.300s: the file has more than %zu bytes", path, max);
    return E_LIMIT;
}

int whole_file_read(const char *path, size_t max, struct buf *out, char why[WHY_MAX])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        int number = errno;
        snprintf(why, WHY_MAX, "cannot read %.300s: %s", path, strerror(number));
        return err_from_errno(number);
    }
    int e = read_all(fd, path, max, out, why);
    close(fd);
    return e;
}
