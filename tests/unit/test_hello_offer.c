// What interception needs to know of a client's hello: recorded ones of real programs, one like a
// browser's, made ones with each oddity; always against a page that cannot be touched.
#include "proxy/tls/hello.h"

#include "tests/support/guard.h"
#include "tests/support/hello_make.h"
#include "tests/support/hex.h"

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define ONE_RECORD 16384

static struct guard guard;
static struct hello_make made;

static int setup(void **state)
{
    (void)state;
    guard_init(&guard, HELLO_MAKE_MAX);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    guard_free(&guard);
    return 0;
}

static int read_client(struct view in, struct client_hello *out)
{
    return hello_client(guard_fill(&guard, in), out);
}

struct real {
    const char *file, *sni, *alpn, *versions, *wire;
    unsigned least, most;
    bool ecdsa;
};

// Recorded from the programs in their names, as they come without options.
static void test_real_programs(void **state)
{
    static const struct real cases[] = {
        {"client-openssl", "openssl.example", "", "1.3,1.2,1.1,1.0", "", 0x0301, 0x0304, true},
        {"client-openssl-rsa", "", "", "1.2", "", 0x0301, 0x0303, false},
        {"client-curl", "curl.example", "h2,http/1.1", "1.3,1.2,1.1,1.0", "\2h2\10http/1.1", 0x0301,
         0x0304, true},
        {"client-python", "python.example", "", "1.3,1.2", "", 0x0303, 0x0304, true},
        {"client-node", "localhost", "http/1.1", "1.3,1.2", "\10http/1.1", 0x0303, 0x0304, true},
        {"client-java", "localhost", "h2,http/1.1", "1.3,1.2", "\2h2\10http/1.1", 0x0303, 0x0304,
         true},
        {"client-wget", "localhost", "", "1.3,1.2,1.1,1.0", "", 0x0301, 0x0304, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct real *c = &cases[i];
        char path[64];
        struct client_hello h;
        size_t n;
        snprintf(path, sizeof path, "golden/tls/%s.hex", c->file);
        unsigned char *p = hex_read(path, &n);
        for (size_t have = 0; have < n; have++)
            assert_int_equal(read_client(view_n(p, have), &h), E_AGAIN);
        assert_int_equal(read_client(view_n(p, n), &h), 0);
        assert_string_equal(h.sni, c->sni);
        assert_string_equal(h.alpn, c->alpn);
        assert_string_equal(h.versions, c->versions);
        assert_null(h.odd);
        assert_int_equal(h.wire_n, strlen(c->wire));
        assert_memory_equal(h.wire, c->wire, h.wire_n);
        assert_int_equal(h.least, c->least);
        assert_int_equal(h.most, c->most);
        assert_int_equal(h.ecdsa_p256, c->ecdsa);
        for (size_t have = 0; have <= n; have++)
            assert_int_equal(hello_may_be(guard_fill(&guard, view_n(p, have))),
                             have < 6 ? HELLO_MORE : HELLO_YES);
        free(p);
    }
}

// The order of things is Chromium's: GREASE in suites, groups, versions, key shares and as the
// first and the last extension, a key share of 1,216 bytes, an encrypted hello that is GREASE,
// ALPS.
static void test_like_chromium(void **state)
{
    static const char head[] =
        "0303 R 20 R 0020 2a2a 1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c013 c014 009c 009d "
        "002f 0035 0100";
    static const char before[] =
        "7a7a 0000 0012 0000 0005 0005 01 0000 0000 44cd 0005 0003 02 \"h2\" 0023 0000 "
        "000d 0012 0010 0403 0804 0401 0503 0805 0501 0806 0601 "
        "fe0d 003a 00 0001 0001 7f 0020 R 0010 00112233445566778899aabbccddeeff "
        "002d 0002 01 01 000a 000c 000a 4a4a 11ec 001d 0017 0018 ff01 0001 00 "
        "0000 0015 0013 00 0010 \"chromium.example\" 002b 0007 06 caca 0304 0303 "
        "0010 000e 000c 02 \"h2\" 08 \"http/1.1\" 0017 0000 000b 0002 01 00 ";
    char shares[3000], hex[6000];
    struct client_hello h;
    (void)state;
    size_t at = (size_t)snprintf(shares, sizeof shares, "0033 04ef 04ed 4a4a 0001 00 11ec 04c0");
    for (int i = 0; i < 1216; i++)
        at += (size_t)snprintf(shares + at, sizeof shares - at, "%02x", i & 0xff);
    snprintf(shares + at, sizeof shares - at, "001d 0020 R 8a8a 0001 00");
    hello_make_message(&made, 0, before, ONE_RECORD);
    size_t n = made.n - 9;
    hello_make_message(&made, 0, shares, ONE_RECORD);
    snprintf(hex, sizeof hex, "%s %04zx %s %s", head, n + made.n - 9, before, shares);
    for (size_t fragment = 100; fragment <= ONE_RECORD; fragment += fragment < 1600 ? 500 : 9999) {
        hello_make_message(&made, 1, hex, fragment);
        for (size_t have = 0; have < made.n; have++)
            assert_int_equal(read_client(view_head(hello_made(&made), have), &h), E_AGAIN);
        assert_int_equal(read_client(hello_made(&made), &h), 0);
        assert_null(h.odd);
        assert_string_equal(h.sni, "chromium.example");
        assert_string_equal(h.alpn, "h2,http/1.1");
        assert_string_equal(h.versions, "1.3,1.2");
        assert_int_equal(h.wire_n, 12);
        assert_true(h.least == 0x0303 && h.most == 0x0304);
        assert_true(h.ecdsa_p256);
    }
}

struct offer {
    const char *body;
    unsigned least, most;
    bool ecdsa;
};

static void test_what_clients_can(void **state)
{
    static const struct offer cases[] = {
        // Nothing listed: the suites tell.
        {"0303 R 00 0002c02f 0100", 0x0301, 0x0303, false},
        {"0303 R 00 0004c02fc02b 0100", 0x0301, 0x0303, true},
        {"0301 R 00 0002c009 0100", 0x0301, 0x0301, true},
        {"0300 R 00 00020005 0100", 0x0300, 0x0300, false},
        // A version 1.3 that is not listed is none (RFC 8446 4.2.1).
        {"0304 R 00 0002c02b 0100", 0x0301, 0x0303, true},
        // Suites of ECDSA without encryption are none.
        {"0303 R 00 0002c006 0100", 0x0301, 0x0303, false},
        // 1.2: suite, signature and group.
        {"0303 R 00 0002c02b 0100 0010 000d 0004 0002 0403 000a 0004 0002 0017", 0x0301, 0x0303,
         true},
        {"0303 R 00 0002c02b 0100 0008 000d 0004 0002 0401", 0x0301, 0x0303, false},
        {"0303 R 00 0002c02b 0100 0008 000a 0004 0002 001d", 0x0301, 0x0303, false},
        {"0303 R 00 0002c02f 0100 0008 000d 0004 0002 0403", 0x0301, 0x0303, false},
        // 1.3 alone: the signature, whatever the groups.
        {"0303 R 00 00021301 0100 0019 000d 0006 0004 0804 0403 000a 0004 0002 001d 002b 0003 02 "
         "0304",
         0x0304, 0x0304, true},
        {"0303 R 00 00021301 0100 000f 000d 0004 0002 0804 002b 0003 02 0304", 0x0304, 0x0304,
         false},
        {"0303 R 00 00021301 0100 0007 002b 0003 02 0304", 0x0304, 0x0304, false},
        // Both: both must do.
        {"0303 R 00 00041301c02b 0100 0011 000d 0004 0002 0403 002b 0005 04 0304 0303", 0x0303,
         0x0304, true},
        {"0303 R 00 00041301c02f 0100 0011 000d 0004 0002 0403 002b 0005 04 0304 0303", 0x0303,
         0x0304, false},
        {"0303 R 00 00041301c02b 0100 0009 002b 0005 04 0303 0304", 0x0303, 0x0304, false},
        // Drafts and GREASE are no versions.
        {"0303 R 00 00041301c02b 0100 000d 002b 0009 08 7f1c 0302 0a0a 0301", 0x0301, 0x0302, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct offer *c = &cases[i];
        struct client_hello h;
        hello_make_message(&made, 1, c->body, i % 2 ? 11 : ONE_RECORD);
        int r = read_client(hello_made(&made), &h);
        if (r || h.odd || h.least != c->least || h.most != c->most || h.ecdsa_p256 != c->ecdsa) {
            print_error("%s: %d %s %x-%x %d\n", c->body, r, h.odd ? h.odd : "", h.least, h.most,
                        h.ecdsa_p256);
            fail();
        }
    }
}

// What could not be said again to the server.
static void test_odd(void **state)
{
    static const char *const odd[] = {
        "0000 0008 0006 00 0003 612062",        // no host name
        "0000 0005 0003 00 0000",               // nor this
        "0000 000a 0008 07 0001 78 00 0001 79", // a kind that is not known
        "0000 000a 0008 00 0001 78 00 0001 79", // two
        "002b 0003 02 0a0a",
        "002b 0003 02 7f1c", // no version that there is
    };
    struct client_hello h;
    char ext[2048];
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        hello_make_client(&made, odd[i], ONE_RECORD);
        assert_int_equal(read_client(hello_made(&made), &h), 0);
        assert_non_null(h.odd);
    }
    // GREASE and names that are no text are offered again as they came.
    hello_make_client(&made, "0010 000c 000a 02 0a0a 03 610a62 02 \"h2\"", ONE_RECORD);
    assert_int_equal(read_client(hello_made(&made), &h), 0);
    assert_null(h.odd);
    assert_int_equal(h.wire_n, 10);
    assert_memory_equal(h.wire, "\2\x0a\x0a\3a\nb\2h2", 10);
    for (unsigned n = HELLO_ALPN_MAX - 1; n <= HELLO_ALPN_MAX + 1; n++) {
        // Two names, so that neither is longer than a name can be.
        int at = snprintf(ext, sizeof ext, "0010 %04x %04x 64", n + 2, n);
        for (unsigned i = 0; i < 100; i++)
            at += snprintf(ext + at, sizeof ext - (size_t)at, "61");
        at += snprintf(ext + at, sizeof ext - (size_t)at, "%02x", n - 102);
        for (unsigned i = 0; i < n - 102; i++)
            at += snprintf(ext + at, sizeof ext - (size_t)at, "62");
        hello_make_client(&made, ext, ONE_RECORD);
        assert_int_equal(read_client(hello_made(&made), &h), 0);
        assert_int_equal(h.odd != NULL, n > HELLO_ALPN_MAX);
        assert_int_equal(h.wire_n, n > HELLO_ALPN_MAX ? 0 : n);
    }
}

static void test_may_be(void **state)
{
    static const struct {
        const char *hex;
        int from; // bytes from which it is refused; 0: never
    } cases[] = {
        {"160301 0200 01", 0},
        {"160304 4000 01", 0},
        {"160300 0001 01", 0},
        {"17", 1},
        {"80", 1},
        {"00", 1},
        {"1602", 2},
        {"160305", 3},
        {"160301 4001", 5},
        {"160301 0000", 5},
        {"160301 ff00", 4},
        {"160301 0200 02", 6},
        {"\"GET / HTTP/1.1\"", 1},
        {"\"SSH-2.0\"", 1},
        {"00000008 04d2162f", 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hello_make_bytes(&made, cases[i].hex);
        for (size_t n = 0; n <= made.n; n++) {
            enum hello_may may = hello_may_be(guard_fill(&guard, view_n(made.bytes, n)));
            size_t from = (size_t)cases[i].from;
            bool late = from == 4 && n == 4; // told with the whole length at the latest
            if (!late)
                assert_int_equal(may, from && n >= from ? HELLO_NO
                                      : n < 6           ? HELLO_MORE
                                                        : HELLO_YES);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_programs),    cmocka_unit_test(test_like_chromium),
        cmocka_unit_test(test_what_clients_can), cmocka_unit_test(test_odd),
        cmocka_unit_test(test_may_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
