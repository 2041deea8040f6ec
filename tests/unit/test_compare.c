// Two halves of transactions: first lines, fields, trailers, and content that is no JSON.
#include "tests/support/alloc.h"
#include "tools/compare/compare.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct rules_subject subject = {{"GET", 3}, {"api.example", 11}, {"/a", 2}};

static void tell(const struct differences *d, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < d->n; i++)
        n += (size_t)snprintf(out + n, size - n, "%s %s: %s | %s\n",
                              difference_kinds[d->items[i].kind], d->items[i].where,
                              d->items[i].left, d->items[i].right);
}

static void halves(const struct compare_half *l, const struct compare_half *r, const char *text,
                   const char *told)
{
    char why[WHY_MAX], out[8192];
    struct rules rules = {0};
    struct differences d;
    if (text && rules_parse(&rules, "rules", view_of(text), why))
        fail_msg("%s", why);
    differences_init(&d, 20);
    assert_int_equal(compare(&rules, &subject, l, r, &d), 0);
    tell(&d, out, sizeof out);
    assert_string_equal(out, told);
    differences_clear(&d);
    rules_clear(&rules);
}

static struct compare_half answer(const char *head, const char *content)
{
    struct compare_half h = {.status = 200,
                             .head = view_of(head),
                             .type = VIEW_LIT("text/plain"),
                             .content = view_of(content),
                             .whole = true};
    h.size = (int64_t)h.content.n;
    return h;
}

static void heads(const char *left, const char *right, const char *rules, const char *told)
{
    struct compare_half l = answer(left, ""), r = answer(right, "");
    halves(&l, &r, rules, told);
}

static void test_fields(void **state)
{
    (void)state;
    heads("HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\n\r\n", "HTTP/1.1 200 Fine\r\nb:2\r\na:  1 \r\n\r\n",
          NULL, "");
    heads("HTTP/1.1 200 OK\r\nETag: x\r\n\r\n", "HTTP/1.1 200 OK\r\nEtag: X\r\n\r\n", NULL,
          "value header etag: x | X\n");
    heads("HTTP/1.1 200 OK\r\nA: 1\r\n\r\n", "HTTP/1.1 200 OK\r\nB: 1\r\n\r\n", NULL,
          "missing header a: 1 | \nextra header b:  | 1\n");
    heads("HTTP/1.1 200 OK\r\nS: 1\r\nX: 0\r\nS: 2\r\n\r\n",
          "HTTP/1.1 200 OK\r\nS: 2\r\nS: 1\r\nX: 0\r\n\r\n", NULL, "order header s: 1 | 2\n");
    heads("HTTP/1.1 200 OK\r\nS: 1\r\nS: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nS: 2\r\nS: 1\r\n\r\n",
          "unordered: [header s]", "");
    heads("HTTP/1.1 200 OK\r\nS: 1\r\nS: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nS: 1\r\nS: 3\r\n\r\n",
          NULL, "value header s#2: 2 | 3\n");
    heads("HTTP/1.1 200 OK\r\nS: 1\r\nS: 2\r\n\r\n", "HTTP/1.1 200 OK\r\nS: 2\r\n\r\n", NULL,
          "missing header s: 1 | \n");
    heads("HTTP/1.1 200 OK\r\nA: one\r\n two\r\n\r\n", "HTTP/1.1 200 OK\r\nA: one two\r\n\r\n",
          NULL, "");
    heads("HTTP/1.1 200 OK\r\nX-Id: 1\r\nX-B: 1\r\n\r\n",
          "HTTP/1.1 200 OK\r\nX-Id: 2\r\nX-B: 1\r\n\r\n", "ignore: [header X-I*]", "");
    heads("HTTP/1.1 200 OK\r\nno field\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n", NULL,
          "missing header *: no field | \n");
}

// Each of the table, and what Connection names.
static void test_ignored_fields(void **state)
{
    (void)state;
    for (const struct rules_ignored *i = rules_ignored; i->name; i++) {
        char l[200], r[200];
        snprintf(l, sizeof l, "HTTP/1.1 200 OK\r\n%s: 1\r\n\r\n", i->name);
        snprintf(r, sizeof r, "HTTP/1.1 200 OK\r\n%s: 2\r\n\r\n", i->name);
        heads(l, r, NULL, "");
        heads(l, "HTTP/1.1 200 OK\r\n\r\n", NULL, "");
        assert_true(strlen(i->why) > 0);
    }
    heads("HTTP/1.1 200 OK\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\r\n",
          "HTTP/1.1 200 OK\r\n\r\n", NULL, "");
}

