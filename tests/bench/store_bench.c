// store_bench: how fast the store takes transactions, and how fast it answers.
//
//   store_bench write FILE ROWS BODY   inserts ROWS transactions with answers of BODY bytes, most
//                                      of them different, in batches of 1000; ten a flow
//   store_bench read FILE              times the questions that the tools ask
//   store_bench verify FILE
#include "proto/base/clock.h"
#include "schema/store.h"
#include "tests/support/random.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define BATCH    1000
#define PER_FLOW 10

static void die(const char *what, const char *why)
{
    fprintf(stderr, "store_bench: %s: %s\n", what, why);
    exit(1);
}

static uint64_t random_state = RANDOM_SEED;

struct load {
    struct store *s;
    int64_t stream, now;
    uint64_t seq, flow;
    char *body;
    size_t body_size;
};

static void put_one(struct load *l, int64_t n)
{
    static const char *const hosts[] = {"api.example.com", "db.example.com:8080", "auth.internal",
                                        "cdn.example.net"};
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                               "Server: nginx\r\nDate: Mon, 01 Jan 2026 00:00:00 GMT\r\n"
                               "Cache-Control: no-store\r\nContent-Length: 1024\r\n"
                               "Connection: keep-alive\r\n\r\n";
    char path[64], request[512];
    uint64_t r = random_next(&random_state);
    snprintf(path, sizeof path, "/v1/%s/%u/items", r % 3 ? "users" : "orders",
             (unsigned)(r >> 20) % 100000);
    int length = snprintf(request, sizeof request,
                          "GET %s?page=1 HTTP/1.1\r\nHost: %s\r\nUser-Agent: curl/7.88.1\r\n"
                          "Accept: */*\r\nX-Request-Id: %016" PRIx64 "\r\n\r\n",
                          path, hosts[r % 4], r);
    if (r % 8 != 0) // one in eight is a body that was there before
        memcpy(l->body, &r, l->body_size < sizeof r ? l->body_size : sizeof r);
    l->now += 50 + (int64_t)(r % 100);
    int64_t took = 500 + (int64_t)(r >> 40) % 200000;
    struct store_txn t = {
        .flow = store_key(l->stream, l->flow),
        .n = n,
        .protocol = "http",
        .version = "1.1",
        .method = r % 5 ? "GET" : "POST",
        .scheme = "http",
        .host = hosts[r % 4],
        .path = path,
        .query = "page=1",
        .note = "",
        .redacted = "",
        .status = r % 100 == 0  ? 500 + (int64_t)(r >> 50) % 4
                  : r % 20 == 0 ? 404
                                : 200,
        .req = {.end = 1,
                .first_us = l->now,
                .last_us = l->now + 10,
                .wire = length,
                .head = view_n(request, (size_t)length)},
        .res = {.end = 1,
                .first_us = l->now + took / 2,
                .last_us = l->now + took,
                .wire = (int64_t)(sizeof head - 1 + l->body_size),
                .head = VIEW_LIT(head),
                .body = view_n(l->body, l->body_size),
                .body_size = (int64_t)l->body_size,
                .body_stored = (int64_t)l->body_size},
    };
    t.account.stored_c2s = t.req.wire;
    t.account.stored_s2c = t.res.wire;
    if (store_put_txn(l->s, store_key(l->stream, l->seq++), &t) != 0)
        die("put", store_why(l->s));
}

static void put_flow(struct load *l, int64_t count)
{
    struct store_flow f = {.at_us = l->now,
                           .front = "fixed",
                           .client = "10.1.2.3:40000",
                           .local = "10.1.2.4:4143",
                           .original = "",
                           .requested = "",
                           .target = "localhost:8080",
                           .server = "127.0.0.1:8080",
                           .server_local = "127.0.0.1:50000",
                           .inbound = true};
    l->flow = l->seq;
    if (store_put_flow(l->s, store_key(l->stream, l->seq++), &f) != 0)
        die("put", store_why(l->s));
    for (int64_t n = 0; n < count; n++)
        put_one(l, n);
}

