// tapedeck env, as a user has it: for a sidecar that runs, for one that is planned, with the files
// of trust; and each mistake in one clear line.
#include "tests/support/program.h"
#include "tests/support/tmp.h"
#include "tools/env/vars.h"

#include <dirent.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    umask(0022);
    tmp_make(dir);
    setenv("HOME", dir, 1); // nobody's own authority
    unsetenv("XDG_DATA_HOME");
    unsetenv("XDG_CACHE_HOME");
    for (const struct vars_row *row = vars_table; row->name; row++)
        unsetenv(row->name);
    setenv("JAVA_HOME", "/no/java/here", 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

static void test_planned(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "env");
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.out, "export HTTPS_PROXY='http://127.0.0.1:4140'\n"));
    assert_true(program_says(p.out, "export no_proxy=''\n"));
    assert_null(strstr(p.out, "SSL_CERT_FILE"));
    program_clear(&p);
    TAPEDECK(&p, "env", "--proxy", "HTTP://Tapedeck:8080/", "--no-proxy", "a,b", "--format",
             "json");
    assert_int_equal(p.code, 0);
    json_t *all = json_loads(p.out, 0, NULL);
    assert_string_equal(json_string_value(json_object_get(all, "https_proxy")),
                        "http://tapedeck:8080");
    assert_string_equal(json_string_value(json_object_get(all, "NO_PROXY")), "a,b");
    json_decref(all);
    program_clear(&p);
}

static void ready(const char *text, const char *wanted)
{
    struct program p;
    tmp_write(tmp_in(dir, "ready.json"), text, strlen(text));
    TAPEDECK(&p, "env", "--ready-file", tmp_in(dir, "ready.json"));
    assert_true(program_says(p.code ? p.err : p.out, wanted));
    program_clear(&p);
}

static void test_running(void **state)
{
    (void)state;
    ready("{\"out\": \"127.0.0.1:41234\"}", "http_proxy='http://127.0.0.1:41234'\n");
    ready("{\"out\": \"0.0.0.0:4\"}", "http_proxy='http://127.0.0.1:4'\n");
    ready("{\"out\": \"[::]:4\"}", "http_proxy='http://127.0.0.1:4'\n");
    ready("{\"in\": \"0.0.0.0:4\", \"out\": null}", "that sidecar has no outbound listener\n");
    ready("{\"out\": ", "ready.json: it is no ready file, or cannot be read\n");
}

static void test_trust(void **state)
{
    struct program p;
    struct stat st;
    (void)state;
    TAPEDECK(&p, "env", "--trust-dir", tmp_in(dir, "trust"), "--trust-path", "/seen", "--format",
             "pod");
    assert_int_equal(p.code, 0);
    assert_true(
        program_says(p.err, "Java goes without a trust store, and its first connection to each TLS "
                            "host fails: JAVA_HOME is /no/java/here, "));
    assert_true(program_says(p.out, "  - name: SSL_CERT_FILE\n    value: \"/seen/roots.pem\"\n"));
    assert_true(
        program_says(p.out, "  - name: NODE_EXTRA_CA_CERTS\n    value: \"/seen/ca.pem\"\n"));
    assert_null(strstr(p.out, "trustStore"));
    program_clear(&p);
    char *ca = tmp_read(tmp_in(dir, "trust/ca.pem"), NULL),
         *roots = tmp_read(tmp_in(dir, "trust/roots.pem"), NULL);
    char *own = tmp_read(tmp_in(dir, ".local/share/tapedeck/ca/tapedeck-ca.crt"), NULL);
    char *wgetrc = tmp_read(tmp_in(dir, "trust/wgetrc"), NULL);
    assert_string_equal(ca, own); // it was made
    assert_true(program_says(roots, ca));
    assert_string_equal(wgetrc, "\nca_certificate = /seen/roots.pem\n");
    for (const char *const *name =
             (const char *const[]){"trust/ca.pem", "trust/roots.pem", "trust/wgetrc", NULL};
         *name; name++) {
        assert_int_equal(stat(tmp_in(dir, *name), &st), 0);
        assert_int_equal(st.st_mode & 07777, 0644); // a container's user may be another
    }
    free(ca);
    free(roots);
    free(own);
    free(wgetrc);
    // Once more, as seen from here; the authority is the same.
    TAPEDECK(&p, "env", "--trust-dir", tmp_in(dir, "trust"), "--no-java");
    assert_int_equal(p.code, 0);
    assert_int_equal(p.err_n, 0);
    assert_true(program_says(p.out, "/trust/roots.pem'\n"));
    program_clear(&p);
}

