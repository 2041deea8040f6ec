// YAML read value by value: what comes, and where a mistake is told.
#include "tools/yamlr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

// "{" "}" "[" "]", values in quotes, "." at the end; or the error.
static void read_all(const char *text, char out[WHY_MAX])
{
    char why[WHY_MAX] = "";
    size_t n = 0;
    enum yamlr_what what = YAMLR_DONE;
    struct yamlr *y = yamlr_new("t", view_of(text), 1000, why);
    assert_non_null(y);
    *out = 0;
    for (int e = 0; n < WHY_MAX;) {
        e = yamlr_next(y, &what);
        if (e) {
            snprintf(out, WHY_MAX, "%s", why);
            break;
        }
        if (what == YAMLR_VALUE)
            n += (size_t)snprintf(out + n, WHY_MAX - n, "'%.*s'", (int)yamlr_value(y).n,
                                  yamlr_value(y).p);
        else
            n += (size_t)snprintf(out + n, WHY_MAX - n, "%c", ".?[]{}"[what]);
        if (what == YAMLR_DONE)
            break;
    }
    if (!why[0]) { // and so it stays
        assert_int_equal(yamlr_next(y, &what), 0);
        assert_int_equal(what, YAMLR_DONE);
    }
    yamlr_free(y);
}

static void test_values(void **state)
{
    static const char *const texts[][2] = {
        {"", "."},
        {"# nothing\n", "."},
        {"a", "'a'."},
        {"a: [1, {b: 'c d'}]\n", "{'a'['1'{'b''c d'}]}."},
        {"- |\n  x\n  y\n- \"\\n\"\n", "['x\ny\n''\n']."},
        {"a: &x 1\nb: *x\n", "t:2:4: aliases are not taken here"},
        {"a\n---\nb\n", "t:2:1: a second document begins here; one is expected"},
        {"a: [1\n", "t:2:1: this is no YAML: did not find expected ',' or ']'"},
        {"a: \"\xff\"", "t:1:1: this is no YAML: invalid leading UTF-8 octet"},
    };
    char out[WHY_MAX];
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        read_all(texts[i][0], out);
        assert_string_equal(out, texts[i][1]);
    }
}

// Where the byte n of the first value is.
static void place(const char *text, size_t n, size_t line, size_t column)
{
    char why[WHY_MAX];
    enum yamlr_what what;
    struct yamlr *y = yamlr_new("t", view_of(text), 1000, why);
    assert_int_equal(yamlr_next(y, &what), 0);
    struct yamlr_mark at = yamlr_mark_in(y, n);
    assert_int_equal(at.line, line);
    assert_int_equal(at.column, column);
    yamlr_free(y);
}

static void test_marks(void **state)
{
    (void)state;
    place("abc", 0, 1, 1);
    place("\n  abc", 2, 2, 5);
    place("'abc'", 2, 1, 4);
    place("\"abc\"", 2, 1, 4);
    place("'it''s'", 3, 1, 1);   // an escape: its beginning
    place("\"a\\nb\"", 2, 1, 1); // the same
    place("ä ö ü", 5, 1, 4);     // letters, not bytes
    place("|\n  a\n  b\n", 2, 1, 1);
}

static void test_shown(void **state)
{
    char why[WHY_MAX], text[YAMLR_SHOWN], long_one[300];
    enum yamlr_what what;
    (void)state;
    snprintf(long_one, sizeof long_one, "%059dä%050d", 1, 2); // a letter lies across the end
    struct yamlr *y = yamlr_new("t", view_of(long_one), 1000, why);
    assert_int_equal(yamlr_next(y, &what), 0);
    yamlr_shown(y, text);
    assert_int_equal(strlen(text), 59 + 3);
    assert_string_equal(text + 58, "1…");
    yamlr_free(y);
}

static void test_copies(void **state)
{
    char why[WHY_MAX], *copy = NULL;
    enum yamlr_what what;
    (void)state;
    struct yamlr *y =
        yamlr_new("t", VIEW_LIT("[abc, '', \"a\\0b\", [], ~, 'null', abcd]"), 1000, why);
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_false(yamlr_is_null(y));
    assert_int_equal(yamlr_copy(y, "key", 3, &copy), 0);
    assert_string_equal(copy, "abc");
    free(copy);
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_copy(y, "key", 3, &copy), E_SYNTAX);
    assert_string_equal(why, "t:1:7: key: '' is not 1 to 3 letters");
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_copy(y, "key", 3, &copy), E_SYNTAX);
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_copy(y, "key", 3, &copy), E_SYNTAX);
    assert_string_equal(why, "t:1:19: key takes one plain value");
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_true(yamlr_is_null(y));
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_false(yamlr_is_null(y));
    assert_int_equal(yamlr_next(y, &what), 0);
    assert_int_equal(yamlr_copy(y, "key", 3, &copy), E_SYNTAX);
    yamlr_free(y);
    assert_null(yamlr_new("t", VIEW_LIT("abcd"), 3, why));
    assert_string_equal(why, "t:1:1: larger than 3 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_marks),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_copies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
