#include "proxy/io.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <unistd.h>

#define KEEPALIVE_IDLE_S     60
#define KEEPALIVE_INTERVAL_S 15

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    (void)what;
    io->handler->readable(io);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct io *io = arg;
    (void)fd;
    (void)what;
    io->handler->writable(io);
}

// ---- far ends
//
// Their events lie on no descriptor: they are made active by hand, at once when something becomes
// ready or wanted, and behind the sockets' next turn when it still is: so a far end that has much
// to say takes turns with them.

static bool far_is_due(const struct io *io)
{
    return (io->reading && io->far->readable) || (io->writing && io->far->writable);
}

static void far_wake(struct io *io)
{
    if (!io->telling && far_is_due(io) &&
        !event_pending(&io->read_event, EV_READ | EV_TIMEOUT, NULL))
        event_active(&io->read_event, EV_READ, 0);
}

static void on_far(evutil_socket_t fd, short what, void *arg)
{
    static const struct timeval next = {0};
    struct io *io = arg;
    (void)fd;
    (void)what;
    io->telling = true;
    if (io->writing && io->far->writable)
        io->handler->writable(io);
    if (io->open && io->reading && io->far && io->far->readable)
        io->handler->readable(io);
    io->telling = false;
    if (io->open && io->far && far_is_due(io))
        event_add(&io->read_event, &next);
}

void io_far_open(struct io *io, struct event_base *base, struct io_far *far,
                 const struct io_handler *handler)
{
    io->handler = handler;
    io->far = far;
    io->fd = -1;
    io->open = true;
    io->reading = io->writing = false;
    event_assign(&io->read_event, base, -1, 0, on_far, io);
    io->write_event = NULL;
    far->io = io;
}

void io_far_tell(struct io_far *far, bool readable, bool writable)
{
    far->readable = readable;
    far->writable = writable;
    if (far->io)
        far_wake(far->io);
}

static void far_want(struct io *io, bool *which, bool wanted)
{
    *which = wanted;
    if (wanted)
        far_wake(io);
    else if (!far_is_due(io))
        event_del(&io->read_event);
}

static void far_close(struct io *io, bool reset)
{
    struct io_far *far = io->far;
    event_del(&io->read_event);
    io->open = io->reading = io->writing = false;
    io->far = NULL;
    far->io = NULL;
    far->ops->close(far, reset);
}

// ---- sockets

static void begin(struct io *io, struct event_base *base, int fd, const struct io_handler *handler)
{
    io->handler = handler;
    io->far = NULL;
    io->fd = fd;
    io->open = true;
    io->reading = io->writing = false;
    event_assign(&io->read_event, base, fd, EV_READ | EV_PERSIST, on_readable, io);
    io->write_event = NULL;
}

void io_accepted(struct io *io, struct event_base *base, int fd, const struct io_handler *handler)
{
    begin(io, base, fd, handler);
}

// Marking needs a privilege that most runs lack: asked for once, then never again.
static void set_mark(int fd, unsigned mark)
{
    static atomic_bool denied;
    if (mark == 0 || atomic_load_explicit(&denied, memory_order_relaxed))
        return;
    if (setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) && errno == EPERM)
        atomic_store_explicit(&denied, true, memory_order_relaxed);
}

static void set_keepalive(int fd)
{
    int on = 1, idle = KEEPALIVE_IDLE_S, interval = KEEPALIVE_INTERVAL_S;
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
}

int io_connect(struct io *io, struct event_base *base, const struct addr *to, unsigned mark,
               const struct io_handler *handler)
{
    int on = 1, fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_errno(errno);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    set_mark(fd, mark);
    bool near = addr_is_loopback(to);
    if (!near)
        set_keepalive(fd);
    int r = connect(fd, &to->sa, addr_len(to));
    // Over loopback the handshake is over when connect() returns; asking again tells so at once and
    // saves a turn of the loop.
    if (r && errno == EINPROGRESS && near)
        r = connect(fd, &to->sa, addr_len(to));
    if (r && errno != EINPROGRESS && errno != EALREADY && errno != EINTR) {
        int e = err_from_errno(errno);
        close(fd);
        return e == E_AGAIN ? E_IO : e; // no port is free: nothing is under way
    }
    begin(io, base, fd, handler);
    return r ? E_AGAIN : 0;
}

