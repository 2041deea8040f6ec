// What tools write: JSON, base64, UTF-8, tables, terminal texts, numbers for people.
#include "proto/base/utf8.h"
#include "tests/support/guard.h"
#include "tools/cli.h"
#include "tools/csv.h"
#include "tools/fields.h"
#include "tools/head.h"
#include "tools/jsonw.h"
#include "tools/pretty.h"
#include "tools/progress.h"
#include "tools/stats/histogram.h"
#include "tools/table.h"

#include <fcntl.h>
#include <jansson.h>
#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

// A file in memory that is read as text.
struct memory {
    FILE *f;
    char *text;
    size_t n;
};

static void memory_open(struct memory *m)
{
    *m = (struct memory){.f = NULL};
    m->f = open_memstream(&m->text, &m->n);
    assert_non_null(m->f);
}

static void memory_is(struct memory *m, const char *want)
{
    fclose(m->f);
    assert_string_equal(m->text, want);
    free(m->text);
}

static void test_base64(void **state)
{
    struct memory m;
    (void)state;
    for (size_t n = 0; n <= 100;
         n++) { // in all cuts, against jansson's reader of nothing: RFC 4648
        unsigned char in[100];
        for (size_t i = 0; i < n; i++)
            in[i] = (unsigned char)(i * 37 + n);
        char *whole = NULL;
        for (size_t cut = 0; cut <= n; cut++) {
            memory_open(&m);
            struct base64 b = {.out = m.f};
            base64_add(&b, view_n(in, cut));
            base64_add(&b, view_n(in + cut, n - cut));
            base64_end(&b);
            fclose(m.f);
            assert_int_equal(m.n, (n + 2) / 3 * 4);
            if (whole)
                assert_string_equal(m.text, whole);
            if (whole)
                free(m.text);
            else
                whole = m.text;
        }
        free(whole);
    }
    memory_open(&m);
    struct base64 b = {.out = m.f, .wrap = 8};
    base64_add(&b, VIEW_LIT("foobar foobar"));
    base64_end(&b);
    memory_is(&m, "Zm9vYmFy\nIGZvb2Jh\ncg==\n");
    memory_open(&m);
    b = (struct base64){.out = m.f};
    base64_add(&b, VIEW_LIT("\xff\xfe"));
    base64_end(&b);
    memory_is(&m, "//4=");
}

static void test_jsonw(void **state)
{
    struct memory m;
    struct jsonw w;
    (void)state;
    memory_open(&m);
    jsonw_init(&w, m.f);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "text", VIEW_LIT("a\"b\\c\n\x01\x7f\xc3\xa4"));
    jsonw_text(&w, "bad", VIEW_LIT("x\xff\xe2\x82y"));
    jsonw_field(&w, "latin", VIEW_LIT("caf\xe9"));
    jsonw_text(&w, "none", (struct view){NULL, 0});
    jsonw_string(&w, "empty", "");
    jsonw_array(&w, "numbers");
    jsonw_int(&w, NULL, INT64_MIN);
    jsonw_ms(&w, NULL, 12345);
    jsonw_ms(&w, NULL, 12300);
    jsonw_ms(&w, NULL, -1);
    jsonw_ms(&w, NULL, 7000);
    jsonw_real(&w, NULL, 0.1);
    jsonw_real(&w, NULL, 1.0 / 0.0);
    jsonw_bool(&w, NULL, true);
    jsonw_array_end(&w);
    jsonw_object(&w, "nothing");
    jsonw_object_end(&w);
    jsonw_open(&w, "pieces");
    jsonw_add(&w, VIEW_LIT("\xc3"));
    jsonw_add(&w, VIEW_LIT("\xa4\""));
    jsonw_close(&w);
    jsonw_open(&w, "bytes");
    jsonw_add_base64(&w, VIEW_LIT("f"));
    jsonw_add_base64(&w, VIEW_LIT("oob"));
    jsonw_close(&w);
    jsonw_object_end(&w);
    memory_is(&m, "{\"text\":\"a\\\"b\\\\c\\n\\u0001\\u007f\xc3\xa4\","
                  "\"bad\":\"x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy\",\"latin\":\"caf\xc3\xa9\","
                  "\"none\":null,\"empty\":\"\",\"numbers\":[-9223372036854775808,12.345,12.3,"
                  "-0.001,7,0.1,null,true],\"nothing\":{},\"pieces\":\"\xc3\xa4\\\"\","
                  "\"bytes\":\"Zm9vYg==\"}");
}

