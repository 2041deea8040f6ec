// Why nothing answers: each kind of near miss names its field, and the rule that it proposes makes
// the request match.
#include "tests/support/alloc.h"
#include "tests/support/asking.h"
#include "tests/support/random.h"
#include "tools/mock/near.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define JSON "Content-Type: application/json\r\n"
#define FORM "Content-Type: application/x-www-form-urlencoded\r\n"
#define TEXT "Content-Type: text/plain\r\n"

static struct asking a;
static const char *const chosen[] = {"x-tenant"};

static void fill(void)
{
    static const struct asking_request list[] = {
        {ASKING("GET", "api.test", "/users/17/orders"), .query = "page=1&size=10"},
        {ASKING("GET", "api.test", "/users"), .head = "X-Tenant: a\r\n"},
        {ASKING("POST", "api.test", "/orders"), .head = JSON,
         .content = "{\"item\":{\"id\":7,\"name\":\"cup\"},\"tags\":[\"a\",\"b\"],\"n\":[1,2,3]}"},
        {ASKING("POST", "api.test", "/login"), .head = FORM, .content = "user=anna&lang=de"},
        {ASKING("PUT", "api.test", "/note"), .head = TEXT, .content = "one\ntwo\nthree\n"},
        {ASKING("PUT", "api.test", "/blob"), .content = "\x89\x00\xff\x01", .size = 4},
        {ASKING("PUT", "api.test", "/large"), .content = "0123456789012345678901234567890123456789",
         .sealed = true},
        {ASKING("GET", "db.test:8080", "/health")},
        {ASKING("POST", "api.test", "/soap"), .head = "Content-Type: text/xml\r\n",
         .content = "<a><b id='1'>x</b></a>"},
    };
    asking_begin(&a);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct asking_request r = list[i];
        r.sealed = false;
        asking_put(&a, &r);
    }
    a.conf.headers = chosen;
    a.conf.n_headers = 1;
}

struct miss {
    struct asking_request asked;
    enum near_cause cause;
    int nearest; // of what was put
    const char *where, *kind;
};

