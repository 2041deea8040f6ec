// origin: an HTTP/1.1 server for the tests, one thread, epoll. Prints its port, then serves until
// it is killed.
//
//   GET|POST /load?id=N&req=A&res=B   checks that the request's body is the pattern of N with A
//                                     bytes, answers the pattern of N + 1 with B bytes; 409 when
//                                     it is not
//   anything else                     200 with the request's path as text
//
// It takes what our load generator sends (a head of at most 4 KiB with Content-Length); it is no
// general server.
#include "tests/live/pattern.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX 4096
#define PIECE    65536

struct conn {
    int fd;
    char head[HEAD_MAX];
    size_t head_n;
    bool in_body, bad;
    unsigned long long id;
    size_t req, res, got; // body sizes, body bytes seen
    char out_head[256];
    size_t out_head_n, out_head_at, out_at; // of the answer
    bool answering;
};

static int loop_fd;

static void drop(struct conn *c)
{
    close(c->fd);
    free(c);
}

static void want(struct conn *c, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(loop_fd, EPOLL_CTL_MOD, c->fd, &e);
}

static void begin_answer(struct conn *c)
{
    c->answering = true;
    c->out_at = c->out_head_at = 0;
    if (c->bad)
        c->res = 0;
    c->out_head_n = (size_t)snprintf(c->out_head, sizeof c->out_head,
                                     "HTTP/1.1 %s\r\nContent-Type: application/octet-stream\r\n"
                                     "X-Id: %llu\r\nContent-Length: %zu\r\n\r\n",
                                     c->bad ? "409 Conflict" : "200 OK", c->id, c->res);
}

// 1: the answer is out; 0: the socket is full; -1: gone.
static int send_answer(struct conn *c)
{
    unsigned char piece[PIECE];
    while (c->out_head_at < c->out_head_n || c->out_at < c->res) {
        struct iovec iov[2];
        size_t n = c->res - c->out_at;
        n = n < PIECE ? n : PIECE;
        pattern_fill(c->id + 1, c->out_at, piece, n);
        iov[0] = (struct iovec){c->out_head + c->out_head_at, c->out_head_n - c->out_head_at};
        iov[1] = (struct iovec){piece, n};
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t sent = sendmsg(c->fd, &m, MSG_NOSIGNAL);
        if (sent < 0)
            return errno == EAGAIN ? 0 : -1;
        size_t of_head = (size_t)sent < iov[0].iov_len ? (size_t)sent : iov[0].iov_len;
        c->out_head_at += of_head;
        c->out_at += (size_t)sent - of_head;
    }
    c->answering = c->in_body = false;
    return 1;
}

static void take_body(struct conn *c, const unsigned char *p, size_t n)
{
    unsigned char right[PIECE];
    pattern_fill(c->id, c->got, right, n);
    c->bad = c->bad || memcmp(right, p, n) != 0;
    c->got += n;
}

// Takes bytes of the request; returns how many belong to it.
static ssize_t take(struct conn *c, unsigned char *p, size_t n)
{
    if (c->in_body) {
        size_t m = c->req - c->got < n ? c->req - c->got : n;
        take_body(c, p, m);
        if (c->got == c->req)
            begin_answer(c);
        return (ssize_t)m;
    }
    size_t had = c->head_n, room = HEAD_MAX - 1 - had;
    size_t m = n < room ? n : room;
    memcpy(c->head + had, p, m);
    c->head[had + m] = '\0';
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) {
        c->head_n = had + m;
        return c->head_n == HEAD_MAX - 1 ? -1 : (ssize_t)m;
    }
    size_t head_n = (size_t)(end - c->head) + 4;
    const char *query = strstr(c->head, "/load?id=");
    c->bad = false;
    c->id = c->req = c->res = c->got = 0;
    if (query && sscanf(query, "/load?id=%llu&req=%zu&res=%zu", &c->id, &c->req, &c->res) != 3)
        c->bad = true;
    c->in_body = true;
    c->head_n = 0;
    if (c->req == 0)
        begin_answer(c);
    return (ssize_t)(head_n - had);
}

static void serve(struct conn *c)
{
    unsigned char piece[PIECE];
    for (;;) {
        if (c->answering) {
            int r = send_answer(c);
            if (r < 0) {
                drop(c);
                return;
            }
            want(c, r ? EPOLLIN : EPOLLOUT);
            if (!r)
                return;
        }
        ssize_t n = recv(c->fd, piece, sizeof piece, 0);
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                drop(c);
            return;
        }
        for (ssize_t at = 0; at < n;) {
            ssize_t used = take(c, piece + at, (size_t)(n - at));
            if (used < 0 || (c->answering && at + used < n)) {
                drop(c); // no pipelining here
                return;
            }
            at += used;
        }
    }
}

static void welcome(int listener)
{
    for (int fd; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct conn *c = calloc(1, sizeof *c);
        int one = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (!c) {
            close(fd);
            continue;
        }
        c->fd = fd;
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(loop_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    signal(SIGPIPE, SIG_IGN);
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port =
                                 htons((uint16_t)(argc > 1 ? strtol(argv[1], NULL, 10) : 0)),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096) ||
        getsockname(listener, (struct sockaddr *)&at, &n)) {
        perror("origin");
        return 1;
    }
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, listener, &e);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    for (;;) {
        struct epoll_event events[256];
        int count = epoll_wait(loop_fd, events, 256, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr)
                serve(events[i].data.ptr);
            else
                welcome(listener);
        }
    }
}
