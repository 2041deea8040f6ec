#include "tests/script/play.h"

#include "proxy/mode.h"
#include "tests/script/bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct play play;

static int64_t now_us;
static size_t held; // by taps

void wrong(const char *format, ...)
{
    va_list args;
    if (play.lenient)
        return;
    play.failures++;
    fprintf(stderr, "%s:%d: ", play.path, play.line);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

static int64_t fake_clock(void)
{
    return now_us;
}

static bool is_blocked(void *arg)
{
    (void)arg;
    return play.block;
}

static const struct outcome {
    const char *name;
    int error;
} outcomes[] = {
    {"ok", 0},           {"refused", E_REFUSED},         {"timeout", E_TIMEOUT},
    {"loop", E_LOOP},    {"unreachable", E_UNREACHABLE}, {"notfound", E_NOTFOUND},
    {"failed", E_LIMIT},
};

void play_end_dial(struct flow *f, const char *name)
{
    const struct outcome *o = NULL;
    for (size_t i = 0; i < sizeof outcomes / sizeof *outcomes; i++)
        if (strcmp(outcomes[i].name, name) == 0)
            o = &outcomes[i];
    if (!o) {
        wrong("no such outcome of a dial: %s", name);
        return;
    }
    struct upstream_result r = {.error = o->error, .detail = o->error ? err_text(o->error) : NULL};
    struct io io = {0};
    static const struct io_handler none;
    if (o->error == 0) {
        play.server = peer_new();
        io_accepted(&io, NULL, play.server, &none);
        r.io = &io;
        (void)addr_parse(&r.server, VIEW_LIT("10.0.0.9"), 80);
        io_local(&io, &r.local);
    }
    flow_upstream_done(f, &r);
}

static void script_open(struct upstream *u, struct flow *f, const struct hostport *target,
                        int64_t connect_us)
{
    (void)u;
    (void)connect_us;
    play.cancelled = false;
    hostport_text(target, play.dial_target);
    play.dialling = f;
    f->dial = &play;
    if (*play.next_dial == 0)
        return;
    if (strcmp(play.next_dial, play.dial_target) != 0)
        wrong("a dial to %s", play.dial_target);
    *play.next_dial = 0;
    play.dialling = NULL;
    play_end_dial(f, play.next_outcome);
}

static void script_cancel(struct upstream *u, struct flow *f)
{
    (void)u;
    (void)f;
    play.dialling = NULL;
    play.cancelled = true;
}

static const struct upstream_ops script_ops = {
    .name = "script", .open = script_open, .cancel = script_cancel};
static struct upstream script_upstream = {&script_ops};

struct flow *play_flow(void)
{
    return play.env.live.first;
}

// Everything happens that can; the dead tell their reason before they go.
void play_settle(void)
{
    do
        while (fake_io_turn())
            continue;
    while (tls_play_turn());
    for (struct flow *f = play.env.dead.first; f; f = f->next) {
        play.closed = true;
        snprintf(play.reason, sizeof play.reason, "%s", flow_reason_text(f->reason));
        snprintf(play.detail, sizeof play.detail, "%s", f->detail ? f->detail : "");
        play.moved[C2S] = f->moved[C2S];
        play.moved[S2C] = f->moved[S2C];
    }
    flow_env_reap(&play.env);
    if (play.closed && play.env.kept != 0)
        wrong("%zu bytes are still counted as kept", play.env.kept);
}

void play_pass_time(int64_t us)
{
    for (int64_t end = now_us + us; now_us < end;) {
        now_us += end - now_us < WHEEL_TICK_US ? end - now_us : WHEEL_TICK_US;
        flow_env_touch(&play.env);
        wheel_turn(&play.env.wheel, now_us);
        play_settle();
    }
}

// The client comes with the first line that needs it.
void play_begin(void)
{
    struct addr client, local;
    if (play.client >= 0)
        return;
    (void)addr_parse(&client, VIEW_LIT("10.0.0.7"), 5555);
    (void)addr_parse(&local, VIEW_LIT("10.0.0.1"), 4140);
    play.client = peer_new();
    flow_env_touch(&play.env);
    if (!flow_accept(&play.env, &play.listener, play.client, &client, &local))
        wrong("not accepted");
    play_settle();
}

void play_mode(const char *rest)
{
    char type[16] = "", protocol[16] = "", which[8] = "", why[WHY_MAX];
    struct mode m;
    sscanf(rest, "%15s %15s %7s", type, protocol, which);
    if (mode_of(type, protocol, &m, why)) {
        wrong("%s", why);
        return;
    }
    struct mode_listener *l = &m.listeners[strcmp(which, "out") == 0 ? m.count - 1 : 0];
    play.listener.name = l->name;
    play.listener.direction = l->direction;
    play.listener.front = l->front;
    play.listener.front_conf.fixed_target = l->fixed_target;
    if (l->fixed_target)
        hostport_text(&play.listener.front_conf.target, play.listener.target);
}

void play_target(const char *rest)
{
    if (hostport_parse(&play.listener.front_conf.target, view_of(rest), 0))
        wrong("no target: %s", rest);
    if (play.listener.front_conf.fixed_target)
        hostport_text(&play.listener.front_conf.target, play.listener.target);
}

void play_redact(const char *rules)
{
    static const unsigned char key[32] = "the key of all scripts";
    char why[WHY_MAX];
    play.redact = redact_new(rules, key, &play.sink.sink, why);
    if (play.redact)
        play.sinks.tap.sink = redact_sink(play.redact);
    else
        wrong("%s", why);
}

// What nobody asked for must not have been said.
static void check_silence(const char *who, int fd)
{
    struct view heard = {0};
    if (fd >= 0)
        heard = tls_play_engine(fd) ? tls_play_heard(fd) : tube_view(&peer_of(fd)->heard);
    if (heard.n > 0)
        wrong("%s heard also %s", who, bytes_show(heard));
}

void play_again(void)
{
    if (!play.closed)
        wrong("the flow before is open");
    check_silence("client", play.client);
    check_silence("server", play.server);
    play.client = play.server = -1;
    play.closed = false;
}

int play_set_up(const char *path)
{
    memset(&play, 0, sizeof play);
    play.path = path;
    play.client = play.server = -1;
    now_us = 1000 * US_PER_S;
    held = 0;
    text_sink_init(&play.sink);
    int e = flow_env_init(&play.env, fake_clock, 1700000000 * US_PER_S);
    play.sinks.tap = (struct tap_env){
        .sink = &play.sink.sink, .stats = &play.stats, .used = &held, .max = 16u << 20};
    play.env.sinks = &play.sinks;
    play.env.stats = &play.stats;
    play.env.upstream = &script_upstream;
    play.env.blocked = is_blocked;
    play.env.limits = (struct flow_limits){.handshake = 10 * US_PER_S,
                                           .head = 30 * US_PER_S,
                                           .connect = 10 * US_PER_S,
                                           .idle = 600 * US_PER_S};
    play.listener.front_conf.head_max = 65536;
    play.listener.max = 100;
    play_target("server:80");
    play_mode("forward http");
    return e;
}

void play_tear_down(void)
{
    play.line++;
    check_silence("client", play.client);
    check_silence("server", play.server);
    flow_env_clear(&play.env);
    play.lenient = false; // this much holds without memory too
    if (play.stats.flows_open[0] + play.stats.flows_open[1] + play.listener.open)
        wrong("a flow is still counted as open");
    if (play.sinks.users || held)
        wrong("taps still hold something: users=%zu bytes=%zu", play.sinks.users, held);
    tls_play_close();
    redact_free(play.redact);
    text_sink_clear(&play.sink);
    peers_clear();
}
