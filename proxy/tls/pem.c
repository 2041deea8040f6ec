// pem: reads the files that certificates and keys come in.
//
// 1. A file is opened once, judged by what was opened, and read from it: nobody can exchange it
//    between the look at its mode and the reading.
// 2. Memory that held a key's text is cleared before it is given back, and no byte of the file gets
//    into why.
// 3. The error queue of OpenSSL is as empty afterwards as it was before.
//
// Elsewhere: what a certificate is fit for (ca_load.c, forge.c, trust.c).
#include "proxy/tls/pem_impl.h"

#include "proto/base/clock.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define NAME_SHOWN 300 // characters of a path in why

struct bytes {
    unsigned char *p;
    size_t n;
};

static void bytes_clear(struct bytes *b)
{
    if (b->p)
        OPENSSL_cleanse(b->p, b->n);
    free(b->p);
    *b = (struct bytes){0};
}

int pem_failed(const char *what, char why[WHY_MAX])
{
    unsigned long last = ERR_peek_last_error();
    const char *reason = last ? ERR_reason_error_string(last) : NULL;
    bool memory = false;
    for (unsigned long e; (e = ERR_get_error()) != 0;)
        memory = memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    if (memory)
        reason = err_text(E_NOMEM);
    if (why)
        snprintf(why, WHY_MAX, "%.*s: %.150s", NAME_SHOWN, what, reason ? reason : "it failed");
    return memory ? E_NOMEM : E_IO;
}

static int told(int e, const char *path, const char *what, char why[WHY_MAX])
{
    snprintf(why, WHY_MAX, "%.*s: %s", NAME_SHOWN, path, what);
    return e;
}

static int check_file(int fd, const char *path, mode_t closed, off_t *size, char why[WHY_MAX])
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
    if (st.st_size > (off_t)PEM_FILE_MAX) {
        snprintf(why, WHY_MAX, "%.*s: %lld bytes, at most %u are allowed", NAME_SHOWN, path,
                 (long long)st.st_size, PEM_FILE_MAX);
        return E_LIMIT;
    }
    *size = st.st_size;
    return 0;
}

static int read_all(int fd, struct bytes *out, size_t size, const char *path, char why[WHY_MAX])
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
            bytes_clear(out);
            return told(E_IO, path, strerror(e), why);
        }
        if (got == 0)
            break; // it became shorter
        at += (size_t)got;
    }
    out->n = at;
    return 0;
}

static int read_file(struct bytes *out, const char *path, mode_t closed, char why[WHY_MAX])
{
    off_t size = 0;
    *out = (struct bytes){0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a pipe must not make us wait
    if (fd < 0) {
        int e = errno;
        bool none = e == ENOENT || e == ENOTDIR;
        return told(none ? E_NOTFOUND : e == EACCES ? E_REFUSED : E_IO, path, strerror(e), why);
    }
    int e = check_file(fd, path, closed, &size, why);
    e = e ? e : read_all(fd, out, (size_t)size, path, why);
    close(fd);
    return e;
}

// What the errors of a reader come to, which are forgotten with that.
struct trouble {
    bool none;   // there is nothing (more) of the kind in the file
    bool memory; // it was not read for want of memory
};

static struct trouble trouble(void)
{
    struct trouble t = {0};
    for (unsigned long e; (e = ERR_get_error()) != 0;) {
        t.none = ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE;
        t.memory = t.memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
    }
    return t;
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
    struct trouble t = trouble();
    if (t.memory)
        return told(E_NOMEM, path, err_text(E_NOMEM), why);
    if (t.none)
        return 0;
    snprintf(why, WHY_MAX, "%.*s: certificate %d in it cannot be read", NAME_SHOWN, path,
             sk_X509_num(*chain) + 2);
    return E_SYNTAX;
}

int pem_certs(X509 **cert, STACK_OF(X509) * *chain, const char *path, char why[WHY_MAX])
{
    struct bytes file;
    BIO *in = NULL;
    *cert = NULL;
    *chain = NULL;
    int e = read_file(&file, path, 0, why);
    if (e)
        return e;
    ERR_clear_error();
    if (!(in = BIO_new_mem_buf(file.p, (int)file.n))) {
        e = pem_failed(path, why);
        goto out;
    }
    *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    if (!*cert) {
        struct trouble t = trouble();
        e = t.memory ? told(E_NOMEM, path, err_text(E_NOMEM), why)
            : t.none ? told(E_SYNTAX, path, "there is no PEM certificate in it", why)
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
    bytes_clear(&file);
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
    struct bytes file;
    bool asked = false;
    *key = NULL;
    int e = read_file(&file, path, closed, why);
    if (e)
        return e;
    ERR_clear_error();
    BIO *in = BIO_new_mem_buf(file.p, (int)file.n);
    if (in)
        *key = PEM_read_bio_PrivateKey(in, NULL, passphrase, &asked);
    if (!in || (!*key && trouble().memory))
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
    bytes_clear(&file);
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
