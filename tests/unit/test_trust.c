// Whose signature is taken: files, folders and the system's places; chains without their root;
// revoked leaves; what is wrong with a file; and memory that runs out, also inside of libcrypto.
#include "proxy/tls/trust_impl.h"

#include "proto/base/log.h"
#include "tests/support/alloc.h"
#include "tests/support/pki.h"
#include "tests/support/tmp.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FINE(call) assert_int_equal((call), 0)

static char dir[TMP_PATH], why[WHY_MAX];
static struct pki root, middle, leaf, old, other_root, other_leaf;

static void *crypto_malloc(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return n ? malloc(n) : NULL;
}

static void *crypto_realloc(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n == 0) {
        free(p);
        return NULL;
    }
    return realloc(p, n);
}

static void crypto_free(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static int setup(void **state)
{
    (void)state;
    tmp_make(dir);
    log_set_level(LOG_ERROR);
    pki_make(&root, "root", NULL, PKI_CA);
    pki_make(&middle, "middle", &root, PKI_CA);
    pki_make(&leaf, "leaf.example", &middle, 0);
    pki_make(&old, "old.example", &middle, PKI_EXPIRED);
    pki_make(&other_root, "other root", NULL, PKI_CA);
    pki_make(&other_leaf, "other.example", &other_root, 0);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    return 0;
}

static int teardown(void **state)
{
    struct pki *const all[] = {&root, &middle, &leaf, &old, &other_root, &other_leaf};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        pki_clear(all[i]);
    tmp_remove(dir);
    return 0;
}

// A fresh file of that name with these certificates.
static const char *file_of(const char *name, const struct pki *a, const struct pki *b)
{
    const char *path = tmp_in(dir, name);
    unlink(path);
    if (a)
        pki_add_cert(path, a);
    if (b)
        pki_add_cert(path, b);
    return path;
}

static struct tls_trust *trust_of(const char *ca, const char *crl)
{
    const char *cas[] = {ca, NULL}, *crls[] = {crl, NULL};
    const struct tls_trust_conf conf = {.ca = cas, .crl = crl ? crls : NULL};
    struct tls_trust *t;
    if (tls_trust_new(&t, &conf, why)) {
        print_error("%s\n", why);
        fail();
    }
    assert_int_equal(ERR_peek_error(), 0);
    return t;
}

static int verdict_with(const struct tls_trust *t, const struct pki *p, const struct pki *sent,
                        X509_STORE_CTX_verify_cb judge)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *chain = sk_X509_new_null();
    assert_true(!sent || sk_X509_push(chain, sent->cert));
    assert_true(X509_STORE_CTX_init(ctx, t->store, p->cert, chain));
    X509_STORE_CTX_set_default(ctx, "ssl_server");
    if (judge)
        X509_STORE_CTX_set_verify_cb(ctx, judge);
    int ok = X509_verify_cert(ctx), error = X509_STORE_CTX_get_error(ctx);
    assert_int_equal(ok > 0, error == X509_V_OK || judge != NULL);
    X509_STORE_CTX_free(ctx);
    sk_X509_free(chain);
    ERR_clear_error();
    return error;
}

static int verdict(const struct tls_trust *t, const struct pki *p, const struct pki *sent)
{
    return verdict_with(t, p, sent, NULL);
}

static void refuse(const char *ca, const char *crl, int error, const char *words)
{
    const char *cas[] = {ca, NULL}, *crls[] = {crl, NULL};
    const struct tls_trust_conf conf = {.ca = cas, .crl = crl ? crls : NULL};
    struct tls_trust *t;
    why[0] = '\0';
    int r = tls_trust_new(&t, &conf, why);
    if (r != error || !strstr(why, words) || t || strchr(why, '\n')) {
        print_error("%s, %s: %d \"%s\"\n", ca, crl ? crl : "", r, why);
        fail();
    }
}

static void test_files(void **state)
{
    (void)state;
    struct tls_trust *t = trust_of(file_of("root.pem", &root, NULL), NULL);
    assert_int_equal(t->authorities, 1);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_OK);
    assert_int_equal(verdict(t, &leaf, NULL), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    assert_int_equal(verdict(t, &old, &middle), X509_V_ERR_CERT_HAS_EXPIRED);
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    assert_int_equal(verdict(t, &other_root, NULL), X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT);
    tls_trust_free(t);
    // Several in one file, one of them twice, and a key that is passed over.
    const char *path = file_of("two.pem", &root, &other_root);
    pki_add_key(path, &root);
    pki_add_cert(path, &root);
    t = trust_of(path, NULL);
    assert_int_equal(t->authorities, 2);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_OK);
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_OK);
    tls_trust_free(t);
    tls_trust_free(NULL);
}

// One that libcrypto can read and not use does not keep the others out.
static void test_strange(void **state)
{
    struct pki strange;
    (void)state;
    pki_make(&strange, "strange", NULL, PKI_CA | PKI_STRANGE);
    struct tls_trust *t = trust_of(file_of("strange.pem", &strange, &root), NULL);
    assert_int_equal(t->authorities, 1);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_OK);
    tls_trust_free(t);
    refuse(file_of("strange.pem", &strange, NULL), NULL, E_SYNTAX, "that can be used");
    pki_clear(&strange);
}

