// sending: exchanges and sessions: taken from the plan, rewritten, sent, judged, told.
#include "tools/replay/drive_in.h"

#include <stdio.h>
#include <stdlib.h>

const struct way *drive_way(const struct drive *d)
{
    return d->conf.connections ? &way_pool : &way_recorded;
}

int64_t drive_now(struct drive *d)
{
    return flow_env_touch(&d->env);
}

bool drive_may_begin(const struct drive *d)
{
    return !d->stopping && d->env.now < d->end_us;
}

// ---- telling

static void subject(const struct drive *d, const struct exchange *x, struct rewrite_subject *out)
{
    const struct material *m = x->material;
    const struct plan_item *t = &d->conf.plan->items[x->item];
    *out = (struct rewrite_subject){.id = m->id,
                                    .run = x->round,
                                    .client = d->conf.plan->flows[t->flow].client,
                                    .about = {m->method, m->host, m->path}};
}

static int64_t since(const struct drive *d, int64_t us)
{
    return us < 0 ? -1 : us > d->start_us ? us - d->start_us : 0;
}

// found: what differs; NULL: nothing was compared.
static void tell(struct drive *d, const struct exchange *x, const struct differences *found)
{
    const struct plan_item *t = &d->conf.plan->items[x->item];
    const struct plan_flow *f = &d->conf.plan->flows[t->flow];
    const struct material *m = x->material;
    struct result r = {
        .original = t->id,
        .file = d->conf.capture->paths[t->file],
        .service = view_of(d->conf.plan->services[f->service].name),
        .kind = x->kind,
        .reason = x->reason,
        .planned_us = since(d, x->planned_us),
        .ready_us = since(d, x->ready_us),
        .sent_us = since(d, x->sent_us),
        .first_us = since(d, x->first_us),
        .end_us = since(d, x->end_us),
        .recorded_us = -1,
        .status = x->heard ? x->status : 0,
        .sent_bytes = x->sent_bytes,
        .received_bytes = x->received_bytes,
        .found = found,
    };
    if (m) {
        r.protocol = m->protocol;
        r.method = m->method;
        r.host = m->host;
        r.path = m->path;
        r.query = m->query;
        r.recorded_us = m->latency_us;
        r.recorded_status = m->status;
    }
    d->told++;
    verdict_add(d->verdict, &r);
}

// An answer has come, or a part of it, or none where none was recorded: a word for the capture.
static const char *judge_it(struct drive *d, struct exchange *x)
{
    struct rewrite_subject s;
    enum judge_halves wanted = JUDGE_NONE;
    if (d->rewriting) {
        subject(d, x, &s);
        wanted = rewrite_wants_answer(d->rewriting, &s) ? JUDGE_CONTENTS : JUDGE_HEADS;
    }
    const struct differences *found = judge_answer(&d->judge, x, wanted);
    if (d->rewriting) {
        if (!x->heard || !found)
            rewrite_unanswered(d->rewriting, &s);
        else if (rewrite_answered(d->rewriting, &s, clock_wall_us(), &d->judge.recorded,
                                  &d->judge.live))
            rewrite_unanswered(d->rewriting, &s);
    }
    x->told = true;
    tell(d, x, found);
    return !found ? "not compared" : found->total == 0 ? "equal" : "differs";
}

static bool as_recorded(const struct exchange *x)
{
    const struct material *m = x->material;
    return x->heard ? x->over && (!x->cut || m->answer_cut) : !m->answered;
}

// A kept connection may be closed just as a request goes out on it: any client sends it once more.
static bool goes_again(const struct drive *d, const struct connection *c, const struct exchange *x)
{
    return x->kind == RESULT_CLOSED && !x->heard && x->received_bytes == 0 && c->served > 0 &&
           !x->retried && !d->stopping && x->material->kind == PLAN_HTTP && x->material->answered &&
           !x->material->cut;
}

static const char *outcome(struct connection *c, struct exchange *x)
{
    struct drive *d = ((struct session *)c->owner)->d;
    static const char *const words[RESULT_KINDS] = {
        [RESULT_ANSWERED] = "not compared", [RESULT_CLOSED] = "closed",
        [RESULT_TIMEOUT] = "timeout",       [RESULT_REFUSED] = "refused",
        [RESULT_GARBAGE] = "garbage",       [RESULT_UNSENT] = "unsent"};
    if (x->told)
        return words[x->kind];
    if (x->kind == RESULT_ANSWERED || (as_recorded(x) && x->kind != RESULT_GARBAGE))
        return judge_it(d, x);
    return goes_again(d, c, x) ? LOAD_SENT_AGAIN : words[x->kind];
}

