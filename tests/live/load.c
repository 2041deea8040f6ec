// load: sends numbered transactions at a fixed rate (open loop) over kept connections and checks
// every answer.
//
//   load HOST:PORT RATE SECONDS CONNECTIONS FIRST_ID [--max-body N] [--host NAME] [--absolute
//   HOST:PORT] [--ids FILE] [--retry]
//
// Each transaction is POST /load?id=N&req=A&res=B with bodies that the id decides. Prints one JSON
// line: sent, finished, errors, wrong, late, rate, p50_us, p99_us, max_us; with --ids writes the
// numbers of the finished ones, a line each. --retry: a broken connection is not the end: its
// transaction counts as unfinished and a new connection is made.
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
#include <time.h>
#include <unistd.h>

#define PIECE     65536
#define HEAD_MAX  8192
#define LATENCIES 100000 // slots of the histogram, 10 µs each

enum state { DOWN, IDLE, SENDING, READING };

struct conn {
    int fd;
    enum state state;
    unsigned long long id;
    long long sent_us, retry_us;
    char head[512];
    size_t head_n, head_at, req, req_at;
    char answer[HEAD_MAX];
    size_t answer_n, res, res_at;
    bool in_body;
};

static struct sockaddr_in target;
static const char *host = "load.test", *absolute = "";
static size_t max_body = 102400;
static bool retry;
static FILE *ids;
static int loop_fd;
static unsigned long long next_id, sent, finished, errors, wrong, late, histogram[LATENCIES + 1];
static long long max_us;

static long long now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static bool dial(struct conn *c)
{
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(c->fd, (struct sockaddr *)&target, sizeof target) != 0) {
        close(c->fd);
        c->state = DOWN;
        c->retry_us = now_us() + 20000;
        return false;
    }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    c->state = IDLE;
    struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(loop_fd, EPOLL_CTL_ADD, c->fd, &e);
    return true;
}

static void broken(struct conn *c)
{
    if (c->state == SENDING || c->state == READING)
        errors++;
    else if (!retry)
        errors++;
    close(c->fd);
    c->state = DOWN;
    c->retry_us = now_us() + 20000;
}

static void write_some(struct conn *c)
{
    unsigned char piece[PIECE];
    while (c->head_at < c->head_n || c->req_at < c->req) {
        size_t n = c->req - c->req_at < PIECE ? c->req - c->req_at : PIECE;
        pattern_fill(c->id, c->req_at, piece, n);
        struct iovec iov[2] = {{c->head + c->head_at, c->head_n - c->head_at}, {piece, n}};
        struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
        ssize_t r = sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r < 0 && errno == EAGAIN) {
            struct epoll_event e = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
            epoll_ctl(loop_fd, EPOLL_CTL_MOD, c->fd, &e);
            return;
        }
        if (r < 0) {
            broken(c);
            return;
        }
        size_t of_head = (size_t)r < iov[0].iov_len ? (size_t)r : iov[0].iov_len;
        c->head_at += of_head;
        c->req_at += (size_t)r - of_head;
    }
    if (c->state == SENDING) {
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(loop_fd, EPOLL_CTL_MOD, c->fd, &e);
        c->state = READING;
    }
}

static void begin(struct conn *c, long long planned_us)
{
    c->id = next_id;
    next_id += 2; // an odd number is the answer's pattern
    c->req = pattern_size(c->id, max_body);
    c->res = pattern_size(c->id + 1, max_body);
    c->head_n =
        (size_t)snprintf(c->head, sizeof c->head,
                         "POST %s%s/load?id=%llu&req=%zu&res=%zu HTTP/1.1\r\nHost: %s\r\n"
                         "Content-Type: application/octet-stream\r\nContent-Length: %zu\r\n\r\n",
                         *absolute ? "http://" : "", absolute, c->id, c->req, c->res,
                         *absolute ? absolute : host, c->req);
    c->head_at = c->req_at = c->answer_n = c->res_at = 0;
    c->in_body = false;
    c->sent_us = planned_us;
    c->state = SENDING;
    sent++;
    write_some(c);
}

static void done(struct conn *c)
{
    long long us = now_us() - c->sent_us;
    histogram[us / 10 < LATENCIES ? us / 10 : LATENCIES]++;
    max_us = us > max_us ? us : max_us;
    finished++;
    if (ids)
        fprintf(ids, "%llu\n", c->id);
    c->state = IDLE;
}

static void take_body(struct conn *c, const unsigned char *p, size_t n)
{
    unsigned char right[PIECE];
    pattern_fill(c->id + 1, c->res_at, right, n);
    if (c->res_at + n > c->res || memcmp(p, right, n) != 0)
        wrong++;
    c->res_at += n;
    if (c->res_at >= c->res)
        done(c);
}