// A Java whose keytool copies, counts its runs, and adds a line: its folder as $JAVA_HOME.
static const char *java(void)
{
    static char home[TMP_PATH + 16];
    static const char keytool[] = "#!/bin/sh\n"
                                  "while [ $# -gt 0 ]; do [ \"$1\" = -keystore ] && store=$2; "
                                  "shift; done\n"
                                  "echo run >>\"$HOME/runs\"\n"
                                  "echo ours >>\"$store\"\n";
    struct program p;
    char script[8 * TMP_PATH];
    snprintf(script, sizeof script, "mkdir -p %s/java/bin %s/java/lib/security", dir, dir);
    program_shell(&p, script);
    program_clear(&p);
    tmp_write(tmp_in(dir, "java/bin/keytool"), keytool, sizeof keytool - 1);
    tmp_write(tmp_in(dir, "java/lib/security/cacerts"), "theirs\n", 7);
    assert_int_equal(chmod(tmp_in(dir, "java/bin/keytool"), 0755), 0);
    unlink(tmp_in(dir, "runs"));
    snprintf(home, sizeof home, "JAVA_HOME=%s", tmp_in(dir, "java"));
    return home;
}

static void env_with(struct program *p, const char *const *environment, const char *option)
{
    program_run(
        p,
        (const char *const[]){"tapedeck", "env", "--trust-dir", tmp_in(dir, "trust"), option, NULL},
        environment, (struct view){NULL, 0});
    assert_int_equal(p->code, 0);
}

static void test_java(void **state)
{
    struct program p;
    (void)state;
    const char *const environment[] = {java(), NULL};
    for (int i = 0; i < 3; i++) {
        if (i == 2) // another Java than before
            tmp_write(tmp_in(dir, "java/lib/security/cacerts"), "theirs, more\n", 13);
        env_with(&p, environment, NULL);
        assert_true(program_says(p.out, "-Djavax.net.ssl.trustStore="));
        program_clear(&p);
        char *store = tmp_read(tmp_in(dir, "trust/cacerts"), NULL),
             *runs = tmp_read(tmp_in(dir, "runs"), NULL);
        assert_string_equal(store, i < 2 ? "theirs\nours\n" : "theirs, more\nours\n");
        assert_string_equal(runs, i < 2 ? "run\n" : "run\nrun\n");
        free(store);
        free(runs);
    }
    // One that fails: told, and the rest is there.
    tmp_write(tmp_in(dir, "java/lib/security/cacerts"), "again", 5);
    tmp_write(tmp_in(dir, "java/bin/keytool"), "#!/bin/sh\necho keytool error: no; exit 1\n", 41);
    env_with(&p, environment, NULL);
    assert_true(
        program_says(p.err, "Java goes without a trust store, and its first connection to each "));
    assert_null(strstr(p.out, "trustStore"));
    assert_true(program_says(p.out, "SSL_CERT_FILE"));
    program_clear(&p);
}

// A store that the user has named stays, where the program is to run in this environment.
static void test_java_with_a_store(void **state)
{
    struct program p;
    (void)state;
    const char *const environment[] = {
        java(), "JAVA_TOOL_OPTIONS=-Xint -Djavax.net.ssl.trustStore=/corp.jks", NULL};
    env_with(&p, environment, NULL);
    assert_true(program_says(p.err, "JAVA_TOOL_OPTIONS names a trust store, which stays; "));
    assert_null(strstr(p.out, "trustStore"));
    program_clear(&p);
    env_with(&p, environment, "--trust-path=/seen");
    assert_null(strstr(p.err, "names a trust store"));
    assert_true(program_says(p.out, "-Djavax.net.ssl.trustStore=/seen/cacerts"));
    program_clear(&p);
}

