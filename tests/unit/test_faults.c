// Fault rules: what is accepted, what is said of what is not, and that decisions follow from the
// seed and from what was asked.
#include "proto/base/buf.h"
#include "tests/support/alloc.h"
#include "tools/mock/faults.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct fault_flow out_flow = {.direction = OUTBOUND,
                                           .front = "http",
                                           .requested = "db.example:5432",
                                           .target = "10.0.0.7:5432"};

static struct fault_request request(const char *method, const char *path)
{
    return (struct fault_request){.protocol = "http",
                                  .at_us = 1000,
                                  .method = view_of(method),
                                  .scheme = VIEW_LIT("http"),
                                  .host = VIEW_LIT("api.example"),
                                  .path = view_of(path),
                                  .version = VIEW_LIT("1.1"),
                                  .head = VIEW_LIT("GET / HTTP/1.1\r\nX-Tenant: acme\r\n\r\n")};
}

static struct faults *with(uint64_t seed, const char *text)
{
    char why[WHY_MAX] = "";
    struct faults *f = faults_new(seed);
    assert_non_null(f);
    if (faults_set(f, "f", view_of(text), why))
        fail_msg("%s", why);
    return f;
}

// The kinds that are to be done for a request.
static unsigned ask(struct faults *f, const char *path, struct fault_plan *out)
{
    struct fault_request r = request("GET", path);
    faults_of_request(f, &out_flow, &r, out);
    return out->kinds;
}

static void test_every_kind(void **state)
{
    static const char text[] =
        "- {fault: latency, delay: 200ms}\n"
        "- {fault: status, status: 503, reason: Busy, body: '{\"busy\":true}', type: "
        "application/json}\n"
        "- {fault: header, set: {retry-after: 5, x-a: b c}, remove: [etag, last-modified]}\n"
        "- {fault: header, remove: server}\n"
        "- {fault: truncate, at: 50%}\n"
        "- {fault: corrupt, bytes: 3}\n"
        "- {fault: dribble, bytes: 1KiB, every: 100ms}\n"
        "- {fault: refused}\n"
        "- {fault: reset, at: 100}\n"
        "- {fault: stall, at: before, for: 30s}\n";
    struct faults *f = with(1, text);
    struct fault_plan p;
    char names[FAULTS_NAMES];
    (void)state;
    assert_true(faults_any(f));
    ask(f, "/", &p);
    assert_string_equal(fault_plan_text(&p, names),
                        " fault=latency,status,header,truncate,corrupt,dribble,reset,stall");
    assert_int_equal(p.delay_us, 200000);
    assert_int_equal(p.status, 503);
    assert_string_equal(p.reason, "Busy");
    assert_true(p.has_body);
    assert_true(view_eq(p.body, VIEW_LIT("{\"busy\":true}")));
    assert_string_equal(p.type, "application/json");
    assert_int_equal(p.header_count, 2);
    assert_int_equal(p.headers[0].n, 4);
    assert_string_equal(p.headers[0].items[1].value, "b c");
    assert_null(p.headers[0].items[2].value);
    assert_string_equal(p.headers[1].items[0].name, "server");
    assert_int_equal(fault_place_of(&p.truncate, 1001), 500);
    assert_int_equal(fault_place_of(&p.truncate, UINT64_MAX), 0);
    assert_int_equal(fault_place_of(&p.reset, 1000), 100);
    assert_int_equal(fault_place_of(&p.reset, 10), 10);
    assert_int_equal(p.stall.how, FAULT_BEFORE);
    assert_int_equal(p.stall_us, 30000000);
    assert_int_equal(p.dribble_bytes, 1024);
    assert_int_equal(p.dribble_us, 100000);
    fault_plan_clear(&p);
    faults_of_flow(f, &out_flow, &p);
    assert_string_equal(fault_plan_text(&p, names), " fault=refused");
    fault_plan_clear(&p);
    faults_free(f);
}

static void test_defaults(void **state)
{
    struct fault_plan p;
    struct faults *f =
        with(1, "- {fault: stall}\n- {fault: reset}\n- fault: status\n  status: 500\n");
    (void)state;
    ask(f, "/", &p);
    assert_int_equal(p.stall.how, FAULT_BEFORE);
    assert_true(p.stall_us == INT64_MAX);
    assert_int_equal(p.reset.how, FAULT_BEFORE);
    assert_false(p.has_body);
    assert_null(p.reason);
    fault_plan_clear(&p);
    faults_free(f);
    static const char *const nothing[] = {"", "# none\n", "---\n", "[]", "~", "null"};
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++) {
        f = with(1, nothing[i]);
        assert_false(faults_any(f));
        assert_int_equal(ask(f, "/", &p), 0);
        assert_null(p.set);
        faults_free(f);
    }
}

