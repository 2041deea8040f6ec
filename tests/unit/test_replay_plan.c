// What of a capture is sent again, where to, in which order.
#include "proto/base/clock.h"
#include "tests/support/alloc.h"
#include "tests/support/program.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"
#include "tools/cli.h"
#include "tools/replay/plan.h"
#include "tools/replay/target.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static struct capture capture;
static struct plan plan;

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    plan_clear(&plan);
    capture_clear(&capture);
    tmp_remove(dir);
    return 0;
}

static int load(enum plan_direction direction)
{
    assert_int_equal(capture_find(&capture, path), CLI_OK);
    return plan_load(&plan, &capture, NULL, direction);
}

static void test_flows_and_items_in_their_order(void **state)
{
    struct tape t;
    (void)state;
    tape_open(&t, path);
    int64_t a = tape_flow(&t, "api:80"), b = tape_flow(&t, "api:80"), c = tape_flow(&t, "db:81");
    int64_t ids[5];
    ids[0] = tape_http(&t, a, "GET", "/1", 200, VIEW_LIT("x"));
    ids[1] = tape_http(&t, c, "GET", "/2", 200, VIEW_LIT("x"));
    ids[2] = tape_http(&t, b, "GET", "/3", 0, VIEW_LIT(""));
    ids[3] = tape_http(&t, a, "GET", "/4", 200, VIEW_LIT("x"));
    ids[4] = tape_raw(&t, c, (const char *const[]){"s:hello", "c:bye", NULL});
    tape_end(&t, a);
    tape_end(&t, c);
    tape_close(&t);
    assert_int_equal(load(PLAN_EITHER), CLI_OK);
    assert_int_equal(plan.n, 5);
    assert_int_equal(plan.n_flows, 3);
    assert_int_equal(plan.n_services, 2);
    assert_int_equal(plan.peak, 3);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(plan.items[plan.order[i]].id, ids[i]);
    assert_int_equal(plan.flows[0].id, a);
    assert_int_equal(plan.flows[0].count, 2);
    assert_int_equal(plan.flows[0].opened_us, 0);
    assert_int_equal(plan.items[plan.flows[0].first].id, ids[0]);
    assert_int_equal(plan.items[plan.flows[0].first + 1].id, ids[3]);
    assert_int_equal(plan.items[plan.flows[2].first + 1].kind, PLAN_RAW);
    assert_false(plan.items[plan.flows[1].first].answered);
    assert_true(plan.items[plan.flows[0].first].answered);
    for (size_t i = 0; i < plan.n_flows; i++)
        assert_true(plan.flows[i].closed_us >= plan.flows[i].opened_us);
    assert_string_equal(plan.services[plan.flows[2].service].name, "db:81");
    assert_int_equal(plan.services[plan.flows[0].service].items, 3);
}

// The number in the flow counts, not the time that a record says.
static void test_order_is_repaired(void **state)
{
    struct tape t;
    (void)state;
    tape_open(&t, path);
    int64_t f = tape_flow(&t, "api:80");
    int64_t late = t.now + 5 * US_PER_S;
    struct store_txn first = {.protocol = "http",
                              .method = "GET",
                              .path = "/first",
                              .req = {.end = 1,
                                      .head = VIEW_LIT("GET /first HTTP/1.1\r\n\r\n"),
                                      .first_us = late,
                                      .last_us = late + 10}};
    int64_t one = tape_txn(&t, f, &first);
    int64_t two = tape_http(&t, f, "GET", "/second", 200, VIEW_LIT(""));
    tape_close(&t);
    assert_int_equal(load(PLAN_EITHER), CLI_OK);
    assert_int_equal(plan.items[0].id, one);
    assert_int_equal(plan.items[1].id, two);
    assert_true(plan.items[1].start_us >= plan.items[0].start_us);
    assert_true(plan.items[1].end_us >= plan.items[1].start_us);
    assert_int_equal(plan.order[0], 0);
}

