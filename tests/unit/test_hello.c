// The readers of TLS hellos: real ones in every prefix and in records of every size, made ones with
// each oddity, malformed ones; always against a page that cannot be touched.
#include "proxy/tls/hello.h"

#include "proxy/tls/cipher.h"
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

static int read_server(struct view in, struct server_hello *out)
{
    return hello_server(guard_fill(&guard, in), out);
}

// A golden hello's message again, in records of at most fragment bytes.
static struct view again(const unsigned char *p, size_t n, size_t fragment)
{
    made.n = 0;
    for (size_t at = 5; at < n;) {
        size_t part = n - at < fragment ? n - at : fragment;
        const unsigned char head[5] = {22, 3, 3, (unsigned char)(part >> 8), (unsigned char)part};
        memcpy(made.bytes + made.n, head, 5);
        memcpy(made.bytes + made.n + 5, p + at, part);
        made.n += 5 + part;
        at += part;
    }
    return hello_made(&made);
}

// The size of the first record.
static size_t record_size(const unsigned char *p)
{
    return 5 + ((size_t)p[3] << 8 | p[4]);
}

static void check_client(const char *path, const char *sni, const char *alpn, const char *versions)
{
    size_t n;
    unsigned char *p = hex_read(path, &n);
    struct client_hello h;
    for (size_t fragment = 1; fragment < n; fragment += fragment < 16 ? 1 : 37) {
        struct view in = again(p, record_size(p), fragment);
        for (size_t have = 0; have < in.n; have++)
            assert_int_equal(read_client(view_head(in, have), &h), E_AGAIN);
        assert_int_equal(read_client(in, &h), 0);
        assert_string_equal(h.sni, sni);
        assert_string_equal(h.alpn, alpn);
        assert_string_equal(h.versions, versions);
    }
    free(p);
}

static void check_server(const char *path, const char *version, const char *cipher,
                         const char *alpn)
{
    size_t n;
    unsigned char *p = hex_read(path, &n);
    struct server_hello h;
    assert_int_equal(read_server(view_n(p, n), &h), 0);
    for (size_t fragment = 1; fragment < n; fragment += fragment < 16 ? 1 : 37) {
        struct view in = again(p, record_size(p), fragment);
        for (size_t have = 0; have < in.n; have++)
            assert_int_equal(read_server(view_head(in, have), &h), E_AGAIN);
        assert_int_equal(read_server(in, &h), 0);
        assert_string_equal(h.version, version);
        assert_string_equal(h.cipher, cipher);
        assert_string_equal(h.alpn, alpn);
    }
    free(p);
}

static void test_real_hellos(void **state)
{
    (void)state;
    check_client("golden/tls/client-1.3.hex", "test.example", "h2,http/1.1", "1.3,1.2");
    check_client("golden/tls/client-1.2.hex", "", "http/1.1", "1.2");
    check_server("golden/tls/server-1.3.hex", "1.3", "TLS_AES_256_GCM_SHA384", "");
    check_server("golden/tls/server-1.2.hex", "1.2", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                 "http/1.1");
}

struct good {
    const char *extensions, *sni, *alpn, *versions;
};

static void test_client_oddities(void **state)
{
    static const struct good cases[] = {
        {"", "", "", "1.2"},
        // An extension that is not read.
        {"ff01 0001 00", "", "", "1.2"},
        // Host names: lower case; what is no host name is left out.
        {"0000 0010 000e 00 000b \"ApI.eXample\"", "api.example", "", "1.2"},
        {"0000 0008 0006 00 0003 612062", "", "", "1.2"},
        {"0000 0008 0006 00 0003 610062", "", "", "1.2"},
        {"0000 0008 0006 00 0003 c3a462", "", "", "1.2"},
        {"0000 0005 0003 00 0000", "", "", "1.2"},
        // An unknown kind of name before the host's, and a second host.
        {"0000 000a 0008 07 0001 78 00 0001 79", "y", "", "1.2"},
        {"0000 000a 0008 00 0001 78 00 0001 79", "x", "", "1.2"},
        // Reserved values (GREASE) are no offer, a draft is shown by its number.
        {"0010 0008 0006 02 0a0a 02 \"h2\"", "", "h2", "1.2"},
        {"002b 0009 08 0a0a 0304 fafa 0303", "", "", "1.3,1.2"},
        {"002b 0009 08 7f1c 0302 0301 0300", "", "", "0x7f1c,1.1,1.0,ssl3"},
        {"002b 0003 02 0a0a", "", "", ""},
        {"0a0a 0000 002b 0003 02 0304 1a1a 0001 00", "", "", "1.3"},
        // Protocol names that are no text, or would look like two.
        {"0010 0006 0004 03 612c62", "", "", "1.2"},
        {"0010 0009 0007 03 610a62 02 \"h3\"", "", "h3", "1.2"},
        // Everything, in another order.
        {"002b 0003 02 0304 0010 0005 0003 02 \"h2\" 0000 0006 0004 00 0001 \"a\"", "a", "h2",
         "1.3"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t fragment = 1; fragment < 80; fragment += 13) {
            struct client_hello h;
            hello_make_client(&made, cases[i].extensions, fragment);
            assert_int_equal(read_client(hello_made(&made), &h), 0);
            assert_string_equal(h.sni, cases[i].sni);
            assert_string_equal(h.alpn, cases[i].alpn);
            assert_string_equal(h.versions, cases[i].versions);
        }
    }
}

