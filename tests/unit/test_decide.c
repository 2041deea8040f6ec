// The guess: what the first bytes of both directions are taken for.
#include "proxy/decide.h"

#include "tests/support/guard.h"

#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define MORE NULL

struct guess {
    struct view c2s, s2c;
    const struct decoder_ops *answer;
};

#define CLIENT(text)         VIEW_LIT(text), VIEW_LIT("")
#define SERVER(text)         VIEW_LIT(""), VIEW_LIT(text)
#define BOTH(client, server) VIEW_LIT(client), VIEW_LIT(server)

static const struct guess guesses[] = {
    {CLIENT(""), MORE},
    // Requests: only a whole line says so.
    {CLIENT("G"), MORE},
    {CLIENT("GET"), MORE},
    {CLIENT("GET "), MORE},
    {CLIENT("GET /"), MORE},
    {CLIENT("GET / HTTP/1.1"), MORE},
    {CLIENT("GET / HTTP/1.1\r"), MORE},
    {CLIENT("GET / HTTP/1.1\r\n"), &decoder_http1},
    {CLIENT("GET / HTTP/1.0\n"), &decoder_http1},
    {CLIENT("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), &decoder_http1},
    {CLIENT("\r\n"), MORE},
    {CLIENT("CONNECT a:1 HTTP/1.1\r\n"), &decoder_http1},
    {CLIENT("OPTIONS * HTTP/1.1\r\n"), &decoder_http1},
    {CLIENT("M-SEARCH http://a/ HTTP/1.1\r\n"), &decoder_http1},
    {CLIENT("x-own.method /a b HTTP/1.7\r\n"), &decoder_http1},
    // Not quite.
    {CLIENT("GET / HTTP/2.0\r\n"), &decoder_raw},
    {CLIENT("GET / HTTP/1.\r\n"), &decoder_raw},
    {CLIENT("GET / HTTP/1.x\r\n"), &decoder_raw},
    {CLIENT("GET HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("GET / http/1.1\r\n"), &decoder_raw},
    {CLIENT("GET /\r\n"), &decoder_raw},
    {CLIENT("GET / HTTP/1.1 \r\n"), &decoder_raw},
    {CLIENT(" GET / HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("GET\t/ HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("GET /\x01"), &decoder_raw},
    {CLIENT("G\0"), &decoder_raw},
    // What is no request but alike is raw when its line is whole: only then it is known to be.
    {CLIENT("\r\n\r\n\r\n"), MORE},
    {CLIENT(" "), MORE},
    {CLIENT(" GET / HTTP/1.1"), MORE},
    {CLIENT("GET\t/"), MORE},
    {CLIENT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n"), MORE},
    {CLIENT("PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\nGET / HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("\xef"), MORE},
    {CLIENT("\xef\xbb\xbf"), MORE},
    {CLIENT("\xef\xbb\xbfGET / HTTP/1.1\r"), MORE},
    {CLIENT("\xef\xbb\xbfGET / HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("\xef\xbb\xbe"), &decoder_raw},
    {CLIENT("\x00GET / HTTP/1.1"), MORE},
    {CLIENT("\x00GET / HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("G@"), MORE},
    {CLIENT("G@T /"), MORE},
    {CLIENT("G@T / HTTP/1.1\r\n"), &decoder_raw},
    {CLIENT("G\xc3\x84T /"), MORE},
    {CLIENT("G\x01T /"), &decoder_raw},
    {CLIENT("@GET /"), &decoder_raw},
    {CLIENT("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567"), &decoder_raw},
    {CLIENT("ABCDEFGHIJKLMNOPQRSTUVWXYZ123456"), MORE},
    // Other protocols whose client begins with a word, or with none.
    {CLIENT("EHLO me\r\n"), &decoder_raw},
    {CLIENT("*1\r\n$4\r\nPING\r\n"), &decoder_raw},
    {CLIENT("SET a 0 0 1\r\n"), &decoder_raw},
    {CLIENT("{\"id\":1}\n"), &decoder_raw},
    {CLIENT("\x10\x1c\x00\x04MQTT"), &decoder_raw},
    {CLIENT("SSH-2.0-x\r\n"), &decoder_raw},
    // TLS.
    {CLIENT("\x16"), MORE},
    {CLIENT("\x16\x03"), MORE},
    {CLIENT("\x16\x03\x01\x02\x00"), MORE},
    {CLIENT("\x16\x03\x01\x02\x00\x01"), &decoder_tls},
    {CLIENT("\x16\x03\x04\x02\x00\x01"), &decoder_tls},
    {CLIENT("\x16\x03\x05"), &decoder_raw},
    {CLIENT("\x16\x02"), &decoder_raw},
    {CLIENT("\x16\x03\x01\x02\x00\x02"), &decoder_raw},
    {CLIENT("\x17\x03\x01"), &decoder_raw},
    {CLIENT("\x15\x03\x01"), &decoder_raw},
    // A server that speaks first.
    {SERVER("220 mail\r\n"), &decoder_starttls},
    {SERVER("220-mail\r\n"), &decoder_starttls},
    {SERVER("+OK"), &decoder_starttls},
    {SERVER("* OK"), &decoder_starttls},
    {SERVER("* BY"), &decoder_raw},
    {SERVER("2"), MORE},
    {SERVER("22 "), &decoder_raw},
    {SERVER("420 "), &decoder_raw},
    {CLIENT("\x00\x00\x00\x08\x04\xd2\x16\x2f"), &decoder_starttls},
    {CLIENT("\x00\x00\x00\x08\x04\xd2\x16\x30"), &decoder_starttls},
    {CLIENT("\x00\x00\x00\x08\x04\xd2\x16"), MORE},
    {CLIENT("\x00\x00\x00\x10\x00\x03\x00\x00"), &decoder_raw},
    {SERVER("\x4a\x00\x00\x00\x0a"
            "8"),
     &decoder_starttls},
    {SERVER("SSH-2.0-x\r\n"), &decoder_raw},
    {SERVER("\x4a\x00\x00\x00\x0a"), MORE},
    {SERVER("H"), MORE},
    {SERVER("HTTP/1"), MORE},
    {SERVER("HTTP/1."), &decoder_http1},
    {SERVER("HTTP/1.1 408 Request Timeout\r\n"), &decoder_http1},
    {SERVER("HTTP/2"), &decoder_raw},
    {SERVER("ht"), MORE},
    {SERVER("http/1"), &decoder_raw},
    {SERVER("\r\n"), MORE},
    {SERVER("\r\n HTTP"), MORE},
    {SERVER("\r\nHTTP/1."), &decoder_raw},
    {SERVER("\r\nWelcome"), &decoder_raw},
    {SERVER("ICY"), MORE},
    {SERVER("ICY 200 OK"), &decoder_raw},
    {SERVER("IMAP"), &decoder_raw},
    {SERVER("\x16\x03\x03"), &decoder_raw},
    {SERVER("\x15\x03\x03\x00\x02\x02\x28"), &decoder_raw},
    // Both.
    {BOTH("GET /", "HTTP/1.1 408"), &decoder_http1},
    {BOTH("GET /", "HT"), MORE},
    {BOTH("GET / HTTP/1.1\r\n", "HT"), &decoder_http1},
    {BOTH("GET /", "220 mail"), &decoder_raw},
    {BOTH("HELO a\r\n", "220 mail"), &decoder_raw},
    {BOTH("GET / HTTP/1.1\r\n", "220 mail"), &decoder_http1},
    {BOTH("\x16\x03", "\x15\x03"), &decoder_raw},
    {BOTH("\x16\x03\x01\x02\x00\x01", "\x15\x03"), &decoder_tls},
    {BOTH("\x16\x03", "HTTP/1.1 400"), &decoder_raw},
    {BOTH("\x00", "\x00"), MORE},
    {BOTH("\x00\x01", "\x00"), &decoder_raw},
};

static const char *name_of(const struct decoder_ops *d)
{
    return d ? d->name : "more";
}

static const struct decoder_ops *decide(struct view c2s, struct view s2c, bool final)
{
    static struct guard a, b;
    if (!a.map) {
        guard_init(&a, 4096);
        guard_init(&b, 4096);
    }
    return decide_decoder(guard_fill(&a, c2s), guard_fill(&b, s2c), final);
}

static void test_guesses(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        const struct guess *g = &guesses[i];
        const struct decoder_ops *d = decide(g->c2s, g->s2c, false);
        if (d != g->answer) {
            print_error("guess %zu (%.20s|%.20s): %s instead of %s\n", i, g->c2s.p, g->s2c.p,
                        name_of(d), name_of(g->answer));
            fail();
        }
        const struct decoder_ops *last = decide(g->c2s, g->s2c, true);
        assert_ptr_equal(last, g->answer ? g->answer : &decoder_raw);
    }
}

// What is said of a beginning is never taken back when more comes.
static void test_answers_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof guesses / sizeof *guesses; i++) {
        const struct guess *g = &guesses[i];
        const struct decoder_ops *before = MORE;
        for (size_t n = 0; n <= g->c2s.n && g->s2c.n == 0; n++) {
            const struct decoder_ops *d = decide(view_head(g->c2s, n), g->s2c, false);
            if (before)
                assert_ptr_equal(d, before);
            before = d;
        }
        before = MORE;
        for (size_t n = 0; n <= g->s2c.n && g->c2s.n == 0; n++) {
            const struct decoder_ops *d = decide(g->c2s, view_head(g->s2c, n), false);
            if (before)
                assert_ptr_equal(d, before);
            before = d;
        }
    }
}

// A first line that is longer than what is looked at.
static void test_long_lines(void **state)
{
    static const struct {
        const char *begin;
        const struct decoder_ops *answer;
    } cases[] = {
        {"GET /", &decoder_http1}, {"GET http://", &decoder_http1}, {"GET HTTP://", &decoder_http1},
        {"GET x", &decoder_raw},   {"CONNECT x", &decoder_raw},
    };
    char line[TAP_SNIFF_MAX + 100];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(line, 'a', sizeof line);
        memcpy(line, cases[i].begin, strlen(cases[i].begin));
        struct view none = VIEW_LIT("");
        assert_null(decide(view_n(line, TAP_SNIFF_MAX - 1), none, false));
        assert_ptr_equal(decide(view_n(line, TAP_SNIFF_MAX), none, false), cases[i].answer);
        assert_ptr_equal(decide(view_n(line, sizeof line), none, false), cases[i].answer);
    }
}

// What is raw, and yet not to be kept as it is.
static void test_alike(void **state)
{
    static const struct {
        struct view c2s, s2c;
        bool alike;
    } cases[] = {
        {CLIENT("GET / HTTP/2.0\r\n"), true},
        {CLIENT("GET / HTTP/1.\r\n"), true},
        {CLIENT("GET / HTTP/1.x\r\n"), true},
        {CLIENT("GET HTTP/1.1\r\n"), true},
        {CLIENT("GET / http/1.1\r\n"), true},
        {CLIENT("GET / HTTP/1.1 \r\n"), true},
        {CLIENT(" GET / HTTP/1.1\r\n"), true},
        {CLIENT("GET\t/\tHTTP/1.1\r\n"), true},
        {CLIENT("\r\n\r\n\r\n\r\n\r\nMOVE a HTTP/1.1"), true},
        {CLIENT("MKCOL \x01 HTTP/1.1\r\nCookie: a\r\n"), true},
        {CLIENT("GET /\x01"), true},
        {CLIENT("GET /x\r\nCookie: a"), true},
        {CLIENT("get http://a/x\r\n"), true},
        {CLIENT("MKCOL /x?a="), true},
        {BOTH("GET /x\r\n", "HTTP/1.1 200"), true},
        {BOTH("GET /x\r\n", "HT"), true},
        {BOTH("GET /x\r\n", "220 mail"), false},
        {CLIENT("\xef\xbb\xbfGET / HTTP/1.1\r\n"), true},
        {CLIENT("\x00GET / HTTP/1.1\r\n"), true},
        {CLIENT("G@T / HTTP/1.1\r\n"), true},
        {CLIENT("G@T / SIP/2.0\r\n"), false},
        {CLIENT("G@T HTTP/1.1\r\n"), false},
        {CLIENT("me@x: cat /var\r\n"), false},
        {SERVER("HTTP/2 200"), true},
        {SERVER("http/1.1 200"), true},
        {SERVER("ICY 200 OK"), true},
        {SERVER("\r\nHTTP/1.1 200"), true},
        {SERVER("ICYCLE"), false},
        {SERVER("220 HTTP/1.1"), false},
        {SERVER("HTTPS"), false},
        {BOTH("GE", "HTTP/2 200"), true},
        {BOTH("GET /x", " HTTP/1.1 200"), true},
        {BOTH("EHLO me\r\n", "HTTP/2 200"), false},
        {BOTH("GE", "220 mail"), false},
        {CLIENT("PRI * HTTP/2.0\r\n\r\nSM"), false},
        {CLIENT("MKCOL /x\r\n"), false},
        {CLIENT("GET x\r\n"), false},
        {CLIENT("GET"), false},
        {CLIENT("GET "), false},
        {CLIENT("/ HTTP/1.1\r\n"), false},
        {CLIENT("HTTP/1.1\r\n"), false},
        {CLIENT("SET a 0 0 1\r\n"), false},
        {CLIENT("EHLO me\r\n"), false},
        {CLIENT("INVITE sip:a@b SIP/2.0\r\n"), false},
        {CLIENT("OPTIONS rtsp://a/ RTSP/1.0\r\n"), false},
        {CLIENT("1.2.3.4 - - \"GET / HTTP/1.1\" 200 5\n"), false},
        {CLIENT("\x16\x03\x01\x02\x00\x01"), false},
        {CLIENT("\r\n"), false},
        {SERVER("HTTP/1.x"), true},
    };
    static struct guard a, b;

    (void)state;
    guard_init(&a, 4096);
    guard_init(&b, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (decide_alike(guard_fill(&a, cases[i].c2s), guard_fill(&b, cases[i].s2c)) !=
            cases[i].alike)
            fail_msg("case %zu: %.*s", i, (int)cases[i].c2s.n, cases[i].c2s.p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guesses),
        cmocka_unit_test(test_answers_stay),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
