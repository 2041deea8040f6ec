// link: one connection to the recorder at a time.
//
//   WAITING ──timer──→ CONNECTING ──→ GREETING ──WELCOME──→ FLOWING
//      ↑                    │             │                    │
//      └────── failed: 100 ms, doubling to 5 s; refused: 30 s ─┘
//
//   1. Records are sent straight from the ring, which knows how far; nothing is copied.
//   2. A frame is never cut by another: HELLO goes first, BYE when nothing is unsent.
//   3. A recorder that is silent only lets the ring fill; one that talks nonsense is left, and met
//      again on a new connection.
//   4. A stream that a recorder may have heard of ends with BYE: without it, verify has to ask what
//      came behind. Nothing is said after done.
#include "proxy/emit/link.h"

#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "proto/base/log.h"
#include "proto/base/near.h"
#include "proto/digest.h"
#include "proxy/emit/link_ages.h"
#include "proxy/emit/link_hello.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_FIRST_US (100 * US_PER_MS)
#define RETRY_LAST_US  (5 * US_PER_S)
#define REFUSED_US     (30 * US_PER_S)
#define GREET_US       (10 * US_PER_S)  // from connect to WELCOME
#define DELAY_US       (10 * US_PER_MS) // between sends of few records
#define FIRST_US       (1 * US_PER_MS)  // how long those wait that come after a pause
#define SEND_NOW       (64 * 1024)      // bytes that do not wait
#define SEND_TURN      (1u << 20)       // bytes sent in one turn of the loop
#define READ_TURN      4096
#define FAREWELLS_MAX  4 // connections tried for nothing but BYE
#define IN_MAX         (WIRE_HEADER + WIRE_PAYLOAD_MAX)

enum link_state { WAITING, CONNECTING, GREETING, FLOWING };

struct link {
    struct event_base *base;
    struct journal *journal;
    struct stats *stats;
    struct link_conf conf;
    struct near recorder;
    enum link_state state;
    int fd;
    struct event readable, writable; // assigned while fd is open
    struct event timer;              // to connect, or until WELCOME
    struct event delay, finish;
    int64_t sent_us;       // mono, when the last were sent
    bool delayed, blocked; // delay, writable are pending
    bool was_up, told;     // it was FLOWING once; a failure was logged since
    bool greeted;          // a HELLO may have been heard
    unsigned farewells;    // failed connections since finishing
    int64_t retry_us;
    struct buf in, out; // out: HELLO, BYE
    bool finishing, bye_said, finished;
    void (*done)(void *arg, bool clean);
    void *done_arg;
    struct link_ages ages;
};

static struct timeval after(int64_t us)
{
    return (struct timeval){us / US_PER_S, us % US_PER_S};
}

static void tell_stats(struct link *l)
{
    struct journal_facts facts;
    struct timeval now;

    journal_facts(l->journal, &facts);
    event_base_gettimeofday_cached(l->base, &now);
    link_ages_note(&l->ages, facts.next_seq,
                   (uint64_t)now.tv_sec * US_PER_S + (uint64_t)now.tv_usec);
    link_ages_forget(&l->ages, facts.first_seq);
    stat_set(&l->stats->ring_size, facts.size);
    stat_set(&l->stats->ring_used, facts.used);
    stat_set(&l->stats->seq_next, facts.next_seq);
    stat_set(&l->stats->seq_acked, facts.first_seq - 1);
    stat_set(&l->stats->oldest_unacked_us, link_ages_oldest_us(&l->ages));
}

// ---- states

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);

static void close_fd(struct link *l)
{
    if (l->fd < 0)
        return;
    event_del(&l->readable);
    event_del(&l->writable);
    close(l->fd);
    l->fd = -1;
    l->blocked = false;
    buf_clear(&l->in);
    buf_clear(&l->out);
}

static void retry_in(struct link *l, int64_t us)
{
    uint32_t chance;

    // Between three and five quarters of it, lest all proxies come at once.
    digest_random(&chance, sizeof chance);
    us = us * 3 / 4 + us / 2 * (chance & 0xffff) / 0x10000;
    struct timeval delay = after(us);
    l->state = WAITING;
    event_add(&l->timer, &delay);
}

static bool more_comes(const struct link *l)
{
    return l->conf.more && l->conf.more(l->conf.arg);
}