static void test_mistakes(void **state)
{
    static const char *const mistakes[][2] = {
        {"fault: latency", "f:1:1: faults are a list of rules, such as - {fault: latency, "},
        {"latency", "f:1:1: faults are a list of rules"},
        {"- latency", "f:1:3: a rule is expected here, such as {fault: latency, delay: 200ms}"},
        {"- {}", "f:1:3: this rule lacks fault"},
        {"- {delay: 1s}", "f:1:3: this rule lacks fault"},
        {"- {fault: lag}", "f:1:11: there is no fault 'lag'; there are latency, status, header, "},
        {"- {fault: [latency]}", "f:1:11: fault takes one plain value"},
        {"- {fault: latency}", "f:1:3: latency lacks delay"},
        {"- {fault: dribble}", "f:1:3: dribble lacks bytes, every"},
        {"- {fault: dribble, bytes: 1, every: 0}", "f:1:37: every: 0 is no interval"},
        {"- {fault: latency, dealy: 1s}",
         "f:1:20: 'dealy' is nothing of a rule; there are fault, "},
        {"- {fault: latency, delay: 1s, fault: reset}", "f:1:31: fault stands here for the second"},
        {"- {status: 500, fault: reset}",
         "f:1:12: 'status' is nothing of reset; it has fault, when, percent, times, after, at"},
        {"- {fault: latency, delay: soon}",
         "f:1:27: delay: 'soon' is not a time of at most 1h, such as 200ms or 1.5s"},
        {"- {fault: latency, delay: 2h}", "f:1:27: delay: '2h' is not a time"},
        {"- {fault: latency, delay: [1s]}", "f:1:27: delay: '…' is not a time"},
        {"- {fault: latency, delay: {from: 1s}}", "f:1:27: delay takes {from: 10ms, to: 1s} or "},
        {"- {fault: latency, delay: {from: 2s, to: 1s}}", "f:1:27: delay: from is later than to"},
        {"- {fault: latency, delay: {from: 2s, form: 1s}}", "f:1:38: delay: 'form' is neither"},
        {"- {fault: latency, delay: {from: 2s, from: 1s}}", "f:1:38: from stands here for the"},
        {"- {fault: latency, delay: {mean: 1s, deviation: x}}", "f:1:49: deviation: 'x' is not"},
        {"- {fault: status, status: 99}",
         "f:1:27: status: '99' is not a whole number from 200 to 599"},
        {"- {fault: status, status: 500, type: text/plain}", "f:1:38: type is that of body"},
        {"- {fault: status, status: 500, reason: \"a\\r\\nb\"}",
         "f:1:40: reason: 'a??b' is not free"},
        {"- {fault: status, status: 500, reason: ''}",
         "f:1:40: reason: '' is not 1 to 100 letters"},
        {"- {fault: header}", "f:1:3: header lacks set or remove"},
        {"- {fault: header, set: etag}", "f:1:24: set takes headers, such as {retry-after: 5}"},
        {"- {fault: header, set: {'e tag': 1}}", "f:1:25: set: 'e tag' is not a header's name"},
        {"- {fault: header, set: {etag: \"a\\nb\"}}", "f:1:31: set: 'a?b' is not free of control"},
        {"- {fault: header, set: {etag: [1]}}", "f:1:31: set takes one plain value"},
        {"- {fault: header, set: {a: 1}, remove: [A]}", "f:1:41: remove: 'A' stands in this rule"},
        {"- {fault: header, remove: Content-Length}",
         "f:1:27: remove: 'Content-Length' follows from the content that is sent"},
        {"- {fault: header, remove: {a: 1}}", "f:1:27: remove takes names of headers"},
        {"- {fault: truncate, at: half}",
         "f:1:25: at: 'half' is not a place: before, a number of "},
        {"- {fault: truncate, at: 101%}", "f:1:25: at: '101%' is not a place"},
        {"- {fault: truncate, at: before}", "f:1:25: at: truncate leaves the head as it is"},
        {"- {fault: corrupt, bytes: 0}", "f:1:27: bytes: '0' is not a size from 1 to 1GiB"},
        {"- {fault: corrupt, bytes: 1MiB}", "f:1:27: bytes: corrupt takes at most 65536"},
        {"- {fault: stall, for: ever}", "f:1:23: for: 'ever' is not a time"},
        {"- {fault: reset, percent: 101}", "f:1:27: percent: '101' is not a number from 0 to 100"},
        {"- {fault: reset, percent: -1}", "f:1:27: percent: '-1' is not a number"},
        {"- {fault: reset, percent: 1.2.3}", "f:1:27: percent: '1.2.3' is not a number"},
        {"- {fault: reset, times: 0}", "f:1:25: times: '0' is not a whole number from 1 to "},
        {"- {fault: reset, after: x}", "f:1:25: after: 'x' is not a whole number from 0 to "},
        {"- {fault: reset, when: 'method = '}", "f:1:34: when: "},
        {"- {fault: reset, when: methud = GET}", "f:1:24: when: "},
        {"- {fault: reset, when: 'method = GET and status = 500'}",
         "f:1:42: when: status is not known before there is an answer; there are time, "},
        {"- {fault: reset, when: 'res_type = x'}", "f:1:25: when: res_type is not known"},
        {"- {fault: refused, when: 'client ~ x and path = /a'}",
         "f:1:42: when: path is not known when a connection is opened; for refused there are "
         "direction, client, target, requested, front"},
        {"- {when: 'url ~ x', fault: refused}", "f:1:11: when: url is not known when a connection"},
        {"- {fault: reset, when: ''}", "f:1:24: when: '' is not 1 to 8192 letters"},
        {"- {fault: reset}\n- {fault: reset\n", "f:3:1: this is no YAML"},
        {"- &a {fault: reset}\n- *a\n", "f:2:3: aliases are not taken here"},
        {"[]\n---\n[]\n", "f:2:1: a second document begins here"},
    };
    char why[WHY_MAX];
    struct fault_plan p;
    struct faults *f = with(1, "- {fault: reset}");
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        why[0] = 0;
        assert_int_not_equal(faults_set(f, "f", view_of(mistakes[i][0]), why), 0);
        if (strncmp(why, mistakes[i][1], strlen(mistakes[i][1])) != 0)
            fail_msg("%s\nsaid: %s\nnot: %s", mistakes[i][0], why, mistakes[i][1]);
    }
    assert_int_equal(ask(f, "/", &p), FAULT_BIT(FAULT_RESET)); // as they were
    fault_plan_clear(&p);
    faults_free(f);
}

