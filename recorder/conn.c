// conn: see conn.h.
#include "recorder/conn.h"

#include "proto/base/log.h"
#include "proto/wire.h"

#include <errno.h>
#include <event2/event.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define IN_MAX (WIRE_HEADER + WIRE_PAYLOAD_MAX + CONN_READ)

struct conn {
    const struct conn_env *env;
    struct session session;
    uint64_t id;
    int fd;
    struct event *readable, *writable;
    struct buf in; // from the frame at hand on
    size_t need;   // bytes of that frame, as far as known
    bool paused, dead;
    const char *reason; // of the end
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

struct conn *conn_new(const struct conn_env *env, int fd, uint64_t id)
{
    struct conn *c = calloc(1, sizeof *c);
    if (!c) {
        close(fd);
        return NULL;
    }
    const struct timeval patience = {.tv_sec = CONN_HELLO_S};
    c->env = env;
    c->fd = fd;
    c->id = id;
    c->need = WIRE_HEADER;
    buf_init(&c->in, IN_MAX);
    session_init(&c->session, env->host, c, env->unpack);
    c->readable = event_new(env->base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(env->base, fd, EV_WRITE, on_writable, c);
    if (c->readable && c->writable && event_add(c->readable, &patience) == 0)
        return c;
    c->reason = "out of memory";
    conn_free(c);
    return NULL;
}

void conn_free(struct conn *c)
{
    if (!c)
        return;
    const struct session *s = &c->session;
    log_info("connection ended conn=%llu stream=%lld records=%llu repeated=%llu skipped=%llu "
             "reason=\"%s\"%s%s%s",
             (unsigned long long)c->id, (long long)s->stream, (unsigned long long)s->records,
             (unsigned long long)s->repeated, (unsigned long long)s->skipped,
             c->reason ? c->reason : "stopped", s->why[0] ? " why=\"" : "", s->why,
             s->why[0] ? "\"" : "");
    if (c->readable)
        event_free(c->readable);
    if (c->writable)
        event_free(c->writable);
    close(c->fd);
    buf_clear(&c->in);
    session_clear(&c->session);
    free(c);
}

uint64_t conn_id(const struct conn *c)
{
    return c->id;
}

void *conn_owner(const struct conn *c)
{
    return c->env->arg;
}

bool conn_is_dead(const struct conn *c)
{
    return c->dead;
}

bool conn_is_gone(const struct conn *c)
{
    struct pollfd p = {.fd = c->fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) == 1 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

struct session *conn_session(struct conn *c)
{
    return &c->session;
}

void conn_kill(struct conn *c, const char *reason)
{
    if (c->dead)
        return;
    c->dead = true;
    c->reason = reason;
    event_del(c->readable);
    event_del(c->writable);
    c->env->died(c->env->arg, c);
}

// ---- reading

void conn_pause(struct conn *c)
{
    c->paused = true;
    // event_del() alone would leave the limit to be set again after the next bytes.
    event_remove_timer(c->readable);
    event_del(c->readable);
}

// The session takes from in what it can; 0, E_FULL, or dead.
static int feed_kept(struct conn *c)
{
    size_t used;
    int e = session_feed(&c->session, buf_view(&c->in), &used, &c->need);
    buf_drop(&c->in, used, 0);
    return e;
}

// Gives the session what is kept and what came behind it; keeps what it has no use for yet.
static void consume(struct conn *c, struct view came)
{
    int e = buf_len(&c->in) > 0 ? feed_kept(c) : 0;
    while (e == 0 && came.n > 0) {
        if (buf_len(&c->in) == 0) {
            size_t used;
            e = session_feed(&c->session, came, &used, &c->need);
            came = view_from(came, used);
            break; // what is left is less than a frame, or cannot be taken now
        } else if (buf_add_view(&c->in, came) == 0) {
            came.n = 0;
            e = feed_kept(c);
        } else {
            e = E_NOMEM;
        }
    }
    if ((e == 0 || e == E_FULL) && came.n > 0 && buf_add_view(&c->in, came) != 0)
        e = E_NOMEM;
    if (e == E_FULL)
        conn_pause(c);
    else if (e)
        conn_kill(c, e == E_NOMEM ? "out of memory" : "refused");
}

void conn_resume(struct conn *c)
{
    const struct timeval hello = {.tv_sec = CONN_HELLO_S}, goodbye = {.tv_sec = CONN_GOODBYE_S};
    if (c->dead || !c->paused)
        return;
    c->paused = false;
    if (buf_len(&c->in) > 0 && c->session.state != SESSION_REFUSED)
        consume(c, (struct view){NULL, 0});
    if (c->dead || c->paused)
        return;
    event_add(c->readable, c->session.state == SESSION_REFUSED ? &goodbye
                           : c->session.state == SESSION_HELLO ? &hello
                                                               : NULL);
}

// A refused peer is given time to read why; what it still sends is of no use.
static void discard(struct conn *c)
{
    ssize_t n = recv(c->fd, c->env->scratch, CONN_READ, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
        conn_kill(c, "refused");
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    if (what & EV_TIMEOUT) {
        conn_kill(c, c->session.state == SESSION_HELLO ? "no hello in time" : "refused");
        return;
    }
    if (c->session.state == SESSION_REFUSED) {
        discard(c);
        return;
    }
    size_t kept = buf_len(&c->in), want = kept > 0 && c->need > kept ? c->need - kept : 0;
    char *room = want ? buf_room(&c->in, want) : NULL;
    if (want && !room) {
        conn_kill(c, "out of memory");
        return;
    }
    struct iovec to[2] = {{.iov_base = room, .iov_len = want},
                          {.iov_base = c->env->scratch, .iov_len = CONN_READ}};
    struct msghdr message = {.msg_iov = want ? to : to + 1, .msg_iovlen = want ? 2 : 1};
    ssize_t n = recvmsg(fd, &message, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        conn_kill(c, n < 0      ? strerror(errno)
                     : kept > 0 ? "closed within a frame"
                                : "closed by the proxy");
        return;
    }
    size_t got = (size_t)n < want ? (size_t)n : want;
    buf_grew(&c->in, got);
    consume(c, view_n(c->env->scratch, (size_t)n - got));
}

// ---- writing

void conn_flush(struct conn *c)
{
    while (!c->dead) {
        struct view out = session_out(&c->session);
        if (out.n == 0)
            return;
        ssize_t n = send(c->fd, out.p, out.n, MSG_NOSIGNAL);
        if (n >= 0)
            session_sent(&c->session, (size_t)n);
        else if (errno == EAGAIN) {
            event_add(c->writable, NULL);
            return;
        } else if (errno != EINTR)
            conn_kill(c, "cannot be answered");
    }
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    conn_flush(arg);
}
