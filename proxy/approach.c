// approach: FRONT and DIAL: from a client's first byte, or the next request's, to an open upstream.
//
// Client bytes lie in front of flow_input() as one piece: what waits in held with the fresh ones
// behind it, or the fresh ones alone, which then need no copy. The front takes its part, RELAY
// takes what belongs to the exchange, and what is left waits in held.
#include "proxy/flow_in.h"

#include <assert.h>
#include <stdlib.h>

bool flow_is_exchange(const struct flow *f)
{
    return f->front && f->front->pass;
}

static enum flow_reason dial_reason(int error)
{
    switch (error) {
    case E_NOTFOUND:
        return FLOW_DIAL_NOTFOUND;
    case E_REFUSED:
    case E_RESET:
        return FLOW_DIAL_REFUSED;
    case E_UNREACHABLE:
        return FLOW_DIAL_UNREACHABLE;
    case E_TIMEOUT:
        return FLOW_DIAL_TIMEOUT;
    case E_LOOP:
        return FLOW_DIAL_LOOP;
    default:
        return FLOW_DIAL_FAILED;
    }
}

// What an exchange front says upstream is HTTP for certain, as is a request that we answer in place
// of a server. A tunnel that is open carries anything.
static const struct decoder_ops *hint_for(const struct flow *f, bool own_answer)
{
    return flow_is_exchange(f) && (own_answer || !f->blind) ? &decoder_http1 : NULL;
}

// answered: the client was told already that it may go on.
static void begin_exchange(struct flow *f, struct view opening, bool answered)
{
    struct flow_env *env = f->env;
    flow_set_state(f, FLOW_RELAY);
    flow_expect(f, env->limits.idle);
    f->answered = 0;
    f->timed[C2S] = f->timed[S2C] = false;
    if (!answered)
        flow_answer(f, 0, "");
    if (!f->blind)
        tap_since(&f->tap, f->begun_us);
    if (!flow_ended(f) && opening.n > 0)
        (void)relay_move(f, C2S, opening);
}

void flow_lose_upstream(struct flow *f, enum flow_reason reason)
{
    flow_tap_close(f, reason, NULL);
    side_part(&f->server);
    side_clear(&f->server);
}

static bool take_names(struct flow *f, const struct front_out *out)
{
    free(f->requested);
    free(f->target);
    f->requested = NULL;
    f->target = NULL;
    if (*out->requested && !(f->requested = strdup(out->requested)))
        return false;
    if (f->listener->front_conf.fixed_target)
        return true;
    char text[HOSTPORT_TEXT];
    size_t n = strlen(hostport_text(&out->target, text)) + 1;
    f->target = malloc(sizeof *f->target + n);
    if (!f->target)
        return false;
    f->target->to = out->target;
    memcpy(f->target->text, text, n);
    return true;
}

static void dial(struct flow *f)
{
    struct flow_env *env = f->env;
    if (f->server.io.open)
        flow_lose_upstream(f, FLOW_NEXT_UPSTREAM);
    flow_tap_close(f, FLOW_NEXT_UPSTREAM, NULL);
    f->reused = false;
    if (f->dial_us)
        f->facts.at_us = flow_env_wall(env);
    f->dial_us = env->now;
    f->facts.server = f->facts.server_local = (struct addr){0};
    if (!take_names(f, &env->out) || buf_add_view(&f->opening, buf_view(&env->to_server))) {
        flow_fail(f, FLOW_NO_MEMORY, NULL);
        return;
    }
    flow_set_state(f, FLOW_DIAL);
    wheel_clear(&f->deadline);
    env->upstream->ops->open(env->upstream, f, &env->out.target, env->limits.connect);
}

const struct hostport *flow_target_of(const struct flow *f)
{
    return f->target ? &f->target->to : &f->listener->front_conf.target;
}

void flow_redial(struct flow *f, enum flow_reason reason, const char *detail)
{
    struct flow_env *env = f->env;
    secure_end(f, detail);
    flow_tap_close(f, reason, detail);
    env->kept -= buf_len(&f->heard);
    side_clear(&f->server);
    buf_clear(&f->heard);
    f->facts.at_us = flow_env_wall(env);
    f->dial_us = env->now;
    f->facts.server = f->facts.server_local = (struct addr){0};
    flow_set_state(f, FLOW_DIAL);
    wheel_clear(&f->deadline);
    env->upstream->ops->open(env->upstream, f, flow_target_of(f), env->limits.connect);
}

