// The link against a recorder of the test's own: records arrive in order, and stay until ACKed.
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proxy/emit/link.h"
#include "tests/support/alloc.h"
#include "tests/support/fake_recorder.h"
#include "tests/support/random.h"
#include "tests/support/ring.h"
#include "tests/support/tmp.h"

#include <arpa/inet.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_US (20 * US_PER_S)

static struct event_base *base;
static struct journal *journal;
static struct link *lk;
static struct stats stats;
static unsigned rooms;
static int finished; // 0: not yet, 1: clean, -1: not clean
static char dir[TMP_PATH], path[TMP_PATH], address[TMP_PATH + 16], why[WHY_MAX];
static const char *const labels[] = {"app", "shop", "tier", "web", NULL};
static const struct link_identity identity = {.software = "tapedeck-proxy 9",
                                              .host = "desk",
                                              .pod = "pod-1",
                                              .namespace_ = "ns",
                                              .settings_json = "{}",
                                              .labels = labels,
                                              .worker = 3};

static void on_room(void *arg)
{
    (void)arg;
    rooms++;
}

static void on_done(void *arg, bool clean)
{
    (void)arg;
    assert_int_equal(finished, 0);
    finished = clean ? 1 : -1;
}

// Both sides, until the condition holds.
#define UNTIL(condition)                                                                           \
    do {                                                                                           \
        int64_t limit = clock_mono_us() + PATIENCE_US;                                             \
        while (!(condition)) {                                                                     \
            event_base_loop(base, EVLOOP_NONBLOCK);                                                \
            fake_hear(65536);                                                                      \
            if (clock_mono_us() > limit)                                                           \
                fail_msg("in vain: %s", #condition);                                               \
        }                                                                                          \
    } while (0)

static void both_for_ms(int ms)
{
    int64_t end = clock_mono_us() + ms * US_PER_MS;

    while (clock_mono_us() < end) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        fake_hear(65536);
    }
}

// ---- the stage

static uint64_t file;

static void on_file(void *arg, uint64_t named)
{
    (void)arg;
    file = named;
}

static void open_link(void)
{
    struct link_conf conf = {
        .recorder = address, .identity = &identity, .on_room = on_room, .on_file = on_file};

    lk = link_new(base, journal, &stats, &conf, why);
    if (!lk)
        fail_msg("%s", why);
}