static size_t kept(void)
{
    size_t n = 0;
    DIR *d = opendir(tmp_in(dir, ".cache/tapedeck"));
    struct dirent *entry;
    while (d && (entry = readdir(d)))
        n += strncmp(entry->d_name, "cacerts-", 8) == 0;
    if (d)
        closedir(d);
    return n;
}

// A few stores are kept, where nobody else may put one.
static void test_java_kept(void **state)
{
    struct program p;
    char text[16];
    (void)state;
    const char *const environment[] = {java(), NULL};
    for (int i = 0; i < 12; i++) {
        int n = snprintf(text, sizeof text, "theirs %d\n", i);
        tmp_write(tmp_in(dir, "java/lib/security/cacerts"), text, (size_t)n);
        env_with(&p, environment, NULL);
        program_clear(&p);
    }
    assert_int_equal(kept(), 8);
    env_with(&p, environment, NULL); // the last one is among them
    program_clear(&p);
    size_t n;
    char *runs = tmp_read(tmp_in(dir, "runs"), &n);
    assert_int_equal(n, 12 * strlen("run\n"));
    free(runs);
    if (geteuid() != 0)
        return;
    assert_int_equal(chown(tmp_in(dir, ".cache/tapedeck"), 65534, 65534), 0);
    env_with(&p, environment, NULL);
    program_clear(&p);
    runs = tmp_read(tmp_in(dir, "runs"), &n);
    assert_int_equal(n, 13 * strlen("run\n"));
    free(runs);
    assert_int_equal(kept(), 8);
    assert_int_equal(chown(tmp_in(dir, ".cache/tapedeck"), 0, 0), 0);
}

static void mistake(const char *const *words, int code, const char *what)
{
    struct program p;
    program_run(&p, words, NULL, (struct view){NULL, 0});
    assert_int_equal(p.code, code);
    assert_int_equal(p.out_n, 0);
    assert_true(program_says(p.err, what));
    program_clear(&p);
}

#define MISTAKE(code, what, ...)                                                                   \
    mistake((const char *const[]){"tapedeck", "env", __VA_ARGS__, NULL}, code, what)

static void test_mistakes(void **state)
{
    (void)state;
    MISTAKE(2, "takes no operand, not 'x'", "x");
    MISTAKE(2, "--proxy: 'ftp://a:1' is not http://HOST:PORT", "--proxy", "ftp://a:1");
    MISTAKE(2, "--proxy: 'http://a' is not http://HOST:PORT", "--proxy", "http://a");
    MISTAKE(2, "--proxy: 'http://a:0' is not http://HOST:PORT", "--proxy", "http://a:0");
    MISTAKE(2, "--proxy: 'http://a:1/b' is not", "--proxy", "http://a:1/b");
    MISTAKE(2, "--proxy or --ready-file, not both", "--proxy", "a:1", "--ready-file", "x");
    MISTAKE(2, "--trust-path is for --trust-dir", "--trust-path", "/x");
    MISTAKE(1, "no-such: it is no ready file, or cannot be read", "--ready-file",
            tmp_in(dir, "no-such"));
    MISTAKE(1, "No such file", "--trust-dir", tmp_in(dir, "no/such"));
    MISTAKE(2, "format", "--format", "csh");
    MISTAKE(2, "--format compose: in a container 127.0.0.1 is itself", "--format", "compose");
    MISTAKE(2, "--trust-path: 'x' does not begin with /", "--trust-dir", tmp_in(dir, "t"),
            "--trust-path", "x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_planned),
        cmocka_unit_test(test_running),
        cmocka_unit_test(test_trust),
        cmocka_unit_test(test_java),
        cmocka_unit_test(test_java_with_a_store),
        cmocka_unit_test(test_java_kept),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
