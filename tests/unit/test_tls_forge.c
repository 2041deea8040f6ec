// Leaves: what is in them, who believes them, when the same one comes again, and what the cache
// holds. OpenSSL's allocations fail here as ours do.
#include "proto/base/clock.h"
#include "proxy/tls/certificate.h"
#include "proxy/tls/forge.h"
#include "proxy/tls/pair_impl.h"
#include "tests/support/alloc.h"
#include "tests/support/certify.h"
#include "tests/support/program.h"
#include "tests/support/tmp.h"

#include <openssl/x509v3.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define DAYS 30

static char dir[TMP_PATH], ca_path[TMP_PATH];
static struct tls_ca *ca;
static struct tls_keys *keys;
static int64_t now;

static int set_up(void **state)
{
    char why[WHY_MAX];
    (void)state;
    tmp_make(dir);
    now = clock_wall_us();
    if (tls_ca_open(&ca, tmp_in(dir, "ca"), true, 0, why) != 0 || tls_keys_new(&keys, why) != 0)
        return -1;
    tmp_path(ca_path, tmp_in(dir, "ca"), CA_CERT_NAME);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_keys_free(keys);
    tls_ca_free(ca);
    tmp_remove(dir);
    return 0;
}

static struct tls_forge *forge(size_t leaves)
{
    struct tls_forge *f;
    assert_int_equal(tls_forge_new(&f, ca, keys, DAYS, leaves), 0);
    return f;
}

static struct tls_pair *leaf(struct tls_forge *f, const char *host)
{
    struct tls_pair *p;
    assert_int_equal(tls_forge_leaf(f, host, true, "", false, now, &p), 0);
    return p;
}

static struct certificate read_of(const struct tls_pair *p)
{
    struct certificate c;
    certificate_read(p->cert, &c);
    return c;
}

static void test_one_name(void **state)
{
    const char *why = "";
    (void)state;
    struct tls_forge *f = forge(4);
    struct tls_pair *p = leaf(f, "api.example");
    assert_true(certify_trusts(ca_path, p, "api.example", now, &why));
    assert_false(certify_trusts(ca_path, p, "www.api.example", now, &why));
    assert_string_equal(why, "hostname mismatch");
    assert_true(certify_trusts(ca_path, p, "api.example", now - US_PER_DAY + 5 * US_PER_S, &why));
    assert_false(certify_trusts(ca_path, p, "api.example", now - US_PER_DAY - 5 * US_PER_S, &why));
    assert_true(
        certify_trusts(ca_path, p, "api.example", now + 29 * US_PER_DAY - 5 * US_PER_S, &why));
    assert_false(
        certify_trusts(ca_path, p, "api.example", now + 29 * US_PER_DAY + 5 * US_PER_S, &why));
    assert_true(tls_pair_is_for(p, "api.example"));
    struct certificate c = read_of(p);
    assert_string_equal(c.subject, "CN=api.example");
    assert_string_equal(c.names, "api.example");
    assert_int_equal(sk_X509_num(p->chain), 0); // the CA is its clients' root
    assert_int_equal(X509_check_private_key(p->cert, p->key), 1);
    if (certify_here()) {
        certify_write(p, tmp_in(dir, "leaf.pem"));
        certify_script(dir, "openssl verify -x509_strict -purpose sslserver -verify_hostname "
                            "api.example -CAfile ca/" CA_CERT_NAME " leaf.pem;"
                            "if openssl verify -purpose sslclient -CAfile ca/" CA_CERT_NAME
                            " leaf.pem; then exit 1; fi");
        char *text = certify_text(tmp_in(dir, "leaf.pem"));
        assert_non_null(strstr(text, "Subject: CN = api.example\n"));
        assert_non_null(strstr(text, "Key Usage: critical\n                Digital Signature\n"));
        assert_non_null(strstr(text, "CA:FALSE"));
        assert_non_null(strstr(text, "TLS Web Server Authentication\n"));
        assert_null(strstr(text, "TLS Web Client Authentication"));
        assert_non_null(strstr(text, "Alternative Name: \n                DNS:api.example\n"));
        assert_non_null(strstr(text, "NIST CURVE: P-256"));
        free(text);
    }
    tls_pair_free(p);
    tls_forge_free(f);
    tls_forge_free(NULL);
}