static void test_too_much(void **state)
{
    char why[WHY_MAX];
    struct buf text;
    struct faults *f = faults_new(1);
    (void)state;
    buf_init(&text, 2 * FAULTS_TEXT_MAX);
    for (int i = 0; i <= FAULTS_MAX; i++)
        buf_printf(&text, "- {fault: reset}\n");
    assert_int_equal(faults_set(f, "f", buf_view(&text), why), E_LIMIT);
    assert_string_equal(why, "f:201:3: more than 200 rules");
    buf_reset(&text);
    buf_printf(&text, "- {fault: status, status: 500, body: '%*s'}", (int)FAULTS_BODY_MAX + 1, "x");
    assert_int_equal(faults_set(f, "f", buf_view(&text), why), E_LIMIT);
    assert_string_equal(why, "f:1:38: body: more than 65536 bytes");
    buf_reset(&text);
    buf_printf(&text, "- {fault: header, remove: [a0");
    for (int i = 1; i <= FAULTS_HEADERS_MAX; i++)
        buf_printf(&text, ", a%d", i);
    buf_printf(&text, "]}");
    assert_int_equal(faults_set(f, "f", buf_view(&text), why), E_LIMIT);
    assert_non_null(strstr(why, "more than 32 headers"));
    buf_reset(&text);
    buf_printf(&text, "#%*s", (int)FAULTS_TEXT_MAX, "x");
    assert_int_equal(faults_set(f, "f", buf_view(&text), why), E_LIMIT);
    assert_string_equal(why, "f:1:1: larger than 1048576 bytes");
    buf_clear(&text);
    faults_free(f);
}