static void read_some(struct conn *c)
{
    unsigned char piece[PIECE];
    ssize_t n = recv(c->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN)
        return;
    if (n <= 0 || c->state == IDLE) {
        broken(c);
        return;
    }
    size_t at = 0;
    if (!c->in_body) {
        size_t room = HEAD_MAX - 1 - c->answer_n, had = c->answer_n;
        size_t m = (size_t)n < room ? (size_t)n : room;
        memcpy(c->answer + had, piece, m);
        c->answer_n += m;
        c->answer[c->answer_n] = '\0';
        char *end = strstr(c->answer, "\r\n\r\n");
        if (!end) {
            if (c->answer_n == HEAD_MAX - 1)
                broken(c);
            return;
        }
        if (strncmp(c->answer, "HTTP/1.1 200 ", 13) != 0)
            wrong++;
        c->in_body = true;
        at = (size_t)(end - c->answer) + 4 - had;
    }
    if (at < (size_t)n || c->res == 0)
        take_body(c, piece + at, (size_t)n - at);
}

static long long percentile(double p)
{
    unsigned long long below = 0, want = (unsigned long long)((double)finished * p);
    for (int i = 0; i <= LATENCIES; i++) {
        below += histogram[i];
        if (below > want)
            return i * 10LL;
    }
    return 0;
}

static void run(struct conn *conns, int count, double rate, double seconds)
{
    long long start = now_us(), stop = start + (long long)(seconds * 1e6), grace = stop + 10000000;
    unsigned long long planned = 0, total = (unsigned long long)(rate * seconds);
    int turn = 0;
    while (now_us() < grace) {
        long long now = now_us();
        int busy = 0;
        for (int i = 0; i < count; i++) {
            if (conns[i].state == DOWN && now >= conns[i].retry_us && now < stop &&
                !dial(&conns[i]) && !retry)
                errors++;
            busy += conns[i].state == SENDING || conns[i].state == READING;
        }
        if (now >= stop)
            total = planned;
        if (planned == total && busy == 0)
            break;
        for (int tried = 0; planned < total && tried < count; tried++) {
            long long due = start + (long long)((double)planned / rate * 1e6);
            if (due > now)
                break;
            struct conn *c = &conns[turn++ % count];
            if (c->state != IDLE)
                continue;
            if (now - due > 1000)
                late++;
            begin(c, due);
            planned++;
            tried = -1;
        }
        struct epoll_event events[256];
        int n = epoll_wait(loop_fd, events, 256, 1);
        for (int i = 0; i < n; i++) {
            struct conn *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                write_some(c);
            if (c->state != DOWN && events[i].events & ~(uint32_t)EPOLLOUT)
                read_some(c);
        }
    }
    double took = (double)(now_us() - start) / 1e6;
    for (int i = 0; i < count; i++)
        errors += conns[i].state == SENDING || conns[i].state == READING;
    printf("{\"sent\":%llu,\"finished\":%llu,\"errors\":%llu,\"wrong\":%llu,\"late\":%llu,\"rate\":"
           "%.0f,"
           "\"p50_us\":%lld,\"p99_us\":%lld,\"max_us\":%lld}\n",
           sent, finished, errors, wrong, late, (double)finished / took, percentile(0.5),
           percentile(0.99), max_us);
}

static int usage(void)
{
    fprintf(stderr,
            "usage: load HOST:PORT RATE SECONDS CONNECTIONS FIRST_ID [--max-body N] [--host NAME] "
            "[--absolute HOST:PORT] [--ids FILE] [--retry]\n");
    return 2;
}

int main(int argc, char **argv)
{
    char *colon = argc > 5 ? strrchr(argv[1], ':') : NULL;
    if (!colon)
        return usage();
    *colon = '\0';
    target = (struct sockaddr_in){.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)strtol(colon + 1, NULL, 10))};
    inet_pton(AF_INET, argv[1], &target.sin_addr);
    double rate = strtod(argv[2], NULL), seconds = strtod(argv[3], NULL);
    int count = (int)strtol(argv[4], NULL, 10);
    next_id = strtoull(argv[5], NULL, 10);
    for (int i = 6; i < argc; i++) {
        if (!strcmp(argv[i], "--retry"))
            retry = true;
        else if (i + 1 == argc)
            return usage();
        else if (!strcmp(argv[i], "--max-body"))
            max_body = strtoull(argv[++i], NULL, 10);
        else if (!strcmp(argv[i], "--host"))
            host = argv[++i];
        else if (!strcmp(argv[i], "--absolute"))
            absolute = argv[++i];
        else if (!strcmp(argv[i], "--ids"))
            ids = fopen(argv[++i], "w");
        else
            return usage();
    }
    signal(SIGPIPE, SIG_IGN);
    loop_fd = epoll_create1(EPOLL_CLOEXEC);
    struct conn *conns = calloc((size_t)count, sizeof *conns);
    for (int i = 0; conns && i < count; i++) {
        if (!dial(&conns[i]) && !retry)
            errors++;
    }
    if (conns)
        run(conns, count, rate, seconds);
    if (ids)
        fclose(ids);
    free(conns);
    return errors || wrong;
}
