// Options from a YAML file, from annotations, and from everywhere at once. A mistake names its file
// and line; a file that is cut anywhere, or memory that ends, is told and leaves nothing broken.
#include "proto/config.h"
#include "proto/settings.h"
#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static char why[WHY_MAX];
static struct options *o;

static int begin(void **state)
{
    (void)state;
    memset(why, 0, sizeof why);
    o = options_new(settings_table, FOR_RUN);
    return o ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    options_free(o);
    return 0;
}

static int yaml(const char *text)
{
    return config_text(o, "t.yaml", view_of(text), why);
}

static void fails(const char *text, int error, const char *message)
{
    assert_int_equal(yaml(text), error);
    assert_string_equal(why, message);
}

static void a_file_sets_options_by_name(void **state)
{
    (void)state;
    assert_int_equal(yaml("# the sidecar of the shop\n"
                          "proxy-type: dual\n"
                          "proxy-protocol: 'tcp:http'\n"
                          "proxy-port: 8080\n"
                          "capture-filter: |-\n"
                          "  status >= 500\n"
                          "spool-size: \"1GiB\"\n"
                          "label: [team=shop, \"tier=web\"]\n"
                          "recorder: unix:of-another-program\n"
                          "spool-dir: ~\n"),
                     0);
    assert_string_equal(options_text(o, "proxy-type"), "dual");
    assert_string_equal(options_text(o, "proxy-protocol"), "tcp:http");
    assert_int_equal(options_number(o, "proxy-port"), 8080);
    assert_string_equal(options_text(o, "capture-filter"), "status >= 500");
    assert_int_equal(options_number(o, "spool-size"), 1 << 30);
    assert_int_equal(options_count(o, "label"), 2);
    assert_string_equal(options_nth(o, "label", 1), "tier=web");
    assert_null(options_text(o, "spool-dir"));
    assert_int_equal(options_source(o, "proxy-port"), OPT_BY_FILE);
}