static void test_what_cannot_be_sent_is_left_out(void **state)
{
    struct tape t;
    (void)state;
    tape_open(&t, path);
    int64_t a = tape_flow(&t, "api:443"), b = tape_flow(&t, "api:25");
    tape_tls(&t, a, "api.test", "intercepted");
    tape_http(&t, a, "GET", "/in-tls", 200, VIEW_LIT("x"));
    tape_raw(&t, b, (const char *const[]){"s:220", "c:STARTTLS", NULL});
    tape_tls(&t, b, "mail.test", "intercepted");
    tape_http(&t, b, "GET", "/behind", 200, VIEW_LIT("x"));
    struct store_txn opaque = {.protocol = "tls", .req = {.end = 1}, .res = {.end = 1}};
    tape_txn(&t, a, &opaque);
    struct store_txn own = {
        .protocol = "http", .by_proxy = true, .req = {.end = 1}, .res = {.end = 1}, .status = 502};
    tape_txn(&t, a, &own);
    struct store_txn unasked = {.protocol = "http", .res = {.end = 1}, .status = 408};
    tape_txn(&t, a, &unasked);
    tape_close(&t);
    assert_int_equal(load(PLAN_EITHER), CLI_OK);
    assert_int_equal(plan.n, 1);
    assert_int_equal(plan.left[LEFT_TLS], 3);
    assert_int_equal(plan.left[LEFT_BY_PROXY], 1);
    assert_int_equal(plan.left[LEFT_NO_REQUEST], 1);
    const struct plan_service *s = &plan.services[plan.flows[0].service];
    assert_true(s->secure);
    assert_string_equal(s->sni, "api.test");
}

static void test_nothing_to_send(void **state)
{
    struct tape t;
    (void)state;
    tape_open(&t, path);
    int64_t a = tape_flow(&t, "api:80");
    tape_http(&t, a, "GET", "/", 200, VIEW_LIT("x"));
    tape_close(&t);
    assert_int_equal(load(PLAN_OUTBOUND), CLI_FAILED);
    assert_int_equal(plan.left[LEFT_DIRECTION], 1);
}

// Without memory it says so, and leaves nothing behind.
static void test_failing_allocations(void **state)
{
    struct tape t;
    (void)state;
    tape_open(&t, path);
    for (int i = 0; i < 3; i++) {
        int64_t f = tape_flow(&t, i ? "api:80" : "db:81");
        tape_tls(&t, f, "api.test", "intercepted");
        tape_http(&t, f, "GET", "/1", 200, VIEW_LIT("x"));
        tape_http(&t, f, "GET", "/2", 200, VIEW_LIT("x"));
    }
    tape_close(&t);
    assert_int_equal(capture_find(&capture, path), CLI_OK);
    bool loaded = false;
    for (long i = 0, failed = 1; failed; i++) {
        alloc_fail_at(i);
        int code = plan_load(&plan, &capture, NULL, PLAN_EITHER);
        failed = alloc_fail_end();
        loaded = code == CLI_OK && plan.n == 6;
        assert_true(!failed || code == CLI_FAILED || plan.n <= 6);
        plan_clear(&plan);
    }
    assert_true(loaded);
}

// ---- targets

static struct targets targets;

static int make(const char *one, const char *two)
{
    const char *const urls[] = {one, two};
    targets_clear(&targets);
    return targets_make(&targets, &plan, urls, two ? 2 : 1);
}

static void three_services(void)
{
    struct tape t;
    tape_open(&t, path);
    int64_t a = tape_flow(&t, "127.0.0.1:8080"), b = tape_flow(&t, "localhost:81"),
            c = tape_flow(&t, "127.0.0.2:443");
    tape_http(&t, a, "GET", "/1", 200, VIEW_LIT("x"));
    tape_http(&t, b, "GET", "/2", 200, VIEW_LIT("x"));
    tape_tls(&t, c, "shop.test", "intercepted");
    tape_http(&t, c, "GET", "/3", 200, VIEW_LIT("x"));
    tape_close(&t);
    assert_int_equal(load(PLAN_EITHER), CLI_OK);
}

