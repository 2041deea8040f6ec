// net: looks a name up and dials its addresses, the next one when the one before fails or keeps
// silent for a moment (RFC 8305), all within the connect timeout.
//
//   open ── resolve_begin ──→ start_next ── connected ──→ won ──→ flow_upstream_done
//     └── address known ────────↑   └ failed, or HEAD_START over: the next address
//                                   └ none left and none under way: lost ──↑
//
//   1. Exactly one flow_upstream_done() for each open that is not cancelled.
//   2. A dial is forgotten at once and freed when the turn is over, since its sockets' events may
//      be on the stack.
#include "proxy/upstream/net.h"

#include "proto/base/log.h"
#include "proto/base/units.h"
#include "proxy/upstream/resolve.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_START_US (250 * US_PER_MS) // for an address, before the next one is tried beside it
#define SPARE_MAX     32

struct attempt {
    struct io io; // first: its events find the attempt by it
    struct dial *dial;
    struct addr to;
};

struct dial {
    struct net *net;
    net_done *done; // NULL: it is over
    void *arg;
    void **at;         // where its owner has it
    struct dial *next; // of the dead or the spare
    struct lookup *lookup;
    struct deadline whole, head_start;
    uint64_t id; // of the flow
    int64_t began_us, dns_us, connect_us;
    size_t count, started, pending;
    int error;
    char detail[HOSTPORT_TEXT + 96];
    struct hostport target;
    struct attempt attempts[RESOLVE_MAX];
};

struct net {
    struct upstream upstream; // first
    struct net_conf conf;
    struct resolver *resolver;
    struct dial *dead, *spare;
    size_t spares;
};

static void start_next(struct dial *d);

static void bury(struct dial *d)
{
    if (d->lookup)
        resolve_cancel(d->lookup);
    d->lookup = NULL;
    wheel_clear(&d->whole);
    wheel_clear(&d->head_start);
    for (size_t i = 0; i < d->started; i++)
        io_close(&d->attempts[i].io);
    d->done = NULL;
    d->next = d->net->dead;
    d->net->dead = d;
}

static void tell(struct dial *d, const struct upstream_result *r)
{
    net_done *done = d->done;
    d->done = NULL;
    *d->at = NULL;
    done(d->arg, r);
    bury(d);
}

static void won(struct dial *d, struct attempt *a, const struct addr *local)
{
    struct upstream_result r = {
        .io = &a->io, .server = a->to, .local = *local, .dns_us = d->dns_us};
    tell(d, &r);
}

static void lost(struct dial *d)
{
    struct upstream_result r = {.error = d->error, .detail = d->detail, .dns_us = d->dns_us};
    tell(d, &r);
}

// Of several failures the most telling one is told: that we are it ourselves, then that somebody
// answered.
static int weight(int error)
{
    switch (error) {
    case E_LOOP:
        return 4;
    case E_REFUSED:
    case E_RESET:
        return 3;
    case E_TIMEOUT:
        return 2;
    case E_UNREACHABLE:
        return 1;
    default:
        return 0;
    }
}

static void note(struct dial *d, const struct addr *to, int error)
{
    char text[ADDR_TEXT];
    if (error == E_AGAIN)
        error = E_IO;
    if (d->error && weight(error) <= weight(d->error))
        return;
    d->error = error;
    if (error == E_LOOP)
        snprintf(d->detail, sizeof d->detail, "%s is this proxy itself", addr_text(to, text));
    else
        snprintf(d->detail, sizeof d->detail, "connection to %s: %s", addr_text(to, text),
                 err_text(error));
}

// Only a port of ours makes it worth asking whether the address is this machine's.
static bool leads_to(const struct addr *own, const struct addr *to)
{
    if (addr_port(own) != addr_port(to))
        return false;
    return addr_eq(own, to) || ((addr_is_any(own) || addr_is_any(to)) && io_is_local(to));
}

static bool is_ours(const struct net *n, const struct addr *to)
{
    for (size_t i = 0; i < n->conf.count; i++)
        if (leads_to(&n->conf.listeners[i].bound, to))
            return true;
    return n->conf.admin && addr_is_set(n->conf.admin) && leads_to(n->conf.admin, to);
}

// A loopback socket that is given its own target's port by chance connects to itself: nobody
// listens there.
static bool connected(struct dial *d, struct attempt *a)
{
    struct addr local;
    io_local(&a->io, &local);
    if (addr_eq(&local, &a->to)) {
        io_close(&a->io);
        note(d, &a->to, E_REFUSED);
        return false;
    }
    won(d, a, &local);
    return true;
}

static void attempt_writable(struct io *io)
{
    struct attempt *a = (struct attempt *)(void *)io;
    struct dial *d = a->dial;
    flow_env_touch(d->net->conf.env);
    d->pending--;
    int e = io_connect_end(io);
    if (e)
        note(d, &a->to, e);
    else if (connected(d, a))
        return;
    start_next(d);
}

// Nothing is read before the flow has the socket.
static void attempt_readable(struct io *io)
{
    io_want_read(io, false);
}

static const struct io_handler attempt_io = {attempt_readable, attempt_writable};

static void trace_attempt(const struct dial *d, const struct addr *to)
{
    char text[ADDR_TEXT], target[HOSTPORT_TEXT];
    log_trace("dial", "dial attempt id=%llu target=%s address=%s number=%zu of=%zu",
              (unsigned long long)d->id, hostport_text(&d->target, target), addr_text(to, text),
              d->started, d->count);
}

