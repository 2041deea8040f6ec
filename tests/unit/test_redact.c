// Redaction: no secret reaches the next sink, everything else does as it was, and bytes are
// counted.
#include "proxy/emit/redact.h"
#include "tests/support/alloc.h"
#include "tests/support/ear.h"
#include "tests/support/speak.h"
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static const unsigned char key[32] = "this is the key of all the tests";
static struct redact *redact;
static struct speak speak;
static struct ear ear;
static char why[WHY_MAX];

static void begin(const char *rules)
{
    redact = redact_new(rules, key, ear_begin(&ear), why);
    if (!redact)
        fail_msg("%s", why);
    speak_open(&speak, redact_sink(redact), STAGE_BEGIN);
}

static void end(void)
{
    speak_close(&speak);
    // Whatever was done to the content, each wire byte was told of once.
    assert_int_equal(ear.wire[C2S], ear.relayed[C2S]);
    assert_int_equal(ear.wire[S2C], ear.relayed[S2C]);
    redact_free(redact);
    ear_end(&ear);
}

// The tag that a value becomes; static memory, some at a time.
static const char *tag(const char *value)
{
    static char texts[8][64];
    static int i;
    struct redact *r = redact_new("header:x", key, ear_begin(&ear), why);
    struct speak s;
    char head[300], *text = texts[i++ % 8];

    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nX: %s\r\n\r\n", value);
    speak_open(&s, redact_sink(r), STAGE_BEGIN);
    speak_head(&s, 0, head);
    const char *at = strstr(ear.head[C2S], "redacted:");
    assert_non_null(at);
    snprintf(text, 64, "%.25s", at);
    speak_close(&s);
    redact_free(r);
    ear_end(&ear);
    return text;
}

static void test_tags(void **state)
{
    (void)state;
    assert_string_equal(tag("one"), tag("one"));
    assert_string_not_equal(tag("one"), tag("two"));
    assert_int_equal(strlen(tag("one")), 25);
    assert_int_equal(strspn(tag("one") + 9, "0123456789abcdef"), 16);
}

static void test_rules(void **state)
{
    static const char *const good[] = {"none",
                                       "default",
                                       " default , query:token",
                                       "none,header:X-Key",
                                       "header:a,header:A,json:$.a,json:$.A",
                                       "json:$.a.b,json:$.a[*].b,json:$..b,json:$[0].x",
                                       "HEADER:x,Query:y"};
    static const struct {
        const char *rules, *why;
    } bad[] = {
        {"", "a rule is missing"},
        {"default,", "a rule is missing"},
        {"cookies", "no such rule"},
        {"header:", "a name is missing"},
        {"header:a b", "no header has that name"},
        {"query:", "a name is missing"},
        {"json:a", "a path is $"},
        {"json:$", "a path is $"},
        {"json:$a", "a step begins with"},
        {"json:$.", "a name is missing behind ."},
        {"json:$..", "a name is missing behind ."},
        {"json:$.a..", "a name is missing behind ."},
        {"json:$[", "brackets hold"},
        {"json:$[]", "brackets hold"},
        {"json:$[x]", "brackets hold"},
        {"json:$.a]", "a step begins with"},
        {"json:$.a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q.r.s.t.u.v.w.x.y.z.a.b.c.d.e.f", "31 steps"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        begin(good[i]);
        end();
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(redact_new(bad[i].rules, key, ear_begin(&ear), why));
        if (!strstr(why, bad[i].why))
            fail_msg("%s: %s", bad[i].rules, why);
        ear_end(&ear);
    }
    char many[2000] = "header:x0";
    for (int i = 1; i < 65; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), ",header:x%d", i);
    assert_null(redact_new(many, key, ear_begin(&ear), why));
    assert_non_null(strstr(why, "64 rules"));
    ear_end(&ear);
    struct sink *next = ear_begin(&ear);
    redact = redact_new("none", key, next, why);
    assert_ptr_equal(redact_sink(redact), next);
    redact_free(redact);
    ear_end(&ear);
}