static bool nothing_left(const struct link *l)
{
    struct journal_facts facts;

    journal_facts(l->journal, &facts);
    return facts.used == 0 && !more_comes(l);
}

// The farewell is over, one way or the other: done is called from the loop.
static void finish_now(struct link *l)
{
    struct timeval now = {0, 0};

    event_del(&l->timer);
    if (!l->finished)
        event_add(&l->finish, &now);
}

// Whether a new connection has anything to say. A recorder that refused the stream keeps nothing of
// it, one that has not heard of it needs no BYE.
static bool pointless(struct link *l, bool refused)
{
    return nothing_left(l) && (refused || !l->greeted || ++l->farewells >= FAREWELLS_MAX);
}

static void lost(struct link *l, const char *reason, int64_t wait_us)
{
    bool refused = wait_us == REFUSED_US;

    if (l->state == FLOWING) {
        log_warn("link: the recorder is gone recorder=%s reason=\"%s\"", l->conf.recorder, reason);
        l->told = true;
    } else if (!l->told) {
        log_warn("link: no recorder, records wait recorder=%s reason=\"%s\"", l->conf.recorder,
                 reason);
        l->told = true;
    } else {
        log_debug("link: no recorder recorder=%s reason=\"%s\"", l->conf.recorder, reason);
    }
    close_fd(l);
    event_del(&l->timer);
    stat_set(&l->stats->link_connected, 0);
    l->bye_said = false;
    if (wait_us == 0) {
        wait_us = l->retry_us;
        l->retry_us = l->retry_us * 2 < RETRY_LAST_US ? l->retry_us * 2 : RETRY_LAST_US;
    }
    retry_in(l, wait_us);
    if (l->finishing && pointless(l, refused))
        finish_now(l);
}

// ---- sending

static void wait_writable(struct link *l)
{
    if (!l->blocked)
        event_add(&l->writable, NULL);
    l->blocked = true;
}

// By errno: full, or gone.
static void send_failed(struct link *l)
{
    if (errno == EAGAIN)
        wait_writable(l);
    else
        lost(l, strerror(errno), 0);
}

// What stands before the records, or behind them. False: the connection is gone, or full.
static bool send_out(struct link *l)
{
    while (buf_len(&l->out) > 0) {
        struct view v = buf_view(&l->out);
        ssize_t n = send(l->fd, v.p, v.n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            send_failed(l);
            return false;
        }
        buf_drop(&l->out, (size_t)n, 0);
    }
    return true;
}

static bool send_records(struct link *l)
{
    struct iovec pieces[2];
    size_t sent = 0;
    int count;

    while ((count = journal_unsent(l->journal, pieces)) > 0) {
        struct msghdr m = {.msg_iov = pieces, .msg_iovlen = (size_t)count};
        if (sent >= SEND_TURN) {
            wait_writable(l);
            return false;
        }
        ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            send_failed(l);
            return false;
        }
        journal_sent(l->journal, (size_t)n);
        sent += (size_t)n;
    }
    return true;
}

static void send_some(struct link *l)
{
    l->sent_us = clock_mono_us();
    if (!send_out(l) || l->state != FLOWING || !send_records(l) || !l->finishing || l->bye_said ||
        more_comes(l))
        return;
    struct journal_facts facts;
    journal_facts(l->journal, &facts);
    if (link_put_bye(&l->out, facts.next_seq - 1, "drained") < 0)
        return; // out of memory: the deadline ends it
    l->bye_said = true;
    send_out(l);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;
    int error = 0;
    socklen_t size = sizeof error;

    (void)what;
    l->blocked = false;
    if (l->state == CONNECTING) {
        if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0)
            error = errno;
        if (error) {
            lost(l, strerror(error), 0);
            return;
        }
        l->state = GREETING;
        l->greeted = true;
    }
    send_some(l);
}

static void on_delay(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    (void)fd;
    (void)what;
    l->delayed = false;
    if (l->state == FLOWING && !l->blocked)
        send_some(l);
}

void link_kick(struct link *l)
{
    struct iovec pieces[2] = {{NULL, 0}, {NULL, 0}};

    tell_stats(l);
    if (l->state != FLOWING || l->blocked)
        return;
    journal_unsent(l->journal, pieces);
    if (pieces[0].iov_len + pieces[1].iov_len >= SEND_NOW) {
        send_some(l);
    } else if (!l->delayed) {
        int64_t wait = l->sent_us + DELAY_US - clock_mono_us();
        struct timeval delay = after(wait > FIRST_US ? wait : FIRST_US);
        l->delayed = true;
        event_add(&l->delay, &delay);
    }
}

