// Borrowed bytes: compared without locale, trimmed, searched, read as numbers; never beyond their
// end.
#include "proto/base/err.h"
#include "proto/base/view.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void equality_knows_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(view_eq(view_of(NULL), VIEW_LIT("")));
    assert_true(view_eq(VIEW_LIT("Host"), view_of("Host")));
    assert_false(view_eq(VIEW_LIT("Host"), view_of("host")));
    assert_true(view_ieq(VIEW_LIT("HoSt"), view_of("hOsT")));
    assert_false(view_ieq(VIEW_LIT("Host"), view_of("Hos")));
    assert_false(view_ieq(VIEW_LIT("["), view_of("{"))); // 0x5b, 0x7b: a bit apart, no letters
    assert_false(view_ieq(VIEW_LIT("@"), view_of("`")));
    assert_false(view_ieq(VIEW_LIT("\xc4"), view_of("\xe4")));
    assert_true(view_ieq(view_of(NULL), view_of("")));
    for (int c = 0; c < 256; c++)
        assert_int_equal((unsigned char)view_lower((char)c), c >= 'A' && c <= 'Z' ? c + 32 : c);
}

static void a_prefix_is_found_only_when_whole(void **state)
{
    (void)state;
    assert_true(view_starts(VIEW_LIT("GET /"), VIEW_LIT("GET ")));
    assert_false(view_starts(VIEW_LIT("GE"), VIEW_LIT("GET ")));
    assert_false(view_starts(VIEW_LIT("get /"), VIEW_LIT("GET ")));
    assert_true(view_istarts(VIEW_LIT("get /"), VIEW_LIT("GET ")));
    assert_true(view_starts(VIEW_LIT("x"), view_of(NULL)));
    assert_true(view_starts(view_of(NULL), view_of(NULL)));
    assert_false(view_istarts(view_of(NULL), VIEW_LIT("x")));
}

static void trimming_takes_spaces_and_tabs(void **state)
{
    (void)state;
    assert_true(view_eq(view_trim(VIEW_LIT(" \t a b\t ")), VIEW_LIT("a b")));
    assert_true(view_eq(view_trim(VIEW_LIT("\r\na")), VIEW_LIT("\r\na")));
    assert_int_equal(view_trim(VIEW_LIT(" \t ")).n, 0);
    assert_int_equal(view_trim(view_of(NULL)).n, 0);
}

static void a_byte_that_is_not_there_is_at_the_end(void **state)
{
    (void)state;
    assert_int_equal(view_find(VIEW_LIT("a=b=c"), '='), 1);
    assert_int_equal(view_find(VIEW_LIT("abc"), '='), 3);
    assert_int_equal(view_find(view_of(NULL), '='), 0);
    assert_int_equal(view_find(view_n("a\0b", 3), '\0'), 1);
}

static void heads_and_rests_fit_together(void **state)
{
    (void)state;
    struct view v = VIEW_LIT("hello");
    for (size_t i = 0; i <= v.n; i++) {
        assert_int_equal(view_head(v, i).n + view_from(v, i).n, v.n);
        assert_memory_equal(view_from(v, i).p, "hello" + i, v.n - i);
    }
    assert_int_equal(view_head(v, 99).n, 5);
    assert_int_equal(view_from(view_of(NULL), 0).n, 0);
}

static void check_number(const char *text, int base, uint64_t max, int error, uint64_t value)
{
    struct guard g;
    uint64_t n = 12345;
    guard_init(&g, 100);
    int e = view_number(guard_fill(&g, view_of(text)), base, max, &n);
    guard_free(&g);
    if (e != error || (e == 0 && n != value) || (e && n != 12345))
        fail_msg("\"%s\" gave %d, %llu", text, e, (unsigned long long)n);
}

static void numbers_are_digits_and_nothing_else(void **state)
{
    (void)state;
    check_number("0", 10, 0, 0, 0);
    check_number("007", 10, 100, 0, 7);
    check_number("65535", 10, 65535, 0, 65535);
    check_number("65536", 10, 65535, E_RANGE, 0);
    check_number("18446744073709551615", 10, UINT64_MAX, 0, UINT64_MAX);
    check_number("18446744073709551616", 10, UINT64_MAX, E_RANGE, 0);
    check_number("99999999999999999999999999", 10, UINT64_MAX, E_RANGE, 0);
    check_number("99999999999999999999999999x", 10, UINT64_MAX, E_SYNTAX, 0);
    check_number("ffffffffffffffff", 16, UINT64_MAX, 0, UINT64_MAX);
    check_number("FfA9", 16, UINT64_MAX, 0, 0xffa9);
    check_number("10000000000000000", 16, UINT64_MAX, E_RANGE, 0);
    check_number("", 10, 9, E_SYNTAX, 0);
    check_number("+1", 10, 9, E_SYNTAX, 0);
    check_number("-1", 10, 9, E_SYNTAX, 0);
    check_number(" 1", 10, 9, E_SYNTAX, 0);
    check_number("1 ", 10, 9, E_SYNTAX, 0);
    check_number("0x1", 16, 9, E_SYNTAX, 0);
    check_number("a", 10, 99, E_SYNTAX, 0);
    check_number("g", 16, 99, E_SYNTAX, 0);
}

static void a_digit_is_worth_what_it_says(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *at = c ? strchr("0123456789abcdef", c) : NULL;
        const char *capital = c ? strchr("ABCDEF", c) : NULL;
        int worth = view_digit((char)c);
        if (at)
            assert_int_equal("0123456789abcdef"[worth], c);
        else if (capital)
            assert_int_equal("ABCDEF"[worth - 10], c);
        else
            assert_int_equal(worth, -1);
    }
}

static void distance_counts_letters(void **state)
{
    static const struct {
        const char *a, *b;
        int distance;
    } cases[] = {
        {"", "", 0},
        {"", "abc", 3},
        {"abc", "", 3},
        {"ls", "sl", 2},
        {"exprot", "export", 2},
        {"limit", "limt", 1},
        {"kitten", "sitting", 3},
    };
    char longer[VIEW_FAR + 1] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(view_distance(view_of(cases[i].a), view_of(cases[i].b)),
                         cases[i].distance);
    memset(longer, 'a', VIEW_FAR);
    assert_int_equal(view_distance(view_of(longer), view_of("a")), VIEW_FAR);
    assert_int_equal(view_distance(view_of("a"), view_of(longer)), VIEW_FAR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality_knows_ascii_letters_only),
        cmocka_unit_test(a_prefix_is_found_only_when_whole),
        cmocka_unit_test(trimming_takes_spaces_and_tabs),
        cmocka_unit_test(a_byte_that_is_not_there_is_at_the_end),
        cmocka_unit_test(heads_and_rests_fit_together),
        cmocka_unit_test(numbers_are_digits_and_nothing_else),
        cmocka_unit_test(a_digit_is_worth_what_it_says),
        cmocka_unit_test(distance_counts_letters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
