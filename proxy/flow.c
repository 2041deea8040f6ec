// flow: the life of a connection: its states, its deadline, its one exit, its grave.
#include "proxy/flow.h"

#include "proto/base/log.h"
#include "proxy/flow_in.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define CHUNK     (128 * 1024)                 // bytes of one read
#define SPARE_MAX 256                          // flows kept for the next accept
#define OWN_MAX   (FLOW_HEAD_MAX + FRONT_ROOM) // a front's words, of one call

// How a flow ends once it has its reason.
enum ending {
    AT_ONCE,      // both sockets close
    CLIENT_LAST,  // the client takes what is kept for it, then reads the end
    CLIENT_RESET, // the client takes what is kept for it, then is reset
    SERVER_RESET, // the same towards the server
};

static const struct reason {
    const char *text;
    enum ending ending;
} reasons[FLOW_REASONS] = {
    [FLOW_DONE] = {"done", CLIENT_LAST},
    [FLOW_CLIENT_RESET] = {"client-reset", SERVER_RESET},
    [FLOW_SERVER_RESET] = {"server-reset", CLIENT_RESET},
    [FLOW_CLIENT_LOST] = {"client-lost", SERVER_RESET},
    [FLOW_SERVER_LOST] = {"server-lost", CLIENT_RESET},
    [FLOW_CLIENT_CLOSED] = {"client-closed", CLIENT_LAST},
    [FLOW_SERVER_CLOSED] = {"server-closed", CLIENT_LAST},
    [FLOW_KEPT_CLOSED] = {"kept-closed", CLIENT_LAST},
    [FLOW_REFUSED] = {"refused", CLIENT_LAST},
    [FLOW_BAD_FRAMING] = {"bad-framing", CLIENT_LAST},
    [FLOW_DIAL_NOTFOUND] = {"dial-notfound", CLIENT_LAST},
    [FLOW_DIAL_REFUSED] = {"dial-refused", CLIENT_LAST},
    [FLOW_DIAL_UNREACHABLE] = {"dial-unreachable", CLIENT_LAST},
    [FLOW_DIAL_TIMEOUT] = {"dial-timeout", CLIENT_LAST},
    [FLOW_DIAL_LOOP] = {"dial-loop", CLIENT_LAST},
    [FLOW_DIAL_FAILED] = {"dial-failed", CLIENT_LAST},
    [FLOW_HANDSHAKE_TIMEOUT] = {"handshake-timeout", AT_ONCE},
    [FLOW_HEAD_TIMEOUT] = {"head-timeout", AT_ONCE},
    [FLOW_IDLE_TIMEOUT] = {"idle-timeout", AT_ONCE},
    [FLOW_DRAINED] = {"drain", CLIENT_LAST},
    [FLOW_NO_MEMORY] = {"no-memory", AT_ONCE},
    [FLOW_TLS_CLIENT] = {"tls-client", CLIENT_LAST},
    [FLOW_TLS_SERVER] = {"tls-server", CLIENT_LAST},
    [FLOW_NEXT_UPSTREAM] = {"next-upstream", AT_ONCE},
};

static const char *const states[] = {"front", "dial", "peek", "secure", "relay", "drain", "closed"};

#define TO(state) (1u << (state))
static const unsigned transitions[] = {
    [FLOW_FRONT] =
        TO(FLOW_PEEK) | TO(FLOW_DIAL) | TO(FLOW_RELAY) | TO(FLOW_DRAIN) | TO(FLOW_CLOSED),
    [FLOW_DIAL] =
        TO(FLOW_PEEK) | TO(FLOW_SECURE) | TO(FLOW_RELAY) | TO(FLOW_DRAIN) | TO(FLOW_CLOSED),
    [FLOW_PEEK] =
        TO(FLOW_FRONT) | TO(FLOW_SECURE) | TO(FLOW_RELAY) | TO(FLOW_DRAIN) | TO(FLOW_CLOSED),
    [FLOW_SECURE] =
        TO(FLOW_FRONT) | TO(FLOW_DIAL) | TO(FLOW_RELAY) | TO(FLOW_DRAIN) | TO(FLOW_CLOSED),
    [FLOW_RELAY] = TO(FLOW_FRONT) | TO(FLOW_PEEK) | TO(FLOW_DRAIN) | TO(FLOW_CLOSED),
    [FLOW_DRAIN] = TO(FLOW_CLOSED),
    [FLOW_CLOSED] = 0,
};

const char *flow_reason_text(enum flow_reason reason)
{
    return reasons[reason].text;
}

const char *flow_state_text(enum flow_state state)
{
    return states[state];
}

