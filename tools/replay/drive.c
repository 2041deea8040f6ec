// drive: the run as a whole: set up, looped until all is over, taken down.
#include "tools/replay/drive_in.h"

#include "proxy/tls/engine.h"
#include "tools/cli.h"
#include "tools/fields.h"

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define FILES_MORE 64 // descriptors beside those of connections

// ---- the loop

static void stop(struct drive *d, const char *why)
{
    if (d->stopping)
        return;
    d->stopping = true;
    d->stopped = why;
    d->last_us = drive_now(d) + DRIVE_LAST_US;
    for (struct session *s = d->live, *after; s; s = after) {
        after = s->after;
        drive_way(d)->step(s);
    }
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
    struct drive *d = arg;
    (void)number;
    (void)what;
    if (d->interrupts++ > 0)
        return;
    bool waits = d->stopping; // for the last answers, behind --for
    stop(d, "interrupted");
    if (!waits)
        return;
    int64_t last = drive_now(d) + DRIVE_LAST_US;
    d->last_us = last < d->last_us ? last : d->last_us;
    d->stopped = "interrupted";
}

static bool hurries(void *arg)
{
    const struct drive *d = arg;
    return d->interrupts > 1;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    drive_now(arg); // the alarms are looked at once a turn
}

static int permille(const struct drive *d)
{
    int64_t now = d->env.now - d->start_us;
    if (d->conf.for_us)
        return (int)(now * 1000 / d->conf.for_us);
    if (d->requests == UINT64_MAX || d->requests == 0)
        return -1;
    return (int)(d->told * 1000 / d->requests);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct drive *d = arg;
    char line[VERDICT_LINE];
    (void)fd;
    (void)what;
    int64_t now = drive_now(d);
    flow_env_set_wall(&d->env, clock_wall_us());
    wheel_turn(&d->env.wheel, now);
    if (d->keep)
        keep_tick(d->keep);
    if (d->conf.progress)
        fprintf(stderr, "\r\033[K%s",
                verdict_line(d->verdict, now - d->start_us, permille(d), line));
}

// The next turn ends not later than the next alarm.
static void arm(struct drive *d)
{
    int64_t next = alarms_next(&d->alarms);
    if (next == d->armed_us)
        return;
    d->armed_us = next;
    if (next == ALARM_NEVER) {
        event_del(d->timer);
        return;
    }
    int64_t us = next - clock_mono_us();
    us = us > 0 ? us : 0;
    struct timeval tv = {.tv_sec = us / US_PER_S, .tv_usec = us % US_PER_S};
    event_add(d->timer, &tv);
}

static bool is_over(const struct drive *d)
{
    return d->live == NULL && (d->all_out || d->stopping);
}

static void loop(struct drive *d)
{
    while (!is_over(d) && d->interrupts < 2) {
        int64_t next = alarms_next(&d->alarms);
        bool due = next != ALARM_NEVER && next <= clock_mono_us();
        if (!due)
            arm(d);
        event_base_loop(d->base, due ? EVLOOP_ONCE | EVLOOP_NONBLOCK : EVLOOP_ONCE);
        int64_t now = drive_now(d);
        if (alarms_next(&d->alarms) <= now) {
            d->armed_us = 0;
            alarms_turn(&d->alarms, now);
        }
        int64_t turn = clock_mono_us() - d->env.turn;
        if (turn >= US_PER_MS)
            verdict_turn(d->verdict, turn);
        flow_env_reap(&d->env);
        if (!d->stopping && d->env.now >= d->end_us) {
            stop(d, NULL);
            d->last_us = d->env.now + d->conf.timeout_us;
        }
        if (d->stopping && d->env.now >= d->last_us)
            break;
    }
}

// What is still under way ends.
static void end_all(struct drive *d)
{
    const char *why = d->stopped ? d->stopped : "the run was over";
    d->stopping = true;
    for (struct session *s; (s = d->live);) {
        connection_close(s->c, RESULT_CLOSED, why);
        drive_session_over(s);
    }
}

// ---- setting up

