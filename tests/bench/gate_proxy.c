// gate_proxy: a fixed load for counting instructions: keep-alive exchanges through the real flow,
// front, relay, tap, decoder, redaction, emitter and journal. tests/bench/gate.sh counts.
//
//   gate_proxy COUNT FRAMES   COUNT exchanges; what a link would send goes to the file FRAMES
//
//   client ──say──▶ fake_io ──▶ flow ──▶ fake_io ──hear── server
//                                └ tap → decoder → redact → emitter → journal ──drain──▶ FRAMES
//
//   1. Sockets, upstream and clock are the script's, so a run depends on no time, no port and no
//      kernel; the link is left out, for what it does depends on how fast it is read.
//   2. What was said must be heard, and the capture must hold it: or the count means nothing.
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proxy/emit/emitter.h"
#include "proxy/emit/link_hello.h"
#include "proxy/emit/redact.h"
#include "proxy/flow.h"
#include "proxy/mode.h"
#include "tests/script/fake_io.h"
#include "tests/support/random.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLIENTS     4
#define EXCHANGE_US 400                  // 2,500 exchanges a second
#define DRAIN_US    (10 * US_PER_MS)     // as the link does it
#define DRAIN_BYTES (64 * 1024)          // the same
#define RING        ((uint64_t)64 << 20) // --spool-size
#define MEMORY      ((size_t)32 << 20)   // --memory
#define MAX_BODY    ((uint64_t)64 << 20) // --max-body
#define WALL_US     (1700000000 * US_PER_S)
#define BEGIN_US    (1000 * US_PER_S) // monotonic, and WALL_US by the wall clock
#define BODY        1024
#define SMALL       200
#define WORDS_MAX   1536
#define EXCHANGES   1000

struct gate {
    struct flow_env env;
    struct stats stats;
    struct flow_sinks sinks;
    struct listener listener;
    struct journal *journal;
    struct emitter *emitter;
    struct redact *redact;
    size_t held; // by taps
    int client[CLIENTS], server[CLIENTS];
    int dialled; // the server's end of the last dial
    int64_t drained_us, ticked_us;
    int frames;
    uint64_t records;
};

static int64_t now_us = BEGIN_US;

static void die(const char *what)
{
    fprintf(stderr, "gate_proxy: %s\n", what);
    exit(1);
}

static int64_t fake_clock(void)
{
    return now_us;
}

// ---- the surroundings of a flow

static void gate_open(struct upstream *u, struct flow *f, const struct hostport *target,
                      int64_t connect_us);

static void gate_cancel(struct upstream *u, struct flow *f)
{
    (void)u;
    (void)f;
}

static const struct upstream_ops gate_ops = {
    .name = "gate", .open = gate_open, .cancel = gate_cancel};

struct gate_upstream {
    struct upstream upstream; // first
    struct gate *gate;
};

static void gate_open(struct upstream *u, struct flow *f, const struct hostport *target,
                      int64_t connect_us)
{
    static const struct io_handler none;
    struct gate *g = ((struct gate_upstream *)u)->gate;
    struct io io = {0};
    struct upstream_result r = {.io = &io};
    (void)target;
    (void)connect_us;
    g->dialled = peer_new();
    io_accepted(&io, NULL, g->dialled, &none);
    (void)addr_parse(&r.server, VIEW_LIT("10.0.0.9"), 80);
    io_local(&io, &r.local);
    flow_upstream_done(f, &r);
}

static void write_frames(struct gate *g, const void *p, size_t n)
{
    if (write(g->frames, p, n) != (ssize_t)n)
        die("cannot write the frames");
}

// What the link does with the ring, with a recorder that acknowledges all of it.
static void drain(struct gate *g)
{
    struct iovec v[2];
    struct journal_facts facts;
    int count;
    while ((count = journal_unsent(g->journal, v)) > 0) {
        for (int i = 0; i < count; i++) {
            write_frames(g, v[i].iov_base, v[i].iov_len);
            journal_sent(g->journal, v[i].iov_len);
        }
    }
    journal_facts(g->journal, &facts);
    g->records = facts.next_seq - 1;
    if (g->records > 0 && !journal_ack(g->journal, g->records))
        die("the journal does not take the ACK");
    g->drained_us = now_us;
}

static void tick(struct gate *g)
{
    wheel_turn(&g->env.wheel, flow_env_touch(&g->env));
    flow_env_set_wall(&g->env, WALL_US + now_us - BEGIN_US);
    emitter_tick(g->emitter, flow_env_wall(&g->env));
    g->ticked_us = now_us;
}

static void settle(struct gate *g)
{
    while (fake_io_turn())
        continue;
    flow_env_reap(&g->env);
}

