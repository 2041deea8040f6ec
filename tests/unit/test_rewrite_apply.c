// What rules make of requests: every kind of place, set, removed and replaced; what is not named
// stays byte for byte.
#include "tests/support/rewriting.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>
#include <zlib.h>

static void becomes(const char *rules, const char *request, const char *expected)
{
    struct rewriting r;
    char text[2000];
    const char *mark = strchr(expected, '#'), *end = strstr(expected, "\n\n");
    if (mark && end && mark < end) // the length that follows
        snprintf(text, sizeof text, "%.*s%zu%s", (int)(mark - expected), expected, strlen(end + 2),
                 mark + 1);
    else
        snprintf(text, sizeof text, "%s", expected);
    assert_string_equal(rewriting_once(&r, rules, request), text);
    rewriting_end(&r);
}

static void stays(const char *rules, const char *request)
{
    becomes(rules, request, request);
}

static void test_heads(void **state)
{
    (void)state;
    static const char get[] = "GET /a/b?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\n\n";
    becomes("set: {header x-a: '2'}", get,
            "GET /a/b?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 2\nCookie: s=1; t=2\n\n");
    becomes("set: {header x-b: 'two words'}", get,
            "GET /a/b?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\nx-b: two words\n\n");
    becomes("set: {cookie t: '3', cookie u: '4'}", get,
            "GET /a/b?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=3; u=4\n\n");
    becomes("set: {host: 'staging:81'}", get,
            "GET /a/b?x=1&y=2 HTTP/1.1\nHost: staging:81\nX-A: 1\nCookie: s=1; t=2\n\n");
    becomes("set: {method: PUT, path: /c d?}", get,
            "PUT /c%20d%3F?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\n\n");
    becomes("set: {'path[1]': 'a/b'}", get,
            "GET /a/a%2Fb?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\n\n");
    becomes("set: {query.y: 'a&b', query.z: '3'}", get,
            "GET /a/b?x=1&y=a%26b&z=3 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\n\n");
    becomes("remove: [header x-a, cookie s, query.x]", get,
            "GET /a/b?y=2 HTTP/1.1\nHost: api\nCookie: t=2\n\n");
    becomes("remove: [query.x, query.y, cookie s, cookie t]", get,
            "GET /a/b HTTP/1.1\nHost: api\nX-A: 1\n\n");
    becomes("remove: ['query.*', 'cookie *', 'header x-*']", get,
            "GET /a/b HTTP/1.1\nHost: api\n\n");
    becomes("replace: [{where: path, match: '^/(a)/', with: '/v2/\\1\\1/'}]", get,
            "GET /v2/aa/b?x=1&y=2 HTTP/1.1\nHost: api\nX-A: 1\nCookie: s=1; t=2\n\n");
    becomes("set: {query.q: x}", "GET / HTTP/1.1\n\n", "GET /?q=x HTTP/1.1\n\n");
    becomes("set: {host: b}", "GET http://a/x HTTP/1.1\nHost: a\n\n",
            "GET http://b/x HTTP/1.1\nHost: b\n\n");
    becomes("set: {cookie a: b}", "GET / HTTP/1.1\n\n", "GET / HTTP/1.1\nCookie: a=b\n\n");
    stays("remove: [header x-c, query.q, cookie q]", get);
    stays("set: {header x-a: '2'}\n", "");
}

static void test_limits(void **state)
{
    (void)state;
    struct rewriting r;
    static const char get[] = "GET / HTTP/1.1\nX: 1\n\n";
    stays("set: [{where: header x, value: y, host: other}]", get);
    stays("set: [{where: header x, value: y, method: POST}]", get);
    stays("set: {header x: {value: y, path: '/a/*'}}", get);
    becomes("set: {header x: {value: y, path: '/*', host: '*.test', method: get}}", get,
            "GET / HTTP/1.1\nX: y\n\n");
    rewriting_begin(&r, "set: {header x: {value: y, path: /no}, header y: z}");
    size_t i = 0;
    rewriting_do(&r, get);
    assert_string_equal(rewrite_unused(r.session, &i), "rules.yaml:1 set header x");
    assert_null(rewrite_unused(r.session, &i));
    assert_int_equal(rewrite_sums(r.session)->rules, 1);
    rewriting_end(&r);
}

#define JSON(text) "POST / HTTP/1.1\nContent-Type: application/json\n\n" text
#define SENT(text) "POST / HTTP/1.1\nContent-Type: application/json\nContent-Length: #\n\n" text

