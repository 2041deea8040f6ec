// Two JSON contents: what differs, under which rules, told how.
#include "tests/support/alloc.h"
#include "tests/support/guard.h"
#include "tools/compare/compare.h"
#include "tools/compare/tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct rules_subject subject = {{"GET", 3}, {"api.example", 11}, {"/orders/7", 9}};

// told: "kind where: left | right" a line each; "" for equal.
struct example {
    const char *left, *right, *rules, *told;
};

static const struct example examples[] = {
    // values
    {"1", "1", NULL, ""},
    {"{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}", NULL, ""},
    {" { \"a\" : [ 1 , 2 ] }\r\n", "{\"a\":[1,2]}", NULL, ""},
    {"{\"a\":1}", "{\"a\":2}", NULL, "value body.a: 1 | 2\n"},
    {"{\"a\":1}", "{\"a\":\"1\"}", NULL, "type body.a: 1 | \"1\"\n"},
    {"{\"a\":null}", "{\"a\":0}", NULL, "type body.a: null | 0\n"},
    {"{\"a\":true}", "{\"a\":false}", NULL, "value body.a: true | false\n"},
    {"{\"a\":true}", "{\"a\":\"true\"}", NULL, "type body.a: true | \"true\"\n"},
    {"{\"a\":{}}", "{\"a\":[]}", NULL, "type body.a: {} | []\n"},
    {"{\"a\":null}", "{}", NULL, "missing body.a: null | \n"},
    {"{}", "{\"a\":{\"b\":1}}", NULL, "extra body.a:  | {b: 1}\n"},
    {"{\"a\":\"x\"}", "{\"a\":\"X\"}", NULL, "value body.a: \"x\" | \"X\"\n"},
    {"[1]", "{\"a\":1}", NULL, "type body: [1] | {a: 1}\n"},
    // numbers
    {"[1,0,1e2]", "[1.0,-0,100]", NULL, ""},
    {"[0.1]", "[1E-1]", NULL, ""},
    {"[12345678901234567890]", "[12345678901234567891]", NULL,
     "value body[0]: 12345678901234567890 | 12345678901234567891\n"},
    {"[9007199254740993]", "[9007199254740992]", NULL,
     "value body[0]: 9007199254740993 | 9007199254740992\n"},
    {"[0.1]", "[0.10000000000000000001]", NULL, "value body[0]: 0.1 | 0.10000000000000000001\n"},
    {"[1e400]", "[1e401]", NULL, "value body[0]: 1e400 | 1e401\n"},
    {"[1e99999999999999999999]", "[10e99999999999999999998]", NULL,
     "value body[0]: 1e99999999999999999999 | 10e99999999999999999998\n"},
    {"[-1]", "[1]", NULL, "value body[0]: -1 | 1\n"},
    // strings
    {"[\"\\u0041\\n\"]", "[\"A\\u000a\"]", NULL, ""},
    {"[\"\\ud83d\\ude00\"]", "[\"\xf0\x9f\x98\x80\"]", NULL, ""},
    {"[\"\\ud83d\"]", "[\"\\ud83e\"]", NULL,
     "value body[0]: \"\xed\xa0\xbd\" | \"\xed\xa0\xbe\"\n"},
    {"{\"\\u0061\":1}", "{\"a\":1}", NULL, ""},
    {"[\"a\\/b\"]", "[\"a/b\"]", NULL, ""},
    // keys
    {"{\"a.b\":1}", "{\"a.b\":2}", NULL, "value body[\"a.b\"]: 1 | 2\n"},
    {"{\"\":1}", "{\"\":2}", NULL, "value body[\"\"]: 1 | 2\n"},
    {"{\"a\":1,\"a\":2}", "{\"a\":1,\"a\":3}", NULL, "value body.a#2: 2 | 3\n"},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}", NULL, "missing body.a: 1 | \n"},
    {"{\"a\":1,\"a\":2}", "{\"a\":2,\"a\":1}", NULL, "order body.a: 1 | 2\n"},
    {"{\"b\":{\"c\":[{\"d\":1}]}}", "{\"b\":{\"c\":[{\"d\":2}]}}", NULL,
     "value body.b.c[0].d: 1 | 2\n"},
    // arrays
    {"[1,2,3]", "[1,3]", NULL, "missing body[1]: 2 | \n"},
    {"[1,2,3]", "[0,1,2,3]", NULL, "extra body[0]:  | 0\n"},
    {"[1,2,3]", "[3,2,1]", NULL, "order body: [1, 2, 3] | [3, 2, 1]\n"},
    {"[1,2,3]", "[4,5]", NULL,
     "count body: 3 of them | 2 of them\nvalue body[0]: 1 | 4\nvalue body[1]: 2 | 5\n"},
    {"[]", "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]", NULL,
     "count body: 0 of them | 17 of them\n"},
    {"[[1,2],[3]]", "[[1,2],[3,4]]", NULL, "extra body[1][1]:  | 4\n"},
    // malformed
    {"{\"a\":1}", "{\"a\":1", NULL,
     "malformed body: well-formed | line 1, column 7: ',' or '}' is expected\n"},
    {"[1,]", "[1]", NULL, "malformed body: line 1, column 4: a value is expected | well-formed\n"},
    {"[1]\n[2]", "[1]", NULL,
     "malformed body: line 2, column 1: something stands behind the value | well-formed\n"},
    {"oops", "oops!", NULL, "value body: oops | oops!\n"},
    {"{\"a\":1}", "", NULL, "missing body: {\"a\":1} | \n"},
    {"\xef\xbb\xbf[1]", "[1]", NULL, ""},
    // ignore
    {"{\"a\":1,\"b\":{\"c\":1}}", "{\"a\":2,\"b\":{\"c\":2}}", "ignore: [body.a, body.b]", ""},
    {"{\"a\":1}", "{}", "ignore: [body.a]", ""},
    {"{\"a\":1}", "{\"a\":\"1\"}", "ignore: [body.a]", ""},
    {"{\"a\":1}", "{\"a\":", "ignore: [body]", ""},
    {"[{\"a\":1,\"b\":1},{\"a\":1}]", "[{\"a\":2,\"b\":2},{\"a\":3}]", "ignore: ['body[*].a']",
     "value body[0].b: 1 | 2\n"},
    {"[1,2]", "[3,4]", "ignore: ['body[0]']", "value body[1]: 2 | 4\n"},
    {"{\"x\":{\"y\":[{\"id\":1}]},\"id\":1}", "{\"x\":{\"y\":[{\"id\":2}]},\"id\":2}",
     "ignore: [body.**.id]", ""},
    {"{\"x_1\":1,\"x_2\":1,\"y\":1}", "{\"x_1\":2,\"x_2\":3,\"y\":4}", "ignore: [body.x_*]",
     "value body.y: 1 | 4\n"},
    {"{\"a*\":1,\"ab\":1}", "{\"a*\":2,\"ab\":2}", "ignore: ['body[\"a*\"]']",
     "value body.ab: 1 | 2\n"},
    {"{\"a\":1,\"a\":1}", "{\"a\":2,\"a\":3}", "ignore: [body.a#2]", "value body.a: 1 | 2\n"},
    {"[1,2,3]", "[1,2]", "ignore: ['body[2]']", ""},
    // for some only
    {"{\"a\":1}", "{\"a\":2}", "ignore: [{where: body.a, method: get, host: '*.EXAMPLE'}]", ""},
    {"{\"a\":1}", "{\"a\":2}", "ignore: [{where: body.a, path: '/orders/*'}]", ""},
    {"{\"a\":1}", "{\"a\":2}", "ignore: [{where: body.a, path: '/*'}]", "value body.a: 1 | 2\n"},
    {"{\"a\":1}", "{\"a\":2}", "ignore: [{where: body.a, path: '/**'}]", ""},
    {"{\"a\":1}", "{\"a\":2}", "ignore: [{where: body.a, method: POST}]", "value body.a: 1 | 2\n"},
    // shapes
    {"{\"id\":\"550e8400-e29b-41d4-a716-446655440000\"}",
     "{\"id\":\"650e8400-e29b-41d4-a716-446655440000\"}", "shape: {body.id: uuid}", ""},
    {"{\"id\":\"550e8400-e29b-41d4-a716-446655440000\"}", "{\"id\":\"none\"}",
     "shape: {body.id: uuid}",
     "value body.id: \"550e8400-e29b-41d4-a716-446655440000\" | \"none\"\n"},
    {"{\"n\":1}", "{\"n\":2.5}", "shape: {body.n: number}", ""},
    {"{\"n\":1}", "{\"n\":\"2\"}", "shape: {body.n: number}", "type body.n: 1 | \"2\"\n"},
    {"{\"t\":1769860800}", "{\"t\":1769860900}", "shape: {body.t: {is: epoch, path: /orders/7}}",
     ""},
    // tolerances
    {"{\"p\":0.3}", "{\"p\":0.29}", "tolerance: {body.p: 0.01}", ""},
    {"{\"p\":0.3}", "{\"p\":0.28}", "tolerance: {body.p: 0.01}", "value body.p: 0.3 | 0.28\n"},
    {"{\"p\":100}", "{\"p\":104}", "tolerance: {body.p: 5%}", ""},
    {"{\"p\":100}", "{\"p\":106}", "tolerance: {body.p: 5%}", "value body.p: 100 | 106\n"},
    {"{\"p\":1e999}", "{\"p\":-1e999}", "tolerance: {body.p: 1}", "value body.p: 1e999 | -1e999\n"},
    {"{\"t\":\"2026-01-31T12:00:00Z\"}", "{\"t\":\"2026-01-31T13:00:01+01:00\"}",
     "tolerance: {body.t: 1s}", ""},
    {"{\"t\":\"2026-01-31T12:00:00Z\"}", "{\"t\":\"2026-01-31T12:00:02Z\"}",
     "tolerance: {body.t: 1s}",
     "value body.t: \"2026-01-31T12:00:00Z\" | \"2026-01-31T12:00:02Z\"\n"},
    // without order
    {"{\"t\":[1,2,3]}", "{\"t\":[3,1,2]}", "unordered: [body.t]", ""},
    {"{\"t\":[1,2,2]}", "{\"t\":[2,1,1]}", "unordered: [body.t]", "value body.t[2]: 2 | 1\n"},
    {"[{\"k\":\"a\",\"v\":1,\"w\":5},{\"k\":\"b\",\"v\":2,\"w\":6}]",
     "[{\"k\":\"b\",\"v\":2,\"w\":6},{\"k\":\"a\",\"v\":3,\"w\":5}]", "unordered: [body]",
     "value body[0].v: 1 | 3\n"},
    {"[{\"k\":\"a\",\"id\":1},{\"k\":\"b\",\"id\":2}]",
     "[{\"k\":\"b\",\"id\":8},{\"k\":\"a\",\"id\":9}]", "unordered: [body]\nignore: ['body[*].id']",
     ""},
    {"[[1,2],[3]]", "[[3],[2,1]]", "unordered: [body, 'body[*]']", ""},
    {"[1,2]", "[2,3,1]", "unordered: [body]", "extra body[1]:  | 3\n"},
    {"[]", "[1]", "unordered: [body]", "extra body[0]:  | 1\n"},
};