static void list_add(struct flow_list *list, struct flow *f)
{
    f->prev = NULL;
    f->next = list->first;
    if (list->first)
        list->first->prev = f;
    list->first = f;
    list->count++;
}

static void list_remove(struct flow_list *list, struct flow *f)
{
    if (f->prev)
        f->prev->next = f->next;
    else
        list->first = f->next;
    if (f->next)
        f->next->prev = f->prev;
    list->count--;
}

void flow_set_state(struct flow *f, enum flow_state to)
{
    assert(transitions[f->state] & TO(to));
    (void)transitions; // without assertions
    log_trace("flow", "flow state id=%llu from=%s to=%s", (unsigned long long)f->id,
              states[f->state], states[to]);
    f->state = (uint8_t)to;
}

void flow_expect(struct flow *f, int64_t us)
{
    if (f->state == FLOW_CLOSED)
        return;
    if (us > 0)
        wheel_set(&f->env->wheel, &f->deadline, f->env->now + us);
    else
        wheel_clear(&f->deadline);
}

static void on_deadline(struct deadline *d)
{
    struct flow *f = (struct flow *)(void *)((char *)d - offsetof(struct flow, deadline));
    switch (f->state) {
    case FLOW_FRONT:
        if (!flow_is_exchange(f))
            flow_fail(f, FLOW_HANDSHAKE_TIMEOUT, NULL);
        else
            flow_fail(f,
                      f->begun           ? FLOW_HEAD_TIMEOUT
                      : f->env->draining ? FLOW_DRAINED
                                         : FLOW_IDLE_TIMEOUT,
                      NULL);
        break;
    case FLOW_RELAY:
        if (!f->blind)
            flow_answer(f, E_TIMEOUT, NULL);
        flow_fail(f, FLOW_IDLE_TIMEOUT, NULL);
        break;
    case FLOW_PEEK:
    case FLOW_SECURE:
        secure_overdue(f);
        break;
    case FLOW_DRAIN:
        flow_bury(f);
        break;
    default:
        break;
    }
}

void flow_send(struct flow *f, struct side *s, struct view bytes)
{
    int e = side_send(s, bytes);
    if (e == E_NOMEM || e == E_LIMIT)
        flow_fail(f, FLOW_NO_MEMORY, NULL);
}

// While reading pauses no side is, but for the last bytes of those that have ended.
static bool pauses(const struct flow *f)
{
    return f->env->stalled && !flow_ended(f);
}

// A side is read while there is somewhere for its bytes to go.
static bool reads_client(const struct flow *f)
{
    if (f->client.eof || pauses(f))
        return false;
    switch (f->state) {
    case FLOW_FRONT:
        return side_waits(&f->client) == 0;
    case FLOW_DIAL:
    case FLOW_PEEK:
    case FLOW_SECURE:
        return buf_len(&f->held) < FLOW_HELD_MAX / 4;
    case FLOW_RELAY:
        return side_waits(&f->server) == 0 && buf_len(&f->held) == 0 && !f->server.broken;
    case FLOW_DRAIN:
        return !f->reset;
    default:
        return false;
    }
}

static bool reads_server(const struct flow *f)
{
    if (f->server.eof || pauses(f))
        return false;
    switch (f->state) {
    case FLOW_FRONT:
    case FLOW_DRAIN:
        return true;
    case FLOW_PEEK:
    case FLOW_SECURE:
        return buf_len(&f->heard) < CHUNK / 2;
    case FLOW_RELAY:
        return side_waits(&f->client) == 0 && !f->client.broken;
    default:
        return false;
    }
}

void flow_update(struct flow *f)
{
    io_want_read(&f->client.io, reads_client(f));
    io_want_read(&f->server.io, reads_server(f));
}

bool flow_must_pause(struct flow *f)
{
    struct flow_env *env = f->env;
    if (!env->blocked || !env->blocked(env->blocked_arg))
        return false;
    env->stalled = true;
    flow_update(f);
    return true;
}

bool flow_answer(struct flow *f, int error, const char *detail)
{
    struct flow_env *env = f->env;
    buf_reset(&env->to_client);
    if (f->front->answer(flow_front(f), error, &f->facts.server_local, detail, &env->to_client)) {
        flow_fail(f, FLOW_NO_MEMORY, NULL);
        return false;
    }
    struct view words = buf_view(&env->to_client);
    if (words.n == 0)
        return false;
    if (error && f->tap.open && flow_is_exchange(f))
        tap_feed_own(&f->tap, words, flow_env_wall(env));
    f->spoken = error != 0;
    flow_send(f, &f->client, words);
    return true;
}