// A length is told where no content tells it.
static void test_length(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "abc");
    struct compare_half r = answer("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "abc");
    (void)state;
    halves(&l, &r, NULL, "");
    r = answer("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", "abcd");
    halves(&l, &r, NULL, "value body: abc | abcd\n");
    heads("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n",
          "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", NULL,
          "value header content-length: 3 | 4\n");
}

static void test_first_lines(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\n\r\n", ""), r = l;
    (void)state;
    r.status = 201;
    r.head = VIEW_LIT("HTTP/1.0 201 Created\r\n\r\n");
    halves(&l, &r, NULL, "value status: 200 | 201\nvalue version: HTTP/1.1 | HTTP/1.0\n");
    halves(&l, &r, "ignore: [status, version]", "");
    l.status = r.status = 0;
    l.head = VIEW_LIT("GET /a%20b?x=1&y=2&x=3 HTTP/1.1\r\nHost: a\r\n\r\n");
    r.head = VIEW_LIT("GET http://h:1/a%20b?y=2&x=1&x=3 HTTP/1.1\r\nhost: a\r\n\r\n");
    halves(&l, &r, NULL, "");
    r.head = VIEW_LIT("PUT /b?x=1&y=%33&z HTTP/1.1\r\nhost: a\r\n\r\n");
    halves(&l, &r, NULL,
           "value method: GET | PUT\nvalue path[0]: a%20b | b\nmissing query.x#2: 3 | \n"
           "value query.y: 2 | 3\nextra query.z:  | \n");
    halves(&l, &r, "ignore: [method, path, query]", "");
}

// Segments are places of their own where there are as many; expressions that both sides have.
static void test_segments(void **state)
{
    struct compare_half l = answer("", ""), r = l;
    (void)state;
    l.status = r.status = 0;
    l.head = VIEW_LIT("GET /users/17/orders HTTP/1.1\r\n\r\n");
    r.head = VIEW_LIT("GET /users/18/orders HTTP/1.1\r\n\r\n");
    halves(&l, &r, NULL, "value path[1]: 17 | 18\n");
    halves(&l, &r, "ignore: ['path[1]']", "");
    halves(&l, &r, "ignore: ['path[*]']", "");
    halves(&l, &r, "ignore: ['path[0]', 'path[2]']", "value path[1]: 17 | 18\n");
    halves(&l, &r, "ignore: [path]", "");
    halves(&l, &r, "match: {'path[1]': '^[0-9]+$'}", "");
    halves(&l, &r, "match: {'path[1]': '^17$'}", "value path[1]: 17 | 18\n");
    halves(&l, &r, "match: {path: '^/users/1[78]/orders$'}", "");
    halves(&l, &r, "match: {path: {matches: 'users', method: POST}}", "value path[1]: 17 | 18\n");
    halves(&l, &r, "match: [{where: 'path[1]', matches: '.', host: 'api.*'}]", "");
    r.head = VIEW_LIT("GET /users/18 HTTP/1.1\r\n\r\n");
    halves(&l, &r, "ignore: ['path[*]']", "value path: /users/17/orders | /users/18\n");
    l = answer("HTTP/1.1 200 OK\r\n\r\n", "{\"a\":1,\"b\":\"x1\"}");
    r = answer("HTTP/1.1 200 OK\r\n\r\n", "{\"a\":2,\"b\":\"x2\"}");
    l.type = r.type = VIEW_LIT("application/json");
    halves(&l, &r, "match: {body.a: '^[0-9]$', body.b: x}", "");
    halves(&l, &r, "match: {body.a: '^[1]$', body.b: y}",
           "value body.a: 1 | 2\nvalue body.b: \"x1\" | \"x2\"\n");
    r.content = VIEW_LIT("{\"a\":\"2\",\"b\":\"x2\"}");
    halves(&l, &r, "match: {body.a: '^[0-9]$', body.b: x}", "type body.a: 1 | \"2\"\n");
    l.type = r.type = VIEW_LIT("text/plain");
    halves(&l, &r, "match: {body: '^.\"a\"'}", "");
}

