// server: see server.h.
//
//   conns ──record──▶ filling ──submit when due──▶ writer ──taken back──▶ ACKs ──▶ spare
//
// 1. There are two batches: one is filled, the other is with the writer or spare. So memory is
//    bounded by both, and while the writer is stuck and the other is full, nobody is read from.
// 2. A stream has one connection. A hello for it ends the older one first, and is answered behind
//    all frames that came before, so what is "committed" is then settled.
// 3. Batches name connections by number, since these may end meanwhile.
#include "recorder/server.h"

#include "proto/base/clock.h"
#include "proto/base/units.h"
#include "recorder/conn.h"
#include "recorder/endpoint.h"
#include "recorder/ready_file.h"
#include "recorder/writer.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#define RETRY_US     US_PER_S        // between tries of a batch that cannot be stored
#define FIRST_US     (2 * US_PER_MS) // what comes after a pause waits for more of it
#define REST_S       1               // without accepting, when there are no descriptors
#define METRICS_S    60
#define STOP_FLUSH_S 1 // for acknowledgements at the end

struct server {
    struct recorder_settings settings;
    struct event_base *base;
    struct recorder_sink *sink;
    struct writer *writer;
    struct endpoint endpoint;
    struct ready_file *ready;
    struct unpack *unpack;
    char *scratch;
    struct conn_env env;
    struct conn *conns[SERVER_CONNECTIONS_MAX];
    unsigned conns_count;
    uint64_t next_id;
    uint64_t file;        // that the last batch went to
    int64_t submitted_us; // mono, when the writer got the last batch
    struct batch batches[2];
    struct batch *filling;
    bool working; // the other one is with the writer
    bool overdue; // filling waits for the writer only
    bool paused;  // nobody is read from
    bool stopping;
    struct event *acceptable, *rest, *finished, *batch_time, *reap, *metrics, *signals[3], *asked;
    void (*on_hup)(void *arg);
    void *hup_arg;
    int result;
};

static void submit(struct server *s);

// ---- connections

static struct conn *find(struct server *s, uint64_t id)
{
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (s->conns[i] && conn_id(s->conns[i]) == id && !conn_is_dead(s->conns[i]))
            return s->conns[i];
    return NULL;
}

static void on_died(void *arg, struct conn *c)
{
    (void)c;
    struct server *s = arg;
    event_active(s->reap, EV_TIMEOUT, 0);
}

static void reap(struct server *s)
{
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        if (!s->conns[i] || !conn_is_dead(s->conns[i]))
            continue;
        conn_free(s->conns[i]);
        s->conns[i] = NULL;
        s->conns_count--;
    }
}

static void on_reap(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    reap(arg);
}

// While the writer is stuck nobody is read from, so the ends of connections are not seen: proxies
// come again and again. What the gone ones did not get acknowledged they send again.
static void evict(struct server *s)
{
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (s->conns[i] && conn_is_gone(s->conns[i]))
            conn_kill(s->conns[i], "closed by the proxy while it waited");
    reap(s);
}

static void add_conn(struct server *s, int fd)
{
    unsigned i = 0;
    if (s->conns_count == SERVER_CONNECTIONS_MAX)
        evict(s);
    while (i < SERVER_CONNECTIONS_MAX && s->conns[i])
        i++;
    if (i == SERVER_CONNECTIONS_MAX) {
        log_warn("connection refused reason=\"too many\" max=%d", SERVER_CONNECTIONS_MAX);
        close(fd);
        return;
    }
    s->conns[i] = conn_new(&s->env, fd, s->next_id++);
    if (!s->conns[i])
        return;
    s->conns_count++;
    if (s->paused)
        conn_pause(s->conns[i]);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct server *s = arg;
    event_add(s->acceptable, NULL);
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct server *s = arg;
    const struct timeval rest = {.tv_sec = REST_S};
    int peer;
    while ((peer = endpoint_accept(&s->endpoint)) >= 0)
        add_conn(s, peer);
    if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED)
        return;
    log_error("accepting pauses pause=%ds reason=\"%s\"", REST_S, strerror(errno));
    event_del(s->acceptable);
    event_add(s->rest, &rest);
}

static void pause_all(struct server *s)
{
    s->paused = true;
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        if (s->conns[i] && !conn_is_dead(s->conns[i]))
            conn_pause(s->conns[i]);
}

