#include "proxy/listen.h"

#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proxy/flow.h"

#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define BACKLOG      4096
#define ACCEPTS_MAX  64              // of one turn, so that flows get theirs
#define PAUSE_US     (1 * US_PER_S)  // without accepting when descriptors or memory ran out
#define LOG_EVERY_US (10 * US_PER_S) // one line about refused clients

#define PREDECESSOR_US      (2 * US_PER_S)
#define PREDECESSOR_STEP_US (20 * US_PER_MS)

struct acceptor {
    struct flow_env *env;
    struct listener *l;
    int fd;
    struct event event;
    struct deadline pause;
    int64_t told_us;  // when a line about refused clients was last written
    uint64_t refused; // since then
    bool any_address; // each flow asks for its own end
    int quota;        // clients to take in one turn: it grows while they come in crowds
    uint64_t turn;    // the last that brought some
};

static void set(int fd, int level, int option, int value)
{
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

// What accepted sockets inherit is set once here.
static int bind_one(const struct addr *a, bool reuse_port)
{
    int fd = socket(a->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (reuse_port)
        set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (a->sa.sa_family == AF_INET6)
        set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !addr_is_any(a));
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 60);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 15);
    if (bind(fd, &a->sa, addr_len(a)) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int kept = errno;
    close(fd);
    errno = kept;
    return -1;
}

// A predecessor that was just killed may not be all gone yet: its port is waited for.
static int bind_alone(const struct addr *a)
{
    int64_t until = clock_mono_us() + PREDECESSOR_US;
    int fd;
    while ((fd = bind_one(a, false)) < 0 && errno == EADDRINUSE && clock_mono_us() < until)
        usleep(PREDECESSOR_STEP_US);
    return fd;
}

// Alone on the port for a moment: only then is nobody else listening there.
static int probe(struct listener *l)
{
    int fd = bind_alone(&l->bound);
    if (fd < 0 && l->bound.sa.sa_family == AF_INET6 && addr_is_any(&l->bound) &&
        (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        uint16_t port = addr_port(&l->bound);
        (void)addr_parse(&l->bound, VIEW_LIT("0.0.0.0"), port);
        fd = bind_alone(&l->bound);
    }
    return fd;
}

static int cannot(const struct listener *l, char why[WHY_MAX])
{
    int e = err_from_errno(errno);
    char text[ADDR_TEXT];
    const char *hint = "";
    if (errno == EADDRINUSE)
        hint = ": another process listens there";
    else if (errno == EACCES && addr_port(&l->bound) < 1024)
        hint = ": ports below 1024 need root or CAP_NET_BIND_SERVICE";
    else if (errno == EADDRNOTAVAIL)
        hint = ": this machine has no such address";
    snprintf(why, WHY_MAX, "cannot listen on %s (%s): %s%s", addr_text(&l->bound, text), l->name,
             strerror(errno), hint);
    return e;
}

static void take_port(struct listener *l, int fd)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    struct addr own;
    if (getsockname(fd, (struct sockaddr *)&ss, &n) == 0) {
        addr_from_sockaddr(&own, (struct sockaddr *)&ss);
        addr_set_port(&l->bound, addr_port(&own));
    }
}

int listen_open(struct listener *l, int fds[], size_t count, char why[WHY_MAX])
{
    bool free_port = addr_port(&l->bound) == 0;
    size_t n = 0;
    int fd = probe(l);
    if (fd < 0)
        return cannot(l, why);
    // With a port of the system's choice there is nobody to probe for, and the choice must hold.
    close(fd);
    for (; n < count; n++) {
        fds[n] = bind_one(&l->bound, count > 1);
        if (fds[n] < 0)
            break;
        if (n == 0 && free_port)
            take_port(l, fds[0]);
    }
    if (n == count)
        return 0;
    int e = cannot(l, why);
    while (n > 0)
        close(fds[--n]);
    return e;
}

