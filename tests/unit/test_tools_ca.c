// tapedeck ca, as a user has it: made, shown, exported in each form, hints; and each mistake in one
// clear line.
#include "tests/support/certify.h"
#include "tests/support/program.h"
#include "tests/support/tmp.h"
#include "tools/ca/dumps.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], folder[TMP_PATH];

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    while ((text = strstr(text, what)) != NULL) {
        n++;
        text += strlen(what);
    }
    return n;
}

static int set_up(void **state)
{
    struct program p;
    (void)state;
    umask(0022);
    tmp_make(dir);
    tmp_path(folder, dir, "the ca");
    TAPEDECK(&p, "ca", "init", "--tls-ca-dir", folder);
    bool made = p.code == 0 && program_says(p.out, "A certificate authority was made.");
    program_clear(&p);
    return made ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void test_init(void **state)
{
    struct program p;
    struct stat st;
    (void)state;
    TAPEDECK(&p, "ca", "init", "--tls-ca-dir", folder);
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.out, "It is there already.\nsubject      CN=Tapedeck CA "));
    assert_true(program_says(p.out, "\nkey          EC P-256\n"));
    assert_true(program_says(p.out, "/the ca/tapedeck-ca.crt\n"));
    program_clear(&p);
    // The user's own folder.
    char data[TMP_PATH + 32];
    snprintf(data, sizeof data, "XDG_DATA_HOME=%s", tmp_in(dir, "data"));
    const char *const environment[] = {data, NULL};
    program_run(&p, (const char *const[]){"tapedeck", "ca", "init", NULL}, environment,
                (struct view){NULL, 0});
    assert_int_equal(p.code, 0);
    assert_int_equal(stat(tmp_in(dir, "data/tapedeck/ca/tapedeck-ca.key"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    program_clear(&p);
}

static void test_show(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "ca", "show", "--tls-ca-dir", folder);
    assert_int_equal(p.code, 0);
    assert_int_equal(count(p.out, "\n"), 6);
    program_clear(&p);
    TAPEDECK(&p, "ca", "show", "--tls-ca-dir", folder, "--json");
    assert_int_equal(p.code, 0);
    json_t *all = json_loads(p.out, 0, NULL);
    assert_non_null(all);
    assert_string_equal(json_string_value(json_object_get(all, "key")), "EC P-256");
    assert_true(
        program_says(json_string_value(json_object_get(all, "private_key")), "tapedeck-ca.key"));
    json_decref(all);
    program_clear(&p);
    if (!certify_here())
        return;
    certify_ca(dir, "mine", "rsa:2048");
    TAPEDECK(&p, "ca", "show", "--tls-ca-cert", tmp_in(dir, "mine.crt"), "--tls-ca-key",
             tmp_in(dir, "mine.key"));
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.out, "CN=mine\nkey          RSA 2048\n"));
    assert_true(program_says(p.out, "/mine.key\n"));
    assert_int_equal(p.err_n, 0);
    program_clear(&p);
    // Of which the proxy warns, too.
    assert_int_equal(chmod(tmp_in(dir, "mine.key"), 0640), 0);
    TAPEDECK(&p, "ca", "show", "--tls-ca-cert", tmp_in(dir, "mine.crt"), "--tls-ca-key",
             tmp_in(dir, "mine.key"));
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.err,
                             "/mine.key: group or others have access to the key, as it has mode "
                             "0640\n"));
    program_clear(&p);
}

static void export(struct program *p, const char *form, const char *out)
{
    TAPEDECK(p, "ca", "export", "--tls-ca-dir", folder, "--form", form, "-o", out);
    if (p->code)
        fprintf(stderr, "%s", p->err);
    assert_int_equal(p->code, 0);
    assert_int_equal(p->out_n, 0);
}

