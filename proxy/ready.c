#include "proxy/ready.h"

#include "proto/base/buf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MAX_BYTES 4200

static int put_addr(struct buf *b, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT];
    if (!a)
        return buf_printf(b, ",\"%s\":null", key);
    return buf_printf(b, ",\"%s\":\"%s\"", key, addr_text(a, text));
}

static int write_all(const char *path, struct view v)
{
    // Root may write where others do too: no link, and no file of theirs, is written through.
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return -1;
    ssize_t n = write(fd, v.p, v.n);
    return close(fd) == 0 && n == (ssize_t)v.n ? 0 : -1;
}

int ready_write(const char *path, const struct ready *r, char why[WHY_MAX])
{
    struct buf b;
    char fresh[PATH_MAX_BYTES];
    buf_init(&b, 4096);
    int e = buf_printf(&b, "{\"pid\":%ld", (long)getpid());
    e = e ? e : put_addr(&b, "in", r->in);
    e = e ? e : put_addr(&b, "out", r->out);
    e = e ? e : put_addr(&b, "admin", r->admin);
    e = e ? e : buf_printf(&b, "}\n");
    if (e) {
        buf_clear(&b);
        return e;
    }
    snprintf(fresh, sizeof fresh, "%s.%ld.new", path, (long)getpid());
    if (write_all(fresh, buf_view(&b)) || rename(fresh, path)) {
        snprintf(why, WHY_MAX, "ready-file %s: %s", path, strerror(errno));
        e = err_from_errno(errno);
        (void)unlink(fresh);
    }
    buf_clear(&b);
    return e;
}
