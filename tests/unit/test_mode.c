// All pairs of proxy-type and proxy-protocol.
#include "proxy/mode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const char *const types[] = {"transparent", "reverse", "forward", "dual"};
static const char *const protocols[] = {"tcp", "http", "socks", "tcp:http", "tcp:socks"};

// in/out listener of each pair: t(cp), h(ttp), s(ocks), - for none; NULL: refused.
static const char *const expected[4][5] = {
    {NULL, NULL, NULL, NULL, NULL},
    {"t-", "h-", "s-", NULL, NULL},
    {NULL, "-h", "-s", NULL, NULL},
    {NULL, "hh", "ss", "th", "ts"},
};

static char letter(const struct mode_listener *l)
{
    return l->front == &front_fixed ? 't' : l->front == &front_http ? 'h' : 's';
}

static void all_pairs(void **state)
{
    int legal = 0;
    (void)state;
    for (int t = 0; t < 4; t++) {
        for (int p = 0; p < 5; p++) {
            struct mode m;
            char why[WHY_MAX] = "", got[3] = "--";
            int e = mode_of(types[t], protocols[p], &m, why);
            if (!expected[t][p]) {
                assert_int_equal(e, t == 0 ? E_UNSUPPORTED : E_RANGE);
                assert_non_null(strstr(why, "reverse with tcp, http, socks"));
                assert_non_null(strstr(why, "forward with http, socks"));
                assert_non_null(strstr(why, "dual with http, socks, tcp:http, tcp:socks"));
                assert_null(strchr(why, '\n'));
                continue;
            }
            assert_int_equal(e, 0);
            legal++;
            for (size_t i = 0; i < m.count; i++) {
                const struct mode_listener *l = &m.listeners[i];
                bool in = l->direction == INBOUND;
                assert_string_equal(l->name, in ? "in" : "out");
                assert_int_equal(l->fixed_target, in);
                got[in ? 0 : 1] = letter(l);
            }
            assert_string_equal(got, expected[t][p]);
        }
    }
    assert_int_equal(legal, 9);
}

static void a_refusal_names_the_pair(void **state)
{
    struct mode m;
    char why[WHY_MAX];
    (void)state;
    assert_int_equal(mode_of("forward", "tcp", &m, why), E_RANGE);
    assert_non_null(strstr(why, "proxy-type forward"));
    assert_non_null(strstr(why, "proxy-protocol tcp;"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_pairs),
        cmocka_unit_test(a_refusal_names_the_pair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
