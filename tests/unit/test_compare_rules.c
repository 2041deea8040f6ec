// Texts of rules: what is accepted, and what is said of what is not; and rules that are learned.
#include "tests/support/alloc.h"
#include "tools/compare/compare.h"
#include "tools/compare/learn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct rules_subject subject = {{"GET", 3}, {"api.example", 11}, {"/orders", 7}};

static void test_accepted(void **state)
{
    static const char text[] = "# what may differ\n"
                               "ignore:\n"
                               "  - header X-Request-Id   # of each request\n"
                               "  - {where: body.debug, path: /orders/**, method: POST}\n"
                               "  - where: body[\"odd key\"].x\n"
                               "    host: '*.example'\n"
                               "shape:\n"
                               "  body.id: uuid\n"
                               "  body.items[*].at: {is: time, path: /x}\n"
                               "unordered: [body.tags, query.a]\n"
                               "tolerance:\n"
                               "  - {where: body.price, within: 0.01}\n"
                               "  - {where: body.at, within: 250ms}\n"
                               "  - {where: body.share, within: 5%}\n"
                               "match:\n"
                               "  body.number: '^[0-9]+$'\n"
                               "  path[1]: {matches: '^[a-z]+$', path: '/users/*'}\n";
    char why[WHY_MAX];
    struct rules r;
    (void)state;
    assert_int_equal(rules_parse(&r, "rules.yaml", VIEW_LIT(text), why), 0);
    assert_int_equal(r.n, 12);
    assert_non_null(r.items[10].regex);
    assert_int_equal(r.items[11].where.part, WHERE_PATH);
    assert_int_equal(r.items[11].where.tokens[0].number, 1);
    assert_int_equal(r.items[0].kind, RULE_IGNORE);
    assert_int_equal(r.items[0].line, 3);
    assert_int_equal(r.items[0].where.part, WHERE_HEADER);
    assert_int_equal(r.items[3].shape, SHAPE_UUID);
    assert_string_equal(r.items[4].path, "/x");
    assert_true(r.items[7].number > 0.009L && r.items[7].number < 0.011L);
    assert_int_equal(r.items[8].us, 250000);
    assert_true(r.items[9].percent);
    struct rules_subject other = {{"GET", 3}, {"else", 4}, {"/", 1}};
    assert_false(rule_applies(&r.items[2], &other));
    rules_any_host(&r);
    assert_true(rule_applies(&r.items[2], &other));
    rules_clear(&r);
    static const char *const nothing[] = {
        "", "# nothing\n", "---\n", "ignore:\n", "ignore: []\n", "shape: {}\n", "{}"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        assert_int_equal(rules_parse(&r, "rules.yaml", view_of(nothing[i]), why), 0);
        assert_int_equal(r.n, 0);
        rules_clear(&r);
    }
}

// Bytes that may differ, in content that is compared as bytes then.
static void test_bytes(void **state)
{
    static const struct {
        const char *left, *right, *where;
    } cases[] = {
        {"abcdefgh", "abXXefgh", NULL},
        {"abcdefgh", "abcdefgX", NULL},
        {"abcdefgh", "aXcdefgh", "body byte 1"},
        {"abcdefgh", "abXdXfgh", "body byte 4"},
        {"abcdefgh", "abXXefg", "body byte 7"},
        {"{\"a\":1}", "{\"b\":1}", NULL},
        {"ab", "ab", NULL},
    };
    static const char text[] = "bytes:\n  body: 2-3, 7\n";
    char why[WHY_MAX];
    struct rules r;
    (void)state;
    assert_int_equal(rules_parse(&r, "r", VIEW_LIT(text), why), 0);
    assert_int_equal(r.items[0].n_ranges, 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct differences d;
        differences_init(&d, 10);
        assert_int_equal(compare_content(&r, &subject, view_of(cases[i].left),
                                         VIEW_LIT("text/plain"), view_of(cases[i].right),
                                         VIEW_LIT("text/plain"), &d),
                         0);
        assert_int_equal(d.total, cases[i].where ? 1 : 0);
        if (cases[i].where)
            assert_string_equal(d.items[0].where, cases[i].where);
        differences_clear(&d);
    }
    rules_clear(&r);
    static const char *const wrong[] = {
        "bytes: [{where: body}]", "bytes: {body: }",
        "bytes: {body: 4-3}",     "bytes: {body: '1,'}",
        "bytes: {body: -1}",      "bytes: {body.x: 1}",
        "bytes: {header x: 1}",   "bytes: {body: 1-2-3}",
        "bytes: [body]",          "bytes: {body: '1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1'}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (rules_parse(&r, "r", view_of(wrong[i]), why) == 0)
            fail_msg("accepted: %s", wrong[i]);
        assert_non_null(strstr(why, "r:1:"));
    }
}

