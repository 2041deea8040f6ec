// Where programs of one machine meet: what others could reach is no such place.
#include "proto/base/near.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void loopback_and_sockets_are_taken(void **state)
{
    static const struct {
        const char *text, *shown;
    } fine[] = {
        {"127.0.0.1:4146", "127.0.0.1:4146"}, {"127.9.9.9:1", "127.9.9.9:1"},
        {"[::1]:4146", "[::1]:4146"},         {"localhost:4146", "127.0.0.1:4146"},
        {"LocalHost:0", "127.0.0.1:0"},
    };
    struct near at;
    char why[WHY_MAX], text[ADDR_TEXT];
    (void)state;
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        if (near_parse(&at, "listen", fine[i].text, why) != 0)
            fail_msg("%s: %s", fine[i].text, why);
        assert_string_equal(addr_text(&at.ip, text), fine[i].shown);
        assert_int_equal(at.size, addr_len(&at.ip));
    }
    assert_int_equal(near_parse(&at, "listen", "unix:/run/t.sock", why), 0);
    assert_int_equal(at.sa.sa_family, AF_UNIX);
    assert_string_equal(at.un.sun_path, "/run/t.sock");
    assert_int_equal(at.size, sizeof at.un);
}

static void anything_else_is_refused_in_one_line(void **state)
{
    static const struct {
        const char *text, *words;
        int e;
    } wrong[] = {
        {"10.0.0.1:4146", "recorder: 10.0.0.1:4146: only a loopback address", E_REFUSED},
        {"0.0.0.0:4146", "without encryption", E_REFUSED},
        {"[::]:4146", "only a loopback address", E_REFUSED},
        {"example.com:4146", "only a loopback address", E_REFUSED},
        {"127.0.0.1", "recorder: \"127.0.0.1\" is neither unix:PATH nor HOST:PORT", E_SYNTAX},
        {"127.0.0.1:65536", "neither", E_SYNTAX},
        {"", "neither", E_SYNTAX},
        {"unix:", "1 to 107 bytes", E_SYNTAX},
    };
    struct near at;
    char why[WHY_MAX], path[5 + sizeof at.un.sun_path + 1] = "unix:";
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int e = near_parse(&at, "recorder", wrong[i].text, why);
        if (e != wrong[i].e || !strstr(why, wrong[i].words))
            fail_msg("%s: %d %s", wrong[i].text, e, why);
    }
    memset(path + 5, 'a', sizeof at.un.sun_path - 1);
    assert_int_equal(near_parse(&at, "recorder", path, why), 0);
    assert_int_equal(strlen(at.un.sun_path), sizeof at.un.sun_path - 1);
    path[5 + sizeof at.un.sun_path - 1] = 'a';
    assert_int_equal(near_parse(&at, "recorder", path, why), E_SYNTAX);
    assert_null(strchr(why, '\n'));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loopback_and_sockets_are_taken),
        cmocka_unit_test(anything_else_is_refused_in_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
