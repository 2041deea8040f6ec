// UTF-8 is told from what is none, whole and at every cut.
#include "proto/base/utf8.h"

#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } texts[] = {
        {"", true},
        {"plain ASCII that is longer than a word", true},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf", true},
        {"\xed\x9f\xbf\xee\x80\x80", true},
        {"\xc0\xaf", false},         // overlong
        {"\xe0\x80\xaf", false},     //
        {"\xf0\x80\x80\xaf", false}, //
        {"\xed\xa0\x80", false},     // a surrogate
        {"\xf4\x90\x80\x80", false}, // beyond Unicode
        {"\xff", false},
        {"\x80", false},
        {"12345678\xc3", false}, // cut off
        {"a\xe2\x82", false},
    };
    struct guard g;
    (void)state;
    guard_init(&g, 64);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct view v = guard_fill(&g, view_of(texts[i].text));
        assert_int_equal(utf8_valid(v), texts[i].good);
        for (size_t cut = 0; cut <= v.n; cut++) {
            struct utf8 u = {0};
            bool good = utf8_feed(&u, view_head(v, cut)) && utf8_feed(&u, view_from(v, cut)) &&
                        utf8_whole(&u);
            assert_int_equal(good, texts[i].good);
        }
    }
    guard_free(&g);
    size_t n;
    assert_int_equal(utf8_next(VIEW_LIT("\xe2\x82\xac!"), &n), 0x20ac);
    assert_int_equal(n, 3);
    assert_int_equal(utf8_next(VIEW_LIT("\xe2\x82"), &n), -1);
    assert_int_equal(n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
