// The texts of a message: which there are, for each kind of content; nothing is read beyond the
// bytes, wherever they end.
#include "tests/support/guard.h"
#include "tools/correlate/extract.h"
#include "tools/rewrite/place.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static int list(void *arg, const struct part *p)
{
    char *out = arg, place[PLACE_TEXT];
    size_t n = strlen(out);
    assert_true(place_text(p, NULL, place));
    snprintf(out + n, 3000 - n, "%s=%.*s\n", place, (int)p->text.n, p->text.p);
    return PARTS_ON;
}

static void gives(const char *head, const char *content, const char *type, const char *expected)
{
    struct parts p;
    char out[3000] = "";
    parts_init(&p, list, out);
    assert_int_equal(parts_each(&p, view_of(head), view_of(content), view_of(type)), 0);
    assert_string_equal(out, expected);
    parts_clear(&p);
}

static void test_parts(void **state)
{
    (void)state;
    gives("GET http://h:1/a%20b//c?x=%41+b&x=2&y#z HTTP/1.1\r\nHost: h\r\nCookie: a=\"1\";b = 2; "
          "c\r\n"
          "X: 1\r\nx: 2\r\n folded\r\nbad line\r\nx: 3\r\n\r\n",
          "", "",
          "method=GET\nhost=h:1\npath[0]=a b\npath[2]=c\npath=/a%20b//c\nquery.x=A b\nquery.x#2=2\n"
          "host=h\nheader host=h\ncookie a=1\ncookie b=2\nheader cookie=a=\"1\";b = 2; c\n"
          "header x=1\nheader x#2=3\n");
    gives("", " {\"a\":[1,{\"\\u0062\":\"x\\n\"}],\"c\":{}} ", "application/json",
          "body.a[0]=1\nbody.a[1].b=x\n\nbody.a[1]={\"\\u0062\":\"x\\n\"}\n"
          "body.a=[1,{\"\\u0062\":\"x\\n\"}]\nbody.c={}\n"
          "body={\"a\":[1,{\"\\u0062\":\"x\\n\"}],\"c\":{}}\n");
    gives("", "{\"a\":1}\n[2]\n", "application/x-ndjson",
          "body[0].a=1\nbody[0]={\"a\":1}\nbody[1][0]=2\nbody[1]=[2]\n");
    gives("", "a=1&&b=x+y&b=%zz&c", "application/x-www-form-urlencoded; charset=utf-8",
          "body.a=1\nbody.b=x y\nbody.b#2=%zz\nbody=a=1&&b=x+y&b=%zz&c\n");
    gives(
        "", "<a x='1' y=\"&lt;2\"><b/><b>t&#65;</b><!-- <c> --><n:d><![CDATA[<e>]]></n:d></a>",
        "text/xml",
        "body.a.@x=1\nbody.a.@y=<2\nbody.a.b#2.#text=tA\nbody.a.d.#text=<e>\n"
        "body=<a x='1' y=\"&lt;2\"><b/><b>t&#65;</b><!-- <c> --><n:d><![CDATA[<e>]]></n:d></a>\n");
    gives("",
          "<html><meta name=csrf-token content='a&amp;b'><input value=7 name=x id=y><p "
          "data-token=z>",
          "text/html",
          "html csrf-token=a&b\nhtml x=7\nhtml data-token=z\nbody=<html><meta name=csrf-token "
          "content='a&amp;b'><input value=7 name=x id=y><p data-token=z>\n");
    gives("", "plain", "", "body=plain\n");
#define MULTIPART                                                                                  \
    "--xy\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--xy\r\nContent-"              \
    "Disposition: form-data; name=f; filename=g\r\n\r\nfile\r\n--xy\r\ncontent-"                   \
    "disposition: form-data; name=a\r\n\r\n\r\n--xy--\r\n"
    gives("", MULTIPART, "multipart/form-data; boundary=\"xy\"",
          "body.a=1\nbody.a#2=\nbody=" MULTIPART "\n");
}

static int nothing(void *arg, const struct extracted *x)
{
    (void)arg, (void)x;
    return 0;
}

static int remove_all(void *arg, const struct part *p)
{
    (void)arg;
    return p->kind == PART_METHOD || p->depth == 0 ? PARTS_ON : PARTS_REMOVE;
}

static void cut(const char *head, const char *content)
{
    static const char *const types[] = {"application/json",
                                        "application/x-ndjson",
                                        "text/html",
                                        "text/xml",
                                        "application/x-www-form-urlencoded",
                                        "multipart/form-data; boundary=xy"};
    static const struct rules_subject about = {{"GET", 3}, {"h", 1}, {"/a/1", 4}};
    struct guard g[2];
    guard_init(&g[0], 4096);
    guard_init(&g[1], 4096);
    for (size_t n = 0; n <= strlen(head) || n <= strlen(content); n++)
        for (size_t t = 0; t < 6; t++) {
            struct view h = guard_fill(&g[0], view_head(view_of(head), n));
            struct view c = guard_fill(&g[1], view_head(view_of(content), n));
            struct edits edits[2];
            struct buf out;
            struct parts p;
            struct extract x;
            parts_init(&p, remove_all, NULL);
            buf_init(&out, 1 << 16);
            for (int i = 0; i < 2; i++) {
                edits_init(&edits[i], 1 << 16);
                p.edits[i] = &edits[i];
            }
            assert_int_equal(parts_each(&p, h, c, view_of(types[t])), 0);
            assert_int_equal(edits_apply(&edits[0], h, &out), 0);
            buf_reset(&out);
            assert_int_equal(edits_apply(&edits[1], c, &out), 0);
            assert_true(buf_len(&out) <= c.n);
            edits_clear(&edits[0]);
            edits_clear(&edits[1]);
            buf_clear(&out);
            parts_clear(&p);
            extract_init(&x, NULL, nothing, NULL);
            assert_int_equal(extract_each(&x, t % 2, &about, h, c), 0);
            extract_clear(&x);
        }
    guard_free(&g[0]);
    guard_free(&g[1]);
}

static void test_ends(void **state)
{
    (void)state;
    static const char head[] =
        "GET http://h/a%20b/7?x=%41&y HTTP/1.1\r\nHost: h\r\nCookie: a=\"1\"; b=2\r\nLocation: "
        "https://h/x/9?code=a8F3kQ9z\r\nAuthorization: Basic Ym9iOms5Wno4MVFhYg==\r\nETag: "
        "W/\"1\"\r\n"
        "If-None-Match: \"a\", W/\"b\"\r\n\r\n";
    cut(head, "{\"a\":[1,-2.5e+3,{\"\\u0062\":\"x\\ud83d\\ude00\"}],\"c\":{},\"d\":\"/a/b?c=d\"}");
    cut(head, "{\"a\":1}\n[2,null]\n\"x\"");
    cut(head, "<?xml version='1.0'?><a x='1'><b/><b>t&#65;&lt;</b><!-- <c> --><![CDATA[e]]></a>");
    cut(head,
        "<!doctype html><meta name=csrf content='a&amp;b'><input value=7 name=x><p data-x=z>");
    cut(head, "a=1&&b=x+y&b=%zz&c");
    cut(head, MULTIPART);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts), cmocka_unit_test(test_ends)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
