// The recorder in one process with its proxies: many streams at once, each kept whole and apart.
#include "recorder/server.h"
#include "schema/store.h"
#include "tests/support/alloc.h"
#include "tests/support/peer.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], capture[TMP_PATH], address[TMP_PATH + 8], ready[TMP_PATH];
static bool lasting; // what server_new() said last

struct running {
    struct server *server;
    pthread_t thread;
    int result;
};

static struct recorder_settings settings_of(const char *sink)
{
    return (struct recorder_settings){.listen = address,
                                      .capture = capture,
                                      .ready_file = ready,
                                      .sink = sink_find(sink),
                                      .batch_records = 100,
                                      .batch_bytes = 1 << 20,
                                      .batch_time_us = 5000,
                                      .user = 0};
}

static void *run(void *arg)
{
    struct running *r = arg;
    r->result = server_run(r->server, NULL, NULL);
    return NULL;
}

static void begin(struct running *r, const struct recorder_settings *settings)
{
    char why[WHY_MAX] = "";
    r->server = server_new(settings, &lasting, why);
    if (!r->server)
        fail_msg("%s", why);
    assert_int_equal(pthread_create(&r->thread, NULL, run, r), 0);
}

static void end(struct running *r)
{
    server_stop(r->server);
    pthread_join(r->thread, NULL);
    server_free(r->server);
    assert_int_equal(r->result, 0);
}

static int set_up(void **state)
{
    (void)state;
    char path[TMP_PATH];
    tmp_make(dir);
    snprintf(address, sizeof address, "unix:%s", tmp_path(path, dir, "r.sock"));
    tmp_path(capture, dir, "capture.db");
    tmp_path(ready, dir, "ready.json");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

// One number out of the capture.
static int64_t ask(const char *sql)
{
    char why[WHY_MAX];
    struct store *s;
    struct store_query *q;
    if (store_open(&s, capture, STORE_READ, why) != 0)
        fail_msg("%s", why);
    if (store_query(s, sql, &q) != 0)
        fail_msg("%s: %s", sql, store_why(s));
    assert_int_equal(store_step(q), 1);
    int64_t n = store_int(q, 0);
    store_query_free(q);
    store_close(s);
    return n;
}

static void finding(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    if (what == VERIFY_LOSS && strstr(sentence, "never said its end"))
        return; // these proxies end without a word
    if (!*(unsigned *)arg)
        fprintf(stderr, "verify: %s: %s\n", place, sentence);
    ++*(unsigned *)arg;
}

// The capture proves itself whole: no finding at all.
static void verify(struct verify_sums *sums)
{
    char why[WHY_MAX];
    struct store *s;
    unsigned findings = 0;
    if (store_open(&s, capture, STORE_READ, why) != 0)
        fail_msg("%s", why);
    assert_int_equal(store_verify(s, sums, finding, NULL, &findings), 0);
    assert_int_equal(findings, 0);
    store_close(s);
}

// A flow with count transactions as records first .. first + count + 1.
static void put_flow(struct buf *out, uint64_t first, unsigned count)
{
    uint64_t wire[2] = {0, 0}, seq = first;
    char path[64], body[64];
    frames_flow_open(out, seq++, "web:80");
    for (unsigned i = 0; i < count; i++) {
        snprintf(path, sizeof path, "/item/%u", i);
        snprintf(body, sizeof body, "body %llu %u", (unsigned long long)first, i);
        struct frames_txn t = {.flow = first,
                               .n = i,
                               .at_us = 1767225600000000 + i,
                               .host = "WEB",
                               .path = path,
                               .status = 200,
                               .body = view_of(body)};
        frames_txn(out, seq++, &t);
        wire[0] += t.wire[0];
        wire[1] += t.wire[1];
    }
    frames_flow_close(out, seq, first, count, wire[0], wire[1]);
}

static void a_stream_is_stored_and_acknowledged(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct verify_sums sums;
    struct frames_answer a;
    struct recorder_settings s = settings_of("sqlite");
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    assert_int_equal(peer_hello(&p, 1, 1, 1), 0);
    put_flow(&out, 1, 250);
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 252);
    // What is acknowledged is in the file, readable by others.
    assert_int_equal(ask("SELECT count(*) FROM txn"), 250);
    assert_int_equal(ask("SELECT last_seq FROM stream"), 252);
    frames_bye(&out, 252);
    assert_true(peer_send(&p, &out));
    assert_true(peer_next(&p, &a));
    assert_int_equal(a.kind, WIRE_ACK);
    assert_int_equal(a.seq, 252);
    peer_close(&p);
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM stream WHERE ended_us IS NOT NULL"), 1);
    assert_int_equal(ask("SELECT count(*) FROM http WHERE host = 'web' AND pod = 'pod-1'"), 250);
    assert_int_equal(ask("SELECT json_extract(labels, '$.tier') = 'front' FROM stream"), 1);
    verify(&sums);
    assert_int_equal(sums.transactions, 250);
    buf_clear(&out);
}

