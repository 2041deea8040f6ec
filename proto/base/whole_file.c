// whole_file: written beside its path, then renamed.
#include "proto/base/whole_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char suffix[] = ".tmp";

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

int whole_file_write(const char *path, struct view content, char why[WHY_MAX])
{
    size_t size = strlen(path) + sizeof suffix;
    char *beside = malloc(size);
    if (!beside) {
        snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(E_NOMEM));
        return E_NOMEM;
    }
    snprintf(beside, size, "%s%s", path, suffix);
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int failed = fd < 0 ? errno : 0;
    if (fd >= 0) {
        failed = write_all(fd, content);
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
