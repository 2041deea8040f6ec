// Options: the strongest source wins, every value is one that the table allows, and whoever errs is
// told where and what is allowed.
#include "proto/base/err.h"
#include "proto/base/options.h"
#include "tests/support/alloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { US = 1, THEM = 2 };

static const struct option_def table[] = {
    {.name = "mode",
     .type = OPT_CHOICE,
     .initial = "fast",
     .choices = "fast|slow",
     .sentence = "How to go.",
     .programs = US},
    {.name = "tastes",
     .type = OPT_WORDS,
     .choices = "sweet|sour",
     .sentence = "What to like.",
     .programs = US},
    {.name = "port",
     .type = OPT_NUMBER,
     .initial = "80",
     .min = 1,
     .max = 65535,
     .unit = "PORT",
     .sentence = "Where to go.",
     .programs = US | THEM},
    {.name = "size",
     .type = OPT_SIZE,
     .initial = "64KiB",
     .min = 1024,
     .max = 1 << 20,
     .sentence = "How much.",
     .flags = OPT_RELOADABLE,
     .programs = US},
    {.name = "pause",
     .type = OPT_DURATION,
     .initial = "10s",
     .sentence = "How long.",
     .programs = US},
    {.name = "name", .type = OPT_TEXT, .max = 10, .sentence = "Who.", .programs = US},
    {.name = "label",
     .type = OPT_TEXT,
     .sentence = "What else.",
     .flags = OPT_REPEATS,
     .programs = US},
    {.name = "badge", .type = OPT_TEXT, .max = 8, .sentence = "Who.", .programs = US},
    {.name = "loud", .type = OPT_FLAG, .sentence = "Shout.", .programs = US},
    {.name = "colour", .type = OPT_FLAG, .initial = "true", .sentence = "Paint.", .programs = US},
    {.name = "theirs", .type = OPT_TEXT, .sentence = "Not ours.", .programs = THEM},
    {.name = "help",
     .type = OPT_FLAG,
     .sentence = "Say all this.",
     .flags = OPT_CLI_ONLY,
     .programs = US},
    {.name = NULL},
};

static char why[WHY_MAX];
static struct options *o;

static int begin(void **state)
{
    (void)state;
    why[0] = 0;
    o = options_new(table, US);
    return o ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    options_free(o);
    return 0;
}

static int set(const char *name, const char *value, enum option_source by)
{
    return options_set(o, name, view_of(value), by, NULL, why);
}

#define ARGV_MAX 16
static char *argv[ARGV_MAX];
static int rest;

// A command line, split at spaces.
static int command(char *line)
{
    int argc = 0;
    argv[argc++] = line;
    for (char *at = line; (at = strchr(at, ' ')) && argc < ARGV_MAX; argc++) {
        *at++ = 0;
        argv[argc] = at;
    }
    int e = options_command(o, argc, argv, &rest, why);
    return e ? e : argc - rest;
}
#define COMMAND(text) command((char[]){"prog " text})

static void values_begin_as_the_table_says(void **state)
{
    (void)state;
    assert_string_equal(options_text(o, "mode"), "fast");
    assert_int_equal(options_number(o, "port"), 80);
    assert_int_equal(options_number(o, "size"), 65536);
    assert_int_equal(options_number(o, "pause"), 10000000);
    assert_null(options_text(o, "name"));
    assert_int_equal(options_count(o, "label"), 0);
    assert_null(options_nth(o, "label", 0));
    assert_false(options_flag(o, "loud"));
    assert_true(options_flag(o, "colour"));
    assert_int_equal(options_source(o, "port"), OPT_BY_DEFAULT);
    assert_false(options_is_set(o, "port"));
    assert_non_null(options_def(o, "theirs"));
    assert_null(options_def(o, "nobodys"));
}

static void the_strongest_source_wins_in_any_order(void **state)
{
    (void)state;
    assert_int_equal(set("port", "3", OPT_BY_ENVIRONMENT), 0);
    assert_int_equal(set("port", "1", OPT_BY_FILE), 0);
    assert_int_equal(set("port", "2", OPT_BY_ANNOTATION), 0);
    assert_int_equal(options_number(o, "port"), 3);
    assert_int_equal(set("port", "4", OPT_BY_COMMAND), 0);
    assert_int_equal(set("port", "5", OPT_BY_COMMAND), 0);
    assert_int_equal(options_number(o, "port"), 5);
    assert_int_equal(options_source(o, "port"), OPT_BY_COMMAND);
    assert_true(options_is_set(o, "port"));
    assert_int_equal(set("port", "x", OPT_BY_FILE), E_RANGE); // wrong, even where it would lose
    assert_int_equal(options_number(o, "port"), 5);
}