static void test_when(void **state)
{
    static const char text[] =
        "- {fault: latency, delay: 1ms, when: 'path ~ \"^/a\"'}\n"
        "- {fault: reset, when: 'req.header[\"x-tenant\"] = acme and n = 3'}\n"
        "- {fault: stall, when: 'url = \"http://api.example/b?q=1\"'}\n"
        "- {fault: truncate, at: 0, when: 'req.body contains \"boo\"'}\n"
        "- {fault: refused, when: 'target ~ \":5432$\" and front = http'}\n"
        "- {fault: corrupt, bytes: 1, when: 'method = PUT'}\n";
    struct faults *f = with(1, text);
    struct fault_plan p;
    struct buf json;
    (void)state;
    assert_int_equal(ask(f, "/a/b", &p), FAULT_BIT(FAULT_LATENCY));
    fault_plan_clear(&p);
    assert_int_equal(ask(f, "/b", &p), 0);
    struct fault_request r = request("POST", "/b");
    r.n = 3;
    r.query = VIEW_LIT("q=1");
    r.body = VIEW_LIT("a boot");
    r.size = r.body.n;
    faults_of_request(f, &out_flow, &r, &p);
    assert_int_equal(p.kinds,
                     FAULT_BIT(FAULT_RESET) | FAULT_BIT(FAULT_STALL) | FAULT_BIT(FAULT_TRUNCATE));
    fault_plan_clear(&p);
    r.body.p = NULL; // it was too large to be held
    faults_of_request(f, &out_flow, &r, &p);
    assert_int_equal(p.kinds, FAULT_BIT(FAULT_RESET) | FAULT_BIT(FAULT_STALL));
    fault_plan_clear(&p);
    struct fault_flow other = out_flow;
    faults_of_flow(f, &other, &p);
    assert_int_equal(p.kinds, FAULT_BIT(FAULT_REFUSED));
    fault_plan_clear(&p);
    other.target = "10.0.0.7:80";
    faults_of_flow(f, &other, &p);
    assert_int_equal(p.kinds, 0);
    buf_init(&json, 1 << 16);
    assert_int_equal(faults_json(f, &json), 0);
    buf_add(&json, "", 1);
    const char *told = buf_view(&json).p;
    assert_non_null(strstr(told, "\"seed\": 1"));
    assert_non_null(strstr(told, "\"when\": \"method = PUT\""));
    assert_non_null(strstr(told, "\"matched\": 0,\n      \"done\": 0"));
    assert_non_null(strstr(told, "\"matched\": 2,\n      \"done\": 2"));
    buf_clear(&json);
    faults_free(f);
}

static void test_times_and_order(void **state)
{
    static const char text[] = "- {fault: status, status: 501, after: 1, times: 2}\n"
                               "- {fault: status, status: 502}\n";
    static const unsigned expected[] = {502, 501, 501, 502, 502};
    struct faults *f = with(1, text);
    struct fault_plan p;
    (void)state;
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        ask(f, "/", &p);
        assert_int_equal(p.status, expected[i]);
        fault_plan_clear(&p);
    }
    faults_free(f);
}

#define ASKED 4000

// What a seed does to so many requests: the delay, or 0.
static void sequence(uint64_t seed, const char *text, int64_t out[ASKED], const char *between)
{
    struct faults *f = with(seed, text);
    struct fault_plan p;
    for (int i = 0; i < ASKED; i++) {
        if (between)
            for (int k = 0; k < i % 3; k++) {
                ask(f, between, &p);
                fault_plan_clear(&p);
            }
        out[i] = ask(f, "/a", &p) & FAULT_BIT(FAULT_LATENCY) ? p.delay_us : 0;
        fault_plan_clear(&p);
    }
    faults_free(f);
}

static void test_same_seed(void **state)
{
    static const char text[] =
        "- {fault: latency, delay: {from: 1ms, to: 1s}, percent: 20, when: 'path = /a'}\n"
        "- {fault: reset, percent: 50, when: 'path = /b'}\n";
    static int64_t one[ASKED], two[ASKED], other[ASKED];
    int done = 0, same = 0;
    (void)state;
    sequence(7, text, one, NULL);
    sequence(7, text, two, "/b"); // what else happens does not count
    sequence(8, text, other, NULL);
    assert_memory_equal(one, two, sizeof one);
    for (int i = 0; i < ASKED; i++) {
        done += one[i] > 0;
        same += (one[i] > 0) == (other[i] > 0);
        assert_true(one[i] == 0 || (one[i] >= 1000 && one[i] < 1000000));
    }
    assert_in_range(done, ASKED / 6, ASKED / 4);
    assert_in_range(same, ASKED / 2, ASKED * 4 / 5); // 68 of 100, by chance
}

