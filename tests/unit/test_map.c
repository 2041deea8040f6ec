// --map: every spelling that is taken, and what is refused.
#include "proto/settings.h"
#include "proxy/map.h"
#include "proxy/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_taken(void **state)
{
    static const struct {
        const char *text, *bind, *host;
        unsigned port;
        const struct front_ops *front;
    } good[] = {
        {"9000=db:5432", "127.0.0.1:9000", "db", 5432, &front_fixed},
        {"0=db:5432", "127.0.0.1:0", "db", 5432, &front_fixed},
        {"9000=tcp://db:5432", "127.0.0.1:9000", "db", 5432, &front_fixed},
        {"9000=HTTP://Api.Example:80", "127.0.0.1:9000", "api.example", 80, &front_http},
        {"*:9000=http://a:80", "[::]:9000", "a", 80, &front_http},
        {"*:0=http://a:80", "[::]:0", "a", 80, &front_http},
        {"localhost:9000=a:1", "127.0.0.1:9000", "a", 1, &front_fixed},
        {"[::1]:9000=[fd00::1]:65535", "[::1]:9000", "fd00::1", 65535, &front_fixed},
        {"[::1]:0=a:1", "[::1]:0", "a", 1, &front_fixed},
        {"10.0.0.1:65535=127.0.0.1:1", "10.0.0.1:65535", "127.0.0.1", 1, &front_fixed},
    };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct map m;
        char why[WHY_MAX], text[ADDR_TEXT];
        assert_int_equal(map_parse(&m, good[i].text, why), 0);
        assert_string_equal(addr_text(&m.bind, text), good[i].bind);
        assert_string_equal(m.target.host, good[i].host);
        assert_int_equal(m.target.port, good[i].port);
        assert_ptr_equal(m.front, good[i].front);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "=",
        "9000",
        "9000=",
        "=a:1",
        "9000=a",
        "9000=a:0",
        "9000=a:99999",
        "99999=a:1",
        "-1=a:1",
        "a:1=b:1",
        "*=a:1",
        "*:=a:1",
        ":0=a:1",
        "9000=udp://a:1",
        "9000=http://",
        "9000=a:1/b",
        "9000=a b:1",
        "9000=\"a:1",
        "1:2:3=a:1",
        "9000=a:1=b:1",
        "[::1=a:1",
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct map m;
        char why[WHY_MAX] = "";
        if (map_parse(&m, bad[i], why) == 0)
            fail_msg("taken: %s", bad[i]);
        assert_non_null(strstr(why, "is not LISTEN=[tcp://|http://]HOST:PORT"));
    }
}

static void test_text(void **state)
{
    struct map m;
    char why[WHY_MAX], out[64];
    (void)state;
    assert_int_equal(map_parse(&m, "0=http://a:80", why), 0);
    addr_set_port(&m.bind, 41234);
    assert_int_equal(map_text("0=http://a:80", &m.bind, out, sizeof out), 0);
    assert_string_equal(out, "127.0.0.1:41234=http://a:80");
    assert_int_equal(map_parse(&m, out, why), 0); // a restart takes it
    assert_int_equal(map_text("0=http://a:80", &m.bind, out, 27), E_LIMIT);
}

static void test_settings(void **state)
{
    struct proxy_settings *s = calloc(1, sizeof *s);
    char why[WHY_MAX] = "";
    struct options *o = options_new(settings_table, FOR_PROXY);
    (void)state;
    assert_int_equal(options_set(o, "proxy-type", view_of("dual"), OPT_BY_COMMAND, NULL, why), 0);
    for (int i = 0; i < MODE_MAPS; i++)
        assert_int_equal(options_set(o, "map", view_of(i ? "0=b:2" : "9000=http://a:1"),
                                     OPT_BY_COMMAND, NULL, why),
                         0);
    assert_int_equal(settings_from(o, s, why), 0);
    assert_int_equal(s->mode.count, 2 + MODE_MAPS);
    assert_string_equal(s->targets[0].host, "localhost");
    assert_string_equal(s->targets[2].host, "a");
    assert_string_equal(s->targets[1 + MODE_MAPS].host, "b");
    assert_int_equal(addr_port(&s->binds[2]), 9000);
    const struct mode_listener *l = &s->mode.listeners[2];
    assert_true(l->mapped && l->fixed_target);
    assert_int_equal(l->direction, OUTBOUND);
    assert_false(s->mode.listeners[1].mapped);
    assert_int_equal(options_set(o, "map", view_of("1=c:3"), OPT_BY_COMMAND, NULL, why), 0);
    assert_int_equal(settings_from(o, s, why), E_LIMIT);
    assert_string_equal(why, "map: given 33 times; at most 32");
    options_free(o);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_settings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