// A request may be told by its parts, with where it goes to.
static void test_named(void **state)
{
    static const struct compare_named a = {{"GET", 3}, {"api:80", 6}, {"/a", 2}, {"x=1&y=2", 7}};
    struct compare_named b = a;
    struct compare_half l = {.named = &a, .head = VIEW_LIT("A: 1\r\n"), .whole = true}, r = l;
    (void)state;
    r.named = &b;
    halves(&l, &r, NULL, "");
    b.query = VIEW_LIT("y=2&x=1");
    halves(&l, &r, NULL, "");
    b.host = VIEW_LIT("api:81");
    r.head = VIEW_LIT("a: 2\r\n");
    halves(&l, &r, NULL, "value host: api:80 | api:81\nvalue header a: 1 | 2\n");
    halves(&l, &r, "ignore: [host, header a]", "");
    halves(&l, &r, "match: {host: '^api:8', header a: '.'}", "");
}

static void test_absent(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\n\r\n", ""), none = {.absent = true};
    (void)state;
    halves(&none, &none, NULL, "");
    halves(&l, &none, NULL, "missing message: HTTP/1.1 200 OK | \n");
    halves(&none, &l, NULL, "extra message:  | HTTP/1.1 200 OK\n");
    halves(&none, &l, "ignore: [message]", "");
    none = l;
    none.cut = true;
    halves(&l, &none, NULL, "value message: complete | cut off\n");
}

static void test_trailers(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\n\r\n", "a"), r = l;
    (void)state;
    l.trailers = VIEW_LIT("X-Sum: 1\r\nX-B: 2\r\n");
    r.trailers = VIEW_LIT("x-b: 2\r\nx-sum: 2\r\n");
    halves(&l, &r, NULL, "value trailer x-sum: 1 | 2\n");
    halves(&l, &r, "ignore: [trailer x-sum]", "");
}

// Of content that was not kept, size and digest are known.
static void test_not_whole(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\n\r\n", "abc"), r = l;
    (void)state;
    l.whole = false;
    l.size = 5000;
    r.size = 4000;
    halves(&l, &r, NULL, "value size: 5000 | 4000\n");
    halves(&l, &r, "ignore: [size]", "");
    halves(&l, &r, "ignore: [body]", "");
    r.size = 5000;
    halves(&l, &r, NULL, "");
    r.content = VIEW_LIT("abd and more");
    char told[300];
    struct differences d;
    differences_init(&d, 20);
    assert_int_equal(compare(NULL, &subject, &l, &r, &d), 0);
    tell(&d, told, sizeof told);
    assert_int_equal(strncmp(told, "value body byte 2: 3 bytes, ", 28), 0);
    differences_clear(&d);
    l.digest = VIEW_LIT("\x01\x02");
    r.digest = VIEW_LIT("\x01\x03");
    halves(&l, &r, NULL, "value digest: 0102 | 0103\n");
    halves(&l, &r, "ignore: [digest]", "");
}

static void content(const char *type, struct view left, struct view right, const char *text,
                    const char *told)
{
    char why[WHY_MAX], out[8192];
    struct rules rules = {0};
    struct differences d;
    if (text && rules_parse(&rules, "rules", view_of(text), why))
        fail_msg("%s", why);
    differences_init(&d, 20);
    assert_int_equal(
        compare_content(&rules, &subject, left, view_of(type), right, view_of(type), &d), 0);
    tell(&d, out, sizeof out);
    assert_string_equal(out, told);
    differences_clear(&d);
    rules_clear(&rules);
}

static void xml(const char *left, const char *right, const char *rules, const char *told)
{
    content("application/xml", view_of(left), view_of(right), rules, told);
}

