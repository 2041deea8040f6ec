// The command line as a user has it: the built program on the sample capture.
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/commands.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sample sample;
static int64_t ids[SAMPLE_TXNS];

static int set_up(void **state)
{
    (void)state;
    sample_standard(&sample, ids);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&sample);
    return 0;
}

static size_t count_lines(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += *text == '\n';
    return n;
}

static void test_help(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "help");
    assert_int_equal(p.code, 0);
    for (const struct command *const *c = command_table; *c; c++) {
        struct program h;
        char name[64], *second;
        snprintf(name, sizeof name, "%s", (*c)->name);
        second = strchr(name, ' ');
        if (second)
            *second++ = 0;
        else
            assert_true(program_says(p.out, name));
        if (second)
            TAPEDECK(&h, name, second, "--help");
        else
            TAPEDECK(&h, name, "--help");
        assert_int_equal(h.code, 0);
        assert_true(program_says(h.out, (*c)->sentence));
        assert_true(program_says(h.out, "\nUsage: tapedeck "));
        assert_true(program_says(h.out, "\nOptions:\n  --"));
        assert_true(program_says(h.out, "\nExample"));
        assert_int_equal(h.err_n, 0);
        program_clear(&h);
    }
    program_clear(&p);
    TAPEDECK(&p, "help", "fields");
    assert_int_equal(p.code, 0);
    for (int i = 0; i < FIELD_COUNT; i++)
        assert_true(program_says(p.out, filter_fields[i].name));
    program_clear(&p);
    program_run(&p, (const char *const[]){"tapedeck", NULL}, NULL, (struct view){NULL, 0});
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.out, "Commands:"));
    program_clear(&p);
    TAPEDECK(&p, "--version");
    assert_int_equal(p.code, 0);
    assert_string_equal(p.out, "tapedeck " TAPEDECK_VERSION "\n");
    program_clear(&p);
}

// Wrong use is told in one line that names the mistake, and ends with 2.
static void test_wrong_use(void **state)
{
    static const struct {
        const char *words[6];
        const char *told;
    } uses[] = {
        {{"sl"}, "there is no command 'sl'; did you mean 'ls'?"},
        {{"exprot", "har"}, "did you mean 'export'?"},
        {{"frobnicate"}, "tapedeck help lists them all"},
        {{"export"}, "which format?"},
        {{"export", "xml"}, "there is no format 'xml'"},
        {{"ls", "--nonsense"}, "--nonsense"},
        {{"ls", "--order", "best"}, "oldest|newest|slowest"},
        {{"ls", "--limit", "0"}, "limit"},
        {{"ls", "--columns", "host,,bogus"}, "there is no column ''"},
        {{"ls", "--columns", "bogus"}, "there is no column 'bogus'"},
        {{"show"}, "which transaction?"},
        {{"show", "abc"}, "'abc' is no id"},
        {{"show", "last", "abc"}, "'abc' is no id"},
        {{"ls", "one.db", "two.db"}, "one capture only, or a folder of several: not 'two.db'"},
        {{"query"}, "there is no SQL"},
        {{"query", "--json", "--csv", "SELECT 1"}, "not both"},
        {{"query", "--json", "--no-header", "SELECT 1"}, "--json or --no-header, not both"},
        {{"ls", "--follow", "--order=newest"}, "--follow or --order, not both"},
        {{"ls", "--follow", "--open"}, "--follow or --open, not both"},
        {{"ls", "-f", "--exit-code"}, "--follow or --exit-code, not both"},
        {{"ls", "--open", "--order=newest"}, "--open or --order, not both"},
        {{"ls", "--json", "--columns=id"}, "--json or --columns, not both"},
        {{"tail", "--json", "--no-header"}, "--json or --no-header, not both"},
        {{"stats", "-n", "3"}, "--limit is for --by, which is not there"},
        {{"show", "--decode", "last"}, "--decode is for --body"},
        {{"show", "--raw", "--json", "last"}, "--raw or --json, not both"},
        {{"show", "--raw", "--limit=0", "last"}, "--raw or --limit, not both"},
        {{"show", "--body=request", "--json", "last"}, "--body or --json, not both"},
        {{"show", "--json", "--limit=0", "last"}, "--json or --limit, not both"},
        {{"verify", "--json", "--quiet"}, "--json or --quiet, not both"},
        {{"export", "raw", "--by", "flow"}, "--by is for --out"},
        {{"export", "har", "--no-bodies", "--max-decoded=1k"}, "not both"},
        {{"export", "jsonl", "--bodies=none", "--max-decoded=1k"},
         "--max-decoded is for --bodies decoded"},
        {{"completion"}, "which shell?"},
        {{"completion", "tcsh"}, "bash, zsh or fish"},
        {{"man", "frob"}, "there is no page 'tapedeck-frob'"},
        {{"help", "frob"}, "there is no command or topic 'frob'"},
        {{"version", "x"}, "takes nothing"},
        {{"verify", "a", "b"}, "one capture only"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        struct program p;
        const char *words[8] = {"tapedeck"}, *environment[2] = {NULL};
        char variable[TMP_PATH + 32];
        snprintf(variable, sizeof variable, "TAPEDECK_CAPTURE=%s", sample.path);
        environment[0] = variable;
        memcpy(words + 1, uses[i].words, sizeof uses[i].words);
        program_run(&p, words, environment, (struct view){NULL, 0});
        assert_true(program_says(p.err, uses[i].told));
        assert_int_equal(p.code, 2);
        assert_int_equal(p.out_n, 0);
        program_clear(&p);
    }
}

static void test_bad_filter(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "ls", sample.path, "status >= 500 and hots = x");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "status >= 500 and hots = x\n                    ^\n"));
    program_clear(&p);
    TAPEDECK(&p, "ls", "nothing.here");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "there is no file named 'nothing.here'"));
    program_clear(&p);
}

