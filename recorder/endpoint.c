// endpoint: see endpoint.h. Whether a socket file is stale is asked by connecting to it: nobody
// answers for a recorder that died.
#include "recorder/endpoint.h"

#include "proto/base/near.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

__attribute__((format(printf, 3, 4))) static int refuse(char why[WHY_MAX], int e,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why, WHY_MAX, format, args);
    va_end(args);
    return e;
}

// ---- unix

// Makes room at a path where something stands already.
static int clear_path(const struct sockaddr_un *at, char why[WHY_MAX])
{
    struct stat st;
    if (lstat(at->sun_path, &st) != 0)
        return errno == ENOENT ? 0 : refuse(why, E_IO, "%s: %s", at->sun_path, strerror(errno));
    if (!S_ISSOCK(st.st_mode))
        return refuse(why, E_EXISTS, "%s: is there, and is no socket", at->sun_path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return refuse(why, E_IO, "socket: %s", strerror(errno));
    int failed = connect(fd, (const struct sockaddr *)at, sizeof *at) == 0 ? 0 : errno;
    close(fd);
    if (failed != ECONNREFUSED)
        return refuse(why, E_BUSY, "%s: another recorder listens there", at->sun_path);
    if (unlink(at->sun_path) != 0 && errno != ENOENT)
        return refuse(why, E_IO, "%s: cannot replace the socket of a recorder that died: %s",
                      at->sun_path, strerror(errno));
    return 0;
}

static int bind_unix(struct endpoint *l, const struct sockaddr_un *at, uid_t uid, char why[WHY_MAX])
{
    struct stat st;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return refuse(why, E_IO, "socket: %s", strerror(errno));
    // The mode is right from the first moment on.
    mode_t before = umask(0177);
    int failed = bind(l->fd, (const struct sockaddr *)at, sizeof *at) == 0 ? 0 : errno;
    umask(before);
    if (failed)
        return refuse(why, err_from_errno(failed), "%s: cannot listen there: %s", at->sun_path,
                      strerror(failed));
    l->path = strdup(at->sun_path);
    if (!l->path) {
        unlink(at->sun_path);
        return refuse(why, E_NOMEM, "out of memory");
    }
    if (geteuid() == 0 && uid != 0 && lchown(l->path, uid, (gid_t)uid) != 0)
        return refuse(why, E_REFUSED, "%s: cannot be given to user %lu: %s", l->path,
                      (unsigned long)uid, strerror(errno));
    if (lstat(l->path, &st) == 0) {
        l->inode = st.st_ino;
        l->made = st.st_ctim;
    }
    return 0;
}

static int open_unix(struct endpoint *l, const struct sockaddr_un *at, uid_t uid, char why[WHY_MAX])
{
    int e = clear_path(at, why);
    if (!e)
        e = bind_unix(l, at, uid, why);
    snprintf(l->text, sizeof l->text, "unix:%s", at->sun_path);
    return e;
}

// ---- tcp

static int open_tcp(struct endpoint *l, const struct addr *at, const char *address,
                    char why[WHY_MAX])
{
    struct addr a = *at;
    const int one = 1;
    l->fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return refuse(why, E_IO, "socket: %s", strerror(errno));
    setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(l->fd, &a.sa, addr_len(&a)) != 0)
        return refuse(why, errno == EADDRINUSE ? E_BUSY : err_from_errno(errno),
                      "listen: %.200s: %s", address, strerror(errno));
    socklen_t n = sizeof a;
    getsockname(l->fd, &a.sa, &n);
    char shown[ADDR_TEXT];
    snprintf(l->text, sizeof l->text, "%s", addr_text(&a, shown));
    return 0;
}

int endpoint_open(struct endpoint *l, const char *address, uid_t uid, char why[WHY_MAX])
{
    *l = (struct endpoint){.fd = -1};
    struct near at;
    int e = near_parse(&at, "listen", address, why);
    if (!e)
        e = at.sa.sa_family == AF_UNIX ? open_unix(l, &at.un, uid, why)
                                       : open_tcp(l, &at.ip, address, why);
    if (!e && listen(l->fd, ENDPOINT_BACKLOG) != 0)
        e = refuse(why, E_IO, "listen: %.200s: %s", address, strerror(errno));
    if (e)
        endpoint_close(l);
    return e;
}

void endpoint_close(struct endpoint *l)
{
    struct stat st;
    // Somebody who found us dead or stopped may have taken the path over.
    if (l->path && lstat(l->path, &st) == 0 && st.st_ino == l->inode &&
        st.st_ctim.tv_sec == l->made.tv_sec && st.st_ctim.tv_nsec == l->made.tv_nsec)
        unlink(l->path);
    free(l->path);
    if (l->fd >= 0)
        close(l->fd);
    *l = (struct endpoint){.fd = -1};
}

int endpoint_accept(const struct endpoint *l)
{
    const int one = 1;
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd >= 0 && !l->path)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}
