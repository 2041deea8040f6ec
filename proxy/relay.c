// relay: RELAY and DRAIN: bytes from one side to the other, the ends of both, and the last bytes.
//
//   client ──read──→ pass() ──→ tap ──→ server        a read takes at most one chunk, so flows take
//          ←── tap ←── pass() ←──read──               turns; the rest comes with the next turn
//
//   1. What a side's socket does not take waits there, and stops reading at the other side.
//   2. End of input becomes end of output behind the last byte, each direction by itself; a reset
//      becomes a reset. An exchange front's server end ends the flow, since the client cannot go on
//      with it.
//   3. A side that refuses bytes may still have said something: it is read to its end first.
#include "proxy/flow_in.h"

#define FRONT_READ    (16 * 1024)        // bytes of one read while a head is awaited
#define KEPT_HIGH     (8 * 1024 * 1024)  // bytes kept in all buffers from which on reads are small,
#define KEPT_VERY     (16 * 1024 * 1024) // and smallest
#define SMALL_READ    (16 * 1024)
#define SMALLEST_READ (4 * 1024)

static int read_side(struct flow *f, struct side *s, struct view *out)
{
    struct flow_env *env = f->env;
    size_t size = env->chunk_size, got = 0;
    if (f->state == FLOW_FRONT)
        size = FRONT_READ;
    else if (env->kept > KEPT_VERY)
        size = SMALLEST_READ;
    else if (env->kept > KEPT_HIGH)
        size = SMALL_READ;
    int e = side_read(s, env->chunk, env->chunk_size, size, env->room, &got);
    *out = view_n(env->chunk, got);
    // A reset that a write has met already reads as an orderly end.
    return e == E_EOF && s->broken ? E_RESET : e;
}

static const char *error_text(const struct side *s, int error)
{
    return error == E_DAMAGED && s->tls ? tls_engine_why(s->tls) : err_text(error);
}

static void client_failed(struct flow *f, int error)
{
    secure_broken(f, &f->client);
    flow_fail(f, error == E_RESET ? FLOW_CLIENT_RESET : FLOW_CLIENT_LOST,
              error == E_RESET ? NULL : error_text(&f->client, error));
}

// Also its orderly end, before the exchange is over. Under a kept connection's next request this is
// no news: the server tired of waiting, and a client that hears nothing sends it again by itself.
static void server_failed(struct flow *f, int error)
{
    enum flow_reason reason = error == E_EOF     ? FLOW_SERVER_CLOSED
                              : error == E_RESET ? FLOW_SERVER_RESET
                                                 : FLOW_SERVER_LOST;
    if (f->state == FLOW_RELAY && !f->blind) {
        if (f->reused && f->answered == 0)
            reason = FLOW_KEPT_CLOSED;
        else
            flow_answer(f, error, NULL);
    }
    secure_broken(f, &f->server);
    flow_fail(f, reason, error == E_EOF || error == E_RESET ? NULL : error_text(&f->server, error));
}

// It took no more bytes. When it is not read to its end any more, that is all.
static void side_broke(struct flow *f, struct side *s)
{
    if (flow_ended(f))
        return;
    if (s->is_server && s->eof)
        server_failed(f, E_RESET);
    else if (!s->is_server && (s->eof || !f->blind))
        client_failed(f, E_RESET);
}

// What the tap hears at once is relayed at once.
static size_t move(struct flow *f, enum dir dir, struct view bytes)
{
    struct flow_env *env = f->env;
    struct side *to = dir == C2S ? &f->server : &f->client;
    if (dir == C2S && f->secure)
        secure_spoke(f);
    tap_feed(&f->tap, dir, bytes, flow_env_wall(env));
    bytes.n -= f->tap.unheard;
    f->moved[dir] += bytes.n;
    stat_add(&env->stats->bytes[dir], bytes.n);
    if (dir == S2C)
        f->answered += bytes.n;
    flow_send(f, to, bytes);
    if (!f->timed[dir]) {
        f->timed[dir] = true;
        stat_add(&env->stats->added_us_sum, (uint64_t)(env->clock() - env->turn));
        stat_add(&env->stats->added_us_count, 1);
    }
    if (to->broken)
        side_broke(f, to);
    return bytes.n;
}

size_t relay_move(struct flow *f, enum dir dir, struct view bytes)
{
    size_t done = 0;
    do {
        done += move(f, dir, view_from(bytes, done));
        if (!flow_ended(f) && f->tap.tls_starts)
            secure_midway(f);
    } while (done < bytes.n && f->state == FLOW_RELAY);
    return done;
}

static void exchange_over(struct flow *f)
{
    flow_set_state(f, FLOW_FRONT);
    f->begun = false;
    f->rested_us = f->env->now;
    flow_expect(f, f->env->limits.idle);
    if (f->env->draining)
        flow_fail(f, FLOW_DRAINED, NULL);
}