static int set_up_loop(struct drive *d)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};
    struct event_config *c = event_config_new();
    struct timeval tick = {.tv_usec = WHEEL_TICK_US};
    if (!c)
        return E_NOMEM;
    event_config_set_flag(c, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_PRECISE_TIMER);
    d->base = event_base_new_with_config(c);
    event_config_free(c);
    if (!d->base)
        return E_NOMEM;
    d->timer = event_new(d->base, -1, 0, on_timer, d);
    d->tick = event_new(d->base, -1, EV_PERSIST, on_tick, d);
    if (!d->timer || !d->tick || event_add(d->tick, &tick))
        return E_NOMEM;
    for (size_t i = 0; i < 3; i++) {
        d->signals[i] = evsignal_new(d->base, numbers[i], on_signal, d);
        if (!d->signals[i] || event_add(d->signals[i], NULL))
            return E_NOMEM;
    }
    return 0;
}

// As many descriptors as there may be connections.
static void take_files(struct drive *d)
{
    struct rlimit files;
    d->most = DRIVE_CONNECTIONS_MAX;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    rlim_t wanted = DRIVE_CONNECTIONS_MAX + FILES_MORE;
    if (files.rlim_cur < wanted) {
        files.rlim_cur = files.rlim_max < wanted ? files.rlim_max : wanted;
        (void)setrlimit(RLIMIT_NOFILE, &files);
    }
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < wanted)
        d->most = files.rlim_cur > 2 * FILES_MORE ? files.rlim_cur - FILES_MORE : FILES_MORE;
}

// Whether the capture takes no more for now; when it does again, who waits is told.
static bool is_full(void *arg)
{
    struct drive *d = arg;
    if (!keep_is_full(d->keep))
        return false;
    if (!alarm_is_set(&d->stall))
        alarm_set(&d->alarms, &d->stall, d->env.now + DRIVE_POLL_US);
    return true;
}

static void on_stall(struct alarm *a)
{
    struct drive *d = (struct drive *)(void *)((char *)a - offsetof(struct drive, stall));
    if (is_full(d))
        return;
    for (struct session *s = d->live, *after; s; s = after) {
        after = s->after;
        connection_resume(s->c);
    }
}

static int set_up_capture(struct drive *d)
{
    struct sink *next = NULL;
    if (d->conf.capture_it) {
        struct keep_conf conf = {.file = d->conf.file,
                                 .settings = d->conf.settings,
                                 .redact = d->conf.redact,
                                 .base = d->base,
                                 .env = &d->env,
                                 .memory = d->conf.memory,
                                 .max_body = d->conf.max_body};
        d->keep = keep_new(&conf);
        if (!d->keep)
            return CLI_FAILED;
        next = d->env.sinks->tap.sink;
    }
    hear_init(&d->hear, next);
    d->taps = (struct tap_env){
        .sink = &d->hear.sink, .stats = &d->stats, .used = &d->held, .max = d->conf.memory / 4};
    return CLI_OK;
}

static int tell_redacted(void *arg, const char *place, uint64_t requests, int64_t example,
                         bool mended)
{
    char id[FIELDS_ID];
    (void)arg;
    if (!mended)
        cli_error("%s was redacted in %llu requests (%s among them), which go as they were kept; "
                  "--rewrite can set it",
                  place, (unsigned long long)requests, fields_id(example, id));
    return 0;
}

static int set_up_rewriting(struct drive *d)
{
    char why[WHY_MAX];
    struct rewrite_setup setup = {.rules = d->conf.rewrite,
                                  .edges = d->conf.edges,
                                  .capture = d->conf.capture,
                                  .no_cookies = !d->conf.cookies,
                                  .recorded_us = d->conf.plan->started_us,
                                  .now_us = clock_wall_us()};
    if (rewrite_begin(&d->rewriting, &setup, why)) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    if (!d->conf.quiet &&
        rewrite_redacted(d->rewriting, d->conf.capture, d->conf.filter, tell_redacted, NULL)) {
        cli_error("%s", err_text(E_NOMEM));
        return CLI_FAILED;
    }
    if (!rewrite_active(d->rewriting)) {
        rewrite_end(d->rewriting);
        d->rewriting = NULL;
    }
    return CLI_OK;
}