static void test_json_of_any_bytes(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        struct memory m;
        struct jsonw w;
        char bytes[] = {'a', (char)c, 'b'};
        memory_open(&m);
        jsonw_init(&w, m.f);
        w.lines = 2;
        jsonw_object(&w, NULL);
        jsonw_text(&w, "t", view_n(bytes, 3));
        jsonw_field(&w, "f", view_n(bytes, 3));
        jsonw_object_end(&w);
        fclose(m.f);
        json_t *j = json_loadb(m.text, m.n, JSON_ALLOW_NUL, NULL);
        assert_non_null(j);
        size_t n = json_string_length(json_object_get(j, "f"));
        assert_int_equal(n, c < 0x80 ? 3 : 4);
        json_decref(j);
        free(m.text);
    }
}

static void pretty(const char *in, const char *want)
{
    struct memory m;
    struct guard g;
    memory_open(&m);
    struct term t = {.out = m.f};
    guard_init(&g, 4096);
    bool is_json = pretty_json(&t, guard_fill(&g, view_of(in)));
    assert_int_equal(is_json, want != NULL);
    guard_free(&g);
    memory_is(&m, want ? want : "");
}

static void test_pretty_json(void **state)
{
    static const char *const wrong[] = {
        "",      "{",     "[1,]",       "{\"a\"}", "{\"a\":}", "{,}",     "[01]",
        "[1.]",  "[.5]",  "[1e]",       "[-]",     "\"a",      "\"\\x\"", "\"\\u12g4\"",
        "tru",   "[] []", "{\"a\":1,}", "[1}",     "nulll",    "\"\t\"",  "[\"\xff\"]",
        "{1:2}", "[1 2]", "]",          "\"\\",    "-",        "\"\\u12",
    };
    char deep[700];
    (void)state;
    pretty(" {\"a\" : [1,-2.50e+3,{\"b\":null}], \"c\":{}, \"d\":[ ] , \"e\":\"\\u00e4\\n\"} ",
           "{\n  \"a\": [\n    1,\n    -2.50e+3,\n    {\n      \"b\": null\n    }\n  ],\n"
           "  \"c\": {},\n  \"d\": [],\n  \"e\": \"\\u00e4\\n\"\n}\n");
    pretty("12345678901234567890123", "12345678901234567890123\n");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        pretty(wrong[i], NULL);
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    pretty(deep, NULL);
}

static void test_pretty_any(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    struct term t = {.out = m.f};
    pretty_any(&t, VIEW_LIT("one\r\ntwo \x1b[31m\n"));
    pretty_any(&t, VIEW_LIT("\x00\x01"
                            "ABCDEFGHIJKLMNOP"));
    memory_is(&m, "one\ntwo \\x1b[31m\n"
                  "00000000  00 01 41 42 43 44 45 46  47 48 49 4a 4b 4c 4d 4e  |..ABCDEFGHIJKLMN|\n"
                  "00000010  4f 50                                             |OP|\n");
}

static void test_term_text(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    struct term t = {.out = m.f, .utf8 = true};
    assert_int_equal(term_text(&t, VIEW_LIT("abcdef"), false, 4), 4);
    putc('|', m.f);
    assert_int_equal(term_text(&t, VIEW_LIT("\xe4\xb8\xad\xe6\x96\x87!"), false, 4), 3);
    putc('|', m.f);
    term_text(&t,
              VIEW_LIT("\x1b]0;x\x07\xc2\x9b"
                       "31m\xe2\x80\xae\xff"),
              false, 0);
    memory_is(&m, "abc…|中…|\\x1b]0;x\\x07\\u009b31m\\u202e\\xff");
}

static void test_table(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    struct term t = {.out = m.f};
    struct table *table = table_new(&t);
    table_column(table, "name", TABLE_TEXT);
    table_column(table, "n", TABLE_NUMBER);
    table_column(table, "rest", TABLE_TEXT);
    for (int i = 0; i < 2; i++) {
        table_cell(table, STYLE_PLAIN, i ? VIEW_LIT("\xc3\xa4") : VIEW_LIT("long name"));
        table_cellf(table, STYLE_PLAIN, "%d", i ? 5 : 12345);
        table_cell(table, STYLE_BAD, VIEW_LIT("x\ty"));
    }
    table_end(table);
    memory_is(&m, "NAME           N  REST\n"
                  "long name  12345  x\\x09y\n"
                  "\xc3\xa4              5  x\\x09y\n");
}

