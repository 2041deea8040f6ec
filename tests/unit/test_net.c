// Dials over real loopback sockets, with a name server of the test's own.
#include "proxy/upstream/net.h"

#include "proto/base/log.h"
#include "tests/support/tmp.h"

#include <event2/dns.h>
#include <event2/dns_struct.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct stage {
    char dir[TMP_PATH], hosts[TMP_PATH], resolv[TMP_PATH];
    struct event_base *base;
    struct flow_env env;
    struct stats stats;
    struct flow_sinks sinks;
    size_t used; // by taps
    struct listener listener;
    int client; // our end of the flow's client connection
    int dns_fd;
    struct evdns_server_port *dns;
    unsigned questions;
    char reason[32], detail[512], server[ADDR_TEXT];
    int64_t dns_us;
};

static struct sink_flow *no_sink(struct sink *s, const struct flow_facts *facts)
{
    (void)s, (void)facts;
    return NULL;
}
static const struct sink_factory no_factory = {no_sink};
static struct sink nowhere = {&no_factory};

static int bound_socket(int type, const char *host, uint16_t port, uint16_t *got)
{
    struct addr a;
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    int on = 1;
    assert_int_equal(addr_parse(&a, view_of(host), port), 0);
    int fd = socket(a.sa.sa_family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, &a.sa, addr_len(&a))) {
        close(fd);
        return -1;
    }
    assert_int_equal(getsockname(fd, (struct sockaddr *)&ss, &n), 0);
    addr_from_sockaddr(&a, (struct sockaddr *)&ss);
    if (got)
        *got = addr_port(&a);
    return fd;
}

static int listening(const char *host, uint16_t port, uint16_t *got)
{
    int fd = bound_socket(SOCK_STREAM, host, port, got);
    if (fd >= 0)
        assert_int_equal(listen(fd, 16), 0);
    return fd;
}

// A port that nobody listens on.
static uint16_t closed_port(void)
{
    uint16_t port;
    close(listening("127.0.0.1", 0, &port));
    return port;
}

// known.example is 127.0.0.1 and 127.0.0.2, silent.example is not answered, all others are unknown.
static void on_question(struct evdns_server_request *req, void *arg)
{
    struct stage *s = arg;
    int e = DNS_ERR_NOTEXIST;
    s->questions++;
    for (int i = 0; i < req->nquestions; i++) {
        const struct evdns_server_question *q = req->questions[i];
        const unsigned char addresses[8] = {127, 0, 0, 1, 127, 0, 0, 2};
        if (strcmp(q->name, "silent.example") == 0) {
            evdns_server_request_drop(req);
            return;
        }
        if (strcmp(q->name, "known.example") != 0)
            continue;
        e = DNS_ERR_NONE;
        if (q->type == EVDNS_TYPE_A)
            evdns_server_request_add_a_reply(req, q->name, 2, addresses, 60);
    }
    evdns_server_request_respond(req, e);
}

static void stage_begin(struct stage *s, const char *hosts)
{
    uint16_t port;
    char text[64];
    memset(s, 0, sizeof *s);
    tmp_make(s->dir);
    tmp_path(s->hosts, s->dir, "hosts");
    tmp_path(s->resolv, s->dir, "resolv.conf");
    s->base = event_base_new();
    s->dns_fd = bound_socket(SOCK_DGRAM, "127.0.0.1", 0, &port);
    s->dns = evdns_add_server_port_with_base(s->base, s->dns_fd, 0, on_question, s);
    snprintf(text, sizeof text, "nameserver 127.0.0.1:%u\n", port);
    tmp_write(s->resolv, text, strlen(text));
    tmp_write(s->hosts, hosts, strlen(hosts));
    assert_int_equal(flow_env_init(&s->env, clock_mono_us, clock_wall_us()), 0);
    s->sinks.tap =
        (struct tap_env){.sink = &nowhere, .stats = &s->stats, .used = &s->used, .max = 1 << 20};
    s->listener = (struct listener){.name = "in",
                                    .direction = INBOUND,
                                    .front = &front_fixed,
                                    .front_conf = {.fixed_target = true, .head_max = 4096},
                                    .max = 10};
    struct net_conf conf = {.base = s->base,
                            .env = &s->env,
                            .listeners = &s->listener,
                            .count = 1,
                            .mark = 77,
                            .resolv_conf = s->resolv,
                            .hosts = s->hosts};
    s->env.base = s->base;
    s->env.stats = &s->stats;
    s->env.sinks = &s->sinks;
    s->env.limits.connect = 5 * US_PER_S;
    s->env.upstream = net_new(&conf);
    assert_non_null(s->env.upstream);
}

