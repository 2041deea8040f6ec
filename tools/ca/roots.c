// roots: see roots.h. The text of the system's file is kept as it is, with its remarks; only
// OpenSSL's readers and those like them will read it, which pass over what is between certificates.
#include "tools/ca/roots.h"

#include "proto/base/whole_file.h"
#include "proxy/tls/trust.h"

#include <dirent.h>
#include <fnmatch.h>
#include <limits.h>
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

int roots_read(const char *path, size_t max, struct buf *out, char why[WHY_MAX])
{
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
        snprintf(why, WHY_MAX, "%.300s: it is no regular file", path);
        return E_SYNTAX;
    }
    return whole_file_read(path, max, out, why);
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

// The next certificate of a text in PEM, from its first line to its last, and no key that may stand
// beside it. false: there are no more.
static bool next_certificate(struct view *text, struct view *out)
{
    static const char begin[] = "-----BEGIN ", end[] = "-----END ", kind[] = "CERTIFICATE-----";
    const char *from, *to;
    while (text->n && (from = memmem(text->p, text->n, begin, sizeof begin - 1)) != NULL) {
        *text = view_from(*text, (size_t)(from - text->p));
        struct view first = view_head(*text, view_find(*text, '\n'));
        if (!(to = memmem(first.p + first.n, text->n - first.n, end, sizeof end - 1)))
            break;
        struct view last = view_from(*text, (size_t)(to - text->p));
        *out = view_n(text->p, (size_t)(to - text->p) + view_find(last, '\n'));
        *text = view_from(*text, out->n);
        if (memmem(first.p, first.n, kind, sizeof kind - 1))
            return true;
    }
    return false;
}

static bool holds(const struct buf *b, struct view certificate)
{
    struct view all = buf_view(b);
    return all.n && memmem(all.p, all.n, certificate.p, certificate.n);
}

// As the proxy would judge it: a damaged certificate keeps whoever reads the bundle from those that
// come behind it.
static int judge(const char *path, char why[WHY_MAX])
{
    const char *list[] = {path, NULL};
    struct tls_trust_conf conf = {.ca = list};
    struct tls_trust *t;
    int e = tls_trust_new(&t, &conf, why);
    tls_trust_free(t);
    return e;
}

static int put(struct buf *out, struct view certificate)
{
    struct view all = buf_view(out);
    return buf_printf(out, "%s%.*s\n", all.n && all.p[all.n - 1] != '\n' ? "\n" : "",
                      (int)certificate.n, certificate.p);
}

static int add_file(const char *path, struct buf *out, struct buf *fresh, char why[WHY_MAX])
{
    struct buf text;
    struct view one;
    buf_init(&text, ROOTS_MAX);
    int e = roots_read(path, ROOTS_MAX, &text, why);
    e = e ? e : judge(path, why);
    struct view rest = buf_view(&text);
    while (!e && next_certificate(&rest, &one)) {
        if (holds(out, one))
            continue;
        e = put(out, one);
        if (!e && fresh)
            e = put(fresh, one);
        if (e)
            snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(e));
    }
    buf_clear(&text);
    return e;
}

int roots_add(const char *path, struct buf *out, struct buf *fresh, char why[WHY_MAX])
{
    DIR *d = opendir(path);
    struct dirent *entry;
    char file[PATH_MAX];
    int e = 0;
    if (!d)
        return add_file(path, out, fresh, why);
    // Who uses such a folder opens what it looks for, and so never sees those that are damaged.
    while (e != E_NOMEM && e != E_LIMIT && (entry = readdir(d)))
        if (fnmatch("????????.[0-9]", entry->d_name, 0) == 0 &&
            snprintf(file, sizeof file, "%s/%s", path, entry->d_name) < PATH_MAX)
            e = add_file(file, out, fresh, why);
    closedir(d);
    return e == E_NOMEM || e == E_LIMIT ? e : 0;
}