static void values_that_repeat_gather_from_one_source(void **state)
{
    (void)state;
    assert_int_equal(set("label", "a=1", OPT_BY_FILE), 0);
    assert_int_equal(set("label", "b=2", OPT_BY_FILE), 0);
    assert_int_equal(options_count(o, "label"), 2);
    assert_string_equal(options_nth(o, "label", 1), "b=2");
    assert_int_equal(set("label", "c=3", OPT_BY_COMMAND), 0);
    assert_int_equal(set("label", "d=4", OPT_BY_FILE), 0);
    assert_int_equal(options_count(o, "label"), 1);
    assert_string_equal(options_text(o, "label"), "c=3");
    for (int i = 1; i < 256; i++)
        assert_int_equal(set("label", "x", OPT_BY_COMMAND), 0);
    assert_int_equal(set("label", "x", OPT_BY_COMMAND), E_LIMIT);
    assert_string_equal(why, "command line: label: given more than 256 times");
    assert_int_equal(options_count(o, "label"), 256);
}

static void an_empty_text_takes_a_value_back(void **state)
{
    (void)state;
    assert_int_equal(set("name", "me", OPT_BY_FILE), 0);
    assert_string_equal(options_text(o, "name"), "me");
    assert_int_equal(set("name", "", OPT_BY_ENVIRONMENT), 0);
    assert_null(options_text(o, "name"));
    assert_true(options_is_set(o, "name"));
}

static void wrong(const char *name, const char *value, const char *message)
{
    assert_int_equal(set(name, value, OPT_BY_ENVIRONMENT), E_RANGE);
    assert_string_equal(why, message);
}

static void a_wrong_value_is_told_with_what_is_allowed(void **state)
{
    (void)state;
    wrong("port", "0",
          "environment: port cannot be \"0\": it takes a whole number from 1 to 65535");
    wrong("port", "65536",
          "environment: port cannot be \"65536\": it takes a whole number from 1 to 65535");
    wrong("port", "-1",
          "environment: port cannot be \"-1\": it takes a whole number from 1 to 65535");
    wrong("mode", "", "environment: mode cannot be \"\": it takes one of fast|slow");
    wrong("tastes", "sweet,salty",
          "environment: tastes cannot be \"sweet,salty\": it takes words of sweet|sour, "
          "comma-separated");
    wrong("tastes", "sweet,",
          "environment: tastes cannot be \"sweet,\": it takes words of "
          "sweet|sour, comma-separated");
    wrong("mode", "fast|slow",
          "environment: mode cannot be \"fast|slow\": it takes one of fast|slow");
    wrong("mode", "slo", "environment: mode cannot be \"slo\": it takes one of fast|slow");
    wrong("size", "1023",
          "environment: size cannot be \"1023\": it takes a size like 64MiB from 1KiB to 1MiB");
    wrong("pause", "10",
          "environment: pause cannot be \"10\": it takes a duration like 250ms or 10s, 0 or more");
    wrong("name", "01234567890",
          "environment: name cannot be \"01234567890\": it takes at most 10 bytes without control "
          "characters");
    wrong("name", "a\nb\x7f",
          "environment: name cannot be \"a?b?\": it takes at most 10 bytes without control "
          "characters");
    wrong("loud", "maybe", "environment: loud cannot be \"maybe\": it takes true or false");
    wrong(
        "badge", "much too long",
        "environment: badge cannot be \"much too long\": it takes at most 8 bytes without control "
        "characters");
    wrong("help", "true", "environment: help belongs on the command line");
    assert_int_equal(options_set(o, "port", view_n("8\0", 2), OPT_BY_FILE, "a.yaml:7", why),
                     E_RANGE);
    assert_string_equal(why,
                        "a.yaml:7: port cannot be \"8?\": it takes a whole number from 1 to 65535");
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = 0;
    assert_int_equal(set("label", longest, OPT_BY_COMMAND), E_RANGE);
    assert_true(strlen(why) < 200 && strstr(why, "xxx...\"") != NULL);
    assert_int_equal(options_count(o, "label"), 0);
}