static const struct miss misses[] = {
    {{ASKING("GET", "other.test", "/users/17/orders"), .query = "page=1&size=10"},
     NEAR_HOST,
     1,
     "host",
     "value"},
    {{ASKING("GET", "db.test:8081", "/health")}, NEAR_HOST, 8, "host", "value"},
    {{ASKING("PATCH", "api.test", "/users/17/orders"), .query = "page=1&size=10"},
     NEAR_METHOD,
     1,
     "method",
     "value"},
    {{ASKING("GET", "api.test", "/users/18/orders"), .query = "page=1&size=10"},
     NEAR_PATH,
     1,
     "path[1]",
     "value"},
    {{ASKING("GET", "api.test", "/users/17"), .query = "page=1&size=10"},
     NEAR_PATH,
     1,
     "path",
     "value"},
    {{ASKING("GET", "api.test", "/users/17/orders"), .query = "page=1"},
     NEAR_QUERY,
     1,
     "query.size",
     "missing"},
    {{ASKING("GET", "api.test", "/users/17/orders"), .query = "page=x&size=10"},
     NEAR_QUERY,
     1,
     "query.page",
     "value"},
    {{ASKING("GET", "api.test", "/users/17/orders"), .query = "page=1&size=10&q='s"},
     NEAR_QUERY,
     1,
     "query.q",
     "extra"},
    {{ASKING("GET", "api.test", "/users"), .head = "X-Tenant: b\r\n"},
     NEAR_HEADER,
     2,
     "header x-tenant",
     "value"},
    {{ASKING("GET", "api.test", "/users")}, NEAR_HEADER, 2, "header x-tenant", "missing"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":8,\"name\":\"cup\"},\"tags\":[\"a\",\"b\"],\"n\":[1,2,3]}"},
     NEAR_BODY,
     3,
     "body.item.id",
     "value"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":\"7\",\"name\":\"cup\"},\"tags\":[\"a\",\"b\"],\"n\":[1,2,3]}"},
     NEAR_BODY,
     3,
     "body.item.id",
     "type"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":7},\"tags\":[\"a\",\"b\"],\"n\":[1,2,3]}"},
     NEAR_BODY,
     3,
     "body.item.name",
     "missing"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":7,\"name\":\"cup\",\"odd key\":1},\"tags\":[\"a\",\"b\"],"
                 "\"n\":[1,2,3]}"},
     NEAR_BODY,
     3,
     "body.item[\"odd key\"]",
     "extra"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":7,\"name\":\"cup\"},\"tags\":[\"b\",\"a\"],\"n\":[1,2,3]}"},
     NEAR_BODY,
     3,
     "body.tags",
     "order"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON,
      .content = "{\"item\":{\"id\":7,\"name\":\"cup\"},\"tags\":[\"a\",\"b\"],\"n\":[1,9,2,3]}"},
     NEAR_BODY,
     3,
     "body.n[1]",
     "extra"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON, .content = "{\"item\":"},
     NEAR_BODY,
     3,
     "body",
     "malformed"},
    {{ASKING("POST", "api.test", "/orders"), .head = JSON}, NEAR_BODY, 3, "body", "missing"},
    {{ASKING("POST", "api.test", "/login"), .head = FORM, .content = "user=bert&lang=de"},
     NEAR_BODY,
     4,
     "body.user",
     "value"},
    {{ASKING("PUT", "api.test", "/note"), .head = TEXT, .content = "one\n2\nthree\n"},
     NEAR_BODY,
     5,
     "body line 2",
     "value"},
    {{ASKING("PUT", "api.test", "/blob"), .content = "\x89\x00\xfe\x01", .size = 4},
     NEAR_BODY,
     6,
     "body byte 2",
     "value"},
    {{ASKING("PUT", "api.test", "/large"), .content = "0123456789012345678901234567890123456780",
      .sealed = true},
     NEAR_BODY,
     7,
     "digest",
     "value"},
    {{ASKING("PUT", "api.test", "/large"), .content = "01234567890123456789012345678901234567890",
      .sealed = true},
     NEAR_BODY,
     7,
     "size",
     "value"},
    {{ASKING("POST", "api.test", "/soap"), .head = "Content-Type: text/xml\r\n",
      .content = "<a><b id='2'>x</b></a>"},
     NEAR_BODY,
     9,
     "body.a.b.@id",
     "value"},
};

static bool names(const struct near_one *one, const char *where, const char *kind)
{
    for (size_t i = 0; i < one->differences.n; i++)
        if (strcmp(one->differences.items[i].where, where) == 0 &&
            strcmp(difference_kinds[one->differences.items[i].kind], kind) == 0)
            return true;
    return false;
}

static void check_json(const struct near_miss *n, const struct match_request *r)
{
    struct buf out;
    buf_init(&out, NEAR_JSON_MAX);
    assert_int_equal(near_json(n, r, &out), 0);
    json_t *j = json_loadb(out.p, buf_len(&out), 0, NULL);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "cause")), near_causes[n->cause]);
    json_t *list = json_object_get(j, "nearest"), *first = json_array_get(list, 0);
    assert_int_equal(json_array_size(list), n->n);
    assert_int_equal(json_array_size(json_object_get(first, "differences")),
                     n->one[0].differences.n);
    assert_non_null(json_object_get(first, "rules"));
    json_decref(j);
    buf_clear(&out);
}

// Both that it is told, and that its rule, in a file of its own, makes it match.
static void test_kinds(void **state)
{
    (void)state;
    fill();
    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++) {
        const struct miss *x = &misses[i];
        char rules[4096];
        struct near_miss n;
        a.conf.body_max = strstr(x->asked.path, "large") ? 39 : 0;
        asking_open(&a, NULL);
        struct match_request r = asking_request(&a, &x->asked);
        assert_int_equal(asking_take(&a, &x->asked, NULL), 0);
        assert_int_equal(near_find(a.m, &r, &n), 0);
        assert_true(n.n > 0);
        if (n.cause != x->cause || asking_number(&a, n.one[0].entry) != x->nearest ||
            !names(&n.one[0], x->where, x->kind))
            fail_msg("%zu %s: %s %d %s", i, x->where, near_causes[n.cause],
                     asking_number(&a, n.one[0].entry), n.one[0].differences.items[0].where);
        check_json(&n, &r);
        snprintf(rules, sizeof rules, "%.*s", (int)buf_len(&n.one[0].rules), n.one[0].rules.p);
        near_clear(&n);
        asking_close(&a);
        asking_open(&a, rules);
        if (asking_take(&a, &x->asked, NULL) != x->nearest)
            fail_msg("%zu %s: this does not help:\n%s", i, x->where, rules);
        asking_close(&a);
    }
    asking_end(&a);
}

