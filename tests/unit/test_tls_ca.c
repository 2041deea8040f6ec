// The CA: made, by many at once, loaded, refused with a reason, exported.
#include "proto/base/buf.h"
#include "proxy/tls/ca_impl.h"
#include "tests/support/alloc.h"
#include "tests/support/certify.h"
#include "tests/support/program.h"
#include "tests/support/tmp.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static unsigned mode_of(const char *path)
{
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static int files_in(const char *path)
{
    int n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;)
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    closedir(d);
    return n;
}

static void test_make(void **state)
{
    struct tls_ca *ca;
    struct ca_facts first, second;
    char why[WHY_MAX];
    (void)state;
    const char *folder = tmp_in(dir, "a");
    char deep[TMP_PATH];
    tmp_path(deep, folder, "b/ca");
    assert_int_equal(tls_ca_open(&ca, deep, false, 0, why), E_NOTFOUND);
    assert_non_null(strstr(why, "there is no certificate authority"));
    mode_t mask = umask(0077); // the certificate is for others nevertheless
    assert_int_equal(tls_ca_open(&ca, deep, true, 0, why), 0);
    umask(mask);
    tls_ca_facts(ca, &first);
    tls_ca_free(ca);
    assert_int_equal(strncmp(first.subject, "CN=Tapedeck CA ", 15), 0);
    assert_string_equal(first.key, "EC P-256");
    assert_int_equal(strlen(first.fingerprint), 95);
    assert_int_equal(first.not_after_us - first.not_before_us, CA_DAYS * 86400 * 1000000LL);
    assert_int_equal(files_in(deep), 2);
    char path[TMP_PATH];
    assert_int_equal(mode_of(folder), 0700);
    assert_int_equal(mode_of(deep), 0700);
    assert_int_equal(mode_of(tmp_path(path, deep, CA_CERT_NAME)), 0644);
    assert_int_equal(mode_of(tmp_path(path, deep, CA_KEY_NAME)), 0600);
    assert_int_equal(tls_ca_open(&ca, deep, true, 0, why), 0);
    tls_ca_facts(ca, &second);
    assert_string_equal(first.fingerprint, second.fingerprint);
    tls_ca_free(ca);
}

static void test_what_it_is(void **state)
{
    struct tls_ca *ca;
    char why[WHY_MAX], path[TMP_PATH];
    (void)state;
    if (!certify_here())
        skip();
    const char *folder = tmp_in(dir, "what");
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0);
    tls_ca_free(ca);
    char *text = certify_text(tmp_path(path, folder, CA_CERT_NAME));
    assert_non_null(
        strstr(text, "Basic Constraints: critical\n                CA:TRUE, pathlen:0"));
    assert_non_null(
        strstr(text, "Key Usage: critical\n                Certificate Sign, CRL Sign\n"));
    assert_non_null(strstr(text, "Subject Key Identifier"));
    assert_non_null(strstr(text, "Authority Key Identifier"));
    assert_non_null(strstr(text, "NIST CURVE: P-256"));
    assert_non_null(strstr(text, "ecdsa-with-SHA256"));
    free(text);
    certify_script(folder, "openssl verify -x509_strict -CAfile " CA_CERT_NAME " " CA_CERT_NAME);
}

// A process that died in between left a key; the certificate is made for it.
static void test_half_made(void **state)
{
    struct tls_ca *ca;
    char why[WHY_MAX], path[TMP_PATH];
    size_t n, m;
    (void)state;
    const char *folder = tmp_in(dir, "half");
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0);
    tls_ca_free(ca);
    char *key = tmp_read(tmp_path(path, folder, CA_KEY_NAME), &n);
    unlink(tmp_path(path, folder, CA_CERT_NAME));
    assert_int_equal(tls_ca_open(&ca, folder, false, 0, why), E_NOTFOUND);
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0);
    tls_ca_free(ca);
    char *same = tmp_read(tmp_path(path, folder, CA_KEY_NAME), &m);
    assert_int_equal(n, m);
    assert_memory_equal(key, same, n);
    free(key);
    free(same);
    unlink(path);
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), E_DAMAGED);
    assert_non_null(strstr(why, "its key " CA_KEY_NAME " is not"));
}