#define PROXIES 16
static void many_proxies_at_once(void **state)
{
    (void)state;
    struct running r;
    struct peer p[PROXIES];
    struct buf out[PROXIES];
    struct verify_sums sums;
    struct recorder_settings s = settings_of("sqlite");
    begin(&r, &s);
    for (int i = 0; i < PROXIES; i++) {
        peer_connect(&p[i], server_address(r.server));
        buf_init(&out[i], FRAMES_MAX);
        assert_int_equal(peer_hello(&p[i], i + 1, 1, 1), 0);
        put_flow(&out[i], 1, 60);
        put_flow(&out[i], 63, 40);
    }
    // In turns, in pieces that end anywhere.
    for (bool more = true; more;) {
        more = false;
        for (int i = 0; i < PROXIES; i++) {
            struct view v = view_head(buf_view(&out[i]), 777 + (size_t)i * 13);
            if (v.n == 0)
                continue;
            ssize_t n = send(p[i].fd, v.p, v.n, MSG_NOSIGNAL);
            assert_true(n > 0);
            buf_drop(&out[i], (size_t)n, FRAMES_MAX);
            more = true;
        }
    }
    for (int i = 0; i < PROXIES; i++) {
        peer_wait_ack(&p[i], 104);
        peer_close(&p[i]);
        buf_clear(&out[i]);
    }
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM txn"), 100 * PROXIES);
    assert_int_equal(ask("SELECT count(*) FROM stream WHERE last_seq = 104"), PROXIES);
    verify(&sums);
    assert_int_equal(sums.flows, 2 * PROXIES);
}

static void a_stream_that_comes_again_replaces_its_connection(void **state)
{
    (void)state;
    struct running r;
    struct peer first, second;
    struct buf out;
    struct recorder_settings s = settings_of("sqlite");
    buf_init(&out, FRAMES_MAX);
    s.batch_time_us = 60 * 1000000LL; // what the first one sent waits in the batch
    begin(&r, &s);
    peer_connect(&first, server_address(r.server));
    peer_hello(&first, 1, 1, 1);
    put_flow(&out, 1, 10);
    assert_true(peer_send(&first, &out));
    // Something that only an empty socket lets the server see: the first one's records are in.
    struct peer other;
    peer_connect(&other, server_address(r.server));
    peer_hello(&other, 2, 1, 1);
    peer_wait_ack(&first, 12);
    put_flow(&out, 13, 10);
    assert_true(peer_send(&first, &out));
    peer_connect(&second, server_address(r.server));
    uint64_t committed = peer_hello(&second, 1, 1, 25);
    assert_true(committed >= 12 && committed <= 24);
    peer_wait_end(&first);
    // The whole stream once more: nothing is there twice.
    put_flow(&out, 1, 10);
    put_flow(&out, 13, 10);
    frames_bye(&out, 24);
    assert_true(peer_send(&second, &out));
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM txn") >= 10, 1);
    peer_close(&first);
    peer_close(&second);
    peer_close(&other);
    s.batch_time_us = 1000;
    begin(&r, &s);
    peer_connect(&second, server_address(r.server));
    peer_hello(&second, 1, 1, 25);
    put_flow(&out, 1, 10);
    put_flow(&out, 13, 10);
    frames_bye(&out, 24);
    assert_true(peer_send(&second, &out));
    peer_wait_ack(&second, 24);
    peer_close(&second);
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM txn"), 20);
    struct verify_sums sums;
    verify(&sums);
    buf_clear(&out);
}

static void a_hole_closes_and_is_filled_after_the_next_hello(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out, part;
    struct verify_sums sums;
    struct recorder_settings s = settings_of("sqlite");
    buf_init(&out, FRAMES_MAX);
    buf_init(&part, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    frames_flow_open(&out, 1, "x:1");
    frames_restart(&out, 3); // 2 is missing
    assert_true(peer_send(&p, &out));
    peer_wait_end(&p);
    peer_close(&p);
    peer_connect(&p, server_address(r.server));
    assert_int_equal(peer_hello(&p, 1, 1, 4), 1);
    frames_flow_close(&out, 2, 1, 0, 0, 0);
    frames_restart(&out, 3);
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 3);
    peer_close(&p);
    end(&r);
    verify(&sums);
    assert_int_equal(ask("SELECT count(*) FROM restart"), 1);
    buf_clear(&out);
    buf_clear(&part);
}

