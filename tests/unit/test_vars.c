// The table of variables: what each becomes, none twice, and that every form gives back the same
// values: a shell reads them, and what reads YAML.
#include "tests/support/alloc.h"
#include "tests/support/program.h"
#include "tests/support/tmp.h"
#include "tools/env/print.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static const struct hostport proxy = {"127.0.0.1", 4140}, proxy6 = {"::1", 4140};

static const char *value(const struct vars *v, const char *name)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->all[i].name, name) == 0)
            return v->all[i].value;
    return NULL;
}

static void test_without_tls(void **state)
{
    struct vars v;
    struct vars_facts f = {.proxy = &proxy, .direct = ""};
    (void)state;
    assert_int_equal(vars_make(&v, &f), 0);
    for (const char *const *name =
             (const char *const[]){"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
                                   "ALL_PROXY", "all_proxy", NULL};
         *name; name++)
        assert_string_equal(value(&v, *name), "http://127.0.0.1:4140");
    assert_string_equal(value(&v, "NO_PROXY"), "");
    assert_string_equal(value(&v, "no_proxy"), "");
    assert_string_equal(value(&v, "NODE_USE_ENV_PROXY"), "1");
    assert_string_equal(value(&v, "JAVA_TOOL_OPTIONS"),
                        "-Dhttp.proxyHost=127.0.0.1 -Dhttp.proxyPort=4140 "
                        "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=4140 -Dhttp.nonProxyHosts=");
    assert_null(value(&v, "SSL_CERT_FILE"));
    vars_clear(&v);
}

static void test_with_tls(void **state)
{
    struct vars v;
    struct vars_facts f = {.proxy = &proxy6,
                           .direct = "a.example,.b.example",
                           .roots = "/t/roots.pem",
                           .ca = "/t/ca.pem",
                           .wgetrc = "/t/wgetrc",
                           .java = "/my folder/cacerts"};
    (void)state;
    assert_int_equal(vars_make(&v, &f), 0);
    assert_string_equal(value(&v, "http_proxy"), "http://[::1]:4140");
    assert_string_equal(value(&v, "NO_PROXY"), "a.example,.b.example");
    for (const char *const *name =
             (const char *const[]){"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE",
                                   "GIT_SSL_CAINFO", "AWS_CA_BUNDLE", "PIP_CERT",
                                   "CARGO_HTTP_CAINFO", "NIX_SSL_CERT_FILE",
                                   "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH", NULL};
         *name; name++)
        assert_string_equal(value(&v, *name), "/t/roots.pem");
    assert_string_equal(value(&v, "NODE_EXTRA_CA_CERTS"), "/t/ca.pem");
    assert_string_equal(value(&v, "DENO_CERT"), "/t/ca.pem");
    assert_string_equal(value(&v, "WGETRC"), "/t/wgetrc");
    // Both rows of it in one, with what Java wants: no brackets, '|', and quotes around a blank.
    assert_string_equal(value(&v, "JAVA_TOOL_OPTIONS"),
                        "-Dhttp.proxyHost=::1 -Dhttp.proxyPort=4140 -Dhttps.proxyHost=::1 "
                        "-Dhttps.proxyPort=4140 -Dhttp.nonProxyHosts=a.example|*.b.example "
                        "-Djavax.net.ssl.trustStore=\"/my folder/cacerts\" "
                        "-Djavax.net.ssl.trustStorePassword=changeit");
    for (size_t i = 0; i < v.n; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(v.all[i].name, v.all[k].name);
    vars_clear(&v);
}

static void test_set(void **state)
{
    struct vars v;
    struct vars_facts f = {.proxy = &proxy, .direct = ""};
    (void)state;
    setenv("JAVA_TOOL_OPTIONS", "-Xmx64m", 1);
    setenv("NO_PROXY", "localhost", 1);
    setenv("OTHER", "stays", 1);
    assert_int_equal(vars_make(&v, &f), 0);
    assert_int_equal(vars_set(&v), 0);
    assert_int_equal(strncmp(getenv("JAVA_TOOL_OPTIONS"), "-Xmx64m -Dhttp.proxyHost=", 25), 0);
    assert_string_equal(getenv("NO_PROXY"), "");
    assert_string_equal(getenv("OTHER"), "stays");
    vars_clear(&v);
    unsetenv("JAVA_TOOL_OPTIONS");
    unsetenv("NO_PROXY");
}

// All that is of meaning to a shell, to compose or to YAML.
#define NASTY "/a 'b' \"c\" $HOME $(id) `id` \\ ! * #x"

static char *printed(const char *format, const struct vars *v)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_non_null(f);
    print_vars(f, format, v);
    assert_int_equal(fclose(f), 0);
    return text;
}