static const struct target *of(const char *name)
{
    for (size_t i = 0; i < plan.n_services; i++)
        if (strcmp(plan.services[i].name, name) == 0 && plan.services[i].items > 0)
            return &targets.items[i];
    fail_msg("no service %s", name);
    return NULL;
}

static void test_only_what_a_url_gives_is_replaced(void **state)
{
    (void)state;
    three_services();
    assert_int_equal(make("http://127.0.0.3:99/v2/", NULL), CLI_OK);
    assert_string_equal(of("localhost:81")->host, "127.0.0.3:99");
    assert_string_equal(of("localhost:81")->prefix, "/v2");
    assert_false(of("127.0.0.2:443")->secure);
    assert_int_equal(make(":99", NULL), CLI_OK);
    assert_string_equal(of("127.0.0.1:8080")->host, "127.0.0.1:99");
    assert_true(of("127.0.0.2:443")->secure);
    assert_int_equal(of("127.0.0.2:443")->at.port, 99);
    assert_int_equal(make("127.0.0.7", NULL), CLI_OK);
    assert_int_equal(of("localhost:81")->at.port, 81);
    assert_string_equal(of("127.0.0.2:443")->host, "127.0.0.7");
    assert_int_equal(make("https://", NULL), CLI_OK);
    assert_int_equal(of("localhost:81")->at.port, 443);
    assert_true(of("localhost:81")->secure);
    assert_string_equal(of("localhost:81")->host, "localhost");
    assert_int_equal(make("http://[::1]:8000", NULL), CLI_OK);
    assert_string_equal(of("localhost:81")->host, "[::1]:8000");
    targets_clear(&targets);
}

static void test_one_service_by_its_name(void **state)
{
    (void)state;
    three_services();
    assert_int_equal(make("localhost=http://127.0.0.9", "shop.test=:8443"), CLI_OK);
    assert_int_equal(of("localhost:81")->at.port, 80);
    assert_int_equal(of("127.0.0.2:443")->at.port, 8443);
    assert_false(of("127.0.0.1:8080")->given);
    assert_int_equal(make("127.0.0.1:8080=:1", ":2"), CLI_OK);
    assert_int_equal(of("127.0.0.1:8080")->at.port, 1);
    assert_int_equal(of("localhost:81")->at.port, 2);
    bool left[8] = {false};
    for (size_t i = 0; i < plan.n_services; i++)
        left[i] = strcmp(plan.services[i].name, "localhost:81") == 0;
    assert_int_equal(plan_leave(&plan, left), CLI_OK);
    assert_int_equal(plan.n, 2);
    assert_int_equal(plan.n_flows, 2);
    assert_int_equal(plan.flows[0].opened_us, 0);
    targets_clear(&targets);
}

// An address that nobody listens at, before one where somebody does.
static void two_addresses(struct target *t, uint16_t port)
{
    *t = (struct target){.given = true, .n = 2};
    assert_int_equal(hostport_parse(&t->at, VIEW_LIT("several.test"), port), 0);
    for (size_t i = 0; i < 2; i++) {
        struct sockaddr_in a = {.sin_family = AF_INET,
                                .sin_addr = {htonl(i ? 0x7f000001 : 0x7f000002)},
                                .sin_port = htons(port)};
        addr_from_sockaddr(&t->addrs[i], (const struct sockaddr *)&a);
    }
}

// A socket that listens at 127.0.0.1.
static int listening(uint16_t *port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(0x7f000001)}};
    socklen_t size = sizeof a;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&a, size), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &size), 0);
    *port = ntohs(a.sin_port);
    return fd;
}

