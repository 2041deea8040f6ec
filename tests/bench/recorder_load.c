// recorder_load: a proxy that has nothing to relay: sends a recorder as many transactions as it
// takes, each with an answer of 1 KiB of JSON that nobody has said before, and waits for the last
// ACK.
//
//   recorder_load SOCKET COUNT STREAM   STREAM: a number; another one for each call
//
// One line of JSON: the records sent, and the seconds until the last of them was durable.
#include "proto/base/clock.h"
#include "proto/record.pb-c.h"
#include "tests/support/frames.h"
#include "tests/support/random.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BODY     1024
#define PER_FLOW 100
#define SEND     (64 * 1024) // as the link does it

struct load {
    int fd;
    struct buf in, out;
    uint64_t seq, flow, acked, random;
    uint64_t wire[2]; // of the flow
    int64_t at_us;
    bool welcome;
};

static void die(const char *what)
{
    fprintf(stderr, "recorder_load: %s\n", what);
    exit(1);
}

static char *text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static ProtobufCBinaryData bytes(const char *p, size_t n)
{
    return (ProtobufCBinaryData){.len = n, .data = (uint8_t *)(uintptr_t)p};
}

static void make_body(struct load *l, char out[BODY])
{
    static const char row[] =
        "{\"id\":\"0123456789abcdef\",\"name\":\"a transaction\",\"x\":3.14},";
    static const char digits[] = "0123456789abcdef";
    size_t n = 1;
    memset(out, ' ', BODY);
    out[0] = '[';
    for (; n + sizeof row < BODY; n += sizeof row - 1) {
        uint64_t r = random_next(&l->random);
        memcpy(out + n, row, sizeof row - 1);
        for (size_t i = 0; i < 16; i++, r >>= 4)
            out[n + 7 + i] = digits[r & 15];
    }
    out[n - 1] = ']';
}

static void fill_message(Tapedeck__Message *m, int64_t at_us, const char *head, int n)
{
    tapedeck__message__init(m);
    m->head = bytes(head, (size_t)n);
    m->head_wire = (uint64_t)n;
    m->first_us = m->last_us = at_us;
    m->end = TAPEDECK__MESSAGE_END__COMPLETE;
}

static void put_txn(struct load *l, uint64_t n)
{
    char ask[512], answer[512], path[64], query[64], body[BODY];
    Tapedeck__Transaction m;
    Tapedeck__Message req, res;
    Tapedeck__Account account;
    tapedeck__transaction__init(&m);
    tapedeck__account__init(&account);
    uint64_t r = random_next(&l->random);
    snprintf(path, sizeof path, "/v1/items/%u", (unsigned)(r % 1000));
    snprintf(query, sizeof query, "trace=%016" PRIx64, r);
    int asks = snprintf(ask, sizeof ask,
                        "GET %s?%s HTTP/1.1\r\nHost: api.example.com\r\nUser-Agent: load/1\r\n"
                        "Accept: */*\r\nAccept-Encoding: gzip, deflate\r\n\r\n",
                        path, query);
    int answers =
        snprintf(answer, sizeof answer,
                 "HTTP/1.1 200 OK\r\nServer: load\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n"
                 "Connection: keep-alive\r\n\r\n",
                 BODY);
    make_body(l, body);
    fill_message(&req, l->at_us, ask, asks);
    fill_message(&res, l->at_us + 400, answer, answers);
    res.body = bytes(body, BODY);
    res.body_wire = res.body_size = res.body_stored = BODY;
    account.stored_c2s = (uint64_t)asks;
    account.stored_s2c = (uint64_t)answers + BODY;
    m.flow = l->flow;
    m.n = n;
    m.protocol = text("http");
    m.version = text("1.1");
    m.method = text("GET");
    m.scheme = text("http");
    m.host = text("api.example.com");
    m.path = path;
    m.query = query;
    m.status = 200;
    m.request = &req;
    m.response = &res;
    m.account = &account;
    l->wire[0] += account.stored_c2s;
    l->wire[1] += account.stored_s2c;
    l->at_us += 25;
    uint8_t packed[4096];
    size_t size = tapedeck__transaction__get_packed_size(&m);
    if (size > sizeof packed)
        die("a record is too large");
    tapedeck__transaction__pack(&m, packed);
    frames_put(&l->out, WIRE_RECORD, WIRE_TRANSACTION, l->seq++, view_n((char *)packed, size));
}

