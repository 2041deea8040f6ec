// FNV-1a: the values that its authors give, at once and in pieces.
#include "proto/base/fnv.h"

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_values(void **state)
{
    (void)state;
    assert_true(fnv_more(FNV_START, "", 0) == FNV_START);
    assert_true(fnv_more(FNV_START, "a", 1) == 0xaf63dc4c8601ec8cu);
    assert_true(fnv_more(FNV_START, "foobar", 6) == 0x85944171f73967e8u);
    assert_true(fnv_more(fnv_more(FNV_START, "foo", 3), "bar", 3) == 0x85944171f73967e8u);
    assert_true(fnv_fold(0x85944171f73967e8u) == 0x72ad2699u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