static void test_table_on_a_terminal(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    struct term t = {.out = m.f, .tty = true, .color = true, .utf8 = true, .width = 40};
    struct table *table = table_new(&t);
    table_column(table, "fixed", TABLE_FIXED);
    table_column(table, "text", TABLE_TEXT);
    table_no_header(table);
    table_cell(table, STYLE_GOOD, VIEW_LIT("never cut"));
    table_cell(table, STYLE_PLAIN, VIEW_LIT("a text that is too long for this terminal"));
    table_end(table);
    memory_is(&m, "\033[32mnever cut\033[0m  a text that is too long for …\n");
}

// The line of progress and the rows do not share a terminal; what else is told clears the line.
static void test_progress(void **state)
{
    static const char want[] = "\r\033[K512 rows …\r\033[Ktapedeck: told\r\n"
                               "\r\033[Krows 0.5 %\r\033[K";
    char text[256];
    size_t n = 0;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    (void)state;
    assert_true(master >= 0 && grantpt(master) == 0 && unlockpt(master) == 0);
    FILE *terminal = fopen(ptsname(master), "r+"), *file = tmpfile();
    assert_true(terminal && file);
    int err = dup(STDERR_FILENO);
    fflush(stderr);
    dup2(fileno(terminal), STDERR_FILENO);
    struct progress p;
    progress_init(&p, "rows", terminal);
    p.started -= 2000000;
    progress_count(&p, 256); // nothing
    progress_init(&p, "rows", file);
    p.started -= 2000000;
    progress_count(&p, 512);
    cli_error("told");
    progress_end(&p);
    progress_init(&p, "rows", NULL);
    p.started -= 2000000;
    progress_permille(&p, 5);
    progress_end(&p);
    fflush(stderr);
    dup2(err, STDERR_FILENO);
    close(err);
    while (n < sizeof want - 1) { // it comes in pieces
        ssize_t got = read(master, text + n, sizeof text - 1 - n);
        assert_true(got > 0);
        n += (size_t)got;
    }
    text[n] = 0;
    assert_string_equal(text, want);
    fclose(file);
    fclose(terminal);
    close(master);
}

static void test_table_goes_on(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    struct term t = {.out = m.f};
    struct table *table = table_new(&t);
    table_column(table, "i", TABLE_NUMBER);
    for (int i = 0; i < 3 * TABLE_LOOKAHEAD; i++)
        table_cellf(table, STYLE_PLAIN, "%d", i);
    table_end(table);
    fclose(m.f);
    size_t lines = 0;
    for (size_t i = 0; i < m.n; i++)
        lines += m.text[i] == '\n';
    assert_int_equal(lines, 1 + 3 * TABLE_LOOKAHEAD);
    free(m.text);
}

static void test_head(void **state)
{
    struct view rest, words[3];
    struct head_field f;
    char joined[HEAD_JOINED];
    struct view head = VIEW_LIT("HTTP/1.1 200 Very fine\r\nA: 1\r\nno colon\r\n folded\r\na :2 \n"
                                "A:3\r\n\r\nbody: 1\r\n");
    (void)state;
    struct guard g;
    guard_init(&g, head.n);
    head = guard_fill(&g, head);
    head_words(head_first(head, &rest), words);
    assert_true(view_eq(words[2], VIEW_LIT("Very fine")));
    int n = 0;
    while (head_next(&rest, &f)) {
        struct view part;
        if (n++ != 1)
            assert_int_equal(f.folds.n, 0);
        else
            assert_true(head_fold(&f.folds, &part) && view_eq(part, VIEW_LIT("folded")) &&
                        !head_fold(&f.folds, &part));
    }
    assert_int_equal(n, 4);
    assert_true(view_eq(head_get(head, "a"), VIEW_LIT("1")));
    assert_null(head_get(head, "body").p);
    assert_true(view_eq(head_joined(head, "A", joined), VIEW_LIT("1, 3")));
    struct view heads = VIEW_LIT("HTTP/1.1 100 C\r\n\r\nHTTP/1.1 103 E\r\nL: x\r\n\r\n");
    assert_int_equal(head_split(&heads).n, 18);
    assert_int_equal(head_split(&heads).n, 24);
    assert_int_equal(heads.n, 0);
    guard_free(&g);
}

