#include "tools/replay/connection.h"

#include "proxy/decode/decode.h"
#include "schema/store.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define LINGER_US (1 * US_PER_S) // for the end of a connection whose last answer has come

static struct connection *of(struct io *io)
{
    return (struct connection *)(void *)io;
}

static int64_t wall(const struct connection *c)
{
    return flow_env_wall(c->all->env);
}

// ---- ends

// No longer one of c's.
static void give_back(struct connection *c, struct exchange *x)
{
    c->first = x->next;
    if (!c->first)
        c->last = NULL;
    c->pending--;
    c->served += x->heard && x->over;
    x->next = NULL;
    c->all->ops->answered(c, x);
}

// How the capture calls the end, as it does those of a proxy's flows.
static enum flow_reason flow_reason(const struct connection *c, enum result_kind kind)
{
    return kind == RESULT_TIMEOUT   ? FLOW_IDLE_TIMEOUT
           : kind == RESULT_GARBAGE ? FLOW_BAD_FRAMING
           : c->first               ? FLOW_SERVER_CLOSED
                                    : FLOW_DONE;
}

void connection_close(struct connection *c, enum result_kind kind, const char *reason)
{
    if (c->state == CONNECTION_CLOSED)
        return;
    c->closing = true;
    for (struct exchange *x = c->first; x; x = x->next) {
        if (x->over)
            continue;
        x->kind = kind;
        x->reason = x->note[0] ? x->note : reason;
    }
    say_end(c);
    talk_end(c);
    if (c->tap.open)
        tap_close(&c->tap, flow_reason_text(flow_reason(c, kind)), c->first && reason ? reason : "",
                  wall(c));
    if (c->state == CONNECTION_OPEN)
        side_part(&c->side);
    c->state = CONNECTION_CLOSED;
    side_clear(&c->side);
    wheel_clear(&c->deadline);
    alarm_unset(c->all->alarms, &c->pause);
    buf_clear(&c->early);
    c->all->open--;
    while (c->first)
        give_back(c, c->first);
    c->closing = false;
}

// The same by an event.
static void down(struct connection *c, enum result_kind kind, const char *reason, bool never)
{
    connection_close(c, kind, reason);
    c->all->ops->closed(c, never ? c->why : NULL);
}

static void failed(struct connection *c, const char *what, const char *why)
{
    char to[HOSTPORT_TEXT];
    snprintf(c->why, sizeof c->why, "%.64s: %s%.56s", hostport_text(&c->target->at, to), what, why);
    down(c, RESULT_REFUSED, c->why, true);
}

// ---- what has come

// When the answer that is waited for has taken too long as a whole; INT64_MAX: never.
static int64_t whole_due(const struct connection *c)
{
    const struct exchange *x = c->pending > 0 ? c->first : NULL;
    if (c->all->answer_us == 0 || !x || x->sent_us < 0 || x->material->kind != PLAN_HTTP)
        return INT64_MAX;
    return x->sent_us + (x->material->latency_us > 0 ? x->material->latency_us : 0) +
           c->all->answer_us;
}

static void rest(struct connection *c)
{
    struct connections *all = c->all;
    int64_t us = all->timeout_us, whole = whole_due(c);
    if (c->state != CONNECTION_OPEN)
        return;
    if (c->pending == 0)
        us = c->final ? LINGER_US : 0;
    else if (c->first->patience_us > 0 && (us == 0 || c->first->patience_us < us))
        us = c->first->patience_us;
    int64_t due = us > 0 ? all->env->now + us : INT64_MAX;
    due = whole < due ? whole : due;
    if (due < INT64_MAX)
        wheel_set(&all->env->wheel, &c->deadline, due);
    else
        wheel_clear(&c->deadline);
}

// Whether the exchange is over as far as c goes.
static bool is_over(const struct connection *c, const struct exchange *x)
{
    if (x->material->kind == PLAN_RAW)
        return x->over || talk_is_over(c);
    return x->over && x->said;
}

void connection_finish(struct connection *c)
{
    c->final = true;
    if (c->side.finish || c->side.broken)
        return;
    tap_end(&c->tap, C2S, wall(c));
    side_finish(&c->side, false);
}

