// json: the report for programs, and for a later run as its baseline (baseline.c). Times are whole
// microseconds; a figure that was not measured is null, and "unmeasured" says why.
#include "proto/base/clock.h"
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/report/form.h"

#include <inttypes.h>
#include <stdlib.h>

static void spread(struct jsonw *w, const char *key, const struct histogram *h, bool measured)
{
    measured = measured && h->n > 0;
    jsonw_object(w, key);
    jsonw_int(w, "count", h->n);
    if (!measured) {
        jsonw_null(w, "min");
        jsonw_null(w, "mean");
    } else {
        jsonw_int(w, "min", h->least);
        jsonw_int(w, "mean", h->sum / h->n);
    }
    for (int i = 0; i < FORM_POINTS; i++) {
        if (measured)
            jsonw_int(w, form_point_names[i], histogram_at(h, form_points[i]));
        else
            jsonw_null(w, form_point_names[i]);
    }
    if (measured)
        jsonw_int(w, "max", h->most);
    else
        jsonw_null(w, "max");
    jsonw_object_end(w);
}

static void counts(struct jsonw *w, const struct sums_counts *c)
{
    jsonw_int(w, "told", (int64_t)c->told);
    jsonw_int(w, "sent", (int64_t)c->sent);
    jsonw_int(w, "answered", (int64_t)c->answered);
    jsonw_int(w, "equal", (int64_t)c->equal);
    jsonw_int(w, "different", (int64_t)c->different);
    jsonw_int(w, "missing", (int64_t)c->missing);
    jsonw_int(w, "uncompared", (int64_t)c->uncompared);
    jsonw_int(w, "unsent", (int64_t)c->unsent);
}

static void statuses(struct jsonw *w, const struct sums_counts *c)
{
    char key[8];
    jsonw_object(w, "status");
    for (int i = 0; i < SUMS_STATUSES; i++) {
        if (c->statuses[i] == 0)
            continue;
        snprintf(key, sizeof key, "%d", i + 100);
        jsonw_int(w, key, c->statuses[i]);
    }
    if (c->odd_statuses)
        jsonw_int(w, "other", (int64_t)c->odd_statuses);
    jsonw_object_end(w);
}

static void latency(struct jsonw *w, const struct sums_times *t, const struct histogram *first,
                    const char *unmeasured)
{
    jsonw_object(w, "latency");
    jsonw_string(w, "unmeasured", unmeasured);
    spread(w, "planned", &t->latency, !unmeasured);
    spread(w, "sent", &t->sending, !unmeasured);
    if (first)
        spread(w, "first", first, !unmeasured);
    spread(w, "recorded", &t->recorded, true);
    jsonw_object_end(w);
}

static void id(struct jsonw *w, int64_t number, const char *file)
{
    char text[FIELDS_ID];
    jsonw_string(w, "id", fields_id(number, text));
    jsonw_text(w, "file", view_of(file));
}

