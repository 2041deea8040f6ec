// Listening sockets and the flows that they let in, over real loopback sockets.
#include "proxy/listen.h"

#include "proto/base/log.h"
#include "proxy/flow.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct listener at(const char *host, uint16_t port)
{
    struct listener l = {.name = "in",
                         .direction = INBOUND,
                         .front = &front_http,
                         .front_conf.head_max = 4096,
                         .max = 100};
    assert_int_equal(addr_parse(&l.bound, view_of(host), port), 0);
    return l;
}

static int client_of(const char *host, uint16_t port)
{
    struct addr a;
    assert_int_equal(addr_parse(&a, view_of(host), port), 0);
    int fd = socket(a.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &a.sa, addr_len(&a)) == 0)
        return fd;
    close(fd);
    return -1;
}

static void close_all(const int *fds, size_t n)
{
    for (size_t i = 0; i < n; i++)
        close(fds[i]);
}

static void a_free_port_is_shared(void **state)
{
    struct listener l = at("127.0.0.1", 0);
    char why[WHY_MAX];
    int fds[4];
    (void)state;
    assert_int_equal(listen_open(&l, fds, 4, why), 0);
    assert_int_not_equal(addr_port(&l.bound), 0);
    for (int i = 0; i < 4; i++) {
        struct sockaddr_in sa;
        socklen_t n = sizeof sa;
        assert_int_equal(getsockname(fds[i], (struct sockaddr *)&sa, &n), 0);
        assert_int_equal(ntohs(sa.sin_port), addr_port(&l.bound));
    }
    close_all(fds, 4);
}

// Also when the other one would share: it is not one of ours.
static void a_port_of_somebody_else_is_an_error(void **state)
{
    struct listener first = at("127.0.0.1", 0), wide;
    char why[WHY_MAX] = "", words[64];
    int fds[2], more[2];
    (void)state;
    assert_int_equal(listen_open(&first, fds, 2, why), 0);
    struct listener second = at("127.0.0.1", addr_port(&first.bound));
    assert_int_equal(listen_open(&second, more, 2, why), E_BUSY);
    snprintf(words, sizeof words, "cannot listen on 127.0.0.1:%u (in): ", addr_port(&first.bound));
    assert_ptr_equal(strstr(why, words), why);
    assert_non_null(strstr(why, "another process listens there"));
    wide = at("::", addr_port(&first.bound));
    assert_int_equal(listen_open(&wide, more, 1, why), E_BUSY);
    close_all(fds, 2);
    assert_int_equal(listen_open(&second, more, 2, why), 0);
    close_all(more, 2);
}

static void every_address_means_both_families(void **state)
{
    struct listener l = at("::", 0);
    char why[WHY_MAX];
    int fd;
    (void)state;
    assert_int_equal(listen_open(&l, &fd, 1, why), 0);
    int v4 = client_of("127.0.0.1", addr_port(&l.bound));
    assert_true(v4 >= 0);
    close(v4);
    if (l.bound.sa.sa_family == AF_INET6) {
        int v6 = client_of("::1", addr_port(&l.bound));
        assert_true(v6 >= 0);
        close(v6);
    }
    close(fd);
}

static void a_foreign_address_is_an_error(void **state)
{
    struct listener l = at("192.0.2.1", 0);
    char why[WHY_MAX];
    int fd;
    (void)state;
    assert_int_not_equal(listen_open(&l, &fd, 1, why), 0);
    assert_non_null(strstr(why, "this machine has no such address"));
}

// Clients beyond the limit are closed and counted; the others are known by their true addresses.
static void clients_come_in_up_to_the_limit(void **state)
{
    struct event_base *base = event_base_new();
    struct listener l = at("::", 0);
    struct flow_env env;
    struct stats stats = {0};
    char why[WHY_MAX], text[ADDR_TEXT], byte;
    int fd, clients[5];
    (void)state;
    l.max = 3;
    assert_int_equal(listen_open(&l, &fd, 1, why), 0);
    assert_int_equal(flow_env_init(&env, clock_mono_us, clock_wall_us()), 0);
    env.base = base;
    env.stats = &stats;
    struct acceptor *a = acceptor_new(&env, &l, fd);
    assert_non_null(a);
    for (int i = 0; i < 5; i++)
        clients[i] = client_of("127.0.0.1", addr_port(&l.bound));
    event_base_loop(base, EVLOOP_NONBLOCK);
    assert_int_equal(env.live.count, 3);
    assert_int_equal(l.open, 3);
    assert_int_equal(stats.flows_opened[0], 3);
    assert_int_equal(stats.flows_refused, 2);
    for (int i = 3; i < 5; i++)
        assert_int_equal(read(clients[i], &byte, 1), 0);
    const struct flow *f = env.live.first;
    assert_int_equal(f->facts.client.sa.sa_family, AF_INET);
    addr_text(&f->facts.local, text);
    assert_ptr_equal(strstr(text, "127.0.0.1:"), text);
    assert_int_equal(addr_port(&f->facts.local), addr_port(&l.bound));

    close(clients[0]);
    event_base_loop(base, EVLOOP_NONBLOCK);
    flow_env_reap(&env);
    assert_int_equal(l.open, 2);
    // What waits in the system's queue when listening stops is still taken.
    int late = client_of("127.0.0.1", addr_port(&l.bound));
    acceptor_finish(a);
    assert_int_equal(env.live.count, 3);
    assert_int_equal(client_of("127.0.0.1", addr_port(&l.bound)), -1);
    acceptor_free(a);
    flow_env_clear(&env);
    assert_int_equal(l.open, 0);
    close(late);
    for (int i = 1; i < 5; i++)
        close(clients[i]);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_free_port_is_shared),
        cmocka_unit_test(a_port_of_somebody_else_is_an_error),
        cmocka_unit_test(every_address_means_both_families),
        cmocka_unit_test(a_foreign_address_is_an_error),
        cmocka_unit_test(clients_come_in_up_to_the_limit),
    };
    log_set_level(LOG_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