static void test_bodies_without_extensions(void **state)
{
    struct client_hello c;
    struct server_hello s;
    (void)state;
    hello_make_message(&made, 1, "0301 R 00 0002c02f 0100", ONE_RECORD);
    assert_int_equal(read_client(hello_made(&made), &c), 0);
    assert_string_equal(c.versions, "1.0");
    hello_make_message(&made, 1, "0300 R 20 R 0004c02f0035 020100", ONE_RECORD);
    assert_int_equal(read_client(hello_made(&made), &c), 0);
    assert_string_equal(c.versions, "ssl3");
    hello_make_message(&made, 1, "0304 R 00 0002c02f 0100", ONE_RECORD); // not listed, so not meant
    assert_int_equal(read_client(hello_made(&made), &c), 0);
    assert_string_equal(c.versions, "1.2");
    hello_make_message(&made, 2, "0302 R 00 0035 00", ONE_RECORD);
    assert_int_equal(read_server(hello_made(&made), &s), 0);
    assert_string_equal(s.version, "1.1");
    assert_string_equal(s.cipher, "TLS_RSA_WITH_AES_256_CBC_SHA");
    hello_make_message(&made, 2, "0303 R 00 5a5a 00 0006 002b 0002 7f1c", ONE_RECORD);
    assert_int_equal(read_server(hello_made(&made), &s), 0);
    assert_string_equal(s.version, "0x7f1c");
    assert_string_equal(s.cipher, "0x5A5A");
}

// A list that is longer than what is kept of it is cut between its items.
static void test_long_lists(void **state)
{
    struct client_hello h;
    char ext[4096];
    size_t at = (size_t)snprintf(ext, sizeof ext, "0010 00c0 00be");
    (void)state;
    for (int i = 0; i < 19; i++)
        at += (size_t)snprintf(ext + at, sizeof ext - at, "09 \"p%08d\"", i);
    hello_make_client(&made, ext, ONE_RECORD);
    assert_int_equal(read_client(hello_made(&made), &h), 0);
    assert_int_equal(strlen(h.alpn), 12 * 9 + 11);
    assert_non_null(strstr(h.alpn, "p00000011"));
}

struct bad {
    const char *name, *hex;
};

// No prefix is accepted, the whole is E_SYNTAX, and what was once refused stays so.
static void refuse(const char *name, bool client)
{
    struct client_hello c;
    struct server_hello s;
    struct view in = hello_made(&made);
    int last = E_AGAIN;
    for (size_t n = 0; n <= in.n; n++) {
        int r = client ? read_client(view_head(in, n), &c) : read_server(view_head(in, n), &s);
        if ((r != E_AGAIN && r != E_SYNTAX) || (last == E_SYNTAX && r != E_SYNTAX)) {
            print_error("%s: %d after %zu bytes\n", name, r, n);
            fail();
        }
        last = r;
    }
    if (last != E_SYNTAX) {
        print_error("%s: %d for all of it\n", name, last);
        fail();
    }
}

