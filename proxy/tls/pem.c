// pem: reads the files that certificates and keys come in.
//
// 1. A file is opened once, judged by what was opened, and read from it: nobody can exchange it
//    between the look at its mode and the reading.
// 2. Memory that held a key's text is cleared before it is given back, and no byte of the file gets
//    into why.
// 3. The error queue of OpenSSL is as empty afterwards as it was before.
//
// Elsewhere: what a certificate is fit for (ca.c, forge.c, trust.c).
#include "proxy/tls/pem_impl.h"

#include "proxy/tls/trouble_impl.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SHOWN 300 // characters of a path in why

void pem_clear(struct pem_bytes *b)
{
    if (b->p)
        OPENSSL_cleanse(b->p, b->n);
    free(b->p);
    *b = (struct pem_bytes){0};
}

int pem_failed(const char *what, char why[WHY_MAX])
{
    struct trouble t = trouble_take();
    if (why)
        snprintf(why, WHY_MAX, "%.*s: %.150s", NAME_SHOWN, what,
                 t.memory ? err_text(E_NOMEM) : trouble_text(t.last));
    return t.memory ? E_NOMEM : E_IO;
}

static int told(int e, const char *path, const char *what, char why[WHY_MAX])
{
    snprintf(why, WHY_MAX, "%.*s: %s", NAME_SHOWN, path, what);
    return e;
}

int pem_unopened(const char *path, int errnum, char why[WHY_MAX])
{
    bool none = errnum == ENOENT || errnum == ENOTDIR;
    return told(none               ? E_NOTFOUND
                : errnum == EACCES ? E_REFUSED
                : errnum == ENOMEM ? E_NOMEM
                                   : E_IO,
                path, strerror(errnum), why);
}

static int check_file(int fd, const char *path, mode_t closed, size_t max, size_t *size,
                      char why[WHY_MAX])
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return told(E_IO, path, strerror(errno), why);
    if (!S_ISREG(st.st_mode))
        return told(E_SYNTAX, path, "it is no regular file", why);
    if (st.st_mode & closed) {
        snprintf(why, WHY_MAX, "%.*s: the key has mode %04o; %s may have no access: chmod %s",
                 NAME_SHOWN, path, (unsigned)(st.st_mode & 07777),
                 closed & S_IRWXG ? "group and others" : "others",
                 closed & S_IRWXG ? "0600" : "o-rwx");
        return E_REFUSED;
    }
    if (st.st_size > (off_t)max) {
        snprintf(why, WHY_MAX, "%.*s: %lld bytes, at most %zu are allowed", NAME_SHOWN, path,
                 (long long)st.st_size, max);
        return E_LIMIT;
    }
    *size = (size_t)st.st_size;
    return 0;
}

static int read_all(int fd, struct pem_bytes *out, size_t size, const char *path, char why[WHY_MAX])
{
    out->p = malloc(size + 1);
    out->n = size;
    if (!out->p)
        return told(E_NOMEM, path, err_text(E_NOMEM), why);
    size_t at = 0;
    while (at < size) {
        ssize_t got = read(fd, out->p + at, size - at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            int e = errno;
            pem_clear(out);
            return told(E_IO, path, strerror(e), why);
        }
        if (got == 0)
            break; // it became shorter
        at += (size_t)got;
    }
    out->n = at;
    return 0;
}