// Serials are 127 bits, and no two leaves share one.
static void test_serials(void **state)
{
    (void)state;
    struct tls_forge *f = forge(4);
    struct tls_pair *a = leaf(f, "a"), *b = leaf(f, "b");
    const ASN1_INTEGER *x = X509_get0_serialNumber(a->cert), *y = X509_get0_serialNumber(b->cert);
    assert_int_equal(ASN1_STRING_length(x), 16);
    assert_int_equal(ASN1_STRING_get0_data(x)[0] & 0xc0, 0x40);
    assert_int_not_equal(ASN1_INTEGER_cmp(x, y), 0);
    tls_pair_free(a);
    tls_pair_free(b);
    tls_forge_free(f);
}

static bool critical_names(const struct tls_pair *p)
{
    int at = X509_get_ext_by_NID(p->cert, NID_subject_alt_name, -1);
    return X509_EXTENSION_get_critical(X509_get_ext(p->cert, at)) > 0;
}

static void test_names(void **state)
{
    struct tls_pair *p;
    char longest[300];
    const char *why;
    (void)state;
    struct tls_forge *f = forge(8);
    // Without SNI: the names of the server, and not the address unless it is among them.
    assert_int_equal(tls_forge_leaf(f, "10.1.2.3", false, "a.example, *.b.example,fd00::5,10.9.9.9",
                                    false, now, &p),
                     0);
    assert_true(certify_trusts(ca_path, p, "a.example", now, &why));
    assert_true(certify_trusts(ca_path, p, "x.b.example", now, &why));
    assert_true(certify_trusts(ca_path, p, "fd00::5", now, &why));
    assert_true(certify_trusts(ca_path, p, "10.9.9.9", now, &why));
    assert_false(certify_trusts(ca_path, p, "10.1.2.3", now, &why));
    assert_false(critical_names(p));
    tls_pair_free(p);
    // Without any: the address; a certificate without a subject has critical names.
    assert_int_equal(tls_forge_leaf(f, "10.1.2.3", false, "", false, now, &p), 0);
    assert_true(certify_trusts(ca_path, p, "10.1.2.3", now, &why));
    assert_true(critical_names(p));
    assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(p->cert)), 0);
    assert_string_equal(read_of(p).names, "10.1.2.3");
    tls_pair_free(p);
    assert_int_equal(tls_forge_leaf(f, "::1", false, "bad\nname,,", false, now, &p), 0);
    assert_true(certify_trusts(ca_path, p, "::1", now, &why));
    tls_pair_free(p);
    // With SNI the server's own names do not count.
    assert_int_equal(tls_forge_leaf(f, "asked.example", true, "other.example", false, now, &p), 0);
    assert_true(certify_trusts(ca_path, p, "asked.example", now, &why));
    assert_false(certify_trusts(ca_path, p, "other.example", now, &why));
    tls_pair_free(p);
    // A name that is too long for a common name; IDNA as it comes.
    snprintf(longest, sizeof longest, "%060d.%060d.example", 0, 0);
    assert_int_equal(tls_forge_leaf(f, longest, true, "", false, now, &p), 0);
    assert_true(certify_trusts(ca_path, p, longest, now, &why));
    assert_true(critical_names(p));
    tls_pair_free(p);
    assert_int_equal(tls_forge_leaf(f, "xn--bcher-kva.example", true, "", false, now, &p), 0);
    assert_true(certify_trusts(ca_path, p, "xn--bcher-kva.example", now, &why));
    tls_pair_free(p);
    assert_int_equal(tls_forge_leaf(f,
                                    "b\xc3\xbc"
                                    "cher.example",
                                    true, "", false, now, &p),
                     0);
    assert_true(tls_pair_is_for(p, "b\xc3\xbc"
                                   "cher.example"));
    assert_true(critical_names(p));
    tls_pair_free(p);
    tls_forge_free(f);
}