static void test_spread(void **state)
{
    static int64_t all[ASKED];
    int64_t sum = 0;
    int beyond = 0;
    (void)state;
    sequence(3, "- {fault: latency, delay: {mean: 100ms, deviation: 10ms}}", all, NULL);
    for (int i = 0; i < ASKED; i++) {
        sum += all[i];
        beyond += all[i] < 90000 || all[i] > 110000;
    }
    assert_in_range(sum / ASKED, 99000, 101000);
    assert_in_range(beyond, ASKED / 4, ASKED * 2 / 5); // 32 of 100
    sequence(3, "- {fault: latency, delay: {mean: 1ms, deviation: 1s}}", all, NULL);
    for (int i = 0; i < ASKED; i++)
        assert_true(all[i] >= 0);
}

// The same bytes, however the content is cut; as many as were asked for.
static void test_corrupt(void **state)
{
    enum { SIZE = 97 };
    char whole[SIZE], pieces[SIZE], plain[SIZE];
    struct fault_plan p;
    struct faults *f = with(5, "- {fault: corrupt, bytes: 10}");
    (void)state;
    memset(plain, 'x', SIZE);
    ask(f, "/", &p);
    memcpy(whole, plain, SIZE);
    fault_corrupt(&p, SIZE, 0, whole, SIZE);
    int others = 0;
    for (int i = 0; i < SIZE; i++)
        others += whole[i] != 'x';
    assert_int_equal(others, 10);
    for (size_t cut = 0; cut <= SIZE; cut++) {
        memcpy(pieces, plain, SIZE);
        fault_corrupt(&p, SIZE, 0, pieces, cut);
        fault_corrupt(&p, SIZE, cut, pieces + cut, SIZE - cut);
        assert_memory_equal(pieces, whole, SIZE);
    }
    memcpy(pieces, plain, SIZE); // all of a short one
    fault_corrupt(&p, 4, 0, pieces, 4);
    for (int i = 0; i < SIZE; i++)
        assert_true((pieces[i] != 'x') == (i < 4));
    fault_corrupt(&p, 0, 0, pieces, 0);
    char *large = calloc(1, 8192);
    fault_corrupt(&p, UINT64_MAX, 0, large, 8192);
    for (others = 0; others < 4096 && !large[others]; others++)
        ;
    assert_in_range(others, 0, 4095);
    free(large);
    fault_plan_clear(&p);
    faults_free(f);
}

struct shared {
    struct faults *faults;
    atomic_bool stop;
};

static void *worker(void *arg)
{
    struct shared *s = arg;
    struct fault_plan p;
    while (!atomic_load(&s->stop)) {
        if (ask(s->faults, "/", &p) & FAULT_BIT(FAULT_STATUS))
            assert_string_equal(p.reason, "Busy");
        fault_plan_clear(&p);
    }
    return NULL;
}

static void test_replaced_meanwhile(void **state)
{
    char why[WHY_MAX];
    struct shared s = {.faults = with(1, "- {fault: status, status: 500, reason: Busy}")};
    pthread_t threads[3];
    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &s), 0);
    for (int i = 0; i < 300; i++)
        assert_int_equal(faults_set(s.faults, "f",
                                    i % 2 ? VIEW_LIT("- {fault: status, status: 500, reason: Busy}")
                                          : VIEW_LIT(""),
                                    why),
                         0);
    atomic_store(&s.stop, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    faults_free(s.faults);
}

static void test_out_of_memory(void **state)
{
    static const char text[] =
        "- {fault: status, status: 503, reason: Busy, body: x, type: text/plain, when: 'n > 1'}\n"
        "- {fault: header, set: {a: b}, remove: [c]}\n";
    (void)state;
    for (long i = 0, failed = 1; failed; i++) {
        char why[WHY_MAX] = "";
        alloc_fail_at(i);
        struct faults *f = faults_new(1);
        int e = f ? faults_set(f, "f", VIEW_LIT(text), why) : E_NOMEM;
        struct buf json;
        buf_init(&json, 1 << 16);
        int told = f && !e ? faults_json(f, &json) : 0;
        failed = alloc_fail_end();
        assert_true(failed ? e == E_NOMEM || told == E_NOMEM || e == 0 : e == 0 && told == 0);
        assert_true(e == 0 || !f || why[0]);
        buf_clear(&json);
        faults_free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),    cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_mistakes),      cmocka_unit_test(test_too_much),
        cmocka_unit_test(test_when),          cmocka_unit_test(test_times_and_order),
        cmocka_unit_test(test_same_seed),     cmocka_unit_test(test_spread),
        cmocka_unit_test(test_corrupt),       cmocka_unit_test(test_replaced_meanwhile),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