static void be_one(const char *folder, int start, int report)
{
    struct tls_ca *ca;
    struct ca_facts facts;
    char why[WHY_MAX], go;
    if (read(start, &go, 1) != 0) // ends for all at once
        _exit(2);
    if (tls_ca_open(&ca, folder, true, 0, why) != 0) {
        fprintf(stderr, "%s\n", why);
        _exit(1);
    }
    tls_ca_facts(ca, &facts);
    tls_ca_free(ca);
    _exit(write(report, facts.fingerprint, 95) == 95 ? 0 : 3);
}

static void at_once(const char *folder)
{
    enum { PROCESSES = 2 };
    int start[2], report[2];
    pid_t pids[PROCESSES];
    char found[PROCESSES][95];
    assert_int_equal(pipe(start), 0);
    assert_int_equal(pipe(report), 0);
    for (int i = 0; i < PROCESSES; i++) {
        pids[i] = fork();
        assert_true(pids[i] >= 0);
        if (pids[i] == 0) {
            close(start[1]);
            be_one(folder, start[0], report[1]);
        }
    }
    close(start[0]);
    close(start[1]);
    close(report[1]);
    for (int i = 0; i < PROCESSES; i++) {
        int status;
        assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
        assert_int_equal(status, 0);
        assert_int_equal(read(report[0], found[i], 95), 95);
        assert_memory_equal(found[i], found[0], 95);
    }
    close(report[0]);
    assert_int_equal(files_in(folder), 2);
}

static void test_at_once(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "once-%d", i);
        at_once(tmp_in(dir, name));
    }
}

static void refuse(const char *cert, const char *key, int e, const char *told)
{
    struct tls_ca *ca;
    char why[WHY_MAX] = "";
    int got = tls_ca_load(&ca, tmp_in(dir, cert), key ? tmp_in(dir, key) : NULL, why);
    if (got != e || !strstr(why, told))
        fail_msg("%s, %s: %d, %s", cert, key, got, why);
    assert_null(ca);
    assert_null(strchr(why, '\n'));
}

