// verdict: a result is counted for the run, its service and its endpoint.
//
// invariants
// 1. told = equal + different + missing + uncompared + unsent, in each group.
// 2. The sums of all endpoints (the others among them, and the spare one) are those of the run.
// 3. Nothing here allocates for a result whose endpoint, differences and cause are known.
#include "proto/base/clamp.h"
#include "proto/base/fnv.h"
#include "schema/route.h"
#include "tools/report/mend.h"
#include "tools/report/sums.h"

#include <stdio.h>
#include <stdlib.h>

#define SLOTS (sizeof((struct verdict *)0)->endpoint_slots / sizeof(uint16_t))

const char *const result_kinds[RESULT_KINDS] = {
    "answered", "closed", "timeout", "refused", "garbage", "unsent",
};
const char *const result_sentences[RESULT_KINDS] = {
    "answered",      "closed before the answer", "no answer in time",
    "no connection", "an unreadable answer",     "not sent",
};

struct verdict *verdict_new(int64_t started_us)
{
    struct verdict *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->started_us = started_us;
    v->all.service = v->all.name = (char *)"";
    v->spare.service = v->spare.name = (char *)"";
    series_init(&v->series);
    return v;
}

static void group_free(struct sums_group *g)
{
    if (!g)
        return;
    free(g->service);
    free(g->name);
    free(g);
}

void verdict_free(struct verdict *v)
{
    if (!v)
        return;
    gather_clear(v);
    for (size_t i = 0; i <= VERDICT_SERVICES; i++)
        group_free(v->services[i]);
    for (size_t i = 0; i <= VERDICT_ENDPOINTS; i++)
        group_free(v->endpoints[i]);
    for (size_t i = 0; i < v->causes_n; i++)
        free(v->causes[i].reason);
    for (size_t i = 0; i < v->settings_n; i++) {
        free(v->settings[i].name);
        free(v->settings[i].value);
    }
    free(v);
}

void verdict_setting(struct verdict *v, const char *name, struct view value)
{
    char text[1024];
    if (v->settings_n == VERDICT_SETTINGS)
        return;
    mend(value, text, sizeof text);
    struct sums_setting *s = &v->settings[v->settings_n];
    *s = (struct sums_setting){strdup(name), strdup(text)};
    if (s->name && s->value) {
        v->settings_n++;
        return;
    }
    free(s->name);
    free(s->value);
}

void verdict_planned(struct verdict *v, uint64_t requests)
{
    v->planned = requests;
}

// ---- groups

static struct sums_group *group_new(const char *service, const char *name)
{
    struct sums_group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->service = strdup(service);
    g->name = strdup(name);
    if (g->service && g->name)
        return g;
    group_free(g);
    return NULL;
}

// The one behind the last, for all that there is no place for; the spare one without memory.
static struct sums_group *others(struct verdict *v, struct sums_group **place)
{
    if (!*place)
        *place = group_new("", "(others)");
    return *place ? *place : &v->spare;
}

static struct sums_group *service_of(struct verdict *v, const char *name)
{
    for (size_t i = 0; i < v->services_n; i++)
        if (strcmp(v->services[i]->name, name) == 0)
            return v->services[i];
    if (v->services_n == VERDICT_SERVICES)
        return others(v, &v->services[VERDICT_SERVICES]);
    struct sums_group *g = group_new(name, name);
    if (!g)
        return &v->spare;
    return v->services[v->services_n++] = g;
}

static struct sums_group *endpoint_of(struct verdict *v, const char *service, const char *name)
{
    uint64_t hash = fnv_more(FNV_START, service, strlen(service) + 1);
    size_t at = fnv_fold(fnv_more(hash, name, strlen(name))) & (SLOTS - 1);
    for (; v->endpoint_slots[at]; at = (at + 1) & (SLOTS - 1)) {
        struct sums_group *g = v->endpoints[v->endpoint_slots[at] - 1];
        if (strcmp(g->service, service) == 0 && strcmp(g->name, name) == 0)
            return g;
    }
    if (v->endpoints_n == VERDICT_ENDPOINTS)
        return others(v, &v->endpoints[VERDICT_ENDPOINTS]);
    struct sums_group *g = group_new(service, name);
    if (!g)
        return &v->spare;
    v->endpoints[v->endpoints_n++] = g;
    v->endpoint_slots[at] = (uint16_t)v->endpoints_n;
    return g;
}

// "GET /items/{id}"; of a protocol without methods "raw api:6379".
static void name_of(const struct result *r, char out[SUMS_NAME])
{
    char route[4096];
    struct buf b = {.p = route, .cap = sizeof route, .max = sizeof route};
    struct view path = r->path, first = r->method.n ? r->method : r->protocol;
    if (path.n < sizeof route)
        route_of(path, &b);
    if (buf_len(&b) > 0)
        path = buf_view(&b);
    if (r->path.n == 0 && r->method.n == 0)
        path = r->host;
    size_t n = mend(view_head(first, 64), out, SUMS_NAME / 2);
    out[n++] = ' ';
    mend(path, out + n, SUMS_NAME - n);
}

// ---- counting

enum outcome { EQUAL, DIFFERENT, MISSING, UNCOMPARED, UNSENT };

static enum outcome outcome_of(const struct result *r)
{
    if (r->kind == RESULT_UNSENT)
        return UNSENT;
    if (r->found && r->found->total == 0)
        return EQUAL;
    if (r->kind != RESULT_ANSWERED)
        return MISSING;
    return r->found ? DIFFERENT : UNCOMPARED;
}