static void an_unknown_name_may_be_a_slip(void **state)
{
    (void)state;
    assert_int_equal(set("prot", "1", OPT_BY_FILE), E_NOTFOUND);
    assert_string_equal(why, "file: unknown option prot; did you mean port?");
    assert_int_equal(set("theirs", "1", OPT_BY_FILE), E_NOTFOUND);
    assert_string_equal(why, "file: unknown option theirs");
    assert_int_equal(set("", "1", OPT_BY_FILE), E_NOTFOUND);
    assert_int_equal(COMMAND("--colors"), E_NOTFOUND);
    assert_string_equal(why, "command line: unknown option --colors; did you mean --colour?");
}

static void flags_have_many_words(void **state)
{
    (void)state;
    static const char *const yes[] = {"true", "TRUE", "yes", "on", "1"};
    static const char *const no[] = {"false", "No", "off", "0"};
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(set("loud", yes[i], OPT_BY_FILE), 0);
        assert_true(options_flag(o, "loud"));
        assert_int_equal(set("loud", no[i % 4], OPT_BY_FILE), 0);
        assert_false(options_flag(o, "loud"));
    }
}

static void the_command_line_takes_both_forms(void **state)
{
    (void)state;
    assert_int_equal(COMMAND("--port=8080 --mode slow --loud --no-colour --size 2k -h"), 0);
    assert_int_equal(options_number(o, "port"), 8080);
    assert_string_equal(options_text(o, "mode"), "slow");
    assert_true(options_flag(o, "loud"));
    assert_false(options_flag(o, "colour"));
    assert_int_equal(options_number(o, "size"), 2048);
    assert_true(options_flag(o, "help"));
    assert_int_equal(COMMAND("--loud=false --name= --label a=b --label=c=d"), 0);
    assert_false(options_flag(o, "loud"));
    assert_null(options_text(o, "name"));
    assert_string_equal(options_nth(o, "label", 0), "a=b");
    assert_string_equal(options_nth(o, "label", 1), "c=d");
}

static void operands_stand_at_the_end_in_their_order(void **state)
{
    (void)state;
    assert_int_equal(COMMAND("one --port 7 two - --mode=slow three -- --port -x"), 6);
    static const char *const operands[] = {"one", "two", "-", "three", "--port", "-x"};
    for (int i = 0; i < 6; i++)
        assert_string_equal(argv[rest + i], operands[i]);
    assert_int_equal(options_number(o, "port"), 7);
    assert_int_equal(COMMAND("one"), 1);
    assert_int_equal(command((char[]){"prog"}), 0);
    assert_int_equal(COMMAND("--"), 0);
}

static void a_broken_command_line_is_told(void **state)
{
    (void)state;
    assert_int_equal(COMMAND("--port"), E_SYNTAX);
    assert_string_equal(why, "command line: --port needs a value");
    assert_int_equal(COMMAND("--name --loud"), E_SYNTAX);
    assert_string_equal(why, "command line: --name needs a value; write one that begins with -- as "
                             "--NAME=VALUE");
    assert_int_equal(COMMAND("--name=--loud"), 0);
    assert_string_equal(options_text(o, "name"), "--loud");
    assert_int_equal(COMMAND("--no-port"), E_NOTFOUND);
    assert_int_equal(COMMAND("--no-colour=true"), E_NOTFOUND);
    assert_int_equal(COMMAND("-x"), E_NOTFOUND);
    assert_string_equal(why, "command line: unknown option -x");
    assert_int_equal(COMMAND("--=1"), E_NOTFOUND);
    assert_int_equal(COMMAND("--port=99999"), E_RANGE);
    assert_string_equal(
        why, "command line: port cannot be \"99999\": it takes a whole number from 1 to 65535");
}