static void local_of(const struct acceptor *a, int fd, struct addr *out)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    *out = a->l->bound;
    if (a->any_address && getsockname(fd, (struct sockaddr *)&ss, &n) == 0)
        addr_from_sockaddr(out, (struct sockaddr *)&ss);
}

static void tell_refused(struct acceptor *a, const char *reason)
{
    stat_add(&a->env->stats->flows_refused, 1);
    a->refused++;
    if (a->told_us != 0 && a->env->now - a->told_us < LOG_EVERY_US)
        return;
    log_warn("clients refused listener=%s count=%llu reason=%s", a->l->name,
             (unsigned long long)a->refused, reason);
    a->told_us = a->env->now;
    a->refused = 0;
}

static void take(struct acceptor *a, int fd, const struct sockaddr *sa)
{
    struct addr client, local;
    struct listener *l = a->l;
    if (atomic_load_explicit(&l->open, memory_order_relaxed) >=
        atomic_load_explicit(&l->max, memory_order_relaxed)) {
        close(fd);
        tell_refused(a, "max-flows");
        return;
    }
    addr_from_sockaddr(&client, sa);
    local_of(a, fd, &local);
    if (!flow_accept(a->env, l, fd, &client, &local))
        tell_refused(a, "no-memory");
}

// 1: one was taken, or may be there yet; 0: nobody waits; -1: the system cannot take more now.
static int accept_one(struct acceptor *a)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    int fd = accept4(a->fd, (struct sockaddr *)&ss, &n, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        take(a, fd, (struct sockaddr *)&ss);
        return 1;
    }
    switch (errno) {
    case EAGAIN:
        return 0;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return -1;
    default: // of a client that is gone already
        return 1;
    }
}

static void pause_accepting(struct acceptor *a)
{
    log_warn("accepting pauses listener=%s pause=1s reason=\"%s\"", a->l->name, strerror(errno));
    event_del(&a->event);
    wheel_set(&a->env->wheel, &a->pause, a->env->now + PAUSE_US);
}

// Asking until nobody waits costs a call for every client that comes alone; so several are taken in
// one turn only while every turn brings some.
static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct acceptor *a = arg;
    int taken = 0, more = 1;
    (void)fd;
    (void)what;
    flow_env_touch(a->env);
    for (; taken < a->quota && more > 0; taken++)
        more = accept_one(a);
    if (more < 0)
        pause_accepting(a);
    if (more <= 0 || a->env->turns != a->turn + 1)
        a->quota = 1;
    else if (a->quota < ACCEPTS_MAX)
        a->quota *= 2;
    a->turn = a->env->turns;
}

static void on_pause_over(struct deadline *d)
{
    struct acceptor *a = (struct acceptor *)(void *)((char *)d - offsetof(struct acceptor, pause));
    if (event_add(&a->event, NULL))
        wheel_set(&a->env->wheel, d, a->env->now + PAUSE_US);
}

struct acceptor *acceptor_new(struct flow_env *env, struct listener *l, int fd)
{
    struct acceptor *a = calloc(1, sizeof *a);
    if (!a) {
        close(fd);
        return NULL;
    }
    a->env = env;
    a->l = l;
    a->fd = fd;
    a->any_address = addr_is_any(&l->bound);
    a->quota = 1;
    deadline_init(&a->pause, on_pause_over);
    event_assign(&a->event, env->base, fd, EV_READ | EV_PERSIST, on_accept, a);
    if (event_add(&a->event, NULL)) {
        close(fd);
        free(a);
        return NULL;
    }
    return a;
}

void acceptor_finish(struct acceptor *a)
{
    if (a->fd < 0)
        return;
    for (int i = 0; i < BACKLOG && accept_one(a) > 0; i++)
        continue;
    event_del(&a->event);
    wheel_clear(&a->pause);
    close(a->fd);
    a->fd = -1;
}

void acceptor_free(struct acceptor *a)
{
    if (!a)
        return;
    if (a->fd >= 0) {
        event_del(&a->event);
        wheel_clear(&a->pause);
        close(a->fd);
    }
    free(a);
}