static void test_each_service_gets_the_address_that_answers(void **state)
{
    struct target two[2];
    struct targets all = {.items = two, .n = 2};
    uint16_t port;
    int fd = listening(&port);
    (void)state;
    two_addresses(&two[0], port);
    two_addresses(&two[1], port);
    assert_int_equal(targets_probe(&all, 1000000), CLI_OK);
    for (int i = 0; i < 2; i++)
        assert_int_equal(((struct sockaddr_in *)(void *)&two[i].addrs[0].sa)->sin_addr.s_addr,
                         htonl(0x7f000001));
    close(fd);
}

// Requests that cannot be sent stand one behind the other, as where bodies were not kept.
static void unsendable(int count)
{
    struct tape t;
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = "POST",
        .scheme = "http",
        .host = "api.test",
        .path = "/",
        .query = "",
        .req = {.end = 1,
                .head = VIEW_LIT("POST / HTTP/1.1\r\nHost: api.test\r\nContent-Length: 5\r\n\r\n"),
                .body_size = 5},
    };
    tape_open(&t, path);
    int64_t flow = tape_flow(&t, "api:80");
    tape_begin(&t);
    for (int i = 0; i < count; i++) {
        struct store_txn one = txn;
        tape_txn(&t, flow, &one);
    }
    tape_commit(&t);
    tape_close(&t);
}

static void test_any_number_of_requests_may_be_unsendable(void **state)
{
    static const char *const ways[] = {"--speed max", "--connections 3 --speed max",
                                       "--connections 3 --speed 1000000", "--connections 1"};
    char script[2 * TMP_PATH];
    struct program p;
    uint16_t port;
    int fd = listening(&port);
    (void)state;
    unsendable(20000);
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        snprintf(script, sizeof script,
                 "ulimit -s 512; tapedeck replay %s --target http://127.0.0.1:%u --no-capture "
                 "--no-correlate %s",
                 path, port, ways[i]);
        program_shell(&p, script);
        if (p.code != 1)
            fail_msg("%s: exit %d: %s", ways[i], p.code, p.err);
        assert_true(program_says(p.out, "20,000 could not be said"));
        program_clear(&p);
    }
    // No answer is waited for, and yet the time passes.
    snprintf(script, sizeof script,
             "tapedeck replay %s --target http://127.0.0.1:%u --no-capture --no-correlate "
             "--connections 3 --speed max --for 300ms",
             path, port);
    program_shell(&p, script);
    assert_int_equal(p.code, 1);
    program_clear(&p);
    close(fd);
}

static void test_wrong_targets(void **state)
{
    static const struct {
        const char *url, *words;
    } wrong[] = {
        {"ftp://x", "neither http nor https"},
        {"http://a:b@c/", "user and password"},
        {"http://c:0/", "1 to 65535"},
        {"http://c:65536", "1 to 65535"},
        {"http://a b/", "host is none"},
        {"http://c/x?y", "a query, a fragment"},
        {"elsewhere=http://c/", "they went to 127.0.0.1:8080, localhost:81, 127.0.0.2:443"},
        {"=http://c", "no name"},
        {"/", "says nothing"},
        {"http://no-such-host.invalid", "no-such-host.invalid"},
    };
    struct program p;
    char script[2 * TMP_PATH];
    (void)state;
    three_services();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        snprintf(script, sizeof script, "tapedeck replay %s --target '%s' --no-capture", path,
                 wrong[i].url);
        program_shell(&p, script);
        assert_int_equal(p.code, 2);
        assert_true(program_says(p.err, wrong[i].words));
        program_clear(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_flows_and_items_in_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_order_is_repaired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_cannot_be_sent_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_to_send, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failing_allocations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_only_what_a_url_gives_is_replaced, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_one_service_by_its_name, set_up, tear_down),
        cmocka_unit_test(test_each_service_gets_the_address_that_answers),
        cmocka_unit_test_setup_teardown(test_any_number_of_requests_may_be_unsendable, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_wrong_targets, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