static void test_export(void **state)
{
    struct program p;
    struct stat st;
    size_t n, m;
    (void)state;
    export(&p, "pem", tmp_in(dir, "ca.pem"));
    program_clear(&p);
    assert_int_equal(stat(tmp_in(dir, "ca.pem"), &st), 0);
    assert_int_equal(st.st_mode & 07777, 0644); // others are to trust it
    char *file = tmp_read(tmp_in(dir, "the ca/tapedeck-ca.crt"), &n),
         *pem = tmp_read(tmp_in(dir, "ca.pem"), &m);
    assert_int_equal(n, m);
    assert_memory_equal(file, pem, n);
    // The same on standard output, without the key: it is not needed.
    assert_int_equal(chmod(tmp_in(dir, "the ca/tapedeck-ca.key"), 0644), 0);
    TAPEDECK(&p, "ca", "export", "--tls-ca-dir", folder);
    assert_string_equal(p.out, file);
    program_clear(&p);
    TAPEDECK(&p, "ca", "show", "--tls-ca-dir", folder);
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "the key has mode 0644; group and others may have no access"));
    program_clear(&p);
    assert_int_equal(chmod(tmp_in(dir, "the ca/tapedeck-ca.key"), 0600), 0);
    free(file);
    free(pem);
    export(&p, "der", tmp_in(dir, "ca.der"));
    program_clear(&p);
    export(&p, "p12", tmp_in(dir, "ca.p12"));
    program_clear(&p);
    if (certify_here())
        certify_script(dir, "openssl x509 -inform der -in ca.der | cmp - ca.pem;"
                            "openssl pkcs12 -in ca.p12 -passin pass:changeit -nokeys > said");
}

static void bundle(struct program *p, const char *roots)
{
    char given[TMP_PATH + 32];
    snprintf(given, sizeof given, "SSL_CERT_FILE=%s", roots);
    const char *const environment[] = {given, NULL};
    program_run(p,
                (const char *const[]){"tapedeck", "ca", "export", "--form=bundle", "--tls-ca-dir",
                                      folder, NULL},
                environment, (struct view){NULL, 0});
}

static void test_bundle(void **state)
{
    static const char roots[] = "# ours\n-----BEGIN CERTIFICATE-----\nAAAA\n"
                                "-----END CERTIFICATE-----"; // no end of line
    struct program p;
    (void)state;
    tmp_write(tmp_in(dir, "roots"), roots, sizeof roots - 1);
    bundle(&p, tmp_in(dir, "roots"));
    assert_int_equal(p.code, 0);
    assert_int_equal(strncmp(p.out, roots, sizeof roots - 1), 0);
    assert_true(program_says(p.out, "-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\nMII"));
    // One that holds ours already stays as it is.
    tmp_write(tmp_in(dir, "both"), p.out, p.out_n);
    struct program q;
    bundle(&q, tmp_in(dir, "both"));
    assert_string_equal(p.out, q.out);
    program_clear(&p);
    program_clear(&q);
    bundle(&p, tmp_in(dir, "nothing"));
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "/nothing: No such file or directory\n"));
    program_clear(&p);
    tmp_write(tmp_in(dir, "text"), "text", 4);
    bundle(&p, tmp_in(dir, "text"));
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "/text: there is no PEM certificate in it\n"));
    program_clear(&p);
    bundle(&p, dir);
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "it is no regular file\n"));
    program_clear(&p);
}

// A Java of our own making, whose keytool keeps its words and appends to the store.
static void java(struct program *p, const char *keytool)
{
    char home[TMP_PATH + 32], script[4096];
    snprintf(
        script, sizeof script,
        "rm -rf java; mkdir -p java/bin java/lib/security; printf OLD > java/lib/security/cacerts;"
        "printf '%%s\\n' '#!/bin/sh' '%s' > java/bin/keytool; chmod 0755 java/bin/keytool",
        keytool);
    certify_script(dir, script);
    snprintf(home, sizeof home, "JAVA_HOME=%s", tmp_in(dir, "java"));
    const char *const environment[] = {home, "JAVA_TOOL_OPTIONS=-Dfile.encoding=UTF-8", NULL};
    unlink(tmp_in(dir, "cacerts"));
    program_run(p,
                (const char *const[]){"tapedeck", "ca", "export", "--form=jks-cacerts",
                                      "--password=secret;$(id)", "--tls-ca-dir", folder, "--out",
                                      tmp_in(dir, "cacerts"), NULL},
                environment, (struct view){NULL, 0});
}

