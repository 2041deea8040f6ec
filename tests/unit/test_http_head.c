// http/head: what is parsed, which fault is named, and that neither depends on the pieces in which
// the bytes came.
#include "proxy/http/head.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define TOLD 4096

// Everything that a parse tells, as one line.
static const char *tell(int e, const struct http_head *h, size_t used, char out[TOLD])
{
    size_t n;
    if (e) {
        snprintf(out, TOLD, "%s", e == E_SYNTAX ? "syntax" : e == E_AGAIN ? "again" : "other");
        return out;
    }
    if (h->is_request)
        n = (size_t)snprintf(out, TOLD, "%.*s %.*s %u.%u", (int)h->method.n, h->method.p,
                             (int)h->target.n, h->target.p, h->major, h->minor);
    else
        n = (size_t)snprintf(out, TOLD, "%u.%u %u [%.*s]", h->major, h->minor, h->status,
                             (int)h->reason.n, h->reason.n ? h->reason.p : "");
    for (size_t i = 0; i < h->count && n < TOLD; i++)
        n += (size_t)snprintf(out + n, TOLD - n, " <%.*s|%.*s>", (int)h->headers[i].name.n,
                              h->headers[i].name.p, (int)h->headers[i].value.n,
                              h->headers[i].value.p);
    if (n < TOLD && h->has_length)
        n += (size_t)snprintf(out + n, TOLD - n, " length=%llu", (unsigned long long)h->length);
    if (n < TOLD)
        snprintf(out + n, TOLD - n, "%s%s%s%s%s%s faults=%x used=%zu", h->has_te ? " te" : "",
                 h->chunked ? " chunked" : "", h->close ? " close" : "",
                 h->keep_alive ? " keep-alive" : "", h->upgrade ? " upgrade" : "",
                 h->expect_continue ? " expect" : "", h->faults, used);
    return out;
}

// Offers in[0 .. step), in[0 .. 2 step) … to the parser, as a connection would.
static int parse_in_steps(struct guard *g, struct view in, size_t first, size_t step, bool request,
                          struct http_head *h, size_t *used)
{
    size_t from = 0, n = first < in.n ? first : in.n;
    for (;;) {
        int e = http_head_parse(guard_fill(g, view_head(in, n)), from, request, h, used);
        if (e != E_AGAIN || n == in.n)
            return e;
        from = n;
        n = in.n - n < step ? in.n : n + step;
    }
}

// Parses at every split, each time against the guard, and expects the same.
static void expect(bool request, struct view in, const char *wanted)
{
    static struct http_head h;
    struct guard g;
    size_t used;
    char told[TOLD];
    guard_init(&g, in.n);
    for (size_t first = 0; first <= in.n; first++) {
        int e = parse_in_steps(&g, in, first, in.n, request, &h, &used);
        assert_string_equal(tell(e, &h, used, told), wanted);
    }
    for (size_t step = 1; step < 8; step++) {
        int e = parse_in_steps(&g, in, step, step, request, &h, &used);
        assert_string_equal(tell(e, &h, used, told), wanted);
    }
    guard_free(&g);
}

#define REQUEST(text, wanted) expect(true, VIEW_LIT(text), wanted)
#define ANSWER(text, wanted)  expect(false, VIEW_LIT(text), wanted)

static void requests(void **state)
{
    (void)state;
    REQUEST("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / 1.1 <Host|a> faults=0 used=27");
    REQUEST("GET / HTTP/1.0\r\n\r\nrest", "GET / 1.0 faults=0 used=18");
    REQUEST("GET / HTTP/1.9\r\nHost:\r\n\r\n", "GET / 1.9 <Host|> faults=0 used=25");
    REQUEST("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\nX", "GET / 1.1 <Host|a> faults=0 used=31");
    REQUEST("get http://h/?q#f HTTP/1.1\r\nHOST:\t b \t\r\nX-Y: a\tb c\xc3\xa4 \r\n\r\n",
            "get http://h/?q#f 1.1 <HOST|b> <X-Y|a\tb c\xc3\xa4> faults=0 used=57");
    REQUEST(
        "POST /\xc3\xa4 HTTP/1.1\r\nHost: [::1]:80\r\ncontent-length: 00012\r\n"
        "Connection: Keep-Alive, close ,x\r\nconnection: upgrade\r\nExpect: 100-Continue\r\n\r\n",
        "POST /\xc3\xa4 1.1 <Host|[::1]:80> <content-length|00012> "
        "<Connection|Keep-Alive, close ,x> <connection|upgrade> <Expect|100-Continue> "
        "length=12 close keep-alive upgrade expect faults=0 used=137");
    REQUEST("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n"
            "transfer-encoding: x , Chunked\r\n\r\n",
            "POST / 1.1 <Host|a> <Transfer-Encoding|gzip> <transfer-encoding|x , Chunked> "
            "te chunked faults=0 used=85");
    REQUEST("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\nContent-Length: 5\r\n\r\n",
            "POST / 1.1 <Host|a> <Content-Length|5, 5> <Content-Length|5> length=5 faults=1000 "
            "used=69");
    REQUEST("POST / HTTP/1.0\r\nContent-Length: 9223372036854775807\r\n\r\n",
            "POST / 1.0 <Content-Length|9223372036854775807> length=9223372036854775807 faults=0 "
            "used=56");
}

