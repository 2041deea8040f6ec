// Addresses and host names: one spelling for one thing, and nothing that is neither.
#include "proto/base/addr.h"
#include "proto/base/err.h"
#include "tests/support/guard.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static struct guard guard;

static int set_up(void **state)
{
    (void)state;
    guard_init(&guard, 1000);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    guard_free(&guard);
    return 0;
}

static void address(const char *host, uint16_t port, const char *text)
{
    struct addr a;
    char out[ADDR_TEXT];
    int e = addr_parse(&a, guard_fill(&guard, view_of(host)), port);
    if (e)
        fail_msg("%s: %d", host, e);
    assert_string_equal(addr_text(&a, out), text);
    assert_int_equal(addr_port(&a), port);
    assert_true(addr_is_set(&a));
}

static void numeric_addresses_are_read_and_written(void **state)
{
    (void)state;
    address("127.0.0.1", 80, "127.0.0.1:80");
    address("0.0.0.0", 0, "0.0.0.0:0");
    address("::1", 65535, "[::1]:65535");
    address("2001:DB8:0:0::1", 443, "[2001:db8::1]:443");
    address("::ffff:10.1.2.3", 8080, "10.1.2.3:8080");
    address("fe80::1%1", 9, "[fe80::1%1]:9");
    address("fe80::1%lo", 9, "[fe80::1%1]:9");
    address("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295", 65535,
            "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff%4294967295]:65535");
}

static void what_is_no_address_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",           "localhost", "127.1",           "1.2.3.4.5",
                                        "1.2.3.",     "256.1.1.1", "[::1]",           ":::1",
                                        "1.2.3.4 ",   "::1%",      "::1%no-such-if0", "1.2.3.4%lo",
                                        "0x7f.0.0.1", "::1%lo:1",  "::1%lo/"};
    struct addr a;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(addr_parse(&a, guard_fill(&guard, view_of(wrong[i])), 1), E_SYNTAX);
    assert_int_equal(addr_parse(&a, view_n("1.2.3.4\0", 8), 1), E_SYNTAX);
}

static struct addr of(const char *host, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, view_of(host), port), 0);
    return a;
}

static void kinds_of_addresses_are_told_apart(void **state)
{
    (void)state;
    struct addr a = of("127.9.8.7", 1), b = of("::1", 1), c = of("0.0.0.0", 1), d = of("::", 1),
                e = of("10.0.0.1", 1), none = {.sa = {.sa_family = 0}};
    assert_true(addr_is_loopback(&a) && addr_is_loopback(&b));
    assert_false(addr_is_loopback(&c) || addr_is_loopback(&e) || addr_is_loopback(&none));
    assert_true(addr_is_any(&c) && addr_is_any(&d));
    assert_false(addr_is_any(&a) || addr_is_any(&b) || addr_is_any(&none));
    assert_false(addr_is_set(&none));
    assert_int_equal(addr_len(&none), 0);
    assert_int_equal(addr_port(&none), 0);
    assert_int_equal(addr_len(&a), sizeof(struct sockaddr_in));
    assert_int_equal(addr_len(&b), sizeof(struct sockaddr_in6));
    char out[ADDR_TEXT];
    assert_string_equal(addr_text(&none, out), "");
    assert_string_equal(addr_host_text(&none, out), "");
    assert_string_equal(addr_host_text(&b, out), "::1");
}

static void addresses_are_equal_with_their_port(void **state)
{
    (void)state;
    struct addr a = of("10.0.0.1", 80), b = of("::ffff:10.0.0.1", 80), c = of("10.0.0.1", 81),
                d = of("::1", 80), e = of("fe80::1%1", 80), f = of("fe80::1%2", 80);
    assert_true(addr_eq(&a, &b));
    assert_false(addr_eq(&a, &c));
    assert_false(addr_eq(&a, &d));
    assert_false(addr_eq(&e, &f));
    addr_set_port(&c, 80);
    assert_true(addr_eq(&a, &c));
    addr_set_port(&f, 7);
    assert_int_equal(addr_port(&f), 7);
}

static void a_mapped_peer_is_an_ipv4_peer(void **state)
{
    (void)state;
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(99)};
    struct addr a, b = of("192.0.2.1", 99);
    assert_int_equal(inet_pton(AF_INET6, "::ffff:192.0.2.1", &in6.sin6_addr), 1);
    addr_from_sockaddr(&a, (const struct sockaddr *)&in6);
    assert_true(addr_eq(&a, &b));
    struct sockaddr unix_ = {.sa_family = AF_UNIX};
    addr_from_sockaddr(&a, &unix_);
    assert_false(addr_is_set(&a));
}

