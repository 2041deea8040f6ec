// tapedeck diff: which transactions are each other's, what differs, exit codes.
#include "tests/support/ask.h"
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/compare/rules.h"
#include "tools/compare/shape.h"
#include "tools/help/topics.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sample left, right;
static int64_t original; // of the next transaction
static const char *outcome;
static unsigned moment; // a Date and a delay that no other answer has

static void put(struct sample *s, const char *path, const char *query, int64_t status,
                const char *head, const char *body)
{
    char req[512], res[512];
    snprintf(req, sizeof req, "GET %s%s%s HTTP/1.1\r\nHost: api.test\r\n\r\n", path,
             *query ? "?" : "", query);
    snprintf(res, sizeof res,
             "HTTP/1.1 %d OK\r\nDate: %d\r\nContent-Type: application/json\r\n%s\r\n", (int)status,
             (int)++moment, head);
    struct sample_txn t = {.method = "GET",
                           .scheme = "http",
                           .host = "api.test",
                           .path = path,
                           .query = query,
                           .version = "HTTP/1.1",
                           .original = original,
                           .outcome = outcome,
                           .status = status,
                           .wait_us = 1000 + moment % 1000,
                           .req = {.head = view_of(req)},
                           .res = {.head = view_of(res), .body = view_of(body)}};
    sample_http(s, &t);
}

static void begin(struct sample *s)
{
    sample_begin(s, "capture.db");
}

static void end(struct sample *s)
{
    sample_finish(s);
}

static void differ(struct program *p, int code, const char *more)
{
    char script[2048];
    snprintf(script, sizeof script, "tapedeck diff %s %s %s", left.path, right.path, more);
    program_shell(p, script);
    if (p->code != code)
        fprintf(stderr, "%s\n%s%s", script, p->out, p->err);
    assert_int_equal(p->code, code);
}

static void expect(int code, const char *more, const char *out, const char *err)
{
    struct program p;
    differ(&p, code, more);
    if (!strstr(p.out, out) || !strstr(p.err, err))
        fprintf(stderr, "not: %s%s\nin: %s%s", out, err, p.out, p.err);
    assert_non_null(strstr(p.out, out));
    assert_non_null(strstr(p.err, err));
    program_clear(&p);
}

// The same session, with other ids and times, is equal.
static void test_equal(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct sample *s = i ? &right : &left;
        int64_t ids[SAMPLE_TXNS];
        sample_standard(s, ids);
    }
    expect(0, "", " transactions are equal, 0 differ, 0 are missing, 0 extra\n", "");
    expect(0, "--json", "\"different\":0,\"missing\":0,\"extra\":0,\"differences\":0}}\n", "");
    sample_remove(&left);
    sample_remove(&right);
}