// Of paths that all differ, the one that is most like it.
static void test_likeness(void **state)
{
    static const struct asking_request put[] = {{ASKING("GET", "api.test", "/missing")},
                                                {ASKING("GET", "api.test", "/hello.json")}},
                                       asked = {ASKING("GET", "api.test", "/hello.jsn")};
    struct near_miss n;
    (void)state;
    asking_begin(&a);
    asking_put(&a, &put[0]);
    asking_put(&a, &put[1]);
    asking_open(&a, NULL);
    struct match_request r = asking_request(&a, &asked);
    assert_int_equal(near_find(a.m, &r, &n), 0);
    assert_int_equal(n.n, 2);
    assert_string_equal(n.one[0].path, "/hello.json");
    near_clear(&n);
    asking_close(&a);
    asking_end(&a);
}

static void expect_rules(const struct asking_request *asked, const char *rules, const char *text)
{
    struct near_miss n;
    struct buf out;
    buf_init(&out, 1 << 16);
    struct match_request r = asking_request(&a, asked);
    assert_int_equal(near_find(a.m, &r, &n), 0);
    assert_int_equal(buf_add(&n.one[0].rules, "", 1), 0);
    assert_string_equal(n.one[0].rules.p, rules);
    n.one[0].rules.n--;
    assert_int_equal(near_text(&n, &out), 0);
    assert_int_equal(buf_add(&out, "", 1), 0);
    if (strncmp(out.p, text, strlen(text)) != 0)
        fail_msg("%s\nis not\n%s", out.p, text);
    near_clear(&n);
    buf_clear(&out);
}

// The rules are narrow, and what is told is plain.
static void test_words(void **state)
{
    struct asking_request r = {ASKING("GET", "api.test", "/users/18/orders"),
                               .query = "page=1&size=10"};
    (void)state;
    fill();
    asking_open(&a, NULL);
    expect_rules(&r,
                 "shape:\n  - {where: 'path[1]', is: number, host: 'api.test', method: 'GET', "
                 "path: '/users/*/orders'}\n",
                 "path: path[1] is 18, recorded is 17 (1.2)\n"
                 "  1.2: GET api.test/users/17/orders?page=1&size=10: path\n"
                 "    path[1] is 18, recorded is 17\n"
                 "    shape:\n");
    r.path = "/users/17/orders";
    r.query = "page=1&size=10&q=it's";
    expect_rules(&r,
                 "ignore:\n  - {where: 'query.q', host: 'api.test', method: 'GET', path: "
                 "'/users/17/orders'}\n",
                 "query: query.q is it's, recorded is nothing (1.2)\n");
    r.host = "elsewhere.test";
    r.query = "page=1&size=10";
    expect_rules(&r, "ignore:\n  - {where: 'host', method: 'GET', path: '/users/17/orders'}\n",
                 "host: host is elsewhere.test:80, recorded is api.test:80 (1.2)\n");
    asking_close(&a);
    asking_end(&a);
}

static void test_used_up(void **state)
{
    struct asking_request r = {ASKING("GET", "db.test:8080", "/health")};
    struct near_miss n;
    struct buf out;
    (void)state;
    fill();
    a.conf.repeat = MATCH_FAIL;
    asking_open(&a, NULL);
    assert_int_equal(asking_take(&a, &r, NULL), 8);
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    struct match_request q = asking_request(&a, &r);
    assert_int_equal(near_find(a.m, &q, &n), 0);
    assert_int_equal(n.cause, NEAR_USED_UP);
    assert_int_equal(asking_number(&a, n.one[0].entry), 8);
    assert_int_equal(buf_len(&n.one[0].rules), 0);
    buf_init(&out, 1 << 16);
    assert_int_equal(near_text(&n, &out), 0);
    assert_int_equal(strncmp(out.p, "used up (1.9)\n", 14), 0);
    buf_clear(&out);
    near_clear(&n);
    asking_close(&a);
    asking_end(&a);
}