// The capture: operand, else the environment, else ./capture.db; a file or a folder.
static void test_which_capture(void **state)
{
    struct program p;
    char variable[TMP_PATH + 32], script[2 * TMP_PATH];
    const char *const environment[] = {variable, NULL};
    (void)state;
    TAPEDECK(&p, "ls", sample.path, "--no-header");
    assert_int_equal(p.code, 0);
    assert_int_equal(count_lines(p.out), SAMPLE_TXNS);
    char *whole = strdup(p.out);
    program_clear(&p);

    snprintf(variable, sizeof variable, "TAPEDECK_CAPTURE=%s", sample.dir);
    program_run(&p, (const char *const[]){"tapedeck", "ls", "--no-header", NULL}, environment,
                (struct view){NULL, 0});
    assert_string_equal(p.out, whole);
    program_clear(&p);

    snprintf(script, sizeof script, "cd %s && unset TAPEDECK_CAPTURE && tapedeck ls --no-header",
             sample.dir);
    program_shell(&p, script);
    assert_string_equal(p.out, whole);
    program_clear(&p);
    free(whole);

    TAPEDECK(&p, "ls", "/nowhere/capture.db");
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "/nowhere/capture.db: No such file or directory"));
    program_clear(&p);
    TAPEDECK(&p, "ls", "/proc/version");
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "/proc/version"));
    assert_int_equal(p.out_n, 0);
    program_clear(&p);
}

static void test_ls_table(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "ls", sample.path);
    assert_int_equal(p.code, 0);
    assert_int_equal(count_lines(p.out), SAMPLE_TXNS + 1);
    assert_true(program_says(p.out, "ID "));
    assert_true(program_says(p.out, "/users?page=2&q=a%20b+c&flag\n"));
    assert_true(program_says(p.out, "/silent [unanswered]\n"));
    assert_true(program_says(p.out, "/cut [answer cut]\n"));
    assert_true(program_says(p.out, "/ [by proxy]\n"));
    assert_true(program_says(p.out, "  500   2.50s  "));
    assert_true(program_says(p.out, "/\\x1b[31mred\\x07\"'\\\\xff?q=<\\xe9>\n"));
    assert_null(strchr(p.out, '\033'));
    program_clear(&p);
    TAPEDECK(&p, "verify", "no\033[31mfile", "--color", "always");
    assert_true(program_says(p.err, "no\\x1b[31mfile"));
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "--color", "always", "status", "=", "500");
    assert_true(program_says(p.out, "\033[1;31m500\033[0m"));
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "--columns", "method,path,query", "-n1", "method = GET",
             "--order=slowest", "--no-header");
    assert_string_equal(p.out, "GET  /slow  -\n");
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "--open", "--no-header", "--columns", "path,state");
    assert_string_equal(p.out, "/stream [open]  open\n");
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "--columns", "path,original,outcome", "outcome = miss");
    assert_string_equal(p.out, "PATH          ORIGINAL  OUTCOME\n/ [by proxy]  2.7       miss\n");
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "path = /nothing");
    assert_int_equal(p.code, 0);
    assert_int_equal(p.out_n, 0);
    program_clear(&p);
    TAPEDECK(&p, "ls", sample.path, "path = /nothing", "--exit-code");
    assert_int_equal(p.code, 3);
    program_clear(&p);
}

