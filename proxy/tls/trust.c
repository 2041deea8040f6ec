// trust: a store of certificates, read whole when it is made, so that a handshake opens no file and
// needs no rights to them.
//
//   the system's file and folders ─┐
//   further files and folders ─────┴──▶ X509_STORE ◀── files of CRLs
//
// 1. The system's places are those of OpenSSL's X509_STORE_set_default_paths(): the file and the
//    folders, each by its variable or its default. What cannot be read there is logged and passed
//    over, as OpenSSL does; what is given further must be readable. A certificate that can be read
//    and is of no use to OpenSSL (an unknown kind of key) is logged and passed over in both.
// 2. A certificate that is given and did not sign itself is an anchor too (partial chains).
// 3. With CRLs, a leaf is held against those of its issuer; where there is none for it, it is fine.
//    A list that is out of date fails its issuer's leaves: it was given to be heeded.
//
// Elsewhere: names, purposes and what follows of a failure (engine_verify.c).
#include "proxy/tls/trust_impl.h"

#include "proto/base/log.h"
#include "proxy/tls/pem_impl.h"
#include "proxy/tls/trouble_impl.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    TRUST_MAX = 4096,    // certificates and lists together
    FILE_MAX = 64 << 20, // bytes; lists of revoked certificates are long
    HASH_DIGITS = 8,
};

// A key among certificates may have a passphrase; it is none of ours, and nobody is asked.
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out, (void)size, (void)writing, (void)arg;
    return -1;
}

// 1: taken, or passed over as nobody could use it; 0: not, the error is queued.
static int add_cert(struct tls_trust *t, X509 *x, const char *path)
{
    // OpenSSL reads the extensions at their first use, and remembers when that failed: so now, as
    // no other thread is there yet, and lack of memory can be told from a strange certificate.
    int self = X509_self_signed(x, 0);
    if (self < 0) {
        struct trouble of = trouble_take();
        if (of.memory) {
            ERR_raise(ERR_LIB_X509, ERR_R_MALLOC_FAILURE);
            return 0;
        }
        log_warn("tls authority skipped file=%s reason=\"%s\"", path, trouble_text(of.last));
        return 1;
    }
    if (self == 0 && !X509_STORE_set_flags(t->store, X509_V_FLAG_PARTIAL_CHAIN))
        return 0;
    if (!X509_STORE_add_cert(t->store, x)) // one that is there already: fine
        return 0;
    t->authorities++;
    return 1;
}

// The next certificate or list of a file into the store. As add_cert().
static int take_next(struct tls_trust *t, BIO *in, const char *path, bool crl)
{
    int taken = 0;
    if (crl) {
        X509_CRL *list = PEM_read_bio_X509_CRL(in, NULL, no_passphrase, NULL);
        taken = list && X509_STORE_add_crl(t->store, list);
        t->crls += taken ? 1 : 0;
        X509_CRL_free(list);
    } else {
        X509 *x = PEM_read_bio_X509_AUX(in, NULL, no_passphrase, NULL);
        taken = x && add_cert(t, x, path);
        X509_free(x);
    }
    return taken;
}

static int read_all(struct tls_trust *t, BIO *in, const char *path, bool crl, char why[WHY_MAX])
{
    const char *what = crl ? "list of revoked certificates" : "certificate";
    size_t before = t->authorities + t->crls, n = 0;
    ERR_clear_error();
    while (before + n < TRUST_MAX && take_next(t, in, path, crl))
        n++;
    if (before + n >= TRUST_MAX) {
        snprintf(why, WHY_MAX, "%.300s: more than %d certificates are too many", path, TRUST_MAX);
        return E_LIMIT;
    }
    struct trouble of = trouble_take();
    int r = of.memory ? E_NOMEM : E_SYNTAX;
    if (of.memory)
        snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(r));
    else if (!of.at_end)
        snprintf(why, WHY_MAX, "%.300s: %s %zu is damaged: %s", path, what, n + 1,
                 trouble_text(of.last));
    else if (n == 0)
        snprintf(why, WHY_MAX, "%.300s: no %s in it (PEM is allowed: -----BEGIN %s-----)", path,
                 what, crl ? "X509 CRL" : "CERTIFICATE");
    else if (t->authorities + t->crls == before)
        snprintf(why, WHY_MAX, "%.300s: no %s in it that can be used", path, what);
    else
        r = 0;
    return r;
}