// A conversation has no end of its own: it is told here what it is.
static void end_talk(struct connection *c, struct exchange *x)
{
    struct sink_flow *sink = c->tap.ctx.sink;
    x->over = x->said = true;
    if (x->end_us < 0)
        x->end_us = c->all->env->now;
    talk_end(c);
    if (x->numbered && !x->linked) {
        x->linked = true;
        sink->ops->linked(sink, x->n, x->material->id, c->all->ops->outcome(c, x));
    }
    give_back(c, x);
}

static void settle(struct connection *c)
{
    struct exchange *x;
    while ((x = c->first) && is_over(c, x)) {
        if (x->material->kind != PLAN_RAW) {
            give_back(c, x);
            continue;
        }
        x->kind = RESULT_ANSWERED;
        end_talk(c, x);
        connection_finish(c);
    }
}

// As much has come of an answer as the recording has, which was cut there.
static bool is_cut_here(const struct exchange *x)
{
    const struct material *m = x->material;
    return m->kind == PLAN_HTTP && m->answer_cut && x->heard && !x->over &&
           x->size >= m->answer_size;
}

// Behind an event: true: c is still open and was told of.
static void go_on(struct connection *c)
{
    settle(c);
    if (c->garbage) {
        down(c, RESULT_GARBAGE, "what came is no answer of HTTP", false);
        return;
    }
    if (c->first && is_cut_here(c->first)) {
        down(c, RESULT_CLOSED, "cut where the recording was", false);
        return;
    }
    rest(c);
    c->all->ops->moved(c);
}

static void ended(struct connection *c, int e)
{
    bool reset = e == E_RESET;
    struct exchange *x = c->first;
    tap_end(&c->tap, S2C, wall(c));
    if (x && x->material->kind == PLAN_RAW) {
        x->until_close = true;
        x->kind = x->size > 0 || x->material->said[S2C] == 0 ? RESULT_ANSWERED : RESULT_CLOSED;
        x->reason = x->kind == RESULT_CLOSED ? "the connection was closed" : NULL;
        end_talk(c, x);
    }
    if (e == E_EOF && !c->side.finish)
        tap_end(&c->tap, C2S, wall(c)); // by our closing it, now
    for (x = c->first; x; x = x->next)
        x->said = x->said || x->over;
    settle(c);
    if (c->garbage)
        down(c, RESULT_GARBAGE, "what came is no answer of HTTP", false);
    else
        down(c, RESULT_CLOSED, reset ? "the connection was reset" : "the connection was closed",
             false);
}

static void opened(struct connection *c);

static void read_some(struct connection *c)
{
    struct flow_env *env = c->all->env;
    size_t got = 0;
    int e = side_read(&c->side, env->chunk, env->chunk_size, env->chunk_size, env->room, &got);
    if (c->state == CONNECTION_SECURING) {
        if (tls_engine_state(c->side.tls) == TLS_FAILED || (e && e != E_AGAIN)) {
            const char *why = tls_engine_why(c->side.tls);
            failed(c, "TLS: ", *why ? why : err_text(e));
            return;
        }
        if (tls_engine_state(c->side.tls) != TLS_OPEN)
            return;
        opened(c);
        if (c->state != CONNECTION_OPEN || got == 0)
            return;
    }
    if (e == E_AGAIN)
        return;
    if (e) {
        ended(c, e);
        return;
    }
    tap_feed(&c->tap, S2C, view_n(env->chunk, got), wall(c));
    if (c->talk)
        talk_go_on(c);
    else if (c->saying && !c->waits_for_100)
        say_go_on(c);
    go_on(c);
}

bool connection_stalls(struct connection *c)
{
    if (c->stalled || c->state != CONNECTION_OPEN || !c->all->full || !c->all->full(c->all->arg))
        return c->stalled;
    c->stalled = true;
    io_want_read(&c->side.io, false);
    return true;
}

static void on_readable(struct io *io)
{
    struct connection *c = of(io);
    flow_env_touch(c->all->env);
    if (!connection_stalls(c))
        read_some(c);
}

// ---- opening

static void fill_facts(struct connection *c)
{
    c->facts = (struct flow_facts){
        .at_us = wall(c) - (c->all->env->now - c->began_us),
        .direction = c->inbound ? INBOUND : OUTBOUND,
        .front = "replay",
        .server = c->target->addrs[0],
        .requested = "",
        .target = hostport_text(&c->target->at, c->to),
        .secured = c->side.tls != NULL,
        .dial_us = c->all->env->now - c->began_us,
    };
    io_local(&c->side.io, &c->facts.server_local);
    c->facts.client = c->facts.server_local;
}