static void count(struct sums_counts *c, const struct result *r, enum outcome outcome)
{
    c->told++;
    c->sent += r->sent_us >= 0;
    c->equal += outcome == EQUAL;
    c->different += outcome == DIFFERENT;
    c->missing += outcome == MISSING;
    c->uncompared += outcome == UNCOMPARED;
    c->unsent += outcome == UNSENT;
    if (outcome == MISSING || outcome == UNSENT)
        c->kinds[r->kind]++;
    c->sent_bytes += r->sent_bytes;
    c->received_bytes += r->received_bytes;
    if (r->kind != RESULT_ANSWERED)
        return;
    c->answered++;
    if (r->status >= 100 && r->status < 100 + SUMS_STATUSES)
        c->statuses[r->status - 100]++;
    else
        c->odd_statuses += r->status != 0; // a protocol without has none
}

static void time_it(struct sums_times *t, const struct result *r)
{
    if (r->kind == RESULT_ANSWERED && r->sent_us >= 0) {
        histogram_add(&t->latency, clamp_sub(r->end_us, r->planned_us));
        histogram_add(&t->sending, clamp_sub(r->end_us, r->sent_us));
    }
    if (r->recorded_us >= 0 && r->sent_us >= 0)
        histogram_add(&t->recorded, r->recorded_us);
}

// What we were late by ourselves: behind the plan, and behind the moment from which on nothing but
// ourselves stood in the way.
static void lateness(struct verdict *v, const struct result *r)
{
    if (r->sent_us < 0)
        return;
    int64_t from = r->ready_us > r->planned_us ? r->ready_us : r->planned_us;
    int64_t late = clamp_sub(r->sent_us, r->planned_us), ours = clamp_sub(r->sent_us, from);
    histogram_add(&v->lateness, late);
    histogram_add(&v->ours, ours);
    v->late += ours >= GENERATOR_LATE_US;
    if (r->first_us >= 0)
        histogram_add(&v->first, clamp_sub(r->first_us, r->sent_us));
    struct series_bucket *b = series_at(&v->series, r->sent_us);
    b->sent++;
    series_spread_add(&b->lateness, late);
}

static void over_time(struct verdict *v, const struct result *r, enum outcome outcome)
{
    struct series_bucket *b = series_at(&v->series, r->planned_us);
    b->planned++;
    b->errors += outcome == MISSING || outcome == UNSENT;
    b->mismatches += outcome == DIFFERENT;
    if (r->kind != RESULT_ANSWERED || r->sent_us < 0)
        return;
    series_spread_add(&b->latency, clamp_sub(r->end_us, r->planned_us));
    series_at(&v->series, r->end_us)->answered++;
}

// A kind's own line takes what no reason has a place for.
static bool cause(struct verdict *v, const struct result *r)
{
    char reason[SUMS_REASON];
    mend(view_of(r->reason ? r->reason : result_sentences[r->kind]), reason, sizeof reason);
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < v->causes_n; i++)
            if (v->causes[i].kind == r->kind && strcmp(v->causes[i].reason, reason) == 0) {
                v->causes[i].count++;
                return true;
            }
        if (v->causes_n < VERDICT_CAUSES || turn == 1)
            break;
        snprintf(reason, sizeof reason, "other reasons");
    }
    char *kept = strdup(reason);
    if (!kept)
        return false;
    v->causes[v->causes_n++] = (struct sums_cause){
        .kind = r->kind, .reason = kept, .count = 1, .id = r->original, .file = r->file};
    return true;
}

void verdict_add(struct verdict *v, const struct result *r)
{
    char service[SUMS_NAME], name[SUMS_NAME];
    enum outcome outcome = outcome_of(r);
    bool whole = true;
    mend(r->service, service, sizeof service);
    name_of(r, name);
    struct sums_group *groups[] = {&v->all, service_of(v, service), endpoint_of(v, service, name)};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        whole = whole && groups[i] != &v->spare;
        count(&groups[i]->counts, r, outcome);
        time_it(&groups[i]->times, r);
    }
    lateness(v, r);
    over_time(v, r, outcome);
    if (outcome == MISSING || outcome == UNSENT)
        whole = cause(v, r) && whole;
    if (outcome == MISSING || outcome == DIFFERENT)
        whole = gather(v, groups[2], r) && whole;
    v->without_memory += !whole;
}

void verdict_turn(struct verdict *v, int64_t us)
{
    if (us >= GENERATOR_LATE_US)
        v->slow_us = clamp_add(v->slow_us, us);
}

void verdict_unasked(struct verdict *v, uint64_t answers)
{
    v->unasked += answers;
}

void verdict_end(struct verdict *v, int64_t end_us, const char *stopped)
{
    char *out = v->unmeasured;
    double late = v->ours.n ? (double)v->late / (double)v->ours.n : 0;
    double slow = end_us > 0 ? (double)v->slow_us / (double)end_us : 0;
    v->ended = true;
    v->end_us = v->series.end_us = end_us > 0 ? end_us : 0;
    mend(view_of(stopped), v->stopped, sizeof v->stopped);
    if (late > GENERATOR_SHARE)
        snprintf(out, SUMS_REASON,
                 "the generator was the bottleneck: %.1f %% of the sends went %d ms or more later "
                 "than they could have",
                 100 * late, GENERATOR_LATE_US / 1000);
    else if (slow > GENERATOR_SHARE)
        snprintf(out, SUMS_REASON,
                 "the generator was the bottleneck: for %.1f %% of the time it was busy for %d ms "
                 "or more at once, and saw no answer",
                 100 * slow, GENERATOR_LATE_US / 1000);
}