static void host(const char *text, uint16_t port, int error, const char *out)
{
    struct hostport hp;
    char got[HOSTPORT_TEXT];
    int e = hostport_parse(&hp, guard_fill(&guard, view_of(text)), port);
    if (e != error || (e == 0 && strcmp(hostport_text(&hp, got), out) != 0))
        fail_msg("%s gave %d, %s", text, e, e ? "" : got);
}

static void hosts_with_ports_are_read(void **state)
{
    (void)state;
    host("example.com:443", 0, 0, "example.com:443");
    host("Example.COM", 80, 0, "example.com:80");
    host("example.com.", 80, 0, "example.com.:80");
    host("my_host-1:0", 80, 0, "my_host-1:0");
    host("10.0.0.1:65535", 0, 0, "10.0.0.1:65535");
    host("[::1]:8080", 0, 0, "[::1]:8080");
    host("[2001:DB8::1]", 80, 0, "[2001:db8::1]:80");
    host("::1", 80, 0, "[::1]:80");
    host("[FE80::A%lo]:1", 80, 0, "[fe80::a%lo]:1");
    host("a:", 80, 0, "a:80");
    host("[::1]:", 80, 0, "[::1]:80");
}

static void what_is_no_host_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",         ":",      ":80",     ".",      "a..b",     ".a",        "a b",
        "a/b",      "a@b",    "a:b",     "a:-1",   "a:+1",     "a: 1",      "[::1",
        "::1]",     "[::1]x", "[::1]80", "[a]:80", "[]:80",    "[1.2.3.4]", "a:1:2",
        "\xc3\xa4", "a\tb",   "*",       "a%20b",  "[::g]:80", "[::1]::1"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        host(wrong[i], 80, E_SYNTAX, "");
    host("a:65536", 80, E_RANGE, "");
    host("a:99999999999999999999", 80, E_RANGE, "");
    host("[::%lo::]:4]:1", 80, E_SYNTAX, "");
    host("b::%lo::]:4b", 80, E_SYNTAX, "");
    host("a", 0, E_SYNTAX, "");
    host("a:", 0, E_SYNTAX, "");
    host("::1", 0, E_SYNTAX, "");
}

static void names_have_the_lengths_of_dns(void **state)
{
    (void)state;
    char name[400];
    struct hostport hp;
    memset(name, 'a', sizeof name);
    assert_int_equal(hostport_set_host(&hp, view_n(name, 63)), 0);
    assert_int_equal(hostport_set_host(&hp, view_n(name, 64)), E_SYNTAX);
    for (size_t i = 63; i < sizeof name; i += 64)
        name[i] = '.';
    assert_int_equal(hostport_set_host(&hp, view_n(name, 253)), 0);
    assert_int_equal(strlen(hp.host), 253);
    assert_int_equal(hostport_set_host(&hp, view_n(name, 254)), E_SYNTAX);
    assert_int_equal(hostport_set_host(&hp, view_n(name, 400)), E_SYNTAX);
    assert_int_equal(hostport_set_host(&hp, view_n("a\0b", 3)), E_SYNTAX);
}

static void an_error_leaves_no_half_of_a_host(void **state)
{
    (void)state;
    struct hostport hp = {.host = "before", .port = 7};
    assert_int_equal(hostport_parse(&hp, VIEW_LIT("after:x"), 80), E_SYNTAX);
    assert_int_equal(hostport_set_host(&hp, VIEW_LIT("af ter")), E_SYNTAX);
    assert_string_equal(hp.host, "before");
    assert_int_equal(hp.port, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numeric_addresses_are_read_and_written),
        cmocka_unit_test(what_is_no_address_is_refused),
        cmocka_unit_test(kinds_of_addresses_are_told_apart),
        cmocka_unit_test(addresses_are_equal_with_their_port),
        cmocka_unit_test(a_mapped_peer_is_an_ipv4_peer),
        cmocka_unit_test(hosts_with_ports_are_read),
        cmocka_unit_test(what_is_no_host_is_refused),
        cmocka_unit_test(names_have_the_lengths_of_dns),
        cmocka_unit_test(an_error_leaves_no_half_of_a_host),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