static void stage_end(struct stage *s)
{
    flow_env_clear(&s->env);
    net_free(s->env.upstream);
    evdns_close_server_port(s->dns);
    close(s->dns_fd);
    event_base_free(s->base);
    tmp_remove(s->dir);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct stage *s = arg;
    (void)fd;
    (void)what;
    wheel_turn(&s->env.wheel, flow_env_touch(&s->env));
}

// One flow to host:port, until it relays or has ended: its state then.
static enum flow_state dial(struct stage *s, const char *host, uint16_t port)
{
    int pair[2];
    struct addr client, local;
    struct timeval tick = {.tv_usec = 20000};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    s->listener.front_conf.target.port = port;
    assert_int_equal(hostport_set_host(&s->listener.front_conf.target, view_of(host)), 0);
    assert_int_equal(addr_parse(&client, VIEW_LIT("127.0.0.1"), 1), 0);
    local = client;
    s->client = pair[1];
    struct event *ticks = event_new(s->base, -1, EV_PERSIST, on_tick, s);
    event_add(ticks, &tick);
    flow_env_touch(&s->env);
    assert_true(flow_accept(&s->env, &s->listener, pair[0], &client, &local));
    struct flow *f = s->env.live.first ? s->env.live.first : s->env.dead.first;
    while (f->state <= FLOW_DIAL)
        event_base_loop(s->base, EVLOOP_ONCE);
    enum flow_state state = f->state;
    snprintf(s->reason, sizeof s->reason, "%s", flow_reason_text(f->reason));
    snprintf(s->detail, sizeof s->detail, "%s", f->detail ? f->detail : "");
    addr_text(&f->facts.server, s->server);
    s->dns_us = f->facts.dns_us;
    close(s->client);
    flow_env_end_all(&s->env);
    flow_env_reap(&s->env);
    event_free(ticks);
    return state;
}

static void to_numeric_addresses(void **state)
{
    struct stage s;
    uint16_t port;
    (void)state;
    stage_begin(&s, "");
    int fd = listening("127.0.0.1", 0, &port);
    assert_int_equal(dial(&s, "127.0.0.1", port), FLOW_RELAY);
    assert_int_equal(s.dns_us, 0);
    close(fd);
    fd = listening("::1", 0, &port);
    if (fd >= 0) {
        assert_int_equal(dial(&s, "::1", port), FLOW_RELAY);
        close(fd);
    }
    assert_int_equal(s.questions, 0);
    stage_end(&s);
}

static void localhost_is_both_families(void **state)
{
    static const char *const hosts[] = {"127.0.0.1", "::1"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct stage s;
        uint16_t port;
        stage_begin(&s, "");
        int fd = listening(hosts[i], 0, &port);
        if (fd >= 0) {
            assert_int_equal(dial(&s, "localhost", port), FLOW_RELAY);
            assert_non_null(strstr(s.server, hosts[i]));
            close(fd);
        }
        assert_int_equal(s.questions, 0);
        stage_end(&s);
    }
}

static void refused_is_said(void **state)
{
    struct stage s;
    uint16_t port = closed_port();
    char text[128];
    (void)state;
    stage_begin(&s, "");
    assert_int_equal(dial(&s, "127.0.0.1", port), FLOW_DRAIN);
    assert_string_equal(s.reason, "dial-refused");
    snprintf(text, sizeof text, "connection to 127.0.0.1:%u: refused", port);
    assert_string_equal(s.detail, text);
    assert_int_equal(s.stats.dials_failed, 1);
    stage_end(&s);
}

static void the_next_address_is_tried(void **state)
{
    struct stage s;
    uint16_t port;
    (void)state;
    stage_begin(&s, "127.0.0.1 two.example\n127.0.0.2 two.example\n");
    int fd = listening("127.0.0.2", 0, &port);
    assert_int_equal(dial(&s, "two.example", port), FLOW_RELAY);
    assert_non_null(strstr(s.server, "127.0.0.2:"));
    assert_int_equal(s.questions, 0);
    // The same through the name server.
    assert_int_equal(dial(&s, "known.example", port), FLOW_RELAY);
    assert_non_null(strstr(s.server, "127.0.0.2:"));
    assert_true(s.dns_us > 0);
    assert_true(s.questions > 0);
    close(fd);
    stage_end(&s);
}