static void tell_tls(struct connection *c)
{
    struct tls_facts_of of_engine;
    tls_engine_facts(c->side.tls, &of_engine);
    struct tls_facts t = {
        .at_us = wall(c),
        .sni = c->sni ? c->sni : c->target->at.host,
        .alpn_offered = "http/1.1",
        .versions_offered = "",
        .version = of_engine.version,
        .cipher = of_engine.cipher,
        .alpn = of_engine.alpn,
        .mode = "intercepted",
        .why = *of_engine.verify ? of_engine.verify : NULL,
        .resumed = of_engine.resumed,
        .certificate = of_engine.certificate,
    };
    tap_tls(&c->tap, &t);
}

static void opened(struct connection *c)
{
    c->state = CONNECTION_OPEN;
    wheel_clear(&c->deadline);
    fill_facts(c);
    tap_open(&c->tap, c->all->tap, &c->facts, c->raw ? &decoder_raw : &decoder_http1, wall(c));
    if (!c->tap.ctx.sink) {
        failed(c, "", "out of memory");
        return;
    }
    if (c->side.tls)
        tell_tls(c);
    io_want_read(&c->side.io, true);
    c->all->ops->opened(c);
}

static void secure(struct connection *c)
{
    const char *name = c->sni ? c->sni : c->target->at.host;
    struct flow_env *env = c->all->env;
    struct tls_engine *engine = NULL;
    struct tls_connect how = {.name = c->all->verify ? name : "",
                              .sni = name,
                              .host = hostport_text(&c->target->at, c->to),
                              .alpn = c->raw ? (struct view){0} : VIEW_LIT("\x08http/1.1")};
    size_t got;
    int e = tls_engine_connect(&engine, c->all->tls, &how);
    if (e) {
        failed(c, "TLS: ", err_text(e));
        return;
    }
    c->state = CONNECTION_SECURING;
    io_want_read(&c->side.io, true);
    e = side_secure(&c->side, engine, view_n(NULL, 0), env->chunk, env->chunk_size, &got);
    if (e && e != E_AGAIN)
        failed(c, "TLS: ", err_text(e));
}

static void dialled(struct connection *c)
{
    io_want_write(&c->side.io, false);
    if (c->target->secure)
        secure(c);
    else
        opened(c);
}

static void on_writable(struct io *io)
{
    struct connection *c = of(io);
    bool moved;
    flow_env_touch(c->all->env);
    if (c->state == CONNECTION_DIALLING) {
        int e = io_connect_end(io);
        if (e)
            failed(c, "", err_text(e));
        else
            dialled(c);
        return;
    }
    (void)!side_flush(&c->side, &moved); // a side that breaks is told of by reading
    if (c->state != CONNECTION_OPEN || side_waits(&c->side) > 0)
        return;
    if (c->talk)
        talk_go_on(c);
    else
        say_go_on(c);
    go_on(c);
}

static const struct io_handler handler = {on_readable, on_writable};

static void on_deadline(struct deadline *d)
{
    struct connection *c =
        (struct connection *)(void *)((char *)d - offsetof(struct connection, deadline));
    flow_env_touch(c->all->env);
    if (c->state == CONNECTION_DIALLING || c->state == CONNECTION_SECURING)
        failed(c, "",
               c->state == CONNECTION_DIALLING ? "no connection in time"
                                               : "no TLS handshake in time");
    else if (c->stalled)
        rest(c); // it is we who do not listen
    else if (c->pending > 0)
        down(c, RESULT_TIMEOUT,
             c->all->env->now < whole_due(c) ? "nothing came in time"
                                             : "the answer did not end in time",
             false);
    else
        down(c, RESULT_CLOSED, "done", false);
}

// A pause is over; or what connection_open() found at once is to be told.
static void on_pause(struct alarm *a)
{
    struct connection *c =
        (struct connection *)(void *)((char *)a - offsetof(struct connection, pause));
    flow_env_touch(c->all->env);
    if (c->state == CONNECTION_DIALLING) {
        if (c->why[0])
            down(c, RESULT_REFUSED, c->why, true);
        else
            dialled(c);
        return;
    }
    if (c->state != CONNECTION_OPEN)
        return;
    if (c->talk) {
        talk_paused(c);
    } else {
        c->waits_for_100 = c->pausing = false;
        say_go_on(c);
    }
    go_on(c);
}