static void write_rows(const char *path, int64_t rows, size_t body)
{
    char why[WHY_MAX];
    struct load l = {.now = clock_wall_us(), .body_size = body, .body = calloc(1, body + 8)};
    struct store_stream st = {.name = "benchmark", .software = "bench", .host = "here"};
    uint64_t last;
    for (size_t i = 0; i < body; i++)
        l.body[i] = (char)('a' + i % 26);
    if (store_open(&l.s, path, STORE_WRITE, why) != 0)
        die("open", why);
    if (store_stream(l.s, &st, 1, &l.stream, &last) != 0)
        die("stream", store_why(l.s));
    l.seq = last + 1;
    int64_t begin = clock_mono_us(), done = 0;
    while (done < rows) {
        int e = store_begin(l.s);
        for (int i = 0; i < BATCH / PER_FLOW && e == 0; i++, done += PER_FLOW)
            put_flow(&l, PER_FLOW);
        if (e == 0)
            e = store_put_progress(l.s, l.stream, l.seq - 1, 0);
        if (e == 0)
            e = store_commit(l.s);
        if (e != 0)
            die("batch", store_why(l.s));
    }
    double s = (double)(clock_mono_us() - begin) / 1e6;
    printf("write: %" PRId64 " transactions in %.2f s: %.0f/s, %.0f MiB in the file\n", done, s,
           (double)done / s, (double)store_file_size(l.s) / 1048576);
    store_close(l.s);
    free(l.body);
}

static void drain(const char *name, struct store_query *q, int64_t begin)
{
    int e;
    int64_t rows = 0;
    while ((e = store_step(q)) == 1)
        rows++;
    printf("%8.1f ms %8" PRId64 " rows  %s%s\n", (double)(clock_mono_us() - begin) / 1e3, rows,
           name, e == 0 ? "" : "  (failed)");
    store_query_free(q);
}

static void ask_filter(struct store *s, const char *text, enum store_order order, int64_t limit)
{
    char why[WHY_MAX];
    size_t column;
    struct filter *f;
    struct store_query *q;
    int64_t begin = clock_mono_us();
    if (filter_parse(view_of(text), clock_wall_us(), &f, &column, why) != 0)
        die(text, why);
    if (store_transactions(s, f, order, limit, 0, &q) != 0)
        die(text, store_why(s));
    drain(text, q, begin);
    filter_free(f);
}

static void ask(struct store *s, const char *sql)
{
    struct store_query *q;
    int64_t begin = clock_mono_us();
    if (store_query(s, sql, &q) != 0)
        die(sql, store_why(s));
    drain(sql, q, begin);
}

static void read_rows(struct store *s)
{
    for (int round = 0; round < 2; round++) {
        ask_filter(s, "status = 503", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "status >= 500", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "status >= 500", STORE_NEWEST_FIRST, 50);
        ask_filter(s, "status in (500, 502)", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "host = auth.internal", STORE_NEWEST_FIRST, 100);
        ask_filter(s, "host = auth.internal and status >= 500", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "host = nowhere", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "", STORE_NEWEST_FIRST, 100);
        ask_filter(s, "since 10s", STORE_OLDEST_FIRST, 100);
        ask_filter(s, "path contains zzz", STORE_OLDEST_FIRST, 0);
        ask_filter(s, "duration > 199ms", STORE_SLOWEST_FIRST, 10);
        ask_filter(s, "", STORE_SLOWEST_FIRST, 10);
        ask(s, "SELECT * FROM endpoints");
        ask(s, "SELECT host, count(*), avg(duration), sum(res_size) FROM http GROUP BY host");
        ask(s, "SELECT status, count(*) FROM txn GROUP BY status");
        ask(s, "SELECT peer, sum(req_wire), sum(res_wire) FROM http GROUP BY peer");
        puts("");
    }
    ask_filter(s, "", STORE_OLDEST_FIRST, 0);
    ask_filter(s, "", STORE_BY_ID, 0);
}

static void say(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    (void)arg;
    printf("%d %s: %s\n", (int)what, place, sentence);
}

int main(int argc, char **argv)
{
    char why[WHY_MAX];
    struct store *s;
    if (argc == 5 && strcmp(argv[1], "write") == 0) {
        write_rows(argv[2], strtoll(argv[3], NULL, 10), (size_t)strtoll(argv[4], NULL, 10));
        return 0;
    }
    if (argc != 3)
        die("usage", "write FILE ROWS BODY | read FILE | verify FILE");
    if (store_open(&s, argv[2], STORE_READ, why) != 0)
        die("open", why);
    if (strcmp(argv[1], "read") == 0) {
        read_rows(s);
    } else {
        struct verify_sums sums;
        int64_t begin = clock_mono_us();
        if (store_verify(s, &sums, say, NULL, NULL) != 0)
            die("verify", store_why(s));
        printf("verify: %.1f s, %" PRId64 " transactions, %" PRId64 " damages\n",
               (double)(clock_mono_us() - begin) / 1e6, sums.transactions, sums.damages);
    }
    store_close(s);
    return 0;
}