int pem_read(struct pem_bytes *out, const char *path, mode_t closed, size_t max, char why[WHY_MAX])
{
    size_t size = 0;
    *out = (struct pem_bytes){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe must not make us wait
    if (fd < 0)
        return pem_unopened(path, errno, why);
    int e = check_file(fd, path, closed, max, &size, why);
    e = e ? e : read_all(fd, out, size, path, why);
    close(fd);
    return e;
}

static int chain_of(BIO *in, STACK_OF(X509) * *chain, const char *path, char why[WHY_MAX])
{
    *chain = sk_X509_new_null();
    if (!*chain)
        return pem_failed(path, why);
    for (X509 *next; (next = PEM_read_bio_X509(in, NULL, NULL, NULL)) != NULL;) {
        if (!sk_X509_push(*chain, next)) {
            X509_free(next);
            return pem_failed(path, why);
        }
    }
    struct trouble t = trouble_take();
    if (t.memory)
        return told(E_NOMEM, path, err_text(E_NOMEM), why);
    if (t.at_end)
        return 0;
    snprintf(why, WHY_MAX, "%.*s: certificate %d in it cannot be read", NAME_SHOWN, path,
             sk_X509_num(*chain) + 2);
    return E_SYNTAX;
}

int pem_certs(X509 **cert, STACK_OF(X509) * *chain, const char *path, char why[WHY_MAX])
{
    struct pem_bytes file;
    BIO *in = NULL;
    *cert = NULL;
    *chain = NULL;
    int e = pem_read(&file, path, 0, PEM_FILE_MAX, why);
    if (e)
        return e;
    ERR_clear_error();
    if (!(in = BIO_new_mem_buf(file.p, (int)file.n))) {
        e = pem_failed(path, why);
        goto out;
    }
    *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    if (!*cert) {
        struct trouble t = trouble_take();
        e = t.memory   ? told(E_NOMEM, path, err_text(E_NOMEM), why)
            : t.at_end ? told(E_SYNTAX, path, "there is no PEM certificate in it", why)
                       : told(E_SYNTAX, path, "the certificate in it cannot be read", why);
        goto out;
    }
    e = chain_of(in, chain, path, why);
out:
    if (e && *cert) {
        X509_free(*cert);
        *cert = NULL;
    }
    if (e) {
        sk_X509_pop_free(*chain, X509_free);
        *chain = NULL;
    }
    BIO_free(in);
    pem_clear(&file);
    ERR_clear_error();
    return e;
}

// Called when the key has a passphrase.
static int passphrase(char *out, int size, int writing, void *asked)
{
    (void)out;
    (void)size;
    (void)writing;
    *(bool *)asked = true;
    return -1;
}

int pem_key(EVP_PKEY **key, const char *path, mode_t closed, char why[WHY_MAX])
{
    struct pem_bytes file;
    bool asked = false;
    *key = NULL;
    int e = pem_read(&file, path, closed, PEM_FILE_MAX, why);
    if (e)
        return e;
    ERR_clear_error();
    BIO *in = BIO_new_mem_buf(file.p, (int)file.n);
    if (in)
        *key = PEM_read_bio_PrivateKey(in, NULL, passphrase, &asked);
    if (!in || (!*key && trouble_take().memory))
        e = told(E_NOMEM, path, err_text(E_NOMEM), why);
    else if (asked)
        e = told(E_UNSUPPORTED, path,
                 "the key has a passphrase; only keys without one can be used "
                 "(openssl pkey -in FILE -out NEW takes it off)",
                 why);
    else if (!*key)
        e = told(E_SYNTAX, path, "there is no PEM private key in it that can be read", why);
    if (e && *key) {
        EVP_PKEY_free(*key);
        *key = NULL;
    }
    BIO_free(in);
    pem_clear(&file);
    ERR_clear_error();
    return e;
}

void pem_key_text(const EVP_PKEY *key, char *out, size_t size)
{
    static const char *const curves[][2] = {
        {"prime256v1", "P-256"}, {"secp384r1", "P-384"}, {"secp521r1", "P-521"}};
    char group[64] = "?";
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        (void)EVP_PKEY_get_utf8_string_param(key, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof group,
                                             NULL);
        const char *name = group;
        for (size_t i = 0; i < sizeof curves / sizeof *curves; i++)
            if (strcmp(group, curves[i][0]) == 0)
                name = curves[i][1];
        snprintf(out, size, "EC %s", name);
    } else if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
        snprintf(out, size, "RSA %d", EVP_PKEY_get_bits(key));
    } else {
        const char *name = EVP_PKEY_get0_type_name(key);
        snprintf(out, size, "%s", name ? name : "?");
    }
    ERR_clear_error();
}
