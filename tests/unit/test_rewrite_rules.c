// Files of rules for rewriting: what is said of what is wrong in them; placeholders; files that
// they name; and all of it without memory.
#include "tests/support/alloc.h"
#include "tests/support/rewriting.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define GET "GET / HTTP/1.1\nX: 1\n\n"

static void refused(const char *text, const char *expected)
{
    struct rewrite *r = (struct rewrite *)1;
    char why[WHY_MAX] = "";
    int e = rewrite_parse(&r, "r.yaml", view_of(text), why);
    if (e >= 0 || strncmp(why, expected, strlen(expected)) != 0)
        fail_msg("'%s' gave '%s', not '%s'", text, why, expected);
    assert_null(r);
}

static void accepted(const char *text)
{
    struct rewrite *r;
    char why[WHY_MAX];
    if (rewrite_parse(&r, "r.yaml", view_of(text), why))
        fail_msg("%s", why);
    rewrite_free(r);
}

static void test_accepted(void **state)
{
    (void)state;
    accepted("");
    accepted("# nothing\n");
    accepted("~");
    accepted("set:\nremove: []\n");
    accepted("seed: 18446744073709551615");
    accepted("dates: all");
    accepted("dates:\n- all\n- {where: query.x, by: -7d}\n- {by: 1h, where: body.**.at}");
    accepted("capture: [{where: header location > query.code, name: code}]");
    accepted("capture: [{where: html csrf, name: a, match: '^(.)'}]\n"
             "set: {header x: '${live:a}'}");
    accepted("jwt: [{where: header authorization, alg: hs256, key: x, set: {sub: '1', exp: "
             "'${now+1h:s}'}}]");
    accepted("correlate: [{from: body.token, to: header authorization}]");
    accepted("set: {'path[*]': x, 'body.a[\"b > c\"]': y}");
}