static void test_json(void **state)
{
    (void)state;
    becomes("set: {body.a: 'x\"y'}", JSON("{ \"a\" : \"1\",\n \"b\": [1, 2.50] }"),
            SENT("{ \"a\" : \"x\\\"y\",\n \"b\": [1, 2.50] }"));
    becomes("set: {body.a: '7'}", JSON("{\"a\": 1}"), SENT("{\"a\": 7}"));
    becomes("set: {body.a: '7'}", JSON("{\"a\": \"1\"}"), SENT("{\"a\": \"7\"}"));
    becomes("set: {body.a: x7}", JSON("{\"a\": 1}"), SENT("{\"a\": \"x7\"}"));
    becomes("set: [{where: body.a, json: '[true]'}]", JSON("{\"a\": {\"b\": 1}}"),
            SENT("{\"a\": [true]}"));
    becomes("set: {'body[*].id': '9'}", JSON("[{\"id\":1},{\"id\":22}]"),
            SENT("[{\"id\":9},{\"id\":9}]"));
    becomes("set: {body.b: '9'}", JSON("{\"a\":1}"), SENT("{\"b\":9,\"a\":1}"));
    becomes("set: {body.a.b: x}", JSON("{\"a\":{ }}"), SENT("{\"a\":{\"b\":\"x\" }}"));
    stays("set: {body.a.b: x}", JSON("{\"c\":1}"));
    becomes("remove: [body.a]", JSON("{\"a\":1, \"b\":2}"), SENT("{\"b\":2}"));
    becomes("remove: [body.b]", JSON("{\"a\":1, \"b\":2}"), SENT("{\"a\":1}"));
    becomes("remove: ['body.*']", JSON("{\"a\":1, \"b\":2}"), SENT("{}"));
    becomes("remove: ['body[0]', 'body[1]']", JSON("[1,2,3]"), SENT("[2]"));
    becomes("remove: ['body.**.x']",
            JSON("{\"a\":{\"x\":1,\"y\":2,\"z\":[{\"x\":0}]},\"b\":0,\"x\":{\"x\":1}}"),
            SENT("{\"a\":{\"y\":2,\"z\":[{}]},\"b\":0}"));
    becomes("replace: [{where: body.a, match: o, with: '0'}]", JSON("{\"a\":\"foo\\u00e9\"}"),
            SENT("{\"a\":\"f00\xc3\xa9\"}"));
    becomes("replace: [{where: body, match: '\"a\"', with: '\"b\"'}]", JSON("{\"a\":1}"),
            SENT("{\"b\":1}"));
    becomes("replace: [{where: body, match: '\"a\"', with: 'b'}]", JSON("{\"a\":1}"),
            "!rules.yaml:1 replace body: the result would be no JSON");
    becomes("set: {body: '{}'}", JSON("{\"a\":1}"), SENT("{}"));
    becomes("set: {'body[1].id': z}",
            "POST / HTTP/1.1\nContent-Type: application/x-ndjson\n\n{\"id\":1}\n{\"id\":2}\n",
            "POST / HTTP/1.1\nContent-Type: application/x-ndjson\nContent-Length: 20\n\n"
            "{\"id\":1}\n{\"id\":\"z\"}\n");
    stays("remove: [body.a]", JSON("{\"a\":1,}"));
}

static void test_other_contents(void **state)
{
    (void)state;
#define FORM "POST / HTTP/1.1\nContent-Type: application/x-www-form-urlencoded\n"
    becomes("set: {body.a: 'x y&z', body.c: '3'}", FORM "Content-Length: 7\n\na=1&b=2",
            FORM "Content-Length: 17\n\na=x+y%26z&b=2&c=3");
    becomes("remove: [body.a]", FORM "Content-Length: 7\n\na=1&b=2",
            FORM "Content-Length: 3\n\nb=2");
    becomes("replace: [{where: body, match: 'b([a-z])', with: '<\\1>'}]",
            "POST / HTTP/1.1\nContent-Length: 6\nX: 1\n\nabcabd",
            "POST / HTTP/1.1\nContent-Length: 8\nX: 1\n\na<c>a<d>");
    becomes("set: {body: hi}", "POST / HTTP/1.1\n\n", "POST / HTTP/1.1\nContent-Length: 2\n\nhi");
    becomes("set: {body.order.item.@id: '8', 'body.order.item.#text': 'a<b'}",
            "POST / HTTP/1.1\nContent-Type: text/xml\nTransfer-Encoding: chunked\n\n"
            "<?xml version='1.0'?><o:order xmlns:o='u'><item id=\"7\">x</item></o:order>",
            "POST / HTTP/1.1\nContent-Type: text/xml\nTransfer-Encoding: chunked\n\n"
            "<?xml version='1.0'?><o:order xmlns:o='u'><item id=\"8\">a&lt;b</item></o:order>");
}

