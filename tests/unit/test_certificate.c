// A server's certificate: found behind its hello, in every prefix and in records of every size,
// against a page that cannot be touched; what it says, as text; and without memory.
#include "proxy/tls/certificate.h"

#include "proto/base/utf8.h"
#include "proxy/tls/hello.h"
#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tests/support/hello_make.h"
#include "tests/support/tls_scene.h"

#include <openssl/crypto.h>

#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define HELLO_1_2 "0303 R 00 c02f 00"

static struct guard guard;
static struct hello_make made;
static struct buf flight; // what a real server says
static unsigned char memory[HELLO_MAX];

static int find(struct view in, struct view *der)
{
    *der = (struct view){0};
    return hello_certificate(guard_fill(&guard, in), memory, der);
}

static void take_servers(void *arg, bool from_client, struct view bytes)
{
    (void)arg;
    if (!from_client)
        assert_int_equal(buf_add_view(&flight, bytes), 0);
}

static void meet(struct tls_scene *s)
{
    struct tls_ends t;
    tls_scene_meet(s, &t);
    t.seen = take_servers;
    buf_reset(&flight);
    tls_ends_run(&t);
    assert_int_equal(tls_engine_state(t.client.e), TLS_OPEN);
    tls_ends_clear(&t);
}

// The handshake messages of the flight's first records again, in records of that size.
static struct view in_records(size_t fragment)
{
    static unsigned char bytes[HELLO_MAKE_MAX];
    const unsigned char *p = (const unsigned char *)buf_view(&flight).p;
    size_t n = 0;
    for (size_t at = 0; at < buf_len(&flight) && p[at] == 22;) {
        size_t length = (size_t)p[at + 3] << 8 | p[at + 4];
        memcpy(bytes + n, p + at + 5, length);
        n += length;
        at += 5 + length;
    }
    made.n = 0;
    for (size_t at = 0; at < n; at += fragment) {
        size_t part = n - at < fragment ? n - at : fragment;
        const unsigned char head[5] = {22, 3, 3, (unsigned char)(part >> 8), (unsigned char)part};
        if (made.n + 5 + part > sizeof made.bytes)
            break; // of records of one byte the first ones are enough
        memcpy(made.bytes + made.n, head, 5);
        memcpy(made.bytes + made.n + 5, bytes + at, part);
        made.n += 5 + part;
    }
    return hello_made(&made);
}

// Not there until some byte has come, then always the same.
static void check_prefixes(struct view all, struct view want)
{
    bool found = false;
    for (size_t n = 0; n <= all.n; n++) {
        struct view der;
        int e = find(view_head(all, n), &der);
        assert_true(e == 0 || (e == E_AGAIN && !found));
        found = found || e == 0;
        if (e == 0)
            assert_true(view_eq(der, want));
    }
    assert_true(found);
}

static void test_every_prefix_and_record(void **state)
{
    (void)state;
    struct tls_scene s;
    tls_scene_init(&s);
    tls_scene_versions(&s, 0x0303);
    meet(&s);
    unsigned char *der = NULL;
    int n = i2d_X509(s.leaf->cert, &der);
    assert_true(n > 0);
    check_prefixes(buf_view(&flight), view_n((char *)der, (size_t)n));
    for (size_t fragment = 1; fragment < 700; fragment += fragment < 20 ? 1 : 53) {
        struct view again = in_records(fragment);
        if ((again.n + 5) / (5 + fragment) < HELLO_RECORDS_MAX)
            check_prefixes(again, view_n((char *)der, (size_t)n));
    }
    OPENSSL_free(der);
    tls_scene_clear(&s);
}