// Its end, when nobody was told yet; frees it.
static void finish(struct drive *d, struct exchange *x)
{
    struct rewrite_subject s;
    if (!x->told && x->material &&
        (x->kind == RESULT_ANSWERED || (x->sent_us >= 0 && as_recorded(x) &&
                                        (x->kind == RESULT_CLOSED || x->kind == RESULT_TIMEOUT))))
        (void)judge_it(d, x);
    if (!x->told) {
        if (d->rewriting && x->material) {
            subject(d, x, &s);
            rewrite_unanswered(d->rewriting, &s);
        }
        tell(d, x, NULL);
    }
    if (x->material)
        material_leave(d->materials, x->material);
    exchange_free(&d->exchanges, x);
}

void drive_drop(struct drive *d, struct exchange *x, enum result_kind kind, const char *reason)
{
    x->kind = kind;
    x->reason = reason;
    finish(d, x);
}

void drive_forget(struct drive *d, struct exchange *x)
{
    if (!x)
        return;
    x->told = true;
    finish(d, x);
}

// ---- requests

struct exchange *drive_take(struct drive *d, uint32_t item, uint32_t round, int64_t planned_us)
{
    struct exchange *x = exchange_new(&d->exchanges);
    if (!x) {
        d->stopped = "out of memory";
        d->stopping = true;
        return NULL;
    }
    x->item = item;
    x->round = round;
    x->planned_us = planned_us;
    x->material = material_take(d->materials, item);
    if (x->material && !x->material->unsendable)
        return x;
    x->ready_us = d->env.now > planned_us ? d->env.now : planned_us;
    drive_drop(d, x, RESULT_UNSENT,
               x->material ? x->material->unsendable : "the recording cannot be read");
    return NULL;
}

static int take_piece(struct store_reader *r, struct buf *out)
{
    struct view piece;
    int e;
    while ((e = store_reader_next(r, &piece)) == 1)
        if ((e = buf_add_view(out, piece)) != 0)
            return e;
    return e;
}

// The request as rules and live values have it. NULL, or why it cannot be.
static const char *rewrite_it(struct drive *d, struct exchange *x)
{
    const struct material *m = x->material;
    struct rewrite_subject s;
    struct view content = m->content;
    char why[WHY_MAX];
    subject(d, x, &s);
    buf_reset(&d->content);
    if (!m->held && m->size <= REWRITE_CONTENT_MAX && rewrite_wants_content(d->rewriting, &s)) {
        struct store_reader *r = material_reader(d->materials, m);
        int e = r ? take_piece(r, &d->content) : E_DAMAGED;
        store_reader_close(r);
        if (e)
            return "its content cannot be read";
        content = buf_view(&d->content);
    }
    buf_reset(&x->head);
    buf_reset(&x->content);
    int did = rewrite_request(d->rewriting, &s, clock_wall_us(), m->head, content, &x->head,
                              &x->content, why);
    if (did < 0) {
        snprintf(x->note, sizeof x->note, "%.*s", (int)sizeof x->note - 1, why);
        return x->note;
    }
    x->rewritten = did != 0;
    x->new_content = did & REWRITE_CONTENT;
    if (did && !(did & REWRITE_HEAD) && buf_add_view(&x->head, m->head))
        return "out of memory";
    return NULL;
}

// Whether the values that it carries have come, or are waited for no longer.
static bool is_ready(struct session *s)
{
    struct drive *d = s->d;
    struct rewrite_subject subject_of;
    if (!d->rewriting || s->x->material->kind != PLAN_HTTP)
        return true;
    subject(d, s->x, &subject_of);
    if (rewrite_ready(d->rewriting, &subject_of))
        return true;
    if (s->waits_us == 0)
        s->waits_us = d->env.now;
    return d->env.now - s->waits_us >= DRIVE_CARRIED_US;
}

static int wait_a_bit(struct session *s)
{
    alarm_set(&s->d->alarms, &s->alarm, s->d->env.now + DRIVE_POLL_US);
    return 0;
}