static void bad_framing(struct flow *f, enum dir dir)
{
    const char *what =
        dir == C2S ? "broken framing of the request" : "broken framing of the answer";
    stat_add(&f->env->stats->heads_refused, 1);
    flow_answer(f, E_DAMAGED, what);
    flow_fail(f, FLOW_BAD_FRAMING, what);
}

// How many bytes at the front of in were relayed; true when the rest may be looked at as well.
static bool step(struct flow *f, enum dir dir, struct view in, size_t *n)
{
    enum front_pass verdict = PASS_MORE;
    *n = in.n;
    if (!f->blind)
        verdict = f->front->pass(flow_front(f), dir, in, n);
    if (*n > 0)
        *n = relay_move(f, dir, view_head(in, *n));
    if (flow_ended(f))
        return false;
    switch (verdict) {
    case PASS_TUNNEL:
        f->blind = true;
        return *n < in.n;
    case PASS_DONE:
        exchange_over(f);
        return true;
    case PASS_CLOSE:
        f->parting = true;
        flow_fail(f, FLOW_DONE, NULL);
        return false;
    case PASS_BAD:
        bad_framing(f, dir);
        return false;
    case PASS_MORE:
        break;
    }
    return false;
}

bool relay_client_step(struct flow *f, struct view in, size_t *n)
{
    return step(f, C2S, in, n);
}

static void check_done(struct flow *f)
{
    if (f->state == FLOW_RELAY && f->client.eof && f->server.eof && side_waits(&f->client) == 0 &&
        side_waits(&f->server) == 0)
        flow_fail(f, FLOW_DONE, NULL);
}

void relay_client_end(struct flow *f)
{
    if (f->server.finish)
        return;
    if (!f->client.truncated)
        tap_end(&f->tap, C2S, flow_env_wall(f->env));
    secure_broken(f, &f->client);
    side_finish(&f->server, f->client.truncated);
    check_done(f);
}

// The server speaks or ends although nobody asked it. Behind a fixed target the client learns it as
// it would have without us; else the next request dials again.
static void server_between(struct flow *f, struct view in, int error)
{
    if (!f->listener->front_conf.fixed_target) {
        flow_lose_upstream(f, FLOW_SERVER_CLOSED);
    } else if (in.n > 0) {
        (void)relay_move(f, S2C, in);
        flow_fail(f, FLOW_SERVER_CLOSED, "the server spoke unasked");
    } else if (error == E_EOF) {
        flow_fail(f, FLOW_SERVER_CLOSED, NULL);
    } else {
        server_failed(f, error);
    }
}

static void server_end(struct flow *f)
{
    f->server.eof = true;
    bool cut = f->server.truncated;
    bool in_order =
        f->blind || (!cut && f->front->server_end && f->front->server_end(flow_front(f)));
    if (in_order && !cut)
        tap_end(&f->tap, S2C, flow_env_wall(f->env));
    if (f->blind) {
        side_finish(&f->client, cut);
        check_done(f);
    } else if (in_order) {
        flow_fail(f, FLOW_DONE, NULL);
    } else {
        server_failed(f, E_EOF);
    }
}

// What of a head that is not whole yet waits in heard.
static void server_bytes(struct flow *f, struct view fresh)
{
    bool stored = buf_len(&f->heard) > 0, more = true;
    size_t before = buf_len(&f->heard);
    struct view in = fresh;
    if (stored) {
        if (buf_add_view(&f->heard, fresh)) {
            flow_fail(f, FLOW_NO_MEMORY, NULL);
            return;
        }
        in = buf_view(&f->heard);
    }
    while (more && in.n > 0 && f->state == FLOW_RELAY) {
        size_t n;
        more = step(f, S2C, in, &n);
        in = view_from(in, n);
    }
    if (f->state == FLOW_FRONT && in.n > 0) {
        server_between(f, in, 0);
        in.n = 0;
    }
    if (f->state != FLOW_RELAY)
        in.n = 0;
    if (stored)
        buf_drop(&f->heard, buf_len(&f->heard) - in.n, 0);
    else if (buf_add_view(&f->heard, in))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    f->env->kept += buf_len(&f->heard) - before;
    if (f->state == FLOW_FRONT)
        flow_input(f, (struct view){0});
}

static void drain_step(struct flow *f, struct side *last);

// DRAIN is over for one side.
static void part(struct flow *f, struct side *s)
{
    side_clear(s);
    if (!f->client.io.open && !f->server.io.open)
        flow_bury(f);
}

