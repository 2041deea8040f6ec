#include "tests/script/fake_io.h"

#include <assert.h>
#include <stdlib.h>
#include <sys/mman.h>

#define TUBE_MAX (64u << 20)

static struct peer peers[PEERS];
static int peer_count;
static size_t read_most;

void tube_add(struct tube *t, const void *p, size_t n)
{
    if (!t->p) {
        t->p = mmap(NULL, TUBE_MAX, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (t->p == MAP_FAILED)
            abort();
    }
    if (t->at == t->n)
        t->at = t->n = 0;
    assert(n <= TUBE_MAX - t->n);
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

struct view tube_view(const struct tube *t)
{
    return (struct view){t->p ? t->p + t->at : NULL, t->n - t->at};
}

void tube_drop(struct tube *t, size_t n)
{
    assert(n <= t->n - t->at);
    t->at += n;
}

static void tube_clear(struct tube *t)
{
    if (t->p)
        munmap(t->p, TUBE_MAX);
    *t = (struct tube){0};
}

int peer_new(void)
{
    assert(peer_count < PEERS);
    peers[peer_count] = (struct peer){0};
    return peer_count++;
}

struct peer *peer_of(int fd)
{
    assert(fd >= 0 && fd < peer_count);
    return &peers[fd];
}

void peers_clear(void)
{
    for (int i = 0; i < peer_count; i++) {
        tube_clear(&peers[i].to_us);
        tube_clear(&peers[i].heard);
    }
    peer_count = 0;
}

void fake_io_chunk(size_t n)
{
    read_most = n;
}

static bool may_read(const struct peer *p)
{
    return tube_view(&p->to_us).n > 0 || p->says_end || p->says_reset;
}

static bool may_write(const struct peer *p)
{
    return !p->bounded || p->window > 0 || p->gone;
}

bool fake_io_turn(void)
{
    static int last;
    for (int i = 0, begun = last; i < peer_count; i++) {
        last = (begun + 1 + i) % peer_count;
        struct io *io = peers[last].io;
        if (!io || !io->open)
            continue;
        if (io->writing && may_write(&peers[last])) {
            io->handler->writable(io);
            return true;
        }
        if (io->reading && may_read(&peers[last])) {
            io->handler->readable(io);
            return true;
        }
    }
    return false;
}

void io_accepted(struct io *io, struct event_base *base, int fd, const struct io_handler *handler)
{
    (void)base;
    *io = (struct io){.handler = handler, .fd = fd, .open = true};
    peer_of(fd)->io = io;
}

int io_connect(struct io *io, struct event_base *base, const struct addr *to, unsigned mark,
               const struct io_handler *handler)
{
    (void)io, (void)base, (void)to, (void)mark, (void)handler;
    abort(); // the script's upstream makes its sockets by itself
}

int io_connect_end(struct io *io)
{
    (void)io;
    abort();
}

void io_move(struct io *to, struct io *from, struct event_base *base,
             const struct io_handler *handler)
{
    assert(from->open && !to->open);
    from->open = false;
    io_accepted(to, base, from->fd, handler);
}

void io_want_read(struct io *io, bool want)
{
    if (io->open)
        io->reading = want;
}

void io_want_write(struct io *io, bool want)
{
    if (io->open)
        io->writing = want;
}

int io_read(struct io *io, void *p, size_t n, size_t *got)
{
    struct peer *peer = peer_of(io->fd);
    *got = 0;
    assert(io->open);
    if (n > tube_view(&peer->to_us).n)
        n = tube_view(&peer->to_us).n;
    if (read_most && n > read_most)
        n = read_most;
    if (n == 0)
        return peer->says_reset ? E_RESET : peer->says_end ? E_EOF : E_AGAIN;
    memcpy(p, tube_view(&peer->to_us).p, n);
    tube_drop(&peer->to_us, n);
    *got = n;
    return 0;
}

int io_write(struct io *io, const void *p, size_t n, size_t *put)
{
    struct peer *peer = peer_of(io->fd);
    *put = 0;
    assert(io->open && !peer->heard_end);
    if (peer->gone)
        return E_RESET;
    if (peer->bounded && n > peer->window)
        n = peer->window;
    if (peer->bounded)
        peer->window -= n;
    tube_add(&peer->heard, p, n);
    *put = n;
    return 0;
}

int io_peek(struct io *io)
{
    struct peer *peer = peer_of(io->fd);
    if (tube_view(&peer->to_us).n > 0)
        return 0;
    return peer->says_reset ? E_RESET : peer->says_end ? E_EOF : E_AGAIN;
}

void io_shutdown(struct io *io)
{
    if (io->open)
        peer_of(io->fd)->heard_end = true;
}

void io_close(struct io *io)
{
    if (!io->open)
        return;
    io->open = io->reading = io->writing = false;
    struct peer *peer = peer_of(io->fd);
    peer->io = NULL;
    // The system resets a connection that is closed with bytes unread.
    if (tube_view(&peer->to_us).n > 0)
        peer->heard_reset = true;
    peer->heard_end = true;
}

void io_reset(struct io *io)
{
    if (io->open)
        peer_of(io->fd)->heard_reset = true;
    io_close(io);
}

void io_local(const struct io *io, struct addr *out)
{
    (void)addr_parse(out, VIEW_LIT("10.0.0.1"), (uint16_t)(40000 + io->fd));
}

bool io_is_local(const struct addr *a)
{
    return addr_is_loopback(a);
}