static int read_file(struct tls_trust *t, const char *path, bool crl, char why[WHY_MAX])
{
    struct pem_bytes file;
    int r = pem_read(&file, path, 0, FILE_MAX, why);
    if (r)
        return r == E_LIMIT ? E_SYNTAX : r; // that is for all files together
    BIO *in = BIO_new_mem_buf(file.p, (int)file.n);
    if (in) {
        r = read_all(t, in, path, crl, why);
    } else {
        snprintf(why, WHY_MAX, "%.300s: %s", path, err_text(E_NOMEM));
        r = E_NOMEM;
    }
    BIO_free(in);
    pem_clear(&file);
    return r;
}

// "5ed36f99.0", as openssl rehash names a link to a certificate.
static bool is_hash_name(const char *name)
{
    size_t n = 0;
    while (n < HASH_DIGITS && view_digit(name[n]) >= 0)
        n++;
    if (n < HASH_DIGITS || name[n++] != '.' || name[n] == '\0')
        return false;
    while (name[n] >= '0' && name[n] <= '9')
        n++;
    return name[n] == '\0';
}

// lenient: what cannot be read is passed over.
static int read_folder(struct tls_trust *t, const char *path, bool lenient, char why[WHY_MAX])
{
    DIR *d = opendir(path);
    struct dirent *entry;
    size_t before = t->authorities;
    int r = d ? 0 : pem_unopened(path, errno, why);
    while (!r && (entry = readdir(d))) {
        char file[PATH_MAX];
        if (!is_hash_name(entry->d_name))
            continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name); // cut: it is not found
        r = read_file(t, file, false, why);
        if (lenient && r && r != E_NOMEM && r != E_LIMIT) {
            log_warn("tls authority skipped reason=\"%s\"", why);
            r = 0;
        }
    }
    if (d)
        closedir(d);
    if (!r && t->authorities == before) {
        snprintf(why, WHY_MAX,
                 "%.300s: no certificates in this folder (their names must be hashes, as \"openssl "
                 "rehash\" makes them)",
                 path);
        r = E_SYNTAX;
    }
    return r;
}

// What the system's place is. The variable is not heeded where the program has rights of others.
static const char *place(const char *variable, const char *initial, bool *named)
{
    const char *text = secure_getenv(variable);
    *named = text != NULL;
    return text ? text : initial;
}

static void skipped(int r, bool worth_a_word, const char *why)
{
    if (r && worth_a_word)
        log_warn("tls system authorities skipped reason=\"%s\"", why);
}

// 0 also when there are none; E_NOMEM, E_LIMIT.
static int read_system(struct tls_trust *t, char why[WHY_MAX])
{
    bool named;
    const char *file =
        place(X509_get_default_cert_file_env(), X509_get_default_cert_file(), &named);
    int r = *file ? read_file(t, file, false, why) : 0;
    if (r == E_NOMEM || r == E_LIMIT)
        return r;
    skipped(r, named || r != E_NOTFOUND, why);
    struct view rest =
        view_of(place(X509_get_default_cert_dir_env(), X509_get_default_cert_dir(), &named));
    while (rest.n > 0) {
        struct view one = view_head(rest, view_find(rest, ':'));
        char folder[PATH_MAX];
        rest = view_from(rest, one.n < rest.n ? one.n + 1 : one.n);
        if (one.n == 0 || one.n >= sizeof folder)
            continue;
        memcpy(folder, one.p, one.n);
        folder[one.n] = '\0';
        r = read_folder(t, folder, true, why);
        if (r == E_NOMEM || r == E_LIMIT)
            return r;
        skipped(r, named, why);
    }
    return 0;
}