// What is given and did not sign itself is trusted as it is; a root in the same file changes
// nothing for others.
static void test_partial_chains(void **state)
{
    (void)state;
    struct tls_trust *t = trust_of(file_of("middle.pem", &middle, NULL), NULL);
    assert_int_equal(verdict(t, &leaf, NULL), X509_V_OK);
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    tls_trust_free(t);
    t = trust_of(file_of("leaf.pem", &leaf, NULL), NULL);
    assert_int_equal(verdict(t, &leaf, NULL), X509_V_OK);
    assert_int_equal(verdict(t, &old, NULL), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    tls_trust_free(t);
}

static const char *folder_of(const char *name, const struct pki *p, const char *suffix)
{
    static char path[TMP_PATH];
    char file[2 * TMP_PATH];
    tmp_path(path, dir, name);
    mkdir(path, 0700);
    snprintf(file, sizeof file, "%s/%08lx.%s", path, X509_subject_name_hash(p->cert), suffix);
    pki_add_cert(file, p);
    return path;
}

static void test_folders(void **state)
{
    const char *path = folder_of("hashed", &root, "0");
    (void)state;
    folder_of("hashed", &other_root, "17");
    struct tls_trust *t = trust_of(path, NULL);
    assert_int_equal(t->authorities, 2);
    // Nothing is read any more: it may be gone by then.
    tmp_remove(path);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_OK);
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_OK);
    tls_trust_free(t);
}

static int system_trust(struct tls_trust **t, const char *ca)
{
    const char *cas[] = {ca, NULL};
    const struct tls_trust_conf conf = {.system = true, .ca = cas};
    return tls_trust_new(t, &conf, why);
}

static void test_system(void **state)
{
    char nowhere[TMP_PATH], list[3 * TMP_PATH];
    struct tls_trust *t;
    (void)state;
    tmp_path(nowhere, dir, "nowhere");
    // File and folders count, whichever of them there are.
    setenv("SSL_CERT_FILE", file_of("root.pem", &root, NULL), 1);
    setenv("SSL_CERT_DIR", nowhere, 1);
    FINE(system_trust(&t, NULL));
    assert_int_equal(t->authorities, 1);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_OK);
    tls_trust_free(t);
    const char *hashed = folder_of("system", &root, "0");
    folder_of("system", &root, "r0"); // a list of revoked ones, by its name
    snprintf(list, sizeof list, "%s::%s", nowhere, hashed);
    setenv("SSL_CERT_FILE", nowhere, 1);
    setenv("SSL_CERT_DIR", list, 1);
    FINE(system_trust(&t, NULL));
    assert_int_equal(t->authorities, 1);
    tls_trust_free(t);
    // Further ones beside the system's.
    FINE(system_trust(&t, file_of("other.pem", &other_root, NULL)));
    assert_int_equal(t->authorities, 2);
    tls_trust_free(t);
    // A damaged one among the system's is passed over.
    char bad[2 * TMP_PATH];
    snprintf(bad, sizeof bad, "%s/00000000.0", hashed);
    tmp_write(bad, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", 59);
    FINE(system_trust(&t, NULL));
    assert_int_equal(t->authorities, 1);
    tls_trust_free(t);
    // None at all: nobody is trusted.
    setenv("SSL_CERT_DIR", nowhere, 1);
    FINE(system_trust(&t, NULL));
    assert_int_equal(t->authorities, 0);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
    tls_trust_free(t);
    FINE(system_trust(&t, file_of("other.pem", &other_root, NULL)));
    assert_int_equal(t->authorities, 1);
    tls_trust_free(t);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
}

// The place that the system has when nobody names one, where there is any.
static void test_system_default(void **state)
{
    struct tls_trust *t;
    (void)state;
    FINE(system_trust(&t, NULL));
    tls_trust_free(t);
}

static int pass_all(int ok, X509_STORE_CTX *ctx)
{
    (void)ok, (void)ctx;
    return 1;
}

