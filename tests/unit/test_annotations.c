// What a pod's annotations do: ours, the neighbour's in present and older spellings, and everybody
// else's.
#include "proto/config.h"
#include "proto/settings.h"
#include "tests/support/guard.h"
#include "tests/support/tmp.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define OURS       "sidecar.tapedeck.dev/"
#define NEIGHBOURS "sidecar.speedscale.com/"

static char why[WHY_MAX], dir[TMP_PATH], log_path[TMP_PATH];
static struct options *o;
static int real_stderr;

// The log goes into a file for the time of a test.
static int begin(void **state)
{
    (void)state;
    tmp_make(dir);
    int fd = open(tmp_path(log_path, dir, "log"), O_CREAT | O_WRONLY | O_APPEND, 0600);
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    memset(why, 0, sizeof why);
    o = options_new(settings_table, FOR_RUN);
    return o ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    tmp_remove(dir);
    options_free(o);
    return 0;
}

static int notes(const char *text)
{
    return config_annotations_text(o, "notes", view_of(text), why);
}

static void works(const char *text)
{
    if (notes(text))
        fail_msg("%s", why);
}

static void fails(const char *text, int error, const char *message)
{
    assert_int_equal(notes(text), error);
    assert_string_equal(why, message);
}

// How many lines were logged, and whether the last one holds text.
static size_t logged(const char *text)
{
    size_t n, lines = 0;
    char *log = tmp_read(log_path, &n);
    for (size_t i = 0; i < n; i++)
        lines += log[i] == '\n';
    if (text && !strstr(log, text))
        fail_msg("\"%s\" is not in the log: %s", text, log);
    free(log);
    return lines;
}

static void a_downward_api_file_sets_options(void **state)
{
    (void)state;
    works(
        "cluster-autoscaler.kubernetes.io/safe-to-evict=\"true\"\n"
        "kubectl.kubernetes.io/last-applied-configuration=\"{\\\"apiVersion\\\":\\\"v1\\\"}\\n\"\n"
        "kubernetes.io/config.seen=\"2026-01-31T12:00:00.000000000Z\"\n" NEIGHBOURS
        "capture-mode=\"proxy\"\n" NEIGHBOURS "inject=\"true\"\n" NEIGHBOURS
        "proxy-in-port=\"10000\"\n" NEIGHBOURS "proxy-out-port=\"10001\"\n" NEIGHBOURS
        "proxy-port=\"8080\"\n" NEIGHBOURS "proxy-protocol=\"tcp:http\"\n" NEIGHBOURS
        "proxy-type=\"dual\"\n");
    assert_string_equal(options_text(o, "proxy-type"), "dual");
    assert_string_equal(options_text(o, "proxy-protocol"), "tcp:http");
    assert_int_equal(options_number(o, "proxy-port"), 8080);
    assert_int_equal(options_number(o, "proxy-in-port"), 10000);
    assert_int_equal(options_number(o, "proxy-out-port"), 10001);
    assert_int_equal(options_source(o, "proxy-type"), OPT_BY_ANNOTATION);
    assert_int_equal(logged(NULL), 0);
}

static void ours_win_over_the_neighbours_and_new_spellings_over_old(void **state)
{
    (void)state;
    works(NEIGHBOURS "proxyPort=\"1\"\n" OURS "proxy-port=\"3\"\n" NEIGHBOURS "proxy-port=\"2\"\n");
    assert_int_equal(options_number(o, "proxy-port"), 3);
    works(NEIGHBOURS "proxyInPort=\"wrong\"\n" NEIGHBOURS "proxy-in-port=\"2\"\n");
    assert_int_equal(options_number(o, "proxy-in-port"), 2);
    works(NEIGHBOURS "proxy-out-port=\"wrong\"\n" OURS "proxy-out-port=\"5\"\n");
    assert_int_equal(options_number(o, "proxy-out-port"), 5);
    assert_int_equal(logged(NULL), 0);
}

