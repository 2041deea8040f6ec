// The report in each of its forms, against files of golden/report (REPORT_GOLDEN=write writes them
// anew, to be gone over); and what any text of a stranger may not do in them.
#include "tests/support/alloc.h"
#include "tests/support/program.h"
#include "tests/support/results.h"
#include "tests/support/tmp.h"
#include "tools/report/form.h"
#include "tools/report/markup.h"
#include "tools/report/report.h"

#include <expat.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define REQUESTS 400

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

// A report of a run; NULL without memory. The text is the caller's.
static char *report_of(unsigned what, const struct form *form, const struct baseline *baseline,
                       size_t *n)
{
    static const char *const texts[] = {"latency.p95 > 50ms", "mismatch.rate > 1%",
                                        "latency.p99[GET /items/{id}] > 10ms",
                                        "status.5xx[<nowhere>&\"\x1b] > 0"};
    static struct goals goals;
    char *out = NULL, why[WHY_MAX];
    struct judged j;
    goals.n = 0;
    for (int i = 0; i < (what & RESULTS_HOSTILE ? 4 : 3); i++)
        assert_int_equal(goals_add(&goals, view_of(texts[i]), why), 0);
    struct verdict *v = results_run(what, REQUESTS);
    if (!v)
        return NULL;
    alloc_leave();
    struct term t = {.out = open_memstream(&out, n), .utf8 = true};
    alloc_enter();
    int e = judge(&j, v, &goals, baseline);
    e = e ? e : form->write(&j, &t);
    alloc_leave();
    fclose(t.out);
    alloc_enter();
    verdict_free(v);
    if (!e)
        return out;
    free(out);
    return NULL;
}

// The version of the program is no part of what is compared.
static void mask_version(char *text)
{
    static const char by[] = "tapedeck " TAPEDECK_VERSION;
    for (char *at = text; (at = strstr(at, by));)
        for (size_t i = 9; i < sizeof by - 1; i++)
            at[i] = '*';
}

static void compare_golden(const char *name, char *text)
{
    char path[128], now[TMP_PATH];
    const char *write = getenv("REPORT_GOLDEN");
    size_t n;
    snprintf(path, sizeof path, "golden/report/%s", name);
    mask_version(text);
    if (write && strcmp(write, "write") == 0)
        tmp_write(path, text, strlen(text));
    char *want = tmp_read(path, &n);
    if (n != strlen(text) || memcmp(want, text, n) != 0) {
        snprintf(now, sizeof now, "/tmp/%s.now", name);
        tmp_write(now, text, strlen(text));
        fprintf(stderr, "%s is not %s\n", now, path);
        assert_true(false);
    }
    free(want);
}

static struct baseline *baseline_of(unsigned what)
{
    char why[WHY_MAX];
    size_t n;
    struct baseline *b;
    char *text = report_of(what, &form_json, NULL, &n);
    assert_non_null(text);
    int e = baseline_parse(&b, "base.json", view_n(text, n), why);
    if (e)
        fprintf(stderr, "%s\n", why);
    assert_int_equal(e, 0);
    free(text);
    return b;
}

static void test_golden(void **state)
{
    static const struct {
        const char *name;
        unsigned what;
        bool baseline;
    } runs[] = {
        {"plain", RESULTS_CHANGED | RESULTS_ERRORS, false},
        {"new", RESULTS_CHANGED | RESULTS_ERRORS | RESULTS_NEWER, true},
        {"slow", RESULTS_SLOW | RESULTS_HOSTILE, false},
    };
    struct baseline *b = baseline_of(RESULTS_CHANGED | RESULTS_ERRORS);
    (void)state;
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++)
        for (const struct form *const *f = form_table; *f; f++) {
            char name[64];
            size_t n;
            char *text = report_of(runs[i].what, *f, runs[i].baseline ? b : NULL, &n);
            assert_non_null(text);
            snprintf(name, sizeof name, "%s%s", runs[i].name, (*f)->ending);
            compare_golden(name, text);
            free(text);
        }
    baseline_free(b);
}

// ---- what programs read

static void well_formed(const char *text, size_t n)
{
    XML_Parser p = XML_ParserCreate(NULL);
    if (XML_Parse(p, text, (int)n, 1) != XML_STATUS_OK) {
        fprintf(stderr, "line %lu: %s\n", XML_GetCurrentLineNumber(p),
                XML_ErrorString(XML_GetErrorCode(p)));
        assert_true(false);
    }
    XML_ParserFree(p);
}