static void test_refused(void **state)
{
    (void)state;
    refused("[]",
            "r.yaml:1:1: rules are a mapping with set, remove, replace, capture, jwt, dates,");
    refused("sett: {}", "r.yaml:1:1: 'sett' is no kind of rule; there are set, remove,");
    refused("set: {}\nset: {}", "r.yaml:2:1: set stands here for the second time");
    refused("set: x", "r.yaml:1:6: set takes a list or a mapping of places, such as {where: ");
    refused("set: {hedder x: y}",
            "r.yaml:1:7: 'hedder x': there is no such place; there are host,");
    refused("set: {body[: y}", "r.yaml:1:");
    refused("set: {'path[x]': y}", "r.yaml:1:13: 'path[x]': a number or * is expected here");
    refused("set: {query: y}", "r.yaml:1:12: 'query': '.' and a key are expected here");
    refused("set: {html a: y}", "r.yaml:1:7: 'html a': a request has no such place");
    refused("set: {header x > path: y}", "r.yaml:1:7: 'header x > path': what stands in a URL");
    refused("set: {header x > body: y}", "r.yaml:1:18: 'header x > body': of a URL there are path");
    refused("set: {header x: {path: /a}}", "r.yaml:1:7: this rule lacks value, such as {where:");
    refused("set: [{value: y}]", "r.yaml:1:7: this rule lacks where, such as {where: header x,");
    refused("set: [{where: body.a, value: y, json: z}]", "r.yaml:1:39: either value or json");
    refused("set: [{where: body.a, value: y, value: z}]",
            "r.yaml:1:33: value stands here for the second time");
    refused("set: [{where: header x, json: '1'}]", "r.yaml:1:7: json goes with a place such as");
    refused("set: [{where: body.a, valu: y}]",
            "r.yaml:1:23: 'valu' is nothing of such a rule; it has where, value, json, host,");
    refused("set: [body.a]", "r.yaml:1:7: set takes a mapping here, such as {where: header x,");
    refused("set: {header x: [y]}", "r.yaml:1:17: a value or a mapping is expected here");
    refused("remove: [path]", "r.yaml:1:10: 'path': a request cannot be without it");
    refused("replace: [{where: path, match: '(', with: x}]", "r.yaml:1:3");
    refused("replace: [{where: path, match: a}]", "r.yaml:1:11: this rule lacks with, such as");
    refused("capture: [{where: path, name: x}]",
            "r.yaml:1:19: 'path': an answer has no such place; it has header NAME, cookie NAME,");
    refused("capture: [{where: body, name: 'a b'}]", "r.yaml:1:31: 'a b': a name has letters");
    refused("jwt: [{where: header x, key: y}]", "r.yaml:1:7: this rule lacks alg, such as");
    refused("jwt: [{where: header x, key: y, alg: none}]",
            "r.yaml:1:38: 'none': there are HS256, HS384, HS512, RS256, ES256");
    refused("jwt: [{where: header x, key: y, alg: HS256, set: x}]",
            "r.yaml:1:50: set takes a mapping of claims");
    refused("dates: [{where: query.x, by: soon}]",
            "r.yaml:1:30: 'soon': a span such as 7d or -12h is expected, or recording");
    refused("correlate: [{from: body.a}]", "r.yaml:1:13: this rule lacks to, such as {from:");
    refused("correlate: [{from: {path: /x}, to: path}]", "r.yaml:1:20: this lacks where");
    refused("correlate: [{from: body.a, to: [html x]}]", "r.yaml:1:33: a request has no such");
    refused("seed: x", "r.yaml:1:7: seed: 'x' is no whole number");
    refused("set: {header x: {value: y, filter: 'status ='}}", "r.yaml:1:45: filter: ");
    refused("set: {header x: 'a${live:b}'}", "r.yaml:1:18: no rule of capture gives the value 'b'");
    refused("set:\n  header x: 'ab${nope}'",
            "r.yaml:2:16: there is no such placeholder; there are env, file, csv, uuid, counter,");
    refused("set: {header x: '${env:}'}", "r.yaml:1:18: ${env:NAME} needs the name of a variable");
    refused("set: {header x: '${uuid'}", "r.yaml:1:18: a placeholder ends with '}'");
    refused("set: {header x: '${csv:a}'}", "r.yaml:1:18: ${csv:FILE:COLUMN} needs a file and a");
    refused("set: {header x: '${random:hex:0}'}", "r.yaml:1:18: ${random:…} takes hex:N, digits:N");
    refused("set: {header x: '${random:5-4}'}", "r.yaml:1:18: ${random:…} takes");
    refused("set: {header x: '${now1h}'}", "r.yaml:1:18: a span is expected behind now");
    refused("set: {header x: '${now:%q}'}", "r.yaml:1:18: a time is written as iso, ms, s, http");
    refused("set: {header x: y", "r.yaml:");
}

static void becomes(const char *value, const char *expected)
{
    char rules[500], text[500];
    struct rewriting r;
    snprintf(rules, sizeof rules, "set: {header x: '%s'}", value);
    snprintf(text, sizeof text, "GET / HTTP/1.1\nX: %s\n\n", expected);
    assert_string_equal(rewriting_once(&r, rules, GET), text);
    rewriting_end(&r);
}

// now is 2026-01-02T00:00:00Z.
// However a value is cut into pieces, there is an end to them.
static void test_too_many_pieces(void **state)
{
    char text[1024];
    static const char *const pieces[] = {"x$${", "x${uuid}"};
    (void)state;
    for (int k = 0; k < 2; k++) {
        size_t n = (size_t)snprintf(text, sizeof text, "set: {header x: '");
        for (int i = 0; i < 40; i++)
            n += (size_t)snprintf(text + n, sizeof text - n, "%s", pieces[k]);
        snprintf(text + n, sizeof text - n, "'}");
        refused(text, "r.yaml:1:");
    }
    accepted("set: {header x: 'a$${b$${c$${d'}");
    refused("set: {header x: '${now+40000d}'}",
            "r.yaml:1:18: a span is expected behind now, such as ${now+1h}, of 36500d at most");
}