static int set_up(struct drive *d)
{
    const struct drive_conf *c = &d->conf;
    struct materials_conf materials = {.capture = c->capture,
                                       .plan = c->plan,
                                       .targets = c->targets,
                                       .keep_host = c->keep_host,
                                       .most = c->memory / 2};
    buf_init(&d->content, REWRITE_CONTENT_MAX);
    d->exchanges.most = c->memory / 2;
    int e = flow_env_init(&d->env, clock_mono_us, clock_wall_us());
    e = e ? e : flow_env_secure(&d->env, NULL);
    e = e ? e : set_up_loop(d);
    if (e) {
        cli_error("%s", err_text(e));
        return CLI_FAILED;
    }
    d->env.base = d->base;
    d->env.stats = &d->stats;
    take_files(d);
    d->materials = materials_new(&materials);
    int code = d->materials ? set_up_rewriting(d) : CLI_FAILED;
    if (code)
        return code;
    judge_init(&d->judge, d->materials, c->rules, c->max_decoded);
    code = set_up_capture(d);
    d->connections = (struct connections){
        .base = d->base,
        .env = &d->env,
        .alarms = &d->alarms,
        .exchanges = &d->exchanges,
        .materials = d->materials,
        .tap = &d->taps,
        .tls = c->tls,
        .verify = c->verify,
        .connect_us = c->connect_us,
        .timeout_us = c->timeout_us,
        .answer_us = c->answer_us,
        .pace = c->schedule.kind == SCHEDULE_RECORDED ? c->schedule.speed : 0,
        .ops = &drive_events,
        .full = d->keep ? is_full : NULL,
        .arg = d,
    };
    d->stall.fire = on_stall;
    if (alarms_reserve(&d->alarms, 64))
        code = CLI_FAILED;
    return code;
}

static void tear_down(struct drive *d)
{
    connections_clear(&d->connections);
    hear_clear(&d->hear);
    exchanges_clear(&d->exchanges);
    judge_clear(&d->judge);
    rewrite_end(d->rewriting);
    materials_free(d->materials);
    keep_free(d->keep);
    alarms_clear(&d->alarms);
    buf_clear(&d->content);
    for (struct session *s; (s = d->spare);) {
        d->spare = s->next;
        free(s);
    }
    flow_env_clear(&d->env);
    struct event *all[] = {d->timer, d->tick, d->signals[0], d->signals[1], d->signals[2]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i])
            event_free(all[i]);
    if (d->base)
        event_base_free(d->base);
}

// How many requests there are to be, and until when.
static void set_limits(struct drive *d)
{
    const struct drive_conf *c = &d->conf;
    const struct plan *p = c->plan;
    uint64_t n = c->times ? (uint64_t)c->times * p->n : UINT64_MAX;
    if (c->schedule.kind == SCHEDULE_RATE && schedule_count(&c->schedule) < n)
        n = schedule_count(&c->schedule);
    d->requests = n;
    d->end_us = c->for_us ? d->start_us + c->for_us : ALARM_NEVER;
    d->round_us = schedule_span(&c->schedule, p->length_us + p->length_us / (int64_t)p->n) + 1;
    if (n != UINT64_MAX && !c->for_us)
        verdict_planned(d->verdict, n);
}

// What rules and carried values came to.
static void tell_rewriting(const struct drive *d, struct drive_sums *sums)
{
    size_t i = 0;
    if (!d->rewriting)
        return;
    sums->missing = rewrite_sums(d->rewriting)->missing;
    for (const char *rule; !d->conf.quiet && (rule = rewrite_unused(d->rewriting, &i)) != NULL;)
        cli_error("%s: it has changed nothing", rule);
}

static int begin(struct drive *d)
{
    d->verdict = verdict_new(clock_wall_us());
    if (d->verdict) {
        d->start_us = drive_now(d);
        set_limits(d);
        if (drive_way(d)->begin(d) == 0)
            return CLI_OK;
        drive_way(d)->end(d);
    }
    cli_error("out of memory");
    return CLI_FAILED;
}

int drive_run(const struct drive_conf *conf, struct verdict **out, struct drive_sums *sums)
{
    struct drive *d = calloc(1, sizeof *d);
    *out = NULL;
    *sums = (struct drive_sums){0};
    if (!d) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    d->conf = *conf;
    int code = set_up(d);
    code = code ? code : begin(d);
    if (!code) {
        loop(d);
        end_all(d);
        sums->length_us = drive_now(d) - d->start_us;
        if (conf->progress)
            fputs("\r\033[K", stderr);
        sums->all_said = d->all_out && !d->stopped;
        sums->reconnects = d->reconnects;
        sums->retries = d->retries;
        tell_rewriting(d, sums);
        verdict_end(d->verdict, sums->length_us, d->stopped);
        drive_way(d)->end(d);
        if (d->keep) {
            snprintf(sums->file, sizeof sums->file, "%s", keep_file(d->keep));
            sums->lost = keep_finish(d->keep, hurries, d);
        }
    }
    *out = code ? NULL : d->verdict;
    if (code)
        verdict_free(d->verdict);
    tear_down(d);
    free(d);
    return code;
}
