// keylog: lines of secrets, appended to one file.
//
// 1. A line goes out with one write() to a file opened with O_APPEND: whole, and behind the others.
// 2. After a line that could only be written in part the next one begins with a line feed, so that
//    one line is lost, not two.
#include "proxy/tls/keylog.h"

#include "proto/base/log.h"

#include <openssl/crypto.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LONGEST 1024 // bytes; those of OpenSSL have 230 at most

struct tls_keylog {
    pthread_mutex_t lock; // of torn and said
    int fd;
    bool torn, said;
};

static int check_file(int fd, const char *path, char why[WHY_MAX])
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        snprintf(why, WHY_MAX, "%s: %s", path, strerror(errno));
        return E_IO;
    }
    if (!S_ISREG(st.st_mode)) {
        snprintf(why, WHY_MAX, "%s: is no regular file", path);
        return E_REFUSED;
    }
    if (st.st_mode & 077) {
        snprintf(why, WHY_MAX,
                 "%s: others can read or write it (mode %03o): it would show them the secrets of "
                 "connections; allowed is 600",
                 path, (unsigned)(st.st_mode & 0777));
        return E_REFUSED;
    }
    return 0;
}

int tls_keylog_open(struct tls_keylog **out, const char *path, char why[WHY_MAX])
{
    // Not waiting: a pipe without a reader must not stop us here.
    int flags = O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int e = 0;
    int fd = open(path, flags, 0600);
    if (fd < 0) {
        e = err_from_errno(errno);
        snprintf(why, WHY_MAX, "%s: %s", path, strerror(errno));
        return e;
    }
    e = check_file(fd, path, why);
    struct tls_keylog *k = e ? NULL : calloc(1, sizeof *k);
    if (!e && !k) {
        e = E_NOMEM;
        snprintf(why, WHY_MAX, "%s: %s", path, err_text(e));
    }
    if (e) {
        close(fd);
        return e;
    }
    pthread_mutex_init(&k->lock, NULL);
    k->fd = fd;
    *out = k;
    return 0;
}

// Said once, until a line is written again.
static void lost(struct tls_keylog *k, const char *reason)
{
    if (!k->said)
        log_warn("tls keylog=lost reason=\"%s\"", reason);
    k->said = true;
}

static void write_line(struct tls_keylog *k, const char *line, size_t n)
{
    char text[LONGEST + 2];
    size_t at = k->torn ? 1 : 0;
    text[0] = '\n';
    memcpy(text + at, line, n);
    text[at + n] = '\n';
    n += at + 1;
    ssize_t r;
    do
        r = write(k->fd, text, n);
    while (r < 0 && errno == EINTR);
    if (r > 0)
        k->torn = (size_t)r < n && text[r - 1] != '\n';
    if (r < (ssize_t)n)
        lost(k, r < 0 ? strerror(errno) : "no space left");
    else
        k->said = false;
    OPENSSL_cleanse(text, sizeof text);
}

void tls_keylog_line(struct tls_keylog *k, const char *line)
{
    size_t n = strnlen(line, LONGEST + 1);
    pthread_mutex_lock(&k->lock);
    if (n > LONGEST)
        lost(k, "the line is too long");
    else
        write_line(k, line, n);
    pthread_mutex_unlock(&k->lock);
}

void tls_keylog_close(struct tls_keylog *k)
{
    if (!k)
        return;
    close(k->fd);
    pthread_mutex_destroy(&k->lock);
    free(k);
}
