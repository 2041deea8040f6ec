// capture: assembles the row of sinks, replaces parts of it while flows go on, drains it.
//
//   1. A tap goes on under the rules of redaction that it began with; they live until their last
//      tap is closed. All of them draw on one budget.
//   2. A journal that an earlier run with more workers left behind is sent by worker 0, and goes
//      when everything in it is acknowledged.
#include "proxy/capture.h"

#include "proto/filter.h"
#include "proxy/emit/emitter.h"
#include "proxy/emit/redact.h"
#include "proxy/spool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FAREWELL_US (5 * US_PER_S) // for a journal that is empty already

struct rules {
    struct flow_sinks sinks; // first
    struct redact *redact;
    struct sink *hooked; // NULL: taps lead to redact itself
    struct rules *older;
};

// A journal of an earlier run, with its own link.
struct left {
    struct left *next;
    struct capture *capture;
    struct journal *journal;
    struct link *link;
    struct stats stats;
    bool finishing, finished;
};

struct capture {
    struct capture_conf conf;
    struct proxy_settings settings;
    struct journal *journal;
    struct emitter *emitter;
    struct filter *filter;
    struct rules *rules; // the present ones, then older ones that taps still use
    char *rules_text;
    size_t held; // by taps and redaction, under whichever rules
    struct link *link;
    struct left *left;
    unsigned unfinished; // links that have not said farewell
    void (*done)(void *arg);
    void *done_arg;
};

static void on_append(void *arg)
{
    struct capture *c = arg;
    link_kick(c->link);
}

static void on_room(void *arg)
{
    struct capture *c = arg;
    emitter_catch_up(c->emitter);
    if (c->conf.env->stalled && !emitter_blocked(c->emitter)) {
        flow_env_touch(c->conf.env);
        flow_env_resume(c->conf.env);
    }
}

static void on_file(void *arg, uint64_t file)
{
    struct capture *c = arg;
    emitter_set_file(c->emitter, file);
}

static bool more_comes(void *arg)
{
    struct capture *c = arg;
    return emitter_waits(c->emitter);
}

static void no_room(void *arg)
{
    (void)arg;
}

static bool is_blocked(void *arg)
{
    return emitter_blocked(arg);
}

static void one_finished(struct capture *c)
{
    if (c->unfinished > 0 && --c->unfinished == 0)
        c->done(c->done_arg);
}

static void on_link_finished(void *arg, bool clean)
{
    struct capture *c = arg;
    if (!clean)
        log_warn("records are not acknowledged worker=%u kept=%s", c->conf.worker,
                 c->settings.spool_dir ? c->settings.spool_dir : "no");
    one_finished(c);
}

static void on_left_finished(void *arg, bool clean)
{
    struct left *l = arg;
    (void)clean;
    l->finished = true;
    one_finished(l->capture);
}

static void left_free(struct left *l)
{
    if (l->link)
        link_free(l->link);
    if (l->journal)
        journal_close(l->journal);
    free(l);
}

// Those that nothing is left in are closed, which removes them.
static void look_at_left(struct capture *c)
{
    for (struct left **at = &c->left; *at;) {
        struct left *l = *at;
        struct journal_facts facts;
        journal_facts(l->journal, &facts);
        if (l->finished && !c->done) {
            *at = l->next;
            left_free(l);
            continue;
        }
        if (!l->finishing && facts.used == 0) {
            l->finishing = true;
            link_finish(l->link, c->conf.env->now + FAREWELL_US, on_left_finished, l);
        }
        at = &l->next;
    }
}

static void rules_free(struct capture *c, struct rules *r)
{
    if (r->hooked)
        c->conf.hook->unsink(c->conf.part, r->hooked);
    redact_free(r->redact);
    free(r);
}

static void tidy_rules(struct capture *c)
{
    for (struct rules **at = &c->rules->older; *at;) {
        struct rules *r = *at;
        if (r->sinks.users > 0) {
            at = &r->older;
            continue;
        }
        *at = r->older;
        rules_free(c, r);
    }
}