static void older_spellings_are_understood(void **state)
{
    (void)state;
    works(NEIGHBOURS "proxyType=\"dual\"\n" NEIGHBOURS "proxyProtocol=\"tcp+socks\"\n" NEIGHBOURS
                     "proxyHost=\"app\"\n" NEIGHBOURS "proxyInPort=\"1\"\n" NEIGHBOURS
                     "proxyOutPort=\"2\"\n" NEIGHBOURS "proxyPort=\"3\"\n" NEIGHBOURS
                     "ignoreSrcIPs=\"10.0.0.0/8\"\n" NEIGHBOURS "proxyMode=\"x\"\n");
    assert_string_equal(options_text(o, "proxy-type"), "dual");
    assert_string_equal(options_text(o, "proxy-protocol"), "tcp:socks");
    assert_string_equal(options_text(o, "proxy-host"), "app");
    assert_int_equal(options_number(o, "proxy-in-port"), 1);
    assert_int_equal(options_number(o, "proxy-out-port"), 2);
    assert_int_equal(options_number(o, "proxy-port"), 3);
    works(OURS "proxy-protocol=\"tcp+http\"\n");
    assert_string_equal(options_text(o, "proxy-protocol"), "tcp:http");
    assert_int_equal(logged(NULL), 0);
}

static void a_metrics_port_becomes_the_admin_listener(void **state)
{
    (void)state;
    works(NEIGHBOURS "prometheus-port=\"9999\"\n");
    assert_string_equal(options_text(o, "admin-listen"), "0.0.0.0:9999");
    works(NEIGHBOURS "prometheus-port=\"none\"\n" OURS "admin-listen=\"off\"\n");
    assert_string_equal(options_text(o, "admin-listen"), "off");
    fails("\n" NEIGHBOURS "prometheus-port=\"0\"\n", E_RANGE,
          "notes:2: prometheus-port takes a port number from 1 to 65535");
    fails(NEIGHBOURS "prometheus-port=\"65536\"\n", E_RANGE,
          "notes:1: prometheus-port takes a port number from 1 to 65535");
}

static void wishes_for_decryption_are_options(void **state)
{
    (void)state;
    works(NEIGHBOURS "tls-out=\"true\"\n" NEIGHBOURS "tls-in-secret=\"/certs\"\n" NEIGHBOURS
                     "tls-in-private=\"a.key\"\n" NEIGHBOURS "tls-in-public=\"a.crt\"\n" NEIGHBOURS
                     "tls-mutual-secret=\"/mutual\"\n" NEIGHBOURS
                     "tls-mutual-private=\"b.key\"\n" NEIGHBOURS "tls-mutual-public=\"b.crt\"\n");
    assert_true(options_flag(o, "tls-out"));
    assert_string_equal(options_text(o, "tls-in-secret"), "/certs");
    assert_string_equal(options_text(o, "tls-in-private"), "a.key");
    assert_string_equal(options_text(o, "tls-in-public"), "a.crt");
    assert_string_equal(options_text(o, "tls-mutual-secret"), "/mutual");
    assert_string_equal(options_text(o, "tls-mutual-private"), "b.key");
    assert_string_equal(options_text(o, "tls-mutual-public"), "b.crt");
    // Ours may have several certificates, a line each.
    works(OURS "tls-in-public=\"/a\\n/b\"\n" NEIGHBOURS "tls-out=\"false\"\n");
    assert_int_equal(options_count(o, "tls-in-public"), 3); // with the one above
    assert_string_equal(options_nth(o, "tls-in-public", 2), "/b");
    assert_false(options_flag(o, "tls-out"));
    fails(NEIGHBOURS "tls-out=\"perhaps\"\n", E_RANGE,
          "notes:1: tls-out cannot be \"perhaps\": it takes true or false");
    assert_int_equal(logged(NULL), 0);
}

static void older_wishes_for_decryption_too(void **state)
{
    (void)state;
    works(NEIGHBOURS "tls=\"none\"\n");
    assert_false(options_flag(o, "tls-out"));
    works(NEIGHBOURS "tls=\"all\"\n" NEIGHBOURS "tls-secret=\"/old\"\n");
    assert_true(options_flag(o, "tls-out"));
    assert_string_equal(options_text(o, "tls-in-secret"), "/old");
    works(NEIGHBOURS "tls-out=\"false\"\n" NEIGHBOURS "tls=\"all\"\n" NEIGHBOURS
                     "tlsinsecret=\"/camel\"\n");
    assert_false(options_flag(o, "tls-out"));
    assert_string_equal(options_text(o, "tls-in-secret"), "/camel");
    works(OURS "tls-in-secret=\"\"\n" NEIGHBOURS "tls-secret=\"/old\"\n");
    assert_null(options_text(o, "tls-in-secret"));
    assert_int_equal(logged(NULL), 0);
}

// The neighbour's own example: a Kubernetes secret's name, and files in it.
#define EXAMPLE                                                                                    \
    NEIGHBOURS "tls-in-private=\"tls.key\"\n" NEIGHBOURS "tls-in-public=\"tls.crt\"\n" NEIGHBOURS  \
               "tls-in-secret=\"my-tls-secret\"\n"