// What a head becomes under some rules, written with {value} for the tag of value.
static void expect_head(const char *rules, const char *in, const char *out)
{
    char expected[4000];
    size_t n = 0;

    for (const char *p = out; *p;) {
        char value[200];
        size_t len = 0;
        if (*p != '{') {
            expected[n++] = *p++;
            continue;
        }
        while (*++p != '}')
            value[len++] = *p;
        p++;
        value[len] = '\0';
        n += (size_t)snprintf(expected + n, sizeof expected - n, "%s", tag(value));
    }
    expected[n] = '\0';
    begin(rules);
    speak_head(&speak, 0, in);
    enum dir dir = strncmp(in, "HTTP/", 5) == 0 ? S2C : C2S;
    assert_string_equal(ear.head[dir], expected);
    // What was left out is what is not there any more.
    size_t tags = 0;
    for (const char *p = expected; (p = strstr(p, "redacted:")); p++)
        tags++;
    assert_int_equal(ear.omitted[dir], strlen(in) + 25 * tags - strlen(expected));
    // The parsed form says the same as the bytes.
    if (ear.had_http) {
        struct http_head *again = malloc(sizeof *again);
        size_t used;
        assert_int_equal(http_head_parse(view_of(expected), 0, dir == C2S, again, &used), 0);
        assert_int_equal(again->count, ear.http.count);
        for (size_t i = 0; i < again->count; i++)
            assert_true(view_eq(again->headers[i].value, ear.http.headers[i].value));
        assert_true(view_eq(again->target, ear.http.target));
        free(again);
    }
    end();
}