static void start_next(struct dial *d)
{
    struct net *n = d->net;
    struct flow_env *env = n->conf.env;
    while (d->started < d->count) {
        struct attempt *a = &d->attempts[d->started++];
        if (is_ours(n, &a->to)) {
            note(d, &a->to, E_LOOP);
            continue;
        }
        if (log_traces("dial"))
            trace_attempt(d, &a->to);
        int e = io_connect(&a->io, n->conf.base, &a->to, n->conf.mark, &attempt_io);
        if (e == 0 && connected(d, a))
            return;
        if (e == E_AGAIN) {
            d->pending++;
            io_want_write(&a->io, true);
            if (d->started < d->count)
                wheel_set(&env->wheel, &d->head_start, env->now + HEAD_START_US);
            return;
        }
        if (e)
            note(d, &a->to, e);
    }
    if (d->pending == 0)
        lost(d);
}

static void on_head_start(struct deadline *timer)
{
    start_next((struct dial *)(void *)((char *)timer - offsetof(struct dial, head_start)));
}

static void on_timeout(struct deadline *timer)
{
    struct dial *d = (struct dial *)(void *)((char *)timer - offsetof(struct dial, whole));
    char target[HOSTPORT_TEXT], limit[UNITS_TEXT];
    d->error = E_TIMEOUT;
    snprintf(d->detail, sizeof d->detail, "%s %s: no answer within %s",
             d->lookup ? "look-up of" : "connection to",
             d->lookup ? d->target.host : hostport_text(&d->target, target),
             units_duration_text(d->connect_us, limit));
    lost(d);
}

static void on_looked_up(void *arg, int error, const char *detail, const struct addr *addrs,
                         size_t count)
{
    struct dial *d = arg;
    struct flow_env *env = d->net->conf.env;
    d->lookup = NULL;
    d->dns_us = flow_env_touch(env) - d->began_us;
    if (error) {
        d->error = error;
        snprintf(d->detail, sizeof d->detail, "%s", detail);
        lost(d);
        return;
    }
    d->count = count;
    for (size_t i = 0; i < count; i++)
        d->attempts[i].to = addrs[i];
    start_next(d);
}

static struct dial *dial_new(struct net *n)
{
    struct dial *d = n->spare;
    if (d) {
        n->spare = d->next;
        n->spares--;
    } else {
        d = malloc(sizeof *d);
        if (!d)
            return NULL;
    }
    memset(d, 0, offsetof(struct dial, target));
    for (size_t i = 0; i < RESOLVE_MAX; i++) {
        d->attempts[i].io.open = false;
        d->attempts[i].dial = d;
    }
    d->net = n;
    deadline_init(&d->whole, on_timeout);
    deadline_init(&d->head_start, on_head_start);
    return d;
}

void net_dial(struct upstream *u, uint64_t id, const struct hostport *target, int64_t connect_us,
              net_done *done, void *arg, void **at)
{
    struct net *n = (struct net *)(void *)u;
    struct flow_env *env = n->conf.env;
    struct addr addrs[RESOLVE_MAX];
    struct dial *d = dial_new(n);
    *at = NULL;
    if (!d) {
        done(arg, &(struct upstream_result){.error = E_NOMEM, .detail = ""});
        return;
    }
    d->done = done;
    d->arg = arg;
    d->at = at;
    d->id = id;
    d->target = *target;
    d->connect_us = connect_us;
    d->began_us = env->now;
    *at = d;
    if (connect_us > 0)
        wheel_set(&env->wheel, &d->whole, env->now + connect_us);
    d->count = resolve_now(target, addrs);
    for (size_t i = 0; i < d->count; i++)
        d->attempts[i].to = addrs[i];
    if (d->count > 0) {
        start_next(d);
        return;
    }
    d->lookup = resolve_begin(n->resolver, target, env->now, on_looked_up, d);
    if (!d->lookup) {
        d->error = E_NOMEM;
        lost(d);
    }
}

void net_hang_up(struct dial *d)
{
    assert(d->done);
    *d->at = NULL;
    bury(d);
}

static void flow_done(void *arg, const struct upstream_result *r)
{
    flow_upstream_done(arg, r);
}

static void net_open(struct upstream *u, struct flow *f, const struct hostport *target,
                     int64_t connect_us)
{
    net_dial(u, f->id, target, connect_us, flow_done, f, &f->dial);
}

static void net_cancel(struct upstream *u, struct flow *f)
{
    (void)u;
    net_hang_up(f->dial);
}

static void net_reap(struct upstream *u)
{
    struct net *n = (struct net *)(void *)u;
    for (struct dial *d; (d = n->dead);) {
        n->dead = d->next;
        if (n->spares == SPARE_MAX) {
            free(d);
            continue;
        }
        d->next = n->spare;
        n->spare = d;
        n->spares++;
    }
}

static const struct upstream_ops net_ops = {
    .name = "net", .open = net_open, .cancel = net_cancel, .reap = net_reap};

struct upstream *net_new(const struct net_conf *conf)
{
    struct net *n = calloc(1, sizeof *n);
    if (!n)
        return NULL;
    n->upstream.ops = &net_ops;
    n->conf = *conf;
    n->resolver =
        resolver_new(conf->base, conf->resolv_conf ? conf->resolv_conf : "/etc/resolv.conf",
                     conf->hosts ? conf->hosts : "/etc/hosts");
    if (!n->resolver) {
        free(n);
        return NULL;
    }
    return &n->upstream;
}

void net_free(struct upstream *u)
{
    struct net *n = (struct net *)(void *)u;
    if (!n)
        return;
    net_reap(u);
    resolver_free(n->resolver);
    for (struct dial *d; (d = n->spare);) {
        n->spare = d->next;
        free(d);
    }
    free(n);
}