void capture_tick(struct capture *c)
{
    emitter_tick(c->emitter, flow_env_wall(c->conf.env));
    on_room(c);
    tidy_rules(c);
    look_at_left(c);
}

static struct rules *rules_new(struct capture *c, const char *text, char why[WHY_MAX])
{
    struct rules *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(why, WHY_MAX, "out of memory");
        return NULL;
    }
    r->redact = redact_new(text, c->settings.redact_key, emitter_sink(c->emitter), why);
    if (!r->redact) {
        free(r);
        return NULL;
    }
    r->sinks.tap = (struct tap_env){
        .sink = redact_sink(r->redact),
        .stats = c->conf.stats,
        .used = &c->held,
        .max = c->settings.memory / c->settings.workers / 4,
    };
    redact_bound(r->redact, &c->held, r->sinks.tap.max, c->conf.stats);
    if (!c->conf.hook)
        return r;
    r->hooked = r->sinks.tap.sink = c->conf.hook->sink(c->conf.part, r->sinks.tap.sink);
    if (r->hooked)
        return r;
    snprintf(why, WHY_MAX, "out of memory");
    rules_free(c, r);
    return NULL;
}

// Judged when the settings were made, as the rules of redaction are; what is left to go wrong is
// memory.
static int filter_from(const char *text, struct filter **out)
{
    char why[WHY_MAX];
    size_t column;
    *out = NULL;
    return text ? filter_parse(view_of(text), clock_wall_us(), out, &column, why) : 0;
}

void capture_apply(struct capture *c, uint64_t max_body, const char *filter, const char *redact)
{
    char why[WHY_MAX];
    struct filter *f;
    emitter_set_max_body(c->emitter, max_body);
    if (filter_from(filter, &f) == 0) {
        emitter_set_filter(c->emitter, f);
        filter_free(c->filter);
        c->filter = f;
    } else {
        log_error("the capture filter stays as it was worker=%u", c->conf.worker);
    }
    if (strcmp(c->rules_text, redact) == 0)
        return;
    char *text = strdup(redact);
    struct rules *r = text ? rules_new(c, redact, why) : NULL;
    if (!r) {
        log_error("the rules of redaction stay as they were worker=%u reason=\"%s\"",
                  c->conf.worker, text ? why : err_text(E_NOMEM));
        free(text);
        return;
    }
    r->older = c->rules;
    c->rules = r;
    c->conf.env->sinks = &r->sinks;
    free(c->rules_text);
    c->rules_text = text;
}

void capture_finish(struct capture *c, int64_t finish_us, void (*done)(void *arg), void *arg)
{
    c->done = done;
    c->done_arg = arg;
    emitter_finish(c->emitter);
    c->unfinished = 1;
    for (struct left *l = c->left; l; l = l->next) {
        if (l->finished)
            continue;
        c->unfinished++;
        if (!l->finishing) {
            l->finishing = true;
            link_finish(l->link, finish_us, on_left_finished, l);
        }
    }
    link_finish(c->link, finish_us, on_link_finished, c);
}

static struct link *make_link(struct capture *c, struct journal *j, struct stats *stats,
                              void (*room)(void *arg), bool (*more)(void *arg), char why[WHY_MAX])
{
    struct link_conf conf = {.recorder = c->settings.recorder,
                             .identity = c->conf.identity,
                             .on_room = room,
                             .on_file = j == c->journal ? on_file : NULL,
                             .more = more,
                             .arg = c};
    return link_new(c->conf.base, j, stats, &conf, why);
}

