// roots: see roots.h. The text of the system's file is kept as it is, with its remarks; only
// OpenSSL's readers and those like them will read it, which pass over what is between certificates.
#include "tools/ca/roots.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const places[] = {
    "/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Alpine, Arch
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
    "/etc/pki/tls/certs/ca-bundle.crt",                  // older ones of them
    "/etc/ssl/ca-bundle.pem",                            // openSUSE
    "/etc/ssl/cert.pem",                                 // macOS, the BSDs
    NULL,
};

const char *roots_file(void)
{
    const char *given = getenv("SSL_CERT_FILE");
    if (given && *given)
        return given;
    for (size_t i = 0; places[i]; i++)
        if (access(places[i], R_OK) == 0)
            return places[i];
    return NULL;
}

static int failed(const char *path, int errnum, char why[WHY_MAX])
{
    snprintf(why, WHY_MAX, "%.300s: %s", path, strerror(errnum));
    return err_from_errno(errnum);
}

static int read_fd(int fd, const char *path, size_t max, struct buf *out, char why[WHY_MAX])
{
    size_t left = max + 1;
    char piece[65536];
    for (ssize_t got; left > 0; left -= (size_t)got) {
        got = read(fd, piece, left < sizeof piece ? left : sizeof piece);
        if (got < 0)
            return failed(path, errno, why);
        if (got == 0)
            return 0;
        int e = buf_add(out, piece, (size_t)got);
        if (e) {
            snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(e));
            return e;
        }
    }
    snprintf(why, WHY_MAX, "%.300s: more than %zu bytes", path, max);
    return E_LIMIT;
}

int roots_read(const char *path, size_t max, struct buf *out, char why[WHY_MAX])
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return failed(path, errno, why);
    int e;
    if (fstat(fd, &st) != 0) {
        e = failed(path, errno, why);
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(why, WHY_MAX, "%.300s: it is no regular file", path);
        e = E_SYNTAX;
    } else {
        e = read_fd(fd, path, max, out, why);
    }
    close(fd);
    return e;
}

int roots_bundle(struct view ca, struct buf *out, char why[WHY_MAX])
{
    static const char begin[] = "-----BEGIN ";
    const char *path = roots_file();
    if (!path) {
        snprintf(why, WHY_MAX,
                 "the system's roots are in none of the usual places; "
                 "SSL_CERT_FILE in the environment names their file");
        return E_NOTFOUND;
    }
    int e = roots_read(path, ROOTS_MAX, out, why);
    if (e)
        return e;
    struct view all = buf_view(out);
    if (!all.n || !memmem(all.p, all.n, begin, sizeof begin - 1)) {
        snprintf(why, WHY_MAX, "%.300s: there is no PEM certificate in it", path);
        return E_SYNTAX;
    }
    if (memmem(all.p, all.n, ca.p, ca.n))
        return 0;
    if (all.p[all.n - 1] != '\n')
        e = buf_add(out, "\n", 1);
    e = e ? e : buf_add_view(out, ca);
    if (e)
        snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(e));
    return e;
}