static void errors(struct jsonw *w, const struct verdict *v)
{
    const struct sums_counts *c = &v->all.counts;
    jsonw_object(w, "errors");
    jsonw_int(w, "total", (int64_t)sums_errors(c));
    for (int i = RESULT_CLOSED; i < RESULT_UNSENT; i++)
        jsonw_int(w, result_kinds[i], (int64_t)c->kinds[i]);
    jsonw_array(w, "causes");
    for (size_t i = 0; i < v->causes_n; i++) {
        const struct sums_cause *cause = &v->causes[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "kind", result_kinds[cause->kind]);
        jsonw_string(w, "reason", cause->reason);
        jsonw_int(w, "count", (int64_t)cause->count);
        jsonw_object(w, "first");
        id(w, cause->id, cause->file);
        jsonw_object_end(w);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static void group(struct jsonw *w, const struct judged *j, const struct sums_group *g,
                  bool endpoint)
{
    struct baseline_times old;
    jsonw_object(w, NULL);
    jsonw_string(w, "service", g->service);
    if (endpoint)
        jsonw_string(w, "endpoint", g->name);
    counts(w, &g->counts);
    statuses(w, &g->counts);
    latency(w, &g->times, NULL, verdict_unmeasured(j->v));
    if (endpoint && j->baseline && baseline_times(j->baseline, g->service, g->name, &old)) {
        jsonw_object(w, "baseline");
        jsonw_int(w, "p50", old.p50);
        jsonw_int(w, "p95", old.p95);
        jsonw_int(w, "p99", old.p99);
        jsonw_object_end(w);
    }
    jsonw_object_end(w);
}

static void mismatch(struct jsonw *w, const struct judged *j, const struct sums_gathered *g)
{
    jsonw_object(w, NULL);
    jsonw_string(w, "service", g->endpoint->service);
    jsonw_string(w, "endpoint", g->endpoint->name);
    jsonw_string(w, "half", "answer");
    jsonw_string(w, "where", g->where);
    jsonw_string(w, "kind", difference_kinds[g->kind]);
    jsonw_int(w, "answers", (int64_t)g->answers);
    jsonw_int(w, "count", (int64_t)g->count);
    if (j->baseline)
        jsonw_bool(w, "known", g->known);
    jsonw_array(w, "examples");
    for (size_t i = 0; i < g->n; i++) {
        const struct sums_example *e = &g->examples[i];
        jsonw_object(w, NULL);
        id(w, e->id, e->file);
        jsonw_field(w, "old", view_of(g->kind == DIFFERENCE_EXTRA ? NULL : e->left));
        jsonw_field(w, "new",
                    view_of(g->kind == DIFFERENCE_MISSING && !e->right[0] ? NULL : e->right));
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static int lists(struct jsonw *w, const struct judged *j)
{
    const struct verdict *v = j->v;
    size_t n;
    const struct sums_group **endpoints = sums_endpoints_sorted(v, &n);
    if (n && !endpoints)
        return E_NOMEM;
    jsonw_array(w, "services");
    for (size_t i = 0; i <= VERDICT_SERVICES; i++)
        if (v->services[i])
            group(w, j, v->services[i], false);
    jsonw_array_end(w);
    jsonw_array(w, "endpoints");
    for (size_t i = 0; i < n; i++)
        group(w, j, endpoints[i], true);
    jsonw_array_end(w);
    free(endpoints);
    const struct sums_gathered **gathered = sums_gathered_sorted(v, &n);
    if (n && !gathered)
        return E_NOMEM;
    jsonw_array(w, "mismatches");
    for (size_t i = 0; i < n; i++)
        mismatch(w, j, gathered[i]);
    jsonw_array_end(w);
    free(gathered);
    jsonw_int(w, "differences", (int64_t)v->differences);
    jsonw_int(w, "left_out", (int64_t)v->left_out);
    jsonw_int(w, "without_memory", (int64_t)v->without_memory);
    return 0;
}

static void goals(struct jsonw *w, const struct judged *j)
{
    static const char *const units[] = {
        [MEASURE_COUNT] = NULL, [MEASURE_SHARE] = "share", [MEASURE_TIME] = "us",
        [MEASURE_PER_S] = "/s", [MEASURE_SIZE] = "bytes",  [MEASURE_SIZE_PER_S] = "bytes/s",
    };
    jsonw_array(w, "goals");
    for (size_t i = 0; i < j->goals->n; i++) {
        const struct goal *g = &j->goals->items[i];
        jsonw_object(w, NULL);
        jsonw_string(w, "fail_if", g->text);
        jsonw_bool(w, "met", !g->missed);
        if (g->unmeasured[0])
            jsonw_null(w, "value");
        else
            jsonw_real(w, "value", g->value);
        jsonw_string(w, "unit", units[g->measure->unit]);
        jsonw_string(w, "unmeasured", g->unmeasured[0] ? g->unmeasured : NULL);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void baseline(struct jsonw *w, const struct judged *j)
{
    struct baseline_times old;
    if (!j->baseline) {
        jsonw_null(w, "baseline");
        return;
    }
    jsonw_object(w, "baseline");
    jsonw_text(w, "file", view_of(baseline_name(j->baseline)));
    jsonw_text(w, "started", view_of(baseline_started(j->baseline)));
    jsonw_int(w, "new", j->fresh);
    jsonw_int(w, "gone", (int64_t)j->gone);
    if (baseline_times(j->baseline, NULL, NULL, &old)) {
        jsonw_int(w, "p50", old.p50);
        jsonw_int(w, "p95", old.p95);
        jsonw_int(w, "p99", old.p99);
    }
    jsonw_object_end(w);
}

static void series(struct jsonw *w, const struct verdict *v)
{
    bool measured = !verdict_unmeasured(v);
    jsonw_object(w, "series");
    jsonw_int(w, "width_us", v->series.width_us);
    jsonw_array(w, "buckets");
    for (int i = 0; i < v->series.used; i++) {
        const struct series_bucket *b = &v->series.buckets[i];
        jsonw_object(w, NULL);
        jsonw_int(w, "planned", b->planned);
        jsonw_int(w, "sent", b->sent);
        jsonw_int(w, "answered", b->answered);
        jsonw_int(w, "errors", b->errors);
        jsonw_int(w, "different", b->mismatches);
        if (measured && b->latency.n) {
            jsonw_int(w, "latency_p50", series_spread_at(&b->latency, 0.5));
            jsonw_int(w, "latency_p99", series_spread_at(&b->latency, 0.99));
            jsonw_int(w, "latency_max", b->latency.most);
        }
        if (b->lateness.n) {
            jsonw_int(w, "lateness_p99", series_spread_at(&b->lateness, 0.99));
            jsonw_int(w, "lateness_max", b->lateness.most);
        }
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object_end(w);
}

static void head(struct jsonw *w, const struct judged *j)
{
    const struct verdict *v = j->v;
    char text[CLOCK_TEXT];
    jsonw_string(w, "report", REPORT_WORD);
    jsonw_int(w, "version", REPORT_VERSION);
    jsonw_string(w, "by", "tapedeck " TAPEDECK_VERSION);
    jsonw_string(w, "verdict", j->word);
    jsonw_int(w, "code", j->code);
    jsonw_string(w, "why", j->why);
    jsonw_string(w, "started", clock_format(v->started_us, text));
    jsonw_int(w, "duration_us", v->end_us);
    jsonw_string(w, "stopped", v->stopped[0] ? v->stopped : NULL);
    jsonw_array(w, "settings");
    for (size_t i = 0; i < v->settings_n; i++) {
        jsonw_object(w, NULL);
        jsonw_string(w, "name", v->settings[i].name);
        jsonw_string(w, "value", v->settings[i].value);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_object(w, "requests");
    jsonw_int(w, "planned", (int64_t)sums_planned(v));
    counts(w, &v->all.counts);
    jsonw_int(w, "undone", (int64_t)sums_undone(v));
    jsonw_int(w, "unasked", (int64_t)v->unasked);
    jsonw_object_end(w);
}

static int write(const struct judged *j, const struct term *t)
{
    const struct verdict *v = j->v;
    const struct sums_counts *c = &v->all.counts;
    struct jsonw w;
    jsonw_init(&w, t->out);
    w.lines = 3;
    jsonw_object(&w, NULL);
    head(&w, j);
    goals(&w, j);
    baseline(&w, j);
    errors(&w, v);
    statuses(&w, c);
    jsonw_int(&w, "sent_bytes", (int64_t)c->sent_bytes);
    jsonw_int(&w, "received_bytes", (int64_t)c->received_bytes);
    jsonw_real(&w, "rate", sums_rate(v, c->sent));
    jsonw_real(&w, "throughput", sums_rate(v, c->received_bytes));
    latency(&w, &v->all.times, &v->first, verdict_unmeasured(v));
    jsonw_object(&w, "lateness");
    spread(&w, "all", &v->lateness, true);
    spread(&w, "own", &v->ours, true);
    jsonw_real(&w, "within_1ms", sums_punctual(v));
    jsonw_object_end(&w);
    int e = lists(&w, j);
    series(&w, v);
    jsonw_object_end(&w);
    putc('\n', t->out);
    return e;
}

const struct form form_json = {".json", "JSON", write};
