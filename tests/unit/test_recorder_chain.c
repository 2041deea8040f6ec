// Both halves together, but for the sockets of the workload: what a tap hears goes through decoder,
// emitter, journal and link to the recorder and is found in the capture, whole, once and proven,
// though the recorder comes and goes meanwhile.
#include "proto/base/clock.h"
#include "proto/filter.h"
#include "proxy/emit/emitter.h"
#include "proxy/emit/link.h"
#include "proxy/tap.h"
#include "recorder/server.h"
#include "schema/store.h"
#include "tests/support/speak.h"
#include "tests/support/tmp.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

#define FLOWS      240
#define PER_FLOW   5 // transactions of an HTTP flow
#define LARGE_BODY 300000

static char dir[TMP_PATH], capture[TMP_PATH], address[TMP_PATH + 8];
static struct event_base *base;
static struct journal *journal;
static struct emitter *emitter;
static struct link *link_;
static struct stats stats;
static struct tap_env env;
static size_t held; // by taps
static char *large;
static int64_t now;

// ---- the recorder

static struct server *server;
static pthread_t thread;

static void *run(void *arg)
{
    *(int *)arg = server_run(server, NULL, NULL);
    return NULL;
}

static int result;
static int64_t rotate_size; // 0: never

static void recorder_begins(void)
{
    bool lasting;
    char why[WHY_MAX] = "";
    struct recorder_settings s = {.listen = address,
                                  .capture = capture,
                                  .sink = sink_find("sqlite"),
                                  .batch_records = 64,
                                  .batch_bytes = 1 << 20,
                                  .batch_time_us = 2000,
                                  .retain.rotate_size = rotate_size};
    server = server_new(&s, &lasting, why);
    if (!server)
        fail_msg("%s", why);
    assert_int_equal(pthread_create(&thread, NULL, run, &result), 0);
}

static void recorder_ends(void)
{
    server_stop(server);
    pthread_join(thread, NULL);
    server_free(server);
    assert_int_equal(result, 0);
}

// ---- the proxy

static void on_append(void *arg)
{
    (void)arg;
    link_kick(link_);
}

static void on_room(void *arg)
{
    (void)arg;
}

static void on_file(void *arg, uint64_t file)
{
    (void)arg;
    emitter_set_file(emitter, file);
}

static void set_proxy_up(const struct filter *filter)
{
    static const struct link_identity identity = {.software = "chain",
                                                  .host = "testhost",
                                                  .pod = "pod-7",
                                                  .namespace_ = "",
                                                  .workload = "",
                                                  .node = "",
                                                  .settings_json = "{}"};
    char why[WHY_MAX] = "", path[TMP_PATH];
    now = clock_wall_us();
    struct emitter_conf conf = {.max_body = UINT64_MAX,
                                .budget = 8 << 20,
                                .filter = filter,
                                .identity = &identity,
                                .on_append = on_append};
    struct link_conf to = {
        .recorder = address, .identity = &identity, .on_room = on_room, .on_file = on_file};
    base = event_base_new();
    assert_int_equal(journal_open(&journal, tmp_path(path, dir, "journal"), 64 << 20, now, why), 0);
    emitter = emitter_new(&conf, journal, &stats, now);
    link_ = link_new(base, journal, &stats, &to, why);
    assert_true(emitter && link_);
    env = (struct tap_env){
        .sink = emitter_sink(emitter), .stats = &stats, .used = &held, .max = 8 << 20};
}

static void turn(int times)
{
    for (int i = 0; i < times; i++)
        event_base_loop(base, EVLOOP_NONBLOCK);
}

static void wait_for_acks(void)
{
    uint64_t before = stat_get(&stats.seq_acked);
    int64_t patience = clock_mono_us() + 30 * US_PER_S;
    while (stat_get(&stats.seq_acked) == before) {
        assert_true(clock_mono_us() < patience);
        turn(1);
    }
}

static void exchange(struct tap *t, const char *method, const char *target, unsigned status,
                     struct view body)
{
    char head[256];
    int n =
        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: Web.Example\r\n\r\n", method, target);
    tap_feed(t, C2S, view_n(head, (size_t)n), now += 10);
    n = snprintf(head, sizeof head,
                 "HTTP/1.1 %u X\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n", status,
                 body.n);
    tap_feed(t, S2C, view_n(head, (size_t)n), now += 1000);
    while (body.n > 0) {
        struct view piece = view_head(body, 16384);
        tap_feed(t, S2C, piece, now += 10);
        body = view_from(body, piece.n);
    }
}

static void open_tap(struct tap *t, int i)
{
    static struct flow_facts facts; // which the tap looks into
    facts = (struct flow_facts){.at_us = now,
                                .direction = i % 2 ? INBOUND : OUTBOUND,
                                .front = "fixed",
                                .requested = "",
                                .target = "web:80"};
    *t = (struct tap){.env = NULL};
    assert_int_equal(addr_parse(&facts.client, VIEW_LIT("127.0.0.1"), 4000), 0);
    facts.local = facts.server = facts.server_local = facts.client;
    tap_open(t, &env, &facts, NULL, now);
}