static int set_up(void **state)
{
    (void)state;
    tmp_make(dir);
    tmp_path(path, dir, "ring");
    snprintf(address, sizeof address, "unix:%s/sock", dir);
    memset(&stats, 0, sizeof stats);
    rooms = 0;
    finished = 0;
    fake_begin();
    base = event_base_new();
    assert_int_equal(journal_open(&journal, path, 4u << 20, 1234, why), 0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    fake_end();
    link_free(lk);
    lk = NULL;
    journal_close(journal);
    event_base_free(base);
    tmp_remove(dir);
    return 0;
}

static void put(int count, size_t n)
{
    for (int i = 0; i < count; i++)
        assert_true(ring_put(journal, n, 0));
    link_kick(lk);
}

static void connect_up(uint64_t last_seq)
{
    unsigned before = fake.hellos;

    if (fake.listener < 0)
        fake_listen(address + 5);
    if (!lk)
        open_link();
    UNTIL(fake.hellos > before);
    fake_welcome(last_seq);
    UNTIL(stats.link_connected);
}

static void test_greets_and_sends(void **state)
{
    struct journal_facts facts;

    (void)state;
    fake_listen(address + 5);
    open_link();
    put(3, 50);
    UNTIL(fake.hellos == 1);
    journal_facts(journal, &facts);
    const Tapedeck__Hello *h = fake.hello;
    assert_int_equal(h->protocol, WIRE_VERSION);
    assert_memory_equal(h->stream.data, facts.stream, 16);
    assert_int_equal(h->first_seq, 1);
    assert_int_equal(h->started_us, 1234);
    assert_string_equal(h->software, "tapedeck-proxy 9");
    assert_string_equal(h->host, "desk");
    assert_int_equal(h->pid, getpid());
    assert_int_equal(h->worker, 3);
    assert_string_equal(h->pod, "pod-1");
    assert_string_equal(h->namespace_, "ns");
    assert_string_equal(h->workload, "");
    assert_int_equal(h->n_labels, 2);
    assert_string_equal(h->labels[1]->name, "tier");
    assert_string_equal(h->labels[1]->value, "web");
    assert_string_equal(h->settings, "{}");
    assert_true(h->refers);
    both_for_ms(5);
    assert_int_equal(fake.next, 1); // nothing before the welcome
    fake_welcome(0);
    UNTIL(fake.next == 4);
    put(2, 70000);
    UNTIL(fake.next == 6);
    assert_int_equal(stats.seq_next, 6);
    assert_int_equal(stats.seq_acked, 0);
    assert_true(stats.oldest_unacked_us > 1600000000000000u);
    unsigned before = rooms;
    fake_ack(4);
    UNTIL(stats.seq_acked == 4);
    assert_int_equal(rooms, before + 1);
    assert_true(stats.oldest_unacked_us != 0);
    fake_ack(5);
    UNTIL(stats.ring_used == 0);
    assert_int_equal(stats.oldest_unacked_us, 0);
    put(1, 5);
    UNTIL(fake.next == 7);
}

static void test_every_byte_apart(void **state)
{
    uint8_t payload[] = {8, 1}; // protocol 1
    unsigned char header[WIRE_HEADER];

    (void)state;
    fake_listen(address + 5);
    open_link();
    put(2, 10);
    UNTIL(fake.hellos == 1);
    wire_put_header(header, WIRE_WELCOME, 0, sizeof payload, 0);
    for (size_t i = 0; i < sizeof header; i++) {
        fake_say(&header[i], 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    fake_say(&payload[0], 1);
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(stats.link_connected, 0);
    fake_say(&payload[1], 1);
    UNTIL(fake.next == 3);
    fake_say_frame(77, 0, "what nobody knows is passed over", 32);
    wire_put_header(header, WIRE_ACK, 0, 0, 2);
    for (size_t i = 0; i < sizeof header; i++) {
        fake_say(&header[i], 1);
        event_base_loop(base, EVLOOP_NONBLOCK);
    }
    UNTIL(stats.seq_acked == 2);
    assert_int_equal(fake.hellos, 1);
}

static void test_comes_back(void **state)
{
    (void)state;
    connect_up(0);
    put(10, 100);
    UNTIL(fake.next == 11);
    fake_ack(3);
    UNTIL(stats.seq_acked == 3);
    fake_hang_up(); // it had committed 7 by then
    put(5, 100);
    connect_up(7);
    assert_int_equal(fake.hello->first_seq, 4);
    assert_int_equal(fake.hello->next_seq, 16);
    assert_int_equal(stats.seq_acked, 7);
    UNTIL(fake.next == 16);
    assert_int_equal(stats.link_reconnects, 1);
    // A recorder with a new capture has none of them: it gets those that are still here.
    fake_hang_up();
    UNTIL(fake.hellos == 3);
    fake_welcome(0);
    fake.next = 8;
    UNTIL(fake.next == 16);
    fake_ack(15);
    UNTIL(stats.ring_used == 0);
}

static void test_absent_at_start(void **state)
{
    (void)state;
    open_link();
    put(20, 1000);
    both_for_ms(50);
    assert_int_equal(stats.link_connected, 0);
    connect_up(0);
    UNTIL(fake.next == 21);
    assert_int_equal(stats.link_reconnects, 0);
}

static void test_slow_reader(void **state)
{
    int small = 4096;

    (void)state;
    connect_up(0);
    setsockopt(fake.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    uint64_t put_so_far = 0;
    for (int round = 0; round < 40; round++) {
        while (ring_put(journal, 1000 + put_so_far * 7919 % 90000, 0))
            put_so_far++;
        link_kick(lk);
        uint64_t target = fake.next + 20;
        int64_t limit = clock_mono_us() + PATIENCE_US;
        while (fake.next < target && fake.next <= put_so_far) {
            event_base_loop(base, EVLOOP_NONBLOCK);
            fake_hear(10007);
            assert_true(clock_mono_us() < limit);
        }
        fake_ack(fake.next - 1);
    }
    UNTIL(fake.next == put_so_far + 1);
    assert_int_equal(fake.hellos, 1);
}

static void test_cut_anywhere(void **state)
{
    (void)state;
    uint64_t seed = 99, count = 0, committed = 0;
    connect_up(0);
    for (int round = 0; round < 12; round++) {
        for (int i = 0; i < 6; i++, count++)
            assert_true(ring_put(journal, random_next(&seed) % 30000, 0));
        link_kick(lk);
        for (int i = 0; i < 20; i++) {
            event_base_loop(base, EVLOOP_NONBLOCK);
            fake_hear(random_next(&seed) % 9000 + 1);
        }
        committed += random_next(&seed) % (fake.next - committed);
        fake_hang_up();
        connect_up(committed);
    }
    UNTIL(fake.next == count + 1);
    fake_ack(count);
    UNTIL(stats.ring_used == 0);
}

// ---- a recorder that does not behave

static void expect_new_connection(void)
{
    unsigned before = fake.hellos;

    UNTIL(fake.fd < 0);
    connect_up(0);
    assert_int_equal(fake.hellos, before + 1);
    UNTIL(fake.next == 3);
}

static void test_nonsense(void **state)
{
    (void)state;
    connect_up(0);
    put(2, 40);
    UNTIL(fake.next == 3);
    fake_say("GET / HTTP/1.1\r\n\r\n", 18); // a length beyond the maximum
    expect_new_connection();
    fake_ack(3); // of a record that there is not
    expect_new_connection();
    fake_say_frame(WIRE_WELCOME, 0, "\xff\xff\xff", 3);
    expect_new_connection();
    fake_say_frame(WIRE_RECORD, 1, "x", 1);
    expect_new_connection();
    fake_hang_up();
    listen(fake.listener, 8);
    UNTIL(fake.hellos == 6);
    fake_say_frame(WIRE_WELCOME, 0, "\xff\xff\xff", 3);
    expect_new_connection();
    fake_hang_up();
    UNTIL(fake.hellos == 8);
    fake_ack(1); // before the welcome
    expect_new_connection();
    fake_hang_up();
    put(1, 4u << 18); // does not fit into the socket
    UNTIL(fake.hellos == 10);
    fake_welcome(0);
    event_base_loop(base, EVLOOP_NONBLOCK);
    event_base_loop(base, EVLOOP_NONBLOCK);
    fake_ack(3); // of a record that is half sent
    UNTIL(fake.fd < 0);
    connect_up(3);
    assert_int_equal(stats.seq_acked, 3);
}

// The file may change while the connection stays.
static void test_file(void **state)
{
    (void)state;
    fake.file = 7;
    connect_up(0);
    assert_int_equal(file, 7);
    put(2, 40);
    UNTIL(fake.next == 3);
    fake.file = UINT64_MAX;
    fake_welcome(0);
    fake.next = 3;
    UNTIL(file == UINT64_MAX);
    put(1, 40);
    UNTIL(fake.next == 4);
    fake_ack(3);
    UNTIL(stats.seq_acked == 3);
    assert_int_equal(fake.hellos, 1);
    fake.file = 0;
}

static void expect_refused(void)
{
    UNTIL(fake.fd < 0);
    unsigned before = fake.hellos;
    both_for_ms(400); // not soon again
    assert_int_equal(fake.hellos, before);
    assert_int_equal(stats.link_connected, 0);
    link_free(lk);
    lk = NULL;
    open_link();
    UNTIL(fake.hellos == before + 1);
}

static void test_refused(void **state)
{
    (void)state;
    fake_listen(address + 5);
    open_link();
    put(1, 10);
    UNTIL(fake.hellos == 1);
    fake_welcome_as(WIRE_VERSION, 0, "the disk is full of other things");
    expect_refused();
    fake_welcome_as(WIRE_VERSION + 1, 0, "");
    expect_refused();
    fake_welcome_as(0, 0, "");
    expect_refused();
    fake_welcome(2); // more than there is
    expect_refused();
    fake_welcome(0);
    UNTIL(fake.next == 2);
}

// ---- farewell

static void test_finish(void **state)
{
    (void)state;
    connect_up(0);
    put(5, 100);
    link_finish(lk, clock_mono_us() + PATIENCE_US, on_done, NULL);
    UNTIL(fake.byes == 1);
    assert_int_equal(fake.next, 6);
    fake_ack(3);
    both_for_ms(5);
    assert_int_equal(finished, 0);
    fake_ack(5);
    UNTIL(finished == 1);
    link_free(lk);
    lk = NULL;
    journal_close(journal);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(journal_open(&journal, NULL, 1, 0, why), 0);
}

static void test_finish_over_two_connections(void **state)
{
    (void)state;
    connect_up(0);
    put(5, 100);
    link_finish(lk, clock_mono_us() + PATIENCE_US, on_done, NULL);
    UNTIL(fake.byes == 1);
    fake_hang_up();
    connect_up(5);
    UNTIL(fake.byes == 2);
    fake_ack(5);
    UNTIL(finished == 1);
}

static void test_finish_in_vain(void **state)
{
    (void)state;
    connect_up(0);
    put(5, 100);
    link_finish(lk, clock_mono_us() + 30 * US_PER_MS, on_done, NULL);
    UNTIL(finished == -1);
    link_free(lk);
    lk = NULL;
    journal_close(journal);
    assert_int_equal(access(path, F_OK), 0); // for the next process
    assert_int_equal(journal_open(&journal, path, 1, 0, why), 0);
    ring_check(journal, 1, 6);
}

static void test_finish_with_nobody_there(void **state)
{
    (void)state;
    open_link();
    link_finish(lk, clock_mono_us() + PATIENCE_US, on_done, NULL);
    UNTIL(finished == 1);
}

// Not even when the time for the next attempt comes in the same turn.
static void test_nothing_is_said_after_done(void **state)
{
    (void)state;
    open_link();
    both_for_ms(40); // refused at once; the next attempt is due in 75 to 125 ms
    fake_listen(address + 5);
    usleep(150 * 1000);
    link_finish(lk, clock_mono_us() + PATIENCE_US, on_done, NULL);
    UNTIL(finished == 1);
    both_for_ms(300);
    assert_int_equal(fake.hellos, 0);
}

// All is acknowledged, but the recorder went away: it does not know yet that nothing follows.
static void test_finish_comes_back_to_say_bye(void **state)
{
    (void)state;
    connect_up(0);
    put(5, 100);
    UNTIL(fake.next == 6);
    fake_ack(5);
    UNTIL(stats.seq_acked == 5);
    fake_hang_up();
    UNTIL(!stats.link_connected);
    link_finish(lk, clock_mono_us() + PATIENCE_US, on_done, NULL);
    connect_up(5);
    UNTIL(fake.byes == 1);
    fake_ack(5);
    UNTIL(finished == 1);
}

// It does not come back: what could be told is told, so the wait is short.
static void test_finish_gives_up_saying_bye(void **state)
{
    (void)state;
    connect_up(0);
    fake_hang_up();
    fake_stop_listening();
    UNTIL(!stats.link_connected);
    link_finish(lk, clock_mono_us() + 10 * PATIENCE_US, on_done, NULL);
    UNTIL(finished == 1);
}

// ---- the rest

static void test_tcp(void **state)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof in;

    (void)state;
    fake.listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fake.listener, (struct sockaddr *)&in, sizeof in), 0);
    assert_int_equal(getsockname(fake.listener, (struct sockaddr *)&in, &size), 0);
    snprintf(address, sizeof address, "localhost:%u", ntohs(in.sin_port));
    open_link();
    both_for_ms(30); // bound, but nobody listens yet
    assert_int_equal(listen(fake.listener, 8), 0);
    connect_up(0);
    put(300, 10000);
    UNTIL(fake.next == 301);
}

static void test_bad_addresses(void **state)
{
    static const char *const bad[] = {"",           "unix:",           "somewhere",
                                      "10.0.0.1:1", "example.org:443", "127.0.0.1",
                                      "[::]:5",     "127.0.0.1:99999"};
    static const char *const none[] = {"127.0.0.1:0", "[::1]:0", "localhost:0"};

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct link_conf conf = {.recorder = bad[i], .identity = &identity, .on_room = on_room};
        assert_null(link_new(base, journal, &stats, &conf, why));
        assert_non_null(strstr(why, bad[i]));
        assert_non_null(strstr(why, strncmp(bad[i], "unix", 4) == 0 ? "bytes" : "unix:PATH"));
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        struct link_conf conf = {.recorder = none[i], .identity = &identity, .on_room = on_room};
        assert_null(link_new(base, journal, &stats, &conf, why));
        assert_non_null(strstr(why, "port 0"));
    }
    snprintf(address, sizeof address, "[::1]:9");
    open_link();
}