static void the_environment_is_spelled_in_capitals(void **state)
{
    (void)state;
    char *env[] = {
        "HOME=/root",         "TAPEDECK_PORT=99",  "TAPEDECK_PORT=98", "TAPEDECK_mode=slow",
        "TAPEDECK_UNKNOWN=1", "TAPEDECK_THEIRS=1", "TAPEDECK_HELP=1",  "TAPEDECK_LABEL=a=1\nb=2",
        "TAPEDECK_",          "TAPEDECK_NAME=",    "TAPEDECK",         NULL};
    assert_int_equal(options_environment(o, env, why), 0);
    assert_int_equal(options_number(o, "port"), 99);
    assert_string_equal(options_text(o, "mode"), "fast");
    assert_false(options_flag(o, "help"));
    assert_int_equal(options_count(o, "label"), 2);
    assert_string_equal(options_nth(o, "label", 1), "b=2");
    assert_int_equal(options_source(o, "name"), OPT_BY_ENVIRONMENT);
    char *bad[] = {"TAPEDECK_SIZE=3", NULL};
    assert_int_equal(options_environment(o, bad, why), E_RANGE);
    assert_string_equal(why,
                        "environment TAPEDECK_SIZE: size cannot be \"3\": it takes a size like "
                        "64MiB from 1KiB to 1MiB");
    assert_int_equal(options_environment(o, NULL, why), 0);
}

// What a printing function wrote; freed by the caller.
static char *printed(int (*print)(const struct options *o, FILE *out, int width), int width)
{
    char *text = NULL;
    size_t n;
    FILE *f = open_memstream(&text, &n);
    assert_int_equal(print(o, f, width), 0);
    fclose(f);
    return text;
}

static int dump(const struct options *options, FILE *out, int width)
{
    (void)width;
    return options_dump(options, out);
}

static void the_dump_says_what_came_from_where(void **state)
{
    (void)state;
    assert_int_equal(COMMAND("--port=8080 --badge violet --tastes=sweet,sour"), 0);
    char *env[] = {"TAPEDECK_LABEL=a\nb", NULL};
    assert_int_equal(options_environment(o, env, why), 0);
    assert_int_equal(options_set(o, "size", view_of("2k"), OPT_BY_FILE, "x.yaml:3", why), 0);
    char *text = printed(dump, 0);
    assert_string_equal(text, "mode = fast  # default\n"
                              "tastes = sweet,sour  # command line\n"
                              "port = 8080  # command line\n"
                              "size = 2k  # file, x.yaml:3\n"
                              "pause = 10s  # default\n"
                              "name =  # not set\n"
                              "label = a  # environment TAPEDECK_LABEL\n"
                              "label = b  # environment TAPEDECK_LABEL\n"
                              "badge = violet  # command line\n"
                              "loud =  # not set\n"
                              "colour = true  # default\n");
    free(text);
}

static void help_is_aligned_and_wrapped(void **state)
{
    (void)state;
    char *text = printed(options_help, 60);
    assert_string_equal(text, "  --mode WORD              How to go. (one of fast|slow;\n"
                              "                           default fast)\n"
                              "  --tastes WORDS           What to like. (words of\n"
                              "                           sweet|sour, comma-separated)\n"
                              "  --port PORT              Where to go. (from 1 to 65535;\n"
                              "                           default 80)\n"
                              "  --size SIZE              How much. (from 1KiB to 1MiB;\n"
                              "                           default 64KiB) Changes at SIGHUP.\n"
                              "  --pause TIME             How long. (default 10s)\n"
                              "  --name TEXT              Who.\n"
                              "  --label TEXT             What else. May be given several\n"
                              "                           times.\n"
                              "  --badge TEXT             Who.\n"
                              "  --loud                   Shout.\n"
                              "  --[no-]colour            Paint.\n"
                              "  --help                   Say all this.\n");
    free(text);
}

static void json_holds_all_that_is_set(void **state)
{
    (void)state;
    struct buf b;
    assert_int_equal(COMMAND("--badge violet --label=a --label=b"), 0);
    assert_int_equal(set("name", "\"\\\xc3\xa9\xff\xc3", OPT_BY_FILE), 0);
    static const char wanted[] =
        "x{\"mode\":\"fast\",\"port\":\"80\",\"size\":\"64KiB\",\"pause\":\"10s\","
        "\"name\":\"\\\"\\\\\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\",\"label\":[\"a\",\"b\"],"
        "\"badge\":\"violet\","
        "\"colour\":\"true\"}";
    for (size_t max = 1; max < sizeof wanted; max++) {
        buf_init(&b, max);
        assert_int_equal(buf_add(&b, "x", 1), 0);
        bool fits = max == sizeof wanted - 1;
        assert_int_equal(options_json(o, &b), fits ? 0 : E_LIMIT);
        assert_true(view_eq(buf_view(&b), fits ? view_of(wanted) : view_of("x")));
        buf_clear(&b);
    }
}