// ---- the connection

static void hear(struct load *l, int flags)
{
    struct frames_answer answers[64];
    char *room = buf_room(&l->in, 4096);
    if (!room)
        die("the recorder says too much");
    ssize_t n = recv(l->fd, room, 4096, flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0)
        die("the recorder has gone");
    buf_grew(&l->in, (size_t)n);
    size_t used, count;
    while ((count = frames_answers(buf_view(&l->in), answers, 64, &used)) > 0) {
        buf_drop(&l->in, used, 4096);
        for (size_t i = 0; i < count; i++) {
            if (answers[i].kind == WIRE_WELCOME && *answers[i].refusal)
                die(answers[i].refusal);
            l->welcome |= answers[i].kind == WIRE_WELCOME;
            if (answers[i].kind == WIRE_ACK)
                l->acked = answers[i].seq;
        }
    }
}

static void say(struct load *l)
{
    while (buf_len(&l->out) > 0) {
        struct view v = buf_view(&l->out);
        ssize_t n = send(l->fd, v.p, v.n, MSG_NOSIGNAL);
        if (n < 0)
            die("the recorder has gone");
        buf_drop(&l->out, (size_t)n, SIZE_MAX);
    }
    hear(l, MSG_DONTWAIT);
}

static void open_link(struct load *l, const char *path, int stream)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof to.sun_path)
        die("the socket's path is too long");
    memcpy(to.sun_path, path, strlen(path) + 1);
    l->fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (l->fd < 0 || connect(l->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("no recorder there");
    buf_init(&l->in, FRAMES_MAX);
    buf_init(&l->out, FRAMES_MAX);
    frames_hello(&l->out, stream, 1, 1);
    say(l);
    while (!l->welcome)
        hear(l, 0);
}

static void send_flow(struct load *l, uint64_t transactions)
{
    l->flow = l->seq;
    l->wire[0] = l->wire[1] = 0;
    frames_flow_open(&l->out, l->seq++, "server:80");
    for (uint64_t n = 0; n < transactions; n++) {
        put_txn(l, n);
        if (buf_len(&l->out) >= SEND)
            say(l);
    }
    frames_flow_close(&l->out, l->seq++, l->flow, transactions, l->wire[0], l->wire[1]);
}

int main(int argc, char **argv)
{
    struct load l = {.seq = 1};
    if (argc != 4)
        die("usage: recorder_load SOCKET COUNT STREAM");
    uint64_t count = strtoull(argv[2], NULL, 10), stream = strtoull(argv[3], NULL, 10);
    l.random = RANDOM_SEED + stream * 0x9e3779b97f4a7c15ULL;
    l.at_us = clock_wall_us();
    open_link(&l, argv[1], (int)(stream & 0xff));
    int64_t begin = clock_mono_us();
    for (uint64_t left = count, n; left > 0; left -= n) {
        n = left < PER_FLOW ? left : PER_FLOW;
        send_flow(&l, n);
    }
    say(&l);
    while (l.acked < l.seq - 1)
        hear(&l, 0);
    double seconds = (double)(clock_mono_us() - begin) / 1e6;
    frames_bye(&l.out, l.seq - 1);
    l.acked = 0;
    say(&l);
    while (l.acked < l.seq - 1)
        hear(&l, 0);
    printf("{\"records\":%" PRIu64 ",\"seconds\":%.6f}\n", count, seconds);
    buf_clear(&l.in);
    buf_clear(&l.out);
    close(l.fd);
    return 0;
}