static void test_own(void **state)
{
    struct tls_ca *ca;
    struct ca_facts facts;
    char why[WHY_MAX];
    (void)state;
    if (!certify_here())
        skip();
    certify_ca(dir, "ec", "ec");
    certify_ca(dir, "rsa", "rsa:2048");
    certify_script(
        dir,
        "umask 077; openssl req -x509 -key ec.key -subj /CN=leaf -addext "
        "basicConstraints=critical,CA:FALSE -days 9 -out leaf.crt;"
        "openssl req -x509 -key ec.key -subj /CN=nosign -addext keyUsage=digitalSignature -days 9 "
        "-out nosign.crt;"
        "openssl req -new -key ec.key -subj /CN=past -out past.csr;"
        "printf 'basicConstraints=critical,CA:TRUE\\nsubjectKeyIdentifier=hash\\n' > ext;"
        "openssl x509 -req -in past.csr -signkey ec.key -extfile ext -days -1 -out past.crt;"
        "openssl genpkey -algorithm ed25519 -out ed.key;"
        "openssl req -x509 -key ed.key -subj /CN=ed -days 9 -out ed.crt;"
        "openssl req -x509 -newkey rsa:1024 -nodes -keyout weak.key -subj /CN=weak -days 9 "
        "-out weak.crt;"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:secp256k1 -nodes -keyout k.key "
        "-subj /CN=k -days 9 -out k.crt;"
        "openssl pkey -in ec.key -aes256 -passout pass:secret1 -out locked.key;"
        "cp ec.key group.key; chmod 0640 group.key; cp ec.key open.key; chmod 0604 open.key;"
        "openssl req -new -key rsa.key -subj /CN=middle -out middle.csr;"
        "openssl x509 -req -in middle.csr -CA ec.crt -CAkey ec.key -CAcreateserial -days 9 "
        "-extfile ext -out m.crt; cat m.crt ec.crt > middle.crt");
    assert_int_equal(tls_ca_load(&ca, tmp_in(dir, "ec.crt"), tmp_in(dir, "open.key"), why),
                     0); // of a mounted secret
    tls_ca_free(ca);
    assert_int_equal(tls_ca_load(&ca, tmp_in(dir, "ec.crt"), tmp_in(dir, "ec.key"), why), 0);
    assert_int_equal(sk_X509_num(ca->sent), 0);
    tls_ca_free(ca);
    assert_int_equal(tls_ca_load(&ca, tmp_in(dir, "rsa.crt"), tmp_in(dir, "rsa.key"), why), 0);
    tls_ca_facts(ca, &facts);
    assert_string_equal(facts.key, "RSA 2048");
    assert_string_equal(facts.subject, "CN=rsa");
    tls_ca_free(ca);
    assert_int_equal(tls_ca_load(&ca, tmp_in(dir, "rsa.crt"), NULL, why), 0);
    assert_null(ca->key);
    tls_ca_free(ca);
    // The certificate between is sent behind leaves, the root above it is not.
    assert_int_equal(tls_ca_load(&ca, tmp_in(dir, "middle.crt"), tmp_in(dir, "rsa.key"), why), 0);
    assert_int_equal(sk_X509_num(ca->sent), 1);
    tls_ca_free(ca);
    tls_ca_free(NULL);

    refuse("ec.crt", "rsa.key", E_SYNTAX, "rsa.key: the key does not belong to the certificate");
    refuse("leaf.crt", "ec.key", E_SYNTAX, "leaf.crt: it is no certificate authority");
    refuse("nosign.crt", "ec.key", E_SYNTAX, "nosign.crt: it is no certificate authority");
    refuse("past.crt", "ec.key", E_DAMAGED, "past.crt: the certificate expired on 20");
    refuse("ed.crt", "ed.key", E_SYNTAX, "its key is ED25519; EC P-256, P-384 or P-521, or RSA");
    refuse("weak.crt", "weak.key", E_SYNTAX, "its key is RSA 1024");
    refuse("k.crt", "k.key", E_SYNTAX, "its key is EC secp256k1");
    refuse("ec.crt", "locked.key", E_UNSUPPORTED, "locked.key: the key has a passphrase");
    refuse("ec.crt", "none.key", E_NOTFOUND, "none.key: No such file");
    refuse("none.crt", NULL, E_NOTFOUND, "none.crt: No such file");
}

static void test_folder_refused(void **state)
{
    struct tls_ca *ca;
    char why[WHY_MAX], path[TMP_PATH];
    (void)state;
    const char *folder = tmp_in(dir, "seen");
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0);
    tls_ca_free(ca);
    chmod(tmp_path(path, folder, CA_KEY_NAME), 0644);
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), E_REFUSED);
    assert_non_null(
        strstr(why, CA_KEY_NAME ": the key has mode 0644; group and others may have no access"));
    if (geteuid() == 0) {
        chmod(path, 0600);
        assert_int_equal(chown(path, 1234, 1234), 0);
        assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0); // nobody else put it there
        tls_ca_free(ca);
        chmod(folder, 0777);
        assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), E_REFUSED);
        assert_non_null(strstr(why, CA_KEY_NAME ": it belongs to user 1234"));
        assert_int_equal(tls_ca_open(&ca, folder, true, 1234, why), 0);
        tls_ca_free(ca);
        chmod(folder, 0700);
        assert_int_equal(chown(path, 0, 0), 0);
        chmod(path, 0644);
    }
    // Neither is a certificate made for such a key.
    unlink(tmp_path(path, folder, CA_CERT_NAME));
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), E_REFUSED);
    tmp_write(tmp_in(dir, "file"), "x", 1);
    tmp_path(path, tmp_in(dir, "file"), "ca");
    assert_int_equal(tls_ca_open(&ca, path, true, 0, why), E_NOTFOUND);
    assert_non_null(strstr(why, "Not a directory"));
    char deep[5000];
    memset(deep, 'a', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_int_equal(tls_ca_open(&ca, deep, true, 0, why), E_LIMIT);
}