static void test_xml(void **state)
{
    (void)state;
    xml("<a x=\"1\" y=\"2\"><b>t</b></a>",
        "<?xml version='1.0'?>\n<a y='2' x='1'>\n  <b>t</b>\n</a>\n", NULL, "");
    xml("<a><b>1</b></a>", "<a><b>2</b></a>", NULL, "value body.a.b.#text: 1 | 2\n");
    xml("<a x=\"1\"/>", "<a x=\"2\"/>", NULL, "value body.a.@x: 1 | 2\n");
    xml("<a x=\"1\"/>", "<a/>", NULL, "missing body.a.@x: 1 | \n");
    xml("<a><b/><b i='1'/></a>", "<a><b/><b i='2'/></a>", NULL, "value body.a.b#2.@i: 1 | 2\n");
    xml("<a><b/><c/></a>", "<a><c/><b/></a>", NULL,
        "order body.a: {b: {}, c: {}} | {c: {}, b: {}}\n");
    xml("<a><b/><c/></a>", "<a><c/><b/></a>", "unordered: [body.a]", "");
    xml("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>", NULL,
        "order body.a.b: {#text: \"1\"} | {#text: \"2\"}\n");
    xml("<a><b>1</b><b>2</b></a>", "<a><b>2</b><b>1</b></a>", "unordered: [body.a.b]", "");
    xml("<p>a<i>x</i>c</p>", "<p>ac<i>x</i></p>", NULL,
        "value body.p.#text: a | ac\nmissing body.p.#text#2: c | \n");
    xml("<a>&lt;&#65;<![CDATA[<b>]]></a>", "<a>&#60;A&lt;b></a>", NULL, "");
    xml("<a> </a>", "<a/>", NULL, "missing body.a.#text:   | \n");
    xml("<p:a xmlns:p='u'><p:b/></p:a>", "<a xmlns='u'><b/></a>", NULL, "");
    xml("<a xmlns='u'/>", "<a xmlns='v'/>", NULL, "missing body.a: {} | \nextra body.a:  | {}\n");
    xml("<a xmlns:p='u' p:t='1'/>", "<a xmlns:q='u' q:t='2'/>", NULL, "value body.a.@t: 1 | 2\n");
    xml("<a><b></a>", "<a/>", NULL,
        "malformed body: line 1, column 9: mismatched tag | well-formed\n");
    // A document type with entities is not expanded.
    xml("<!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a>", "<a>x</a>", NULL,
        "value body: <!DOCTYPE a [<!ENTITY e 'x'>]><a>&e;</a> | <a>x</a>\n");
    xml("<!DOCTYPE html><html/>", "<html/>", NULL, "");
    xml("<o><id>550e8400-e29b-41d4-a716-446655440000</id></o>",
        "<o><id>650e8400-e29b-41d4-a716-446655440000</id></o>", "shape: {body.o.id.#text: uuid}",
        "");
}

// A text that comes in many pieces, and one that no piece holds.
static void test_xml_large(void **state)
{
    size_t size = 3u << 20;
    char *text = malloc(size + 20);
    (void)state;
    memcpy(text, "<a>", 3);
    for (size_t i = 3; i < size; i++)
        text[i] = i % 80 ? 'x' : '\n';
    memcpy(text + size, "</a>", 5);
    char *other = strdup(text);
    other[size - 1] = 'y';
    struct differences d;
    differences_init(&d, 20);
    struct view type = VIEW_LIT("text/xml");
    assert_int_equal(compare_content(NULL, &subject, view_of(text), type, view_of(other), type, &d),
                     0);
    assert_int_equal(d.total, 1);
    assert_string_equal(d.items[0].where, "body.a.#text");
    differences_clear(&d);
    free(text);
    free(other);
}

static void test_form(void **state)
{
    const char *type = "application/x-www-form-urlencoded";
    (void)state;
    content(type, VIEW_LIT("a=1&b=x+y"), VIEW_LIT("b=x%20y&a=1"), NULL, "");
    content(type, VIEW_LIT("a=1&b=2"), VIEW_LIT("a=2&c"), NULL,
            "value body.a: \"1\" | \"2\"\nmissing body.b: \"2\" | \nextra body.c:  | \"\"\n");
    content(type, VIEW_LIT("a=1&a=2"), VIEW_LIT("a=2&a=1"), NULL, "order body.a: \"1\" | \"2\"\n");
    content(type, VIEW_LIT("a=%zz%4"), VIEW_LIT("a=%zz%4&"), NULL, "");
    content(type, VIEW_LIT("t=1&u=1"), VIEW_LIT("t=2&u=1"), "ignore: [body.t]", "");
}