static void tell(const struct differences *d, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < d->n; i++)
        n += (size_t)snprintf(out + n, size - n, "%s %s: %s | %s\n",
                              difference_kinds[d->items[i].kind], d->items[i].where,
                              d->items[i].left, d->items[i].right);
}

static void run(const struct example *x)
{
    char why[WHY_MAX], text[8192];
    struct rules rules = {0};
    struct differences d;
    struct view type = VIEW_LIT("application/json; charset=utf-8");
    if (x->rules && rules_parse(&rules, "rules", view_of(x->rules), why))
        fail_msg("%s", why);
    differences_init(&d, 20);
    assert_int_equal(
        compare_content(&rules, &subject, view_of(x->left), type, view_of(x->right), type, &d), 0);
    tell(&d, text, sizeof text);
    assert_string_equal(text, x->told);
    differences_clear(&d);
    rules_clear(&rules);
}

static void test_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        run(&examples[i]);
}

// Cut at any byte, against a page that cannot be touched: well-formed or not, nothing more is read.
static void test_cut(void **state)
{
    static const char whole[] = "{\"a\\u00e9\\ud83d\\ude00\":[1,-2.5e+3,true,false,null,\"\\\"\"],"
                                "\"b\":{\"c\":{}}}";
    struct guard g;
    char why[WHY_MAX];
    (void)state;
    guard_init(&g, sizeof whole);
    for (size_t n = 0; n < sizeof whole; n++) {
        struct tree t;
        int e = tree_json(&t, guard_fill(&g, view_n(whole, n)), false, why);
        assert_int_equal(e, n == sizeof whole - 1 ? 0 : E_SYNTAX);
        tree_clear(&t);
    }
    guard_free(&g);
}

