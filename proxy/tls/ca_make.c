// ca_make: the files of a new CA.
//
//   key:   made ─▶ .tapedeck-ca.key.RANDOM ─link(2)─▶ tapedeck-ca.key ─▶ read
//   cert:  made for the key that was read ─▶ .tapedeck-ca.crt.RANDOM ─link(2)─▶ tapedeck-ca.crt
//
// 1. link(2) never replaces: of several processes at once one key wins, and then one certificate,
//    both whole. The others take what is there.
// 2. A process that dies in between leaves a key without a certificate; the next one completes it.
// 3. What is linked has reached the disk.
#include "proxy/tls/ca_impl.h"

#include "proto/base/clock.h"
#include "proto/digest.h"
#include "proxy/tls/issue_impl.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HOST_SHOWN  41 // bytes of the host's name that fit into the common name
#define FOLDER_MODE 0700
#define KEY_MODE    0600
#define CERT_MODE   0644

static int failed(const char *path, int errnum, char why[WHY_MAX])
{
    int e = err_from_errno(errnum);
    snprintf(why, WHY_MAX, "%.300s: %s", path, strerror(errnum));
    return e;
}

// With the folders above it.
static int make_folder(const char *folder, char why[WHY_MAX])
{
    char path[PATH_MAX];
    struct stat st;
    int n = snprintf(path, sizeof path, "%s", folder);
    if (n <= 0 || n >= PATH_MAX)
        return failed(folder, n ? ENAMETOOLONG : ENOENT, why);
    for (int i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != 0)
            continue;
        char kept = path[i];
        path[i] = 0;
        if (mkdir(path, FOLDER_MODE) != 0 && errno != EEXIST && stat(path, &st) != 0)
            return failed(path, errno, why);
        path[i] = kept;
    }
    return 0;
}

static int write_all(int fd, const char *p, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, p, n);
        if (done < 0 && errno != EINTR)
            return errno;
        if (done > 0) {
            p += done;
            n -= (size_t)done;
        }
    }
    return fsync(fd) == 0 ? 0 : errno;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)fsync(fd); // where a file system cannot, nothing is lost but the proof
    close(fd);
}

// Puts content at path unless something is there; either way it is 0.
static int place(const char *folder, const char *name, const char *path, mode_t mode, BIO *content,
                 char why[WHY_MAX])
{
    char temp[PATH_MAX], hex[17], *p = NULL;
    unsigned char random[8];
    long n = BIO_get_mem_data(content, &p);
    digest_random(random, sizeof random);
    digest_hex(random, sizeof random, hex);
    if (snprintf(temp, sizeof temp, "%s/.%s.%s", folder, name, hex) >= PATH_MAX)
        return failed(folder, ENAMETOOLONG, why);
    int fd = open(temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, KEY_MODE);
    if (fd < 0)
        return failed(temp, errno, why);
    int bad = fchmod(fd, mode) == 0 ? write_all(fd, p, (size_t)n) : errno;
    if (close(fd) != 0 && !bad)
        bad = errno;
    if (!bad && link(temp, path) != 0 && errno != EEXIST)
        bad = errno;
    (void)unlink(temp);
    if (bad)
        return failed(path, bad, why);
    sync_folder(folder);
    return 0;
}

static int place_key(const char *folder, const char *path, char why[WHY_MAX])
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *text = BIO_new(BIO_s_secmem()); // cleared when it is freed
    int e = 0;
    if (!key || !text || !PEM_write_bio_PrivateKey(text, key, NULL, NULL, 0, NULL, NULL))
        e = pem_failed(path, why);
    e = e ? e : place(folder, CA_KEY_NAME, path, KEY_MODE, text, why);
    BIO_free(text);
    EVP_PKEY_free(key);
    return e;
}

// "Tapedeck CA HOST 2026-01-31". A host's name that is no plain text is left out.
static void common_name(char out[ISSUE_CN_MAX + 1], int64_t now_us)
{
    char host[HOST_SHOWN + 1] = "", date[CLOCK_TEXT];
    if (gethostname(host, sizeof host) != 0 && errno != ENAMETOOLONG)
        *host = 0;
    host[HOST_SHOWN] = 0;
    for (const char *c = host; *c; c++)
        if (*c <= ' ' || *c > '~') {
            *host = 0;
            break;
        }
    clock_format(now_us, date);
    snprintf(out, ISSUE_CN_MAX + 1, "Tapedeck CA %s%s%.10s", host, *host ? " " : "", date);
}

static X509 *make_cert(EVP_PKEY *key)
{
    static const int usage[] = {5, 6}; // keyCertSign, cRLSign
    char name[ISSUE_CN_MAX + 1];
    int64_t now = clock_wall_us(), from = now - US_PER_DAY;
    common_name(name, now);
    X509 *x = issue_begin(key, from, from + CA_DAYS * US_PER_DAY);
    // Who has signed is known by its key's identifier: two CAs of one day have one name.
    if (x && issue_name(x, "O", "Tapedeck") && issue_name(x, "CN", name) &&
        X509_set_issuer_name(x, X509_get_subject_name(x)) && issue_constraints(x, true) &&
        issue_usage(x, usage, 2) && issue_subject_id(x) && issue_authority_id(x, x) &&
        issue_sign(x, key))
        return x;
    X509_free(x);
    return NULL;
}

static int place_cert(const char *folder, const char *path, EVP_PKEY *key, char why[WHY_MAX])
{
    X509 *x = make_cert(key);
    BIO *text = BIO_new(BIO_s_mem());
    int e = 0;
    if (!x || !text || !PEM_write_bio_X509(text, x))
        e = pem_failed(path, why);
    e = e ? e : place(folder, CA_CERT_NAME, path, CERT_MODE, text, why);
    BIO_free(text);
    X509_free(x);
    return e;
}

int ca_make(const char *folder, const char *cert, const char *key, char why[WHY_MAX])
{
    EVP_PKEY *k = NULL;
    int e = make_folder(folder, why);
    ERR_clear_error();
    if (!e && access(key, F_OK) != 0)
        e = place_key(folder, key, why);
    e = e ? e : pem_key(&k, key, CA_KEY_CLOSED, why);
    e = e ? e : place_cert(folder, cert, k, why);
    EVP_PKEY_free(k);
    ERR_clear_error();
    return e;
}