// ---- hearing

static void tell_file(const struct link *l, uint64_t file)
{
    if (l->conf.on_file)
        l->conf.on_file(l->conf.arg, file);
}

// Another welcome on the same connection: only the file is news.
static void take_file(struct link *l, struct view payload)
{
    struct link_welcome w;

    if (link_take_welcome(payload, &w) < 0)
        lost(l, "a welcome that cannot be read", 0);
    else
        tell_file(l, w.file);
}

static void take_welcome(struct link *l, struct view payload)
{
    struct link_welcome w;
    struct journal_facts facts;

    if (link_take_welcome(payload, &w) < 0) {
        lost(l, "a welcome that cannot be read", 0);
        return;
    }
    journal_facts(l->journal, &facts);
    if (!w.refusal[0] && (w.protocol == 0 || w.protocol > WIRE_VERSION))
        snprintf(w.refusal, sizeof w.refusal, "it speaks protocol %u, we %d", w.protocol,
                 WIRE_VERSION);
    if (!w.refusal[0] && w.last_seq >= facts.next_seq)
        snprintf(w.refusal, sizeof w.refusal,
                 "it has record %llu of this stream, which has none beyond %llu",
                 (unsigned long long)w.last_seq, (unsigned long long)facts.next_seq - 1);
    if (w.refusal[0]) {
        log_error("link: the recorder refuses this stream recorder=%s reason=\"%s\"",
                  l->conf.recorder, w.refusal);
        l->told = true;
        lost(l, "refused", REFUSED_US);
        return;
    }
    journal_ack(l->journal, w.last_seq);
    journal_resend(l->journal, w.last_seq);
    journal_facts(l->journal, &facts);
    log_info("link: connected recorder=%s software=\"%s\" last=%llu unsent=%llu", l->conf.recorder,
             w.software, (unsigned long long)w.last_seq, (unsigned long long)facts.used);
    l->state = FLOWING;
    l->told = false;
    l->retry_us = RETRY_FIRST_US;
    event_del(&l->timer);
    stat_set(&l->stats->link_connected, 1);
    if (l->was_up)
        stat_add(&l->stats->link_reconnects, 1);
    l->was_up = true;
    tell_stats(l);
    tell_file(l, w.file);
    l->conf.on_room(l->conf.arg);
    if (l->state == FLOWING)
        send_some(l);
}

static void take_ack(struct link *l, uint64_t seq)
{
    struct journal_facts facts;

    journal_facts(l->journal, &facts);
    if (seq >= facts.next_seq || !journal_ack(l->journal, seq)) {
        lost(l, "it acknowledges what was not sent", 0);
        return;
    }
    tell_stats(l);
    if (l->bye_said && buf_len(&l->out) == 0 && nothing_left(l)) {
        journal_said_bye(l->journal);
        finish_now(l);
    }
    if (seq >= facts.first_seq)
        l->conf.on_room(l->conf.arg);
}