static void test_multipart(void **state)
{
    (void)state;
    // Content that was too large to be brought is not taken for none.
    stays("set: {body.a: '1', body: x}", FORM "Content-Length: 99999999\n\n");
#define FIELD(name, value)                                                                         \
    "--xy\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n" value "\r\n"
#define MULTIPART(content)                                                                         \
    "POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=xy\nContent-Length: "            \
    "#\n\n" content "--xy--\r\n"
    becomes("set: {body.b: 'new value'}\nremove: [body.a]",
            "POST / HTTP/1.1\nContent-Type: multipart/form-data; boundary=xy\nContent-Length: "
            "1\n\n" FIELD("a", "1") FIELD("b", "2") FIELD("c", "3") "--xy--\r\n",
            MULTIPART(FIELD("b", "new value") FIELD("c", "3")));
}

static void test_what_cannot_be(void **state)
{
    (void)state;
    static const char get[] = "GET / HTTP/1.1\nHost: a\nX: 1\nCookie: c=1\n\n";
    becomes("set: {header x: \"a\\r\\nb\"}", get,
            "!a value for a header has a line end or another control character");
    becomes("set: {cookie c: 'a;b'}", get,
            "!a value for a cookie has a line end or another control character");
    becomes("set: {host: 'a b'}", get, "!'a b' cannot be a host");
    becomes("set: [{where: body.a, json: '{'}]", JSON("{\"a\":1}"),
            "!rules.yaml:1 set body.a: the value is no JSON");
}

static void gzipped(struct buf *out, const char *text)
{
    z_stream z = {0};
    buf_init(out, 65536);
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, 0), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = (unsigned char *)buf_room(out, 1000);
    z.avail_out = 1000;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    buf_grew(out, 1000 - z.avail_out);
    deflateEnd(&z);
}

static void test_codings(void **state)
{
    (void)state;
    struct rewriting r;
    struct buf in;
    char text[100] = "";
    struct view head = VIEW_LIT("POST / HTTP/1.1\r\nContent-Encoding: gzip\r\n"
                                "Content-Length: 1\r\n\r\n");
    gzipped(&in, "{\"a\": 1}");
    rewriting_begin(&r, "set: {body.a: '2'}");
    assert_true(rewrite_wants_content(r.session, &r.subject));
    assert_int_equal(
        rewrite_request(r.session, &r.subject, 0, head, buf_view(&in), &r.head, &r.content, r.why),
        REWRITE_HEAD | REWRITE_CONTENT);
    z_stream z = {.next_in = (unsigned char *)r.content.p,
                  .avail_in = (unsigned)r.content.n,
                  .next_out = (unsigned char *)text,
                  .avail_out = sizeof text};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    inflateEnd(&z);
    assert_string_equal(text, "{\"a\": 2}");
    char expected[200];
    snprintf(expected, sizeof expected,
             "POST / HTTP/1.1\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
             r.content.n);
    assert_true(view_eq(buf_view(&r.head), view_of(expected)));
    rewriting_end(&r);

    // What cannot be read again is not coded again, and what is not its coding stays.
    rewriting_begin(&r, "set: {body.a: '2'}");
    head = VIEW_LIT("POST / HTTP/1.1\r\nContent-Encoding: gzip, identity\r\n\r\n");
    assert_int_equal(
        rewrite_request(r.session, &r.subject, 0, head, buf_view(&in), &r.head, &r.content, r.why),
        REWRITE_HEAD | REWRITE_CONTENT);
    assert_true(view_eq(buf_view(&r.content), VIEW_LIT("{\"a\": 2}")));
    assert_true(
        view_eq(buf_view(&r.head), VIEW_LIT("POST / HTTP/1.1\r\nContent-Length: 8\r\n\r\n")));
    in.p[5] ^= 1;
    in.p[12] ^= 0x55;
    assert_int_equal(
        rewrite_request(r.session, &r.subject, 0, head, buf_view(&in), &r.head, &r.content, r.why),
        0);
    rewriting_end(&r);
    buf_clear(&in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),          cmocka_unit_test(test_limits),
        cmocka_unit_test(test_json),           cmocka_unit_test(test_other_contents),
        cmocka_unit_test(test_what_cannot_be), cmocka_unit_test(test_multipart),
        cmocka_unit_test(test_codings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