static bool same_target(const struct flow *f, const struct hostport *to)
{
    if (f->listener->front_conf.fixed_target)
        return true;
    return f->target && f->target->to.port == to->port && strcmp(f->target->to.host, to->host) == 0;
}

// A server tires of waiting about when the next request comes: then its end may lie there unread.
static bool kept_is_alive(struct flow *f)
{
    if (!f->server.io.open)
        return false;
    if (f->listener->front_conf.fixed_target || f->env->now - f->rested_us < FLOW_FRESH_US)
        return true;
    if (io_peek(&f->server.io) == E_AGAIN)
        return true;
    flow_lose_upstream(f, FLOW_SERVER_CLOSED);
    return false;
}

// head: what of the client's bytes the front has taken.
static void go(struct flow *f, struct view head)
{
    struct flow_env *env = f->env;
    f->begun = false;
    f->blind = env->out.tunnel || !flow_is_exchange(f);
    // A tunnel has a connection of its own, on which TLS is looked for.
    if (!f->blind && same_target(f, &env->out.target) && kept_is_alive(f)) {
        f->reused = true;
        begin_exchange(f, buf_view(&env->to_server), false);
        return;
    }
    // CONNECT goes no further than here; it is kept for the record of a dial that fails.
    if (f->blind && flow_is_exchange(f) && buf_add_view(&env->to_server, head))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    else
        dial(f);
}

static void say_own(struct flow *f)
{
    if (buf_len(&f->env->to_client) > 0)
        flow_send(f, &f->client, buf_view(&f->env->to_client));
}

static void refuse(struct flow *f)
{
    struct flow_env *env = f->env;
    stat_add(&env->stats->heads_refused, 1);
    if (env->out.refusal_recorded) {
        if (!f->tap.open)
            flow_tap_open(f, hint_for(f, true));
        tap_since(&f->tap, f->begun_us);
        tap_feed(&f->tap, C2S, buf_view(&env->to_server), flow_env_wall(env));
        tap_feed_own(&f->tap, buf_view(&env->to_client), flow_env_wall(env));
    }
    say_own(f);
    flow_fail(f, FLOW_REFUSED, env->out.reason);
}

static void choose_front(struct flow *f, struct view in)
{
    f->front = in.n > 0 ? front_by_first_byte((unsigned char)in.p[0]) : NULL;
    if (f->front)
        f->front->init(flow_front(f), &f->listener->front_conf);
    if (f->front || in.n == 0)
        return;
    stat_add(&f->env->stats->heads_refused, 1);
    flow_fail(f, FLOW_REFUSED, "not-socks");
}

// True when there may be more to do with what lies behind the first *n bytes.
static bool feed_front(struct flow *f, struct view in, size_t *n)
{
    struct flow_env *env = f->env;
    if (in.n == 0 && f->fed)
        return false;
    if (!f->front)
        choose_front(f, in);
    if (!f->front)
        return false;
    f->fed = true;
    if (!f->begun)
        f->begun_us = flow_env_wall(env);
    buf_reset(&env->to_client);
    buf_reset(&env->to_server);
    env->out.requested[0] = 0;
    env->out.tunnel = env->out.refusal_recorded = false;
    env->out.reason = NULL;
    switch (f->front->feed(flow_front(f), in, n, &env->out)) {
    case FRONT_GO:
        say_own(f);
        if (!flow_ended(f))
            go(f, view_head(in, *n));
        return true;
    case FRONT_REFUSE:
        refuse(f);
        return false;
    case FRONT_MORE:
        break;
    }
    say_own(f);
    if (in.n > 0 && !f->begun) {
        f->begun = true;
        if (flow_is_exchange(f))
            flow_expect(f, env->limits.head);
    }
    return *n > 0 && *n < in.n;
}

// No bytes are left of a client whose input has ended.
static void input_end(struct flow *f)
{
    if (f->state == FLOW_FRONT)
        flow_fail(f, f->begun ? FLOW_CLIENT_CLOSED : FLOW_DONE, NULL);
    else if (f->state == FLOW_RELAY)
        relay_client_end(f);
}

