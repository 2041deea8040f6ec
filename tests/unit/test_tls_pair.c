// Pairs from files: what is taken, what is refused and in which words, and which hosts one is for.
#include "proxy/tls/pair_impl.h"
#include "tests/support/alloc.h"
#include "tests/support/certify.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>

static char dir[TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    if (!certify_here())
        return 0;
    certify_ca(dir, "ca", "ec");
    certify_script(
        dir,
        "umask 077;"
        "printf 'subjectAltName=DNS:www.example,DNS:*.wild.example,IP:10.0.0.1,IP:fd00::1' > ext;"
        "openssl ecparam -name prime256v1 -genkey -out leaf.key;" // EC PARAMETERS stand in front
        "openssl req -new -key leaf.key -subj /CN=www.example -out leaf.csr;"
        "openssl x509 -req -in leaf.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 20 "
        "  -extfile ext -out one.crt; cat one.crt ca.crt > leaf.crt;"
        "openssl genrsa -out rsa.key 2048;"
        "openssl pkey -in rsa.key -aes256 -passout pass:secret1 -out locked.key;"
        "openssl rsa -in rsa.key -aes256 -passout pass:secret1 -traditional -out locked1.key;"
        "openssl req -x509 -key rsa.key -subj '/CN=old.example' -days 5 -out rsa.crt;"
        "{ cat one.crt; echo -----BEGIN CERTIFICATE-----; echo AAAA; "
        "  echo -----END CERTIFICATE-----; } > broken.crt;"
        "echo nothing > text; : > empty; head -c 1100000 /dev/zero > huge; mkfifo pipe;"
        "cp leaf.key open.key; chmod 0644 open.key; cp leaf.key group.key; chmod 0640 group.key");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void test_load(void **state)
{
    struct tls_pair *p;
    char why[WHY_MAX];
    (void)state;
    if (!certify_here())
        skip();
    assert_int_equal(tls_pair_load(&p, tmp_in(dir, "leaf.crt"), tmp_in(dir, "leaf.key"), why), 0);
    assert_int_equal(sk_X509_num(p->chain), 1);
    struct tls_pair *again = tls_pair_keep(p);
    tls_pair_free(p);
    assert_true(tls_pair_is_for(again, "www.example"));
    assert_true(tls_pair_is_for(again, "WWW.example."));
    assert_true(tls_pair_is_for(again, "a.wild.example"));
    assert_true(tls_pair_is_for(again, "10.0.0.1"));
    assert_true(tls_pair_is_for(again, "fd00:0::1"));
    assert_false(tls_pair_is_for(again, "wild.example"));
    assert_false(tls_pair_is_for(again, "a.b.wild.example"));
    assert_false(tls_pair_is_for(again, "10.0.0.2"));
    assert_false(tls_pair_is_for(again, ".example"));
    assert_false(tls_pair_is_for(again, ""));
    tls_pair_free(again);
    tls_pair_free(NULL);
    // A key that others may read is fine here; without alternative names the common name counts.
    assert_int_equal(tls_pair_load(&p, tmp_in(dir, "leaf.crt"), tmp_in(dir, "open.key"), why), 0);
    tls_pair_free(p);
    assert_int_equal(tls_pair_load(&p, tmp_in(dir, "leaf.crt"), tmp_in(dir, "group.key"), why), 0);
    tls_pair_free(p);
    assert_int_equal(tls_pair_load(&p, tmp_in(dir, "rsa.crt"), tmp_in(dir, "rsa.key"), why), 0);
    assert_true(tls_pair_is_for(p, "old.example"));
    tls_pair_free(p);
}

static void test_refused(void **state)
{
    static const struct {
        const char *cert, *key;
        int e;
        const char *told;
    } bad[] = {
        {"none.crt", "leaf.key", E_NOTFOUND, "none.crt: No such file"},
        {"leaf.crt", "none.key", E_NOTFOUND, "none.key: No such file"},
        {"text", "leaf.key", E_SYNTAX, "text: there is no PEM certificate in it"},
        {"empty", "leaf.key", E_SYNTAX, "empty: there is no PEM certificate in it"},
        {"leaf.key", "leaf.key", E_SYNTAX, "leaf.key: there is no PEM certificate in it"},
        {"broken.crt", "leaf.key", E_SYNTAX, "broken.crt: certificate 2 in it cannot be read"},
        {"huge", "leaf.key", E_LIMIT, "huge: 1100000 bytes, at most 1048576 are allowed"},
        {"pipe", "leaf.key", E_SYNTAX, "pipe: it is no regular file"},
        {".", "leaf.key", E_SYNTAX, "it is no regular file"},
        {"leaf.crt", "leaf.crt", E_SYNTAX, "there is no PEM private key in it"},
        {"rsa.crt", "locked.key", E_UNSUPPORTED, "locked.key: the key has a passphrase"},
        {"rsa.crt", "locked1.key", E_UNSUPPORTED, "locked1.key: the key has a passphrase"},
        {"leaf.crt", "rsa.key", E_SYNTAX, "rsa.key: the key does not belong to the certificate in"},
    };
    (void)state;
    if (!certify_here())
        skip();
    chmod(tmp_in(dir, "leaf.crt"), 0600);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char why[WHY_MAX] = "";
        struct tls_pair *p;
        assert_int_equal(tls_pair_load(&p, tmp_in(dir, bad[i].cert), tmp_in(dir, bad[i].key), why),
                         bad[i].e);
        assert_null(p);
        if (!strstr(why, bad[i].told))
            fail_msg("told: %s", why);
        assert_null(strchr(why, '\n'));
    }
}

static void test_no_memory(void **state)
{
    (void)state;
    if (!certify_here())
        skip();
    long i = 0;
    for (bool failed = true; failed; i += i < 200 ? 1 : i / 20) {
        struct tls_pair *p;
        char why[WHY_MAX] = "";
        alloc_fail_at(i);
        int e = tls_pair_load(&p, tmp_in(dir, "leaf.crt"), tmp_in(dir, "leaf.key"), why);
        failed = alloc_fail_end();
        // OpenSSL goes without what it does not need, and hides the cause of some failures.
        assert_true(e == 0 || (failed && *why));
        tls_pair_free(p);
    }
    assert_true(i > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_memory),
    };
    certify_allocations();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