static void test_none(void **state)
{
    (void)state;
    struct tls_scene s;
    struct view der;
    tls_scene_init(&s);
    tls_scene_versions(&s, 0x0303);
    meet(&s);
    meet(&s); // goes on with the session of the first one
    assert_int_equal(find(buf_view(&flight), &der), E_NOTFOUND);
    tls_scene_clear(&s);
    tls_scene_init(&s);
    tls_scene_versions(&s, 0x0304);
    meet(&s);
    assert_int_equal(find(buf_view(&flight), &der), E_NOTFOUND);
    tls_scene_clear(&s);
    hello_make_bytes(&made, "15 0303 0002 0228"); // an alert
    assert_int_equal(find(hello_made(&made), &der), E_SYNTAX);
    assert_int_equal(find(VIEW_LIT("HTTP/1.1 400 Bad Request"), &der), E_SYNTAX);
}

// A hello, and behind it a message of Certificate that begins with these bytes, and goes on for as
// long as it says.
static int of_made(const char *hex, unsigned size, struct view *der)
{
    static struct hello_make head;
    hello_make_message(&made, 2, HELLO_1_2, 16384);
    hello_make_bytes(&head, hex);
    size_t at = 0, n = 4 + size;
    unsigned char *bytes = calloc(1, n);
    assert_non_null(bytes);
    const unsigned char message[4] = {11, (unsigned char)(size >> 16), (unsigned char)(size >> 8),
                                      (unsigned char)size};
    memcpy(bytes, message, 4);
    memcpy(bytes + 4, head.bytes, head.n < size ? head.n : size);
    while (at < n && made.n + 5 + 16384 < sizeof made.bytes) {
        size_t part = n - at < 16384 ? n - at : 16384;
        const unsigned char record[5] = {22, 3, 3, (unsigned char)(part >> 8), (unsigned char)part};
        memcpy(made.bytes + made.n, record, 5);
        memcpy(made.bytes + made.n + 5, bytes + at, part);
        made.n += 5 + part;
        at += part;
    }
    free(bytes);
    return find(hello_made(&made), der);
}

static void test_sizes(void **state)
{
    (void)state;
    struct view der;
    assert_int_equal(of_made("000004 000001 55", 7, &der), 0);
    assert_true(view_eq(der, VIEW_LIT("U")));
    // One of more than is read; and a small one, with more behind it than is read.
    assert_int_equal(of_made("004004 004001", 0x4007, &der), E_LIMIT);
    assert_int_equal(of_made("004003 004000", 0x4006, &der), 0);
    assert_int_equal(der.n, 16384);
    assert_int_equal(of_made("009c41 000002 3000", 0x9c44, &der), 0);
    assert_int_equal(der.n, 2);
    // Lengths that do not agree.
    assert_int_equal(of_made("", 0, &der), E_SYNTAX);
    assert_int_equal(of_made("000000", 3, &der), E_SYNTAX);
    assert_int_equal(of_made("000003 000000", 6, &der), E_SYNTAX);
    assert_int_equal(of_made("000004 000002 5555", 7, &der), E_SYNTAX);
    assert_int_equal(of_made("000005 000001 55", 7, &der), E_SYNTAX);
    assert_int_equal(of_made("ffffff ffffff 55", 7, &der), E_SYNTAX);
}

static void test_what_it_says(void **state)
{
    (void)state;
    struct certificate c;
    struct tls_pair *ca = tls_make_pair(&(struct tls_make){.cn = "Some CA", .ca = true}, NULL);
    struct tls_pair *p =
        tls_make_pair(&(struct tls_make){.cn = "J\303\266rg, \"x\"\n",
                                         .names = "DNS:a.example,DNS:*.b.example,IP:10.0.0.1,"
                                                  "IP:::1,email:x@y.example",
                                         .from_days = -2,
                                         .to_days = 3},
                      ca);
    certificate_read(p->cert, &c);
    assert_string_equal(c.subject, "CN=J\303\266rg\\, \\\"x\\\"\\0A");
    assert_string_equal(c.issuer, "CN=Some CA");
    assert_string_equal(c.names, "a.example,*.b.example,10.0.0.1,::1");
    assert_int_equal((c.not_after_us - c.not_before_us) / 1000000, 5 * 86400);

    unsigned char *der = NULL;
    int n = i2d_X509(p->cert, &der);
    struct certificate same;
    assert_int_equal(certificate_read_der(view_n((char *)der, (size_t)n), &same), 0);
    assert_string_equal(same.subject, c.subject);
    assert_memory_equal(same.fingerprint, c.fingerprint, sizeof c.fingerprint);
    for (int i = 0; i < n; i++) // one that is cut is none
        assert_int_equal(
            certificate_read_der(guard_fill(&guard, view_n((char *)der, (size_t)i)), &same),
            E_SYNTAX);
    OPENSSL_free(der);
    tls_make_pair_free(p);
    tls_make_pair_free(ca);
}