static void a_name_of_a_secret_is_no_folder(void **state)
{
    char cert[TMP_PATH], key[TMP_PATH];
    (void)state;
    works(EXAMPLE NEIGHBOURS "tlsMutualSecret=\"other\"\n");
    assert_null(options_text(o, "tls-in-secret"));
    assert_int_equal(options_count(o, "tls-in-public"), 0);
    assert_int_equal(options_count(o, "tls-in-private"), 0);
    assert_null(options_text(o, "tls-mutual-secret"));
    assert_int_equal(logged("inbound tls is relayed as it is; a folder would begin with / "
                            "file=notes line=3 name=" NEIGHBOURS "tls-in-secret\n"),
                     2);
    assert_int_equal(logged("line=4 name=" NEIGHBOURS "tls-mutual-secret\n"), 2);
    // The injector has mounted it, and says where; one of them is not there, then both.
    setenv("TLS_IN_PUBLIC_KEY", tmp_path(cert, dir, "cert"), 1);
    setenv("TLS_IN_PRIVATE_KEY", tmp_path(key, dir, "key"), 1);
    tmp_write(cert, "c", 1);
    works(EXAMPLE);
    assert_int_equal(options_count(o, "tls-in-public"), 0);
    assert_int_equal(logged(NULL), 3);
    tmp_write(key, "k", 1);
    works(EXAMPLE);
    assert_null(options_text(o, "tls-in-secret"));
    assert_int_equal(options_count(o, "tls-in-public"), 1);
    assert_string_equal(options_nth(o, "tls-in-public", 0), cert);
    assert_int_equal(options_count(o, "tls-in-private"), 1);
    assert_string_equal(options_nth(o, "tls-in-private", 0), key);
    assert_int_equal(logged(NULL), 3);
    unsetenv("TLS_IN_PUBLIC_KEY");
    unsetenv("TLS_IN_PRIVATE_KEY");
}

static void a_name_of_a_secret_is_weaker_than_ours(void **state)
{
    (void)state;
    works(EXAMPLE OURS "tls-in-secret=\"certs\"\n" NEIGHBOURS
                       "tls-mutual-secret=\"other\"\n" NEIGHBOURS
                       "tls-mutual-public=\"b.crt\"\n" OURS "tls-mutual-public=\"/b\"\n");
    assert_string_equal(options_text(o, "tls-in-secret"), "certs"); // ours is a folder
    assert_int_equal(options_count(o, "tls-in-public"), 0);
    assert_null(options_text(o, "tls-mutual-secret"));
    assert_string_equal(options_text(o, "tls-mutual-public"), "/b");
    assert_int_equal(logged(NULL), 0);
    struct options *recorder = options_new(settings_table, FOR_RECORDER);
    assert_int_equal(config_annotations_text(recorder, "notes", VIEW_LIT(EXAMPLE), why), 0);
    options_free(recorder);
    assert_int_equal(options_set(o, "tls-in-secret", VIEW_LIT("/c"), OPT_BY_COMMAND, NULL, why), 0);
    works(EXAMPLE);
    assert_string_equal(options_text(o, "tls-in-secret"), "/c");
    assert_int_equal(options_count(o, "tls-in-public"), 0);
    assert_int_equal(logged(NULL), 0);
}

static void unknown_names_are_ours_to_refuse_and_theirs_to_mention(void **state)
{
    (void)state;
    works(NEIGHBOURS "warp-drive=\"on\"\nsidecar.example.com/proxy-port=\"x\"\n");
    assert_int_equal(logged("line=1 name=" NEIGHBOURS "warp-drive"), 1);
    fails("\n" OURS "warp-drive=\"on\"\n", E_NOTFOUND,
          "notes:2: unknown annotation " OURS "warp-drive");
    fails(OURS "proxyPort=\"1\"\n", E_NOTFOUND, "notes:1: unknown annotation " OURS "proxyPort");
    fails(OURS "capture=\"x\"\n", E_RANGE,
          "notes:1: " OURS
          "capture: only a file, the environment or the command line can set this");
    fails(OURS "proxy-port=\"1\"\n" OURS "proxy-port=\"2\"\n", E_EXISTS,
          "notes:2: a second value of proxy-port");
    fails(NEIGHBOURS "proxy-type=\"http\"\n", E_RANGE,
          "notes:1: proxy-type cannot be \"http\": it takes one of "
          "transparent|reverse|forward|dual");
}