// One thing changed is one difference, whatever it is.
static void test_one_change(void **state)
{
    static const struct {
        int status;
        const char *head, *body, *where, *kind;
    } changes[] = {
        {201, "X: 1\r\n", "{\"a\":1,\"b\":[1,2]}", "status", "value"},
        {200, "X: 2\r\n", "{\"a\":1,\"b\":[1,2]}", "header x", "value"},
        {200, "", "{\"a\":1,\"b\":[1,2]}", "header x", "missing"},
        {200, "X: 1\r\nY: 1\r\n", "{\"a\":1,\"b\":[1,2]}", "header y", "extra"},
        {200, "X: 1\r\n", "{\"a\":2,\"b\":[1,2]}", "body.a", "value"},
        {200, "X: 1\r\n", "{\"a\":\"1\",\"b\":[1,2]}", "body.a", "type"},
        {200, "X: 1\r\n", "{\"b\":[1,2]}", "body.a", "missing"},
        {200, "X: 1\r\n", "{\"a\":1,\"b\":[1,2],\"c\":0}", "body.c", "extra"},
        {200, "X: 1\r\n", "{\"a\":1,\"b\":[2,1]}", "body.b", "order"},
        {200, "X: 1\r\n", "{\"a\":1,\"b\":[1,2]", "body", "malformed"},
        {200, "X: 1\r\n", "", "body", "missing"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        struct program p;
        for (int side = 0; side < 2; side++) {
            struct sample *s = side ? &right : &left;
            begin(s);
            sample_flow(s, false);
            put(s, "/one", "", 200, "", "[1]");
            if (side)
                put(s, "/two", "", changes[i].status, changes[i].head, changes[i].body);
            else
                put(s, "/two", "", 200, "X: 1\r\n", "{\"a\":1,\"b\":[1,2]}");
            put(s, "/three", "", 200, "", "[3]");
            sample_flow_end(s);
            end(s);
        }
        differ(&p, 1, "--json");
        json_t *j = json_loads(p.out, JSON_DISABLE_EOF_CHECK, NULL);
        json_t *list = json_object_get(j, "differences"), *one = json_array_get(list, 0);
        assert_string_equal(json_string_value(json_object_get(j, "path")), "/two");
        assert_int_equal(json_array_size(list), 1);
        assert_string_equal(json_string_value(json_object_get(one, "half")), "answer");
        assert_string_equal(json_string_value(json_object_get(one, "where")), changes[i].where);
        assert_string_equal(json_string_value(json_object_get(one, "kind")), changes[i].kind);
        json_decref(j);
        assert_non_null(strstr(p.out,
                               "\"sums\":{\"left\":3,\"right\":3,\"equal\":2,\"different\":1,"
                               "\"missing\":0,\"extra\":0,\"differences\":1}"));
        program_clear(&p);
        expect(1, "", "2 of 3 and 3 transactions are equal, 1 differ, 0 are missing, 0 extra", "");
        expect(1, "--no-header", changes[i].where, "");
        expect(0, "--half request", "3 of 3 and 3", "");
        expect(0, "'path != /two'", "2 of 2 and 2", "");
        sample_remove(&left);
        sample_remove(&right);
    }
}

// Flows that correspond keep their own; what is left goes by its name and its turn.
static void test_matching(void **state)
{
    (void)state;
    begin(&left);
    sample_flow(&left, false); // A: x=1, x=2
    put(&left, "/x", "", 200, "", "[1]");
    put(&left, "/y", "", 200, "", "[2]");
    sample_flow_end(&left);
    sample_flow(&left, false); // B: x=3
    put(&left, "/x", "", 200, "", "[3]");
    sample_flow_end(&left);
    sample_flow(&left, false);
    put(&left, "/p", "", 200, "", "[4]");
    put(&left, "/q", "a=1", 200, "", "[5]");
    put(&left, "/only", "", 200, "", "[6]");
    sample_flow_end(&left);
    end(&left);
    begin(&right);
    sample_flow(&right, false); // B comes first
    put(&right, "/x", "", 200, "", "[3]");
    sample_flow_end(&right);
    sample_flow(&right, false);
    put(&right, "/x", "", 200, "", "[1]");
    put(&right, "/y", "", 200, "", "[2]");
    sample_flow_end(&right);
    sample_flow(&right, false);
    put(&right, "/q", "a=1", 200, "", "[5]");
    put(&right, "/q", "a=2", 200, "", "[7]");
    sample_flow_end(&right);
    sample_flow(&right, false);
    put(&right, "/p", "", 200, "", "[4]");
    put(&right, "/p", "", 200, "", "[4]");
    sample_flow_end(&right);
    end(&right);
    expect(1, "", "5 of 6 and 7 transactions are equal, 0 differ, 1 are missing, 2 extra", "");
    expect(1, "", "/only", "");
    expect(1, "'path = /only'", "0 of 1 and 0", "");
    expect(1, "--json 'path = /only'", "\"right\":null,\"method\":\"GET\"", "");
    expect(0, "'path = /nothing'", "0 of 0 and 0", "");
    sample_remove(&left);
    sample_remove(&right);
}

// A flow of answers to one and the same request, numbered in that order. begins: the key before the
// first one of it. from: the original of each is so many records behind its number there.
static void played(struct sample *s, const char *order, const char *path, int64_t from)
{
    begin(s);
    sample_flow(s, false);
    for (const char *c = order; *c; c++) {
        char body[8];
        snprintf(body, sizeof body, "[%c]", *c);
        original = from ? from + *c - '1' : 0;
        put(s, path, "", 200, "", body);
    }
    original = 0;
    sample_flow_end(s);
    end(s);
}

// What was played from something is compared with that, in whatever order it came and wherever it
// was sent; two that were played from the same, with each other. A number that is there by chance
// counts for nothing.
static void test_played(void **state)
{
    (void)state;
    const int64_t first = store_key(1, 2); // behind the flow
    played(&left, "1234", "/x", 0);
    played(&right, "4231", "/test/x", first);
    expect(0, "--half answer --json", "\"equal\":4,\"different\":0", "");
    sample_remove(&right);
    played(&right, "42", "/x", first);
    expect(1, "--half answer --json", "\"equal\":2,\"different\":0,\"missing\":2,\"extra\":0", "");
    sample_remove(&right);
    played(&right, "33", "/x", first);
    expect(1, "--json", "\"equal\":1,\"different\":1,\"missing\":2,\"extra\":0", "");
    sample_remove(&right);
    played(&right, "1234", "/x", store_key(9, 1)); // of another capture
    expect(0, "", "4 of 4 and 4", "");
    sample_remove(&left);
    played(&left, "4321", "/x", store_key(9, 1));
    expect(0, "", "4 of 4 and 4", "");
    sample_remove(&left);
    played(&left, "4321", "/x", first); // ids fit as well
    sample_remove(&right);
    played(&right, "2143", "/x", first);
    expect(0, "", "4 of 4 and 4", "");
    sample_remove(&left);
    sample_remove(&right);
    played(&left, "1234", "/x", 0);
    played(&right, "4321", "/y", first); // chance
    expect(1, "--json", "\"missing\":4,\"extra\":4", "");
    sample_remove(&left);
    sample_remove(&right);
}

// Paths and queries with ids of their run: what is the same by its route differs in these alone.
static void test_matching_routes(void **state)
{
    static const char *const ids[] = {"550e8400-e29b-41d4-a716-446655440000",
                                      "650e8400-e29b-41d4-a716-446655440001"};
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct sample *s = side ? &right : &left;
        char path[100], query[100];
        begin(s);
        sample_flow(s, false);
        snprintf(path, sizeof path, "/orders/%s/items", ids[side]);
        snprintf(query, sizeof query, "limit=2&after=%s", ids[side]);
        put(s, path, "", 200, "", "[1]");
        put(s, "/orders", query, 200, "", "[2]");
        put(s, "/orders/7", "", 200, "", "[3]");
        if (side)
            put(s, "/orders", "after=1&limit=2&more=1", 200, "", "[4]");
        sample_flow_end(s);
        end(s);
    }
    expect(1, "", "1 of 3 and 4 transactions are equal, 2 differ, 0 are missing, 1 extra", "");
    expect(1, "", "path[1]", "");
    expect(1, "", "query.after", "");
    expect(1, "--half answer", "3 of 3 and 4", "");
    sample_remove(&left);
    sample_remove(&right);
}