static void answers(void **state)
{
    (void)state;
    ANSWER("HTTP/1.1 200 OK\r\n\r\nbody", "1.1 200 [OK] faults=0 used=19");
    ANSWER("HTTP/1.1 404 Not  here\r\nA: b\r\n\r\n", "1.1 404 [Not  here] <A|b> faults=0 used=32");
    ANSWER("HTTP/1.1 200\r\n\r\n", "1.1 200 [] faults=0 used=16");
    ANSWER("HTTP/1.0 200 \r\n\r\n", "1.0 200 [] faults=0 used=17");
    ANSWER("HTTP/1.1 999 \xe4\r\nTransfer-Encoding: gzip\r\n\r\n",
           "1.1 999 [\xe4] <Transfer-Encoding|gzip> te faults=0 used=43");
    ANSWER("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
           "1.1 200 [OK] <Transfer-Encoding|gzip, chunked> te chunked faults=0 used=53");
    ANSWER("HTTP/1.1 20 OK\r\n\r\n", "syntax");
    ANSWER("HTTP/1.1 2000 OK\r\n\r\n", "syntax");
    ANSWER("HTTP/1.1 099 OK\r\n\r\n", "syntax");
    ANSWER("HTTP/1.1  200 OK\r\n\r\n", "syntax");
    ANSWER("HTTP/2 200\r\n\r\n", "syntax");
    ANSWER("HTTP/2.0 200 OK\r\n\r\n", "syntax");
    ANSWER("http/1.1 200 OK\r\n\r\n", "syntax");
    ANSWER("ICY 200 OK\r\n\r\n", "syntax");
    ANSWER("\r\nHTTP/1.1 200 OK\r\n\r\n", "syntax");
    ANSWER("220 smtp.example ESMTP\r\n", "syntax");
    ANSWER("HTTP/1.1 200 OK\r\nA: b\r\n", "again");
    ANSWER("HTTP/1.", "again");
}