static void close_tap(struct tap *t)
{
    tap_end(t, C2S, now);
    tap_end(t, S2C, now);
    tap_close(t, "done", "", now);
    emitter_tick(emitter, now);
    turn(3);
}

// Every seventh flow is no HTTP; every tenth has a large answer.
static void pass_flow(int i)
{
    struct tap t;
    char target[64];
    open_tap(&t, i);
    if (i % 7 == 3) {
        tap_feed(&t, C2S, VIEW_LIT("\x01\x02 what is that?"), now += 10);
        tap_feed(&t, S2C, VIEW_LIT("\x03 nobody knows"), now += 10);
    } else {
        for (int n = 0; n < PER_FLOW; n++) {
            snprintf(target, sizeof target, "/flow/%d?n=%d", i, n);
            bool big = i % 10 == 5 && n == 2;
            exchange(&t, n ? "GET" : "POST", target, n == 4 ? 500 : 200,
                     big ? view_n(large, LARGE_BODY) : view_of(target));
        }
    }
    close_tap(&t);
}

static void on_done(void *arg, bool clean)
{
    *(int *)arg = clean ? 1 : 2;
}

// Everything told, acknowledged, and said goodbye.
static void take_proxy_down(void)
{
    int done = 0;
    emitter_finish(emitter);
    link_finish(link_, clock_mono_us() + 60 * US_PER_S, on_done, &done);
    while (!done)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(done, 1);
    link_free(link_);
    emitter_free(emitter);
    journal_close(journal);
    event_base_free(base);
}

// ---- the capture

static void finding(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    (void)what;
    fprintf(stderr, "verify: %s: %s\n", place, sentence);
    ++*(unsigned *)arg;
}

static struct store *prove_file(const char *file, struct verify_sums *sums)
{
    char why[WHY_MAX];
    struct store *s;
    unsigned findings = 0;
    if (store_open(&s, file, STORE_READ, why) != 0)
        fail_msg("%s", why);
    assert_int_equal(store_verify(s, sums, finding, NULL, &findings), 0);
    assert_int_equal(findings, 0);
    return s;
}

static struct store *prove(struct verify_sums *sums)
{
    return prove_file(capture, sums);
}

static int64_t count(struct store *s, const char *text)
{
    struct filter *f;
    struct store_query *q;
    size_t column;
    char why[WHY_MAX];
    int64_t rows = 0;
    if (filter_parse(view_of(text), now, &f, &column, why) != 0)
        fail_msg("%s: %s", text, why);
    assert_int_equal(store_transactions(s, f, STORE_BY_ID, 0, 0, &q), 0);
    while (store_step(q) == 1)
        rows++;
    store_query_free(q);
    filter_free(f);
    return rows;
}

static int same_bytes(void *arg, struct view piece)
{
    size_t *at = arg;
    assert_true(*at + piece.n <= LARGE_BODY);
    assert_memory_equal(piece.p, large + *at, piece.n);
    *at += piece.n;
    return 0;
}

// Each answer of that size is what was said; how many, and in how many rows.
static int64_t check_large(struct store *s, int64_t *rows)
{
    struct store_query *q;
    int64_t answers = 0;
    assert_int_equal(
        store_query(s, "SELECT res_body, res_stored FROM http WHERE res_size = 300000", &q), 0);
    for (; store_step(q) == 1; answers++) {
        size_t at = 0;
        assert_int_equal(store_int(q, 1), LARGE_BODY);
        if (store_body(s, store_int(q, 0), same_bytes, &at) != 0)
            fail_msg("%s", store_why(s));
        assert_int_equal(at, LARGE_BODY);
    }
    store_query_free(q);
    assert_int_equal(store_query(s, "SELECT count(*) FROM body WHERE size = 300000", &q), 0);
    assert_int_equal(store_step(q), 1);
    *rows += store_int(q, 0);
    store_query_free(q);
    return answers;
}

static int set_up(void **state)
{
    (void)state;
    char path[TMP_PATH];
    tmp_make(dir);
    snprintf(address, sizeof address, "unix:%s", tmp_path(path, dir, "r.sock"));
    tmp_path(capture, dir, "capture.db");
    memset(&stats, 0, sizeof stats);
    rotate_size = 0;
    large = malloc(LARGE_BODY);
    for (int i = 0; i < LARGE_BODY; i++)
        large[i] = (char)(i * 31 + i / 256);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(large);
    tmp_remove(dir);
    return 0;
}

#define RAW_FLOWS  ((FLOWS + 3) / 7)
#define HTTP_FLOWS (FLOWS - RAW_FLOWS)

