// Sums and differences stay within their range.
#include "proto/base/clamp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void sums_and_differences(void **state)
{
    (void)state;
    assert_true(clamp_add(2, -3) == -1);
    assert_true(clamp_sub(2, -3) == 5);
    assert_true(clamp_add(INT64_MAX, INT64_MIN) == -1);
    assert_true(clamp_add(INT64_MAX, 0) == INT64_MAX);
    assert_true(clamp_add(INT64_MAX, 1) == INT64_MAX);
    assert_true(clamp_add(1, INT64_MAX) == INT64_MAX);
    assert_true(clamp_add(INT64_MIN, INT64_MIN) == INT64_MIN);
    assert_true(clamp_add(-1, INT64_MIN) == INT64_MIN);
    assert_true(clamp_sub(INT64_MAX, INT64_MIN) == INT64_MAX);
    assert_true(clamp_sub(0, INT64_MIN) == INT64_MAX);
    assert_true(clamp_sub(-1, INT64_MIN) == INT64_MAX);
    assert_true(clamp_sub(INT64_MIN, INT64_MAX) == INT64_MIN);
    assert_true(clamp_sub(-2, INT64_MAX) == INT64_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sums_and_differences)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
