#include "tests/support/mocked.h"

#include "proto/base/clock.h"
#include "tests/support/alloc.h"

#include <event2/event.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define TEXT_MAX (1u << 20) // of the log

static void nothing(struct upstream *u)
{
    (void)u;
}

static const struct upstream_ops net_ops = {.name = "none", .reap = nothing};

int mocked_begin(struct mocked *m, const struct mock_conf *conf, const char *target, bool http,
                 char why[WHY_MAX])
{
    memset(m, 0, sizeof *m);
    int e = mock_new(conf, &m->mock, why);
    if (e)
        return e;
    alloc_leave();
    m->hook = mock_hook(m->mock);
    m->base = event_base_new();
    m->log = sink_log_new(TEXT_MAX);
    if (!m->base || !m->log || flow_env_init(&m->env, clock_mono_us, clock_wall_us()))
        abort();
    m->net.ops = &net_ops;
    m->worker = (struct world_worker){.base = m->base, .env = &m->env, .net = &m->net};
    m->part = m->hook.join(m->hook.arg, &m->worker, why);
    m->sink = m->part ? m->hook.sink(m->part, sink_log_sink(m->log)) : NULL;
    if (!m->sink)
        abort();
    m->sinks.tap =
        (struct tap_env){.sink = m->sink, .stats = &m->stats, .used = &m->used, .max = 64u << 20};
    m->env.base = m->base;
    m->env.stats = &m->stats;
    m->env.sinks = &m->sinks;
    m->env.upstream = m->hook.upstream(m->part);
    m->env.next_id = 1;
    m->env.limits = (struct flow_limits){.idle = 60 * US_PER_S, .head = 60 * US_PER_S};
    m->listener = (struct listener){.name = "in",
                                    .direction = http ? OUTBOUND : INBOUND,
                                    .front = http ? &front_http : &front_fixed,
                                    .front_conf = {.fixed_target = !http, .head_max = 32 * 1024},
                                    .max = 1000};
    if (!http) {
        if (hostport_parse(&m->listener.front_conf.target, view_of(target), 80))
            abort();
        hostport_text(&m->listener.front_conf.target, m->listener.target);
    }
    alloc_enter();
    return 0;
}

void mocked_end(struct mocked *m)
{
    flow_env_clear(&m->env);
    m->hook.unsink(m->part, m->sink);
    m->hook.leave(m->part);
    mock_free(m->mock);
    event_base_free(m->base);
    sink_log_free(m->log);
}

int mocked_client(struct mocked *m)
{
    int fds[2];
    struct addr unknown = {0};
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds))
        abort();
    flow_env_touch(&m->env);
    (void)flow_accept(&m->env, &m->listener, fds[0], &unknown, &unknown);
    return fds[1];
}

void mocked_turn(struct mocked *m)
{
    // What is active makes others active: so often nothing can be on its way any more.
    for (int quiet = 0; quiet < 3; quiet++) {
        uint64_t before = m->stats.bytes[C2S] + m->stats.bytes[S2C];
        event_base_loop(m->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
        flow_env_reap(&m->env);
        if (m->stats.bytes[C2S] + m->stats.bytes[S2C] != before)
            quiet = -1;
    }
}
