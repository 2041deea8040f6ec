// forward: see forward.h.
//
//   IDLE ── forward_dial ──→ start (when the callbacks of the turn are over) ── net_dial ──→ opened
//                                                       TLS where the client's ended with us ┘
//   the client's bytes: e->wire, sent … until ──→ server        server ──→ came ──→ forward_say
//
//   1. A server is read while less than FORWARD_HELD_MAX of it waits.
//   2. One request is there at a time; a connection that is left open is used for the next, and one
//      that ended meanwhile is made anew.
#include "tools/mock/tape_in.h"

#include "proxy/tls/context.h"
#include "proxy/upstream/net.h"
#include "tools/head.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>

static struct end *end_of_io(struct io *io)
{
    return (struct end *)(void *)((char *)io - offsetof(struct end, forward.server.io));
}

void forward_init(struct forward *w)
{
    memset(w, 0, sizeof *w);
    side_init(&w->server, true, &w->kept);
    buf_init(&w->came, FORWARD_HELD_MAX + (1u << 17));
    buf_init(&w->learning, REMEMBER_ONE_MAX);
}

static void hang_up(struct forward *w)
{
    if (w->dial)
        net_hang_up(w->dial);
    w->dial = NULL;
    side_clear(&w->server);
    w->wanted = w->opened = w->drained = w->broke = false;
    buf_clear(&w->came);
}

void forward_clear(struct end *e)
{
    struct forward *w = &e->forward;
    hang_up(w);
    if (w->start)
        event_free(w->start);
    buf_clear(&w->learning);
    forward_init(w);
}

// The server is not to be had, or no more.
static void fail(struct end *e, const char *why)
{
    struct forward *w = &e->forward;
    snprintf(w->why, sizeof w->why, "%s", why);
    w->drained = w->broke = true;
    io_want_read(&w->server.io, false);
    io_want_write(&w->server.io, false);
    end_stir(e);
}

static const char *why_of(const struct side *s, int error)
{
    const char *why = s->tls ? tls_engine_why(s->tls) : "";
    return *why ? why : err_text(error);
}

static void want(struct end *e)
{
    struct forward *w = &e->forward;
    bool may = w->server.io.open && !w->drained;
    io_want_read(&w->server.io, may && buf_len(&w->came) < FORWARD_HELD_MAX);
}

// Bytes of the server's content, or what became of it.
static void heard(struct end *e, struct view bytes, int error)
{
    struct forward *w = &e->forward;
    if (bytes.n > 0 && buf_add_view(&w->came, bytes)) {
        fail(e, err_text(E_NOMEM));
        return;
    }
    bool handshakes = w->server.tls && tls_engine_state(w->server.tls) == TLS_HANDSHAKE;
    if (error == E_EOF && !handshakes) {
        w->drained = true;
    } else if (error && error != E_AGAIN) {
        fail(e, why_of(&w->server, error));
        return;
    }
    if (!handshakes && !w->opened) {
        w->opened = true;
        forward_push(e);
    }
    want(e);
    end_stir(e);
}

static void server_readable(struct io *io)
{
    struct end *e = end_of_io(io);
    struct flow_env *env = e->tape->given.env;
    struct forward *w = &e->forward;
    size_t got;
    flow_env_touch(env);
    do {
        int error =
            side_read(&w->server, env->chunk, env->chunk_size, env->chunk_size, env->room, &got);
        heard(e, view_n(env->chunk, got), error);
    } while (!w->drained && side_has_ended(&w->server));
}

static void server_writable(struct io *io)
{
    struct end *e = end_of_io(io);
    bool moved;
    flow_env_touch(e->tape->given.env);
    int error = side_flush(&e->forward.server, &moved);
    if (error)
        fail(e, err_text(error));
    else
        forward_push(e);
}

static const struct io_handler server_io = {server_readable, server_writable};

// ---- dialling

static int begin_tls(struct end *e)
{
    const struct secure_env *secure = e->tape->given.secure;
    struct flow_env *env = e->tape->given.env;
    struct tls_engine *engine = NULL;
    bool intercepts = e->flow->listener->secure == SECURE_INTERCEPT;
    struct tls_context *context = intercepts ? secure->to_servers : secure->to_workload;
    size_t got = 0;
    if (!context)
        return E_AGAIN; // the workload is plain
    struct addr numeric;
    bool named = addr_parse(&numeric, view_of(e->target.host), 0) != 0;
    struct tls_connect how = {.name = e->target.host,
                              .sni = named ? e->target.host : "",
                              .host = e->host,
                              .alpn = VIEW_LIT("\x08http/1.1"),
                              .least = secure->least};
    int error = tls_engine_connect(&engine, context, &how);
    if (error)
        return error;
    error =
        side_secure(&e->forward.server, engine, view_n(NULL, 0), env->chunk, env->chunk_size, &got);
    return error == 0 ? E_AGAIN : error;
}