static void set_up_capture(struct gate *g)
{
    static const unsigned char key[32] = "the key of all gates";
    char why[WHY_MAX] = "";
    struct emitter_conf conf = {.max_body = MAX_BODY, .budget = MEMORY / 4 * 3};
    if (journal_open(&g->journal, NULL, RING, WALL_US, why) != 0)
        die(why);
    g->emitter = emitter_new(&conf, g->journal, &g->stats, WALL_US);
    if (!g->emitter)
        die("out of memory");
    emitter_set_file(g->emitter, 1); // as a recorder's WELCOME does
    g->redact = redact_new("default", key, emitter_sink(g->emitter), why);
    if (!g->redact)
        die(why);
    g->sinks.tap = (struct tap_env){
        .sink = redact_sink(g->redact), .stats = &g->stats, .used = &g->held, .max = MEMORY / 4};
    redact_bound(g->redact, &g->held, MEMORY / 4, &g->stats);
}

static void set_up(struct gate *g, struct gate_upstream *upstream)
{
    char why[WHY_MAX];
    struct mode m;
    if (mode_of("reverse", "http", &m, why) != 0)
        die(why);
    g->listener.name = m.listeners[0].name;
    g->listener.direction = m.listeners[0].direction;
    g->listener.front = m.listeners[0].front;
    g->listener.front_conf.fixed_target = m.listeners[0].fixed_target;
    g->listener.front_conf.head_max = FLOW_HEAD_MAX;
    g->listener.max = CLIENTS;
    if (hostport_parse(&g->listener.front_conf.target, VIEW_LIT("server:80"), 0) != 0)
        die("no target");
    hostport_text(&g->listener.front_conf.target, g->listener.target);
    if (flow_env_init(&g->env, fake_clock, WALL_US) != 0)
        die("out of memory");
    set_up_capture(g);
    *upstream = (struct gate_upstream){{&gate_ops}, g};
    g->env.sinks = &g->sinks;
    g->env.stats = &g->stats;
    g->env.upstream = &upstream->upstream;
    g->env.limits = (struct flow_limits){.handshake = 10 * US_PER_S,
                                         .head = 30 * US_PER_S,
                                         .connect = 10 * US_PER_S,
                                         .idle = 600 * US_PER_S};
}

// ---- what is said: of eight exchanges four are small, three bring JSON (one of them in chunks),
// one posts it

static uint64_t random_state = RANDOM_SEED;

// What one end says: bytes that no later exchange says again.
struct words {
    char p[WORDS_MAX];
    size_t n;
};

static struct exchange {
    struct words ask, answer;
} exchanges[EXCHANGES];

__attribute__((format(printf, 2, 3))) static void add(struct words *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(w->p + w->n, sizeof w->p - w->n, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof w->p - w->n)
        die("a message is too long");
    w->n += (size_t)n;
}

static void add_json(struct words *w)
{
    size_t end = w->n + BODY - 2;
    add(w, "[");
    while (w->n + 80 < end)
        add(w, "{\"id\":\"%016" PRIx64 "\",\"name\":\"a transaction\",\"tags\":[\"a\"]},",
            random_next(&random_state));
    add(w, "%*s]", (int)(end - w->n), "{}");
    add(w, "\n");
}

static void make_ask(struct words *w, uint64_t i)
{
    if (i % 8 == 7) {
        add(w,
            "POST /v1/orders/%" PRIu64 "?trace=%016" PRIx64 " HTTP/1.1\r\n"
            "Host: api.example.com\r\nUser-Agent: gate/1\r\nAccept: */*\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n",
            i, random_next(&random_state), BODY);
        add_json(w);
    } else {
        add(w,
            "GET /v1/items/%" PRIu64 "?trace=%016" PRIx64 " HTTP/1.1\r\n"
            "Host: api.example.com\r\nUser-Agent: gate/1\r\nAccept: */*\r\n"
            "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n\r\n",
            i % 97, random_next(&random_state));
    }
}

static void make_answer(struct words *w, uint64_t i)
{
    add(w, "HTTP/1.1 200 OK\r\nServer: gate\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\n");
    if (i % 8 == 2 || i % 8 == 4) {
        add(w,
            "Content-Type: application/json\r\nContent-Length: %d\r\n"
            "X-Request-Id: %016" PRIx64 "\r\nConnection: keep-alive\r\n\r\n",
            BODY, random_next(&random_state));
        add_json(w);
    } else if (i % 8 == 6) {
        add(w,
            "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
            "X-Request-Id: %016" PRIx64 "\r\n\r\n%x\r\n",
            random_next(&random_state), BODY);
        add_json(w);
        add(w, "\r\n0\r\n\r\n");
    } else {
        add(w,
            "Content-Type: text/plain\r\nContent-Length: %d\r\nConnection: keep-alive\r\n\r\n"
            "%0*d",
            SMALL, SMALL, 0);
    }
}