static int read_ca(struct tls_trust *t, const char *path, char why[WHY_MAX])
{
    struct stat st;
    if (stat(path, &st))
        return pem_unopened(path, errno, why);
    return S_ISDIR(st.st_mode) ? read_folder(t, path, false, why) : read_file(t, path, false, why);
}

static int stop_at_error(int ok, X509_STORE_CTX *ctx)
{
    (void)ctx;
    return ok;
}

// In place of OpenSSL's own check of revocation, which wants a list of every issuer. That one has
// no name; a context without a store has it.
static int check_revocation(X509_STORE_CTX *ctx)
{
    X509_STORE_CTX *plain = X509_STORE_CTX_new();
    if (!plain || !X509_STORE_CTX_init(plain, NULL, NULL, NULL)) {
        X509_STORE_CTX_free(plain);
        X509_STORE_CTX_set_error(ctx, X509_V_ERR_OUT_OF_MEM);
        return 0;
    }
    X509_STORE_CTX_check_revocation_fn check = X509_STORE_CTX_get_check_revocation(plain);
    X509_STORE_CTX_free(plain);
    X509_STORE_CTX_verify_cb judge = X509_STORE_CTX_get_verify_cb(ctx);
    int before = X509_STORE_CTX_get_error(ctx);
    X509_STORE_CTX_set_verify_cb(ctx, stop_at_error);
    int ok = check(ctx);
    X509_STORE_CTX_set_verify_cb(ctx, judge);
    if (ok)
        return ok;
    bool no_list = X509_STORE_CTX_get_error(ctx) == X509_V_ERR_UNABLE_TO_GET_CRL;
    X509_STORE_CTX_set_error(ctx, before);
    // Once more for whoever judges errors, when there is one to judge.
    return no_list ? 1 : check(ctx);
}

static int read_lists(struct tls_trust *t, const char *const *crl, char why[WHY_MAX])
{
    int r = 0;
    for (size_t i = 0; !r && crl && crl[i]; i++)
        r = read_file(t, crl[i], true, why);
    if (r || t->crls == 0)
        return r;
    if (!X509_STORE_set_flags(t->store, X509_V_FLAG_CRL_CHECK)) {
        snprintf(why, WHY_MAX, "%s", err_text(E_NOMEM));
        return E_NOMEM;
    }
    X509_STORE_set_check_revocation(t->store, check_revocation);
    return 0;
}

static int read_everything(struct tls_trust *t, const struct tls_trust_conf *conf,
                           char why[WHY_MAX])
{
    int r = conf->system ? read_system(t, why) : 0;
    if (r)
        return r;
    bool none = conf->system && t->authorities == 0;
    for (size_t i = 0; !r && conf->ca && conf->ca[i]; i++)
        r = read_ca(t, conf->ca[i], why);
    if (!r && none) {
        log_warn("the system has no authorities of tls, neither in OpenSSL's folder nor where "
                 "SSL_CERT_FILE and SSL_CERT_DIR point (the package ca-certificates brings them); "
                 "%s",
                 t->authorities ? "those that are given are trusted" : "no server is trusted");
    } else if (!r && t->authorities == 0) {
        snprintf(why, WHY_MAX, "no certificate authority is given: name a file of them");
        r = E_NOTFOUND;
    }
    if (!r)
        t->authorities = (size_t)sk_X509_OBJECT_num(X509_STORE_get0_objects(t->store));
    return r ? r : read_lists(t, conf->crl, why);
}

int tls_trust_new(struct tls_trust **out, const struct tls_trust_conf *conf, char why[WHY_MAX])
{
    struct tls_trust *t = calloc(1, sizeof *t);
    int r = E_NOMEM;
    *out = NULL;
    if (!t || !(t->store = X509_STORE_new()))
        snprintf(why, WHY_MAX, "%s", err_text(r));
    else
        r = read_everything(t, conf, why);
    ERR_clear_error();
    if (r) {
        tls_trust_free(t);
        return r;
    }
    *out = t;
    return 0;
}

void tls_trust_free(struct tls_trust *t)
{
    if (!t)
        return;
    X509_STORE_free(t->store);
    free(t);
}