static void test_malformed_bodies(void **state)
{
    static const struct bad cases[] = {
        {"nothing", ""},
        {"half a version", "03"},
        {"version of another family", "0203 R 00 0002c02f 0100"},
        {"version 4", "0403 R 00 0002c02f 0100"},
        {"no random", "0303"},
        {"short random", "0303 111111"},
        {"no session id", "0303 R"},
        {"session id beyond the end", "0303 R 20 0000"},
        {"session id of 33 bytes", "0303 R 21 R 11 0002c02f 0100"},
        {"session id of 255 bytes", "0303 R ff 0002c02f 0100"},
        {"no ciphers", "0303 R 00"},
        {"half a cipher length", "0303 R 00 00"},
        {"zero ciphers", "0303 R 00 0000 0100"},
        {"half a cipher", "0303 R 00 0001c0 0100"},
        {"one and a half ciphers", "0303 R 00 0003c02fc0 0100"},
        {"ciphers beyond the end", "0303 R 00 0008c02f 0100"},
        {"ciphers far beyond the end", "0303 R 00 fffec02f 0100"},
        {"no compression", "0303 R 00 0002c02f"},
        {"zero compressions", "0303 R 00 0002c02f 00"},
        {"compression beyond the end", "0303 R 00 0002c02f 0200"},
        {"half an extension length", "0303 R 00 0002c02f 0100 00"},
        {"extensions beyond the end", "0303 R 00 0002c02f 0100 0001"},
        {"extensions far beyond the end", "0303 R 00 0002c02f 0100 ffff 0000"},
        {"a byte behind the extensions", "0303 R 00 0002c02f 0100 0000 00"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hello_make_message(&made, 1, cases[i].hex, ONE_RECORD);
        refuse(cases[i].name, true);
        hello_make_message(&made, 1, cases[i].hex, 3);
        refuse(cases[i].name, true);
    }
}

static void test_malformed_extensions(void **state)
{
    static const struct bad cases[] = {
        {"half a type", "00"},
        {"no length", "0000"},
        {"half a length", "ff01 00"},
        {"beyond the block", "ff01 0001"},
        {"far beyond the block", "ff01 ffff 00"},
        {"a second that is cut", "ff01 0001 00 0010 00"},
        {"sni: nothing", "0000 0000"},
        {"sni: half a list length", "0000 0001 00"},
        {"sni: no names", "0000 0002 0000"},
        {"sni: list beyond the end", "0000 0004 0006 0000"},
        {"sni: a byte behind the list", "0000 0007 0004 00 0001 61 00"},
        {"sni: only a type", "0000 0003 0001 00"},
        {"sni: half a name length", "0000 0004 0002 00 00"},
        {"sni: name beyond the list", "0000 0006 0004 00 0002 61"},
        {"sni: name far beyond the list", "0000 0006 0004 00 ffff 61"},
        {"sni: a second name that is cut", "0000 0008 0006 00 0001 61 00 00"},
        {"sni: twice", "0000 0006 0004 00 0001 61 0000 0006 0004 00 0001 62"},
        {"alpn: nothing", "0010 0000"},
        {"alpn: half a list length", "0010 0001 00"},
        {"alpn: no names", "0010 0002 0000"},
        {"alpn: list beyond the end", "0010 0004 0006 02 68"},
        {"alpn: a byte behind the list", "0010 0006 0003 02 6832 00"},
        {"alpn: an empty name", "0010 0003 0001 00"},
        {"alpn: an empty second name", "0010 0006 0004 02 6832 00"},
        {"alpn: name beyond the list", "0010 0004 0002 02 68"},
        {"alpn: twice", "0010 0005 0003 02 6832 0010 0005 0003 02 6832"},
        {"groups: nothing", "000a 0000"},
        {"groups: none", "000a 0002 0000"},
        {"groups: one and a half", "000a 0005 0003 001700"},
        {"groups: list beyond the end", "000a 0004 0004 0017"},
        {"groups: a byte behind the list", "000a 0005 0002 0017 00"},
        {"groups: twice", "000a 0004 0002 0017 000a 0004 0002 0017"},
        {"signatures: half a list length", "000d 0001 00"},
        {"signatures: none", "000d 0002 0000"},
        {"signatures: list beyond the end", "000d 0004 0004 0403"},
        {"signatures: twice", "000d 0004 0002 0403 000d 0004 0002 0403"},
        {"versions: nothing", "002b 0000"},
        {"versions: none", "002b 0001 00"},
        {"versions: half a one", "002b 0002 01 03"},
        {"versions: one and a half", "002b 0004 03 030403"},
        {"versions: list beyond the end", "002b 0003 04 0304"},
        {"versions: a byte behind the list", "002b 0004 02 0304 00"},
        {"versions: twice", "002b 0003 02 0304 002b 0003 02 0303"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hello_make_client(&made, cases[i].hex, ONE_RECORD);
        refuse(cases[i].name, true);
        hello_make_client(&made, cases[i].hex, 7);
        refuse(cases[i].name, true);
    }
}

static void test_malformed_servers(void **state)
{
    static const struct bad cases[] = {
        {"nothing", ""},
        {"another family", "0203 R 00 c02f 00"},
        {"no random", "0303"},
        {"no session id", "0303 R"},
        {"session id of 33 bytes", "0303 R 21 R 11 c02f 00"},
        {"session id beyond the end", "0303 R 20 c02f 00"},
        {"no cipher", "0303 R 00"},
        {"half a cipher", "0303 R 00 c0"},
        {"no compression", "0303 R 00 c02f"},
        {"half an extension length", "0303 R 00 c02f 00 00"},
        {"extensions beyond the end", "0303 R 00 c02f 00 0005 002b"},
        {"a byte behind the extensions", "0303 R 00 c02f 00 0000 00"},
        {"version of one byte", "0303 R 00 c02f 00 0005 002b 0001 03"},
        {"version of three bytes", "0303 R 00 c02f 00 0007 002b 0003 030400"},
        {"version twice", "0303 R 00 c02f 00 000c 002b 0002 0304 002b 0002 0304"},
        {"alpn: nothing", "0303 R 00 c02f 00 0004 0010 0000"},
        {"alpn: name beyond the list", "0303 R 00 c02f 00 0008 0010 0004 0002 05 68"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hello_make_message(&made, 2, cases[i].hex, ONE_RECORD);
        refuse(cases[i].name, false);
    }
}

static void test_malformed_records(void **state)
{
    static const struct bad cases[] = {
        {"application data", "170303 0005 0100000100"},
        {"an alert", "150303 0002 0228"},
        {"change cipher spec", "140303 0001 01"},
        {"SSL 2", "802e 01 0301 0015 0000 0010"},
        {"record version 2", "160200 0005 0100000100"},
        {"record version 3.5", "160305 0005 0100000100"},
        {"an empty record", "160301 0000"},
        {"a record of 16385 bytes", "160301 4001 0100000100"},
        {"a record of 65535 bytes", "160301 ffff 0100000100"},
        {"a server's hello", "160301 0004 02000000"},
        {"a hello request", "160301 0004 00000000"},
        {"a certificate", "160301 0004 0b000000"},
        {"a second record of another kind", "160301 0003 010000 170303 0001 00"},
        {"an empty second record", "160301 0003 010000 160301 0000"},
        {"a second record of another version", "160301 0003 010000 160401 0001 00"},
        {"a second record too long", "160301 0003 010000 160301 4001 00"},
        {"http", "\"GET / HTTP/1.1\""},
        {"ssh", "\"SSH-2.0-x\""},
        {"postgres", "00000008 04d2162f"},
        {"zeroes", "000000000000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hello_make_bytes(&made, cases[i].hex);
        refuse(cases[i].name, true);
    }
}

static void test_too_long(void **state)
{
    struct client_hello h;
    (void)state;
    hello_make_bytes(&made, "160301 4000 01003ffd");
    assert_int_equal(read_client(hello_made(&made), &h), E_LIMIT);
    hello_make_bytes(&made, "160301 0004 01ffffff");
    assert_int_equal(read_client(hello_made(&made), &h), E_LIMIT);
    // The longest that is read.
    hello_make_bytes(&made, "160301 4000 01003ffc");
    assert_int_equal(read_client(hello_made(&made), &h), E_AGAIN);
}

static void test_largest(void **state)
{
    // One unknown extension fills the message up to HELLO_MAX.
    size_t rest = HELLO_MAX - 4 - (2 + 32 + 1 + 4 + 2 + 2) - 4;
    char *ext = malloc(rest * 2 + 64);
    struct client_hello h;
    (void)state;
    assert_non_null(ext);
    int at = snprintf(ext, 64, "ff02 %04zx", rest);
    memset(ext + at, '0', rest * 2);
    ext[(size_t)at + rest * 2] = '\0';
    for (size_t fragment = 32; fragment <= ONE_RECORD; fragment = fragment * 4) {
        hello_make_client(&made, ext, fragment);
        assert_int_equal(read_client(hello_made(&made), &h), 0);
        assert_int_equal(read_client(view_head(hello_made(&made), made.n - 1), &h), E_AGAIN);
    }
    hello_make_client(&made, ext, 15);
    assert_int_equal(read_client(hello_made(&made), &h), E_LIMIT);
    free(ext);
}

static void test_cipher_names(void **state)
{
    size_t known = 0;
    (void)state;
    for (unsigned id = 0; id < 0x10000; id++) {
        const char *name = cipher_name((uint16_t)id);
        if (!name)
            continue;
        known++;
        assert_true(strlen(name) <= CIPHER_NAME_MAX);
        assert_memory_equal(name, "TLS_", 4);
    }
    assert_int_equal(known, 75);
    assert_string_equal(cipher_name(0x1301), "TLS_AES_128_GCM_SHA256");
    assert_string_equal(cipher_name(0xcca8), "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256");
    assert_null(cipher_name(0x1306));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_hellos),
        cmocka_unit_test(test_client_oddities),
        cmocka_unit_test(test_bodies_without_extensions),
        cmocka_unit_test(test_long_lists),
        cmocka_unit_test(test_malformed_bodies),
        cmocka_unit_test(test_malformed_extensions),
        cmocka_unit_test(test_malformed_servers),
        cmocka_unit_test(test_malformed_records),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_largest),
        cmocka_unit_test(test_cipher_names),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
