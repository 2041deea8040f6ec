// The scheme of a target: RFC 3986 3.1, and "://" behind it.
#include "proxy/http/target.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void a_scheme_is_a_letter_and_more_before_its_slashes(void **state)
{
    static const struct {
        const char *target;
        size_t n;
    } cases[] = {
        {"http://h/", 4}, {"HTTPS://h", 5}, {"a1+-.://", 5},  {"x://", 1},  {"", 0},
        {"/a://b", 0},    {"://h", 0},      {"1http://h", 0}, {"+a://", 0}, {"http:/h", 0},
        {"http:", 0},     {"http", 0},      {"ht tp://h", 0}, {"h:80", 0},  {"http:/", 0},
    };
    struct guard guard;
    (void)state;
    guard_init(&guard, 100);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t n = http_scheme_run(guard_fill(&guard, view_of(cases[i].target)));
        if (n != cases[i].n)
            fail_msg("%s: %zu", cases[i].target, n);
    }
    guard_free(&guard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_scheme_is_a_letter_and_more_before_its_slashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