static void test_quoting(void **state)
{
    char dir[TMP_PATH], path[TMP_PATH], script[2 * TMP_PATH];
    struct vars v;
    struct vars_facts f = {
        .proxy = &proxy, .direct = "", .roots = NASTY, .ca = NASTY, .wgetrc = NASTY, .java = "/j"};
    struct program p;
    (void)state;
    tmp_make(dir);
    assert_int_equal(vars_make(&v, &f), 0);
    char *text = printed("sh", &v);
    tmp_write(tmp_path(path, dir, "settings"), text, strlen(text));
    free(text);
    snprintf(script, sizeof script,
             "JAVA_TOOL_OPTIONS=-Xint; . %s; printf '%%s\\n%%s\\n' \"$SSL_CERT_FILE\" "
             "\"$JAVA_TOOL_OPTIONS\"",
             path);
    program_shell(&p, script);
    assert_int_equal(p.code, 0);
    assert_int_equal(strncmp(p.out, NASTY "\n-Xint -Dhttp.proxyHost", strlen(NASTY) + 23), 0);
    program_clear(&p);
    snprintf(script, sizeof script,
             "unset JAVA_TOOL_OPTIONS; set -u; . %s; echo \"$JAVA_TOOL_OPTIONS\"", path);
    program_shell(&p, script);
    assert_int_equal(strncmp(p.out, "-Dhttp.proxyHost", 16), 0);
    program_clear(&p);

    text = printed("fish", &v);
    assert_non_null(strstr(text, "set -gx SSL_CERT_FILE '/a \\'b\\' \"c\" $HOME $(id) `id` \\\\ ! "
                                 "* #x'\n"));
    assert_non_null(strstr(text, "set -gx JAVA_TOOL_OPTIONS (string join ' ' "
                                 "$JAVA_TOOL_OPTIONS '-Dhttp"));
    free(text);
    text = printed("compose", &v);
    assert_int_equal(strncmp(text, "environment:\n  HTTP_PROXY: \"http://127.0.0.1:4140\"\n", 51),
                     0);
    assert_non_null(strstr(text, "  SSL_CERT_FILE: \"/a 'b' \\\"c\\\" $$HOME $$(id) `id` \\\\ ! * "
                                 "#x\"\n"));
    free(text);
    text = printed("pod", &v);
    assert_non_null(strstr(text, "  - name: SSL_CERT_FILE\n    value: \"/a 'b' \\\"c\\\" $HOME "
                                 "$$(id) `id` \\\\ ! * #x\"\n"));
    assert_non_null(strstr(text, "  - name: NO_PROXY\n    value: \"\"\n"));
    free(text);
    text = printed("json", &v);
    assert_non_null(strstr(text, "\"SSL_CERT_FILE\": \"/a 'b' \\\"c\\\" $HOME $(id) `id` \\\\ ! * "
                                 "#x\""));
    free(text);
    vars_clear(&v);
    tmp_remove(dir);
}

static void test_no_memory(void **state)
{
    struct vars v;
    struct vars_facts f = {
        .proxy = &proxy, .direct = "a", .roots = "r", .ca = "c", .wgetrc = "w", .java = "j"};
    (void)state;
    bool failed = true;
    for (long i = 0; failed; i++) {
        alloc_fail_at(i);
        int e = vars_make(&v, &f);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        vars_clear(&v);
    }
}

static void test_help(void **state)
{
    (void)state;
    const char *text = vars_help();
    assert_non_null(text);
    for (const struct vars_row *row = vars_table; row->name; row++)
        if (row->name[0] < 'a') // the others are the same in small letters
            assert_non_null(strstr(text, row->name));
    assert_ptr_equal(vars_help(), text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_without_tls), cmocka_unit_test(test_with_tls),
        cmocka_unit_test(test_set),         cmocka_unit_test(test_quoting),
        cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