static void test_text(void **state)
{
    char left[2000], right[2000];
    (void)state;
    content("text/plain", VIEW_LIT("a\nb\nc\nd\n"), VIEW_LIT("a\nb\nx\nd\n"), NULL,
            "value body line 3: b\nc\n | b\nx\n\n");
    content("text/plain", VIEW_LIT("a\nb\n"), VIEW_LIT("a\nn\nb\n"), NULL,
            "extra body line 2: a\n | a\nn\n\n");
    content("text/plain", VIEW_LIT("a\nb\n"), VIEW_LIT("a\n"), NULL,
            "missing body line 2: a\nb\n | a\n\n");
    content("text/plain", VIEW_LIT("a\nb"), VIEW_LIT("a\nb\n"), NULL,
            "value body line 2: a\nb | a\nb\n\n");
    content("text/plain", VIEW_LIT("a\r\n"), VIEW_LIT("a\n"), NULL,
            "value body line 1: a\r\n | a\n\n");
    content("text/plain", VIEW_LIT("1"), VIEW_LIT("2"), "shape: {body: number}", "");
    // The place is shown, however far in its line it is.
    memset(left, 'x', sizeof left);
    left[1999] = 0;
    memcpy(right, left, sizeof right);
    right[1500] = 'y';
    struct differences d;
    differences_init(&d, 1);
    assert_int_equal(compare_content(NULL, &subject, view_of(left), VIEW_LIT("text/css"),
                                     view_of(right), VIEW_LIT("text/css"), &d),
                     0);
    assert_int_equal(strncmp(d.items[0].right, "…xxx", 6), 0);
    assert_non_null(strchr(d.items[0].right, 'y'));
    differences_clear(&d);
}

static void test_bytes(void **state)
{
    (void)state;
    content("image/png", VIEW_LIT("\x89PNG\0\1\2"), VIEW_LIT("\x89PNG\0\1\3\4"), NULL,
            "value body byte 6: 7 bytes, SHA-256 a9c74dcaf10fa87b…, here 02 | 8 bytes, SHA-256 "
            "8a5fb1e215f31567…, here 03 04\n");
}

// Nobody says what it is: JSON where both look like it.
static void test_looked(void **state)
{
    (void)state;
    content("", VIEW_LIT("{\"a\":1}"), VIEW_LIT(" {\"a\":2}"), NULL, "value body.a: 1 | 2\n");
    content("", VIEW_LIT("{\"a\":1}"), VIEW_LIT("{oops"), NULL, "value body: {\"a\":1} | {oops\n");
    content("application/x-ndjson", VIEW_LIT("{\"a\":1}\n{\"a\":2}\n"),
            VIEW_LIT("{\"a\":1}\r\n{\"a\":3}"), NULL, "value body[1].a: 2 | 3\n");
    content("application/problem+json", VIEW_LIT("[1]"), VIEW_LIT("[2]"), NULL,
            "value body[0]: 1 | 2\n");
}

static void test_no_memory(void **state)
{
    struct compare_half l = answer("HTTP/1.1 200 OK\r\nA: 1\r\n 2\r\nB: 1\r\n\r\n",
                                   "<a x='1'><b>1</b>t</a>"),
                        r = answer("HTTP/1.1 201 OK\r\nA: 2\r\nB: 1\r\n\r\n",
                                   "<a x='2'><b>2</b>t</a>");
    (void)state;
    l.type = r.type = VIEW_LIT("text/xml");
    r.status = 201;
    for (long i = 0, failed = 1; failed; i++) {
        struct differences d;
        differences_init(&d, 20);
        alloc_fail_at(i);
        int e = compare(NULL, &subject, &l, &r, &d);
        failed = alloc_fail_end();
        assert_true(e == 0 || e == E_NOMEM);
        if (!failed) {
            assert_int_equal(e, 0);
            assert_int_equal(d.total, 4);
        }
        differences_clear(&d);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),    cmocka_unit_test(test_ignored_fields),
        cmocka_unit_test(test_length),    cmocka_unit_test(test_first_lines),
        cmocka_unit_test(test_segments),  cmocka_unit_test(test_named),
        cmocka_unit_test(test_absent),    cmocka_unit_test(test_trailers),
        cmocka_unit_test(test_not_whole), cmocka_unit_test(test_xml),
        cmocka_unit_test(test_xml_large), cmocka_unit_test(test_form),
        cmocka_unit_test(test_text),      cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_looked),    cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