static void test_no_memory(void **state)
{
    (void)state;
    struct link_conf conf = {.recorder = address, .identity = &identity, .on_room = on_room};
    alloc_fail_at(0);
    assert_null(link_new(base, journal, &stats, &conf, why));
    assert_true(alloc_fail_end());
    fake_listen(address + 5);
    for (long i = 0; i < 12; i++) { // each costs a connection, and no more
        unsigned before = fake.hellos;
        link_free(lk);
        fake_hang_up();
        while (fake.listener >= 0 && (fake.fd = accept4(fake.listener, NULL, NULL, 0)) >= 0)
            fake_hang_up();
        open_link();
        alloc_fail_at(i);
        for (int turn = 0; turn < 5; turn++)
            event_base_loop(base, EVLOOP_NONBLOCK);
        alloc_fail_end();
        UNTIL(fake.hellos > before);
        fake_welcome(0);
        UNTIL(stats.link_connected);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_greets_and_sends),
        TEST(test_every_byte_apart),
        TEST(test_comes_back),
        TEST(test_absent_at_start),
        TEST(test_slow_reader),
        TEST(test_cut_anywhere),
        TEST(test_nonsense),
        TEST(test_file),
        TEST(test_refused),
        TEST(test_finish),
        TEST(test_finish_over_two_connections),
        TEST(test_finish_in_vain),
        TEST(test_nothing_is_said_after_done),
        TEST(test_finish_comes_back_to_say_bye),
        TEST(test_finish_gives_up_saying_bye),
        TEST(test_finish_with_nobody_there),
        TEST(test_tcp),
        TEST(test_bad_addresses),
        TEST(test_no_memory),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