// What a replay sent once more is left out, before what came of it then and behind.
static void test_sent_again(void **state)
{
    (void)state;
    played(&left, "12", "/x", 0);
    begin(&right);
    for (int i = 0; i < 4; i++) {
        sample_flow(&right, false);
        outcome = i % 2 ? "equal" : "sent again";
        original = store_key(1, 2) + i / 2;
        put(&right, "/x", "", 200, "", i % 2 == 0 ? "" : i == 1 ? "[1]" : "[2]");
        sample_flow_end(&right);
    }
    original = 0;
    outcome = NULL;
    end(&right);
    expect(0, "", "2 of 2 and 2 transactions are equal", "");
    sample_remove(&left);
    sample_remove(&right);
}

// What is learned makes them equal; the file says why.
static void test_learn(void **state)
{
    char path[TMP_PATH], more[600];
    size_t n;
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct sample *s = side ? &right : &left;
        begin(s);
        sample_flow(s, false);
        put(s, "/a", "", 200,
            side ? "X-Request-Id: 550e8400-e29b-41d4-a716-446655440000\r\n"
                 : "X-Request-Id: 650e8400-e29b-41d4-a716-446655440000\r\n",
            side ? "{\"at\":\"2026-01-31T12:00:00Z\",\"n\":\"x\",\"t\":[1,2]}"
                 : "{\"at\":\"2026-01-31T12:00:01Z\",\"n\":\"y\",\"t\":[2,1]}");
        sample_flow_end(s);
        end(s);
    }
    tmp_path(path, left.dir, "rules.yaml");
    snprintf(more, sizeof more, "--learn %s", path);
    expect(1, more, "header x-request-id", "");
    char *text = tmp_read(path, &n);
    assert_non_null(memmem(text, n, "  header x-request-id: uuid\n", 28));
    assert_non_null(memmem(text, n, "  body.at: time\n", 16));
    assert_non_null(memmem(text, n, "  - body.n\n", 11));
    assert_non_null(memmem(text, n, "unordered:\n", 11));
    assert_non_null(memmem(text, n, "GET api.test/a: ", 16));
    free(text);
    snprintf(more, sizeof more, "--rules %s", path);
    expect(0, more, "1 of 1 and 1", "");
    tmp_write(path, "ignore:\n  - bodi\n", 17);
    expect(2, more, "", "rules.yaml:2:5: 'bodi': a place begins with status");
    sample_remove(&left);
    sample_remove(&right);
}