static void malformed_frames_end_their_session_only(void **state)
{
    (void)state;
    struct running r;
    struct peer good, bad;
    struct buf out;
    struct recorder_settings s = settings_of("sqlite");
    static const char *const garbage[] = {"GET / HTTP/1.1\r\n\r\n", "\xff\xff\xff\xff",
                                          "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"};
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&good, server_address(r.server));
    peer_hello(&good, 1, 1, 1);
    for (size_t i = 0; i < sizeof garbage / sizeof *garbage; i++) {
        peer_connect(&bad, server_address(r.server));
        assert_int_equal(buf_add_view(&out, view_of(garbage[i])), 0);
        peer_send(&bad, &out);
        peer_wait_end(&bad);
        peer_close(&bad);
    }
    put_flow(&out, 1, 5);
    assert_true(peer_send(&good, &out));
    peer_wait_ack(&good, 7);
    peer_close(&good);
    end(&r);
    buf_clear(&out);
}

static void what_cannot_be_read_is_kept_as_it_is(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct verify_sums sums;
    struct recorder_settings s = settings_of("sqlite");
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    frames_flow_open(&out, 1, "x:1");
    frames_put(&out, WIRE_RECORD, WIRE_TRANSACTION, 2, VIEW_LIT("\xff\xff"));
    frames_put(&out, WIRE_RECORD, 99, 3, VIEW_LIT("from the future"));
    frames_flow_close(&out, 4, 4, 0, 0, 0); // of itself
    frames_flow_close(&out, 5, 1, 0, 0, 0);
    frames_flow_close(&out, 6, 1, 0, 0, 0); // twice
    frames_put(&out, 200, 0, 0, VIEW_LIT("an unknown kind"));
    frames_restart(&out, 7);
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 7);
    peer_close(&p);
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM unknown_record"), 4);
    assert_int_equal(ask("SELECT count(*) FROM unknown_record WHERE type = 99"
                         " AND bytes = CAST('from the future' AS BLOB)"),
                     1);
    assert_int_equal(ask("SELECT count(*) FROM flow_end"), 1);
    char why[WHY_MAX];
    struct store *st;
    unsigned findings = 0;
    assert_int_equal(store_open(&st, capture, STORE_READ, why), 0);
    assert_int_equal(store_verify(st, &sums, finding, NULL, &findings), 0);
    assert_int_equal(sums.holes, 0);
    assert_int_equal(sums.damages, 0);
    store_close(st);
    buf_clear(&out);
}

static void a_stream_that_goes_back_is_refused(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct frames_answer a;
    struct recorder_settings s = settings_of("null");
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    put_flow(&out, 1, 8);
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 10);
    peer_close(&p);
    peer_connect(&p, server_address(r.server));
    frames_hello(&out, 1, 1, 5);
    assert_true(peer_send(&p, &out));
    assert_true(peer_next(&p, &a));
    assert_int_equal(a.kind, WIRE_WELCOME);
    assert_non_null(strstr(a.refusal, "goes back"));
    peer_close(&p);
    end(&r);
    buf_clear(&out);
}

static void large_frames_pass(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct verify_sums sums;
    struct recorder_settings s = settings_of("sqlite");
    size_t n = WIRE_PAYLOAD_MAX - 100;
    char *bytes = malloc(n);
    s.batch_bytes = 65536; // less than one frame
    memset(bytes, 'x', n);
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    frames_flow_open(&out, 1, "x:1");
    for (uint64_t i = 0; i < 20; i++)
        frames_part(&out, i + 2, 1, 0, i * n, view_n(bytes, n));
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 21);
    peer_close(&p);
    end(&r);
    assert_int_equal(ask("SELECT count(*) FROM part"), 20);
    assert_int_equal(ask("SELECT sum(size) FROM part"), 20 * (int64_t)n);
    char why[WHY_MAX];
    struct store *st;
    unsigned findings = 1;
    assert_int_equal(store_open(&st, capture, STORE_READ, why), 0);
    assert_int_equal(store_verify(st, &sums, finding, NULL, &findings), 0);
    assert_int_equal(sums.holes + sums.damages, 0);
    store_close(st);
    free(bytes);
    buf_clear(&out);
}