// Behind our last byte: what the client still says is read and dropped, so that the system does not
// answer it with a reset, which would take our last words from the client. Of the server its end is
// awaited, so that it is the one who ended.
static void drain_read(struct flow *f, struct side *s)
{
    struct view in;
    bool waited = side_waits(s) > 0;
    int e = read_side(f, s, &in);
    if (e == 0 || e == E_AGAIN) {
        if (waited && side_waits(s) == 0) // what was read let the engine go on
            drain_step(f, s);
        return;
    }
    s->eof = true;
    if (e != E_EOF || side_waits(s) == 0)
        part(f, s);
    else
        flow_update(f);
}

void relay_server_came(struct flow *f, struct view in, int error)
{
    if (f->state == FLOW_PEEK || f->state == FLOW_SECURE) {
        secure_heard(f, &f->server, in, error);
    } else if (error == E_AGAIN) {
        return;
    } else if (f->state == FLOW_FRONT) {
        server_between(f, in, error);
    } else if (error == E_EOF) {
        server_end(f);
    } else if (error) {
        server_failed(f, error);
    } else {
        flow_expect(f, f->env->limits.idle);
        server_bytes(f, in);
    }
}

static void server_readable(struct io *io)
{
    struct flow *f = flow_of_server((struct side *)(void *)io);
    struct view in;
    flow_env_touch(f->env);
    if (f->state == FLOW_DRAIN) {
        drain_read(f, &f->server);
        return;
    }
    if (flow_must_pause(f))
        return;
    do {
        int e = read_side(f, &f->server, &in);
        relay_server_came(f, in, e);
    } while (!flow_ended(f) && side_has_ended(&f->server));
    flow_update(f);
}

static void client_came(struct flow *f)
{
    struct view in;
    int e = read_side(f, &f->client, &in);
    bool secures = f->state == FLOW_PEEK || f->state == FLOW_SECURE;
    if (e == E_EOF)
        f->client.eof = true;
    if (secures && (f->state == FLOW_SECURE || e == 0 || e == E_EOF)) {
        secure_heard(f, &f->client, in, e);
        flow_update(f);
        return;
    }
    if (e == E_AGAIN)
        return;
    if (e && e != E_EOF) {
        client_failed(f, e);
        return;
    }
    if (f->state == FLOW_RELAY)
        flow_expect(f, f->env->limits.idle);
    flow_input(f, in);
}

static void client_readable(struct io *io)
{
    struct flow *f = flow_of_client((struct side *)(void *)io);
    flow_env_touch(f->env);
    if (f->state == FLOW_DRAIN) {
        drain_read(f, &f->client);
        return;
    }
    if (flow_must_pause(f))
        return;
    do
        client_came(f);
    while (!flow_ended(f) && side_has_ended(&f->client));
}

// Nobody is in the middle of a word: then the client's end need not be awaited.
static bool may_close_now(struct flow *f, struct side *last)
{
    if (last->eof || last->broken || !last->io.open)
        return true;
    int e = f->reason == FLOW_DONE ? io_peek(&last->io) : 0;
    return e == E_AGAIN || e == E_EOF;
}

static void drain_step(struct flow *f, struct side *last)
{
    if (side_waits(last) > 0) {
        flow_expect(f, FLOW_FLUSH_US);
    } else if (f->reset) {
        io_reset(&last->io);
        part(f, last);
    } else if (last->tls && !last->finish) {
        side_finish(last, f->cut); // its end is more than that of the socket
        drain_step(f, last);
    } else if (may_close_now(f, last)) {
        part(f, last);
    } else {
        side_finish(last, f->cut);
    }
}

void relay_drain(struct flow *f, struct side *last, bool reset)
{
    struct side *other = last->is_server ? &f->client : &f->server;
    flow_set_state(f, FLOW_DRAIN);
    f->reset = reset;
    f->cut = other->truncated && !f->spoken; // our own words are whole
    if (!f->parting || reset || other->eof || side_waits(other) > 0)
        side_clear(other);
    flow_expect(f, FLOW_LINGER_US);
    drain_step(f, last);
    flow_update(f);
}

static void writable(struct flow *f, struct side *s)
{
    bool moved;
    flow_env_touch(f->env);
    int e = side_flush(s, &moved);
    if (f->state == FLOW_DRAIN) {
        if (moved)
            flow_expect(f, FLOW_LINGER_US);
        if (e || moved)
            drain_step(f, s);
    } else if (e) {
        side_broke(f, s);
    } else {
        if (moved && (f->state == FLOW_RELAY || (f->state == FLOW_FRONT && !f->begun)))
            flow_expect(f, f->env->limits.idle);
        check_done(f);
    }
    flow_update(f);
}

static void client_writable(struct io *io)
{
    struct side *s = (struct side *)(void *)io;
    writable(flow_of_client(s), s);
}

static void server_writable(struct io *io)
{
    struct side *s = (struct side *)(void *)io;
    writable(flow_of_server(s), s);
}

const struct io_handler relay_client_io = {client_readable, client_writable};
const struct io_handler relay_server_io = {server_readable, server_writable};