// What each form promises its readers, whatever the run.
static void test_readable(void **state)
{
    static const unsigned whats[] = {0, RESULTS_CHANGED, RESULTS_ERRORS,
                                     RESULTS_CHANGED | RESULTS_ERRORS | RESULTS_HOSTILE,
                                     RESULTS_SLOW | RESULTS_HOSTILE};
    char path[TMP_PATH], script[3 * TMP_PATH];
    struct program p;
    (void)state;
    for (size_t i = 0; i < sizeof whats / sizeof *whats; i++) {
        size_t n;
        char *text = report_of(whats[i], &form_json, NULL, &n);
        json_t *root = json_loadb(text, n, 0, NULL);
        assert_non_null(root);
        json_decref(root);
        free(text);
        text = report_of(whats[i], &form_junit, NULL, &n);
        well_formed(text, n);
        tmp_write(tmp_path(path, dir, "junit.xml"), text, n);
        free(text);
        snprintf(script, sizeof script,
                 "command -v xmllint >/dev/null || exit 77\n"
                 "xmllint --noout --schema golden/report/junit.xsd %s",
                 path);
        program_shell(&p, script);
        if (p.code == 77)
            print_message("[  LIMIT   ] xmllint is not installed: the schema is not checked\n");
        else if (p.code)
            fprintf(stderr, "%s", p.err);
        assert_true(p.code == 0 || p.code == 77);
        program_clear(&p);
    }
}

// Nothing in the page asks for anything from elsewhere, runs, or comes from a stranger unescaped.
static void test_page(void **state)
{
    static const char *const never[] = {
        "<script", "<img",    "http-equiv=\"refresh",   "src=", "href=",
        "url(",    "@import", "onerror=alert(1)>/\x01", "\x1b"};
    size_t n;
    (void)state;
    char *text = report_of(RESULTS_CHANGED | RESULTS_HOSTILE, &form_html, NULL, &n);
    assert_non_null(text);
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        const char *at = strstr(text, never[i]);
        if (at && strcmp(never[i], "src=") == 0)
            at = strstr(text, "<img"); // within a path, as text
        assert_null(at);
    }
    assert_non_null(strstr(text, "&lt;script&gt;alert(1)&lt;/script&gt;"));
    assert_non_null(strstr(text, "default-src 'none'; style-src 'unsafe-inline'"));
    free(text);
}

static void test_markup(void **state)
{
    static const struct {
        struct view in;
        const char *out;
    } cases[] = {
        {VIEW_LIT("a<b>&\"'"), "a&lt;b&gt;&amp;&quot;&#39;"},
        {VIEW_LIT("\t\r\n"), "&#9;\\x0d&#10;"},
        {VIEW_LIT("\0\x1b\x7f\xc2\x9b"), "\\x00\\x1b\\x7f\\x9b"},
        {VIEW_LIT("\xff\xc3"), "\\xff\\xc3"},
        {VIEW_LIT("äöü€\xf0\x9f\x98\x80"), "äöü€\xf0\x9f\x98\x80"},
        {VIEW_LIT("\xe2\x80\xae\xef\xbf\xbf\xef\xb7\x90"), "\\u202e\\uffff\\ufdd0"},
        {VIEW_LIT("\xed\xa0\x80"), "\\xed\\xa0\\x80"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);
        markup(f, cases[i].in);
        fclose(f);
        assert_string_equal(text, cases[i].out);
        free(text);
    }
}

// ---- baseline