static void test_mistakes(void **state)
{
    static const char *const mistakes[][2] = {
        {"ignored: [body]", "r:1:1: 'ignored' is no kind of rule: ignore, shape, unordered, "},
        {"ignore:\n  - body.items[x]\n", "r:2:16: 'body.items[x]': a number or * is expected"},
        {"ignore:\n  - 'body.items[x]'\n", "r:2:17: "},
        {"ignore:\n  - bodi.x\n", "r:2:5: 'bodi.x': a place begins with status, version, "},
        {"ignore: [header]", "r:1:16: 'header': a blank and a name are expected"},
        {"ignore: ['header ']", "a name is expected here, such as header etag"},
        {"ignore: [body..x]", "r:1:15: 'body..x': a key is expected here"},
        {"ignore: [status.x]", "r:1:16: 'status.x': the place has ended here"},
        {"ignore: ['body[\"x]']", "the key has no end"},
        {"ignore: ['body[\"\\q\"]']", "behind \\ a quote"},
        {"ignore: [body.x#0]", "a number from 1 is expected here"},
        {"ignore: ['body[0']", "']' is expected here"},
        {"ignore: ['body[99999999999]']", "a number or * is expected"},
        {"ignore: body", "r:1:9: ignore takes a list of places"},
        {"ignore: {body.x: 1}", "r:1:9: ignore takes a list of places"},
        {"ignore:\n  - [body]\n", "r:2:5: ignore takes a place or a mapping here"},
        {"ignore:\n  - {path: /x}\n", "r:2:5: this rule lacks where"},
        {"ignore:\n  - {where: body, paht: /x}\n",
         "r:2:19: 'paht' is nothing of such a rule; it has where, host, method, path"},
        {"ignore:\n  - {where: body, where: body}\n", "r:2:19: where stands here for the second"},
        {"ignore:\n  - {where: body, path: [x]}\n", "r:2:25: path takes one plain value"},
        {"ignore:\n  - {where: body, path: ''}\n", "r:2:25: path: '' is not 1 to 256 letters"},
        {"ignore: []\nignore: []\n", "r:2:1: ignore stands here for the second time"},
        {"shape: {body.id: guid}", "r:1:18: there is no shape 'guid'; there are uuid, ulid, "},
        {"shape: [body.id]",
         "r:1:9: shape takes a mapping here, such as {where: body.id, is: uuid}"},
        {"shape: [{where: body.id}]", "r:1:9: this rule lacks is"},
        {"shape: {body.id: [uuid]}", "r:1:18: a value or a mapping is expected here"},
        {"shape: {body.id: {was: uuid}}", "it has is, host, method, path"},
        {"tolerance: {body.x: much}", "r:1:21: 'much' is no tolerance: a number such as 0.01"},
        {"tolerance: {body.x: -1}", "'-1' is no tolerance"},
        {"unordered: [status]", "'status' has no order"},
        {"match: [body.id]",
         "r:1:9: match takes a mapping here, such as {where: body.id, matches: '^[0-9]+$'}"},
        {"match: [{where: body.id}]", "r:1:9: this rule lacks matches"},
        {"match: {body.id: '(['}", "r:1:18: '([' is no regular expression, at byte "},
        {"match: {body.id: 'a{1000}{1000}'}", "r:1:18: 'a{1000}{1000}' is no regular expression"},
        {"match: {body.id: '(a)\\1'}", "is no regular expression"},
        {"match: {body.id: {is: x}}", "it has matches, host, method, path"},
        {"ignore: [path.x]", "r:1:14: 'path.x': a path has segments: path[0], path[*]"},
        {"ignore: ['path[x]']", "a number or * is expected here"},
        {"ignore: ['path[\"x\"]']", "a number or * is expected here"},
        {"ignore: ['path[0][1]']", "the place has ended here"},
        {"unordered: ['path[0]']", "'path[0]' has no order"},
        {"- ignore", "r:1:1: rules are a mapping with ignore, shape, unordered, tolerance"},
        {"just words", "rules are a mapping"},
        {"ignore: [body\n", "r:2:1: this is no YAML"},
        {"ignore: []\n---\nignore: []\n", "r:2:1: a second document begins here"},
        {"ignore: [body.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a]",
         "more than 32 steps"},
    };
    char why[WHY_MAX];
    struct rules r;
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        assert_int_not_equal(rules_parse(&r, "r", view_of(mistakes[i][0]), why), 0);
        if (!strstr(why, mistakes[i][1]))
            fail_msg("%s\nsaid: %s\nnot: %s", mistakes[i][0], why, mistakes[i][1]);
        assert_null(r.items);
    }
}

