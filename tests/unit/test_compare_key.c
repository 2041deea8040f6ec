// Keys of halves: the same for what compare() finds equal, and, unless vague, for nothing else.
#include "tests/support/alloc.h"
#include "tests/support/random.h"
#include "tools/compare/key.h"
#include "tools/compare/masks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct request {
    const char *method, *host, *path, *query, *head, *type, *content;
};

static struct rules rules_of(const char *text)
{
    char why[WHY_MAX];
    struct rules r = {0};
    if (rules_parse(&r, "r", view_of(text ? text : ""), why))
        fail_msg("%s: %s", text, why);
    return r;
}

struct pair {
    bool equal, same, vague;
};

static struct pair meet(const struct rules *rules, const struct compare_half *l,
                        const struct compare_half *r)
{
    const struct compare_half *h[2] = {l, r};
    struct differences d;
    struct key key[2];
    differences_init(&d, 0);
    struct rules_subject subject = {l->named->method, l->named->host, l->named->path};
    assert_int_equal(compare(rules, &subject, l, r, &d), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(key_half(rules, &subject, h[i], &key[i]), 0);
    struct pair p = {d.total == 0, key[0].hash == key[1].hash, key[0].vague || key[1].vague};
    differences_clear(&d);
    return p;
}

static struct compare_half half(const struct request *r, struct compare_named *named)
{
    *named = (struct compare_named){view_of(r->method), view_of(r->host), view_of(r->path),
                                    view_of(r->query)};
    return (struct compare_half){.named = named,
                                 .head = view_of(r->head),
                                 .type = view_of(r->type),
                                 .content = view_of(r->content),
                                 .size = (int64_t)strlen(r->content),
                                 .whole = true};
}

static const struct request plain = {"GET", "a:80", "/a/1", "x=1&y=2", "", "", ""};

static struct pair requests(const struct request *l, const struct request *r, const char *text)
{
    struct compare_named named[2];
    struct compare_half left = half(l, &named[0]), right = half(r, &named[1]);
    struct rules rules = rules_of(text);
    struct pair p = meet(&rules, &left, &right);
    rules_clear(&rules);
    return p;
}

static void test_parts(void **state)
{
    (void)state;
    struct {
        struct request r;
        const char *rules; // that makes it equal to the plain one; NULL: it is
        bool vague;
    } all[] = {
        {plain, NULL, false},
        {{"GET", "a:80", "/a/1", "y=2&x=1", "", "", ""}, NULL, false},
        {{"GET", "a:80", "/a/1", "y=%32&&x=1", "", "", ""}, NULL, false},
        {{"PUT", "a:80", "/a/1", "x=1&y=2", "", "", ""}, "ignore: [method]", false},
        {{"PUT", "a:80", "/a/1", "x=1&y=2", "", "", ""}, "match: {method: '^(GET|PUT)$'}", false},
        {{"GET", "b:80", "/a/1", "x=1&y=2", "", "", ""}, "ignore: [host]", false},
        {{"GET", "b:80", "/a/1", "x=1&y=2", "", "", ""}, "match: {host: '^[ab]:'}", false},
        {{"GET", "a:80", "/a/2", "x=1&y=2", "", "", ""}, "ignore: ['path[1]']", false},
        {{"GET", "a:80", "/a/2", "x=1&y=2", "", "", ""}, "shape: {'path[1]': number}", false},
        {{"GET", "a:80", "/b", "x=1&y=2", "", "", ""}, "ignore: [path]", false},
        {{"GET", "a:80", "/b", "x=1&y=2", "", "", ""}, "match: {path: '^/[ab]'}", true},
        {{"GET", "a:80", "/a/1", "x=1", "", "", ""}, "ignore: [query.y]", false},
        {{"GET", "a:80", "/a/1", "x=2&y=2", "", "", ""}, "ignore: [query.x]", false},
        {{"GET", "a:80", "/a/1", "x=1.5&y=2", "", "", ""}, "tolerance: {query.x: 1}", true},
        {{"GET", "a:80", "/a/1", "z=3&x=1&y=2", "", "", ""}, "ignore: [query.z]", false},
        {{"GET", "a:80", "/a/1", "", "", "", ""}, "ignore: [query]", false},
        {{"GET", "a:80", "/a/1", "x=1&y=2", "A: 1\r\n", "", ""}, "ignore: [header a]", false},
        {{"GET", "a:80", "/a/1", "x=1&y=2", "Date: 1\r\n", "", ""}, NULL, false},
        {{"GET", "a:80", "/a/1", "x=1&y=2", "", "", "body"}, "ignore: [body]", false},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct pair p = requests(&plain, &all[i].r, all[i].rules);
        if (!p.equal || !p.same || p.vague != all[i].vague)
            fail_msg("%zu: %d %d %d", i, p.equal, p.same, p.vague);
        if (!all[i].rules)
            continue;
        p = requests(&plain, &all[i].r, NULL);
        if (p.equal || p.same || p.vague)
            fail_msg("%zu: %d %d %d without rules", i, p.equal, p.same, p.vague);
    }
}

static void test_contents(void **state)
{
    static const struct {
        const char *type, *left, *right, *rules;
        bool same, vague;
    } all[] = {
        {"application/json", "{\"a\":1,\"b\":[2]}", "{ \"b\":[2.0],\"a\":1e0}", NULL, true, false},
        {"", "{\"a\":1,\"b\":[2]}", "{ \"b\":[2.0],\"a\":1e0}", NULL, true, false},
        {"application/json", "{\"a\":1}", "{\"a\":\"1\"}", NULL, false, false},
        {"application/json", "[1,2]", "[2,1]", "unordered: [body]", true, false},
        {"application/json", "[1,2]", "[2,1]", NULL, false, false},
        {"application/x-ndjson", "{\"a\":1}\n{}", "{\"a\": 1}{}", NULL, true, false},
        {"application/x-www-form-urlencoded", "a=1&b=2", "b=2&a=1", NULL, true, false},
        {"application/x-www-form-urlencoded", "a=1&a=2", "a=2&a=1", NULL, false, false},
        {"application/x-www-form-urlencoded", "a=1&a=2", "a=2&a=1", "unordered: [body.a]", true,
         false},
        {"application/xml", "<a b='1'><c/></a>", "<a  b=\"1\"><c></c></a>", NULL, true, true},
        {"application/xml", "<a><c/><d/></a>", "<a><d/><c/></a>", NULL, true, true}, // not equal
        {"text/plain", "a\n", "a\r\n", NULL, false, false},
        {"text/plain", "id 1", "id 2", "match: {body: '^id '}", true, true},
        {"image/png", "\x89P\xff", "\x89P\xfe", NULL, false, false},
        {"application/json", "{\"a\":", "{\"a\":", NULL, true, false},
        {"application/json", "{\"a\":", "{\"a\":1}", NULL, false, false},
        {"application/json", "{\"a\":1.5}", "{\"a\":1}", "tolerance: {body.a: 1}", true, true},
        {"application/json", "{\"a\":[1,9]}", "{\"a\":[2,9]}", "ignore: ['body.a[0]']", true, true},
        {"application/json", "{\"a\":[1,9]}", "{\"a\":[]}", "ignore: ['body.a[*]']", true, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct request l = plain, r = plain;
        l.type = r.type = all[i].type;
        l.content = all[i].left;
        r.content = all[i].right;
        struct pair p = requests(&l, &r, all[i].rules);
        if (p.same != all[i].same || p.vague != all[i].vague)
            fail_msg("%zu: %d %d", i, p.same, p.vague);
        assert_true(!p.equal || p.same);
        assert_true(p.equal || !p.same || p.vague);
    }
}

// Content of which size and digest are known, or its size alone.
static void test_sealed(void **state)
{
    struct compare_named named;
    struct compare_half l = half(&plain, &named), r;
    struct rules none = {0}, size = rules_of("ignore: [size]"),
                 digest = rules_of("ignore: [digest]"), body = rules_of("ignore: [body]");
    (void)state;
    l.whole = false;
    l.size = 1000;
    l.digest = VIEW_LIT("0123456789abcdef0123456789abcdef");
    r = l;
    struct pair p = meet(&none, &l, &r);
    assert_true(p.equal && p.same && !p.vague);
    r.digest = VIEW_LIT("0123456789abcdef0123456789abcdeF");
    p = meet(&none, &l, &r);
    assert_false(p.equal || p.same || p.vague);
    p = meet(&digest, &l, &r);
    assert_true(p.equal && p.same && !p.vague);
    r.size = 1001;
    p = meet(&digest, &l, &r);
    assert_false(p.equal || p.same || p.vague);
    p = meet(&size, &l, &r);
    assert_true(p.equal && p.same && p.vague);
    p = meet(&body, &l, &r);
    assert_true(p.equal && p.same && !p.vague);
    r = l;
    l.digest = r.digest = VIEW_LIT("");
    p = meet(&none, &l, &r);
    assert_true(p.equal && p.same && p.vague);
    rules_clear(&size);
    rules_clear(&digest);
    rules_clear(&body);
}

// ---- whatever it is

static uint64_t seed = RANDOM_SEED;

static unsigned upto(unsigned n)
{
    return (unsigned)(random_next(&seed) >> 33) % n;
}

static void value(char *out, size_t size, int depth)
{
    static const char *const values[] = {
        "1",
        "1.0",
        "2",
        "3",
        "\"1\"",
        "null",
        "true",
        "\"x\"",
        "\"y\"",
        "\"2026-01-31T12:00:00Z\"",
        "\"2026-01-31T12:00:01Z\"",
        "\"0190163d-8694-739b-aea5-966c26f8ad91\"",
        "\"0190163d-8694-739b-aea5-966c26f8ad92\"",
    };
    size_t n = 0;
    unsigned kind = depth > 2 ? 9 : upto(6);
    if (kind > 2) {
        snprintf(out, size, "%s", values[upto(sizeof values / sizeof *values)]);
        return;
    }
    n += (size_t)snprintf(out + n, size - n, "%s", kind ? "{" : "[");
    for (unsigned i = upto(4); i > 0 && n + 300 < size; i--) {
        if (kind)
            n += (size_t)snprintf(out + n, size - n, "\"%c\":", 'a' + upto(3));
        value(out + n, size - n - 2, depth + 1);
        n += strlen(out + n);
        if (i > 1)
            n += (size_t)snprintf(out + n, size - n, ",");
    }
    snprintf(out + n, size - n, "%s", kind ? "}" : "]");
}

static void some_rules(char *out, size_t size)
{
    static const char *const places[] = {"body.a",   "body.b",   "body.*",      "body[*]",
                                         "body.a#2", "body.a.b", "body.a[*].b", "body.**.c",
                                         "body",     "body[0]",  "body.a[1]",   "body.**"};
    static const char *const shapes[] = {"time", "uuid", "number"};
    static const char *const matches[] = {"x", "^[0-9]", "."};
    size_t n = 0;
    const unsigned all = sizeof places / sizeof *places;
    out[0] = 0;
    if (upto(2))
        n += (size_t)snprintf(out + n, size - n, "ignore: ['%s']\n", places[upto(all)]);
    if (upto(2))
        n += (size_t)snprintf(out + n, size - n, "unordered: ['%s', '%s']\n", places[upto(all)],
                              places[upto(all)]);
    if (upto(2))
        n += (size_t)snprintf(out + n, size - n, "shape: {'%s': %s}\n", places[upto(all)],
                              shapes[upto(3)]);
    if (upto(3) == 0)
        n += (size_t)snprintf(out + n, size - n, "match: {'%s': '%s'}\n", places[upto(all)],
                              matches[upto(3)]);
    if (upto(4) == 0)
        snprintf(out + n, size - n, "tolerance: {'%s': 1s}\n", places[upto(all)]);
}

static void test_any(void **state)
{
    unsigned equal = 0, other = 0;
    (void)state;
    for (int i = 0; i < 60000; i++) {
        char left[2048], right[2048], text[1024];
        struct request l = plain, r = plain;
        value(left, sizeof left, 0);
        value(right, sizeof right, 0);
        if (upto(3) == 0) { // most are too different to be of interest
            memcpy(right, left, sizeof right);
            for (char *c = right; *c; c++)
                if (*c >= '1' && *c <= '3' && upto(4) == 0)
                    *c = (char)('1' + upto(3));
        }
        some_rules(text, sizeof text);
        l.type = r.type = upto(2) ? "application/json" : "";
        l.content = left;
        r.content = right;
        struct pair p = requests(&l, &r, text);
        equal += p.equal;
        other += !p.equal && !p.vague;
        if ((p.equal && !p.same) || (!p.equal && p.same && !p.vague))
            fail_msg("%d: %s%s\n%s\nequal %d same %d vague %d", i, text, left, right, p.equal,
                     p.same, p.vague);
    }
    assert_true(equal > 5000 && other > 5000);
}

// What redaction replaced is equal to whatever stands there, as long as something does.
static void test_masks(void **state)
{
    static const struct {
        const char *redacted;
        struct request l, r;
        bool equal;
    } all[] = {
        {"query:token",
         {"GET", "a", "/", "token=redacted:1", "", "", ""},
         {"GET", "a", "/", "token=x", "", "", ""},
         true},
        {"query:token",
         {"GET", "a", "/", "Token=redacted:1&a=1", "", "", ""},
         {"GET", "a", "/", "a=1&Token=x", "", "", ""},
         true},
        {"query:token",
         {"GET", "a", "/", "token[a]=redacted:1", "", "", ""},
         {"GET", "a", "/", "token[a]=x", "", "", ""},
         true},
        {"query:token",
         {"GET", "a", "/", "token=redacted:1", "", "", ""},
         {"GET", "a", "/", "", "", "", ""},
         false},
        {"query:token",
         {"GET", "a", "/", "tokens=1", "", "", ""},
         {"GET", "a", "/", "tokens=2", "", "", ""},
         false},
        {"header:set-cookie, header:x-key",
         {"GET", "a", "/", "", "X-Key: 1\r\n", "", ""},
         {"GET", "a", "/", "", "x-key: 2\r\n", "", ""},
         true},
        {"json:$.pw",
         {"PUT", "a", "/", "", "", "", "{\"pw\":\"redacted:1\",\"a\":1}"},
         {"PUT", "a", "/", "", "", "", "{\"a\":1,\"pw\":17}"},
         true},
        {"json:$.pw",
         {"PUT", "a", "/", "", "", "", "{\"pw\":\"redacted:1\",\"a\":1}"},
         {"PUT", "a", "/", "", "", "", "{\"a\":2,\"pw\":17}"},
         false},
        {"json:$.a[*]..pw",
         {"PUT", "a", "/", "", "", "", "{\"a\":[{\"b\":{\"pw\":1}}]}"},
         {"PUT", "a", "/", "", "", "", "{\"a\":[{\"b\":{\"pw\":{}}}]}"},
         true},
        {"json:$.a[1]",
         {"PUT", "a", "/", "", "", "", "{\"a\":[1,2]}"},
         {"PUT", "a", "/", "", "", "", "{\"a\":[1,3]}"},
         true},
        {"json:$.pw",
         {"PUT", "a", "/", "", "", "application/jsonl", "{\"pw\":1}\n{\"pw\":2}"},
         {"PUT", "a", "/", "", "", "application/jsonl", "{\"pw\":3}\n{\"pw\":4}"},
         true},
        {"json (encoded)",
         {"PUT", "a", "/", "", "", "", ""},
         {"PUT", "a", "/", "", "", "", "x"},
         true},
        {"interim:rest, json:$, json:$.., query:, json:$.a[x]",
         {"PUT", "a", "/", "", "", "", "1"},
         {"PUT", "a", "/", "", "", "", "2"},
         false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        struct compare_named named[2];
        struct compare_half l = half(&all[i].l, &named[0]), r = half(&all[i].r, &named[1]);
        struct rules rules = {0};
        assert_int_equal(masks_add(&rules, view_of(all[i].redacted)), 0);
        struct pair p = meet(&rules, &l, &r);
        if (p.equal != all[i].equal || (p.equal && !p.same) || (p.same && !p.equal && !p.vague))
            fail_msg("%zu: %d %d %d", i, p.equal, p.same, p.vague);
        rules_clear(&rules);
    }
    for (long i = 0, failed = 1; failed; i++) {
        struct rules rules = {0};
        alloc_fail_at(i);
        int e = masks_add(&rules, VIEW_LIT("query:a,header:b,json:$.c,json (x)"));
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        assert_int_equal(rules.n, failed ? 0 : 6);
        rules_clear(&rules);
    }
}

static void test_no_memory(void **state)
{
    static const struct request r = {
        "GET", "a:80", "/a", "x=1", "A: 1\r\n", "application/json", "{\"a\":[1,{\"b\":2}]}"};
    struct rules rules = rules_of("ignore: [body.c]\nshape: {body.a: uuid}");
    struct compare_named named;
    struct compare_half h = half(&r, &named);
    struct rules_subject subject = {named.method, named.host, named.path};
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        struct key key;
        alloc_fail_at(i);
        int e = key_half(&rules, &subject, &h, &key);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
    }
    rules_clear(&rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts),  cmocka_unit_test(test_contents),
        cmocka_unit_test(test_sealed), cmocka_unit_test(test_any),
        cmocka_unit_test(test_masks),  cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