// A server whose queue is full does not answer: the next address is tried beside it.
static void a_silent_address_is_not_waited_for(void **state)
{
    struct stage s;
    uint16_t port;
    struct addr to;
    int fillers[8];
    (void)state;
    int full = -1, open = -1;
    for (int tries = 0; tries < 100 && open < 0; tries++) { // a port that is free at both
        close(full);
        full = bound_socket(SOCK_STREAM, "127.0.0.1", 0, &port);
        open = listening("127.0.0.2", port, NULL);
    }
    assert_true(open >= 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(addr_parse(&to, VIEW_LIT("127.0.0.1"), port), 0);
    for (int i = 0; i < 8; i++) {
        fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(fillers[i], &to.sa, addr_len(&to));
    }
    stage_begin(&s, "127.0.0.1 two.example\n127.0.0.2 two.example\n");
    assert_int_equal(dial(&s, "two.example", port), FLOW_RELAY);
    assert_non_null(strstr(s.server, "127.0.0.2:"));
    // Alone it takes the whole time.
    s.env.limits.connect = 400 * US_PER_MS;
    assert_int_equal(dial(&s, "127.0.0.1", port), FLOW_DRAIN);
    assert_string_equal(s.reason, "dial-timeout");
    assert_non_null(strstr(s.detail, "no answer within 400ms"));
    stage_end(&s);
    for (int i = 0; i < 8; i++)
        close(fillers[i]);
    close(open);
    close(full);
}

static void unknown_names_are_said(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "");
    assert_int_equal(dial(&s, "unknown.example", 80), FLOW_DRAIN);
    assert_string_equal(s.reason, "dial-notfound");
    assert_string_equal(s.detail, "no such host: unknown.example");
    stage_end(&s);
}

static void a_silent_name_server_is_a_timeout(void **state)
{
    struct stage s;
    (void)state;
    stage_begin(&s, "");
    s.env.limits.connect = 300 * US_PER_MS;
    assert_int_equal(dial(&s, "silent.example", 80), FLOW_DRAIN);
    assert_string_equal(s.reason, "dial-timeout");
    assert_non_null(strstr(s.detail, "look-up of silent.example"));
    stage_end(&s);
}

static void the_hosts_file_is_read_again(void **state)
{
    struct stage s;
    uint16_t port;
    (void)state;
    stage_begin(&s, "");
    int fd = listening("127.0.0.1", 0, &port);
    assert_int_equal(dial(&s, "later.example", port), FLOW_DRAIN);
    assert_string_equal(s.reason, "dial-notfound");
    tmp_write(s.hosts, "127.0.0.1 later.example\n", 24);
    usleep(1100000); // looked at once a second
    assert_int_equal(dial(&s, "later.example", port), FLOW_RELAY);
    close(fd);
    stage_end(&s);
}

static void ourselves_is_a_loop(void **state)
{
    static const struct {
        const char *bound, *dialled;
        bool loop;
    } cases[] = {
        {"127.0.0.1", "127.0.0.1", true},
        {"::", "127.0.0.1", true},
        {"0.0.0.0", "127.0.0.9", true},
        {"::", "localhost", true},
        {"::", "::1", true},
        {"127.0.0.1", "127.0.0.2", false},
        {"::", "192.0.2.1", false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct stage s;
        stage_begin(&s, "");
        s.env.limits.connect = 100 * US_PER_MS;
        uint16_t port = closed_port();
        assert_int_equal(addr_parse(&s.listener.bound, view_of(cases[i].bound), port), 0);
        assert_int_equal(dial(&s, cases[i].dialled, port), FLOW_DRAIN);
        if ((strcmp(s.reason, "dial-loop") == 0) != cases[i].loop)
            fail_msg("%s, %s: %s", cases[i].bound, cases[i].dialled, s.reason);
        if (cases[i].loop)
            assert_non_null(strstr(s.detail, "is this proxy itself"));
        stage_end(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(to_numeric_addresses),
        cmocka_unit_test(localhost_is_both_families),
        cmocka_unit_test(refused_is_said),
        cmocka_unit_test(the_next_address_is_tried),
        cmocka_unit_test(a_silent_address_is_not_waited_for),
        cmocka_unit_test(unknown_names_are_said),
        cmocka_unit_test(a_silent_name_server_is_a_timeout),
        cmocka_unit_test(the_hosts_file_is_read_again),
        cmocka_unit_test(ourselves_is_a_loop),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