static void no_http(void **state)
{
    (void)state;
    REQUEST("", "again");
    REQUEST("GET", "again");
    REQUEST("GET / HTTP/1.1\r\nHost: a\r\n\r", "again");
    REQUEST("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", "syntax");
    REQUEST("\rGET / HTTP/1.0\r\n\r\n", "syntax");
    REQUEST("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "syntax");
    REQUEST("GET / HTTP/1.10\r\n\r\n", "syntax");
    REQUEST("GET / HTTP/0.9\r\n\r\n", "syntax");
    REQUEST("GET / http/1.1\r\n\r\n", "syntax");
    REQUEST("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "syntax");
    REQUEST("GET /\r\n", "syntax");
    REQUEST("GET\t/\tHTTP/1.1\r\n\r\n", "syntax");
    REQUEST(" GET / HTTP/1.1\r\n\r\n", "syntax");
    REQUEST("\x16\x03\x01\x02", "syntax");
    REQUEST("SSH-2.0-x\r\n", "syntax");
    REQUEST("{\"a\":1}", "syntax");
    REQUEST("AVeryLongWordThatCouldStillBeAMethodButNoSpaceFollowsIt\r\n", "syntax");
}

static void fault(bool request, struct view in, unsigned wanted)
{
    static struct http_head h;
    struct guard g;
    size_t used;
    guard_init(&g, in.n);
    for (size_t step = 1; step <= in.n; step++) {
        assert_int_equal(parse_in_steps(&g, in, step, step, request, &h, &used), 0);
        assert_int_equal(h.faults, wanted);
        assert_int_equal(used, in.n);
    }
    guard_free(&g);
}

#define FAULT(lines, wanted)                                                                       \
    fault(true, VIEW_LIT("GET / HTTP/1.1\r\nHost: a\r\n" lines "\r\n"), wanted)
#define ANSWER_FAULT(lines, wanted)                                                                \
    fault(false, VIEW_LIT("HTTP/1.1 200 OK\r\n" lines "\r\n"), wanted)

static void faults(void **state)
{
    (void)state;
    FAULT("A: b\n", HTTP_BARE_LF);
    FAULT("A: b\rc\r\n", HTTP_BARE_LF);
    FAULT("A: b\r\r\n", HTTP_BARE_LF);
    FAULT("A: b\r\n c\r\n", HTTP_OBS_FOLD);
    FAULT("A: b\r\n\t\r\n", HTTP_OBS_FOLD);
    FAULT("A: b\0c\r\n", HTTP_NUL);
    FAULT("A: b\x7f\r\n", HTTP_NUL);
    FAULT("A: b\x0b\r\n", HTTP_NUL);
    FAULT("Content-Length: 5x\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: +5\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: -5\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: 0x5\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length:\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: 5,\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: 9223372036854775808\r\n", HTTP_BAD_LENGTH);
    FAULT("Content-Length: 5\r\nContent-Length: 6\r\n", HTTP_TWO_LENGTHS);
    FAULT("Content-Length: 5, 6\r\n", HTTP_TWO_LENGTHS);
    FAULT("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", HTTP_LENGTH_AND_TE);
    FAULT("Transfer-Encoding: chunked\r\ncontent-length: x\r\n",
          HTTP_LENGTH_AND_TE | HTTP_BAD_LENGTH);
    FAULT("Transfer-Encoding: gzip\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: xchunked\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: chunked;q=1\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: chunked, gzip\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: chunked, chunked\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: ,chunked\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: x;a=\", chunked\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding: \"chunked\"\r\n", HTTP_BAD_TE);
    FAULT("Transfer-Encoding:\r\n", HTTP_BAD_TE);
    fault(true, VIEW_LIT("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_BAD_TE);
    FAULT("A : b\r\n", HTTP_SPACE_BEFORE_COLON);
    FAULT("A\t: b\r\n", HTTP_SPACE_BEFORE_COLON);
    FAULT("A b: c\r\n", HTTP_BAD_NAME);
    FAULT("A\r\n", HTTP_BAD_NAME);
    FAULT(": b\r\n", HTTP_BAD_NAME);
    FAULT("A\xe4: b\r\n", HTTP_BAD_NAME);
    FAULT("Transfer-Encoding : chunked\r\n", HTTP_SPACE_BEFORE_COLON);
    FAULT("Host: a\r\n", HTTP_BAD_HOST);
    fault(true, VIEW_LIT("GET / HTTP/1.1\r\n\r\n"), HTTP_BAD_HOST);
    fault(true, VIEW_LIT("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), HTTP_BAD_HOST);
    fault(true, VIEW_LIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"), HTTP_BAD_HOST);
    fault(true, VIEW_LIT("GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), HTTP_BAD_HOST);
    fault(true, VIEW_LIT("GET /a b HTTP/1.0\r\n\r\n"), HTTP_BAD_TARGET);
    fault(true, VIEW_LIT("GET  HTTP/1.0\r\n\r\n"), HTTP_BAD_TARGET);
    fault(true, VIEW_LIT("GET /\x01 HTTP/1.0\r\n\r\n"), HTTP_NUL);
    fault(true, VIEW_LIT("GET / HTTP/1.0\n\n"), HTTP_BARE_LF);
    fault(true, VIEW_LIT("\nGET / HTTP/1.0\r\n\r\n"), HTTP_BARE_LF);
    fault(true, VIEW_LIT("GET / HTTP/1.0\r\n x: y\r\n\r\n"), HTTP_OBS_FOLD);
    ANSWER_FAULT("Transfer-Encoding: chunked, gzip\r\n", HTTP_BAD_TE);
    ANSWER_FAULT("Content-Length: 1\r\nContent-Length: 2\r\n", HTTP_TWO_LENGTHS);
    ANSWER_FAULT("A: b\r\n c\r\n", HTTP_OBS_FOLD);
    fault(false, VIEW_LIT("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), HTTP_BAD_TE);
    fault(false, VIEW_LIT("HTTP/1.1 200 \x01\r\n\r\n"), HTTP_NUL);
}

// A fold belongs to the value before it, and cannot hide a length.
static void fold_joins_value(void **state)
{
    static struct http_head h;
    size_t used;
    (void)state;
    struct view in =
        VIEW_LIT("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n 5\r\nB: c\r\n\r\n");
    assert_int_equal(http_head_parse(in, 0, true, &h, &used), 0);
    assert_int_equal(h.faults, HTTP_OBS_FOLD | HTTP_BAD_LENGTH);
    assert_int_equal(h.count, 3);
    assert_true(view_eq(h.headers[1].value, VIEW_LIT("\r\n 5")));
    assert_true(view_eq(h.headers[2].name, VIEW_LIT("B")));
}

// More header lines than there is room for: a fault, but what they say of the framing still counts.
static void too_many_headers(void **state)
{
    static struct http_head h;
    static char text[HTTP_HEADERS_MAX * 8 + 200];
    size_t used, n = (size_t)snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\n");
    (void)state;
    for (int i = 1; i < HTTP_HEADERS_MAX; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "A: b\r\n");
    size_t full = n + (size_t)snprintf(text + n, sizeof text - n, "\r\n");
    assert_int_equal(http_head_parse(view_n(text, full), 0, true, &h, &used), 0);
    assert_int_equal(h.faults, 0);
    assert_int_equal(h.count, HTTP_HEADERS_MAX);
    full = n + (size_t)snprintf(text + n, sizeof text - n, "Content-Length: 3\r\n\r\n");
    assert_int_equal(http_head_parse(view_n(text, full), 0, true, &h, &used), 0);
    assert_int_equal(h.faults, HTTP_TOO_MANY);
    assert_int_equal(h.count, HTTP_HEADERS_MAX);
    assert_int_equal(h.length, 3);
}

static void find(void **state)
{
    static struct http_head h;
    size_t used;
    (void)state;
    struct view in = VIEW_LIT("GET / HTTP/1.0\r\nab: 1\r\nAB: 2\r\n\r\n");
    assert_int_equal(http_head_parse(in, 0, true, &h, &used), 0);
    assert_ptr_equal(http_head_find(&h, VIEW_LIT("Ab")), &h.headers[0]);
    assert_null(http_head_find(&h, VIEW_LIT("A")));
}

static struct http_head *parsed(bool request, const char *text)
{
    static struct http_head heads[2];
    struct http_head *h = &heads[request];
    size_t used;
    assert_int_equal(http_head_parse(view_of(text), 0, request, h, &used), 0);
    return h;
}

static enum http_framing answer_framing(const char *text, const char *method)
{
    return http_response_framing(parsed(false, text), view_of(method));
}

static void framing(void **state)
{
    (void)state;
    assert_int_equal(http_request_framing(parsed(true, "GET / HTTP/1.0\r\n\r\n")), HTTP_NO_BODY);
    assert_int_equal(
        http_request_framing(parsed(true, "GET / HTTP/1.0\r\nContent-Length: 1\r\n\r\n")),
        HTTP_LENGTH);
    assert_int_equal(http_request_framing(parsed(
                         true, "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")),
                     HTTP_CHUNKED);
#define LENGTH  "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
#define CHUNKED "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert_int_equal(answer_framing(LENGTH, "GET"), HTTP_LENGTH);
    assert_int_equal(answer_framing(LENGTH, "HEAD"), HTTP_NO_BODY);
    assert_int_equal(answer_framing(LENGTH, "head"), HTTP_LENGTH);
    assert_int_equal(answer_framing(LENGTH, "CONNECT"), HTTP_NO_BODY);
    assert_int_equal(answer_framing(CHUNKED, "GET"), HTTP_CHUNKED);
    assert_int_equal(answer_framing(CHUNKED, "HEAD"), HTTP_NO_BODY);
    assert_int_equal(answer_framing("HTTP/1.1 200 OK\r\n\r\n", "GET"), HTTP_UNTIL_CLOSE);
    assert_int_equal(answer_framing("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "GET"),
                     HTTP_UNTIL_CLOSE);
    assert_int_equal(answer_framing("HTTP/1.1 100 C\r\nContent-Length: 1\r\n\r\n", "GET"),
                     HTTP_NO_BODY);
    assert_int_equal(answer_framing("HTTP/1.1 204 N\r\nContent-Length: 1\r\n\r\n", "GET"),
                     HTTP_NO_BODY);
    assert_int_equal(answer_framing("HTTP/1.1 304 N\r\nContent-Length: 1\r\n\r\n", "GET"),
                     HTTP_NO_BODY);
    assert_int_equal(answer_framing("HTTP/1.1 403 N\r\nContent-Length: 1\r\n\r\n", "CONNECT"),
                     HTTP_LENGTH);
}

static bool persists(const char *request, const char *answer)
{
    const struct http_head *h = parsed(true, request);
    return http_persistent(h, parsed(false, answer));
}

static void persistence(void **state)
{
#define R11       "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define R11_CLOSE "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
#define R10       "GET / HTTP/1.0\r\n\r\n"
#define R10_KEEP  "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
#define A11       "HTTP/1.1 204 N\r\n\r\n"
#define A11_KEEP  "HTTP/1.1 204 N\r\nConnection: keep-alive\r\n\r\n"
#define A11_CLOSE "HTTP/1.1 204 N\r\nConnection: close\r\n\r\n"
#define A10       "HTTP/1.0 204 N\r\n\r\n"
#define A10_KEEP  "HTTP/1.0 204 N\r\nConnection: keep-alive\r\n\r\n"
    (void)state;
    assert_true(persists(R11, A11));
    assert_false(persists(R11_CLOSE, A11));
    assert_false(persists(R11, A11_CLOSE));
    assert_false(persists(R11, A10));
    assert_true(persists(R11, A10_KEEP));
    assert_false(persists(R10, A11));
    assert_false(persists(R10, A11_KEEP));
    assert_false(persists(R10_KEEP, A11));
    assert_true(persists(R10_KEEP, A11_KEEP));
    assert_true(persists(R10_KEEP, A10_KEEP));
}

// A head that trickles in by single bytes must not cost the square of its size: 4 MiB would take
// minutes then.
static void trickle_is_linear(void **state)
{
    static struct http_head h;
    size_t size = 4 << 20, used;
    char *text = malloc(size);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', size);
    memcpy(text, "GET / HTTP/1.1\r\nA: ", 19);
    for (size_t n = 1; n <= size; n++)
        assert_int_equal(http_head_parse(view_n(text, n), n - 1, true, &h, &used), E_AGAIN);
    free(text);
}

// Heads come again and again at the same place: with other bytes they are other heads.
static void the_same_place_again(void **state)
{
    (void)state;
    static const char *const heads[] = {
        "GET /aaaa HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        "GET /aaab HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        "GET /aaab HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\n",
        "GET /aaab HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nbodyab",
        "GET /aaab HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\rXbodyab",
        "GET /aa HTTP/1.1\r\n\r\n",
    };
    static struct http_head h, fresh;
    char place[256], other[256], told[TOLD], expected[TOLD];
    for (size_t i = 0; i < 200; i++) {
        const char *text = heads[i * 7 / 3 % (sizeof heads / sizeof heads[0])];
        size_t n = strlen(text), used, used_fresh;
        memcpy(place, text, n);
        memcpy(other + i % 16, text, n);
        int e = http_head_parse(view_n(place, n), 0, true, &h, &used);
        int e_fresh = http_head_parse(view_n(other + i % 16, n), 0, true, &fresh, &used_fresh);
        assert_string_equal(tell(e, &h, used, told), tell(e_fresh, &fresh, used_fresh, expected));
        e = http_head_parse(view_n(place, n), 0, true, &h, &used);
        assert_string_equal(tell(e, &h, used, told), expected);
        if (e == 0)
            assert_true(h.target.p >= place && h.target.p < place + n);
        assert_int_equal(http_head_parse(view_n(place, 7), 0, true, &h, &used), E_AGAIN);
    }
}

static void fault_texts(void **state)
{
    (void)state;
    assert_string_equal(http_fault_text(HTTP_TWO_LENGTHS | HTTP_BAD_HOST), "two content-lengths");
    assert_string_equal(http_fault_text(HTTP_BAD_TARGET), "bad request target");
    assert_string_equal(http_fault_text(0), "no fault");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests),
        cmocka_unit_test(answers),
        cmocka_unit_test(no_http),
        cmocka_unit_test(faults),
        cmocka_unit_test(fold_joins_value),
        cmocka_unit_test(too_many_headers),
        cmocka_unit_test(find),
        cmocka_unit_test(framing),
        cmocka_unit_test(persistence),
        cmocka_unit_test(trickle_is_linear),
        cmocka_unit_test(the_same_place_again),
        cmocka_unit_test(fault_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