static void an_option_of_another_program_is_passed_over(void **state)
{
    (void)state;
    struct options *recorder = options_new(settings_table, FOR_RECORDER);
    assert_int_equal(config_annotations_text(recorder, "notes",
                                             VIEW_LIT(OURS "proxy-port=\"1\"\n" NEIGHBOURS
                                                           "prometheus-port=\"2\"\n" OURS
                                                           "log-level=\"debug\"\n"),
                                             why),
                     0);
    assert_string_equal(options_text(recorder, "log-level"), "debug");
    options_free(recorder);
}

static void value(const char *quoted, const char *text)
{
    char line[400];
    snprintf(line, sizeof line, OURS "capture-filter=%s\n", quoted);
    works(line);
    assert_string_equal(options_text(o, "capture-filter"), text);
}

static void escapes_are_those_of_go(void **state)
{
    (void)state;
    value("\"a \\\"b\\\" \\\\ c\"", "a \"b\" \\ c");
    value("\"\\x41\\u0042\\U00000043\"", "ABC");
    value("\"\\u00e9 \\u20ac \\U0001f600\"", "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    value("\"\\xff\xc3\xa9\"", "\xff\xc3\xa9");
    value("\"a=b#c\"\r", "a=b#c");
    static const char *const control[] = {"\\a", "\\b", "\\f", "\\n", "\\r", "\\t", "\\v", "\\x00"};
    for (size_t i = 0; i < 8; i++) { // understood, and then refused by the option
        char line[100];
        snprintf(line, sizeof line, OURS "capture-filter=\"x%sy\"", control[i]);
        fails(line, E_RANGE,
              "notes:1: capture-filter cannot be \"x?y\": it takes at most 8192 bytes without "
              "control characters");
    }
}

static void broken(const char *quoted, const char *message)
{
    char line[400], wanted[WHY_MAX];
    snprintf(line, sizeof line, "# a comment\n" OURS "capture-filter=%s", quoted);
    snprintf(wanted, sizeof wanted, "notes:2: %s", message);
    fails(line, E_SYNTAX, wanted);
}

static void a_broken_line_names_itself(void **state)
{
    (void)state;
    fails("\nhello\n", E_SYNTAX, "notes:2: a line NAME=\"VALUE\" is expected");
    fails("=\"x\"\n", E_SYNTAX, "notes:1: a line NAME=\"VALUE\" is expected");
    broken("x", "the value must stand in double quotes");
    broken("", "the value must stand in double quotes");
    broken("\"", "the value's closing quote is missing");
    broken("\"x", "the value's closing quote is missing");
    broken("\"x\\\"", "the value's closing quote is missing");
    broken("\"x\"y", "something stands behind the value's closing quote");
    static const char *const escapes[] = {"\"\\",        "\"\\q\"",         "\"\\'\"",
                                          "\"\\x4\"",    "\"\\u12\"",       "\"\\ud800\"",
                                          "\"\\u00g0\"", "\"\\U00110000\"", "\"\\101\""};
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        broken(escapes[i], "the value has a bad escape behind a backslash");
}

static void a_cut_file_is_read_to_its_end_only(void **state)
{
    (void)state;
    static const char text[] = OURS "capture-filter=\"\\u00e9\\x41\\U0001f600 b\"\n" NEIGHBOURS
                                    "proxyPort=\"80\"\n" NEIGHBOURS "tls-out=\"true\"\n";
    struct guard g;
    guard_init(&g, sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        struct options *p = options_new(settings_table, FOR_RUN);
        int e = config_annotations_text(p, "notes", guard_fill(&g, view_n(text, n)), why);
        assert_true(e == 0 || strncmp(why, "notes:", 6) == 0);
        options_free(p);
    }
    guard_free(&g);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_downward_api_file_sets_options),
        WITH(ours_win_over_the_neighbours_and_new_spellings_over_old),
        WITH(older_spellings_are_understood),
        WITH(a_metrics_port_becomes_the_admin_listener),
        WITH(wishes_for_decryption_are_options),
        WITH(older_wishes_for_decryption_too),
        WITH(a_name_of_a_secret_is_no_folder),
        WITH(a_name_of_a_secret_is_weaker_than_ours),
        WITH(unknown_names_are_ours_to_refuse_and_theirs_to_mention),
        WITH(an_option_of_another_program_is_passed_over),
        WITH(escapes_are_those_of_go),
        WITH(a_broken_line_names_itself),
        WITH(a_cut_file_is_read_to_its_end_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