static void test_refused(void **state)
{
    struct tls_pair *p;
    char name[257];
    (void)state;
    struct tls_forge *f = forge(2);
    memset(name, 'a', 256);
    name[256] = 0;
    assert_int_equal(tls_forge_leaf(f, name, true, "", false, now, &p), E_LIMIT);
    name[255] = 0;
    assert_int_equal(tls_forge_leaf(f, name, true, "", false, now, &p), 0);
    tls_pair_free(p);
    assert_int_equal(tls_forge_leaf(f, "a\nb", true, "", false, now, &p), E_SYNTAX);
    assert_int_equal(tls_forge_leaf(f, "a\x7f", true, "", false, now, &p), E_SYNTAX);
    assert_int_equal(tls_forge_leaf(f, "", true, "", false, now, &p), E_SYNTAX);
    assert_null(p);
    // A CA that has expired signs nothing.
    assert_int_equal(
        tls_forge_leaf(f, "late", true, "", false, now + (CA_DAYS + 1) * US_PER_DAY, &p),
        E_DAMAGED);
    tls_forge_free(f);
}

// More names than a leaf has, and a text that is cut within one.
static void test_many_names(void **state)
{
    static char names[3 * FORGE_NAMES_TEXT];
    struct tls_pair *p;
    size_t n = 0;
    (void)state;
    struct tls_forge *f = forge(2);
    for (int i = 0; i < 200; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%sn%d.example", i ? "," : "", i);
    assert_int_equal(tls_forge_leaf(f, "10.0.0.1", false, names, false, now, &p), 0);
    assert_true(tls_pair_is_for(p, "n127.example"));
    assert_false(tls_pair_is_for(p, "n128.example"));
    tls_pair_free(p);
    n = 0;
    for (int i = 0; i < 100; i++)
        n += (size_t)snprintf(names + n, sizeof names - n, "%s%0200d.n%03d", i ? "," : "", 0, i);
    assert_int_equal(tls_forge_leaf(f, "10.0.0.1", false, names, false, now, &p), 0);
    GENERAL_NAMES *all = X509_get_ext_d2i(p->cert, NID_subject_alt_name, NULL, NULL);
    assert_int_equal(sk_GENERAL_NAME_num(all), FORGE_NAMES_TEXT / 206);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++)
        assert_int_equal(ASN1_STRING_length(sk_GENERAL_NAME_value(all, i)->d.dNSName), 205);
    GENERAL_NAMES_free(all);
    tls_pair_free(p);
    tls_forge_free(f);
}

static void test_cache(void **state)
{
    struct tls_pair *p;
    (void)state;
    struct tls_forge *f = forge(3);
    struct tls_pair *a = leaf(f, "a"), *again = leaf(f, "a");
    assert_ptr_equal(a, again);
    assert_int_equal(tls_forge_minted(f), 1);
    // Another kind and other names are other leaves.
    assert_int_equal(tls_forge_leaf(f, "a", false, "b", false, now, &p), 0);
    assert_ptr_not_equal(a, p);
    tls_pair_free(p);
    assert_int_equal(tls_forge_leaf(f, "a", true, "ignored", false, now, &p), 0);
    assert_ptr_equal(a, p);
    tls_pair_free(p);
    tls_pair_free(leaf(f, "c"));
    tls_pair_free(leaf(f, "a"));
    assert_int_equal(tls_forge_minted(f), 3);
    // At the ceiling the one used longest ago goes: the one by names, then c.
    tls_pair_free(leaf(f, "d"));
    assert_int_equal(tls_forge_minted(f), 4);
    tls_pair_free(leaf(f, "c"));
    assert_int_equal(tls_forge_minted(f), 4);
    tls_pair_free(leaf(f, "a"));
    tls_pair_free(leaf(f, "e"));
    tls_pair_free(leaf(f, "d"));
    assert_int_equal(tls_forge_minted(f), 6);
    // What is held outlives its place in the cache, and the cache.
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        tls_pair_free(leaf(f, name));
    }
    assert_int_equal(tls_forge_minted(f), 106);
    tls_forge_free(f);
    assert_true(tls_pair_is_for(a, "a"));
    tls_pair_free(a);
    tls_pair_free(again);
}

static struct tls_pair *leaf_at(struct tls_forge *f, int64_t at)
{
    struct tls_pair *p;
    assert_int_equal(tls_forge_leaf(f, "a", true, "", false, at, &p), 0);
    return p;
}