static void the_capture_rotates_under_way(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct verify_sums sums;
    char path[TMP_PATH];
    struct stat st;
    struct recorder_settings s = settings_of("sqlite");
    s.retain.rotate_size = 1;
    s.retain.keep_files = 2;
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    uint64_t seq = 1;
    for (int i = 0; i < 5; i++) {
        put_flow(&out, seq, 20);
        seq += 22;
        assert_true(peer_send(&p, &out));
        peer_wait_ack(&p, seq - 1);
    }
    peer_close(&p);
    end(&r);
    // The oldest files are gone, the youngest two and the live one are there.
    assert_int_not_equal(stat(tmp_path(path, dir, "capture-000001.db"), &st), 0);
    verify(&sums);
    assert_int_equal(ask("SELECT last_seq FROM stream"), seq - 1);
    assert_true(ask("SELECT number FROM capture") >= 5);
    buf_clear(&out);
}

static void a_stuck_writer_does_not_use_up_connections(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    sqlite3 *other;
    struct recorder_settings s = settings_of("sqlite");
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    // Somebody holds the file locked, for as long as proxies come, give up, and come again.
    assert_int_equal(sqlite3_open(capture, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    put_flow(&out, 1, 8);
    assert_true(peer_send(&p, &out));
    for (int i = 0; i < SERVER_CONNECTIONS_MAX + 50; i++) {
        struct peer again;
        peer_connect(&again, server_address(r.server));
        frames_hello(&out, 2 + i % 3, 1, 1);
        peer_send(&again, &out);
        peer_close(&again);
    }
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    peer_wait_ack(&p, 10);
    struct peer last;
    peer_connect(&last, server_address(r.server));
    assert_int_equal(peer_hello(&last, 2, 1, 1), 0);
    peer_close(&last);
    peer_close(&p);
    end(&r);
    buf_clear(&out);
}

// ---- where it listens

static void the_ready_file_says_where(void **state)
{
    (void)state;
    struct running r;
    struct stat st;
    char want[1024];
    size_t n;
    struct recorder_settings s = settings_of("null");
    begin(&r, &s);
    char *text = tmp_read(ready, &n);
    snprintf(want, sizeof want, "{\"pid\":%d,\"listen\":\"%s\",\"capture\":\"%s\"}", getpid(),
             address, capture);
    assert_int_equal(n, strlen(want));
    assert_memory_equal(text, want, n);
    free(text);
    assert_int_equal(stat(address + 5, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    end(&r);
    assert_int_not_equal(stat(ready, &st), 0);
    assert_int_not_equal(stat(address + 5, &st), 0);
}

static void tcp_on_loopback_works(void **state)
{
    (void)state;
    struct running r;
    struct peer p;
    struct buf out;
    struct recorder_settings s = settings_of("null");
    s.listen = "127.0.0.1:0";
    buf_init(&out, FRAMES_MAX);
    begin(&r, &s);
    peer_connect(&p, server_address(r.server));
    peer_hello(&p, 1, 1, 1);
    put_flow(&out, 1, 50);
    assert_true(peer_send(&p, &out));
    peer_wait_ack(&p, 52);
    peer_close(&p);
    end(&r);
    buf_clear(&out);
}

static void a_capture_that_is_not_ours_is_refused(void **state)
{
    (void)state;
    char why[WHY_MAX] = "";
    struct recorder_settings s = settings_of("sqlite");
    tmp_write(capture, "this is a letter to my aunt, not a database at all\n", 50);
    assert_null(server_new(&s, &lasting, why));
    assert_true(lasting && strstr(why, capture));
    assert_int_not_equal(access(address + 5, F_OK), 0);
    s.capture = "/nonexistent/folder/x.db";
    assert_null(server_new(&s, &lasting, why));
    assert_true(lasting && strstr(why, "/nonexistent/folder/x.db"));
}

static void memory_may_be_missing_at_the_start(void **state)
{
    (void)state;
    struct recorder_settings s = settings_of("null");
    for (long i = 0, failed = 1; failed; i++) {
        char why[WHY_MAX] = "";
        alloc_fail_at(i);
        struct server *server = server_new(&s, &lasting, why);
        failed = alloc_fail_end();
        assert_true((server == NULL) == failed);
        assert_true(server || (strstr(why, "out of memory") && !lasting));
        server_free(server);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_stream_is_stored_and_acknowledged),
        TEST(many_proxies_at_once),
        TEST(a_stream_that_comes_again_replaces_its_connection),
        TEST(a_hole_closes_and_is_filled_after_the_next_hello),
        TEST(malformed_frames_end_their_session_only),
        TEST(what_cannot_be_read_is_kept_as_it_is),
        TEST(a_stream_that_goes_back_is_refused),
        TEST(large_frames_pass),
        TEST(the_capture_rotates_under_way),
        TEST(a_stuck_writer_does_not_use_up_connections),
        TEST(the_ready_file_says_where),
        TEST(tcp_on_loopback_works),
        TEST(a_capture_that_is_not_ours_is_refused),
        TEST(memory_may_be_missing_at_the_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