// Against itself nothing is new; one place more is; and what is gone is counted.
static void test_baseline(void **state)
{
    static const struct {
        unsigned old, now;
        int fresh, gone, code;
    } cases[] = {
        {RESULTS_CHANGED, RESULTS_CHANGED, 0, 0, REPORT_PASSED},
        {RESULTS_CHANGED, RESULTS_CHANGED | RESULTS_NEWER, 5, 0, REPORT_NEW},
        {RESULTS_CHANGED, 0, 0, 20, REPORT_PASSED},
        {0, RESULTS_CHANGED, 20, 0, REPORT_NEW},
        {RESULTS_HOSTILE, RESULTS_HOSTILE, 0, 0, REPORT_PASSED}, // names survive as they are
        {RESULTS_CHANGED, RESULTS_CHANGED | RESULTS_ERRORS, 4, 0, REPORT_NEW},
    };
    static struct goals goals;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judged j;
        struct baseline *b = baseline_of(cases[i].old);
        struct verdict *v = results_run(cases[i].now, REQUESTS);
        assert_non_null(v);
        goals.n = 0;
        assert_int_equal(judge(&j, v, &goals, b), 0);
        assert_int_equal(j.fresh, cases[i].fresh);
        assert_int_equal(j.gone, cases[i].gone);
        assert_int_equal(j.code, cases[i].code);
        struct baseline_times times;
        assert_true(baseline_times(b, NULL, NULL, &times));
        assert_true(times.p50 > 0 && times.p50 <= times.p95 && times.p95 <= times.p99);
        assert_true(baseline_times(b, "api:80", "GET /items/{id}", &times));
        assert_false(baseline_times(b, "api:80", "GET /nowhere", &times));
        baseline_free(b);
        verdict_free(v);
    }
}

// In JUnit too what is known, or allowed by the goals, is no failure.
static void test_known_is_no_failure(void **state)
{
    static const struct {
        unsigned old, now;
        const char *goal;
        bool failure, error;
    } cases[] = {
        {RESULTS_CHANGED, RESULTS_CHANGED, "errors > 0", false, false},
        {RESULTS_CHANGED, RESULTS_CHANGED | RESULTS_NEWER, "errors > 0", true, false},
        {RESULTS_CHANGED, RESULTS_CHANGED | RESULTS_ERRORS, "requests = 0", false, true},
        {0, RESULTS_CHANGED, "mismatches > 0", true, false},
    };
    static struct goals goals;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct judged j;
        char why[WHY_MAX], *text = NULL;
        size_t n;
        struct baseline *b = baseline_of(cases[i].old);
        struct verdict *v = results_run(cases[i].now, REQUESTS);
        assert_non_null(v);
        goals.n = 0;
        assert_int_equal(goals_add(&goals, view_of(cases[i].goal), why), 0);
        assert_int_equal(judge(&j, v, &goals, b), 0);
        struct term t = {.out = open_memstream(&text, &n)};
        assert_int_equal(form_junit.write(&j, &t), 0);
        fclose(t.out);
        assert_int_equal(strstr(text, "<failure") != NULL, cases[i].failure);
        assert_int_equal(strstr(text, "<error") != NULL, cases[i].error);
        assert_non_null(strstr(text, "body.price"));
        free(text);
        baseline_free(b);
        verdict_free(v);
    }
}

static void test_baseline_refused(void **state)
{
    static const struct {
        const char *text;
        int e;
        const char *why;
    } cases[] = {
        {"", E_SYNTAX, "b.json:1:1: it is no JSON: "},
        {"{\n \"report\": }", E_SYNTAX, "b.json:2:12: it is no JSON: "},
        {"[]", E_SYNTAX, "b.json: it is JSON, but no report of tapedeck replay: "},
        {"{\"report\":\"other\"}", E_SYNTAX, "b.json: it is JSON, but no report"},
        {"{\"report\":\"tapedeck replay\",\"version\":2}", E_VERSION,
         "b.json: its version is not 1"},
        {"{\"report\":\"tapedeck replay\",\"version\":1}", E_SYNTAX,
         "b.json: 'mismatches' is no list of objects"},
        {"{\"report\":\"tapedeck replay\",\"version\":1,\"mismatches\":[1]}", E_SYNTAX,
         "b.json: 'mismatches' is no list of objects"},
        {"{\"report\":\"tapedeck replay\",\"version\":1,\"mismatches\":[],\"endpoints\":{}}",
         E_SYNTAX, "b.json: 'endpoints' is no list of objects"},
    };
    char why[WHY_MAX];
    struct baseline *b;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(baseline_parse(&b, "b.json", view_of(cases[i].text), why), cases[i].e);
        if (strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
            fprintf(stderr, "%s\n", why);
        assert_int_equal(strncmp(why, cases[i].why, strlen(cases[i].why)), 0);
        assert_null(b);
    }
}

// ---- without memory