static void test_java_made(void **state)
{
    struct program p;
    (void)state;
    java(&p, "while [ $# -gt 0 ]; do echo \"[$1]\"; [ $1 = -keystore ] && store=$2; shift; done "
             "> ${0%/*}/said; printf \"+$TAPEDECK_STOREPASS+$JAVA_TOOL_OPTIONS\" >> $store");
    assert_int_equal(p.code, 0);
    assert_int_equal(p.err_n, 0);
    program_clear(&p);
    char *store = tmp_read(tmp_in(dir, "cacerts"), NULL),
         *said = tmp_read(tmp_in(dir, "java/bin/said"), NULL);
    assert_string_equal(store, "OLD+secret;$(id)+");
    assert_true(program_says(said, "[-importcert]\n[-noprompt]\n[-alias]\n[tapedeck-ca-"));
    assert_null(strstr(said, "secret"));
    free(store);
    free(said);
    // It is there already: its store is taken as it is.
    java(&p, "[ $1 = -list ]");
    assert_int_equal(p.code, 0);
    program_clear(&p);
    store = tmp_read(tmp_in(dir, "cacerts"), NULL);
    assert_string_equal(store, "OLD");
    free(store);
    java(&p, "echo Hm; echo keytool error: java.io.IOException: password was incorrect; exit 1");
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "bin/keytool: java.io.IOException: password was incorrect\n"));
    assert_int_equal(count(p.err, "\n"), 1);
    assert_int_equal(access(tmp_in(dir, "cacerts"), F_OK), -1);
    program_clear(&p);
    java(&p, "exit 3");
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "bin/keytool: it could not be run\n"));
    program_clear(&p);
}

static void without_java(const char *const *environment, const char *told)
{
    struct program p;
    program_run(&p,
                (const char *const[]){"tapedeck", "ca", "export", "--form=jks-cacerts",
                                      "--tls-ca-dir", folder, "--out", tmp_in(dir, "none"), NULL},
                environment, (struct view){NULL, 0});
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, told));
    assert_int_equal(access(tmp_in(dir, "none"), F_OK), -1);
    program_clear(&p);
}

static void test_java_missing(void **state)
{
    char home[TMP_PATH + 32];
    (void)state;
    snprintf(home, sizeof home, "JAVA_HOME=%s", dir);
    without_java((const char *const[]){home, NULL}, "where there is no bin/keytool\n");
    without_java((const char *const[]){"JAVA_HOME", "PATH=/nowhere", NULL},
                 "there is no keytool: neither JAVA_HOME nor PATH leads to Java\n");
    certify_script(dir, "mkdir -p empty/bin; printf '#!/bin/sh\\n' > empty/bin/keytool;"
                        "chmod 0755 empty/bin/keytool");
    snprintf(home, sizeof home, "JAVA_HOME=%s", tmp_in(dir, "empty"));
    without_java((const char *const[]){home, NULL}, "this Java has no lib/security/cacerts\n");
}

static void test_java_here(void **state)
{
    struct program p;
    (void)state;
    program_shell(&p, "keytool -list -cacerts -storepass changeit > /dev/null 2>&1");
    bool here = p.code == 0;
    program_clear(&p);
    if (!here)
        skip();
    export(&p, "jks-cacerts", tmp_in(dir, "store"));
    program_clear(&p);
    certify_script(
        dir, "keytool -list -keystore store -storepass changeit > listed;"
             "test $(grep -c trustedCertEntry listed) -gt 1;"
             "grep -q 'tapedeck-ca-.*trustedCertEntry' listed;"
             "tapedeck ca export --form p12 --tls-ca-dir 'the ca' --out java.p12;"
             "keytool -list -keystore java.p12 -storepass changeit | grep -q trustedCertEntry");
}