void flow_tap_open(struct flow *f, const struct decoder_ops *hint)
{
    f->facts.requested = f->requested ? f->requested : "";
    f->facts.target = f->target ? f->target->text : f->listener->target;
    f->facts.front = f->front ? f->front->name : "socks";
    f->sinks = f->env->sinks;
    f->sinks->users++;
    f->facts.secured = f->client.tls != NULL;
    tap_open(&f->tap, &f->sinks->tap, &f->facts, hint, flow_env_wall(f->env));
    secure_tell(f);
}

void flow_tap_close(struct flow *f, enum flow_reason reason, const char *detail)
{
    if (!f->tap.open)
        return;
    tap_close(&f->tap, flow_reason_text(reason), detail ? detail : "", flow_env_wall(f->env));
    f->sinks->users--;
    f->sinks = NULL;
}

void flow_fail(struct flow *f, enum flow_reason reason, const char *detail)
{
    struct flow_env *env = f->env;
    if (flow_ended(f))
        return;
    f->reason = (uint8_t)reason;
    f->detail = detail && *detail ? strdup(detail) : NULL;
    if (f->dial)
        env->upstream->ops->cancel(env->upstream, f);
    f->dial = NULL;
    if (f->state == FLOW_FRONT && !f->begun) {
        side_part(&f->client);
        side_part(&f->server);
    }
    secure_end(f, detail ? detail : reasons[reason].text);
    flow_tap_close(f, reason, detail);
    wheel_clear(&f->deadline);
    if (!f->busy) {
        env->kept -= buf_len(&f->held);
        buf_clear(&f->held);
    }
    enum ending ending = f->spoken ? CLIENT_LAST : reasons[reason].ending;
    if (ending == SERVER_RESET && f->server.io.open)
        relay_drain(f, &f->server, true);
    else if (ending == CLIENT_RESET || ending == CLIENT_LAST)
        relay_drain(f, &f->client, ending == CLIENT_RESET);
    else
        flow_bury(f);
}

static void log_end(const struct flow *f)
{
    char client[ADDR_TEXT], server[ADDR_TEXT];
    if (log_get_level() < LOG_INFO)
        return;
    log_info("flow end id=%llu listener=%s client=%s target=%s server=%s reason=%s c2s=%llu "
             "s2c=%llu duration_ms=%lld%s%s%s",
             (unsigned long long)f->id, f->listener->name, addr_text(&f->facts.client, client),
             f->target ? f->target->text : f->listener->target, addr_text(&f->facts.server, server),
             reasons[f->reason].text, (unsigned long long)f->moved[C2S],
             (unsigned long long)f->moved[S2C],
             (long long)((f->env->now - f->accepted_us) / US_PER_MS), f->detail ? " detail=\"" : "",
             f->detail ? f->detail : "", f->detail ? "\"" : "");
}

void flow_bury(struct flow *f)
{
    struct flow_env *env = f->env;
    flow_set_state(f, FLOW_CLOSED);
    wheel_clear(&f->deadline);
    side_clear(&f->client);
    side_clear(&f->server);
    log_end(f);
    atomic_fetch_sub_explicit(&f->listener->open, 1, memory_order_relaxed);
    stat_sub(&env->stats->flows_open[f->listener->direction == OUTBOUND], 1);
    list_remove(&env->live, f);
    list_add(&env->dead, f);
}

static struct flow *flow_new(struct flow_env *env, struct listener *l)
{
    struct flow *f = env->spare.first;
    if (f)
        list_remove(&env->spare, f);
    else
        f = malloc(sizeof *f + env->front_size);
    if (!f)
        return NULL;
    memset(f, 0, sizeof *f + env->front_size);
    f->env = env;
    f->listener = l;
    f->id = env->next_id++;
    side_init(&f->client, false, &env->kept);
    side_init(&f->server, true, &env->kept);
    buf_init(&f->held, FLOW_HELD_MAX + l->front_conf.head_max);
    buf_init(&f->heard, CHUNK + FLOW_HEAD_MAX);
    buf_init(&f->opening, OWN_MAX);
    deadline_init(&f->deadline, on_deadline);
    return f;
}

static void flow_free(struct flow_env *env, struct flow *f)
{
    if (f->front)
        f->front->clear(flow_front(f));
    env->kept -= buf_len(&f->held) + buf_len(&f->heard);
    buf_clear(&f->held);
    buf_clear(&f->heard);
    buf_clear(&f->opening);
    free(f->target);
    free(f->requested);
    free(f->detail);
    secure_clear(f);
    if (env->spare.count < SPARE_MAX)
        list_add(&env->spare, f);
    else
        free(f);
}