// All of them, whatever is asked for: so they do not count.
static void make_exchanges(void)
{
    for (uint64_t i = 0; i < EXCHANGES; i++) {
        make_ask(&exchanges[i].ask, i);
        make_answer(&exchanges[i].answer, i);
    }
}

// ---- exchanges

// One end says w, and the other must hear as much. to negative: the one that is dialled then.
static void say(struct gate *g, int from, int to, const struct words *w)
{
    tube_add(&peer_of(from)->to_us, w->p, w->n);
    settle(g);
    struct tube *heard = &peer_of(to >= 0 ? to : g->dialled)->heard;
    if (!view_eq(tube_view(heard), view_n(w->p, w->n)))
        die("what was said was not heard");
    tube_drop(heard, w->n);
}

static void exchange(struct gate *g, uint64_t i)
{
    int c = (int)(i % CLIENTS);
    say(g, g->client[c], g->server[c], &exchanges[i].ask);
    if (g->server[c] < 0)
        g->server[c] = g->dialled;
    now_us += EXCHANGE_US / 2;
    say(g, g->server[c], g->client[c], &exchanges[i].answer);
    now_us += EXCHANGE_US / 2;
    struct journal_facts facts;
    journal_facts(g->journal, &facts);
    if (now_us - g->drained_us >= DRAIN_US || facts.used >= DRAIN_BYTES)
        drain(g);
    if (now_us - g->ticked_us >= WHEEL_TICK_US)
        tick(g);
}

// ---- the run

static void open_clients(struct gate *g)
{
    struct addr client, local;
    (void)addr_parse(&client, VIEW_LIT("10.0.0.7"), 5555);
    (void)addr_parse(&local, VIEW_LIT("10.0.0.1"), 4143);
    for (int i = 0; i < CLIENTS; i++) {
        g->client[i] = peer_new();
        g->server[i] = -1;
        flow_env_touch(&g->env);
        if (!flow_accept(&g->env, &g->listener, g->client[i], &client, &local))
            die("not accepted");
        settle(g);
    }
}

static void close_clients(struct gate *g)
{
    for (int i = 0; i < CLIENTS; i++)
        peer_of(g->client[i])->says_end = true;
    settle(g);
    tick(g);
    emitter_finish(g->emitter);
    drain(g);
}

static void put_hello(struct gate *g)
{
    static const char *const labels[] = {NULL};
    static const struct link_identity identity = {.software = "gate",
                                                  .host = "gate",
                                                  .pod = "",
                                                  .namespace_ = "",
                                                  .workload = "",
                                                  .node = "",
                                                  .settings_json = "{}",
                                                  .labels = labels};
    struct buf out = {.max = WIRE_HEADER + WIRE_PAYLOAD_MAX};
    struct journal_facts facts;
    journal_facts(g->journal, &facts);
    memset(facts.stream, 'g', sizeof facts.stream);
    if (link_put_hello(&out, &identity, &facts) != 0)
        die("no HELLO");
    write_frames(g, buf_view(&out).p, buf_len(&out));
    buf_clear(&out);
}

static void put_bye(struct gate *g)
{
    struct buf out = {.max = WIRE_HEADER + WIRE_PAYLOAD_MAX};
    if (link_put_bye(&out, g->records, "done") != 0)
        die("no BYE");
    write_frames(g, buf_view(&out).p, buf_len(&out));
    buf_clear(&out);
}

static void check(const struct gate *g, uint64_t count)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < STATS_CAUSES; i++)
        lost += g->stats.lost_transactions[i] + g->stats.lost_bytes[i];
    if (lost > 0 || g->stats.transactions != count)
        die("the capture does not hold what was said");
}

int main(int argc, char **argv)
{
    static struct gate g;
    static struct gate_upstream upstream;
    if (argc != 3)
        die("usage: gate_proxy COUNT FRAMES");
    uint64_t count = strtoull(argv[1], NULL, 10);
    if (count > EXCHANGES)
        die("at most 1000 exchanges");
    g.frames = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (g.frames < 0)
        die("cannot open the file of the frames");
    log_init("gate_proxy");
    log_set_level(LOG_ERROR);
    make_exchanges();
    set_up(&g, &upstream);
    put_hello(&g);
    open_clients(&g);
    for (uint64_t i = 0; i < count; i++)
        exchange(&g, i);
    close_clients(&g);
    put_bye(&g);
    check(&g, count);
    flow_env_clear(&g.env);
    redact_free(g.redact);
    (void)emitter_free(g.emitter);
    journal_close(g.journal);
    peers_clear();
    close(g.frames);
    return 0;
}