static int open_journal(const struct capture *c, unsigned n, struct journal **out,
                        char why[WHY_MAX])
{
    const struct proxy_settings *s = &c->settings;
    char path[SPOOL_PATH];
    uint64_t size = s->spool_size / s->workers;
    char said[WHY_MAX] = "";
    int e = journal_open(out, s->spool_dir ? spool_path(s->spool_dir, n, path) : NULL,
                         size < JOURNAL_MIN ? JOURNAL_MIN : size, clock_wall_us(), said);
    if (e)
        snprintf(why, WHY_MAX, "%s", said[0] ? said : err_text(e));
    else if (said[0])
        log_warn("journal not taken over worker=%u reason=\"%s\"", n, said);
    if (e == 0 && geteuid() == 0 && s->user != 0 && journal_give(*out, s->user))
        log_warn("journal stays root's path=%s reason=\"%s\"", path, strerror(errno));
    return e;
}

static int take_left(struct capture *c, char why[WHY_MAX])
{
    unsigned numbers[SPOOL_LEFT_MAX];
    if (c->conf.worker != 0 || !c->settings.spool_dir)
        return 0;
    size_t count = spool_left(c->settings.spool_dir, c->settings.workers, numbers);
    for (size_t i = 0; i < count; i++) {
        struct left *l = calloc(1, sizeof *l);
        if (!l)
            return E_NOMEM;
        l->capture = c;
        l->next = c->left;
        c->left = l;
        int e = open_journal(c, numbers[i], &l->journal, why);
        if (e)
            return e;
        l->link = make_link(c, l->journal, &l->stats, no_room, NULL, why);
        if (!l->link)
            return E_NOMEM;
        log_info("journal of an earlier run is sent journal=%u", numbers[i]);
    }
    return 0;
}

static int set_up(struct capture *c, char why[WHY_MAX])
{
    const struct proxy_settings *s = &c->settings;
    int e = open_journal(c, c->conf.worker, &c->journal, why);
    e = e ? e : filter_from(s->filter, &c->filter);
    if (e)
        return e;
    struct emitter_conf conf = {
        .max_body = s->max_body,
        .block = s->block,
        .budget = s->memory / s->workers / 4 * 3,
        .filter = c->filter,
        .identity = c->conf.identity,
        .on_append = on_append,
        .arg = c,
    };
    c->emitter = emitter_new(&conf, c->journal, c->conf.stats, clock_wall_us());
    c->rules_text = strdup(s->redact);
    if (!c->emitter || !c->rules_text)
        return E_NOMEM;
    c->link = make_link(c, c->journal, c->conf.stats, on_room, more_comes, why);
    c->rules = c->link ? rules_new(c, s->redact, why) : NULL;
    return c->rules ? take_left(c, why) : E_NOMEM;
}

struct capture *capture_new(const struct capture_conf *conf, char why[WHY_MAX])
{
    struct capture *c = calloc(1, sizeof *c);
    snprintf(why, WHY_MAX, "out of memory");
    if (!c)
        return NULL;
    c->conf = *conf;
    c->settings = *conf->settings;
    if (set_up(c, why)) {
        (void)capture_free(c);
        return NULL;
    }
    conf->env->sinks = &c->rules->sinks;
    if (c->settings.block) {
        conf->env->blocked = is_blocked;
        conf->env->blocked_arg = c->emitter;
    }
    return c;
}

// To be asked when the emitter has said its last.
static uint64_t given_up(const struct capture *c)
{
    struct journal_facts facts;
    if (!c->journal || c->settings.spool_dir)
        return 0;
    journal_facts(c->journal, &facts);
    return facts.used > 0 ? facts.next_seq - facts.first_seq : 0;
}

uint64_t capture_free(struct capture *c)
{
    if (!c)
        return 0;
    if (c->link)
        link_free(c->link);
    for (struct left *l; (l = c->left);) {
        c->left = l->next;
        left_free(l);
    }
    for (struct rules *r; (r = c->rules);) {
        c->rules = r->older;
        rules_free(c, r);
    }
    uint64_t lost = emitter_free(c->emitter);
    lost += given_up(c);
    if (c->journal)
        journal_close(c->journal);
    filter_free(c->filter);
    free(c->rules_text);
    free(c);
    return lost;
}