static void test_ls_json(void **state)
{
    struct program p;
    int rows = 0;
    (void)state;
    TAPEDECK(&p, "ls", sample.path, "-j", "--order", "newest");
    assert_int_equal(p.code, 0);
    for (char *line = p.out, *end; (end = strchr(line, '\n')); line = end + 1, rows++) {
        json_t *j = json_loadb(line, (size_t)(end - line), JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        const char *key;
        json_t *value;
        int i = 0;
        json_object_foreach(j, key, value) // jansson keeps the order
        {
            assert_string_equal(key, filter_fields[i].name);
            enum filter_type type = filter_fields[i].type;
            bool number = type == FILTER_NUMBER || type == FILTER_SIZE || type == FILTER_DURATION;
            assert_true(json_is_null(value) ||
                        (number ? json_is_integer(value) : json_is_string(value)));
            i++;
        }
        assert_int_equal(i, FIELD_COLUMNS);
        if (json_integer_value(json_object_get(j, "id")) == ids[SAMPLE_SILENT]) {
            assert_true(json_is_null(json_object_get(j, "status")));
            assert_string_equal(json_string_value(json_object_get(j, "state")), "unanswered");
        }
        json_decref(j);
    }
    assert_int_equal(rows, SAMPLE_TXNS);
    program_clear(&p);
}

static void test_reader_goes_away(void **state)
{
    struct program p;
    char script[2 * TMP_PATH];
    (void)state;
    snprintf(script, sizeof script, "{ tapedeck export jsonl %s; echo $? >&2; } | head -c 10",
             sample.path);
    program_shell(&p, script);
    assert_string_equal(p.err, "0\n");
    program_clear(&p);
    snprintf(script, sizeof script, "tapedeck ls %s > /dev/full", sample.path);
    program_shell(&p, script);
    assert_int_equal(p.code, 1);
    assert_true(program_says(p.err, "cannot write"));
    program_clear(&p);
    program_shell(&p, "for p in proxy recorder; do for o in help version dump-options; do "
                      "tapedeck-$p --$o > /dev/full; echo $?; done; done");
    assert_string_equal(p.out, "1\n1\n1\n1\n1\n1\n");
    assert_true(program_says(p.err, "tapedeck-recorder: standard output did not take all of it"));
    program_clear(&p);
    // verify's 1 means losses: what it could not tell is a failure of its own.
    snprintf(script, sizeof script, "tapedeck verify %s > /dev/full", sample.path);
    program_shell(&p, script);
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "cannot write"));
    program_clear(&p);
    snprintf(script, sizeof script, "tapedeck ls %s -n 1 path = /none > /dev/full; echo $?",
             sample.path);
    program_shell(&p, script);
    assert_string_equal(p.out, "0\n"); // nothing was to be written
    program_clear(&p);
}

static void test_query(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "query", sample.path,
             "SELECT path, status FROM http WHERE status >= 500 ORDER BY 1");
    assert_int_equal(p.code, 0);
    assert_string_equal(p.out, "PATH   STATUS\n/         502\n/slow     500\n");
    program_clear(&p);
    TAPEDECK(&p, "query", sample.path, "--json",
             "SELECT 1 AS one, NULL AS none, 2.5 AS half, x'ff00' AS bytes, '' AS empty");
    assert_string_equal(p.out, "{\"one\":1,\"none\":null,\"half\":2.5,"
                               "\"bytes\":{\"base64\":\"/wA=\"},\"empty\":\"\"}\n");
    program_clear(&p);
    TAPEDECK(&p, "query", sample.path, "--csv", "SELECT 'a,b' AS x, 1 AS y WHERE 0");
    assert_string_equal(p.out, "x,y\r\n");
    program_clear(&p);
    program_run(&p, (const char *const[]){"tapedeck", "query", sample.path, "-", NULL}, NULL,
                VIEW_LIT("SELECT count(*) AS n FROM http\n"));
    assert_string_equal(p.out, " N\n19\n");
    program_clear(&p);
    static const char *const views[] = {"http",  "header",    "content", "raw",
                                        "flows", "endpoints", "losses",  "open_transactions"};
    for (size_t i = 0; i < sizeof views / sizeof *views; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT * FROM %s", views[i]);
        TAPEDECK(&p, "query", sample.path, sql);
        assert_string_equal(p.err, "");
        assert_int_equal(p.code, 0);
        program_clear(&p);
    }
    TAPEDECK(&p, "query", sample.path, "DELETE FROM txn");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, "only reads"));
    program_clear(&p);
    TAPEDECK(&p, "query", sample.path, "SELEC 1");
    assert_int_equal(p.code, 2);
    program_clear(&p);
}