// Whether a name appears in JSON as it was set.
static void utf8(const char *text, const char *in_json)
{
    struct buf b;
    char wanted[64];
    buf_init(&b, 1000);
    assert_int_equal(set("name", text, OPT_BY_COMMAND), 0);
    assert_int_equal(options_json(o, &b), 0);
    assert_int_equal(buf_add(&b, "", 1), 0);
    snprintf(wanted, sizeof wanted, "\"name\":\"%s\",", in_json);
    assert_non_null(strstr(b.p, wanted));
    buf_clear(&b);
}

static void json_is_utf_8_always(void **state)
{
    (void)state;
    utf8("\xe2\x82\xac", "\xe2\x82\xac");
    utf8("\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80");
    utf8("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
    utf8("\xc0", "\xef\xbf\xbd");
    utf8("\xc1"
         "a",
         "\xef\xbf\xbd"
         "a");
    utf8("\xe0\x80", "\xef\xbf\xbd\xef\xbf\xbd"); // overlong
    utf8("\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"); // cut
    utf8("\xe2\x82z", "\xef\xbf\xbd\xef\xbf\xbdz");
    utf8("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"); // a surrogate
    utf8("\xf4\x90", "\xef\xbf\xbd\xef\xbf\xbd");                 // beyond U+10FFFF
    utf8("\xf5", "\xef\xbf\xbd");
}

static void what_cannot_change_while_running_is_named(void **state)
{
    (void)state;
    struct options *other = options_new(table, US);
    char names[WHY_MAX];
    assert_int_equal(options_frozen_changes(o, other, names), 0);
    assert_string_equal(names, "");
    assert_int_equal(COMMAND("--size 2k --help"), 0); // reloadable; only of the command line
    assert_int_equal(options_frozen_changes(o, other, names), 0);
    assert_int_equal(COMMAND("--pause 10000ms --port=080"), 0); // the same in other words
    assert_int_equal(options_frozen_changes(o, other, names), 0);
    assert_int_equal(COMMAND("--port 81 --label x --no-colour"), 0);
    assert_int_equal(options_frozen_changes(o, other, names), 3);
    assert_string_equal(names, "port, label, colour");
    options_free(other);
}

static void without_memory_everything_is_told(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        struct options *p = options_new(table, US);
        char *words[] = {"prog", "a", "--port=5", "--label=x", "--label=y", NULL};
        char *env[] = {"TAPEDECK_NAME=me", NULL};
        int first, e = E_NOMEM;
        why[0] = 0;
        if (p)
            e = options_environment(p, env, why);
        if (p && !e)
            e = options_command(p, 5, words, &first, why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        assert_true(!p || !failed || strstr(why, "out of memory"));
        if (!failed)
            assert_int_equal(options_count(p, "label"), 2);
        options_free(p);
    }
    for (long i = 0, failed = 1; failed; i++) {
        struct buf b;
        buf_init(&b, 10000);
        alloc_fail_at(i);
        int e = options_json(o, &b);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        assert_true(!failed || buf_len(&b) == 0);
        buf_clear(&b);
    }
}

#define WITH(test) cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(values_begin_as_the_table_says),
        WITH(the_strongest_source_wins_in_any_order),
        WITH(values_that_repeat_gather_from_one_source),
        WITH(an_empty_text_takes_a_value_back),
        WITH(a_wrong_value_is_told_with_what_is_allowed),
        WITH(an_unknown_name_may_be_a_slip),
        WITH(flags_have_many_words),
        WITH(the_command_line_takes_both_forms),
        WITH(operands_stand_at_the_end_in_their_order),
        WITH(a_broken_command_line_is_told),
        WITH(the_environment_is_spelled_in_capitals),
        WITH(the_dump_says_what_came_from_where),
        WITH(help_is_aligned_and_wrapped),
        WITH(json_holds_all_that_is_set),
        WITH(json_is_utf_8_always),
        WITH(what_cannot_change_while_running_is_named),
        WITH(without_memory_everything_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