static void test_too_many(void **state)
{
    char why[WHY_MAX];
    struct rules r;
    struct buf text;
    (void)state;
    buf_init(&text, RULES_TEXT_MAX);
    buf_printf(&text, "ignore:\n");
    for (int i = 0; i <= RULES_MAX; i++)
        buf_printf(&text, "- body.k%d\n", i);
    assert_int_equal(rules_parse(&r, "r", buf_view(&text), why), E_LIMIT);
    assert_string_equal(why, "r:1002:3: more than 1000 rules");
    buf_clear(&text);
}

static void test_no_memory(void **state)
{
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        char why[WHY_MAX];
        struct rules r;
        alloc_fail_at(i);
        int e =
            rules_parse(&r, "r",
                        VIEW_LIT("ignore: [body.a, {where: body.b, host: a, path: b, method: c}]\n"
                                 "match: {body.c: '^x'}"),
                        why);
        failed = alloc_fail_end();
        if (!failed)
            assert_int_equal(e, 0);
        rules_clear(&r);
    }
}

static void test_globs(void **state)
{
    static const struct {
        const char *pattern, *text;
        char stop;
        bool fold, match;
    } globs[] = {
        {"abc", "abc", '/', false, true},
        {"abc", "ABC", 0, true, true},
        {"abc", "ABC", 0, false, false},
        {"*", "", '/', false, true},
        {"*", "a/b", '/', false, false},
        {"**", "a/b", '/', false, true},
        {"/a/*/c", "/a/b/c", '/', false, true},
        {"/a/*/c", "/a/b/b/c", '/', false, false},
        {"/a/**/c", "/a/b/b/c", '/', false, true},
        {"/a/**", "/a/", '/', false, true},
        {"/a/**", "/a", '/', false, false},
        {"*.x", "a.b.x", 0, false, true},
        {"a*b*c", "aXXbYYc", 0, false, true},
        {"a*b*c", "aXXbYY", 0, false, false},
        {"*a", "aaaa", 0, false, true},
        {"A*C", "abc", 0, true, true},
        {"a*", "a", 0, false, true},
        {"", "", 0, false, true},
        {"*a*a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 0, false, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof globs / sizeof *globs; i++)
        if (where_glob(view_of(globs[i].pattern), view_of(globs[i].text), globs[i].stop,
                       globs[i].fold) != globs[i].match)
            fail_msg("%s and %s", globs[i].pattern, globs[i].text);
}

// ---- learning

static void differ(const struct rules *rules, const char *left, const char *right,
                   struct differences *d)
{
    struct view type = VIEW_LIT("application/json");
    differences_clear(d);
    assert_int_equal(compare_content(rules, &subject, view_of(left), type, view_of(right), type, d),
                     0);
}

// What is learned from the two, which are equal under it; the caller frees it.
static char *learned(const char *left, const char *right)
{
    char why[WHY_MAX];
    struct differences d;
    struct rules rules;
    struct buf text;
    struct learn *l = learn_new();
    differences_init(&d, 100);
    buf_init(&text, 1 << 20);
    differ(NULL, left, right, &d);
    assert_int_equal(learn_add(l, &subject, &d), 0);
    assert_int_equal(learn_write(l, &text), 0);
    if (rules_parse(&rules, "learned", buf_view(&text), why))
        fail_msg("%s", why);
    differ(&rules, left, right, &d);
    if (d.total)
        fail_msg("still differs: %s under\n%.*s", d.items[0].where, (int)buf_len(&text),
                 buf_view(&text).p);
    char *out = strndup(buf_view(&text).p, buf_len(&text));
    rules_clear(&rules);
    differences_clear(&d);
    buf_clear(&text);
    learn_free(l);
    return out;
}

static void test_learned(void **state)
{
    char *text =
        learned("{\"id\":\"550e8400-e29b-41d4-a716-446655440000\",\"tags\":[1,2],\"say\":\"hello\","
                "\"items\":[{\"at\":\"2026-01-31T12:00:00Z\"},{\"at\":\"2026-01-31T12:00:05Z\"}]}",
                "{\"id\":\"650e8400-e29b-41d4-a716-446655440000\",\"tags\":[2,1],\"say\":\"hallo\","
                "\"items\":[{\"at\":\"2026-01-31T12:01:00Z\"},{\"at\":\"2026-01-31T12:01:05Z\"}]}");
    (void)state;
    assert_string_equal(
        text,
        "# What differed between two runs that ought to be equal. Go over it: a rule hides\n"
        "# a mistake in its place, too.\n"
        "\n# Never compared. Narrow one with {where: …, host: …, method: …, path: …}.\n"
        "ignore:\n"
        "  # differed, 1 time: GET api.example/orders: \"hello\" and \"hallo\"\n"
        "  - body.say\n"
        "\n# May have another value of the same shape.\n"
        "shape:\n"
        "  # a UUID (RFC 9562), 1 time: GET api.example/orders: "
        "\"550e8400-e29b-41d4-a716-446655440000\" and \"650e8400-e29b-41d4-a716-446655440000\"\n"
        "  body.id: uuid\n"
        "  # a time as ISO 8601 has it, 2 times: GET api.example/orders: \"2026-01-31T12:00:00Z\" "
        "and \"2026-01-31T12:01:00Z\"\n"
        "  body.items[*].at: time\n"
        "\n# May stand in any order.\n"
        "unordered:\n"
        "  # another order, 1 time: GET api.example/orders: [1, 2] and [2, 1]\n"
        "  - body.tags\n");
    free(text);
}

// A place of two shapes has both; what is ignored above says all that is needed below.
static void test_learned_short(void **state)
{
    char *text = learned("{\"v\":[\"550e8400-e29b-41d4-a716-446655440000\",1]}",
                         "{\"v\":[\"650e8400-e29b-41d4-a716-446655440000\",2]}");
    (void)state;
    assert_non_null(strstr(text, "  - where: body.v[*]\n    is: uuid\n"));
    assert_non_null(strstr(text, "  - where: body.v[*]\n    is: number\n"));
    free(text);
    text = learned("{\"v\":[{\"a\":1},{\"a\":2},{\"b\":\"x\"}],\"w\":1}",
                   "{\"v\":[{\"a\":3},{\"a\":4}],\"w\":1}");
    assert_non_null(strstr(text, "  - body.v\n"));
    assert_null(strstr(text, "body.v[*]"));
    free(text);
}

// Keys and values that YAML would read otherwise.
static void test_learned_odd(void **state)
{
    static const char *const odd[] = {
        "a b", "a'b", "a: b", "#x",      "",        "a*",       "a\\\\b", "a\\\"b",
        "a]b", "a.b", "- a",  "\\u0001", "\xff",    "\xc2\x85", "é",      "x line 3",
        "*",   "**",  "0",    "a#2",     "\\u2028", "{a}",      "null",   "a\\nb",
    };
    (void)state;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        char left[200], right[200];
        snprintf(left, sizeof left, "{\"%s\":\"x\\n%s\",\"k\":{\"%s\":1}}", odd[i], odd[i], odd[i]);
        snprintf(right, sizeof right, "{\"%s\":\"y\\n%s\",\"k\":{\"%s\":2}}", odd[i], odd[i],
                 odd[i]);
        char *text = learned(left, right);
        assert_null(strstr(text, "ignore:\n  # differed, 2"));
        free(text);
    }
}

// Deep and long: what a rule cannot name is ignored with what is above it.
static void test_learned_deep(void **state)
{
    char left[4000], right[4000];
    size_t n = 0;
    (void)state;
    for (int i = 0; i < 60; i++)
        n += (size_t)snprintf(left + n, sizeof left - n, "{\"key_of_a_step\":[");
    memcpy(right, left, n + 1);
    n += (size_t)snprintf(left + n, sizeof left - n, "1");
    right[n - 1] = '2';
    right[n] = 0;
    for (int i = 0; i < 60; i++)
        n += (size_t)snprintf(left + n, sizeof left - n, "]}");
    for (int i = 0; i < 60; i++)
        snprintf(right + strlen(right), sizeof right - strlen(right), "]}");
    free(learned(left, right));
}

// What every message has is ignored in those alone that have the method and route, or else the
// host.
static void test_learned_limits(void **state)
{
    static char longest[600] = "/";
    static const struct {
        const char *path, *rule, *also, *other;
    } cases[] = {
        {"/orders/17/note", "path: '/orders/*/note'}", "/orders/18/note", "/orders/18"},
        {"/it's\x01 \xc3\xa9/{id}/x", "path: '/it*s*/*/x'}", "/it's/7/x", "/it's/7/y"},
        {longest, "x**'}", longest, "/xxx"},
        {"", "host: 'api.example'}\n", "/x", NULL},
    };
    (void)state;
    memset(longest + 1, 'x', sizeof longest - 2);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rules_subject s = {
            {"POST", i < 3 ? 4 : 0}, {"api.example", 11}, {cases[i].path, strlen(cases[i].path)}};
        struct view type = VIEW_LIT("text/plain");
        struct differences d;
        struct learn *l = learn_new();
        struct buf text;
        struct rules rules;
        char why[WHY_MAX];
        differences_init(&d, 100);
        buf_init(&text, 1 << 20);
        assert_int_equal(
            compare_content(NULL, &s, VIEW_LIT("one\n"), type, VIEW_LIT("two\n"), type, &d), 0);
        assert_int_equal(learn_add(l, &s, &d), 0);
        assert_int_equal(learn_write(l, &text), 0);
        assert_int_equal(buf_add(&text, "", 1), 0);
        if (!strstr(buf_view(&text).p, "- {where: body, ") ||
            !strstr(buf_view(&text).p, cases[i].rule))
            fail_msg("not %s in:\n%s", cases[i].rule, buf_view(&text).p);
        struct view written = view_head(buf_view(&text), buf_len(&text) - 1);
        if (rules_parse(&rules, "learned", written, why))
            fail_msg("%s", why);
        assert_true(rule_applies(&rules.items[0], &s));
        s.path = view_of(cases[i].also);
        assert_true(rule_applies(&rules.items[0], &s));
        s.path = view_of(cases[i].other);
        assert_int_equal(rule_applies(&rules.items[0], &s), !cases[i].other);
        rules_clear(&rules);
        differences_clear(&d);
        buf_clear(&text);
        learn_free(l);
    }
}

static void test_learn_no_memory(void **state)
{
    struct differences d;
    (void)state;
    differences_init(&d, 100);
    differ(NULL, "{\"a\":1,\"b\":\"x\"}", "{\"a\":2,\"b\":\"y\"}", &d);
    for (long i = 0, failed = 1; failed; i++) {
        struct buf text;
        buf_init(&text, 1 << 20);
        alloc_fail_at(i);
        struct learn *l = learn_new();
        int e = l ? learn_add(l, &subject, &d) : E_NOMEM;
        e = e ? e : learn_write(l, &text);
        failed = alloc_fail_end();
        assert_int_equal(e, failed ? E_NOMEM : 0);
        learn_free(l);
        buf_clear(&text);
    }
    differences_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),       cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_mistakes),       cmocka_unit_test(test_globs),
        cmocka_unit_test(test_too_many),       cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_learned),        cmocka_unit_test(test_learned_short),
        cmocka_unit_test(test_learned_odd),    cmocka_unit_test(test_learned_deep),
        cmocka_unit_test(test_learned_limits), cmocka_unit_test(test_learn_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
