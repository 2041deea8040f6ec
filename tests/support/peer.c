// peer: see peer.h.
#include "tests/support/peer.h"

#include "proto/base/addr.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_MS 30000

static void give_up(const char *what)
{
    fprintf(stderr, "peer: %s: %s\n", what, strerror(errno));
    abort();
}

static int try_connect(const char *address)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    struct hostport hp;
    struct addr a;
    const struct sockaddr *to = (const struct sockaddr *)&un;
    socklen_t n = sizeof un;
    if (strncmp(address, "unix:", 5) == 0) {
        snprintf(un.sun_path, sizeof un.sun_path, "%s", address + 5);
    } else {
        if (hostport_parse(&hp, view_of(address), 0) || addr_parse(&a, view_of(hp.host), hp.port))
            give_up(address);
        to = &a.sa;
        n = addr_len(&a);
    }
    int fd = socket(to->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, to, n) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

bool peer_try(struct peer *p, const char *address, int patience_ms)
{
    buf_init(&p->in, FRAMES_MAX);
    for (int ms = 0; (p->fd = try_connect(address)) < 0; ms += 10) {
        if (ms >= patience_ms)
            return false;
        usleep(10000);
    }
    return true;
}

void peer_connect(struct peer *p, const char *address)
{
    if (!peer_try(p, address, PATIENCE_MS))
        give_up(address);
}

void peer_close(struct peer *p)
{
    close(p->fd);
    p->fd = -1;
    buf_clear(&p->in);
}

bool peer_send(struct peer *p, struct buf *out)
{
    while (buf_len(out) > 0) {
        struct view v = buf_view(out);
        ssize_t n = send(p->fd, v.p, v.n, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR)
            break;
        buf_drop(out, n > 0 ? (size_t)n : 0, FRAMES_MAX);
    }
    bool all = buf_len(out) == 0;
    buf_reset(out);
    return all;
}

bool peer_next(struct peer *p, struct frames_answer *a)
{
    for (;;) {
        size_t used;
        size_t count = frames_answers(buf_view(&p->in), a, 1, &used);
        buf_drop(&p->in, used, FRAMES_MAX);
        if (count == 1)
            return true;
        struct pollfd ready = {.fd = p->fd, .events = POLLIN};
        char *room = buf_room(&p->in, 65536);
        if (!room || poll(&ready, 1, PATIENCE_MS) != 1)
            give_up("no answer");
        ssize_t n = recv(p->fd, room, 65536, 0);
        if (n <= 0)
            return false;
        buf_grew(&p->in, (size_t)n);
    }
}

void peer_wait_ack(struct peer *p, uint64_t seq)
{
    struct frames_answer a;
    do {
        if (!peer_next(p, &a))
            give_up("the connection ended before the ACK");
    } while (a.kind != WIRE_ACK || a.seq < seq);
}

uint64_t peer_hello(struct peer *p, int stream, uint64_t first_seq, uint64_t next_seq)
{
    struct buf out;
    struct frames_answer a;
    buf_init(&out, FRAMES_MAX);
    frames_hello(&out, stream, first_seq, next_seq);
    if (!peer_send(p, &out) || !peer_next(p, &a) || a.kind != WIRE_WELCOME)
        give_up("no welcome");
    buf_clear(&out);
    if (a.refusal[0]) {
        fprintf(stderr, "peer: refused: %s\n", a.refusal);
        abort();
    }
    return a.seq;
}

void peer_wait_end(struct peer *p)
{
    struct frames_answer a;
    while (peer_next(p, &a))
        ;
}