static void test_placeholders(void **state)
{
    (void)state;
    struct rewriting r;
    setenv("REWRITE_TEST", "from outside", 1);
    becomes("a ${env:REWRITE_TEST} z", "a from outside z");
    becomes("$${env:X} $5 {} $", "${env:X} $5 {} $");
    becomes("${now}", "2026-01-02T00:00:00Z");
    becomes("${now+1h}", "2026-01-02T01:00:00Z");
    becomes("${now-1d:s}", "1767225600");
    becomes("${now:ms}", "1767312000000");
    becomes("${now:http}", "Fri, 02 Jan 2026 00:00:00 GMT");
    becomes("${now:%d.%m.%Y %H:%M:%S.%L %j %%}", "02.01.2026 00:00:00.000 002 %");
    becomes("${random:7-7}", "7");
    rewriting_begin(&r, "set: {header x: '${counter} ${counter}'}");
    assert_string_equal(rewriting_do(&r, GET), "GET / HTTP/1.1\nX: 1 2\n\n");
    assert_string_equal(rewriting_do(&r, GET), "GET / HTTP/1.1\nX: 3 4\n\n");
    rewriting_end(&r);
    // What is drawn follows from the seed and the transaction.
    char first[200];
    static const char drawn[] = "set: {header x: '${uuid} ${random:hex:8} ${random:letters:3}'}";
    snprintf(first, sizeof first, "%s", rewriting_once(&r, drawn, GET));
    assert_int_equal(strlen(first), strlen(GET) - 1 + 36 + 1 + 8 + 1 + 3);
    assert_int_equal(first[strlen("GET / HTTP/1.1\nX: ") + 14], '4');
    assert_string_equal(rewriting_do(&r, GET), first);
    r.subject.id++;
    assert_string_not_equal(rewriting_do(&r, GET), first);
    r.subject.id--;
    r.subject.run++;
    assert_string_not_equal(rewriting_do(&r, GET), first);
    rewriting_end(&r);
    char seeded[200];
    snprintf(seeded, sizeof seeded, "%s\nseed: 9", drawn);
    assert_string_not_equal(rewriting_once(&r, seeded, GET), first);
    rewriting_end(&r);
}

static void begins(const char *path, const char *text, const char *why)
{
    struct rewrite *rules;
    struct rewrite_session *session;
    struct rewrite_setup setup = {0};
    char said[WHY_MAX], expected[WHY_MAX];
    tmp_write(path, text, strlen(text));
    assert_int_equal(rewrite_read(&rules, path, said), 0);
    setup.rules = rules;
    snprintf(expected, sizeof expected, "%s%s", why[0] == ':' ? path : "", why);
    int e = rewrite_begin(&session, &setup, said);
    if (e >= 0 || strncmp(said, expected, strlen(expected)) != 0)
        fail_msg("'%s', not '%s'", said, expected);
    rewrite_free(rules);
}