static void test_stats(void **state)
{
    struct program p;
    (void)state;
    TAPEDECK(&p, "stats", sample.path, "--json");
    json_t *j = json_loads(p.out, 0, NULL);
    assert_non_null(j);
    assert_int_equal(json_integer_value(json_object_get(j, "count")), SAMPLE_TXNS);
    assert_int_equal(json_integer_value(json_object_get(j, "http")), SAMPLE_TXNS - 1);
    assert_int_equal(json_integer_value(json_object_get(j, "errors")), 3);
    assert_int_equal(json_integer_value(json_object_get(j, "unanswered")), 1);
    assert_int_equal(json_integer_value(json_object_get(json_object_get(j, "duration"), "max")),
                     2500000);
    json_decref(j);
    program_clear(&p);
    TAPEDECK(&p, "stats", sample.path, "--by", "status", "method = GET");
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.out, "STATUS  COUNT  ERRORS"));
    assert_true(program_says(p.out, "\n502 "));
    program_clear(&p);
    TAPEDECK(&p, "stats", sample.path, "--by", "host", "--json", "-n", "1");
    assert_true(program_says(p.out, "{\"host\":\"api.test\",\"count\":16,"));
    assert_int_equal(count_lines(p.out), 1);
    program_clear(&p);
    TAPEDECK(&p, "stats", sample.path, "path = /nothing", "--exit-code");
    assert_int_equal(p.code, 3);
    program_clear(&p);
}

// The words behind `export` are those of the table, and stand nowhere else.
static void test_words_behind_a_command(void **state)
{
    (void)state;
    char words[256] = "", line[512];
    struct program p;
    for (const struct command *const *c = command_table; *c; c++) {
        size_t n = strlen(words);
        if (strncmp((*c)->name, "export ", 7) == 0)
            snprintf(words + n, sizeof words - n, "%s%s", n ? "|" : "", (*c)->name + 7);
    }
    snprintf(line, sizeof line, "tapedeck export [OPTIONS] %s [CAPTURE] [FILTER]\n", words);
    assert_string_equal(command_export.operands, "[CAPTURE] [FILTER]");
    TAPEDECK(&p, "export", "--help");
    assert_true(program_says(p.out, line));
    program_clear(&p);
    TAPEDECK(&p, "export");
    assert_int_equal(p.code, 2);
    assert_true(program_says(p.err, line));
    program_clear(&p);
    TAPEDECK(&p, "man", "export");
    assert_true(program_says(p.out, words));
    program_clear(&p);
    for (char *at = words; (at = strchr(at, '|'));)
        *at = ' ';
    TAPEDECK(&p, "completion", "bash");
    assert_true(program_says(p.out, words));
    program_clear(&p);
}

static void test_completion_and_man(void **state)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    struct program p;
    char dir[TMP_PATH];
    (void)state;
    for (int i = 0; i < 3; i++) {
        TAPEDECK(&p, "completion", shells[i]);
        assert_int_equal(p.code, 0);
        for (const struct command *const *c = command_table; *c; c++) {
            const char *word = strrchr((*c)->name, ' ');
            assert_true(program_says(p.out, word ? word + 1 : (*c)->name));
            for (const struct option_def *d = (*c)->options; d->name; d++)
                if (d->programs & ((*c)->program ? (*c)->program : CLI_PROGRAM))
                    assert_true(program_says(p.out, d->name));
        }
        program_clear(&p);
    }
    tmp_path(dir, sample.dir, "man");
    TAPEDECK(&p, "man", "--out", dir);
    assert_int_equal(p.code, 0);
    program_clear(&p);
    TAPEDECK(&p, "man", "export", "har");
    assert_int_equal(p.code, 0);
    assert_true(program_says(p.out, ".TH TAPEDECK-EXPORT-HAR 1"));
    char path[TMP_PATH];
    char *page = tmp_read(tmp_path(path, dir, "tapedeck-export-har.1"), NULL);
    assert_memory_equal(page, p.out, p.out_n);
    free(page);
    program_clear(&p);
    tmp_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_help),
        cmocka_unit_test(test_wrong_use),
        cmocka_unit_test(test_bad_filter),
        cmocka_unit_test(test_which_capture),
        cmocka_unit_test(test_ls_table),
        cmocka_unit_test(test_ls_json),
        cmocka_unit_test(test_reader_goes_away),
        cmocka_unit_test(test_query),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_words_behind_a_command),
        cmocka_unit_test(test_completion_and_man),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