static void all_that_passed_is_in_the_capture(void **state)
{
    (void)state;
    struct verify_sums sums;
    int large_count = 0;
    set_proxy_up(NULL); // before there is a recorder
    for (int i = 0; i < FLOWS; i++) {
        if (i == 40 || i == 120) {
            recorder_begins();
            wait_for_acks();
        }
        if (i == 80)
            recorder_ends();
        large_count += i % 7 != 3 && i % 10 == 5;
        pass_flow(i);
    }
    take_proxy_down();
    recorder_ends();

    struct store *s = prove(&sums);
    assert_int_equal(sums.flows, FLOWS);
    assert_int_equal(sums.flows_open, 0);
    assert_int_equal(sums.transactions, HTTP_FLOWS * PER_FLOW + RAW_FLOWS);
    assert_int_equal(count(s, "status = 500"), HTTP_FLOWS);
    assert_int_equal(count(s, "method = POST and host = WEB.EXAMPLE and pod = pod-7"), HTTP_FLOWS);
    assert_int_equal(count(s, "protocol = raw and host = web:80"), RAW_FLOWS);
    assert_int_equal(count(s, "req.header[host] = Web.Example and res_type = text/plain"),
                     HTTP_FLOWS * PER_FLOW);
    assert_int_equal(
        count(s, "path = /flow/17 and query = n=3 and res.body contains '/flow/17?n='"),
        17 % 7 == 3 ? 0 : 1);
    assert_int_equal(count(s, "res_size = 300000"), large_count);

    int64_t rows = 0;
    assert_int_equal(check_large(s, &rows), large_count);
    assert_int_equal(rows, 1);
    store_close(s);
}

// A replay's or a mock's transactions name those that they were played from; others do not.
static void what_was_played_is_linked(void **state)
{
    (void)state;
    static const char *const outcomes[] = {"hit", "hit fault=latency", NULL, "miss"};
    struct verify_sums sums;
    struct speak t;
    recorder_begins();
    set_proxy_up(NULL);
    speak_open(&t, emitter_sink(emitter), now);
    for (uint64_t n = 0; n < 4; n++) {
        speak_head(&t, n, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        speak_end(&t, n, C2S, MSG_COMPLETE, "", 0);
        if (outcomes[n])
            speak_linked(&t, n, n < 2 ? store_key(3, n + 1) : 0, outcomes[n]);
        speak_head(&t, n, "HTTP/1.1 200 OK\r\n\r\n");
        speak_end(&t, n, S2C, MSG_COMPLETE, "", 0);
        speak_txn_end(&t, n, "");
    }
    speak_close(&t);
    take_proxy_down();
    recorder_ends();

    struct store *s = prove(&sums);
    assert_int_equal(sums.transactions, 4);
    assert_int_equal(count(s, "outcome = hit and original = 3298534883329"), 1); // 3.1
    assert_int_equal(count(s, "outcome contains latency and original = 3298534883330"), 1);
    assert_int_equal(count(s, "outcome = miss and not original"), 1);
    assert_int_equal(count(s, "not outcome and not original and n = 2"), 1);
    store_close(s);
}

#define LARGE_FLOWS 60
#define LARGE_EACH  3

// The same content again and again, while the capture goes on in another file all the time.
static void what_went_to_an_earlier_file_is_referred_to(void **state)
{
    (void)state;
    struct verify_sums sums;
    struct stat st;
    char name[64], path[TMP_PATH];
    int64_t answers = 0, rows = 0;
    rotate_size = 1;
    set_proxy_up(NULL);
    recorder_begins();
    for (int i = 0; i < LARGE_FLOWS; i++) {
        struct tap t;
        open_tap(&t, i);
        for (int n = 0; n < LARGE_EACH; n++) {
            exchange(&t, "GET", "/large", 200, view_n(large, LARGE_BODY));
            turn(i % 5);
        }
        close_tap(&t);
        if (i % 4 == 3)
            wait_for_acks();
    }
    take_proxy_down();
    recorder_ends();
    int files = 0;
    for (; files < 10000; files++) {
        snprintf(name, sizeof name, "capture-%06d.db", files + 1);
        if (stat(tmp_path(path, dir, name), &st) != 0)
            break;
        struct store *s = prove_file(path, &sums);
        answers += check_large(s, &rows);
        store_close(s);
    }
    struct store *s = prove(&sums);
    answers += check_large(s, &rows);
    store_close(s);
    assert_int_equal(answers, LARGE_FLOWS * LARGE_EACH);
    assert_true(files > 5);
    assert_true(rows <= 2 * files); // one a file, and where two rotations came close together
    assert_true(rows < answers);
}

static void a_capture_filter_leaves_out_what_it_does_not_take(void **state)
{
    (void)state;
    struct verify_sums sums;
    struct filter *f;
    size_t column;
    char why[WHY_MAX];
    assert_int_equal(filter_parse(VIEW_LIT("status >= 500 or query = n=3"), 0, &f, &column, why),
                     0);
    set_proxy_up(f);
    recorder_begins();
    for (int i = 0; i < 70; i++)
        pass_flow(i);
    take_proxy_down();
    recorder_ends();
    struct store *s = prove(&sums);
    int http = 70 - 10;
    assert_int_equal(sums.flows, 70);
    assert_int_equal(sums.transactions, http * 2);
    assert_int_equal(sums.filtered, http * 3 + 10);
    assert_int_equal(count(s, "status = 500 or query = n=3"), http * 2);
    store_close(s);
    filter_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(all_that_passed_is_in_the_capture, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_played_is_linked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_went_to_an_earlier_file_is_referred_to, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_capture_filter_leaves_out_what_it_does_not_take, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