static void test_expiry(void **state)
{
    (void)state;
    struct tls_forge *f = forge(3);
    struct tls_pair *a = leaf_at(f, now), *b = leaf_at(f, now + 28 * US_PER_DAY - US_PER_S);
    assert_ptr_equal(a, b);
    tls_pair_free(b);
    b = leaf_at(f, now + 28 * US_PER_DAY); // a day left
    assert_ptr_not_equal(a, b);
    assert_true(read_of(b).not_after_us > read_of(a).not_after_us);
    assert_int_equal(tls_forge_minted(f), 2);
    // It has taken the other's place; a clock that went back asks for one that is valid then.
    tls_pair_free(a);
    a = leaf_at(f, now + 28 * US_PER_DAY);
    assert_ptr_equal(a, b);
    tls_pair_free(a);
    a = leaf_at(f, now - US_PER_DAY);
    assert_ptr_not_equal(a, b);
    assert_true(certify_trusts(ca_path, b, "a", now + 28 * US_PER_DAY, NULL));
    tls_pair_free(a);
    tls_pair_free(b);
    tls_forge_free(f);
    // A leaf of one day can be used, and stays for some of it.
    assert_int_equal(tls_forge_new(&f, ca, keys, 1, 1), 0);
    a = leaf_at(f, now);
    b = leaf_at(f, now + 4 * 3600 * US_PER_S);
    assert_ptr_equal(a, b);
    assert_true(certify_trusts(ca_path, a, "a", now + 5 * 3600 * US_PER_S, NULL));
    tls_pair_free(a);
    tls_pair_free(b);
    tls_forge_free(f);
    // Never longer than the CA.
    f = forge(1);
    struct ca_facts facts;
    tls_ca_facts(ca, &facts);
    a = leaf_at(f, facts.not_after_us - 5 * US_PER_DAY);
    assert_int_equal(read_of(a).not_after_us, facts.not_after_us);
    b = leaf_at(f, facts.not_after_us - 2 * US_PER_DAY);
    assert_ptr_equal(a, b);
    tls_pair_free(a);
    tls_pair_free(b);
    tls_forge_free(f);
}