static void test_nothing(void **state)
{
    struct asking_request r = {ASKING("GET", "a", "/")};
    struct near_miss n;
    struct buf out;
    (void)state;
    asking_begin(&a);
    asking_open(&a, NULL);
    assert_int_equal(asking_take(&a, &r, NULL), 0);
    struct match_request q = asking_request(&a, &r);
    assert_int_equal(near_find(a.m, &q, &n), 0);
    assert_int_equal(n.cause, NEAR_NOTHING);
    buf_init(&out, NEAR_JSON_MAX);
    assert_int_equal(near_json(&n, &q, &out), 0);
    assert_int_equal(buf_add(&out, "", 1), 0);
    assert_string_equal(out.p, "{\"error\":\"no recorded answer\",\"cause\":\"nothing recorded\","
                               "\"request\":{\"method\":\"GET\",\"host\":\"a\",\"path\":\"/\","
                               "\"query\":\"\"},\"nearest\":[]}");
    buf_reset(&out);
    assert_int_equal(near_text(&n, &out), 0);
    assert_int_equal(buf_len(&out), strlen("nothing recorded\n"));
    buf_clear(&out);
    near_clear(&n);
    asking_close(&a);
    asking_end(&a);
}

// Whatever stands in a request, the document is JSON and keeps its bounds, and the rules can be
// read.
static void test_odd(void **state)
{
    static char path[3000], query[3000], body[60000];
    struct asking_request r = {ASKING("GET", "api.test\x01'\"", path), .query = query, .head = JSON,
                               .content = body};
    size_t n = 0;
    (void)state;
    asking_begin(&a);
    for (size_t i = 0; i < sizeof path - 1; i++)
        path[i] = i % 7 ? (char)(i * 37 % 255 + 1) : '/';
    for (size_t i = 0; i < sizeof query - 1; i++)
        query[i] = i % 11 ? (char)(i * 91 % 255 + 1) : i % 2 ? '&' : '=';
    for (int i = 0; i < 400; i++)
        n += (size_t)snprintf(body + n, sizeof body - n, "%s\"k\\u00%02x'\\n%d\":\"%0100d\xff\"",
                              i ? "," : "{", i % 32, i, i);
    snprintf(body + n, sizeof body - n, "}");
    static char other[sizeof body];
    memcpy(other, body, sizeof body);
    for (char *c = other; *c; c++)
        *c = *c == '0' ? '1' : *c;
    asking_put(&a, &r);
    r.content = other;
    asking_put(&a, &r);
    r.query = "x";
    asking_put(&a, &r);
    asking_open(&a, NULL);
    query[1] = '!';
    r.query = query;
    path[9] = 'y';
    struct match_request q = asking_request(&a, &r);
    struct near_miss miss;
    struct buf out;
    assert_int_equal(near_find(a.m, &q, &miss), 0);
    assert_int_equal(miss.n, 3);
    buf_init(&out, NEAR_JSON_MAX);
    assert_int_equal(near_json(&miss, &q, &out), 0);
    json_t *j = json_loadb(out.p, buf_len(&out), 0, NULL);
    assert_non_null(j);
    json_decref(j);
    buf_clear(&out);
    for (size_t i = 0; i < miss.n; i++) {
        char why[WHY_MAX];
        struct rules rules;
        if (rules_parse(&rules, "r", buf_view(&miss.one[i].rules), why))
            fail_msg("%s", why);
        rules_clear(&rules);
    }
    near_clear(&miss);
    asking_close(&a);
    asking_end(&a);
}

// ---- whatever is asked

static uint64_t seed = RANDOM_SEED;

static unsigned upto(unsigned n)
{
    return (unsigned)(random_next(&seed) >> 33) % n;
}