int io_connect_end(struct io *io)
{
    int error = 0;
    socklen_t n = sizeof error;
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &n))
        error = errno;
    if (error == 0)
        return 0;
    io_close(io);
    return err_from_errno(error);
}

void io_move(struct io *to, struct io *from, struct event_base *base,
             const struct io_handler *handler)
{
    assert(from->open && !to->open);
    io_want_read(from, false);
    io_want_write(from, false);
    from->open = false;
    if (from->far)
        io_far_open(to, base, from->far, handler);
    else
        begin(to, base, from->fd, handler);
    from->far = NULL;
}

// Fails only without memory; the flow then ends by its deadline.
void io_want_read(struct io *io, bool wanted)
{
    if (!io->open || io->reading == wanted)
        return;
    if (io->far) {
        far_want(io, &io->reading, wanted);
        return;
    }
    io->reading = wanted ? event_add(&io->read_event, NULL) == 0 : event_del(&io->read_event) != 0;
}

// The same.
void io_want_write(struct io *io, bool wanted)
{
    if (!io->open || io->writing == wanted)
        return;
    if (io->far) {
        far_want(io, &io->writing, wanted);
        return;
    }
    if (wanted)
        io->write_event = event_new(event_get_base(&io->read_event), io->fd, EV_WRITE | EV_PERSIST,
                                    on_writable, io);
    io->writing = wanted && io->write_event && event_add(io->write_event, NULL) == 0;
    if (io->writing || !io->write_event)
        return;
    event_free(io->write_event);
    io->write_event = NULL;
}

int io_read(struct io *io, void *p, size_t n, size_t *got)
{
    ssize_t r;
    *got = 0;
    if (io->far)
        return io->far->ops->read(io->far, p, n, got);
    do
        r = recv(io->fd, p, n, 0);
    while (r < 0 && errno == EINTR);
    if (r == 0)
        return E_EOF;
    if (r < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? E_AGAIN : err_from_errno(errno);
    *got = (size_t)r;
    return 0;
}

int io_write(struct io *io, const void *p, size_t n, size_t *put)
{
    ssize_t r;
    *put = 0;
    if (io->far)
        return io->far->ops->write(io->far, p, n, put);
    do
        r = send(io->fd, p, n, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : err_from_errno(errno);
    *put = (size_t)r;
    return 0;
}

int io_peek(struct io *io)
{
    char byte;
    if (io->far)
        return io->far->ops->peek(io->far);
    ssize_t r = recv(io->fd, &byte, 1, MSG_PEEK);
    if (r < 0)
        return errno == EAGAIN || errno == EWOULDBLOCK ? E_AGAIN : err_from_errno(errno);
    return r == 0 ? E_EOF : 0;
}

void io_shutdown(struct io *io)
{
    if (io->open && io->far)
        io->far->ops->shutdown(io->far);
    else if (io->open)
        (void)shutdown(io->fd, SHUT_WR);
}

void io_close(struct io *io)
{
    if (!io->open)
        return;
    if (io->far) {
        far_close(io, false);
        return;
    }
    io_want_read(io, false);
    io_want_write(io, false);
    io->open = false;
    close(io->fd);
}

void io_reset(struct io *io)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (io->open && io->far) {
        far_close(io, true);
        return;
    }
    if (io->open)
        (void)setsockopt(io->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    io_close(io);
}

void io_local(const struct io *io, struct addr *out)
{
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    memset(out, 0, sizeof *out);
    if (io->open && !io->far && getsockname(io->fd, (struct sockaddr *)&ss, &n) == 0)
        addr_from_sockaddr(out, (struct sockaddr *)&ss);
}

// The route to one of our own addresses leaves from that address itself.
bool io_is_local(const struct addr *a)
{
    if (addr_is_loopback(a) || addr_is_any(a))
        return true;
    int fd = socket(a->sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    struct sockaddr_storage ss;
    socklen_t n = sizeof ss;
    struct addr own = {0}, to = *a;
    if (connect(fd, &to.sa, addr_len(&to)) == 0 &&
        getsockname(fd, (struct sockaddr *)&ss, &n) == 0) {
        addr_from_sockaddr(&own, (struct sockaddr *)&ss);
        addr_set_port(&own, addr_port(a));
    }
    close(fd);
    return addr_is_set(&own) && addr_eq(&own, a);
}
