// The age of the oldest record that waits, from few notes.
#include "proxy/emit/link_ages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void never_younger_than_it_is(void **state)
{
    (void)state;
    struct link_ages a = {.next = 1};
    assert_int_equal(link_ages_oldest_us(&a), 0);
    for (uint64_t i = 1; i <= 1000; i++)
        link_ages_note(&a, i * 10 + 1, i * 1000000); // 10 records a second
    for (uint64_t first = 1; first <= 10000; first += 7) {
        link_ages_forget(&a, first);
        uint64_t truth = (first + 9) / 10 * 1000000;
        assert_true(link_ages_oldest_us(&a) <= truth); // never younger than it is
        assert_true(link_ages_oldest_us(&a) + 64000000 >= truth);
    }
    link_ages_forget(&a, 10001);
    assert_int_equal(link_ages_oldest_us(&a), 0);
    link_ages_note(&a, 10001, 5);
    assert_int_equal(link_ages_oldest_us(&a), 0);
    link_ages_note(&a, 10002, 5);
    assert_int_equal(link_ages_oldest_us(&a), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_younger_than_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