static void an_empty_file_sets_nothing(void **state)
{
    (void)state;
    static const char *const empty[] = {"",
                                        "\n\n",
                                        "# only this\n",
                                        "---\n",
                                        "{}\n",
                                        "---\n...\n",
                                        "\xef\xbb\xbf# a byte order mark\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++)
        if (yaml(empty[i]))
            fail_msg("%zu: %s", i, why);
    assert_int_equal(config_text(o, "t.yaml", view_of(NULL), why), 0);
}

static void a_mistake_in_a_file_names_its_line(void **state)
{
    (void)state;
    fails("workers: 2\nproxy-port: 0\n", E_RANGE,
          "t.yaml:2: proxy-port cannot be \"0\": it takes a whole number from 1 to 65535");
    fails("proxy-prot: 80\n", E_NOTFOUND,
          "t.yaml:1: unknown option proxy-prot; did you mean proxy-port?");
    fails("workers: 1\npod: a: b\n", E_SYNTAX,
          "t.yaml:2: this is no YAML: mapping values are not allowed in this context");
    fails("\nproxy-port: 1\n\nproxy-port: 2\n", E_EXISTS,
          "t.yaml:4: proxy-port stands here for the second time");
    fails("proxy-port: [80]\n", E_SYNTAX, "t.yaml:1: proxy-port takes one plain value");
    fails("label:\n  team: shop\n", E_SYNTAX,
          "t.yaml:2: label takes one plain value or a list of them");
    fails("label: [[x]]\n", E_SYNTAX, "t.yaml:1: label takes a list of plain values");
    fails("? [a]\n: b\n", E_SYNTAX, "t.yaml:1: an option's name is expected here");
    fails("- proxy-port\n", E_SYNTAX, "t.yaml:1: a mapping of option names to values is expected");
    fails("proxy-port\n", E_SYNTAX, "t.yaml:1: a mapping of option names to values is expected");
    fails("workers: 1\n---\nworkers: 2\n", E_SYNTAX,
          "t.yaml:2: a second document begins here; one is expected");
    fails("workers: *a\n", E_SYNTAX, "t.yaml:1: workers takes one plain value");
    fails("config: other.yaml\n", E_RANGE, "t.yaml:1: config cannot stand in a file");
    fails("help: true\n", E_RANGE, "t.yaml:1: help belongs on the command line");
    fails("workers: \n", E_RANGE,
          "t.yaml:1: workers cannot be \"\": it takes a whole number from 0 to 64");
    fails("pod: \"a\\nb\"\n", E_RANGE,
          "t.yaml:1: pod cannot be \"a?b\": it takes at most 255 bytes without control characters");
    fails("pod: \"a\\0b\"\n", E_RANGE,
          "t.yaml:1: pod cannot be \"a?b\": it takes at most 255 bytes without control characters");
    fails("\"po\\0d\": x\n", E_NOTFOUND, "t.yaml:1: unknown option po?d; did you mean pod?");
    fails("workers: 1\npod: \"\xff\"\n", E_SYNTAX,
          "t.yaml:2: this is no YAML: invalid leading UTF-8 octet");
}

static void a_long_path_does_not_hide_the_line(void **state)
{
    (void)state;
    char path[1000];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = 0;
    assert_int_equal(config_text(o, path, VIEW_LIT("proxy-port: x\n"), why), E_RANGE);
    assert_non_null(strstr(why, "pp:1: proxy-port cannot be \"x\": it takes"));
    assert_int_equal(
        config_annotations_text(o, path, VIEW_LIT("sidecar.tapedeck.dev/proxy-port=\"x\""), why),
        E_RANGE);
    assert_non_null(strstr(why, "pp:1: proxy-port cannot be \"x\": it takes"));
}

static void a_cut_file_is_read_to_its_end_only(void **state)
{
    (void)state;
    static const char text[] = "label: [a, b]\nproxy-port: 8080\npod: \"x\\u00e9\\n\"\n"
                               "&a workers: !!int 1\nnode: >\n  x\n  y\n";
    struct guard g;
    guard_init(&g, sizeof text);
    for (size_t n = 0; n < sizeof text; n++) {
        struct options *p = options_new(settings_table, FOR_RUN);
        int e = config_text(p, "t.yaml", guard_fill(&g, view_n(text, n)), why);
        assert_true(e == 0 || strncmp(why, "t.yaml:", 7) == 0);
        options_free(p);
    }
    guard_free(&g);
}

static void files_are_read_from_disk(void **state)
{
    (void)state;
    char dir[TMP_PATH], path[TMP_PATH], wanted[WHY_MAX];
    tmp_make(dir);
    tmp_path(path, dir, "c.yaml");
    assert_int_equal(config_file(o, path, why), E_NOTFOUND);
    snprintf(wanted, sizeof wanted, "cannot read %s: No such file or directory", path);
    assert_string_equal(why, wanted);
    tmp_write(path, "workers: 3\n", 11);
    assert_int_equal(config_file(o, path, why), 0);
    assert_int_equal(options_number(o, "workers"), 3);
    assert_int_equal(config_file(o, dir, why), E_IO);

    // As large as may be, and a byte more.
    char *large = malloc(CONFIG_FILE_MAX + 1);
    memset(large, '\n', CONFIG_FILE_MAX + 1);
    tmp_write(path, large, CONFIG_FILE_MAX);
    assert_int_equal(config_annotations(o, path, why), 0);
    tmp_write(path, large, CONFIG_FILE_MAX + 1);
    assert_int_equal(config_annotations(o, path, why), E_LIMIT);
    snprintf(wanted, sizeof wanted, "%s: the file has more than 1048576 bytes", path);
    assert_string_equal(why, wanted);
    free(large);
    tmp_remove(dir);
}

static int load(int argc, char **argv, char **envp)
{
    int rest = 0, e = config_load(o, argc, argv, envp, &rest, why);
    assert_true(e || rest == argc);
    return e;
}

static void every_source_has_its_rank(void **state)
{
    (void)state;
    char dir[TMP_PATH], file[TMP_PATH], notes[TMP_PATH], text[2 * TMP_PATH];
    tmp_make(dir);
    tmp_path(file, dir, "c.yaml");
    tmp_path(notes, dir, "notes");
    snprintf(text, sizeof text,
             "annotations: %s\nproxy-host: file\nproxy-port: 1\nproxy-in-port: 1\n"
             "proxy-out-port: 1\nproxy-type: dual\n",
             notes);
    tmp_write(file, text, strlen(text));
    static const char lines[] = "sidecar.tapedeck.dev/proxy-port=\"2\"\n"
                                "sidecar.tapedeck.dev/proxy-in-port=\"2\"\n"
                                "sidecar.tapedeck.dev/proxy-out-port=\"2\"\n";
    tmp_write(notes, lines, sizeof lines - 1);
    char *argv[] = {"prog", "--proxy-out-port", "4", "--config", file, NULL};
    char *envp[] = {"TAPEDECK_PROXY_IN_PORT=3", "TAPEDECK_PROXY_OUT_PORT=3", NULL};
    assert_int_equal(load(5, argv, envp), 0);
    assert_string_equal(options_text(o, "proxy-type"), "dual");
    assert_string_equal(options_text(o, "proxy-host"), "file");
    assert_int_equal(options_number(o, "proxy-port"), 2);
    assert_int_equal(options_number(o, "proxy-in-port"), 3);
    assert_int_equal(options_number(o, "proxy-out-port"), 4);
    assert_int_equal(options_source(o, "proxy-port"), OPT_BY_ANNOTATION);
    tmp_remove(dir);
}

static void a_wrong_value_counts_even_where_it_would_lose(void **state)
{
    (void)state;
    char *argv[] = {"prog", "--workers", "1", NULL}, *envp[] = {"TAPEDECK_WORKERS=many", NULL};
    assert_int_equal(load(3, argv, envp), E_RANGE);
    assert_string_equal(why, "environment TAPEDECK_WORKERS: workers cannot be \"many\": it takes a "
                             "whole number from 0 to 64");
    char *missing[] = {"prog", "--config", "/nonexistent/c.yaml", NULL}, *none[] = {NULL};
    assert_int_equal(load(3, missing, none), E_NOTFOUND);
    assert_string_equal(why, "cannot read /nonexistent/c.yaml: No such file or directory");
}

static void help_is_given_whatever_the_files_say(void **state)
{
    (void)state;
    char *argv[] = {"prog", "--help", "--config", "/nonexistent", NULL};
    char *envp[] = {"TAPEDECK_WORKERS=many", NULL};
    assert_int_equal(load(4, argv, envp), 0);
    assert_true(options_flag(o, "help"));
}

static void without_memory_the_file_is_told(void **state)
{
    (void)state;
    char dir[TMP_PATH], file[TMP_PATH], notes[TMP_PATH];
    static const char text[] = "label: [a, b]\nproxy-port: 8080\n";
    static const char lines[] = "sidecar.tapedeck.dev/proxy-in-port=\"2\"\n"
                                "sidecar.speedscale.com/prometheus-port=\"9\"\n";
    tmp_make(dir);
    tmp_write(tmp_path(file, dir, "c.yaml"), text, sizeof text - 1);
    tmp_write(tmp_path(notes, dir, "notes"), lines, sizeof lines - 1);
    for (long i = 0, failed = 1; failed; i++) {
        struct options *p = options_new(settings_table, FOR_RUN);
        char *argv[] = {"prog", "--config", file, "--annotations", notes, NULL}, *envp[] = {NULL};
        int rest;
        alloc_fail_at(i);
        int e = config_load(p, 5, argv, envp, &rest, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        assert_true(!failed || strstr(why, "out of memory"));
        options_free(p);
    }
    tmp_remove(dir);
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(a_file_sets_options_by_name),
        WITH(an_empty_file_sets_nothing),
        WITH(a_mistake_in_a_file_names_its_line),
        WITH(a_long_path_does_not_hide_the_line),
        WITH(a_cut_file_is_read_to_its_end_only),
        WITH(files_are_read_from_disk),
        WITH(every_source_has_its_rank),
        WITH(a_wrong_value_counts_even_where_it_would_lose),
        WITH(help_is_given_whatever_the_files_say),
        WITH(without_memory_the_file_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