// Texts that are cut stay texts.
static void test_long_texts(void **state)
{
    (void)state;
    struct certificate c;
    char names[4096] = "", cn[160];
    for (int i = 0; i < 200 && strlen(names) < sizeof names - 40; i++)
        snprintf(names + strlen(names), 40, "%sDNS:host-%d.long.example", i ? "," : "", i);
    for (size_t lead = 0; lead < 3; lead++) {
        struct tls_pair *p = tls_make_pair(&(struct tls_make){.cn = "x", .names = names}, NULL);
        X509_NAME *name = X509_NAME_new();
        for (size_t i = 0; i < 63; i++)
            memcpy(cn + 2 * i, "\303\266", 3);
        for (int i = 0; i < 10; i++)
            assert_int_equal(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8,
                                                        (unsigned char *)cn, -1, -1, 0),
                             1);
        // Printed first.
        assert_int_equal(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8,
                                                    (const unsigned char *)"xxx", (int)lead + 1, -1,
                                                    0),
                         1);
        assert_int_equal(X509_set_subject_name(p->cert, name), 1);
        X509_NAME_free(name);
        certificate_read(p->cert, &c);
        assert_in_range(strlen(c.subject), CERTIFICATE_NAME - 8, CERTIFICATE_NAME - 1);
        assert_true(utf8_valid(view_of(c.subject)));
        assert_in_range(strlen(c.names), CERTIFICATE_NAMES - 40, CERTIFICATE_NAMES - 1);
        assert_string_equal(c.names + strlen(c.names) - 2,
                            "e,"); // of a whole name, and there are more
        tls_make_pair_free(p);
    }
}

static void *take(size_t n, const char *file, int line)
{
    (void)file, (void)line;
    return n > 0 ? malloc(n) : NULL;
}

static void *retake(void *p, size_t n, const char *file, int line)
{
    (void)file, (void)line;
    if (n > 0)
        return realloc(p, n);
    free(p);
    return NULL;
}

static void give(void *p, const char *file, int line)
{
    (void)file, (void)line;
    free(p);
}

static void test_without_memory(void **state)
{
    (void)state;
    struct certificate c, whole;
    struct tls_pair *p =
        tls_make_pair(&(struct tls_make){.cn = "x", .names = "DNS:a.example,IP:10.0.0.1"}, NULL);
    unsigned char *der = NULL;
    int n = i2d_X509(p->cert, &der);
    certificate_read(p->cert, &whole);
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        int e = certificate_read_der(view_n((char *)der, (size_t)n), &c);
        failed = alloc_fail_end();
        if (e)
            continue;
        assert_true(!c.subject[0] || strcmp(c.subject, whole.subject) == 0);
        assert_true(!c.names[0] || strcmp(c.names, whole.names) == 0);
    }
    OPENSSL_free(der);
    tls_make_pair_free(p);
}

static int setup(void **state)
{
    (void)state;
    guard_init(&guard, HELLO_MAKE_MAX);
    buf_init(&flight, 1 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    guard_free(&guard);
    buf_clear(&flight);
    tls_make_clear();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_prefix_and_record),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_what_it_says),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_without_memory),
    };
    if (CRYPTO_set_mem_functions(take, retake, give) != 1)
        return 1;
    return cmocka_run_group_tests(tests, setup, teardown);
}