static size_t value(char *out, size_t size, int depth)
{
    static const char *const values[] = {
        "1", "2.5", "\"x\"", "\"it's\"", "null", "true", "\"2026-01-31T12:00:00Z\""};
    unsigned kind = depth > 2 ? 9 : upto(5);
    if (kind > 1)
        return (size_t)snprintf(out, size, "%s", values[upto(sizeof values / sizeof *values)]);
    size_t n = (size_t)snprintf(out, size, "%s", kind ? "{" : "[");
    for (unsigned i = upto(4), more = i; i > 0 && n + 300 < size; i--) {
        n += (size_t)snprintf(out + n, size - n, "%s", i < more ? "," : "");
        if (kind)
            n += (size_t)snprintf(out + n, size - n, "\"%s\":",
                                  (const char *const[]){"a", "b c", "id", "it's"}[upto(4)]);
        n += value(out + n, size - n - 2, depth + 1);
    }
    return n + (size_t)snprintf(out + n, size - n, "%s", kind ? "}" : "]");
}

struct any {
    char path[64], query[64], head[128], content[4096];
    struct asking_request r;
};

static void any(struct any *x)
{
    static const char *const words[] = {"a", "b", "17", "it's", "%41", "x*y", ""};
    static const char *const types[] = {JSON, TEXT, FORM, ""};
    snprintf(x->path, sizeof x->path, "/%s", words[upto(7)]);
    if (upto(2))
        snprintf(x->path, sizeof x->path, "/%s/%s", words[upto(7)], words[upto(7)]);
    snprintf(x->query, sizeof x->query, "%s=%s&a=%s", words[upto(7)], words[upto(7)],
             words[upto(7)]);
    snprintf(x->head, sizeof x->head, "%s%s", types[upto(4)], upto(3) ? "" : "X-Tenant: a, b\r\n");
    value(x->content, sizeof x->content, 0);
    if (upto(5) == 0)
        snprintf(x->content, sizeof x->content, "one %u\ntwo %u\n", upto(3), upto(3));
    x->r = (struct asking_request){
        ASKING(upto(2) ? "POST" : "PUT", upto(4) ? "a.test" : "b.test:81", x->path),
        .query = x->query, .head = x->head, .content = x->content};
}

// Whatever differs, there is a rule that makes it match.
static void test_any(void **state)
{
    static struct any recorded[12], asked;
    unsigned missed = 0;
    (void)state;
    asking_begin(&a);
    for (int i = 0; i < 12; i++) {
        any(&recorded[i]);
        asking_put(&a, &recorded[i].r);
    }
    a.conf.headers = chosen;
    a.conf.n_headers = 1;
    for (int i = 0; i < 150; i++) {
        char rules[NEAR_JSON_MAX];
        struct near_miss n;
        any(&asked);
        asking_open(&a, NULL);
        if (asking_take(&a, &asked.r, NULL) == 0) {
            struct match_request r = asking_request(&a, &asked.r);
            assert_int_equal(near_find(a.m, &r, &n), 0);
            assert_true(n.n > 0);
            snprintf(rules, sizeof rules, "%.*s", (int)buf_len(&n.one[0].rules), n.one[0].rules.p);
            near_clear(&n);
            asking_close(&a);
            asking_open(&a, rules);
            missed++;
            if (asking_take(&a, &asked.r, NULL) == 0)
                fail_msg("%d: %s %s%s?%s\n%s%s\n%s", i, asked.r.method, asked.r.host, asked.path,
                         asked.query, asked.head, asked.content, rules);
        }
        asking_close(&a);
    }
    assert_true(missed > 100);
    asking_end(&a);
}

static void test_no_memory(void **state)
{
    const struct miss *x = &misses[10];
    (void)state;
    fill();
    asking_open(&a, NULL);
    struct match_request r = asking_request(&a, &x->asked);
    for (long i = 0, failed = 1; failed; i++) {
        struct near_miss n;
        struct buf out;
        struct match *m = match_new(a.ix);
        buf_init(&out, NEAR_JSON_MAX);
        alloc_fail_at(i);
        int e = near_find(m, &r, &n);
        e = e ? e : near_json(&n, &r, &out);
        e = e ? e : near_text(&n, &out);
        failed = alloc_fail_end();
        assert_true(e == 0 || (failed && e == E_NOMEM));
        near_clear(&n);
        buf_clear(&out);
        match_free(m);
    }
    asking_close(&a);
    asking_end(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_likeness),
        cmocka_unit_test(test_words),   cmocka_unit_test(test_used_up),
        cmocka_unit_test(test_nothing), cmocka_unit_test(test_odd),
        cmocka_unit_test(test_any),     cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