static void test_no_memory(void **state)
{
    struct view type = VIEW_LIT("application/json");
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        char why[WHY_MAX];
        struct rules rules = {0};
        struct differences d;
        differences_init(&d, 20);
        alloc_fail_at(i);
        int e =
            rules_parse(&rules, "rules",
                        VIEW_LIT("unordered: [body.t]\nignore: [{where: body.x, host: '*'}]"), why);
        if (!e)
            e = compare_content(&rules, &subject,
                                VIEW_LIT("{\"t\":[{\"\\u0061\":1},2,3],\"u\":[1,2],\"w\":1}"), type,
                                VIEW_LIT("{\"t\":[3,{\"a\":2}],\"u\":[2,1],\"v\":1}"), type, &d);
        failed = alloc_fail_end();
        if (!failed) {
            assert_int_equal(e, 0);
            assert_int_equal(d.total, 5);
        }
        differences_clear(&d);
        rules_clear(&rules);
    }
}

static char *repeat(const char *open, const char *inner, const char *close, size_t n)
{
    size_t a = strlen(open), b = strlen(inner), c = strlen(close);
    char *out = malloc(n * (a + c) + b + 1), *at = out;
    for (size_t i = 0; i < n; i++, at += a)
        memcpy(at, open, a);
    memcpy(at, inner, b);
    at += b;
    for (size_t i = 0; i < n; i++, at += c)
        memcpy(at, close, c);
    *at = 0;
    return out;
}