static void test_revoked(void **state)
{
    const struct pki *const gone[] = {&leaf, NULL}, *const none[] = {NULL};
    char path[TMP_PATH], late[TMP_PATH];
    struct pki second;
    (void)state;
    pki_make(&second, "second.example", &middle, 0);
    tmp_path(path, dir, "list.pem");
    pki_add_crl(path, &middle, gone, 0);
    const char *both = file_of("two.pem", &root, &other_root);
    struct tls_trust *t = trust_of(both, path);
    assert_int_equal(t->crls, 1);
    assert_int_equal(verdict(t, &leaf, &middle), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(verdict(t, &second, &middle), X509_V_OK);
    // No list of that issuer; nor of the one above, for which none is wanted.
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_OK);
    // What is wrong otherwise stays wrong.
    assert_int_equal(verdict(t, &old, &middle), X509_V_ERR_CERT_HAS_EXPIRED);
    // Whoever judges errors is asked.
    assert_int_equal(verdict_with(t, &leaf, &middle, pass_all), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(verdict_with(t, &other_leaf, NULL, pass_all), X509_V_OK);
    tls_trust_free(t);
    // With the anchor in the middle.
    t = trust_of(file_of("middle.pem", &middle, NULL), path);
    assert_int_equal(verdict(t, &leaf, NULL), X509_V_ERR_CERT_REVOKED);
    assert_int_equal(verdict(t, &second, NULL), X509_V_OK);
    tls_trust_free(t);
    // A list that is out of date.
    tmp_path(late, dir, "late.pem");
    pki_add_crl(late, &middle, none, 1);
    t = trust_of(both, late);
    assert_int_equal(verdict(t, &second, &middle), X509_V_ERR_CRL_HAS_EXPIRED);
    assert_int_equal(verdict(t, &other_leaf, NULL), X509_V_OK);
    tls_trust_free(t);
    // One that somebody else made in the issuer's name.
    struct pki false_middle;
    pki_make(&false_middle, "middle", &other_root, PKI_CA);
    unlink(late);
    pki_add_crl(late, &false_middle, gone, 0);
    t = trust_of(both, late);
    assert_int_not_equal(verdict(t, &leaf, &middle), X509_V_ERR_CERT_REVOKED);
    tls_trust_free(t);
    pki_clear(&false_middle);
    pki_clear(&second);
}

static void test_bad_files(void **state)
{
    char path[TMP_PATH], folder[TMP_PATH], text[8192];
    const char *good = file_of("root.pem", &root, NULL);
    size_t n;
    (void)state;
    refuse(NULL, NULL, E_NOTFOUND, "name a file");
    tmp_path(path, dir, "bad.pem");
    refuse(path, NULL, E_NOTFOUND, "bad.pem: No such file");
    tmp_write(path, "", 0);
    refuse(path, NULL, E_SYNTAX, "bad.pem: no certificate in it");
    tmp_write(path, "hello\n", 6);
    refuse(path, NULL, E_SYNTAX, "bad.pem: no certificate in it");
    refuse(good, path, E_SYNTAX, "bad.pem: no list of revoked");
    refuse(good, good, E_SYNTAX, "root.pem: no list of revoked");
    tmp_path(folder, dir, "empty");
    mkdir(folder, 0700);
    refuse(folder, NULL, E_SYNTAX, "rehash");
    refuse(good, folder, E_SYNTAX, "empty: it is no regular file");
    tmp_path(folder, dir, "pipe"); // nor do we wait for one
    assert_int_equal(mkfifo(folder, 0600), 0);
    refuse(folder, NULL, E_SYNTAX, "pipe: it is no regular file");
    // Cut anywhere within, or with a character that is none: damaged, never a part of it.
    char *pem = tmp_read(good, &n);
    for (size_t cut = 30; cut < n - 1; cut += 7) {
        tmp_write(path, pem, cut);
        refuse(path, NULL, E_SYNTAX, "bad.pem: ");
    }
    assert_true(2 * n < sizeof text);
    memcpy(text, pem, n);
    memcpy(text + n, pem, n);
    text[n + 200] = text[n + 200] == 'A' ? 'B' : 'A';
    text[n + 100] = '!';
    tmp_write(path, text, 2 * n);
    refuse(path, NULL, E_SYNTAX, "bad.pem: certificate 2 is damaged");
    free(pem);
}

static void test_without_memory(void **state)
{
    const char *cas[] = {file_of("two.pem", &root, &middle), NULL};
    const struct pki *const gone[] = {&leaf, NULL};
    char list[TMP_PATH];
    const char *crls[] = {tmp_path(list, dir, "list2.pem"), NULL};
    const struct tls_trust_conf conf = {.ca = cas, .crl = crls};
    (void)state;
    pki_add_crl(list, &middle, gone, 0);
    bool failed = true;
    for (long i = 0; failed; i++) {
        struct tls_trust *t;
        alloc_fail_at(i);
        int r = tls_trust_new(&t, &conf, why);
        failed = alloc_fail_end();
        assert_int_equal(t != NULL, r == 0);
        if (r == 0) {
            // It could be done without, or libcrypto took the certificate for one of no use.
            if (t->authorities == 2)
                assert_int_equal(verdict(t, &leaf, NULL), X509_V_ERR_CERT_REVOKED);
        } else {
            assert_true(failed);
            assert_true(why[0] != '\0');
        }
        assert_int_equal(ERR_peek_error(), 0);
        tls_trust_free(t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),          cmocka_unit_test(test_strange),
        cmocka_unit_test(test_partial_chains), cmocka_unit_test(test_folders),
        cmocka_unit_test(test_system),         cmocka_unit_test(test_system_default),
        cmocka_unit_test(test_revoked),        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_without_memory),
    };
    if (!CRYPTO_set_mem_functions(crypto_malloc, crypto_realloc, crypto_free))
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