static void test_headers(void **state)
{
    (void)state;
    expect_head("default", "GET /?token=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n",
                "GET /?token=1 HTTP/1.1\r\nHost: h\r\nAccept: */*\r\n\r\n");
    expect_head("default",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer abc.def\r\nA: b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {abc.def}\r\nA: b\r\n\r\n");
    expect_head(
        "default",
        "GET / HTTP/1.1\r\nHost: h\r\nPROXY-AUTHORIZATION:Basic   YWxh ZGRpbg== \r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nPROXY-AUTHORIZATION:Basic   {YWxh ZGRpbg==} \r\n\r\n");
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: my secret\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {my secret}\r\n\r\n");
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: {Bearer}\r\n\r\n");
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuthorization:\r\nCookie: \r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization:\r\nCookie: \r\n\r\n");
    expect_head(
        "default", "GET / HTTP/1.1\r\nHost: h\r\nCookie: a=1; b=two=2;c;; d=\"q\" ;e=\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: h\r\nCookie: a={1}; b={two=2};{c};; d={\"q\"} ;e=\r\n\r\n");
    expect_head(
        "default",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Path=/; HttpOnly\r\nset-cookie: bare\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a={1}; Path=/; HttpOnly\r\nset-cookie: {bare}\r\n\r\n");
    expect_head(
        "default",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Wed, 21 Oct 2015 07:28:00 GMT, b=2; Path=/"
        "\r\nSet-Cookie: ;c=3;Secure\r\n\r\n",
        "HTTP/1.1 200 OK\r\nSet-Cookie: a={1}; Expires=Wed, 21 Oct 2015 07:28:00 GMT, b={2}; "
        "Path=/\r\nSet-Cookie: ;c={3};Secure\r\n\r\n");
    expect_head("header:x-key", "GET / HTTP/1.1\r\nHost: h\r\nX-Key: a b; c\r\nx-key:d\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nX-Key: {a b; c}\r\nx-key:{d}\r\n\r\n");
    expect_head("header:x-key", "HTTP/1.0 404 No\r\nX-Keys: 1\r\nX-Ke: 2\r\nX-Kez: 3\r\n\r\n",
                "HTTP/1.0 404 No\r\nX-Keys: 1\r\nX-Ke: 2\r\nX-Kez: 3\r\n\r\n");
}

// What a strict reader does not count as a header may be one for another reader.
static void test_odd_heads(void **state)
{
    (void)state;
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuthorization : Basic x\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization : Basic {x}\r\n\r\n");
    expect_head("header:x", "GET / HTTP/1.1\r\nHost: h\r\nX: one\r\n  two\r\nY: z\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nX: {one\r\n  two}\r\nY: z\r\n\r\n");
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuthorization:\r\n Basic x\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuthorization:\r\n Basic {x}\r\n\r\n");
    expect_head("header:x", "GET / HTTP/1.1\nHost: h\nX: one\nY: z\n\n",
                "GET / HTTP/1.1\nHost: h\nX: {one}\nY: z\n\n");
    expect_head("header:x", "GET / HTTP/1.1\r\nHost: h\rX: one\r\nX: tw\ro\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\rX: {one}\r\nX: {tw\ro}\r\n\r\n");
    expect_head("header:x", "\r\nGET / HTTP/1.1\r\nHost: h\r\n X: one\r\nno colon\r\n\r\n",
                "\r\nGET / HTTP/1.1\r\nHost: h\r\n X: {one}\r\nno colon\r\n\r\n");
    expect_head("header:x-key", "GET / HTTP/1.1\r\nX-Key s\r\n\vX-Key: t\r\nX-Key\r: u\r\n\r\n",
                "GET / HTTP/1.1\r\nX-Key {s}\r\n\vX-Key{: t}\r\nX-Key\r{: u}\r\n\r\n");
    // A reader that passes over what no name may hold sees the name.
    expect_head("default", "GET / HTTP/1.1\r\nHost: h\r\nAuth\x01orization: s\r\nA: b\r\n\r\n",
                "GET / HTTP/1.1\r\nHost: h\r\nAuth\x01orization{: s}\r\nA: b\r\n\r\n");
    expect_head("header:x-key",
                "GET / HTTP/1.1\r\nX-\rK\xff\x7f\r"
                "ey: s\rt: u\r\nX\x01Y: t\r\n\r\n",
                "GET / HTTP/1.1\r\nX-\rK\xff\x7f\r"
                "ey{: s\rt: u}\r\nX\x01Y: t\r\n\r\n");
    char many[8000] = "GET / HTTP/1.1\r\nHost: h\r\n";
    for (int i = 0; i < 300; i++)
        snprintf(many + strlen(many), sizeof many - strlen(many), "A: %d\r\n", i);
    snprintf(many + strlen(many), sizeof many - strlen(many), "X: hidden\r\n\r\n");
    begin("header:x");
    speak_head(&speak, 0, many);
    assert_null(strstr(ear.head[C2S], "hidden"));
    end();
}

// Credentials in URLs are credentials.
static void test_userinfo(void **state)
{
    (void)state;
    expect_head("default", "GET http://u:p@h/a@b?c@d HTTP/1.1\r\nHost: u:p@h\r\n\r\n",
                "GET http://{u:p}@h/a@b?c@d HTTP/1.1\r\nHost: {u:p}@h\r\n\r\n");
    expect_head("default", "CONNECT u:p@h:443 HTTP/1.1\r\nHost: h\r\n\r\n",
                "CONNECT {u:p}@h:443 HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_head("default", "GET //a@b HTTP/1.1\r\nHost: h\r\nReferer: https://u@p@h\r\n\r\n",
                "GET //a@b HTTP/1.1\r\nHost: h\r\nReferer: https://{u@p}@h\r\n\r\n");
    expect_head("default", "HTTP/1.1 302 Found\r\nLocation: //u:p@h/a\r\n\r\n",
                "HTTP/1.1 302 Found\r\nLocation: //{u:p}@h/a\r\n\r\n");
    expect_head("default", "HTTP/1.1 302 Found\r\nLocation: me@home/a\r\n\r\n",
                "HTTP/1.1 302 Found\r\nLocation: me@home/a\r\n\r\n");
    expect_head("default,query:t", "GET http://u;t=1:p@h/;t=2@3 HTTP/1.1\r\nHost: h\r\n\r\n",
                "GET http://{u;t=1:p}@h/;t={2@3} HTTP/1.1\r\nHost: h\r\n\r\n");
    expect_head("query:t", "GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n",
                "GET http://u:p@h/ HTTP/1.1\r\nHost: h\r\n\r\n");
}

static void test_query(void **state)
{
    (void)state;
    expect_head(
        "query:token,query:b c",
        "GET /p?a=1&token=s&b=2&token=&token&TOKEN=t;b+c=3&%74oken=u&tokens=4 HTTP/1.1\r\n\r\n",
        "GET /p?a=1&token={s}&b=2&token=&token&TOKEN={t;b+c=3}&%74oken={u}&tokens=4 "
        "HTTP/1.1\r\n\r\n");
    // Some readers part parameters at ';' too, others take it for a part of the value.
    expect_head("query:t,query:u", "GET /?t=1;SECRET2&b=1;u=2;t=3&c?t=4#t=5&d=6 HTTP/1.1\r\n\r\n",
                "GET /?t={1;SECRET2}&b=1;u={2;t=3}&c?t={4#t=5}&d=6 HTTP/1.1\r\n\r\n");
    expect_head("query:t", "HTTP/1.1 302 Found\r\nLocation: /?t=5;6#t=7;8#9&a#b\r\n\r\n",
                "HTTP/1.1 302 Found\r\nLocation: /?t={5;6}#t={7;8}#9&a#b\r\n\r\n");
    expect_head(
        "query:t",
        "GET http://h/?t=1 HTTP/1.1\r\nHost: h\r\nReferer: http://x/?t=2&u=3#t=4\r\n\r\n",
        "GET http://h/?t={1} HTTP/1.1\r\nHost: h\r\nReferer: http://x/?t={2}&u=3#t={4}\r\n\r\n");
    expect_head("query:t", "HTTP/1.1 302 Found\r\nLocation: /a#t=5\r\nLink: </?t=6>\r\n\r\n",
                "HTTP/1.1 302 Found\r\nLocation: /a#t={5}\r\nLink: </?t={6>}\r\n\r\n");
    expect_head(
        "query:t", "GET /?t[]=1&t[a]=2&t%5b%5d=3&ta[]=4&+t=5&%20t=6&t%00=7 HTTP/1.1\r\n\r\n",
        "GET /?t[]={1}&t[a]={2}&t%5b%5d={3}&ta[]=4&+t={5}&%20t={6}&t%00={7} HTTP/1.1\r\n\r\n");
    expect_head("query:t", "GET /a;t=1/b HTTP/1.1\r\n\r\n", "GET /a;t={1/b} HTTP/1.1\r\n\r\n");
    expect_head("query:t", "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
                "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n");
    begin("query:token");
    speak_head(&speak, 0, "GET /?token=;SECRET1;SECRET2#SECRET3 HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_memory_equal(ear.query, "token=redacted:", 15);
    assert_int_equal(strlen(ear.query), 6 + 25);
    end();
    begin("query:token");
    speak_head(&speak, 0, "GET /p?a=1&token=s HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_string_equal(ear.path, "/p");
    assert_memory_equal(ear.query, "a=1&token=redacted:", 19);
    assert_int_equal(ear.omitted[C2S], 1);
    assert_string_equal(ear.what, "query:token ");
    speak_linked(&speak, 0, 5, "hit"); // is passed on
    assert_int_equal(ear.original, 5);
    assert_string_equal(ear.outcome, "hit");
    end();
    begin("query:t");
    speak_head(&speak, 0, "GET /a#t=SECRET HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_memory_equal(ear.path, "/a#t=redacted:", 14);
    assert_null(strstr(ear.head[C2S], "SECRET"));
    end();
    begin("header:host");
    speak_head(&speak, 0, "GET / HTTP/1.1\r\nHost: secret.example\r\n\r\n");
    assert_memory_equal(ear.host, "redacted:", 9);
    end();
}

static void test_trailers(void **state)
{
    (void)state;
    begin("header:x-sum");
    speak_head(&speak, 0, STAGE_OK);
    speak_body(&speak, 0, S2C, VIEW_LIT("hello"), 20);
    speak_end(&speak, 0, S2C, MSG_COMPLETE, "X-Sum: 99\r\nOther: 1\r\n", 23);
    assert_memory_equal(ear.trailers[S2C], "X-Sum: redacted:", 16);
    assert_string_equal(ear.trailers[S2C] + 32, "\r\nOther: 1\r\n");
    assert_int_equal(ear.omitted[S2C], 2);
    end();
}

// ---- bodies

#define JSON "HTTP/1.1 200 OK\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"

static void body_in(const char *head, struct view body, size_t step)
{
    speak_head(&speak, 0, head);
    for (size_t at = 0; at < body.n; at += step) {
        struct view now = view_head(view_from(body, at), step);
        speak_body(&speak, 0, S2C, now, now.n + 2);
    }
    speak_end(&speak, 0, S2C, MSG_COMPLETE, "", 5);
    speak_txn_end(&speak, 0, "");
}

// In and out as above, out with {value}; NULL: it is left out.
static void expect_json(const char *rules, const char *in, const char *out)
{
    char expected[4000];
    size_t n = 0;
    unsigned tags = 0;

    for (const char *p = out ? out : ""; *p;) {
        char value[200];
        size_t len = 0;
        if (*p != '<') {
            expected[n++] = *p++;
            continue;
        }
        while (*++p != '>')
            value[len++] = *p;
        p++;
        value[len] = '\0';
        n += (size_t)snprintf(expected + n, sizeof expected - n, "\"%s\"", tag(value));
        tags++;
    }
    expected[n] = '\0';
    for (size_t step = 1; step <= strlen(in) + 1; step = step < 3 ? step + 1 : step * 2) {
        begin(rules);
        body_in(JSON, view_of(in), step);
        if (!out) {
            assert_int_equal(ear.content_n[S2C], 0);
            assert_int_equal(ear.withheld[S2C], strlen(in));
            assert_int_equal(ear.lost[S2C], strlen(in) + 2 * ((strlen(in) + step - 1) / step));
            assert_non_null(strstr(ear.what, "json ("));
        } else {
            ear.content[S2C][ear.content_n[S2C]] = '\0';
            assert_string_equal(ear.content[S2C], expected);
            assert_int_equal(ear.omitted[S2C], strlen(in) + 27 * tags - strlen(expected));
            assert_int_equal(ear.lost[S2C], 0);
        }
        end();
    }
}

static void test_json(void **state)
{
    (void)state;
    expect_json("json:$.pw", "{\"user\": \"ann\", \"pw\" : \"s3cret\", \"n\": 1.50}",
                "{\"user\": \"ann\", \"pw\" : <s3cret>, \"n\": 1.50}");
    expect_json("json:$.pw", "{\"a\":{\"pw\":1}}", "{\"a\":{\"pw\":1}}");
    expect_json("json:$..pw", "{\"a\":{\"pw\":1},\"pw\":[1,{\"pw\":2}],\"x\":[{\"pw\":\"z\"}]}",
                "{\"a\":{\"pw\":<1>},\"pw\":<[1,{\"pw\":2}]>,\"x\":[{\"pw\":<z>}]}");
    expect_json("json:$.a[*].b,json:$[1]",
                "{\"a\":[{\"b\":true,\"c\":2},{\"b\":null},7,[{\"b\":1}]]}",
                "{\"a\":[{\"b\":<true>,\"c\":2},{\"b\":null},7,[{\"b\":1}]]}");
    expect_json("json:$[1]", "[ 1 , 2 , 3 ]", "[ 1 , <2> , 3 ]");
    expect_json("json:$[*].k", "[{\"k\":-1.5e+3},{},[],{\"k\":{}},{\"k\":[]}]",
                "[{\"k\":<-1.5e+3>},{},[],{\"k\":<{}>},{\"k\":<[]>}]");
    expect_json("json:$..a..b", "{\"b\":1,\"a\":{\"x\":[{\"b\":2}]}}",
                "{\"b\":1,\"a\":{\"x\":[{\"b\":<2>}]}}");
    // Escapes hide neither names nor equality.
    expect_json("json:$.pw", "{\"p\\u0077\":\"s\\u0033cret\"}", "{\"p\\u0077\":<s3cret>}");
    expect_json("json:$.\xc3\xa4", "{\"\\u00e4\":\"\\ud83d\\ude00\\t\\\"\"}",
                "{\"\\u00e4\":<\xf0\x9f\x98\x80\t\">}");
    // Twice the same name: both.
    expect_json("json:$.a", "{\"a\":1,\"a\":2}", "{\"a\":<1>,\"a\":<2>}");
    // Several texts, one behind the other.
    expect_json("json:$.a", "{\"a\":1}\n{\"a\":2}\n", "{\"a\":<1>}\n{\"a\":<2>}\n");
    expect_json("json:$.a", "  \n ", "  \n ");
    expect_json("json:$.a", "\"just text\"", "\"just text\"");
    expect_json("json:$.a", "\xef\xbb\xbf{\"a\":1}", "\xef\xbb\xbf{\"a\":<1>}");
}

static void test_not_json(void **state)
{
    static const char *const bad[] = {
        "{",     "{\"a\"",    "{\"a\":", "{\"a\":1",   "{\"a\":1,}", "{a:1}",   "[1,]",
        "[1 2]", "{\"a\" 1}", "nul",     "tru",        "01",         "-",       "1.",
        "1e",    "\"\x01\"",  "\"\\x\"", "\"\\u12\"",  "\"a",        "'a'",     "[}",
        "{]",    "{\"a\":1]", "[1}",     "{\"a\":1}}", "<html>",     "\"\\ud8", "{\"a\":1,2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_json("json:$.a", bad[i], NULL);
    char deep[400];
    for (int depth = 129; depth <= 130; depth++) { // the innermost is empty
        memset(deep, '[', (size_t)depth);
        memset(deep + depth, ']', (size_t)depth);
        deep[2 * depth] = '\0';
        expect_json("json:$.a", deep, depth == 129 ? deep : NULL);
    }
}

// ---- all together

static void story(struct speak *t)
{
    speak_head(t, 0,
               "GET /?t=query%20secret HTTP/1.1\r\nHost: h\r\nCookie: id=cookie-secret\r\n\r\n");
    speak_end(t, 0, C2S, MSG_COMPLETE, "", 0);
    speak_head(t, 0, JSON);
    speak_body(t, 0, S2C, VIEW_LIT("{\"a\":1,\"pw\":"), 12);
    speak_body(t, 0, S2C, VIEW_LIT("\"body\\u002dsecret\"}"), 21);
    speak_end(t, 0, S2C, MSG_COMPLETE, "Authorization: trailer-secret\r\n", 33);
    speak_txn_end(t, 0, "");
    speak_head(t, 1, "POST / HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\n\r\n");
    speak_body(t, 1, C2S, VIEW_LIT("body-secret"), 20);
    speak_end(t, 1, C2S, MSG_COMPLETE, "", 0);
    speak_txn_end(t, 1, "");
    struct sink_msg m = {.n = 2, .protocol = "raw", .as_parts = true, .unreadable = true};
    m.at_us = t->now_us;
    if (t->flow)
        t->flow->ops->msg_begin(t->flow, &m);
    speak_body(t, 2, C2S, VIEW_LIT("GET / HTTP/1.1\r\nCookie: secret"), 30);
    speak_body(t, 2, C2S, VIEW_LIT("secret"), 6);
    speak_end(t, 2, C2S, MSG_CUT, "", 0);
    speak_txn_end(t, 2, "");
}

static void test_into_the_capture(void **state)
{
    for (long i = -1, failed = 1; failed; i++) {
        stage_set_up(state);
        redact = redact_new("default,query:t,json:$..pw", key, emitter_sink(stage.emitter), why);
        assert_non_null(redact);
        alloc_fail_at(i < 0 ? 1000000 : i);
        speak_open(&speak, redact_sink(redact), STAGE_BEGIN);
        story(&speak);
        speak_close(&speak);
        failed = alloc_fail_end() || i < 0;
        speak_close(&stage.speak);
        redact_free(redact);
        stage_drain();
        for (size_t t = 0; t < stage.ledger.txns; t++) {
            const Tapedeck__Transaction *txn = stage.ledger.txn[t];
            const Tapedeck__Message *half[] = {txn->request, txn->response};
            assert_null(strstr(txn->query, "secret"));
            for (int h = 0; h < 2; h++) {
                const ProtobufCBinaryData none = {0, NULL};
                const ProtobufCBinaryData all[] = {half[h] ? half[h]->head : none,
                                                   half[h] ? half[h]->body : none,
                                                   half[h] ? half[h]->trailers : none};
                for (int k = 0; k < 3; k++)
                    assert_true(all[k].len == 0 || !memmem(all[k].data, all[k].len, "secret", 6));
            }
        }
        if (i < 0) {
            assert_int_equal(stage.ledger.txns, 3);
            assert_int_equal(stage.ledger.losses, 1);
            assert_int_equal(stage.ledger.loss[0]->cause, TAPEDECK__CAUSE__REDACTION_FAILED);
            assert_int_equal(stage.ledger.loss[0]->lost_c2s, 20);
            const Tapedeck__Message *m = stage.ledger.txn[1]->request;
            assert_int_equal(m->body_size, 11);
            assert_int_equal(m->body_stored, 0);
            assert_string_equal(m->redacted[0], "json (encoded)");
            assert_int_equal(stage.ledger.txn[0]->request->n_redacted, 2);
            assert_int_equal(stage.ledger.parts, 0);
            m = stage.ledger.txn[2]->request;
            assert_int_equal(m->body_size, 36);
            assert_int_equal(m->body_stored, 0);
            assert_string_equal(m->redacted[0], "http (unreadable)");
            assert_int_equal(stage.ledger.txn[2]->account->omitted_c2s, 36);
            assert_int_equal(stage.ledger.txn[2]->account->stored_c2s, 0);
        }
        stage_end();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tags),     cmocka_unit_test(test_rules),
        cmocka_unit_test(test_headers),  cmocka_unit_test(test_odd_heads),
        cmocka_unit_test(test_userinfo), cmocka_unit_test(test_query),
        cmocka_unit_test(test_trailers), cmocka_unit_test(test_json),
        cmocka_unit_test(test_not_json), cmocka_unit_test_setup(test_into_the_capture, stage_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