// How long an answer is waited for that the recording has not.
static int64_t patience(const struct drive *d, const struct exchange *x)
{
    const struct plan_item *t = &d->conf.plan->items[x->item];
    if (t->answered)
        return 0;
    int64_t rest = d->conf.plan->flows[t->flow].closed_us - t->sent_us;
    return schedule_span(&d->conf.schedule, rest) + DRIVE_LAST_US;
}

int drive_send(struct session *s)
{
    struct drive *d = s->d;
    struct exchange *x = s->x;
    char why[WHY_MAX] = "";
    if (!is_ready(s) || (d->keep && keep_is_full(d->keep)))
        return wait_a_bit(s);
    if (s->waits_us) { // what came meanwhile is not ours
        s->able_us = d->env.now;
        s->waits_us = 0;
    }
    x->ready_us = s->able_us > x->planned_us ? s->able_us : x->planned_us;
    s->x = NULL;
    const char *bad = NULL;
    if (d->rewriting && x->material->kind == PLAN_HTTP && !x->retried)
        bad = rewrite_it(d, x);
    x->patience_us = patience(d, x);
    if (!bad && connection_send(s->c, x, why)) {
        snprintf(x->note, sizeof x->note, "%.*s", (int)sizeof x->note - 1, why);
        bad = x->note;
    }
    if (bad) {
        x->sent_us = -1;
        drive_drop(d, x, RESULT_UNSENT, bad);
    }
    return 1;
}

// ---- sessions

static void on_session(struct alarm *a)
{
    struct session *s = (struct session *)(void *)a;
    drive_now(s->d);
    drive_way(s->d)->step(s);
}

struct session *drive_session(struct drive *d)
{
    struct session *s = d->spare;
    if (d->sessions >= d->most)
        return NULL;
    if (s)
        d->spare = s->next;
    else if (!(s = malloc(sizeof *s)))
        return NULL;
    *s = (struct session){.alarm = {.fire = on_session}, .d = d, .after = d->live};
    s->again_end = &s->again;
    s->c = connection_new(&d->connections);
    if (!s->c || alarms_reserve(&d->alarms, 2 * (d->sessions + 1) + 64)) {
        if (s->c)
            connection_free(s->c);
        s->next = d->spare;
        d->spare = s;
        return NULL;
    }
    s->c->owner = s;
    if (d->live)
        d->live->before = s;
    d->live = s;
    d->sessions++;
    return s;
}

void drive_session_over(struct session *s)
{
    struct drive *d = s->d;
    alarm_unset(&d->alarms, &s->alarm);
    for (struct exchange *x; (x = s->again);) {
        s->again = x->next;
        drive_drop(d, x, RESULT_CLOSED, "the connection was closed");
    }
    drive_forget(d, s->x);
    connection_free(s->c);
    if (s->before)
        s->before->after = s->after;
    else
        d->live = s->after;
    if (s->after)
        s->after->before = s->before;
    d->sessions--;
    s->next = d->spare;
    d->spare = s;
}

void drive_open(struct session *s, uint32_t service, bool raw, bool inbound)
{
    struct drive *d = s->d;
    const char *sni = d->conf.plan->services[service].sni;
    connection_open(s->c, &d->conf.targets->items[service], d->conf.keep_host && *sni ? sni : NULL,
                    raw, inbound);
}

static void on_opened(struct connection *c)
{
    struct session *s = c->owner;
    s->able_us = s->d->env.now;
    drive_way(s->d)->step(s);
}

static void on_moved(struct connection *c)
{
    struct session *s = c->owner;
    drive_way(s->d)->step(s);
}

static void on_closed(struct connection *c, const char *failed)
{
    struct session *s = c->owner;
    s->able_us = s->d->env.now;
    drive_way(s->d)->closed(s, failed);
}

static void on_answered(struct connection *c, struct exchange *x)
{
    struct session *s = c->owner;
    struct drive *d = s->d;
    s->over_us = s->able_us = d->env.now;
    if (goes_again(d, c, x)) {
        exchange_again(&d->exchanges, x);
        x->retried = true;
        d->retries++;
        *s->again_end = x;
        s->again_end = &x->next;
        return;
    }
    finish(d, x);
    drive_way(d)->answered(s);
}

static void on_unasked(struct connection *c)
{
    verdict_unasked(((struct session *)c->owner)->d->verdict, 1);
}

const struct connection_ops drive_events = {.opened = on_opened,
                                            .answered = on_answered,
                                            .moved = on_moved,
                                            .closed = on_closed,
                                            .outcome = outcome,
                                            .unasked = on_unasked};