static void keep_rest(struct flow *f, bool stored, struct view rest)
{
    size_t before = buf_len(&f->held);
    if (stored)
        buf_drop(&f->held, before - rest.n, 0);
    else if (rest.n > 0 && buf_add_view(&f->held, rest))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    f->env->kept += buf_len(&f->held) - before;
}

void flow_input(struct flow *f, struct view fresh)
{
    bool stored = buf_len(&f->held) > 0, more = true;
    struct view in = fresh;
    // Whoever brings fresh bytes has asked; what waited was read earlier.
    if (stored && fresh.n == 0 && !flow_ended(f) && flow_must_pause(f))
        return;
    if (stored) {
        if (buf_add_view(&f->held, fresh)) {
            flow_fail(f, FLOW_NO_MEMORY, NULL);
            return;
        }
        f->env->kept += fresh.n;
        in = buf_view(&f->held);
    }
    assert(!f->busy);
    f->busy = true;
    while (more) {
        size_t n = 0;
        f->env->input = in;
        if (f->state == FLOW_FRONT)
            more = feed_front(f, in, &n);
        else if (f->state == FLOW_RELAY && in.n > 0)
            more = relay_client_step(f, in, &n);
        else
            more = false;
        in = view_from(in, n);
    }
    f->busy = false;
    keep_rest(f, stored, flow_ended(f) ? (struct view){0} : in);
    if (f->state == FLOW_PEEK)
        secure_heard(f, &f->client, (struct view){0}, 0);
    else if (f->client.eof && (buf_len(&f->held) == 0 || f->state == FLOW_FRONT))
        input_end(f);
    flow_update(f);
}

// What the server would have heard: a rewritten head, or a request that still lies as it came.
static struct view undelivered(const struct flow *f)
{
    if (f->blind || buf_len(&f->opening) > 0)
        return buf_view(&f->opening);
    return f->busy ? f->env->input : buf_view(&f->held);
}

void flow_no_upstream(struct flow *f, enum flow_reason reason, int error, const char *detail)
{
    struct view request = undelivered(f);
    flow_tap_open(f, hint_for(f, true));
    if (flow_is_exchange(f))
        tap_since(&f->tap, f->begun_us);
    if (request.n > 0)
        tap_feed(&f->tap, C2S, request, flow_env_wall(f->env));
    flow_answer(f, error, detail);
    flow_fail(f, reason, detail);
}

void flow_go_on(struct flow *f)
{
    if (f->tap.open)
        secure_tell(f); // TLS began in the middle
    else
        flow_tap_open(f, hint_for(f, false));
    begin_exchange(f, f->blind ? (struct view){0} : buf_view(&f->opening), f->opened);
    buf_clear(&f->opening);
}

// The server is there: straight on, or first TLS with it, or a look at what the client says.
static void connected(struct flow *f)
{
    if (secure_passes(f)) {
        secure_clear(f);
        flow_go_on(f);
    } else if (secure_follows(f)) {
        flow_answer(f, 0, "");
        f->opened = true;
        if (!flow_ended(f) && !secure_peek(f, true))
            flow_fail(f, FLOW_NO_MEMORY, NULL);
    } else if (!secure_server(f)) {
        flow_tap_open(f, hint_for(f, false));
        begin_exchange(f, f->blind ? (struct view){0} : buf_view(&f->opening), false);
    }
}

void flow_upstream_done(struct flow *f, const struct upstream_result *r)
{
    struct flow_env *env = f->env;
    assert(f->state == FLOW_DIAL);
    f->dial = NULL;
    flow_env_touch(env);
    f->facts.dial_us = env->now - f->dial_us;
    f->facts.dns_us = r->dns_us;
    if (r->error) {
        stat_add(&env->stats->dials_failed, 1);
        flow_no_upstream(f, dial_reason(r->error), r->error, r->detail);
    } else {
        io_move(&f->server.io, r->io, env->base, &relay_server_io);
        f->facts.server = r->server;
        f->facts.server_local = r->local;
        connected(f);
    }
    if (f->state != FLOW_SECURE)
        buf_clear(&f->opening);
    if (!f->busy)
        flow_input(f, (struct view){0});
}