static void test_home(void **state)
{
    char out[64];
    (void)state;
    setenv("XDG_DATA_HOME", "/data", 1);
    setenv("HOME", "/users/me", 1);
    assert_int_equal(tls_ca_home(out, sizeof out), 0);
    assert_string_equal(out, "/data/tapedeck/ca");
    assert_int_equal(tls_ca_home(out, 17), E_LIMIT);
    setenv("XDG_DATA_HOME", "relative", 1);
    assert_int_equal(tls_ca_home(out, sizeof out), 0);
    assert_string_equal(out, "/users/me/.local/share/tapedeck/ca");
    unsetenv("XDG_DATA_HOME");
    assert_int_equal(tls_ca_home(out, sizeof out), 0);
}

static void test_export(void **state)
{
    struct tls_ca *ca;
    char why[WHY_MAX], cert[TMP_PATH];
    struct buf pem, der, p12, full;
    size_t n;
    (void)state;
    const char *folder = tmp_in(dir, "export");
    assert_int_equal(tls_ca_open(&ca, folder, true, 0, why), 0);
    buf_init(&pem, 65536);
    buf_init(&der, 65536);
    buf_init(&p12, 65536);
    buf_init(&full, 10);
    assert_int_equal(tls_ca_export(ca, "pem", NULL, &pem), 0);
    char *file = tmp_read(tmp_path(cert, folder, CA_CERT_NAME), &n);
    assert_int_equal(n, buf_len(&pem));
    assert_memory_equal(file, buf_view(&pem).p, n);
    free(file);
    assert_int_equal(tls_ca_export(ca, "der", NULL, &der), 0);
    assert_int_equal(tls_ca_export(ca, "p12", "secret1", &p12), 0);
    assert_int_equal(tls_ca_export(ca, "jks", NULL, &full), E_UNSUPPORTED);
    assert_int_equal(tls_ca_export(ca, "pem", NULL, &full), E_LIMIT);
    tmp_write(tmp_in(dir, "ca.der"), buf_view(&der).p, buf_len(&der));
    tmp_write(tmp_in(dir, "ca.p12"), buf_view(&p12).p, buf_len(&p12));
    if (certify_here())
        certify_script(dir,
                       "openssl x509 -inform der -in ca.der | cmp - export/" CA_CERT_NAME ";"
                       "openssl pkcs12 -info -in ca.p12 -passin pass:secret1 > said 2>&1;"
                       "grep -q 2.16.840.1.113894.746875.1.1 said; if grep -q 'PRIVATE KEY' said; "
                       "then exit 1; fi;"
                       "if openssl pkcs12 -in ca.p12 -passin pass:wrong1 2> said; then exit 1; fi;"
                       "if command -v keytool > said; then keytool -list -keystore ca.p12 "
                       "-storepass secret1 | grep -q 'tapedeck-ca, .*trustedCertEntry'; fi");
    buf_clear(&pem);
    buf_clear(&der);
    buf_clear(&p12);
    buf_clear(&full);
    tls_ca_free(ca);
}

static void test_no_memory(void **state)
{
    (void)state;
    long i = 0;
    struct tls_ca *ca;
    char why[WHY_MAX] = "", name[32];
    for (bool failed = true; failed; i += i < 200 ? 1 : i / 20) {
        snprintf(name, sizeof name, "memory-%ld", i);
        alloc_fail_at(i);
        int e = tls_ca_open(&ca, tmp_in(dir, name), true, 0, why);
        failed = alloc_fail_end();
        // OpenSSL goes without what it does not need, and hides the cause of some failures.
        assert_true(e == 0 || (failed && *why));
        tls_ca_free(ca);
        // Whatever was left behind, the next one gets its CA.
        assert_int_equal(tls_ca_open(&ca, tmp_in(dir, name), true, 0, why), 0);
        tls_ca_free(ca);
    }
    assert_true(i > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_make),      cmocka_unit_test(test_what_it_is),
        cmocka_unit_test(test_half_made), cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_own),       cmocka_unit_test(test_folder_refused),
        cmocka_unit_test(test_home),      cmocka_unit_test(test_export),
        cmocka_unit_test(test_no_memory),
    };
    certify_allocations();
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
