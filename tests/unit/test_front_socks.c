// front/socks4 and front/socks5: whole talks at every split, and what each failure is called.
#include "tests/support/alloc.h"
#include "tests/support/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct talk t;

static int setup(void **state)
{
    (void)state;
    talk_init(&t, &front_socks5);
    t.answers[0] = VIEW_LIT("pong");
    return addr_parse(&t.bound, VIEW_LIT("10.1.2.3"), 0x1234);
}

static int teardown(void **state)
{
    (void)state;
    talk_clear(&t);
    return 0;
}

static void talk(struct view client, const char *log, struct view to_client, struct view to_server)
{
    t.client = client;
    talk_everywhere(&t);
    assert_true(talk_was(&t, log, to_client, to_server));
}

#define TALK(client, log, to_client, to_server)                                                    \
    talk(VIEW_LIT(client), log, VIEW_LIT(to_client), VIEW_LIT(to_server))

#define GRANTED5  "\5\0\0\1\x0a\1\2\3\x12\x34"
#define GRANTED4  "\0\x5a\x12\x34\x0a\1\2\3"
#define REJECTED4 "\0\x5b\0\0\0\0\0\0"
#define V4        "\5\1\0\1\x7f\0\0\1\0\x50"

static void socks5_addresses(void **state)
{
    (void)state;
    TALK("\5\1\0" V4 "ping", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\5\0" GRANTED5 "pong", "ping");
    TALK("\5\3\1\2\0\5\1\0\3\xbHost.Exampl\1\xbbping",
         "go host.exampl:443 for host.exampl:443 tunnel\ntunnel\n", "\5\0" GRANTED5 "pong", "ping");
    TALK("\5\1\0\5\1\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\xff\xff",
         "go [2001:db8::7]:65535 for [2001:db8::7]:65535 tunnel\ntunnel\n", "\5\0" GRANTED5 "pong",
         "");
    // A name that is an address goes there; a reserved byte that is not 0 harms nobody.
    TALK("\5\1\0\5\1\7\3\3::1\0\x50", "go [::1]:80 for [::1]:80 tunnel\ntunnel\n",
         "\5\0" GRANTED5 "pong", "");
}

static void socks5_bound_address(void **state)
{
    (void)state;
    assert_int_equal(addr_parse(&t.bound, VIEW_LIT("2001:db8::7"), 0x1234), 0);
    TALK("\5\1\0" V4, "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\5\0\5\0\0\4\x20\1\xd\xb8\0\0\0\0\0\0\0\0\0\0\0\7\x12\x34pong", "");
    t.bound = (struct addr){0};
    TALK("\5\1\0" V4, "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\5\0\5\0\0\1\0\0\0\0\0\0pong", "");
}

// No authentication is preferred; who offers only a password is let in by any.
static void socks5_methods(void **state)
{
    (void)state;
    TALK("\5\2\2\0" V4, "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n", "\5\0" GRANTED5 "pong",
         "");
    TALK("\5\2\1\2\1\4user\6secret" V4 "ping", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\5\2\1\0" GRANTED5 "pong", "ping");
    TALK("\5\1\2\1\0\0" V4, "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\5\2\1\0" GRANTED5 "pong", "");
    TALK("\5\1\2\2\1u\1p", "refuse bad-socks\n", "\5\2\1\1", "");
    TALK("\5\1\1", "refuse socks-method\n", "\5\xff", "");
    TALK("\5\0", "refuse socks-method\n", "\5\xff", "");
}

static void socks5_refusals(void **state)
{
    (void)state;
#define REPLY(code) "\5\0\5" code "\0\1\0\0\0\0\0\0"
    TALK("\5\1\0\5\2\0\1\x7f\0\0\1\0\x50", "refuse socks-command\n", REPLY("\7"), "");
    TALK("\5\1\0\5\3\0\3\1a\0\x50", "refuse socks-command\n", REPLY("\7"), "");
    TALK("\5\1\0\5\0\0\1\x7f\0\0\1\0\x50", "refuse socks-command\n", REPLY("\7"), "");
    TALK("\5\1\0\5\1\0\2", "refuse socks-address-type\n", REPLY("\x8"), "");
    TALK("\5\1\0\5\1\0\0", "refuse socks-address-type\n", REPLY("\x8"), "");
    TALK("\5\1\0\5\1\0\3\0\0\x50", "refuse bad-target\n", REPLY("\4"), "");
    TALK("\5\1\0\5\1\0\3\3a b\0\x50", "refuse bad-target\n", REPLY("\4"), "");
    TALK("\5\1\0\5\1\0\3\3a\0b\0\x50", "refuse bad-target\n", REPLY("\4"), "");
    TALK("\5\1\0\5\1\0\1\x7f\0\0\1\0\0", "refuse bad-target\n", REPLY("\1"), "");
    TALK("\5\1\0\4\1\0\1\x7f\0\0\1\0\x50", "refuse bad-socks\n", REPLY("\1"), "");
    TALK("\6\1\0", "refuse bad-socks\n", "", "");
    TALK("\5\1\0\5\1\0\1\x7f\0\0\1\0", "wait\n", "\5\0", "");
    TALK("\5\3\0\2", "wait\n", "", "");
}

static void socks5_failure(int error, char code)
{
    char wanted[] = "\5\0\5?\0\1\0\0\0\0\0\0";
    t.client = VIEW_LIT("\5\1\0" V4);
    t.dial_error = error;
    wanted[3] = code;
    talk_everywhere(&t);
    assert_true(talk_was(&t, "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\nfailed\n",
                         view_n(wanted, sizeof wanted - 1), VIEW_LIT("")));
}

static void socks5_failures(void **state)
{
    (void)state;
    socks5_failure(E_LOOP, 2);
    socks5_failure(E_UNREACHABLE, 3);
    socks5_failure(E_NOTFOUND, 4);
    socks5_failure(E_REFUSED, 5);
    socks5_failure(E_TIMEOUT, 6);
    socks5_failure(E_NOMEM, 1);
    socks5_failure(E_IO, 1);
}

static void socks4_requests(void **state)
{
    (void)state;
    t.ops = &front_socks4;
    TALK("\4\1\0\x50\x7f\0\0\1\0ping", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         GRANTED4 "pong", "ping");
    TALK("\4\1\0\x50\x7f\0\0\1me and you\0", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         GRANTED4 "pong", "");
    TALK("\4\1\1\xbb\0\0\0\1me\0Api.example\0ping",
         "go api.example:443 for api.example:443 tunnel\ntunnel\n", GRANTED4 "pong", "ping");
    TALK("\4\1\1\xbb\0\0\0\xff\0::1\0", "go [::1]:443 for [::1]:443 tunnel\ntunnel\n",
         GRANTED4 "pong", "");
    TALK("\4\1\0\x50\0\0\0\0\0", "go 0.0.0.0:80 for 0.0.0.0:80 tunnel\ntunnel\n", GRANTED4 "pong",
         "");
    // An end of version 6 cannot be told in four bytes.
    assert_int_equal(addr_parse(&t.bound, VIEW_LIT("::1"), 5), 0);
    TALK("\4\1\0\x50\x7f\0\0\1\0", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         "\0\x5a\0\0\0\0\0\0pong", "");
}

static void socks4_refusals(void **state)
{
    (void)state;
    t.ops = &front_socks4;
    TALK("\4\2\0\x50\x7f\0\0\1\0", "refuse socks-command\n", REJECTED4, "");
    TALK("\4\1\0\0\x7f\0\0\1\0", "refuse bad-target\n", REJECTED4, "");
    TALK("\4\1\0\x50\0\0\0\1\0\0", "refuse bad-target\n", REJECTED4, "");
    TALK("\4\1\0\x50\0\0\0\1\0a b\0", "refuse bad-target\n", REJECTED4, "");
    TALK("\5\1\0", "refuse bad-socks\n", "", "");
    TALK("\4\1\0\x50\x7f\0\0\1user", "wait\n", "", "");
    TALK("\4\1\0\x50\0\0\0\1\0name", "wait\n", "", "");
    t.dial_error = E_REFUSED;
    TALK("\4\1\0\x50\x7f\0\0\1\0", "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\nfailed\n", REJECTED4,
         "");
}

static void socks4_limits(void **state)
{
    char text[600] = "\4\1\0\x50\x7f\0\0\1";
    (void)state;
    t.ops = &front_socks4;
    memset(text + 8, 'u', sizeof text - 8);
    talk(view_n(text, 600), "refuse bad-socks\n", VIEW_LIT(REJECTED4), VIEW_LIT(""));
    talk(view_n(text, 8 + 256), "refuse bad-socks\n", VIEW_LIT(REJECTED4), VIEW_LIT(""));
    talk(view_n(text, 8 + 255), "wait\n", VIEW_LIT(""), VIEW_LIT(""));
    text[8 + 255] = 0;
    talk(view_n(text, 8 + 256), "go 127.0.0.1:80 for 127.0.0.1:80 tunnel\ntunnel\n",
         VIEW_LIT(GRANTED4 "pong"), VIEW_LIT(""));
    memcpy(text, "\4\1\0\x50\0\0\0\1\0", 9);
    memset(text + 9, 'n', sizeof text - 9);
    talk(view_n(text, 600), "refuse bad-socks\n", VIEW_LIT(REJECTED4), VIEW_LIT(""));
}

static void fixed_target(void **state)
{
    (void)state;
    t.conf.fixed_target = true;
    assert_int_equal(hostport_parse(&t.conf.target, VIEW_LIT("app:8080"), 0), 0);
    TALK("\5\1\0\5\1\0\3\1a\0\x50", "go app:8080 for a:80 tunnel\ntunnel\n", "\5\0" GRANTED5 "pong",
         "");
    t.ops = &front_socks4;
    TALK("\4\1\0\x50\x7f\0\0\1\0", "go app:8080 for 127.0.0.1:80 tunnel\ntunnel\n", GRANTED4 "pong",
         "");
    t.ops = &front_fixed;
    TALK("anything", "go app:8080 for  tunnel\ntunnel\n", "pong", "anything");
    t.dial_error = E_REFUSED;
    TALK("anything", "go app:8080 for  tunnel\nfailed\n", "", "");
}

static void by_first_byte(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        assert_ptr_equal(front_by_first_byte((unsigned char)c), c == 4   ? &front_socks4
                                                                : c == 5 ? &front_socks5
                                                                         : NULL);
}

// Said once: a front that has answered has nothing to add when the relay fails.
static void answered_once(void **state)
{
    const struct front_ops *const both[] = {&front_socks4, &front_socks5};
    (void)state;
    for (int i = 0; i < 2; i++) {
        _Alignas(16) char f[256] = {0};
        both[i]->init(f, &t.conf);
        assert_int_equal(both[i]->answer(f, 0, &t.bound, NULL, &t.to_client), 0);
        size_t n = buf_len(&t.to_client);
        assert_true(n > 0);
        assert_int_equal(both[i]->answer(f, E_RESET, NULL, NULL, &t.to_client), 0);
        assert_int_equal(buf_len(&t.to_client), n);
        assert_true(both[i]->server_end(f));
        buf_reset(&t.to_client);
    }
}

static void out_of_memory(void **state)
{
    static const struct view clients[] = {
        {"\5\1\2\1\1u\1p" V4, 17},
        {"\5\1\1", 3},
        {"\5\1\0\5\2\0\1\x7f\0\0\1\0\x50", 13},
        {"\4\1\0\x50\x7f\0\0\1\0", 9},
        {"\4\2\0\x50\x7f\0\0\1\0", 9},
    };
    (void)state;
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        bool failed = true;
        t.client = clients[i];
        t.ops = front_by_first_byte((unsigned char)clients[i].p[0]);
        for (long at = 0; failed; at++) {
            alloc_fail_at(at);
            talk_run(&t);
            failed = alloc_fail_end();
            struct view log = buf_view(&t.log);
            assert_true(!failed || memmem(log.p, log.n, "out-of-memory", 13) ||
                        memmem(log.p, log.n, "nomem", 5));
        }
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(socks5_addresses), TEST(socks5_bound_address), TEST(socks5_methods),
        TEST(socks5_refusals),  TEST(socks5_failures),      TEST(socks4_requests),
        TEST(socks4_refusals),  TEST(socks4_limits),        TEST(fixed_target),
        TEST(by_first_byte),    TEST(answered_once),        TEST(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