static void take_frames(struct link *l)
{
    struct wire_frame frame;
    size_t used;
    int e = 0;

    while (l->fd >= 0 && (e = wire_take(buf_view(&l->in), &frame, &used)) == 0) {
        if (frame.kind == WIRE_WELCOME && l->state == GREETING)
            take_welcome(l, frame.payload);
        else if (frame.kind == WIRE_WELCOME && l->state == FLOWING)
            take_file(l, frame.payload);
        else if (frame.kind == WIRE_ACK && l->state == FLOWING)
            take_ack(l, frame.seq);
        else if (frame.kind >= WIRE_HELLO && frame.kind <= WIRE_BYE)
            lost(l, "a frame that has no place here", 0);
        if (l->fd >= 0)
            buf_drop(&l->in, used, READ_TURN);
    }
    if (l->fd >= 0 && e == E_RANGE)
        lost(l, "a frame beyond the maximum", 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;
    size_t left = l->in.max - buf_len(&l->in), size = left < READ_TURN ? left : READ_TURN;
    char *room = buf_room(&l->in, size);

    (void)what;
    if (!room) {
        lost(l, err_text(E_NOMEM), 0);
        return;
    }
    ssize_t n = recv(fd, room, size, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        lost(l, n == 0 ? "it closed the connection" : strerror(errno), 0);
        return;
    }
    buf_grew(&l->in, (size_t)n);
    take_frames(l);
}

// ---- connecting

static void connect_now(struct link *l)
{
    struct journal_facts facts;
    struct timeval limit = after(GREET_US);
    int on = 1;

    l->fd = socket(l->recorder.sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (l->fd < 0) {
        lost(l, strerror(errno), 0);
        return;
    }
    event_assign(&l->readable, l->base, l->fd, EV_READ | EV_PERSIST, on_readable, l);
    event_assign(&l->writable, l->base, l->fd, EV_WRITE, on_writable, l);
    if (l->recorder.sa.sa_family != AF_UNIX)
        setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    journal_facts(l->journal, &facts);
    int e = link_put_hello(&l->out, l->conf.identity, &facts);
    if (e < 0) {
        lost(l, err_text(e), 0);
        return;
    }
    l->state = CONNECTING;
    if (connect(l->fd, &l->recorder.sa, l->recorder.size) == 0) {
        l->state = GREETING;
    } else if (errno != EINPROGRESS) {
        lost(l, strerror(errno), 0);
        return;
    }
    event_add(&l->timer, &limit);
    event_add(&l->readable, NULL);
    l->greeted = l->greeted || l->state == GREETING;
    if (l->state == GREETING)
        send_some(l);
    else
        wait_writable(l);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    (void)fd;
    (void)what;
    if (l->state == WAITING)
        connect_now(l);
    else
        lost(l, "no welcome within 10 s", 0);
}

// ---- life

static int parse_recorder(struct near *out, const char *text, char why[WHY_MAX])
{
    int e = near_parse(out, "recorder", text, why);
    if (e || out->sa.sa_family == AF_UNIX || addr_port(&out->ip) > 0)
        return e;
    snprintf(why, WHY_MAX, "recorder: %.200s: nobody listens at port 0", text);
    return E_RANGE;
}

static void on_finish(evutil_socket_t fd, short what, void *arg)
{
    struct link *l = arg;

    (void)fd;
    (void)what;
    if (l->finished)
        return;
    l->finished = true;
    event_del(&l->timer);
    close_fd(l);
    l->done(l->done_arg, nothing_left(l));
}

struct link *link_new(struct event_base *base, struct journal *j, struct stats *stats,
                      const struct link_conf *conf, char why[WHY_MAX])
{
    struct link *l = calloc(1, sizeof *l);
    struct timeval now = {0, 0};

    if (!l) {
        snprintf(why, WHY_MAX, "link: %s", err_text(E_NOMEM));
        return NULL;
    }
    if (parse_recorder(&l->recorder, conf->recorder, why) < 0) {
        free(l);
        return NULL;
    }
    l->base = base;
    l->journal = j;
    l->stats = stats;
    l->conf = *conf;
    l->fd = -1;
    l->retry_us = RETRY_FIRST_US;
    buf_init(&l->in, IN_MAX);
    buf_init(&l->out, 2 * IN_MAX);
    evtimer_assign(&l->timer, base, on_timer, l);
    evtimer_assign(&l->delay, base, on_delay, l);
    evtimer_assign(&l->finish, base, on_finish, l);
    struct journal_facts facts;
    journal_facts(j, &facts);
    l->ages.next = facts.first_seq;
    tell_stats(l);
    event_add(&l->timer, &now);
    return l;
}

void link_free(struct link *l)
{
    if (!l)
        return;
    close_fd(l);
    event_del(&l->timer);
    event_del(&l->delay);
    event_del(&l->finish);
    stat_set(&l->stats->link_connected, 0);
    free(l);
}

void link_finish(struct link *l, int64_t deadline_mono_us, void (*done)(void *arg, bool clean),
                 void *arg)
{
    int64_t left = deadline_mono_us - clock_mono_us();
    struct timeval limit = after(left > 0 ? left : 0), now = {0, 0};

    l->finishing = true;
    l->done = done;
    l->done_arg = arg;
    event_add(&l->finish, &limit);
    if (l->state == WAITING && nothing_left(l) && !l->greeted)
        finish_now(l);
    else if (l->state == WAITING)
        event_add(&l->timer, &now);
    else if (l->state == FLOWING && !l->blocked)
        send_some(l);
}