static void test_files(void **state)
{
    (void)state;
    char dir[TMP_PATH], path[TMP_PATH], other[TMP_PATH], why[WHY_MAX];
    struct rewriting r;
    tmp_make(dir);
    tmp_path(path, dir, "r.yaml");
    static const char rules[] = "set: {header x: '${csv:a.csv:b c} ${csv:a.csv:d} ${file:s}'}";
    tmp_write(path, rules, strlen(rules));
    static const char csv[] = "\"b c\",d\r\n1,\"x, \"\"y\"\"\"\n2,\n";
    tmp_write(tmp_path(other, dir, "a.csv"), csv, strlen(csv));
    tmp_write(tmp_path(other, dir, "s"), "secret\n", 7);
    struct rewrite_setup setup = {0};
    rewriting_with(&r, "", &setup);
    rewrite_end(r.session);
    rewrite_free(r.rules);
    assert_int_equal(rewrite_read(&r.rules, path, why), 0);
    setup.rules = r.rules;
    assert_int_equal(rewrite_begin(&r.session, &setup, why), 0);
    static const char first[] = "GET / HTTP/1.1\nX: 1 x, \"y\" secret\n\n";
    static const char second[] = "GET / HTTP/1.1\nX: 2  secret\n\n";
    assert_string_equal(rewriting_do(&r, GET), first);
    assert_string_equal(rewriting_do(&r, GET), first);
    r.subject.client++;
    assert_string_equal(rewriting_do(&r, GET), second);
    r.subject.client++; // round and round
    assert_string_equal(rewriting_do(&r, GET), first);
    rewriting_end(&r);

    begins(path, "set: {header x: '${env:NO_SUCH_VARIABLE_9}'}",
           ":1:18: the environment has no NO_SUCH_VARIABLE_9");
    begins(path, "set: {header x: '${file:none}'}", ":1:18: ");
    begins(path, "set: {header x: '${csv:a.csv:z}'}", ":1:18: the file has no column z");
    tmp_write(tmp_path(other, dir, "b.csv"), "a,b\n1,2\n\"x\"y,2\n", 15);
    begins(path, "set: {header x: '${csv:b.csv:a}'}", ":1:18: the file is no CSV in row 3");
    tmp_write(tmp_path(other, dir, "c.csv"), "a,b\n", 4);
    begins(path, "set: {header x: '${csv:c.csv:a}'}", ":1:18: the file has no rows: c.csv");
    begins(path, "jwt: [{where: header x, alg: RS256, key: nonsense}]",
           ":1 jwt header x: the key: this is no private key in PEM");
    begins(path, "set: [{where: header x, value: y, filter: 'status = 200'}]",
           ":1 set header x: its filter cannot be asked");
    tmp_remove(dir);
}

static void test_without_memory(void **state)
{
    (void)state;
    static const char rules[] =
        "set: {header x: '${uuid}', body.a.b: '${counter}', query.q: 'x'}\n"
        "remove: [header y, body.c]\nreplace: [{where: path, match: '^/(a)', with: '/b\\1'}]\n"
        "capture: [{where: body.t, name: t, match: '(.*)', path: /x}]\n"
        "jwt: [{where: header authorization, alg: HS256, key: k, set: {a: '1'}}]\ndates: all\n"
        "correlate: [{from: {where: body.token, host: a}, to: [path, {where: query.a, path: /}]}]";
    static const char head[] = "POST /a?b=2026-01-01 HTTP/1.1\r\nX: 1\r\nY: 2\r\nAuthorization: "
                               "Bearer eyJhbGciOiJIUzI1NiJ9.eyJhIjoyfQ.x\r\n\r\n";
    for (long i = 0, failed = 1; failed; i++) {
        struct rewrite *r = NULL;
        struct rewrite_session *s = NULL;
        struct rewrite_setup setup = {0};
        struct rewrite_subject t = {.id = 1};
        struct buf out[2];
        char why[WHY_MAX];
        buf_init(&out[0], 1 << 20);
        buf_init(&out[1], 1 << 20);
        alloc_fail_at(i);
        int e = rewrite_parse(&r, "r", view_of(rules), why);
        setup.rules = r;
        e = e ? e : rewrite_begin(&s, &setup, why);
        if (!e) {
            struct compare_half live = {.head = VIEW_LIT("HTTP/1.1 200\r\nSet-Cookie: a=b\r\n\r\n"),
                                        .content = VIEW_LIT("{\"t\":1}"),
                                        .whole = true};
            e = rewrite_answered(s, &t, 0, &live, &live);
            int changed = rewrite_request(s, &t, 0, view_of(head), VIEW_LIT("{\"a\":{},\"c\":[1]}"),
                                          &out[0], &out[1], why);
            assert_true(changed == 3 || changed == E_NOMEM || changed == E_LIMIT);
            e = changed < 0 ? changed : e;
        }
        failed = alloc_fail_end();
        assert_true(failed || e == 0);
        rewrite_end(s);
        rewrite_free(r);
        buf_clear(&out[0]);
        buf_clear(&out[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_placeholders),    cmocka_unit_test(test_files),
        cmocka_unit_test(test_too_many_pieces), cmocka_unit_test(test_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