static void resume_all(struct server *s)
{
    s->paused = false;
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX && !s->paused; i++)
        if (s->conns[i])
            conn_resume(s->conns[i]);
}

// ---- what sessions ask for

// A batch time lies between commits; what comes after a pause hardly waits.
static void note_added(struct server *s, bool was_empty)
{
    if (batch_is_due(s->filling)) {
        submit(s);
    } else if (was_empty) {
        int64_t wait = s->submitted_us + s->settings.batch_time_us - clock_mono_us();
        if (wait < FIRST_US)
            wait = FIRST_US < s->settings.batch_time_us ? FIRST_US : s->settings.batch_time_us;
        const struct timeval patience = {.tv_sec = wait / US_PER_S, .tv_usec = wait % US_PER_S};
        event_add(s->batch_time, &patience);
    }
}

static int no_room(struct server *s, int e)
{
    pause_all(s);
    submit(s);
    return e;
}

// Ends the other connections of c's stream; an older one than another does not get it, for what
// waited unread comes in any order. false: c itself is ended.
static bool take_stream(struct server *s, struct conn *c, const unsigned char name[16])
{
    if (conn_is_gone(c)) {
        conn_kill(c, "closed by the proxy while it waited");
        return false;
    }
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        struct conn *old = s->conns[i];
        if (!old || old == c || conn_is_dead(old) || conn_session(old)->state == SESSION_HELLO ||
            memcmp(conn_session(old)->name, name, 16) != 0)
            continue;
        bool newer = conn_id(old) > conn_id(c);
        conn_kill(newer ? c : old, "its stream came with a new connection");
        if (newer)
            return false;
    }
    return true;
}

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    struct conn *c = arg;
    struct server *s = conn_owner(c);
    if (s->stopping)
        return E_FULL;
    if (!take_stream(s, c, name))
        return E_REFUSED;
    bool was_empty = batch_is_empty(s->filling);
    int e = batch_add_hello(s->filling, conn_id(c), payload);
    if (e)
        return no_room(s, e);
    note_added(s, was_empty);
    return 0;
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    struct conn *c = arg;
    struct server *s = conn_owner(c);
    if (s->stopping)
        return E_FULL;
    bool was_empty = batch_is_empty(s->filling);
    int e = batch_add(s->filling, conn_id(c), stream, seq, type, payload);
    if (e)
        return no_room(s, e);
    note_added(s, was_empty);
    return 0;
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    struct conn *c = arg;
    struct server *s = conn_owner(c);
    if (s->stopping)
        return E_FULL;
    bool was_empty = batch_is_empty(s->filling);
    int e = batch_add_bye(s->filling, conn_id(c), stream, last_seq);
    if (e)
        return no_room(s, e);
    note_added(s, was_empty);
    return 0;
}

static const struct session_host host = {.hello = on_hello, .record = on_record, .bye = on_bye};

// ---- batches

// Hands the batch over, or notes that it is waiting for the writer.
static void submit(struct server *s)
{
    if (batch_is_empty(s->filling))
        return;
    s->overdue = s->working;
    if (s->working)
        return;
    event_del(s->batch_time);
    s->submitted_us = clock_mono_us();
    s->working = true;
    struct batch *b = s->filling;
    s->filling = &s->batches[b == &s->batches[0]];
    writer_submit(s->writer, b);
}

static void on_batch_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    submit(arg);
}

static void answer_hello(struct server *s, const struct batch_hello *h, const struct batch *b)
{
    struct conn *c = find(s, h->conn);
    if (!c || b->error)
        return;
    struct session *session = conn_session(c);
    if (h->error)
        session_refuse(session, h->error == E_LIMIT ? "the recorder has no room for another stream"
                                                    : "the recorder cannot take this stream");
    else if (session_welcome(session, h->id, h->last_seq, b->file) == 0)
        log_info("stream open conn=%llu stream=%lld committed=%llu", (unsigned long long)h->conn,
                 (long long)h->id, (unsigned long long)h->last_seq);
    if (session->state == SESSION_REFUSED)
        log_warn("stream refused conn=%llu why=\"%s\"", (unsigned long long)h->conn, session->why);
    conn_flush(c);
    if (!s->paused)
        conn_resume(c);
}

