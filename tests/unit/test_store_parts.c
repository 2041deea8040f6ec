// The store's small parts: routes, lines of heads, the cache of bodies, the sum of a row.
#include "proto/digest.h"
#include "schema/body_cache.h"
#include "schema/head_lines.h"
#include "schema/route.h"
#include "schema/row.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void routes(void **state)
{
    (void)state;
    static const struct {
        const char *path, *route; // "": its own
    } cases[] = {
        {"/", ""},
        {"", ""},
        {"/users", ""},
        {"/users/1", "/users/{id}"},
        {"/users/1/", "/users/{id}/"},
        {"/1/2//3", "/{id}/{id}//{id}"},
        {"7", "{id}"},
        {"/v1/x", ""},
        {"/o/123e4567-e89b-12d3-a456-426614174000/y", "/o/{id}/y"},
        {"/o/123E4567-E89B-12D3-A456-426614174000", "/o/{id}"},
        {"/o/123e4567-e89b-12d3-a456-42661417400x", ""},
        {"/o/123e4567ae89b-12d3-a456-426614174000", ""},
        {"/c/9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "/c/{id}"},
        {"/c/9f86d081884c", "/c/{id}"},
        {"/c/9f86d081884", ""}, // one digit short of looking like an id
        {"/c/deadbeefdead", ""},
        {"/c/facade", ""},
        {"*", ""},
    };
    struct buf out;
    struct guard g;
    buf_init(&out, 1024);
    guard_init(&g, 128);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        route_of(guard_fill(&g, view_of(cases[i].path)), &out);
        if (!view_eq(buf_view(&out), view_of(cases[i].route)))
            fail_msg("%s: %.*s", cases[i].path, (int)buf_len(&out), buf_view(&out).p);
    }
    guard_free(&g);
    buf_clear(&out);
    buf_init(&out, 8); // too long a route is none
    route_of(VIEW_LIT("/users/1/things"), &out);
    assert_int_equal(buf_len(&out), 0);
    buf_clear(&out);
}

static void lines_of_heads(void **state)
{
    (void)state;
    static const char head[] = "GET / HTTP/1.1\r\nHost: a\r\nX:\r\n odd\nY : b \r\n:z\r\n\r\nEnd";
    static const char *const expected[][2] = {{"Host", "a"}, {"X", ""}, {"", "odd"},
                                              {"Y ", "b"},   {"", "z"}, {"", "End"}};
    struct guard g;
    struct view name, value;
    guard_init(&g, sizeof head);
    for (size_t n = 0; n < sizeof head; n++) { // at every cut, without a look beyond
        struct view rest = head_fields(guard_fill(&g, view_n(head, n)));
        size_t lines = 0;
        while (head_line(&rest, &name, &value))
            lines++;
        assert_true(lines <= 6);
    }
    struct view rest = head_fields(guard_fill(&g, VIEW_LIT(head)));
    for (size_t i = 0; i < 6; i++) {
        assert_true(head_line(&rest, &name, &value));
        assert_true(view_eq(name, view_of(expected[i][0])));
        assert_true(view_eq(value, view_of(expected[i][1])));
    }
    assert_false(head_line(&rest, &name, &value));
    assert_true(head_find(VIEW_LIT(head), VIEW_LIT("hOST"), &value));
    assert_true(view_eq(value, VIEW_LIT("a")));
    assert_false(head_find(VIEW_LIT(head), VIEW_LIT("GET / HTTP/1.1"), &value));
    assert_false(head_find((struct view){NULL, 0}, VIEW_LIT("a"), &value));
    guard_free(&g);
}

static void a_cache_of_bodies(void **state)
{
    (void)state;
    struct body_cache c;
    unsigned char digest[8][DIGEST_SIZE];
    body_cache_init(&c);
    for (unsigned i = 0; i < 8; i++) { // all in one set
        memset(digest[i], 0, DIGEST_SIZE);
        digest[i][31] = (unsigned char)i;
    }
    for (int i = 0; i < BODY_CACHE_WAYS; i++)
        body_cache_add(&c, digest[i], 10, i + 1);
    assert_int_equal(body_cache_find(&c, digest[0], 10), 1);
    assert_int_equal(body_cache_find(&c, digest[0], 11), 0); // of another length
    body_cache_add(&c, digest[7], 10, 99);
    assert_int_equal(body_cache_find(&c, digest[0], 10), 1); // used just now
    assert_int_equal(body_cache_find(&c, digest[1], 10), 0); // the one that gave way
    assert_int_equal(body_cache_find(&c, digest[7], 10), 99);
    body_cache_forget(&c);
    assert_int_equal(body_cache_find(&c, digest[7], 10), 0);
    body_cache_clear(&c);
    body_cache_add(&c, digest[0], 10, 1); // without memory nothing is remembered
    assert_int_equal(body_cache_find(&c, digest[0], 10), 0);
}

// The sum is part of the file format: it must never change.
static void the_sum_of_a_row(void **state)
{
    (void)state;
    struct row_sum s;
    unsigned char plain[64] = {0};
    size_t n = 0;
    row_sum_begin(&s);
    row_sum_null(&s);
    row_sum_int(&s, -2);
    row_sum_text(&s, VIEW_LIT("ab"));
    row_sum_blob(&s, VIEW_LIT(""));
    plain[n++] = 0;
    plain[n++] = 1;
    memset(plain + n, 0xff, 8);
    plain[n] = 0xfe;
    n += 8;
    plain[n++] = 2;
    plain[n] = 2;
    n += 8;
    plain[n++] = 'a';
    plain[n++] = 'b';
    plain[n++] = 3;
    n += 8;
    assert_true(row_sum_end(&s) == (int64_t)XXH3_64bits(plain, n));
}

// Gathered or not, long or short: the same bytes give the same sum.
static void the_sum_of_long_values(void **state)
{
    (void)state;
    static char bytes[5000];
    static unsigned char plain[3 * (sizeof bytes + 9)];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)(i * 7);
    for (size_t len = 0; len < sizeof bytes; len += len < 1100 ? 1 : 777) {
        struct row_sum s;
        size_t n = 0;
        row_sum_begin(&s);
        for (int i = 0; i < 3; i++) {
            row_sum_blob(&s, view_n(bytes, len));
            plain[n++] = 3;
            for (int k = 0; k < 8; k++)
                plain[n++] = (unsigned char)(len >> 8 * k);
            memcpy(plain + n, bytes, len);
            n += len;
        }
        assert_true(row_sum_end(&s) == (int64_t)XXH3_64bits(plain, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes),
        cmocka_unit_test(lines_of_heads),
        cmocka_unit_test(a_cache_of_bodies),
        cmocka_unit_test(the_sum_of_a_row),
        cmocka_unit_test(the_sum_of_long_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
