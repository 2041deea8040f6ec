// Shapes of values: what has them, and what nearly has.
#include "tests/support/guard.h"
#include "tools/compare/shape.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct example {
    enum shape shape;
    const char *text;
};

// Each is of that shape as shape_of() finds it.
static const struct example good[] = {
    {SHAPE_UUID, "550e8400-e29b-41d4-a716-446655440000"},
    {SHAPE_UUID, "{550E8400-E29B-41D4-A716-446655440000}"},
    {SHAPE_UUID, "urn:uuid:550e8400-e29b-41d4-a716-446655440000"},
    {SHAPE_UUID, "00000000-0000-0000-0000-000000000000"},
    {SHAPE_ULID, "01ARZ3NDEKTSV4RRFFQ69G5FAV"},
    {SHAPE_ULID, "01arz3ndektsv4rrffq69g5fav"},
    {SHAPE_OBJECTID, "507f1f77bcf86cd799439011"},
    {SHAPE_TRACEPARENT, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    {SHAPE_JWT, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c"},
    {SHAPE_JWT, "eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0."},
    {SHAPE_HTTP_DATE, "Sun, 06 Nov 1994 08:49:37 GMT"},
    {SHAPE_HTTP_DATE, "Sunday, 06-Nov-94 08:49:37 GMT"},
    {SHAPE_HTTP_DATE, "Sun Nov  6 08:49:37 1994"},
    {SHAPE_TIME, "2026-01-31T12:00:00Z"},
    {SHAPE_TIME, "2026-01-31T12:00:00.123456789+01:00"},
    {SHAPE_TIME, "2026-01-31 12:00:00"},
    {SHAPE_TIME, "2026-01-31 12:00:00 UTC"},
    {SHAPE_TIME, "2026-01-31t12:00-0800"},
    {SHAPE_TIME, "2024-02-29T00:00:00,5Z"},
    {SHAPE_DATE, "2026-01-31"},
    {SHAPE_EMAIL, "a.b+c@mail.example.com"},
    {SHAPE_IP, "192.168.0.1"},
    {SHAPE_IP, "192.168.0.1:8080"},
    {SHAPE_IP, "::1"},
    {SHAPE_IP, "[2001:db8::1]:443"},
    {SHAPE_EPOCH_MS, "1769860800000"},
    {SHAPE_EPOCH, "1769860800"},
    {SHAPE_EPOCH, "1769860800.25"},
    {SHAPE_TRACE_ID, "4bf92f3577b34da6a3ce929d0e0e4736"},
    {SHAPE_HEX, "4BF92F3577B34DA6A3CE929D0E0E4736"},
    {SHAPE_HEX, "da39a3ee5e6b4b0d3255bfef95601890afd80709"},
    {SHAPE_HEX, "deadbeef"},
    {SHAPE_NUMBER, "0"},
    {SHAPE_NUMBER, "-12.5e+3"},
    {SHAPE_NUMBER, "12345678901234567890123"},
};

static const struct example bad[] = {
    {SHAPE_UUID, "550e8400-e29b-41d4-a716-44665544000"},
    {SHAPE_UUID, "550e8400-e29b-41d4-a716-4466554400000"},
    {SHAPE_UUID, "550e8400-e29b-41d4-a716_446655440000"},
    {SHAPE_UUID, "550e8400-e29b-41d4-a716-44665544000g"},
    {SHAPE_ULID, "81ARZ3NDEKTSV4RRFFQ69G5FAV"},
    {SHAPE_ULID, "01ARZ3NDEKTSV4RRFFQ69G5FAI"},
    {SHAPE_ULID, "01234567890123456789012345"},
    {SHAPE_OBJECTID, "507f1f77bcf86cd79943901"},
    {SHAPE_TRACEPARENT, "00-00000000000000000000000000000000-00f067aa0ba902b7-01"},
    {SHAPE_TRACEPARENT, "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
    {SHAPE_JWT, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0"},
    {SHAPE_JWT, "www.example.com"},
    {SHAPE_HTTP_DATE, "Sun, 06 Nov 1994 08:49:37 CET"},
    {SHAPE_HTTP_DATE, "Sun, 31 Feb 1994 08:49:37 GMT"},
    {SHAPE_HTTP_DATE, "Sun, 06 Nov 1994 08:49:37 GMT or so"},
    {SHAPE_HTTP_DATE, "Sun, 06 Nov 1994 25:49:37 GMT"},
    {SHAPE_TIME, "2026-13-31T12:00:00Z"},
    {SHAPE_TIME, "2025-02-29T12:00:00Z"},
    {SHAPE_TIME, "2026-01-31T12:00:00."},
    {SHAPE_TIME, "2026-01-31T12:00:00+1"},
    {SHAPE_TIME, "2026-01-31T"},
    {SHAPE_TIME, "2026-01-31"},
    {SHAPE_DATE, "2026-1-31"},
    {SHAPE_EMAIL, "@example.com"},
    {SHAPE_EMAIL, "a@example"},
    {SHAPE_EMAIL, "a b@example.com"},
    {SHAPE_IP, "192.168.0.256"},
    {SHAPE_IP, "192.168.0.1:99999"},
    {SHAPE_IP, "1.2.3"},
    {SHAPE_EPOCH, "999999999"},
    {SHAPE_EPOCH, "9999999999"},
    {SHAPE_EPOCH, "1769860800."},
    {SHAPE_TRACE_ID, "00000000000000000000000000000000"},
    {SHAPE_HEX, "12345678"},
    {SHAPE_HEX, "deadbee"},
    {SHAPE_NUMBER, "01"},
    {SHAPE_NUMBER, "1."},
    {SHAPE_NUMBER, "1e"},
    {SHAPE_NUMBER, "+1"},
    {SHAPE_NUMBER, ""},
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct view v = view_of(good[i].text);
        if (shape_of(v, v) != good[i].shape)
            print_error("%s: %s\n", good[i].text, shape_names[shape_of(v, v)]);
        assert_int_equal(shape_of(v, v), good[i].shape);
        assert_true(shape_is(good[i].shape, v));
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (shape_is(bad[i].shape, view_of(bad[i].text)))
            print_error("%d: %s\n", (int)bad[i].shape, bad[i].text ? bad[i].text : "");
        assert_false(shape_is(bad[i].shape, view_of(bad[i].text)));
    }
}

// No text makes any of them read behind its end.
static void test_guard(void **state)
{
    struct guard g;
    (void)state;
    guard_init(&g, 256);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        for (size_t n = 0; n <= strlen(good[i].text); n++) {
            struct view v = guard_fill(&g, view_n(good[i].text, n));
            int64_t us;
            for (int s = 0; s < SHAPE_COUNT; s++)
                (void)shape_is((enum shape)s, v);
            (void)shape_time(v, &us);
        }
    guard_free(&g);
}

static void test_measure(void **state)
{
    (void)state;
    assert_int_equal(shape_of(VIEW_LIT("deadbeef"), VIEW_LIT("0badcafe")), SHAPE_HEX);
    assert_int_equal(shape_of(VIEW_LIT("deadbeef"), VIEW_LIT("0badcafe0")), SHAPE_NONE);
    assert_int_equal(shape_of(VIEW_LIT("1"), VIEW_LIT("2.5")), SHAPE_NUMBER);
    assert_int_equal(shape_of(VIEW_LIT("a"), VIEW_LIT("b")), SHAPE_NONE);
}

static void test_time(void **state)
{
    static const char *const same[] = {
        "2026-01-31T12:00:00Z",
        "2026-01-31T13:00:00+01:00",
        "2026-01-31 12:00:00.0",
        "2026-01-31T04:00:00-0800",
        "Sat, 31 Jan 2026 12:00:00 GMT",
        "1769860800",
        "1769860800000",
        "Sat Jan 31 12:00:00 2026",
        "1769860800.0",
    };
    int64_t us;
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        assert_int_equal(shape_time(view_of(same[i]), &us), 0);
        if (us != 1769860800000000)
            print_error("%s\n", same[i]);
        assert_int_equal(us, 1769860800000000);
    }
    assert_int_not_equal(shape_time(VIEW_LIT("noon"), &us), 0);
}

static void test_names(void **state)
{
    (void)state;
    for (int i = SHAPE_NONE + 1; i < SHAPE_COUNT; i++) {
        assert_int_equal(shape_find(view_of(shape_names[i])), i);
        assert_true(strlen(shape_sentences[i]) > 0);
    }
    assert_int_equal(shape_find(VIEW_LIT("none")), SHAPE_NONE);
    assert_int_equal(shape_find(VIEW_LIT("guid")), SHAPE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),    cmocka_unit_test(test_bad),  cmocka_unit_test(test_guard),
        cmocka_unit_test(test_measure), cmocka_unit_test(test_time), cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
