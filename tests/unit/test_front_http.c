// front/http: whole talks of a client, the front and a server, each at every split of both
// directions. What the server hears and what the client hears is compared byte for byte.
#include "tests/support/alloc.h"
#include "tests/support/talk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NO_CONTENT "HTTP/1.1 204 No Content\r\n\r\n"
#define OK_HELLO   "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

static struct talk t;

static int setup(void **state)
{
    (void)state;
    talk_init(&t, &front_http);
    return 0;
}

static int setup_reverse(void **state)
{
    setup(state);
    t.conf.fixed_target = true;
    return hostport_parse(&t.conf.target, VIEW_LIT("app:8080"), 0);
}

static int teardown(void **state)
{
    (void)state;
    talk_clear(&t);
    return 0;
}

// A client says this, the server answers that (one exchange); at every split it comes to log, and
// each hears what is given.
static void talk(const char *client, const char *answer, const char *log, const char *to_client,
                 const char *to_server)
{
    t.client = view_of(client);
    t.answers[0] = view_of(answer);
    talk_everywhere(&t);
    assert_true(talk_was(&t, log, view_of(to_client), view_of(to_server)));
}

static void absolute_to_origin_form(void **state)
{
    (void)state;
    talk("GET http://Example.COM:81/a/b?c=d HTTP/1.1\r\nUser-Agent:  x \r\nhOST: example.com\r\n"
         "Proxy-Connection: keep-alive\r\nPROXY-authorization: Basic eDp5\r\nX: \t y\t\r\n"
         "Proxyless: stays\r\nX: z\r\nProxy-Whatever: goes\r\n\r\n",
         NO_CONTENT, "go example.com:81 for example.com:81\ndone\nwait\n", NO_CONTENT,
         "GET /a/b?c=d HTTP/1.1\r\nUser-Agent:  x \r\nhOST: Example.COM:81\r\nX: \t y\t\r\n"
         "Proxyless: stays\r\nX: z\r\n\r\n");
    talk("GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", NO_CONTENT, "go a:80 for a:80\ndone\nwait\n",
         NO_CONTENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    talk("GET HTTP://a?b HTTP/1.1\r\nHost: a\r\n\r\n", NO_CONTENT, "go a:80 for a:80\ndone\nwait\n",
         NO_CONTENT, "GET /?b HTTP/1.1\r\nHost: a\r\n\r\n");
    talk("OPTIONS http://a:8 HTTP/1.1\r\nHost: b\r\n\r\n", NO_CONTENT,
         "go a:8 for a:8\ndone\nwait\n", NO_CONTENT, "OPTIONS * HTTP/1.1\r\nHost: a:8\r\n\r\n");
    talk("OPTIONS http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", NO_CONTENT,
         "go a:80 for a:80\ndone\nwait\n", NO_CONTENT, "OPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n");
    talk("GET http://[::1]:90/ HTTP/1.1\r\nHost: b \r\n\r\n", NO_CONTENT,
         "go [::1]:90 for [::1]:90\ndone\nwait\n", NO_CONTENT,
         "GET / HTTP/1.1\r\nHost: [::1]:90 \r\n\r\n");
    talk("GET http://a:/x HTTP/1.1\r\nHost: a\r\n\r\n", NO_CONTENT,
         "go a:80 for a:80\ndone\nwait\n", NO_CONTENT, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void user_information_is_dropped(void **state)
{
    (void)state;
    talk("GET http://user:pass@a/x@y HTTP/1.1\r\nHost: a\r\n\r\n", NO_CONTENT,
         "go a:80 for a:80\ndone\nwait\n", NO_CONTENT, "GET /x@y HTTP/1.1\r\nHost: a\r\n\r\n");
    talk("GET http://b@a HTTP/1.0\r\n\r\n", "HTTP/1.0 204 N\r\n\r\n", "go a:80 for a:80\nclose\n",
         "HTTP/1.0 204 N\r\n\r\n", "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
}

static void host_is_added_to_1_0(void **state)
{
    (void)state;
    talk("GET http://a:81/ HTTP/1.0\r\nA: b\r\n\r\n",
         "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", "go a:81 for a:81\nclose\n",
         "HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
         "GET / HTTP/1.0\r\nHost: a:81\r\nA: b\r\n\r\n");
}

static void reverse_is_exact(void **state)
{
    (void)state;
    talk("\r\nPOST /a%zz?b HTTP/1.1\r\nhOsT:\t Api.example \r\nProxy-Connection: close\r\n"
         "Content-Length: 3\r\n\r\nxyz",
         OK_HELLO, "go app:8080 for api.example:80\ndone\nwait\n", OK_HELLO,
         "\r\nPOST /a%zz?b HTTP/1.1\r\nhOsT:\t Api.example \r\nProxy-Connection: close\r\n"
         "Content-Length: 3\r\n\r\nxyz");
    talk("OPTIONS * HTTP/1.1\r\nHost: h:99\r\n\r\n", NO_CONTENT,
         "go app:8080 for h:99\ndone\nwait\n", NO_CONTENT,
         "OPTIONS * HTTP/1.1\r\nHost: h:99\r\n\r\n");
    talk("GET ftp://x/y HTTP/1.1\r\nHost:\r\n\r\n", NO_CONTENT, "go app:8080 for \ndone\nwait\n",
         NO_CONTENT, "GET ftp://x/y HTTP/1.1\r\nHost:\r\n\r\n");
}

static void reverse_never_goes_elsewhere(void **state)
{
    (void)state;
    talk("GET https://other:1/x HTTP/1.1\r\nHost: h\r\n\r\n", NO_CONTENT,
         "go app:8080 for other:1\ndone\nwait\n", NO_CONTENT,
         "GET /x HTTP/1.1\r\nHost: other:1\r\n\r\n");
    talk("CONNECT other:1 HTTP/1.1\r\nHost: other:1\r\n\r\nping", "pong",
         "go app:8080 for other:1 tunnel\ntunnel\n",
         "HTTP/1.1 200 Connection established\r\n\r\npong", "ping");
}

// What is no HTTP passes unread where we only watch.
static void reverse_lets_others_pass(void **state)
{
    (void)state;
#define OPAQUE(bytes)                                                                              \
    talk(bytes, "\x15\x03", "go app:8080 for  tunnel\ntunnel\n", "\x15\x03", bytes)
    OPAQUE("\x16\x03\x01\x02 GET / HTTP/1.1\r\n\r\n");
    OPAQUE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    OPAQUE("SSH-2.0-x\r\n");
    OPAQUE("*1\r\n$4\r\nPING\r\n");
    OPAQUE("GET /\r\n");
    OPAQUE("EHLO there\r\n");
    OPAQUE("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    t.dial_error = E_REFUSED;
    talk("\x16\x03", "", "go app:8080 for  tunnel\nfailed\n", "", "");
}

static void connect_opens_a_tunnel(void **state)
{
    (void)state;
    talk("CONNECT A.example:443 HTTP/1.1\r\nHost: a.example:443\r\nProxy-Authorization: x\r\n"
         "Content-Length: 0\r\n\r\n\x16\x03\x01",
         "early", "go a.example:443 for a.example:443 tunnel\ntunnel\n",
         "HTTP/1.1 200 Connection established\r\n\r\nearly", "\x16\x03\x01");
    talk("CONNECT [fe80::1]:22 HTTP/1.0\r\n\r\nSSH", "SSH",
         "go [fe80::1]:22 for [fe80::1]:22 tunnel\ntunnel\n",
         "HTTP/1.0 200 Connection established\r\n\r\nSSH", "SSH");
}

static void several_hosts_on_one_connection(void **state)
{
    (void)state;
    t.client = VIEW_LIT("GET http://a/1 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "POST http://b/2 HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi"
                        "\r\nHEAD http://a/3 HTTP/1.1\r\nHost: a\r\n\r\n"
                        "CONNECT c:1 HTTP/1.1\r\nHost: c\r\n\r\nbytes");
    t.answers[0] = VIEW_LIT(OK_HELLO);
    t.answers[1] = VIEW_LIT(NO_CONTENT);
    t.answers[2] = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n");
    talk_everywhere(&t);
    assert_true(
        talk_was(&t,
                 "go a:80 for a:80\ndone\ngo b:80 for b:80\ndone\ngo a:80 for a:80\ndone\n"
                 "go c:1 for c:1 tunnel\ntunnel\n",
                 VIEW_LIT(OK_HELLO NO_CONTENT "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n"
                                              "HTTP/1.1 200 Connection established\r\n\r\n"),
                 VIEW_LIT("GET /1 HTTP/1.1\r\nHost: a\r\n\r\n"
                          "POST /2 HTTP/1.1\r\nHost: b\r\nContent-Length: 2\r\n\r\nhi"
                          "HEAD /3 HTTP/1.1\r\nHost: a\r\n\r\n"
                          "bytes")));
}

static void every_framing(void **state)
{
    (void)state;
#define GET   "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD_ "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n"
#define FRAMED(request, answer, after)                                                             \
    talk(request, answer, "go app:8080 for a:80\n" after, answer, request)
    FRAMED(GET, OK_HELLO, "done\nwait\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "done\nwait\n");
    FRAMED(GET, "HTTP/1.1 304 N\r\nContent-Length: 7\r\n\r\n", "done\nwait\n");
    FRAMED(HEAD_, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "done\nwait\n");
    FRAMED(GET,
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
           "5;x=\"y\"\r\nhello\r\n1\r\n!\r\n0;z\r\nA: b\r\nC: d\r\n\r\n",
           "done\nwait\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", "close\n");
    FRAMED("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", OK_HELLO, "close\n");
    FRAMED("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
           "3\r\nabc\r\n0\r\nT: v\r\n\r\n",
           OK_HELLO, "done\nwait\n");
    FRAMED("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
           "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" OK_HELLO,
           "done\nwait\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", "wait\n");
    FRAMED(GET, "HTTP/1.1 100 Continue\r\n\r\n", "wait\n");
}

static void http_1_0_persists_when_both_say_so(void **state)
{
    (void)state;
#define KEEP "Connection: keep-alive\r\n"
    talk("GET / HTTP/1.0\r\nHost: a\r\n" KEEP "\r\n",
         "HTTP/1.0 200 OK\r\n" KEEP "Content-Length: 2\r\n\r\nhi",
         "go app:8080 for a:80\ndone\nwait\n",
         "HTTP/1.0 200 OK\r\n" KEEP "Content-Length: 2\r\n\r\nhi",
         "GET / HTTP/1.0\r\nHost: a\r\n" KEEP "\r\n");
    talk("GET / HTTP/1.0\r\nHost: a\r\n" KEEP "\r\n", OK_HELLO, "go app:8080 for a:80\nclose\n",
         OK_HELLO, "GET / HTTP/1.0\r\nHost: a\r\n" KEEP "\r\n");
}

static void proxy_connection_close_is_heard(void **state)
{
    (void)state;
    talk("GET http://a/ HTTP/1.1\r\nHost: a\r\nProxy-Connection: close\r\n\r\n", NO_CONTENT,
         "go a:80 for a:80\nclose\n", NO_CONTENT, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void body_until_close(void **state)
{
    (void)state;
    t.ends[0] = true;
    FRAMED(GET, "HTTP/1.1 200 OK\r\n\r\nhello", "end\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello", "end\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello", "cut\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", "cut\n");
    FRAMED(GET, "HTTP/1.1 100 Continue\r\n\r\n", "cut\n");
}

// Without a byte the client sees what it would see without us; a head that breaks off is told.
static void server_ends_without_an_answer(void **state)
{
    (void)state;
    t.ends[0] = true;
    talk(GET, "", "go app:8080 for a:80\ncut\n", "", GET);
    talk(GET, "HTTP/1.1 20", "go app:8080 for a:80\ncut\n",
         "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 66\r\n"
         "Connection: close\r\n\r\n"
         "tapedeck: app:8080 closed the connection within its answer's head\n",
         GET);
}

static void answer_before_the_request_ends(void **state)
{
    (void)state;
#define POST4 "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n"
    t.order = SERVER_FIRST;
    FRAMED(POST4 "body", OK_HELLO, "done\nwait\n");
    FRAMED(POST4 "body", "HTTP/1.1 413 No\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
           "close\n");
    FRAMED(POST4 "bo", OK_HELLO, "wait\n");
    t.ends[0] = true;
    FRAMED(POST4 "bo", OK_HELLO, "end\n");
}

// The order in which the two sides are heard changes nothing.
static void pipelined(void **state)
{
    (void)state;
    const char *two = POST4 "body" GET, *wanted = "go app:8080 for a:80\ndone\n"
                                                  "go app:8080 for a:80\ndone\nwait\n";
    t.answers[1] = VIEW_LIT(NO_CONTENT);
    for (int order = CLIENT_FIRST; order <= BY_TURNS; order++) {
        t.order = order;
        talk(two, OK_HELLO, wanted, OK_HELLO NO_CONTENT, two);
    }
}

static void upgrade(void **state)
{
    (void)state;
#define UPGRADE "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
#define SWITCH  "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n"
    talk(UPGRADE "\x81\x01", SWITCH "\x81\x02", "go app:8080 for a:80\ntunnel\n", SWITCH "\x81\x02",
         UPGRADE "\x81\x01");
}

// Bytes that answer nothing never reach the client.
static void stray_bytes_close(void **state)
{
    (void)state;
    talk(GET GET, OK_HELLO "HTTP/1.1 200 OK\r\n", "go app:8080 for a:80\nclose\n", OK_HELLO, GET);
    t.order = SERVER_FIRST;
    talk(POST4 "body", OK_HELLO "x", "go app:8080 for a:80\nclose\n", OK_HELLO, "");
}

static void answer_with_faults_closes(void **state)
{
    (void)state;
    FRAMED(GET, "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", "close\n");
    FRAMED(GET, "HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 2\r\n\r\nhi", "close\n");
    FRAMED(HEAD_, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n", "close\n");
}

static void broken_answer_is_502(void **state)
{
    (void)state;
#define TWO_LENGTHS "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhix"
    talk(GET, TWO_LENGTHS, "go app:8080 for a:80\nbad\n",
         "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 72\r\n"
         "Connection: close\r\n\r\n"
         "tapedeck: the answer of app:8080 cannot be relayed: two content-lengths\n",
         GET);
    talk(GET, "HTTP/1.1 100 C\r\n\r\nICY 200 OK\r\n\r\n", "go app:8080 for a:80\nbad\n",
         "HTTP/1.1 100 C\r\n\r\n"
         "HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\nContent-Length: 75\r\n"
         "Connection: close\r\n\r\n"
         "tapedeck: the answer of app:8080 cannot be relayed: it is no HTTP/1 answer\n",
         GET);
    // Once the answer has begun, its end is all that can be said.
    talk(GET, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nx",
         "go app:8080 for a:80\nbad\n",
         "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n", GET);
}

static void broken_request_body_is_400(void **state)
{
    (void)state;
#define CHUNKED_POST "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    talk(CHUNKED_POST "0x5\r\nhello\r\n", "", "go app:8080 for a:80\nbad\n",
         "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: 58\r\n"
         "Connection: close\r\n\r\n"
         "tapedeck: bad request: broken chunked framing of the body\n",
         CHUNKED_POST "0");
}

static void long_answer_head_is_502(void **state)
{
    static char text[6000];
    (void)state;
    snprintf(text, sizeof text, "HTTP/1.1 200 OK\r\nA: %04500d\r\n\r\n", 1);
    t.client = VIEW_LIT(GET);
    t.answers[0] = view_of(text);
    talk_everywhere(&t);
    assert_true(view_eq(buf_view(&t.log), VIEW_LIT("go app:8080 for a:80\nbad\n")));
    assert_true(view_starts(buf_view(&t.to_client), VIEW_LIT("HTTP/1.1 502 ")));
}

// A refusal: the status line, and a word of the line that explains it.
static void refused(const char *client, const char *reason, const char *status, const char *word)
{
    char log[200];
    snprintf(log, sizeof log, "refuse %s recorded\n", reason);
    t.client = view_of(client);
    talk_everywhere(&t);
    struct view said = buf_view(&t.to_client);
    if (!view_eq(buf_view(&t.log), view_of(log)) || !view_starts(said, view_of(status)) ||
        !memmem(said.p, said.n, word, strlen(word)))
        fail_msg("%s: %.*s %.*s", client, (int)buf_len(&t.log), buf_view(&t.log).p, (int)said.n,
                 said.p);
    assert_int_equal(buf_len(&t.to_server), 0);
    assert_true(view_starts(t.client, buf_view(&t.recorded)));
}

static void forward_refusals(void **state)
{
    (void)state;
    refused(GET, "bad-target", "HTTP/1.1 400 ", "this is a proxy");
    refused("GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "proxy");
    refused("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "proxy");
    refused("GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 501 ",
            "CONNECT HOST:PORT");
    refused("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 501 ", "http");
    refused("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "HOST");
    refused("GET http://a:0/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "HOST");
    refused("GET http://::1/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "HOST");
    refused("GET http://a@b@c/ HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "HOST");
    refused("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ",
            "CONNECT wants HOST:PORT");
    refused("CONNECT u@a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "bad-target", "HTTP/1.1 400 ", "CONNECT");
    refused("CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "ambiguous-framing",
            "HTTP/1.1 400 ", "CONNECT with a body");
    refused("\x16\x03\x01\x02", "tls-to-http", "HTTP/1.1 400 ", "no TLS");
    refused("\x05\x01\x02", "socks-to-http", "HTTP/1.1 400 ", "not SOCKS");
    refused("hello\r\n", "not-http", "HTTP/1.1 400 ", "no HTTP request");
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http-version", "HTTP/1.1 505 ", "HTTP/1.1 only");
    refused("GET / HTTP/1.1 \r\n\r\n", "bad-head", "HTTP/1.1 400 ", "bad request line");
}

static void ambiguous_heads_are_400(void **state)
{
    (void)state;
    refused("GET / HTTP/1.1\nHost: a\n\n", "ambiguous-framing", "HTTP/1.1 400 ", "CRLF");
    refused("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "ambiguous-framing", "HTTP/1.1 400 ", "content-length with transfer-encoding");
    refused("GET / HTTP/1.1\r\n\r\n", "bad-head", "HTTP/1.1 400 ", "host");
    refused("GET / HTTP/3.0\r\n\r\n", "http-version", "HTTP/1.1 505 ", "HTTP/1.1 only");
}

// Only the refused head is kept for the capture, not what came behind it.
static void refused_head_is_recorded(void **state)
{
    (void)state;
    t.client = VIEW_LIT("GET / HTTP/1.1\r\n\r\nnext");
    talk_run(&t);
    assert_true(view_eq(buf_view(&t.recorded), VIEW_LIT("GET / HTTP/1.1\r\n\r\n")));
}

// After the first request the connection speaks HTTP: nothing passes unread any more.
static void garbage_behind_an_exchange(void **state)
{
    (void)state;
    t.client = VIEW_LIT(GET "\x16\x03");
    t.answers[0] = VIEW_LIT(NO_CONTENT);
    talk_everywhere(&t);
    assert_true(view_eq(buf_view(&t.log),
                        VIEW_LIT("go app:8080 for a:80\ndone\nrefuse tls-to-http recorded\n")));
}

static void head_has_a_limit(void **state)
{
    static char text[6000];
    (void)state;
    int n = snprintf(text, sizeof text, "GET / HTTP/1.1\r\nHost: a\r\nA: %04000d\r\n", 1);
    snprintf(text + n, sizeof text - (size_t)n, "B: %0*d\r\n\r\n", 4096 - n - 7, 1);
    assert_int_equal(strlen(text), 4096);
    t.client = view_of(text);
    t.answers[0] = VIEW_LIT(NO_CONTENT);
    talk_everywhere(&t);
    assert_true(talk_was(&t, "go app:8080 for a:80\ndone\nwait\n", VIEW_LIT(NO_CONTENT), t.client));
    snprintf(text + n, sizeof text - (size_t)n, "B: %0*d\r\n\r\n", 4097 - n - 7, 1);
    refused(text, "head-too-large", "HTTP/1.1 431 ", "4096 bytes");
    memset(text, 'x', 5000);
    refused(text, "head-too-large", "HTTP/1.1 431 ", "4096 bytes");
}

static void dial(const char *client, int error, const char *wanted)
{
    t.client = view_of(client);
    t.dial_error = error;
    talk_everywhere(&t);
    assert_true(view_starts(buf_view(&t.to_client), VIEW_LIT("HTTP/1.1 ")));
    struct view said = view_from(buf_view(&t.to_client), sizeof "HTTP/1.1 " - 1);
    const char *body = memmem(said.p, said.n, "\r\n\r\n", 4);
    char text[600];
    assert_non_null(body);
    snprintf(text, sizeof text, "%.3s %.*s", said.p, (int)(said.p + said.n - body - 4), body + 4);
    assert_string_equal(text, wanted);
}

static void dial_failures_are_told(void **state)
{
    (void)state;
#define ABS     "GET http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n"
#define CAN_NOT "tapedeck: cannot connect to b.example:80: "
    dial(ABS, E_NOTFOUND, "502 " CAN_NOT "host not found\n");
    dial(ABS, E_REFUSED, "502 " CAN_NOT "connection refused\n");
    dial(ABS, E_UNREACHABLE, "502 " CAN_NOT "no route to it\n");
    dial(ABS, E_TIMEOUT, "504 " CAN_NOT "timed out\n");
    dial(ABS, E_LOOP, "508 " CAN_NOT "that would lead back to this proxy\n");
    dial(ABS, E_NOMEM, "503 " CAN_NOT "out of memory\n");
    dial("CONNECT b.example:80 HTTP/1.1\r\nHost: a\r\n\r\n", E_REFUSED,
         "502 " CAN_NOT "connection refused\n");
    dial("HEAD http://b.example/ HTTP/1.1\r\nHost: a\r\n\r\n", E_NOTFOUND, "502 ");
}

// The parts of the contract that a talk does not reach.
static void answer_details(void **state)
{
    _Alignas(16) char f[4096] = {0};
    struct front_out out = {.to_client = &t.own_client, .to_server = &t.own_server};
    struct view in = VIEW_LIT("GET http://b/ HTTP/1.1\r\nHost: b\r\n\r\n");
    size_t used, n;
    (void)state;
    front_http.init(f, &t.conf);
    // Before the first request: bytes of the server answer nothing.
    assert_int_equal(front_http.pass(f, S2C, in, &n), PASS_CLOSE);
    assert_int_equal(n, 0);
    assert_int_equal(front_http.feed(f, in, &used, &out), FRONT_GO);
    assert_int_equal(used, in.n);
    assert_int_equal(front_http.answer(f, E_REFUSED, NULL, "127.0.0.1:80 \r\n\x80", &t.to_client),
                     0);
    assert_non_null(memmem(t.to_client.p, t.to_client.n, "refused (127.0.0.1:80 ??\x3f)\n", 27));
    buf_reset(&t.to_client);
    assert_int_equal(front_http.answer(f, 0, NULL, NULL, &t.to_client), 0);
    assert_int_equal(buf_len(&t.to_client), 0);
    assert_int_equal(front_http.answer(f, E_RESET, NULL, NULL, &t.to_client), 0);
    assert_int_equal(buf_len(&t.to_client), 0);
    assert_int_equal(front_http.answer(f, E_TIMEOUT, NULL, NULL, &t.to_client), 0);
    assert_true(view_starts(buf_view(&t.to_client), VIEW_LIT("HTTP/1.1 504 ")));
    buf_reset(&t.to_client);
    // With the answer under way nothing can be said.
    assert_int_equal(front_http.pass(f, S2C, VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n"), &n), PASS_MORE);
    assert_int_equal(front_http.answer(f, E_TIMEOUT, NULL, NULL, &t.to_client), 0);
    assert_int_equal(buf_len(&t.to_client), 0);
    front_http.clear(f);
}

// A client that keeps the rest of its request to itself is told so.
static void request_timeout(void **state)
{
    _Alignas(16) char f[4096] = {0};
    struct front_out out = {.to_client = &t.own_client, .to_server = &t.own_server};
    struct view in = VIEW_LIT(POST4);
    size_t used, n;
    (void)state;
    front_http.init(f, &t.conf);
    assert_int_equal(front_http.feed(f, in, &used, &out), FRONT_GO);
    assert_int_equal(used, 0);
    assert_int_equal(front_http.answer(f, 0, NULL, NULL, &t.to_client), 0);
    assert_int_equal(front_http.pass(f, C2S, VIEW_LIT(POST4 "bo"), &n), PASS_MORE);
    assert_int_equal(front_http.answer(f, E_TIMEOUT, NULL, NULL, &t.to_client), 0);
    assert_true(view_starts(buf_view(&t.to_client), VIEW_LIT("HTTP/1.1 408 ")));
}

// Whichever allocation fails: the flow ends, and nobody hears half of something.
static void out_of_memory(void **state)
{
    static const char *const clients[] = {ABS, "CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", GET};
    (void)state;
    t.answers[0] = VIEW_LIT(NO_CONTENT);
    for (size_t i = 0; i < sizeof clients / sizeof *clients; i++) {
        bool failed = true;
        t.client = view_of(clients[i]);
        for (long at = 0; failed; at++) {
            alloc_fail_at(at);
            talk_run(&t);
            failed = alloc_fail_end();
            struct view said = buf_view(&t.to_client);
            if (!failed)
                break;
            assert_int_equal(buf_len(&t.to_server), 0);
            assert_true(said.n == 0 || view_starts(said, VIEW_LIT("HTTP/1.1 ")));
            assert_true(said.n == 0 || said.p[said.n - 1] == '\n');
            assert_null(memmem(t.log.p, t.log.n, "done", 4));
        }
    }
}

#define FORWARD(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define REVERSE(name) cmocka_unit_test_setup_teardown(name, setup_reverse, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        FORWARD(absolute_to_origin_form),
        FORWARD(user_information_is_dropped),
        FORWARD(host_is_added_to_1_0),
        REVERSE(reverse_is_exact),
        REVERSE(reverse_never_goes_elsewhere),
        REVERSE(reverse_lets_others_pass),
        FORWARD(connect_opens_a_tunnel),
        FORWARD(several_hosts_on_one_connection),
        REVERSE(every_framing),
        REVERSE(http_1_0_persists_when_both_say_so),
        FORWARD(proxy_connection_close_is_heard),
        REVERSE(body_until_close),
        REVERSE(server_ends_without_an_answer),
        REVERSE(answer_before_the_request_ends),
        REVERSE(pipelined),
        REVERSE(upgrade),
        REVERSE(stray_bytes_close),
        REVERSE(answer_with_faults_closes),
        REVERSE(broken_answer_is_502),
        REVERSE(broken_request_body_is_400),
        REVERSE(long_answer_head_is_502),
        FORWARD(forward_refusals),
        REVERSE(ambiguous_heads_are_400),
        REVERSE(refused_head_is_recorded),
        REVERSE(garbage_behind_an_exchange),
        REVERSE(head_has_a_limit),
        FORWARD(dial_failures_are_told),
        FORWARD(answer_details),
        REVERSE(request_timeout),
        FORWARD(out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