// Deeper than is compared by value: as text, and no harm done. As deep as that: by value.
static void test_deep(void **state)
{
    static const size_t depths[] = {TREE_DEPTH_MAX, TREE_DEPTH_MAX + 1, 100000};
    struct view type = VIEW_LIT("application/json");
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        char *l = repeat("[", "1", "]", depths[i]), *r = repeat("[", "2", "]", depths[i]);
        struct differences d;
        differences_init(&d, 20);
        assert_int_equal(compare_content(NULL, &subject, view_of(l), type, view_of(r), type, &d),
                         0);
        assert_int_equal(d.total, 1);
        assert_int_equal(d.items[0].kind, DIFFERENCE_VALUE);
        if (i == 0) {
            assert_string_equal(d.items[0].right, "2");
            assert_non_null(strstr(d.items[0].where, "[0].…"));
        } else {
            assert_string_equal(d.items[0].where, "body");
        }
        differences_clear(&d);
        free(l);
        free(r);
    }
}

// All are counted, the first are kept; long values are cut between characters.
static void test_ceilings(void **state)
{
    struct view type = VIEW_LIT("application/json");
    struct differences d;
    (void)state;
    differences_init(&d, 2);
    assert_int_equal(compare_content(NULL, &subject, VIEW_LIT("[1,2,3,4]"), type,
                                     VIEW_LIT("[5,6,7,8]"), type, &d),
                     0);
    assert_int_equal(d.n, 2);
    assert_int_equal(d.total, 4);
    differences_clear(&d);
    char *l = repeat("\xc3\xa9", "", "", 1000);
    char left[2100], right[2100];
    snprintf(left, sizeof left, "[\"a%s\"]", l);
    snprintf(right, sizeof right, "[\"b%s\"]", l);
    assert_int_equal(compare_content(NULL, &subject, view_of(left), type, view_of(right), type, &d),
                     0);
    size_t n = strlen(d.items[0].left);
    assert_true(n < DIFFERENCE_TEXT && n > DIFFERENCE_TEXT - 8);
    assert_string_equal(d.items[0].left + n - 5, "\xc3\xa9…");
    differences_clear(&d);
    free(l);
}

// Arrays within arrays, none of them ordered, all different: the search for equal ones has its end.
static void test_search_ends(void **state)
{
    struct view type = VIEW_LIT("application/json");
    char why[WHY_MAX];
    struct rules rules;
    struct differences d;
    size_t size = 400000;
    char *text[2] = {malloc(size), malloc(size)};
    (void)state;
    for (int side = 0; side < 2; side++) {
        size_t n = (size_t)snprintf(text[side], size, "[");
        for (int i = 0; i < 300; i++) {
            n += (size_t)snprintf(text[side] + n, size - n, "%s[", i ? "," : "");
            for (int j = 0; j < 60; j++)
                n += (size_t)snprintf(text[side] + n, size - n, "%s[%d,%d]", j ? "," : "",
                                      i * 100 + j, side);
            n += (size_t)snprintf(text[side] + n, size - n, "]");
        }
        snprintf(text[side] + n, size - n, "]");
    }
    assert_int_equal(
        rules_parse(&rules, "rules", VIEW_LIT("unordered: [body, 'body[*]', 'body[*][*]']"), why),
        0);
    differences_init(&d, 20);
    assert_int_equal(
        compare_content(&rules, &subject, view_of(text[0]), type, view_of(text[1]), type, &d), 0);
    assert_true(d.total >= 300);
    differences_clear(&d);
    rules_clear(&rules);
    free(text[0]);
    free(text[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_examples),  cmocka_unit_test(test_cut),
        cmocka_unit_test(test_no_memory), cmocka_unit_test(test_deep),
        cmocka_unit_test(test_ceilings),  cmocka_unit_test(test_search_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