static void test_rsa(void **state)
{
    struct tls_pair *p, *q, *e;
    const char *why;
    (void)state;
    struct tls_forge *f = forge(4);
    assert_int_equal(tls_forge_leaf(f, "old.example", true, "", true, now, &p), 0);
    assert_int_equal(tls_forge_leaf(f, "old.example", true, "", true, now, &q), 0);
    assert_int_equal(tls_forge_leaf(f, "old.example", true, "", false, now, &e), 0);
    assert_ptr_equal(p, q);
    assert_ptr_not_equal(p, e);
    assert_int_equal(EVP_PKEY_get_base_id(p->key), EVP_PKEY_RSA);
    assert_int_equal(EVP_PKEY_get_bits(p->key), 2048);
    assert_int_equal(X509_get_key_usage(p->cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    assert_true(certify_trusts(ca_path, p, "old.example", now, &why));
    tls_pair_free(p);
    tls_pair_free(q);
    tls_pair_free(e);
    tls_forge_free(f);
}

// CAs of other kinds, and one that another has signed.
static void test_other_cas(void **state)
{
    static const char *const types[] = {"ec -pkeyopt ec_paramgen_curve:P-384",
                                        "ec -pkeyopt ec_paramgen_curve:P-521", "rsa:2048"};
    struct tls_ca *own;
    struct tls_forge *f;
    char why[WHY_MAX];
    const char *reason = "";
    (void)state;
    if (!certify_here())
        skip();
    for (size_t i = 0; i < 3; i++) {
        char crt[TMP_PATH];
        certify_ca(dir, "own", types[i]);
        tmp_path(crt, dir, "own.crt");
        now = clock_wall_us();
        assert_int_equal(tls_ca_load(&own, crt, tmp_in(dir, "own.key"), why), 0);
        assert_int_equal(tls_forge_new(&f, own, keys, FORGE_DAYS_MAX, 1), 0);
        struct tls_pair *p = leaf(f, "own.example");
        if (!certify_trusts(crt, p, "own.example", now, &reason))
            fail_msg("%s: %s", types[i], reason);
        // 100 days were the CA's.
        assert_true(read_of(p).not_after_us <= now + 101 * US_PER_DAY);
        tls_pair_free(p);
        tls_forge_free(f);
        tls_ca_free(own);
    }
    certify_ca(dir, "root", "ec");
    certify_script(dir,
                   "umask 077; openssl ecparam -name prime256v1 -genkey -noout -out mid.key;"
                   "openssl req -new -key mid.key -subj /CN=mid -out mid.csr;"
                   "printf 'basicConstraints=critical,CA:TRUE,pathlen:0\\n"
                   "keyUsage=critical,keyCertSign\\nsubjectKeyIdentifier=hash\\n"
                   "authorityKeyIdentifier=keyid\\n' > ext;"
                   "openssl x509 -req -in mid.csr -CA root.crt -CAkey root.key -CAcreateserial "
                   "-days 9 -extfile ext -out mid1.crt; cat mid1.crt root.crt > mid.crt");
    now = clock_wall_us();
    assert_int_equal(tls_ca_load(&own, tmp_in(dir, "mid.crt"), tmp_in(dir, "mid.key"), why), 0);
    assert_int_equal(tls_forge_new(&f, own, keys, DAYS, 1), 0);
    struct tls_pair *p = leaf(f, "mid.example");
    assert_int_equal(sk_X509_num(p->chain), 1);
    if (!certify_trusts(tmp_in(dir, "root.crt"), p, "mid.example", now, &reason))
        fail_msg("%s", reason);
    tls_pair_free(p);
    tls_forge_free(f);
    tls_ca_free(own);
}

static void *mint_some(void *arg)
{
    struct tls_forge *f = arg;
    for (int i = 0; i < 10; i++) {
        struct tls_pair *p;
        char name[16];
        snprintf(name, sizeof name, "t%d", i);
        if (tls_forge_leaf(f, name, true, "", i % 2, now, &p) != 0)
            return f;
        tls_pair_free(tls_pair_keep(p));
        tls_pair_free(p);
    }
    return NULL;
}

// Workers of one process share the CA and the keys.
static void test_threads(void **state)
{
    enum { THREADS = 4 };
    struct tls_keys *shared;
    struct tls_forge *f[THREADS];
    pthread_t threads[THREADS];
    struct tls_pair *p[2];
    char why[WHY_MAX];
    (void)state;
    assert_int_equal(tls_keys_new(&shared, why), 0);
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(tls_forge_new(&f[i], ca, shared, DAYS, 5), 0);
        assert_int_equal(pthread_create(&threads[i], NULL, mint_some, f[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
    p[0] = leaf(f[0], "same");
    p[1] = leaf(f[1], "same");
    assert_ptr_equal(p[0]->key, p[1]->key);
    tls_pair_free(p[0]);
    tls_pair_free(p[1]);
    for (int i = 0; i < THREADS; i++)
        tls_forge_free(f[i]);
    tls_keys_free(shared);
}

static void test_no_memory(void **state)
{
    (void)state;
    long i = 0;
    for (bool failed = true; failed; i++) {
        struct tls_forge *f;
        struct tls_pair *p = NULL;
        alloc_fail_at(i);
        int e = tls_forge_new(&f, ca, keys, DAYS, 2);
        e = e ? e
              : tls_forge_leaf(f, "memory.example", false, "a.example,10.0.0.1", false, now, &p);
        failed = alloc_fail_end();
        // OpenSSL goes without what it does not need, and hides the cause of some failures.
        if (e == 0)
            assert_true(tls_pair_is_for(p, "a.example"));
        else
            assert_true(failed && (e == E_NOMEM || e == E_IO));
        tls_pair_free(p);
        tls_forge_free(f);
    }
    assert_true(i > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_name),   cmocka_unit_test(test_serials),
        cmocka_unit_test(test_names),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_many_names), cmocka_unit_test(test_cache),
        cmocka_unit_test(test_expiry),     cmocka_unit_test(test_rsa),
        cmocka_unit_test(test_other_cas),  cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
    };
    certify_allocations();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
