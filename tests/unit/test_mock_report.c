// tapedeck mock-report: sums, misses with their causes, what nobody asked for, the rules that it
// writes.
#include "tests/support/program.h"
#include "tests/support/sample.h"
#include "tools/compare/rules.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sample tape, own;

static int64_t put(struct sample *s, const char *path, const char *body, int64_t original,
                   const char *outcome)
{
    char req[256];
    bool miss = outcome && strncmp(outcome, "miss", 4) == 0;
    snprintf(req, sizeof req,
             "%s %s HTTP/1.1\r\nHost: api.test\r\nContent-Type: application/json\r\n"
             "Content-Length: %zu\r\n\r\n",
             *body ? "POST" : "GET", path, strlen(body));
    struct sample_txn t = {.method = *body ? "POST" : "GET",
                           .scheme = "http",
                           .host = "api.test",
                           .path = path,
                           .query = "",
                           .version = "1.1",
                           .status = miss ? 502 : 200,
                           .original = original,
                           .outcome = outcome,
                           .req = {.head = view_of(req), .body = view_of(body)},
                           .res = {.head = miss ? VIEW_LIT("HTTP/1.1 502 Bad Gateway\r\n"
                                                           "Tapedeck-Miss: body\r\n\r\n")
                                                : VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n")}};
    return sample_http(s, &t);
}

static void put_file(const char *name, const char *text)
{
    char path[TMP_PATH];
    tmp_write(tmp_path(path, own.dir, name), text, strlen(text));
}

static int set_up(void **state)
{
    (void)state;
    sample_begin(&tape, "tape.db");
    sample_flow(&tape, false);
    int64_t a = put(&tape, "/a", "", 0, NULL), b = put(&tape, "/orders", "{\"n\":1}", 0, NULL);
    put(&tape, "/unused", "", 0, NULL);
    sample_flow_end(&tape);
    sample_finish(&tape);
    sample_begin(&own, "mock.db");
    sample_flow(&own, false);
    put(&own, "/a", "", a, "hit");
    put(&own, "/a", "", a, "hit fault=latency,status");
    put(&own, "/orders", "{\"n\":1}", b, "hit fault=latency");
    for (int i = 2; i < 9; i++) { // each another request, all of one kind
        char body[32];
        snprintf(body, sizeof body, "{\"n\":%d}", i);
        put(&own, "/orders", body, 0, "miss");
    }
    put(&own, "/orders", "{\"n\":2}", 0, "miss"); // one of them again
    put(&own, "/elsewhere", "", 0, "passthrough");
    put(&own, "/relayed", "", 0, NULL);
    sample_flow_end(&own);
    sample_finish(&own);
    put_file("old.yaml", "# ours\nshape:\n  - {where: body.id, is: uuid}\nignore: # kinds\n"
                         "  - header x-a # why\n\n  # more\n  - body.z\n");
    put_file("flow.yaml", "ignore: [header x-a]\n");
    put_file("map.yaml", "shape:\n  body.id: uuid\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sample_remove(&tape);
    sample_remove(&own);
    return 0;
}

static void report(struct program *p, int code, const char *more)
{
    char script[2048];
    snprintf(script, sizeof script, "cd %s && T=%s && tapedeck mock-report %s %s", own.dir,
             tape.path, own.path, more);
    program_shell(p, script);
    if (p->code != code)
        fprintf(stderr, "%s\n%s%s", script, p->out, p->err);
    assert_int_equal(p->code, code);
}

static void says(const char *more, const char *const *texts)
{
    struct program p;
    report(&p, 0, more);
    for (; *texts; texts++)
        assert_true(program_says(p.out, *texts));
    assert_string_equal(p.err, "");
    program_clear(&p);
}

static void test_for_people(void **state)
{
    static const char *const alone[] = {
        "requests    12: 3 answered, 8 missed, 1 passed through; match rate 25 %\n",
        "faults      2 latency, 1 status\n", "body   POST    api.test  /orders",
        "With --tape CAPTURE", NULL};
    static const char *const both[] = {"recordings  3: 2 used, 1 unused\n", "    8  1.",
                                       "body.n is 2, recorded is 1", "GET     api.test:80  /unused",
                                       NULL};
    (void)state;
    says("", alone);
    says("--tape $T", both);
}

static json_t *read_json(const char *more)
{
    struct program p;
    report(&p, 0, more);
    json_t *all = json_loads(p.out, 0, NULL);
    assert_non_null(all);
    program_clear(&p);
    return all;
}

static void test_for_programs(void **state)
{
    (void)state;
    json_t *all = read_json("--tape $T --json"), *missed = json_object_get(all, "missed");
    assert_int_equal(json_integer_value(json_object_get(all, "hits")), 3);
    assert_int_equal(json_integer_value(json_object_get(all, "misses")), 8);
    assert_int_equal(json_integer_value(json_object_get(all, "passthrough")), 1);
    assert_int_equal(json_integer_value(json_object_get(all, "recordings")), 3);
    assert_int_equal(json_array_size(json_object_get(all, "unused")), 1);
    assert_int_equal(json_array_size(missed), 1);
    json_t *one = json_array_get(missed, 0);
    assert_int_equal(json_integer_value(json_object_get(one, "count")), 8);
    assert_string_equal(json_string_value(json_object_get(one, "cause")), "body");
    assert_non_null(strstr(json_string_value(json_object_get(one, "rules")), "body.n"));
    assert_true(json_is_array(json_object_get(json_object_get(one, "explained"), "nearest")));
    json_decref(all);
    all = read_json("--json");
    assert_null(json_object_get(all, "unused"));
    missed = json_object_get(all, "missed");
    assert_int_equal(json_array_size(missed), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(missed, 0), "cause")),
                        "body");
    json_decref(all);
}

// Under what it writes nothing that was missed is missed any more.
static void test_rules(void **state)
{
    struct program p;
    char why[WHY_MAX];
    struct rules rules;
    (void)state;
    report(&p, 0, "--tape $T --write-rules r.yaml >/dev/null && cat r.yaml");
    assert_true(program_says(p.out, "shape:\n  # POST api.test/orders: body\n"));
    assert_int_equal(rules_parse(&rules, "r", view_n(p.out, p.out_n), why), 0);
    assert_int_equal(rules.n, 1);
    rules_clear(&rules);
    program_clear(&p);
    report(&p, 0, "--tape $T --match-rules r.yaml --json | grep -c '\"cause\":\"used up\"'");
    program_clear(&p);
    // Behind those that are there.
    report(&p, 0,
           "--tape $T --match-rules old.yaml --write-rules new.yaml >/dev/null && cat new.yaml");
    assert_string_equal(p.out,
                        "# ours\nignore:\n  - header x-a # why\n\n  # more\n  - body.z\nshape:\n"
                        "  - {where: body.id, is: uuid}\n  # POST api.test/orders: body\n"
                        "  - {where: 'body.n', is: number, host: 'api.test', method: 'POST', path: "
                        "'/orders'}\n");
    program_clear(&p);
    // Where nothing can be added.
    for (int i = 0; i < 2; i++) {
        report(&p, 1,
               i ? "--tape $T --match-rules flow.yaml --write-rules no.yaml"
                 : "--tape $T --match-rules map.yaml --write-rules no.yaml");
        assert_true(program_says(p.err, "rules can be added where each stands on a line"));
        program_clear(&p);
    }
    report(&p, 0, "--json >/dev/null; test ! -e no.yaml");
    program_clear(&p);
}

static void test_mistakes(void **state)
{
    static const struct {
        const char *more, *says;
        int code;
    } cases[] = {
        {"other.db", "'other.db' is one more", 2},
        {"--write-rules r.yaml", "--write-rules is for --tape", 2},
        {"--tape none.db", "none.db", 1},
        {"--tape $T --tape-filter 'status >'", "--tape-filter: column 9", 2},
        {"--tape $T --match-rules $T", ":1:1: ", 2},
        {"--json --no-header", "--json or --no-header", 2},
    };
    struct program p;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        report(&p, cases[i].code, cases[i].more);
        assert_true(program_says(p.err, cases[i].says));
        assert_string_equal(p.out, "");
        program_clear(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_for_people),
        cmocka_unit_test(test_for_programs),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