// The capture goes on in another file: all are told, also who sent nothing lately.
static void tell_file(struct server *s, uint64_t file)
{
    if (s->file == file)
        return;
    s->file = file;
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++) {
        if (!s->conns[i] || conn_is_dead(s->conns[i]))
            continue;
        session_file(conn_session(s->conns[i]), file);
        conn_flush(s->conns[i]);
    }
}

static void answer_batch(struct server *s, const struct batch *b)
{
    if (b->error == 0)
        tell_file(s, b->file);
    // Of a batch that was given up some frames may be committed; a reconnect tells which.
    for (size_t i = 0; i < b->streams_count && b->error == 0; i++) {
        const struct batch_stream *stream = &b->streams[i];
        struct conn *c = find(s, stream->conn);
        if (!c)
            continue;
        session_ack(conn_session(c), stream->last_seq, stream->ended);
        conn_flush(c);
    }
    for (size_t i = 0; i < b->hellos_count; i++)
        answer_hello(s, &b->hellos[i], b);
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct server *s = arg;
    struct batch *b = writer_take(s->writer);
    if (!b)
        return;
    s->working = false;
    if (b->error) {
        log_error("records not stored, their proxies keep them records=%zu", b->count - b->done);
        s->result = b->error;
    }
    answer_batch(s, b);
    if (b->error) { // what came behind must not be stored without it
        event_base_loopbreak(s->base);
        return;
    }
    batch_reset(b);
    if (s->overdue || batch_is_due(s->filling) || s->stopping)
        submit(s);
    if (s->stopping) {
        if (!s->working)
            event_base_loopbreak(s->base);
        return;
    }
    if (s->paused)
        resume_all(s);
}

// ---- life

static void tell_metrics(struct server *s, enum log_level level, const char *subject)
{
    struct writer_counts n;
    char size[UNITS_TEXT];
    writer_get_counts(s->writer, &n);
    log_at(level,
           "%s connections=%u batches=%llu records=%llu bytes=%s unread=%llu failures=%llu "
           "busy_ms=%lld",
           subject, s->conns_count, (unsigned long long)n.batches, (unsigned long long)n.records,
           units_size_text(n.bytes, size), (unsigned long long)n.kept,
           (unsigned long long)n.failures, (long long)(n.busy_us / US_PER_MS));
}

static void on_metrics(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    tell_metrics(arg, LOG_DEBUG, "so far");
}

static void stop(struct server *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    log_info("stopping");
    event_del(s->acceptable);
    event_del(s->rest);
    pause_all(s);
    writer_stop(s->writer);
    submit(s);
    if (!s->working)
        event_base_loopbreak(s->base);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    (void)what;
    struct server *s = arg;
    if (number == SIGHUP && s->on_hup)
        s->on_hup(s->hup_arg);
    else if (number != SIGHUP)
        stop(s);
}

static void on_asked(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stop(arg);
}

static bool make_events(struct server *s)
{
    static const int numbers[3] = {SIGTERM, SIGINT, SIGHUP};
    struct event_base *base = s->base;
    const struct timeval minute = {.tv_sec = METRICS_S};
    s->acceptable = event_new(base, s->endpoint.fd, EV_READ | EV_PERSIST, on_acceptable, s);
    s->finished = event_new(base, writer_fd(s->writer), EV_READ | EV_PERSIST, on_finished, s);
    s->rest = event_new(base, -1, 0, on_rested, s);
    s->batch_time = event_new(base, -1, 0, on_batch_time, s);
    s->reap = event_new(base, -1, 0, on_reap, s);
    s->asked = event_new(base, -1, 0, on_asked, s);
    s->metrics = event_new(base, -1, EV_PERSIST, on_metrics, s);
    bool fine = s->acceptable && s->finished && s->rest && s->batch_time && s->reap && s->asked &&
                s->metrics && event_add(s->acceptable, NULL) == 0 &&
                event_add(s->finished, NULL) == 0 && event_add(s->metrics, &minute) == 0;
    for (int i = 0; i < 3 && fine; i++) {
        s->signals[i] = evsignal_new(base, numbers[i], on_signal, s);
        fine = s->signals[i] && event_add(s->signals[i], NULL) == 0;
    }
    return fine;
}