static void test_no_memory(void **state)
{
    size_t size;
    char why[WHY_MAX];
    char *document = report_of(RESULTS_CHANGED, &form_json, NULL, &size);
    (void)state;
    for (const struct form *const *f = form_table; *f; f++) {
        // From the first allocation behind the run's own on.
        alloc_fail_at(1000000);
        struct verdict *v = results_run(RESULTS_CHANGED, REQUESTS);
        long own = alloc_count();
        alloc_fail_end();
        verdict_free(v);
        for (long i = own, failed = 1; failed; i++) {
            size_t n;
            alloc_fail_at(i);
            char *text = report_of(RESULTS_CHANGED, *f, NULL, &n);
            failed = alloc_fail_end();
            if (!failed)
                assert_non_null(text);
            free(text);
        }
    }
    for (long i = 0, failed = 1; failed; i++) {
        struct baseline *b;
        alloc_fail_at(i);
        int e = baseline_parse(&b, "b.json", view_n(document, size), why);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        baseline_free(b);
    }
    free(document);
}

// ---- options

static const struct option_def options[] = {REPORT_OPTIONS, CLI_OPTIONS_END};
static const struct command command = {.name = "replay", .options = options};

// Opens a report with these options, runs it and closes it with standard output in a file.
static int with_options(const char *const (*set)[2], unsigned what, char **said)
{
    char path[TMP_PATH], why[WHY_MAX];
    struct options *o = options_new(options, CLI_PROGRAM);
    struct report *r;
    assert_non_null(o);
    for (; (*set)[0]; set++)
        assert_int_equal(options_set(o, (*set)[0], view_of((*set)[1]), OPT_BY_COMMAND, NULL, why),
                         0);
    fflush(stdout);
    int kept = dup(1);
    assert_non_null(freopen(tmp_path(path, dir, "said"), "w", stdout));
    int code = report_open(&r, &command, o);
    if (code == CLI_OK) {
        struct verdict *v = results_run(what, REQUESTS);
        code = report_close(r, v, o);
        verdict_free(v);
    } else {
        assert_null(r);
    }
    fflush(stdout);
    dup2(kept, 1);
    close(kept);
    *said = tmp_read(path, NULL);
    options_free(o);
    return code;
}

static void test_options(void **state)
{
    char json[TMP_PATH], xml[TMP_PATH], html[TMP_PATH], txt[TMP_PATH], *said;
    const char *const files[][2] = {{"report", tmp_path(json, dir, "r.json")},
                                    {"report", tmp_path(xml, dir, "r.xml")},
                                    {"report", tmp_path(html, dir, "r.html")},
                                    {"report", tmp_path(txt, dir, "r.txt")},
                                    {"fail-if", "errors > 0"},
                                    {NULL, NULL}};
    const char *const again[][2] = {{"baseline", json}, {"json", "true"}, {NULL, NULL}};
    static const char *const bad[][3][2] = {
        {{"report", "r.pdf"}, {NULL, NULL}},
        {{"fail-if", "errors >"}, {NULL, NULL}},
        {{"fail-if", "new-mismatches > 0"}, {NULL, NULL}},
        {{"baseline", "no/such/file.json"}, {NULL, NULL}},
        {{"baseline", "golden/report/junit.xsd"}, {NULL, NULL}},
    };
    (void)state;
    assert_int_equal(with_options(files, RESULTS_CHANGED, &said), REPORT_PASSED);
    assert_true(tmp_there(json) && tmp_there(xml) && tmp_there(html) && tmp_there(txt));
    assert_true(tmp_holds(txt, said, strlen(said)));
    free(said);
    assert_int_equal(with_options(again, RESULTS_CHANGED, &said), REPORT_PASSED);
    assert_true(said[0] == '{');
    free(said);
    assert_int_equal(with_options(again, RESULTS_CHANGED | RESULTS_NEWER, &said), REPORT_NEW);
    free(said);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(with_options(bad[i], 0, &said), REPORT_NOT_RUN);
        free(said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),    cmocka_unit_test(test_readable),
        cmocka_unit_test(test_page),      cmocka_unit_test(test_markup),
        cmocka_unit_test(test_baseline),  cmocka_unit_test(test_baseline_refused),
        cmocka_unit_test(test_options),   cmocka_unit_test(test_known_is_no_failure),
        cmocka_unit_test(test_no_memory), // at last: a table cut short is damage for good
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
