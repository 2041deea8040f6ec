// What the options of a mock mean, what is wrong with them, and how clients reach it when nothing
// is said.
#include "proto/settings.h"
#include "tests/support/sample.h"
#include "tools/mock/from_options.h"
#include "tools/mock/ways.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct sample sample;

static int set_up(void **state)
{
    (void)state;
    sample_begin(&sample, "tape.db");
    sample_many(&sample, 3);
    sample_finish(&sample);
    return chdir(sample.dir);
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

// line: options, blanks between them. The error, or "".
static const char *judge(const char *line, struct from_options *out)
{
    static char why[WHY_MAX];
    char words[400], *argv[32] = {words}, other[WHY_MAX];
    int argc = 1, rest;
    snprintf(words, sizeof words, "mock %s", line);
    for (char *p = words; (p = strchr(p, ' ')); argv[argc++] = p)
        *p++ = 0;
    struct options *o = options_new(settings_table, FOR_MOCK);
    *why = 0;
    if (options_command(o, argc, argv, &rest, other))
        snprintf(why, sizeof why, "%s", other);
    else if (from_options(out, o, why) == 0)
        *why = 0;
    // Texts are loans from the options: what is looked at below is copied, or a number.
    out->mock.filter = out->mock.rules = NULL;
    out->mock.headers = NULL;
    from_options_clear(out);
    options_free(o);
    return why;
}

static void test_meaning(void **state)
{
    char why[WHY_MAX];
    int rest;
    char *argv[] = {"mock",
                    "--tape=tape.db",
                    "--tape=.",
                    "--match-header=accept",
                    "--match-header=X-Tenant",
                    "--on-miss=record",
                    "--repeat=cycle",
                    "--timing=x2.5",
                    "--answers=outbound",
                    "--proxy-type=reverse",
                    "--tape-filter=method = GET",
                    NULL};
    struct from_options f;
    struct options *o = options_new(settings_table, FOR_MOCK);
    (void)state;
    assert_int_equal(options_command(o, 11, argv, &rest, why), 0);
    assert_int_equal(from_options(&f, o, why), 0);
    assert_int_equal(f.mock.count, 2);
    assert_string_equal(f.mock.captures[1], ".");
    assert_int_equal(f.mock.header_count, 2);
    assert_string_equal(f.mock.headers[1], "X-Tenant");
    assert_int_equal(f.mock.on_miss, MOCK_RECORD);
    assert_int_equal(f.mock.repeat, MOCK_REPEAT_CYCLE);
    assert_true(f.mock.speed == 2.5);
    assert_true(f.mock.relay[INBOUND]);
    assert_false(f.mock.relay[OUTBOUND]);
    assert_true(f.mock.any_host);
    assert_string_equal(f.mock.filter, "method = GET");
    from_options_clear(&f);
    options_free(o);
}

static void test_mistakes(void **state)
{
    static const char *const wrong[][2] = {
        {"", "tape: which capture is to answer?"},
        {"--tape=none.db", "tape: none.db: No such file or directory"},
        {"--tape=tape.db --timing=soon", "timing: \"soon\" is not none, recorded or a factor"},
        {"--tape=tape.db --timing=x0", "timing: \"x0\" is not"},
        {"--tape=tape.db --timing=x-1", "timing: \"x-1\" is not"},
        {"--tape=tape.db --timing=x1e9", "timing: \"x1e9\" is not"},
        {"--tape=tape.db --timing=x1.2.3", "timing: \"x1.2.3\" is not"},
        {"--tape=tape.db --timing=x9999999", "timing: \"x9999999\" is not"},
        {"--tape=tape.db --timing=x", "timing: \"x\" is not"},
        {"--tape=tape.db --match-header=a:b", "match-header: \"a:b\" is no header's name"},
        {"--tape=tape.db --tape-filter=method=", "tape-filter: column 8: "},
        {"--tape=tape.db --match-rules=none", "none: No such file or directory"},
        {"--tape=tape.db --match-rules=bad.yaml", "bad.yaml:1:1: "},
        {"--tape=tape.db --on-miss=pass", "command line: on-miss cannot be"},
        {"--tape=tape.db --repeat=first", "command line: repeat cannot be"},
        {"--tape=tape.db --seed=-1", "command line: seed cannot be"},
    };
    struct from_options f = {0};
    char path[TMP_PATH];
    (void)state;
    tmp_write(tmp_path(path, sample.dir, "bad.yaml"), "- x", 3);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const char *why = judge(wrong[i][0], &f);
        if (!strstr(why, wrong[i][1]))
            fail_msg("%s\nsaid: %s\nnot: %s", wrong[i][0], why, wrong[i][1]);
    }
    assert_string_equal(judge("--tape=tape.db --timing=x0.5", &f), "");
    assert_string_equal(judge("--tape=tape.db --timing=recorded", &f), "");
}

// flows: "i" inbound, "o" outbound.
static void ways(const char *flows, const char *type, const char *protocol)
{
    static const struct sample_txn txn = {.method = "GET",
                                          .host = "a",
                                          .path = "/",
                                          .query = "",
                                          .scheme = "http",
                                          .version = "1.1",
                                          .status = 200};
    struct sample s;
    struct ways w;
    sample_begin(&s, "ways.db");
    for (const char *f = flows; *f; f++) {
        sample_flow(&s, *f == 'i');
        sample_http(&s, &txn);
        sample_flow_end(&s);
    }
    sample_finish(&s);
    const char *paths[] = {s.path, s.path};
    assert_int_equal(ways_of(&w, paths, 2), 0);
    if (type)
        assert_string_equal(w.type, type);
    else
        assert_null(w.type);
    if (protocol)
        assert_string_equal(w.protocol, protocol);
    assert_false(w.tls);
    sample_remove(&s);
}

static void test_ways(void **state)
{
    (void)state;
    ways("ii", "reverse", "tcp");
    ways("o", "forward", "http");
    ways("oio", "dual", "tcp:http");
    ways("", NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_ways),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