static void test_numbers(void **state)
{
    char text[64];
    int64_t id;
    (void)state;
    assert_string_equal(fields_duration(0, text), "0");
    assert_string_equal(fields_duration(999, text), "999us");
    assert_string_equal(fields_duration(1234, text), "1.23ms");
    assert_string_equal(fields_duration(999499, text), "999ms");
    assert_string_equal(fields_duration(999500, text), "1.00s");
    assert_string_equal(fields_duration(12345678, text), "12.3s");
    assert_string_equal(fields_duration(3600LL * 1000000, text), "60.0m");
    assert_string_equal(fields_size(999, text), "999");
    assert_string_equal(fields_size(1000, text), "1.0k");
    assert_string_equal(fields_size(10240, text), "10k");
    assert_string_equal(fields_size(1LL << 40, text), "1.0T");
    assert_string_equal(fields_count(18112, text), "18,112");
    assert_string_equal(fields_count(-1234567, text), "-1,234,567");
    assert_string_equal(fields_count(INT64_MIN, text), "-9,223,372,036,854,775,808");
    assert_string_equal(fields_id(store_key(3, 57), text), "3.57");
    assert_int_equal(fields_id_parse(VIEW_LIT("3.57"), &id), 0);
    assert_int_equal(id, store_key(3, 57));
    assert_int_equal(fields_id_parse(VIEW_LIT("1099511627833"), &id), 0);
    assert_int_equal(id, store_key(1, 57));
    assert_int_equal(fields_id_parse(VIEW_LIT("1.2.3"), &id), E_SYNTAX);
    assert_int_equal(fields_id_parse(VIEW_LIT("abc"), &id), E_SYNTAX);
    assert_int_equal(fields_id_parse(VIEW_LIT("1.1099511627776"), &id), E_RANGE);
}

static void test_histogram(void **state)
{
    static struct histogram h;
    (void)state;
    assert_int_equal(histogram_at(&h, 0.5), 0);
    for (int64_t i = 1; i <= 1000000; i++)
        histogram_add(&h, i);
    static const double points[] = {0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.999};
    for (size_t i = 0; i < sizeof points / sizeof *points; i++) {
        double want = points[i] * 1e6, got = (double)histogram_at(&h, points[i]);
        assert_true(got > want * 0.992 && got < want * 1.008);
    }
    assert_int_equal(histogram_at(&h, 1), 1000000);
    memset(&h, 0, sizeof h);
    for (int64_t i = 1; i <= 100; i++)
        histogram_add(&h, i);
    assert_int_equal(histogram_at(&h, 0.5), 50);
    assert_int_equal(histogram_at(&h, 0.99), 99);
    memset(&h, 0, sizeof h);
    histogram_add(&h, INT64_MAX);
    histogram_add(&h, -5);
    assert_int_equal(histogram_at(&h, 0.5), 0);
    assert_int_equal(histogram_at(&h, 1), INT64_MAX);
}

static void test_csv(void **state)
{
    struct memory m;
    (void)state;
    memory_open(&m);
    csv_field(m.f, VIEW_LIT("plain"), true);
    csv_field(m.f, VIEW_LIT("a,b"), false);
    csv_field(m.f, VIEW_LIT("say \"x\"\r\n"), false);
    csv_field(m.f, VIEW_LIT(""), false);
    csv_field(m.f, VIEW_LIT(" blank"), false);
    csv_end(m.f);
    memory_is(&m, "plain,\"a,b\",\"say \"\"x\"\"\r\n\",,\" blank\"\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_jsonw),
        cmocka_unit_test(test_json_of_any_bytes),
        cmocka_unit_test(test_pretty_json),
        cmocka_unit_test(test_pretty_any),
        cmocka_unit_test(test_term_text),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_table_on_a_terminal),
        cmocka_unit_test(test_progress),
        cmocka_unit_test(test_table_goes_on),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_histogram),
        cmocka_unit_test(test_csv),
    };
    setlocale(LC_CTYPE, "C.UTF-8");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