static int assemble(struct server *s, bool *lasting, char why[WHY_MAX])
{
    const struct recorder_settings *c = &s->settings;
    if (evthread_use_pthreads() != 0)
        return err_no_memory(why, WHY_MAX);
    s->base = event_base_new();
    s->unpack = unpack_new();
    s->scratch = malloc(CONN_READ);
    if (!s->base || !s->unpack || !s->scratch ||
        batch_init(&s->batches[0], c->batch_records, c->batch_bytes) != 0 ||
        batch_init(&s->batches[1], c->batch_records, c->batch_bytes) != 0)
        return err_no_memory(why, WHY_MAX);
    s->filling = &s->batches[0];
    s->env = (struct conn_env){.base = s->base,
                               .host = &host,
                               .unpack = s->unpack,
                               .scratch = s->scratch,
                               .died = on_died,
                               .arg = s};
    int e = c->sink->open(&s->sink, c->capture, &c->retain, why);
    *lasting = sink_error_lasts(e);
    if (e)
        return e;
    s->writer = writer_new(s->sink, RETRY_US);
    if (!s->writer)
        return err_no_memory(why, WHY_MAX);
    e = endpoint_open(&s->endpoint, c->listen, c->user, why);
    if (e)
        return e;
    if (!make_events(s) || writer_start(s->writer) != 0)
        return err_no_memory(why, WHY_MAX);
    return c->ready_file
               ? ready_file_write(&s->ready, c->ready_file, s->endpoint.text, c->capture, why)
               : 0;
}

struct server *server_new(const struct recorder_settings *settings, bool *lasting,
                          char why[WHY_MAX])
{
    struct server *s = calloc(1, sizeof *s);
    *lasting = false;
    event_set_log_callback(log_libevent);
    if (!s) {
        err_no_memory(why, WHY_MAX);
        return NULL;
    }
    s->settings = *settings;
    s->endpoint.fd = -1;
    s->next_id = 1;
    if (assemble(s, lasting, why) == 0)
        return s;
    server_free(s);
    return NULL;
}

static void free_event(struct event *e)
{
    if (e)
        event_free(e);
}

void server_free(struct server *s)
{
    if (!s)
        return;
    ready_file_remove(s->ready);
    for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++)
        conn_free(s->conns[i]);
    struct event *events[] = {s->acceptable, s->rest,  s->finished,   s->batch_time, s->reap,
                              s->metrics,    s->asked, s->signals[0], s->signals[1], s->signals[2]};
    for (size_t i = 0; i < sizeof events / sizeof *events; i++)
        free_event(events[i]);
    endpoint_close(&s->endpoint);
    writer_free(s->writer);
    if (s->sink)
        s->sink->ops->close(s->sink);
    batch_clear(&s->batches[0]);
    batch_clear(&s->batches[1]);
    unpack_free(s->unpack);
    free(s->scratch);
    if (s->base)
        event_base_free(s->base);
    free(s);
}

// The last acknowledgements are on their way; a peer that does not read them is not waited for.
static void flush_all(struct server *s)
{
    const struct timeval limit = {.tv_sec = STOP_FLUSH_S};
    event_base_loopexit(s->base, &limit);
    for (;;) {
        bool waits = false;
        for (unsigned i = 0; i < SERVER_CONNECTIONS_MAX; i++)
            waits = waits || (s->conns[i] && !conn_is_dead(s->conns[i]) &&
                              session_out(conn_session(s->conns[i])).n > 0);
        if (!waits || event_base_got_exit(s->base))
            return;
        event_base_loop(s->base, EVLOOP_ONCE);
    }
}

int server_run(struct server *s, void (*on_hup)(void *arg), void *arg)
{
    s->on_hup = on_hup;
    s->hup_arg = arg;
    log_info("recording listen=%s sink=%s capture=\"%s\"", s->endpoint.text, s->settings.sink->name,
             s->settings.capture);
    event_base_dispatch(s->base);
    flush_all(s);
    tell_metrics(s, LOG_INFO, "stopped");
    return s->result;
}

void server_set_retain(struct server *s, const struct retain_conf *retain)
{
    s->settings.retain = *retain;
    writer_set_retain(s->writer, retain);
}

const char *server_address(const struct server *s)
{
    return s->endpoint.text;
}

void server_stop(struct server *s)
{
    event_active(s->asked, EV_TIMEOUT, 0);
}