bool flow_accept(struct flow_env *env, struct listener *l, int fd, const struct addr *client,
                 const struct addr *local)
{
    struct flow *f = flow_new(env, l);
    if (!f) {
        struct io doomed = {0};
        io_accepted(&doomed, env->base, fd, &relay_client_io);
        io_close(&doomed);
        return false;
    }
    io_accepted(&f->client.io, env->base, fd, &relay_client_io);
    f->accepted_us = env->now;
    f->facts.at_us = flow_env_wall(env);
    f->facts.direction = l->direction;
    f->facts.client = *client;
    f->facts.local = *local;
    list_add(&env->live, f);
    atomic_fetch_add_explicit(&l->open, 1, memory_order_relaxed);
    stat_add(&env->stats->flows_opened[l->direction == OUTBOUND], 1);
    stat_add(&env->stats->flows_open[l->direction == OUTBOUND], 1);
    f->front = l->front;
    if (f->front)
        f->front->init(flow_front(f), &l->front_conf);
    flow_expect(f, flow_is_exchange(f) ? env->limits.idle : env->limits.handshake);
    if (secure_begins(f) && !secure_peek(f, false))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    flow_input(f, (struct view){0});
    return true;
}

int flow_env_init(struct flow_env *env, int64_t (*clock)(void), int64_t wall_us)
{
    memset(env, 0, sizeof *env);
    env->clock = clock;
    env->now = clock();
    env->wall_offset = wall_us - env->now;
    wheel_init(&env->wheel, env->now);
    for (const struct front_ops *const *front = front_table; *front; front++)
        if ((*front)->size > env->front_size)
            env->front_size = (*front)->size;
    buf_init(&env->to_client, OWN_MAX);
    buf_init(&env->to_server, OWN_MAX);
    env->out.to_client = &env->to_client;
    env->out.to_server = &env->to_server;
    env->chunk_size = CHUNK;
    env->chunk = malloc(CHUNK);
    return env->chunk ? 0 : E_NOMEM;
}

int flow_env_secure(struct flow_env *env, const struct secure_env *secure)
{
    env->secure = secure;
    env->room = malloc(CHUNK);
    return env->room ? 0 : E_NOMEM;
}

void flow_env_end_all(struct flow_env *env)
{
    for (struct flow *f = env->live.first, *next; f; f = next) {
        next = f->next;
        flow_fail(f, FLOW_DRAINED, NULL);
        if (f->state == FLOW_DRAIN)
            flow_bury(f);
    }
}

void flow_env_clear(struct flow_env *env)
{
    flow_env_end_all(env);
    flow_env_reap(env);
    for (struct flow *f; (f = env->spare.first);) {
        list_remove(&env->spare, f);
        free(f);
    }
    buf_clear(&env->to_client);
    buf_clear(&env->to_server);
    free(env->chunk);
    env->chunk = NULL;
    free(env->room);
    env->room = NULL;
}

int64_t flow_env_touch(struct flow_env *env)
{
    env->now = env->clock();
    if (env->turn == 0)
        env->turn = env->now;
    return env->now;
}

void flow_env_set_wall(struct flow_env *env, int64_t wall_us)
{
    env->wall_offset = wall_us - env->now;
}

void flow_env_resume(struct flow_env *env)
{
    if (!env->stalled)
        return;
    env->stalled = false;
    for (struct flow *f = env->live.first, *next; f; f = next) {
        next = f->next;
        bool waits = f->state == FLOW_FRONT || f->state == FLOW_PEEK || f->state == FLOW_RELAY;
        if (buf_len(&f->held) > 0 && waits)
            flow_input(f, (struct view){0}); // it may have come to wait for this
        flow_update(f);
    }
}

// Between two requests, or before the first byte of a hello.
static bool rests(const struct flow *f)
{
    if (f->state == FLOW_PEEK)
        return !f->server.io.open && buf_len(&f->held) == 0;
    return f->state == FLOW_FRONT && !f->begun;
}

void flow_env_drain(struct flow_env *env)
{
    env->draining = true;
    for (struct flow *f = env->live.first; f; f = f->next) {
        if (rests(f))
            flow_expect(f, FLOW_LAST_CALL_US);
    }
}

void flow_env_reap(struct flow_env *env)
{
    env->turn = 0;
    env->turns++;
    for (struct flow *f; (f = env->dead.first);) {
        list_remove(&env->dead, f);
        flow_free(env, f);
    }
    if (env->upstream && env->upstream->ops->reap)
        env->upstream->ops->reap(env->upstream);
}