void connection_resume(struct connection *c)
{
    if (!c->stalled || c->state != CONNECTION_OPEN)
        return;
    c->stalled = false;
    io_want_read(&c->side.io, true);
    if (c->talk)
        talk_go_on(c);
    else
        say_go_on(c);
    go_on(c);
}

struct connection *connection_new(struct connections *all)
{
    struct connection *c = all->spare;
    if (c) {
        all->spare = c->next;
        all->spares--;
        c->next = NULL;
        c->owner = NULL;
        return c;
    }
    c = calloc(1, sizeof *c);
    if (!c || alarms_reserve(all->alarms, ++all->made + 64)) {
        free(c);
        return NULL;
    }
    c->all = all;
    deadline_init(&c->deadline, on_deadline);
    c->pause.fire = on_pause;
    side_init(&c->side, true, &all->kept);
    buf_init(&c->early, CONNECTION_EARLY_MAX);
    return c;
}

void connection_free(struct connection *c)
{
    assert(c->state == CONNECTION_CLOSED);
    c->next = c->all->spare;
    c->all->spare = c;
    c->all->spares++;
}

void connections_clear(struct connections *all)
{
    for (struct connection *c; (c = all->spare);) {
        all->spare = c->next;
        free(c);
    }
    all->spares = 0;
}

void connection_open(struct connection *c, const struct target *t, const char *sni, bool raw,
                     bool inbound)
{
    struct connections *all = c->all;
    char to[HOSTPORT_TEXT];
    assert(c->state == CONNECTION_CLOSED);
    c->target = t;
    c->sni = sni;
    c->raw = raw;
    c->inbound = inbound;
    c->garbage = c->final = c->spoke = c->stalled = false;
    c->switched = raw;
    c->served = 0;
    c->why[0] = '\0';
    c->began_us = flow_env_touch(all->env);
    c->state = CONNECTION_DIALLING;
    all->open++;
    if (all->connect_us > 0)
        wheel_set(&all->env->wheel, &c->deadline, all->env->now + all->connect_us);
    int e = io_connect(&c->side.io, all->base, &t->addrs[0], 0, &handler);
    if (e == E_AGAIN) {
        io_want_write(&c->side.io, true);
        return;
    }
    if (e)
        snprintf(c->why, sizeof c->why, "%.64s: %.56s", hostport_text(&t->at, to), err_text(e));
    alarm_set(all->alarms, &c->pause, all->env->now);
}

// ---- sending

bool connection_takes(const struct connection *c)
{
    return c->state == CONNECTION_OPEN && !c->closing && !c->saying && !c->talk && !c->final &&
           !c->garbage && c->pending < CONNECTION_PENDING_MAX && side_waits(&c->side) == 0;
}

bool connection_put(struct connection *c, struct view bytes)
{
    struct exchange *x = c->last;
    tap_feed(&c->tap, C2S, bytes, wall(c));
    x->sent_bytes += bytes.n;
    return side_send(&c->side, bytes) == 0;
}

int connection_send(struct connection *c, struct exchange *x, char why[WHY_MAX])
{
    struct exchange *before = c->last;
    flow_env_touch(c->all->env);
    x->next = NULL;
    if (before)
        before->next = x;
    else
        c->first = x;
    c->last = x;
    c->pending++;
    x->sent_us = c->all->env->now;
    if (c->spoke && x->material->kind == PLAN_RAW) {
        x->numbered = true;
        x->heard = true;
        x->n = c->early_n;
        x->first_us = x->sent_us;
        exchange_hear(c->all->exchanges, x, buf_view(&c->early));
        x->received_bytes = buf_len(&c->early);
        buf_clear(&c->early);
        c->spoke = false;
    }
    int e = x->material->kind == PLAN_RAW ? talk_begin(c, x, why) : say_begin(c, x, why);
    if (e) {
        c->last = before;
        if (before)
            before->next = NULL;
        else
            c->first = NULL;
        c->pending--;
        return e;
    }
    if (talk_is_over(c)) // one that nobody answers: told by an event, as any
        alarm_set(c->all->alarms, &c->pause, c->all->env->now);
    rest(c);
    return 0;
}
