// A proxy's connection at the recorder: how long it may be silent. The limits are read, not waited
// for.
#include "proto/base/log.h"
#include "recorder/conn.h"
#include "tests/support/frames.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

static unsigned hellos, records, deaths;

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    (void)arg;
    (void)name;
    (void)payload;
    hellos++;
    return 0;
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    (void)arg;
    (void)stream;
    (void)seq;
    (void)type;
    (void)payload;
    records++;
    return 0;
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    (void)arg;
    (void)stream;
    (void)last_seq;
    return 0;
}

static void on_death(void *arg, struct conn *c)
{
    (void)arg;
    (void)c;
    deaths++;
}

static const struct session_host host = {on_hello, on_record, on_bye};

struct fixture {
    struct conn_env env;
    struct conn *conn;
    int peer;
    struct buf out; // what the proxy says next
    char scratch[CONN_READ];
};

static int set_up(void **state)
{
    int fds[2];
    struct fixture *f = calloc(1, sizeof *f);
    hellos = records = deaths = 0;
    log_set_level(LOG_ERROR);
    f->env = (struct conn_env){.base = event_base_new(),
                               .host = &host,
                               .unpack = unpack_new(),
                               .scratch = f->scratch,
                               .died = on_death};
    assert_non_null(f->env.base);
    assert_non_null(f->env.unpack);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    f->peer = fds[0];
    buf_init(&f->out, FRAMES_MAX);
    f->conn = conn_new(&f->env, fds[1], 1);
    assert_non_null(f->conn);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    conn_free(f->conn);
    close(f->peer);
    buf_clear(&f->out);
    unpack_free(f->env.unpack);
    event_base_free(f->env.base);
    free(f);
    return 0;
}

// The proxy sends what is in out, and the recorder reads it.
static void say(struct fixture *f)
{
    struct view v = buf_view(&f->out);
    assert_int_equal(send(f->peer, v.p, v.n, MSG_NOSIGNAL), v.n);
    buf_drop(&f->out, v.n, FRAMES_MAX);
    event_base_loop(f->env.base, EVLOOP_NONBLOCK);
}

static int longest(const struct event_base *base, const struct event *event, void *arg)
{
    (void)base;
    struct timeval at, now;
    int *seconds = arg;
    if (!event_pending(event, EV_TIMEOUT, &at))
        return 0;
    gettimeofday(&now, NULL);
    int left = (int)(at.tv_sec - now.tv_sec) + 1;
    *seconds = left > *seconds ? left : *seconds;
    return 0;
}

// Seconds after which silence ends the connection; 0: never.
static int patience(struct fixture *f)
{
    int seconds = 0;
    event_base_foreach_event(f->env.base, longest, &seconds);
    return seconds;
}

static void an_open_connection_may_be_silent_for_ever(void **state)
{
    struct fixture *f = *state;
    assert_in_range(patience(f), 1, CONN_HELLO_S + 1);
    frames_hello(&f->out, 1, 1, 1);
    say(f);
    assert_int_equal(hellos, 1);
    assert_int_equal(patience(f), 0); // the host takes the time it needs
    assert_int_equal(session_welcome(conn_session(f->conn), 1, 0, 0), 0);
    conn_resume(f->conn);
    conn_flush(f->conn);
    assert_int_equal(patience(f), 0);
    for (uint64_t seq = 1; seq <= 3; seq++) {
        frames_flow_open(&f->out, seq, "web:80");
        say(f);
        assert_int_equal(records, seq);
        assert_int_equal(patience(f), 0);
    }
    conn_pause(f->conn);
    conn_resume(f->conn);
    assert_int_equal(patience(f), 0);
    assert_int_equal(deaths, 0);
}

static void a_refused_one_has_a_short_time_to_go(void **state)
{
    struct fixture *f = *state;
    frames_hello(&f->out, 1, 1, 1);
    say(f);
    session_refuse(conn_session(f->conn), "not today");
    conn_resume(f->conn);
    conn_flush(f->conn);
    assert_in_range(patience(f), 1, CONN_GOODBYE_S + 1);
    frames_flow_open(&f->out, 1, "web:80"); // passed over
    say(f);
    assert_int_equal(records, 0);
    assert_in_range(patience(f), 1, CONN_GOODBYE_S + 1);
    assert_int_equal(deaths, 0);
    shutdown(f->peer, SHUT_WR);
    event_base_loop(f->env.base, EVLOOP_NONBLOCK);
    assert_int_equal(deaths, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_open_connection_may_be_silent_for_ever, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_refused_one_has_a_short_time_to_go, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
