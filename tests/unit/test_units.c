// Sizes and durations: what people write is read exactly, and what we write is read back the same.
#include "proto/base/err.h"
#include "proto/base/units.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct guard guard;

static int set_up(void **state)
{
    (void)state;
    guard_init(&guard, 200);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_free(&guard);
    return 0;
}

static void size(const char *text, int error, uint64_t bytes)
{
    uint64_t got = 1;
    int e = units_size(guard_fill(&guard, view_of(text)), &got);
    if (e != error || (e == 0 && got != bytes))
        fail_msg("%s gave %d, %llu", text, e, (unsigned long long)got);
}

static void duration(const char *text, int error, int64_t us)
{
    int64_t got = 1;
    int e = units_duration(guard_fill(&guard, view_of(text)), &got);
    if (e != error || (e == 0 && got != us))
        fail_msg("%s gave %d, %lld", text, e, (long long)got);
}

static void sizes_are_read(void **state)
{
    (void)state;
    size("0", 0, 0);
    size("4096", 0, 4096);
    size("4096B", 0, 4096);
    size("64k", 0, 65536);
    size("64K", 0, 65536);
    size("64KiB", 0, 65536);
    size("64kib", 0, 65536);
    size("64kB", 0, 64000);
    size("64KB", 0, 64000);
    size("64MB", 0, 64000000);
    size("64M", 0, 64 << 20);
    size("1G", 0, 1 << 30);
    size("1GB", 0, 1000000000);
    size("2TiB", 0, 2ULL << 40);
    size("2TB", 0, 2000000000000);
    size("1.5MiB", 0, 1572864);
    size("0.5k", 0, 512);
    size("18446744073709551615", 0, UINT64_MAX);
    size("18446744073709551616", E_RANGE, 0);
    size("16777215T", 0, 16777215ULL << 40);
    size("16777216T", E_RANGE, 0);
    size("99999999999999999999T", E_RANGE, 0);
    size("", E_SYNTAX, 0);
    size("MiB", E_SYNTAX, 0);
    size("-1", E_SYNTAX, 0);
    size("1.5", E_SYNTAX, 0);
    size("1.M", E_SYNTAX, 0);
    size(".5M", E_SYNTAX, 0);
    size("1 M", E_SYNTAX, 0);
    size("1MiBs", E_SYNTAX, 0);
    size("1P", E_SYNTAX, 0);
    size("0x10", E_SYNTAX, 0);
    size("10s", E_SYNTAX, 0);
}

static void durations_are_read(void **state)
{
    (void)state;
    duration("0", 0, 0);
    duration("0s", 0, 0);
    duration("100us", 0, 100);
    duration("250ms", 0, 250000);
    duration("10s", 0, 10000000);
    duration("1.5s", 0, 1500000);
    duration("0.25ms", 0, 250);
    duration("1.0000019s", 0, 1000001);
    duration("5m", 0, 300000000);
    duration("2h", 0, 7200000000);
    duration("7d", 0, 604800000000);
    duration("106751991d", 0, 106751991LL * 86400000000);
    duration("106751992d", E_RANGE, 0);
    duration("99999999999999999999s", E_RANGE, 0);
    duration("1", E_SYNTAX, 0);
    duration("10", E_SYNTAX, 0);
    duration("", E_SYNTAX, 0);
    duration("s", E_SYNTAX, 0);
    duration("1S", E_SYNTAX, 0);
    duration("1M", E_SYNTAX, 0);
    duration("1min", E_SYNTAX, 0);
    duration("-1s", E_SYNTAX, 0);
    duration("1h30m", E_SYNTAX, 0);
    duration("1.s", E_SYNTAX, 0);
}

static void texts_are_short_and_faithful(void **state)
{
    (void)state;
    char t[UNITS_TEXT];
    assert_string_equal(units_size_text(0, t), "0");
    assert_string_equal(units_size_text(512, t), "512");
    assert_string_equal(units_size_text(65536, t), "64KiB");
    assert_string_equal(units_size_text(64 << 20, t), "64MiB");
    assert_string_equal(units_size_text(64000000, t), "64MB");
    assert_string_equal(units_size_text(1536 << 20, t), "1536MiB");
    assert_string_equal(units_size_text(1ULL << 40, t), "1TiB");
    assert_string_equal(units_size_text(65537, t), "65537");
    assert_string_equal(units_size_text(UINT64_MAX, t), "18446744073709551615");
    assert_string_equal(units_duration_text(0, t), "0");
    assert_string_equal(units_duration_text(1500000, t), "1500ms");
    assert_string_equal(units_duration_text(10000000, t), "10s");
    assert_string_equal(units_duration_text(3600000000, t), "1h");
    assert_string_equal(units_duration_text(7 * 86400000000, t), "7d");
    assert_string_equal(units_duration_text(-5000, t), "-5ms");
    assert_string_equal(units_duration_text(INT64_MIN, t), "-9223372036854775808us");
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        static const uint64_t scales[] = {1, 1000, 1024, 1000000, 1 << 20, 60000000, 1 << 30};
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        uint64_t value = (seed >> (20 + i % 40)) % (1ULL << 30) * scales[i % 7], size_back;
        int64_t us_back;
        char t[UNITS_TEXT];
        assert_int_equal(units_size(view_of(units_size_text(value, t)), &size_back), 0);
        assert_int_equal(size_back, value);
        assert_int_equal(units_duration(view_of(units_duration_text((int64_t)value, t)), &us_back),
                         0);
        assert_int_equal(us_back, value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_read),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(texts_are_short_and_faithful),
        cmocka_unit_test(what_is_written_is_read_back),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