static void test_hints(void **state)
{
    static const char *const words[] = {"debian", "fedora", "macos", "windows", "firefox", "java",
                                        "node",   "python", "go",    "curl",    "docker"};
    struct program all, one;
    char quoted[TMP_PATH + 8];
    (void)state;
    TAPEDECK(&all, "ca", "install-hints", "--tls-ca-dir", folder);
    assert_int_equal(all.code, 0);
    assert_null(strpbrk(all.out, "@%"));
    snprintf(quoted, sizeof quoted, "'%s/tapedeck-ca.crt'", folder);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        TAPEDECK(&one, "ca", "install-hints", words[i], "--tls-ca-dir", folder);
        assert_int_equal(one.code, 0);
        assert_int_equal(strncmp(one.out, "# ", 2), 0);
        assert_true(program_says(all.out, one.out));
        if (strcmp(words[i], "windows") != 0)
            assert_true(program_says(one.out, quoted)); // in a word of the shell
        program_clear(&one);
    }
    program_clear(&all);
    // What the hints let the shell run is what we have: with an authority in its usual place.
    char data[TMP_PATH + 32];
    snprintf(data, sizeof data, "XDG_DATA_HOME=%s", tmp_in(dir, "home"));
    const char *const environment[] = {data, NULL};
    program_run(&one, (const char *const[]){"tapedeck", "ca", "init", NULL}, environment,
                (struct view){NULL, 0});
    program_clear(&one);
    program_run(&one, (const char *const[]){"tapedeck", "ca", "install-hints", "go", NULL},
                environment, (struct view){NULL, 0});
    assert_int_equal(one.code, 0);
    assert_true(program_says(one.out, "\ntapedeck ca export --form bundle --out roots.pem\n"));
    program_clear(&one);
}

static void test_dumps(void **state)
{
    struct dumps was;
    struct rlimit before, now;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_CORE, &before), 0);
    int dumpable = prctl(PR_GET_DUMPABLE, 0, 0, 0, 0);
    dumps_forbid(&was);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_CORE, &now), 0);
    assert_int_equal(now.rlim_cur, 0);
    dumps_restore(&was);
    assert_int_equal(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), dumpable);
    assert_int_equal(getrlimit(RLIMIT_CORE, &now), 0);
    assert_int_equal(now.rlim_cur, before.rlim_cur);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *words[7];
        int code;
        const char *told;
    } bad[] = {
        {{"ca"}, 2, "tapedeck ca: what about it? init, show, export or install-hints"},
        {{"ca", "make"}, 2, "there is no 'ca make': init, show, export or install-hints"},
        {{"ca", "init", "x"}, 2, "takes nothing, not 'x'"},
        {{"ca", "show", "x"}, 2, "takes nothing, not 'x'"},
        {{"ca", "export", "pem"}, 2, "takes no operand, not 'pem'"},
        {{"ca", "export", "--form=jks"}, 2, "pem|der|p12|bundle|jks-cacerts"},
        {{"ca", "export", "--password=secret1"}, 2, "--password is for --form p12 and jks-cacerts"},
        {{"ca", "export", "--form=p12", "--password=12345"}, 2, "at least 6 characters"},
        {{"ca", "show", "--tls-ca-key=k"}, 2, "--tls-ca-key is for --tls-ca-cert, which is not"},
        {{"ca", "show", "--tls-ca-dir=d", "--tls-ca-cert=c"}, 2, "not both"},
        {{"ca", "show", "--tls-ca-dir=/nowhere"},
         1,
         "/nowhere: there is no certificate authority (tapedeck-ca.crt); tapedeck ca init makes"},
        {{"ca", "export", "--tls-ca-dir=/nowhere"}, 1, "tapedeck ca init makes one"},
        {{"ca", "install-hints", "--tls-ca-dir=/nowhere"}, 1, "tapedeck ca init makes one"},
        {{"ca", "export", "--tls-ca-cert=/nowhere.crt"}, 1, "/nowhere.crt: No such file"},
        {{"ca", "install-hints", "plan9"}, 2, "there is no hint for 'plan9'"},
        {{"ca", "install-hints", "go", "node"}, 2, "one word only, not 'node' as well"},
        {{"ca", "init", "--tls-ca-dir=/dev/null/x"}, 1, "/dev/null"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct program p;
        const char *words[8] = {"tapedeck"};
        memcpy(words + 1, bad[i].words, sizeof bad[i].words);
        program_run(&p, words, NULL, (struct view){NULL, 0});
        if (p.code != bad[i].code || !program_says(p.err, bad[i].told) || p.out_n)
            fail_msg("case %zu: %d %s%s", i, p.code, p.out, p.err);
        assert_in_range(count(p.err, "\n"), 1, bad[i].code == 2 ? 3 : 1);
        program_clear(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init),      cmocka_unit_test(test_show),
        cmocka_unit_test(test_export),    cmocka_unit_test(test_bundle),
        cmocka_unit_test(test_java_made), cmocka_unit_test(test_java_missing),
        cmocka_unit_test(test_java_here), cmocka_unit_test(test_hints),
        cmocka_unit_test(test_dumps),     cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
