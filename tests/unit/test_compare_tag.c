// What redaction replaced: which texts may have been equal, and what of two halves still differs.
#include "tests/support/guard.h"
#include "tools/compare/compare.h"
#include "tools/compare/tag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define A "redacted:0123456789abcdef"
#define B "redacted:fedcba9876543210"

static const struct {
    const char *left, *right;
    bool equal;
} texts[] = {
    {A, B, true},
    {A, "x", true},
    {A, "", false},
    {"redacted:0123456789abcde", "x", false},
    {"redacted:0123456789abcdeg", "x", false},
    {"redacted:" A, "redacted:x", true},
    {"Bearer " A, "Bearer " B, true},
    {"Bearer " A, "Bearer x.y.z", true},
    {"Bearer " A, "Basic x", false},
    {"Bearer " A, "Bearer ", false},
    {A "; Path=/", "x; Path=/", true},
    {A "; Path=/", "x; Path=/a", false},
    {A "; Path=/", "; Path=/", false},
    {"a=" A "; b=" B "; c", "a=1; b=2; c", true},
    {"a=" A "; b=" B "; c", "a=" B "; b=" A "; c", true},
    {"a=" A "; b=" B "; c", "a=1; c", false},
    {"a=" A "; b=" B "; c", "a=1; b=2", false},
    {"a=" A "; theme=dark", "a=" B "; theme=light", false},
    {"a=" A "; b", "a=b; b; b", true},
    {A A, "xy", true},
    {A A, "x", false},
    {"x", "y", false},
    {"", "", false},
};

static void test_texts(void **state)
{
    struct guard a, b;
    (void)state;
    guard_init(&a, 256);
    guard_init(&b, 256);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct view l = guard_fill(&a, view_of(texts[i].left));
        struct view r = guard_fill(&b, view_of(texts[i].right));
        if (tag_may_equal(l, r) != texts[i].equal || tag_may_equal(r, l) != texts[i].equal)
            fail_msg("'%s' and '%s'", texts[i].left, texts[i].right);
    }
    guard_free(&a);
    guard_free(&b);
    assert_false(tag_may_equal(view_n(NULL, 0), VIEW_LIT(A)));
    assert_true(tag_is(VIEW_LIT(A)));
    assert_false(tag_is(VIEW_LIT(A "0")));
    assert_true(tag_in(VIEW_LIT("a redacted:no " A "0")));
    assert_false(tag_in(VIEW_LIT("redacted:")));
}

static void halves(const char *left_head, const char *left, const char *right_head,
                   const char *right, const char *told)
{
    static const struct rules_subject subject = {{"GET", 3}, {"a", 1}, {"/", 1}};
    struct compare_half half[2];
    struct differences d;
    char out[2048] = "";
    size_t n = 0;
    for (int side = 0; side < 2; side++) {
        half[side] = (struct compare_half){.head = view_of(side ? right_head : left_head),
                                           .type = VIEW_LIT("application/json"),
                                           .content = view_of(side ? right : left),
                                           .whole = true};
        half[side].size = (int64_t)half[side].content.n;
    }
    differences_init(&d, 20);
    assert_int_equal(compare(NULL, &subject, &half[0], &half[1], &d), 0);
    for (size_t i = 0; i < d.n; i++)
        n += (size_t)snprintf(out + n, sizeof out - n, "%s %s: %s | %s\n",
                              difference_kinds[d.items[i].kind], d.items[i].where, d.items[i].left,
                              d.items[i].right);
    assert_string_equal(out, told);
    differences_clear(&d);
}

static void test_halves(void **state)
{
    (void)state;
    halves("GET /?t=" A "&p=1 HTTP/1.1\r\nCookie: a=" A "\r\nAuthorization: Bearer " A "\r\n\r\n",
           "", "GET /?t=x%20y&p=2 HTTP/1.1\r\nCookie: a=" B "\r\nAuthorization: Basic x\r\n\r\n",
           "", "value query.p: 1 | 2\nvalue header authorization: Bearer " A " | Basic x\n");
    // What is on one side alone is a difference; null is never replaced.
    halves("GET / HTTP/1.1\r\nCookie: a=" A "\r\n\r\n", "", "GET / HTTP/1.1\r\nX: " A "\r\n\r\n",
           "", "missing header cookie: a=" A " | \nextra header x:  | " A "\n");
    halves("GET / HTTP/1.1\r\n\r\n",
           "{\"a\":\"" A "\",\"b\":\"" A "\",\"c\":[\"" A "\"],\"d\":\"" A "\"}",
           "GET / HTTP/1.1\r\n\r\n", "{\"a\":12,\"b\":null,\"c\":[\"" B "\"],\"d\":{\"e\":1}}",
           "type body.b: \"" A "\" | null\n");
    halves("GET / HTTP/1.1\r\n\r\n", "{\"a\":\"x " A "\"}", "GET / HTTP/1.1\r\n\r\n", "{\"a\":12}",
           "type body.a: \"x " A "\" | 12\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_halves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