static void dialled(void *arg, const struct upstream_result *r)
{
    struct end *e = arg;
    struct forward *w = &e->forward;
    flow_env_touch(e->tape->given.env);
    if (r->error) {
        fail(e, r->detail && *r->detail ? r->detail : err_text(r->error));
        return;
    }
    io_move(&w->server.io, r->io, e->tape->given.base, &server_io);
    int error = e->flow->facts.secured ? begin_tls(e) : E_AGAIN;
    if (error != E_AGAIN) {
        fail(e, why_of(&w->server, error));
        return;
    }
    heard(e, view_n(NULL, 0), E_AGAIN);
}

static void on_start(evutil_socket_t fd, short what, void *arg)
{
    struct end *e = arg;
    struct flow_env *env = e->tape->given.env;
    (void)fd;
    (void)what;
    flow_env_touch(env);
    if (!e->closed && !e->forward.dial)
        net_dial(e->tape->given.net, e->flow->id, &e->target, env->limits.connect, dialled, e,
                 &e->forward.dial);
}

void forward_dial(struct end *e)
{
    struct forward *w = &e->forward;
    if (w->wanted)
        return;
    w->wanted = true;
    if (!w->start)
        w->start = event_new(e->tape->given.base, -1, 0, on_start, e);
    if (w->start)
        event_active(w->start, EV_TIMEOUT, 0);
    else
        fail(e, err_text(E_NOMEM));
}

// ---- what goes there

void forward_push(struct end *e)
{
    struct forward *w = &e->forward;
    if (!w->opened || w->broke || e->closed)
        return;
    uint64_t have = e->wire_at + buf_len(&e->wire), to = w->until < have ? w->until : have;
    if (w->sent < e->wire_at) {
        fail(e, "the request is too large to be passed on");
        return;
    }
    if (w->sent < to && side_waits(&w->server) == 0) {
        struct view bytes = view_from(buf_view(&e->wire), (size_t)(w->sent - e->wire_at));
        bytes = view_head(bytes, (size_t)(to - w->sent));
        bytes = view_head(bytes, TLS_SAY_MAX);
        int error = side_send(&w->server, bytes);
        if (error) {
            fail(e, why_of(&w->server, error));
            return;
        }
        w->sent += bytes.n;
        end_trim_wire(e);
        if (side_waits(&w->server) == 0 && w->sent < to)
            io_want_write(&w->server.io, true); // the rest with the next turn
        end_stir(e);
    }
    if (w->raw && e->client_ended && w->sent == e->came && !w->server.finish)
        side_finish(&w->server, false);
}

void forward_send(struct end *e, uint64_t from, uint64_t until)
{
    struct forward *w = &e->forward;
    if (w->drained)
        hang_up(w); // it ended after the request before
    w->sent = from;
    w->until = until;
    w->given = 0;
    w->learns = e->tape->mock->remembered && end_ask(e, 0)->key != 0;
    buf_clear(&w->learning);
    forward_dial(e);
    forward_push(e);
}

void forward_all(struct end *e)
{
    struct forward *w = &e->forward;
    w->raw = true;
    w->sent = e->wire_at;
    w->until = UINT64_MAX;
    e->talk.mode = TALK_OFF;
    atomic_fetch_add_explicit(&e->tape->counts->passed, 1, memory_order_relaxed);
    forward_dial(e);
    forward_push(e);
}

// ---- what comes back

enum answer_said forward_say(struct end *e, char *p, size_t n, size_t *got)
{
    struct forward *w = &e->forward;
    struct view bytes = view_head(buf_view(&w->came), n);
    *got = bytes.n;
    if (bytes.n == 0)
        return w->drained ? ANSWER_OVER : ANSWER_WAIT;
    memcpy(p, bytes.p, bytes.n);
    if (w->learns && buf_add_view(&w->learning, bytes)) {
        buf_clear(&w->learning);
        w->learns = false;
    }
    buf_drop(&w->came, bytes.n, 0);
    w->given += bytes.n;
    want(e);
    // The tap names what was read before more is: it may be the end of the answer.
    return ANSWER_WAIT;
}

static void learn(struct end *e, const struct ask *a)
{
    struct view bytes = buf_view(&e->forward.learning);
    struct kept *k = malloc(sizeof *k + bytes.n);
    if (!k)
        return;
    *k = (struct kept){.refs = 1, .then = SPEAK_NEXT, .n = bytes.n};
    memcpy(k->bytes, bytes.p, bytes.n);
    answer_stays(bytes, k->stays);
    remember_add(e->tape->mock->remembered, a->key, k);
    kept_drop(k);
}

void forward_answered(struct end *e, bool whole)
{
    struct forward *w = &e->forward;
    if (whole && w->learns && !w->switches && buf_len(&w->learning) > 0)
        learn(e, end_ask(e, 0));
    w->learns = false;
    buf_clear(&w->learning);
    if (w->switches) { // what follows is another protocol
        w->raw = true;
        w->until = UINT64_MAX;
    }
    end_ask_over(e);
    forward_push(e);
    end_stir(e);
}