static void test_wrong_use(void **state)
{
    struct program p;
    (void)state;
    begin(&left);
    sample_many(&left, 20);
    end(&left);
    TAPEDECK(&p, "diff");
    assert_int_equal(p.code, 2);
    assert_non_null(strstr(p.err, "which two captures?"));
    program_clear(&p);
    TAPEDECK(&p, "diff", left.path, "not-there");
    assert_int_equal(p.code, 2);
    assert_non_null(strstr(p.err, "there is no capture 'not-there'"));
    program_clear(&p);
    TAPEDECK(&p, "diff", left.path, "not-there.db");
    assert_int_equal(p.code, 2);
    program_clear(&p);
    TAPEDECK(&p, "diff", left.path, left.path, "status >");
    assert_int_equal(p.code, 2);
    program_clear(&p);
    TAPEDECK(&p, "diff", left.path, left.path, "--rules", "no-such-file");
    assert_int_equal(p.code, 2);
    assert_non_null(strstr(p.err, "no-such-file"));
    program_clear(&p);
    TAPEDECK(&p, "diff", left.path, left.path);
    assert_int_equal(p.code, 0);
    assert_string_equal(
        p.out, "20 of 20 and 20 transactions are equal, 0 differ, 0 are missing, 0 extra\n");
    program_clear(&p);
    // What cannot be read is not equal.
    ask_change(left.path, "DROP TABLE body");
    TAPEDECK(&p, "diff", left.path, left.path);
    assert_int_equal(p.code, 2);
    assert_true(p.err_n > 0);
    program_clear(&p);
    sample_remove(&left);
}

// Content that was not kept whole is compared by its size and digest; so is what is sealed away.
static void test_not_whole(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        struct sample *s = side ? &right : &left;
        begin(s);
        sample_flow(s, false);
        struct sample_txn t = {.method = "GET",
                               .host = "api.test",
                               .path = "/",
                               .status = 200,
                               .req = {.head = VIEW_LIT("GET / HTTP/1.1\r\n\r\n")},
                               .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n"),
                                       .body = VIEW_LIT("abc"),
                                       .size = side ? 6000 : 5000}};
        sample_http(s, &t);
        sample_flow_end(s);
        end(s);
    }
    expect(1, "--json",
           "{\"half\":\"answer\",\"where\":\"size\",\"kind\":\"value\",\"left\":\"5000\","
           "\"right\":\"6000\",\"shape\":\"number\"}",
           "");
    sample_remove(&left);
    sample_remove(&right);
}

// The page about rules names all shapes, and all fields that never count.
static void test_topic(void **state)
{
    const struct topic *t = topics;
    (void)state;
    while (strcmp(t->name, "rules") != 0)
        t++;
    for (int i = SHAPE_NONE + 1; i < SHAPE_COUNT; i++)
        assert_non_null(strstr(t->text, shape_names[i]));
    for (const struct rules_ignored *i = rules_ignored; i->name; i++)
        assert_non_null(strstr(t->text, i->name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),     cmocka_unit_test(test_one_change),
        cmocka_unit_test(test_matching),  cmocka_unit_test(test_matching_routes),
        cmocka_unit_test(test_played),    cmocka_unit_test(test_learn),
        cmocka_unit_test(test_wrong_use), cmocka_unit_test(test_not_whole),
        cmocka_unit_test(test_topic),     cmocka_unit_test(test_sent_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
