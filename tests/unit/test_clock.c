// Times are written and read as RFC 3339 in UTC, and agree with the C library's calendar.
#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static void the_calendar_is_that_of_the_c_library(void **state)
{
    (void)state;
    for (int64_t day = -719528; day < 2932897; day += 97) { // years 0 to 9999
        char text[CLOCK_TEXT], wanted[64];
        time_t t = (time_t)(day * 86400 + (day * 7919) % 86400);
        struct tm tm;
        gmtime_r(&t, &tm);
        snprintf(wanted, sizeof wanted, "%04d-%02d-%02dT%02d:%02d:%02d.000042Z", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        int64_t us = (int64_t)t * US_PER_S + 42, back;
        if (tm.tm_year + 1900 < 0)
            continue;
        assert_string_equal(clock_format(us, text), wanted);
        assert_int_equal(clock_parse(text, strlen(text), &back), 0);
        assert_int_equal(back, us);
    }
}

static void times_outside_four_digits_of_year_stop_at_the_edge(void **state)
{
    (void)state;
    char text[CLOCK_TEXT];
    assert_string_equal(clock_format(INT64_MAX, text), "9999-12-31T23:59:59.999999Z");
    assert_string_equal(clock_format(INT64_MIN, text), "0000-01-01T00:00:00.000000Z");
    assert_string_equal(clock_format(-1, text), "1969-12-31T23:59:59.999999Z");
    assert_string_equal(clock_format(0, text), "1970-01-01T00:00:00.000000Z");
}

static void check(const char *text, int error, int64_t us)
{
    struct guard g;
    int64_t got = 77;
    guard_init(&g, 100);
    struct view v = guard_fill(&g, view_of(text));
    int e = clock_parse(v.p, v.n, &got);
    if (e != error || (e == 0 && got != us))
        fail_msg("%s gave %d, %lld", text, e, (long long)got);
    for (size_t n = 0; n < v.n; n++) { // no prefix is read past its end
        struct view head = guard_fill(&g, view_head(view_of(text), n));
        (void)clock_parse(head.p, head.n, &got);
    }
    guard_free(&g);
}

static void every_form_of_rfc_3339_is_read(void **state)
{
    (void)state;
    const int64_t noon = 1769860800LL * US_PER_S;
    check("2026-01-31T12:00:00Z", 0, noon);
    check("2026-01-31t12:00:00z", 0, noon);
    check("2026-01-31 12:00:00Z", 0, noon);
    check("2026-01-31T12:00:00.5Z", 0, noon + 500000);
    check("2026-01-31T12:00:00.1234569Z", 0, noon + 123456);
    check("2026-01-31T14:30:00+02:30", 0, noon);
    check("2026-01-31T09:00:00-03:00", 0, noon);
    check("2026-01-31T12:00:00-00:00", 0, noon);
    check("2026-01-31", 0, noon - 12 * 3600 * US_PER_S);
    check("2024-02-29", 0, 1709164800LL * US_PER_S);
    check("2000-02-29", 0, 951782400LL * US_PER_S);
    check("1990-12-31T23:59:60Z", 0, 662688000LL * US_PER_S); // leap second, RFC 3339 5.8
    check("1937-01-01T12:00:27.87+00:20", 0, -1041337172130000LL);
}

static void what_is_no_time_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "now",
        "2026",
        "2026-1-31",
        "2026-13-01",
        "2026-00-01",
        "2026-01-32",
        "2026-01-00",
        "2026-04-31",
        "2023-02-29",
        "1900-02-29",
        "2026-01-31T",
        "2026-01-31T12:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T12:60:00Z",
        "2026-01-31T12:00:61Z",
        "2026-01-31T12:00:00.Z",
        "2026-01-31T12:00:00,5Z",
        "2026-01-31T12:00:00Z ",
        "2026-01-31T12:00:00+0200",
        "2026-01-31T12:00:00+24:00",
        "2026-01-31T12:00:00+02:60",
        "-026-01-31",
        "+026-01-31",
        "2026-01-31T12:00:00+",
        " 2026-01-31",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        check(wrong[i], E_SYNTAX, 0);
}

static void the_clocks_run(void **state)
{
    (void)state;
    int64_t mono = clock_mono_us();
    assert_true(clock_mono_us() >= mono);
    assert_true(clock_wall_us() > 1600000000LL * US_PER_S);
}

static void times_are_the_same_to_the_nanosecond(void **state)
{
    (void)state;
    struct timespec a = {.tv_sec = 5, .tv_nsec = 7}, b = a;
    assert_true(clock_same(&a, &b));
    b.tv_nsec++;
    assert_false(clock_same(&a, &b));
    b = a;
    b.tv_sec--;
    assert_false(clock_same(&a, &b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calendar_is_that_of_the_c_library),
        cmocka_unit_test(times_outside_four_digits_of_year_stop_at_the_edge),
        cmocka_unit_test(every_form_of_rfc_3339_is_read),
        cmocka_unit_test(what_is_no_time_is_refused),
        cmocka_unit_test(the_clocks_run),
        cmocka_unit_test(times_are_the_same_to_the_nanosecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
