// The option table: every entry is whole, and the defaults are those that the documents promise.
#include "proto/base/clock.h"
#include "proto/settings.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct option_def *entry(const char *name)
{
    const struct option_def *d = settings_table;
    while (d->name && strcmp(d->name, name) != 0)
        d++;
    if (!d->name)
        fail_msg("no option %s", name);
    return d;
}

static void every_entry_is_whole(void **state)
{
    (void)state;
    for (const struct option_def *d = settings_table; d->name; d++) {
        for (const char *c = d->name; *c; c++)
            assert_true(islower((unsigned char)*c) || (*c == '-' && c != d->name));
        for (const struct option_def *before = settings_table; before < d; before++)
            assert_true(strcmp(before->name, d->name) != 0 || !(before->programs & d->programs));
        size_t n = strlen(d->sentence);
        if (n < 10 || d->sentence[n - 1] != '.' || !isupper((unsigned char)d->sentence[0]))
            fail_msg("%s: this is no sentence: %s", d->name, d->sentence);
        for (const char *c = d->sentence; *c; c++)
            assert_true(isprint((unsigned char)*c));
        assert_true((d->type == OPT_CHOICE || d->type == OPT_WORDS) == (d->choices != NULL));
        assert_true((d->type == OPT_FLAG) == (d->unit == NULL));
        assert_true(d->min >= 0 && (d->max == 0 || d->max > d->min));
        assert_true(d->programs != 0);
        assert_false((d->flags & OPT_ANNOTATION) && (d->flags & OPT_CLI_ONLY));
        // run starts both halves: it must take whatever either takes, but how they meet,
        // and what it has the proxy do first of all.
        if (strcmp(d->name, "recorder") == 0 || strcmp(d->name, "listen") == 0 ||
            strcmp(d->name, "check-options") == 0)
            continue;
        assert_true(!(d->programs & (FOR_PROXY | FOR_RECORDER)) || (d->programs & FOR_RUN));
    }
}

static void each_program_starts_from_its_defaults(void **state)
{
    (void)state;
    for (unsigned program = FOR_PROXY; program <= FOR_MOCK_RUN; program <<= 1) {
        struct options *o = options_new(settings_table, program);
        assert_non_null(o);
        for (const struct option_def *d = settings_table; d->name; d++)
            if (d->programs & program)
                assert_false(options_is_set(o, d->name));
        options_free(o);
    }
}

static void the_defaults_are_the_documented_ones(void **state)
{
    (void)state;
    struct options *o = options_new(settings_table, FOR_RUN);
    assert_string_equal(options_text(o, "proxy-type"), "transparent");
    assert_string_equal(options_text(o, "proxy-protocol"), "http");
    assert_string_equal(options_text(o, "proxy-host"), "localhost");
    assert_int_equal(options_number(o, "proxy-port"), 80);
    assert_int_equal(options_number(o, "proxy-in-port"), 4143);
    assert_int_equal(options_number(o, "proxy-out-port"), 4140);
    assert_string_equal(options_text(o, "in-bind"), "*");
    assert_string_equal(options_text(o, "out-bind"), "127.0.0.1");
    assert_string_equal(options_text(o, "admin-listen"), "127.0.0.1:4145");
    assert_string_equal(options_text(o, "capture"), "capture.db");
    assert_string_equal(options_text(o, "on-full"), "drop");
    assert_string_equal(options_text(o, "redact"), "default");
    assert_int_equal(options_number(o, "spool-size"), 64 << 20);
    assert_int_equal(options_number(o, "max-body"), 64 << 20);
    assert_int_equal(options_number(o, "head-max"), 64 << 10);
    assert_int_equal(options_number(o, "idle-timeout"), 3600 * US_PER_S);
    assert_int_equal(options_number(o, "batch-time"), 50 * US_PER_MS);
    assert_int_equal(options_number(o, "user"), 2102);
    assert_false(options_flag(o, "tls-out"));
    assert_string_equal(options_text(o, "upstream-verify"), "strict");
    assert_string_equal(options_text(o, "tls-in-upstream"), "plain");
    assert_string_equal(options_text(o, "tls-least"), "1.2");
    assert_int_equal(options_number(o, "tls-leaf-days"), 30);
    assert_int_equal(options_number(o, "tls-leaf-cache"), 1024);
    assert_null(options_text(o, "tls-keylog"));
    assert_null(options_text(o, "spool-dir"));
    assert_null(options_text(o, "capture-filter"));
    options_free(o);
}

// The neighbour's annotations for TLS are ours.
static void tls_may_stand_in_annotations(void **state)
{
    static const char *const names[] = {
        "tls-out",           "tls-in-secret",     "tls-in-public",     "tls-in-private",
        "tls-mutual-secret", "tls-mutual-public", "tls-mutual-private"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(entry(names[i])->flags & OPT_ANNOTATION);
}

static void secrets_and_listeners_cannot_change_while_running(void **state)
{
    (void)state;
    static const char *const frozen[] = {
        "proxy-type", "proxy-in-port", "in-bind", "spool-dir",  "spool-size",   "workers",
        "capture",    "admin-listen",  "tls-out", "tls-ca-key", "tls-in-public"};
    static const char *const live[] = {"capture-filter", "redact",      "max-body",
                                       "log-level",      "max-flows",   "idle-timeout",
                                       "keep-age",       "rotate-size", "tls-pass"};
    for (size_t i = 0; i < sizeof frozen / sizeof *frozen; i++)
        assert_false(entry(frozen[i])->flags & OPT_RELOADABLE);
    for (size_t i = 0; i < sizeof live / sizeof *live; i++)
        assert_true(entry(live[i])->flags & OPT_RELOADABLE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_entry_is_whole),
        cmocka_unit_test(each_program_starts_from_its_defaults),
        cmocka_unit_test(the_defaults_are_the_documented_ones),
        cmocka_unit_test(tls_may_stand_in_annotations),
        cmocka_unit_test(secrets_and_listeners_cannot_change_while_running),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
