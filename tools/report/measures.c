// measures: see the header. A measure that has no figure says why: nothing of its kind was there,
// or the generator was the bottleneck.
#include "tools/report/measures.h"

#include "proto/base/clamp.h"
#include "proto/base/units.h"
#include "tools/compare/where.h"
#include "tools/fields.h"

#include <stdio.h>
#include <stdlib.h>

// ---- figures

static double stat(const struct histogram *h, const struct measure_arg *arg)
{
    switch (arg->stat) {
    case STAT_AT:
        return (double)histogram_at(h, arg->at);
    case STAT_LEAST:
        return (double)h->least;
    case STAT_MEAN:
        return h->n ? (double)h->sum / (double)h->n : 0;
    case STAT_MOST:
        break;
    }
    return (double)h->most;
}

static double share(uint64_t n, uint64_t of)
{
    return of ? (double)n / (double)of : 0;
}

#define GET(name, expression)                                                                      \
    static double name(const struct measure_of *of, const struct measure_arg *arg)                 \
    {                                                                                              \
        (void)arg;                                                                                 \
        return (double)(expression);                                                               \
    }
GET(latency, stat(&of->times->latency, arg))
GET(latency_sent, stat(&of->times->sending, arg))
GET(first, stat(&of->v->first, arg))
GET(recorded, stat(&of->times->recorded, arg))
GET(lateness, stat(&of->v->lateness, arg))
GET(lateness_own, stat(&of->v->ours, arg))
GET(requests, of->counts->told)
GET(sent, of->counts->sent)
GET(answers, of->counts->answered)
GET(equal, of->counts->equal)
GET(different, of->counts->different)
GET(mismatches, sums_mismatches(of->counts))
GET(mismatch_rate, share(sums_mismatches(of->counts), sums_compared(of->counts)))
GET(fresh, of->fresh)
GET(errors, sums_errors(of->counts))
GET(error_rate, share(sums_errors(of->counts), of->counts->told))
GET(errors_of, of->counts->kinds[arg->kind])
GET(unsent, of->counts->unsent)
GET(undone, sums_undone(of->v))
GET(unasked, of->v->unasked)
GET(rate, sums_rate(of->v, of->counts->sent))
GET(throughput, sums_rate(of->v, of->counts->received_bytes))
GET(sent_bytes, of->counts->sent_bytes)
GET(received_bytes, of->counts->received_bytes)
GET(duration, of->v->end_us)

static double statuses(const struct measure_of *of, const struct measure_arg *arg)
{
    uint64_t n = 0;
    for (int i = arg->from; i <= arg->to; i++)
        n += of->counts->statuses[i - 100];
    return (double)n;
}

static double status_rate(const struct measure_of *of, const struct measure_arg *arg)
{
    return of->counts->answered ? statuses(of, arg) / (double)of->counts->answered : 0;
}

// ---- why there is none

static const char *no_latency(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    const char *why = verdict_unmeasured(of->v);
    return why ? why : of->times->latency.n ? NULL : "nothing was answered";
}

static const char *no_first(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    const char *why = verdict_unmeasured(of->v);
    return why ? why : of->v->first.n ? NULL : "nothing was answered";
}

static const char *no_recorded(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return of->times->recorded.n ? NULL : "no answer was recorded";
}

static const char *no_sends(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return of->counts->sent ? NULL : "nothing was sent";
}

static const char *no_requests(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return of->counts->told ? NULL : "nothing was sent";
}

static const char *no_answers(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return of->counts->answered ? NULL : "nothing was answered";
}

static const char *no_compared(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return sums_compared(of->counts) ? NULL : "nothing was compared";
}

static const char *no_baseline(const struct measure_of *of, const struct measure_arg *arg)
{
    (void)arg;
    return of->fresh >= 0 ? NULL : "there is no --baseline";
}

// ---- the table

const struct measure measures[] = {
    {"latency.STAT", "from the planned time of a request to the end of its answer", MEASURE_TIME,
     MEASURE_STAT, true, latency, no_latency},
    {"latency-sent.STAT", "the same from its actual send", MEASURE_TIME, MEASURE_STAT, true,
     latency_sent, no_latency},
    {"first.STAT", "from the send to the first byte of the answer", MEASURE_TIME, MEASURE_STAT,
     false, first, no_first},
    {"recorded.STAT", "latency of the same requests in the recording", MEASURE_TIME, MEASURE_STAT,
     true, recorded, no_recorded},
    {"lateness.STAT", "how late requests went against the plan", MEASURE_TIME, MEASURE_STAT, false,
     lateness, no_sends},
    {"lateness-own.STAT", "what of it was the generator's fault", MEASURE_TIME, MEASURE_STAT, false,
     lateness_own, no_sends},
    {"mismatches", "answers that differ, and those that are missing", MEASURE_COUNT, MEASURE_PLAIN,
     true, mismatches, no_compared},
    {"mismatch.rate", "their share of what was compared", MEASURE_SHARE, MEASURE_PLAIN, true,
     mismatch_rate, no_compared},
    {"new-mismatches", "places that differ and are not in the baseline", MEASURE_COUNT,
     MEASURE_PLAIN, false, fresh, no_baseline},
    {"different", "answers that differ", MEASURE_COUNT, MEASURE_PLAIN, true, different,
     no_compared},
    {"equal", "answers that do not differ", MEASURE_COUNT, MEASURE_PLAIN, true, equal, no_compared},
    {"errors", "requests without the answer that was due", MEASURE_COUNT, MEASURE_PLAIN, true,
     errors, NULL},
    {"error.rate", "their share of all requests", MEASURE_SHARE, MEASURE_PLAIN, true, error_rate,
     no_requests},
    {"errors.KIND", "those of a kind: closed, timeout, refused or garbage", MEASURE_COUNT,
     MEASURE_KIND, true, errors_of, NULL},
    {"status.CODE", "answers of a status, or of a class as 5xx", MEASURE_COUNT, MEASURE_CODE, true,
     statuses, NULL},
    {"status.CODE.rate", "their share of all answers", MEASURE_SHARE, MEASURE_CODE, true,
     status_rate, no_answers},
    {"requests", "requests that were come to", MEASURE_COUNT, MEASURE_PLAIN, true, requests, NULL},
    {"sent", "requests that were sent", MEASURE_COUNT, MEASURE_PLAIN, true, sent, NULL},
    {"answers", "requests that were answered", MEASURE_COUNT, MEASURE_PLAIN, true, answers, NULL},
    {"unsent", "requests that could not be said", MEASURE_COUNT, MEASURE_PLAIN, true, unsent, NULL},
    {"undone", "requests of the plan that were not come to", MEASURE_COUNT, MEASURE_PLAIN, false,
     undone, NULL},
    {"unasked", "answers that no request asked for", MEASURE_COUNT, MEASURE_PLAIN, false, unasked,
     NULL},
    {"rate", "requests sent a second", MEASURE_PER_S, MEASURE_PLAIN, true, rate, no_sends},
    {"throughput", "bytes received a second", MEASURE_SIZE_PER_S, MEASURE_PLAIN, true, throughput,
     no_sends},
    {"sent-bytes", "bytes sent", MEASURE_SIZE, MEASURE_PLAIN, true, sent_bytes, NULL},
    {"received-bytes", "bytes received", MEASURE_SIZE, MEASURE_PLAIN, true, received_bytes, NULL},
    {"duration", "of the whole run", MEASURE_TIME, MEASURE_PLAIN, false, duration, NULL},
    {.name = NULL},
};

struct measure_value measure_get(const struct measure *m, const struct measure_arg *arg,
                                 const struct measure_of *of)
{
    struct measure_value out = {.unmeasured = m->lacks ? m->lacks(of, arg) : NULL};
    if (!out.unmeasured)
        out.value = m->get(of, arg);
    return out;
}

// ---- names

static int parse_stat(struct view v, struct measure_arg *arg)
{
    static const char *const names[] = {"min", "mean", "max"};
    for (int i = 0; i < 3; i++)
        if (view_eq(v, view_of(names[i]))) {
            arg->stat = STAT_LEAST + i;
            return 0;
        }
    double at;
    if (v.n < 2 || v.p[0] != 'p' || measure_limit(MEASURE_COUNT, view_from(v, 1), &at) || at <= 0 ||
        at > 100)
        return E_SYNTAX;
    arg->stat = STAT_AT;
    arg->at = at / 100;
    return 0;
}

static int parse_kind(struct view v, struct measure_arg *arg)
{
    for (int i = RESULT_CLOSED; i < RESULT_UNSENT; i++)
        if (view_eq(v, view_of(result_kinds[i]))) {
            arg->kind = (enum result_kind)i;
            return 0;
        }
    return E_SYNTAX;
}

static int parse_code(struct view v, struct measure_arg *arg)
{
    uint64_t code;
    if (v.n == 3 && view_eq(view_from(v, 1), VIEW_LIT("xx")) && v.p[0] >= '1' && v.p[0] <= '5') {
        arg->from = (v.p[0] - '0') * 100;
        arg->to = arg->from + 99;
        return 0;
    }
    if (view_number(v, 10, 599, &code) || code < 100)
        return E_SYNTAX;
    arg->from = arg->to = (int)code;
    return 0;
}

static const struct {
    const char *word, *allowed;
    int (*parse)(struct view v, struct measure_arg *arg);
} words[] = {
    [MEASURE_STAT] = {"STAT", "p50, p99.9 or another percentile, min, mean or max", parse_stat},
    [MEASURE_KIND] = {"KIND", "closed, timeout, refused or garbage", parse_kind},
    [MEASURE_CODE] = {"CODE", "a status from 100 to 599, or a class from 1xx to 5xx", parse_code},
};

// The measure's name in parts: what stands before its word and behind it.
static struct view before(const struct measure *m, struct view *behind)
{
    struct view name = view_of(m->name);
    *behind = VIEW_LIT("");
    if (m->word == MEASURE_PLAIN)
        return name;
    size_t n = (size_t)(strstr(m->name, words[m->word].word) - m->name);
    *behind = view_from(name, n + strlen(words[m->word].word));
    return view_head(name, n);
}

// "did you mean" the name that is nearest, with any percentile for the word.
static void suggest(struct view name, char why[WHY_MAX])
{
    int nearest = 4;
    const char *found = NULL, *more = "";
    for (const struct measure *m = measures; m->name; m++) {
        struct view behind, front = before(m, &behind);
        int d = view_distance(view_head(name, m->word ? front.n : name.n), front);
        if (d < nearest) {
            nearest = d;
            found = m->name;
            more = m->word ? words[m->word].allowed : "";
        }
    }
    int n = snprintf(why, WHY_MAX, "there is no measure '%.*s'", (int)(name.n < 60 ? name.n : 60),
                     name.p);
    if (found)
        snprintf(why + n, WHY_MAX - (size_t)n, "; did you mean %s%s%s%s?", found, *more ? " (" : "",
                 more, *more ? ")" : "");
    else
        snprintf(why + n, WHY_MAX - (size_t)n, "; tapedeck help goals lists them");
}

int measure_find(struct view name, const struct measure **out, struct measure_arg *arg, size_t *at,
                 char why[WHY_MAX])
{
    const struct measure *close = NULL;
    *arg = (struct measure_arg){0};
    for (const struct measure *m = measures; m->name; m++) {
        struct view behind, front = before(m, &behind);
        if (!view_starts(name, front) || name.n < front.n + behind.n ||
            !view_eq(view_from(name, name.n - behind.n), behind))
            continue;
        struct view word = {name.p + front.n, name.n - front.n - behind.n};
        if (m->word ? !words[m->word].parse(word, arg) : word.n == 0) {
            *out = m;
            return 0;
        }
        if (m->word && !close)
            close = m;
    }
    *at = 0;
    if (!close) {
        suggest(name, why);
        return E_NOTFOUND;
    }
    struct view behind;
    *at = before(close, &behind).n;
    snprintf(why, WHY_MAX, "'%.*s' is not allowed after '%.*s': allowed are %s",
             (int)(name.n - *at < 60 ? name.n - *at : 60), name.p + *at, (int)*at, close->name,
             words[close->word].allowed);
    return E_SYNTAX;
}

// ---- values

const char *measure_text(enum measure_unit unit, double value, char out[MEASURE_TEXT])
{
    char text[FIELDS_COUNT];
    switch (unit) {
    case MEASURE_COUNT:
        snprintf(out, MEASURE_TEXT, "%s", fields_count((int64_t)value, text));
        break;
    case MEASURE_SHARE:
        snprintf(out, MEASURE_TEXT, value > 0 && value < 0.001 ? "%.3g %%" : "%.2f %%",
                 value * 100);
        break;
    case MEASURE_TIME:
        fields_duration((int64_t)value, out);
        break;
    case MEASURE_PER_S:
        snprintf(out, MEASURE_TEXT, value < 100 ? "%.1f/s" : "%.0f/s", value);
        break;
    case MEASURE_SIZE:
    case MEASURE_SIZE_PER_S:
        snprintf(out, MEASURE_TEXT, "%s%s", fields_size((int64_t)value, text),
                 unit == MEASURE_SIZE ? "" : "/s");
        break;
    }
    return out;
}

const char *measure_allowed(enum measure_unit unit)
{
    static const char *const texts[] = {
        [MEASURE_COUNT] = "a number, as 0 or 12",
        [MEASURE_SHARE] = "a share, as 1% or 0.01",
        [MEASURE_TIME] = "a duration, as 50ms or 1.5s",
        [MEASURE_PER_S] = "a number a second, as 100/s",
        [MEASURE_SIZE] = "a size, as 10MiB",
        [MEASURE_SIZE_PER_S] = "a size a second, as 10MiB/s",
    };
    return texts[unit];
}

// Digits, perhaps with a fraction.
static int decimal(struct view v, double *out)
{
    double n = 0, unit = 1;
    bool point = false;
    size_t digits = 0;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '.' && !point && digits > 0) {
            point = true;
            continue;
        }
        if (v.p[i] < '0' || v.p[i] > '9' || ++digits > 18)
            return E_SYNTAX;
        n = n * 10 + (v.p[i] - '0');
        unit *= point ? 10 : 1;
    }
    *out = n / unit;
    return digits > 0 && v.p[v.n - 1] != '.' ? 0 : E_SYNTAX;
}

// Without an ending that may be there.
static bool ends(struct view *v, struct view ending)
{
    if (v->n <= ending.n || !view_eq(view_from(*v, v->n - ending.n), ending))
        return false;
    v->n -= ending.n;
    while (v->n > 0 && v->p[v->n - 1] == ' ')
        v->n--;
    return true;
}

int measure_limit(enum measure_unit unit, struct view text, double *out)
{
    uint64_t bytes;
    int64_t us;
    int e = 0;
    switch (unit) {
    case MEASURE_COUNT:
        return decimal(text, out);
    case MEASURE_SHARE:
        if (ends(&text, VIEW_LIT("%"))) {
            e = decimal(text, out);
            *out /= 100;
        } else {
            e = decimal(text, out);
        }
        return e ? e : *out > 1 ? E_RANGE : 0;
    case MEASURE_TIME:
        e = units_duration(text, &us);
        *out = e ? 0 : (double)us;
        return e;
    case MEASURE_PER_S:
        ends(&text, VIEW_LIT("/s"));
        return decimal(text, out);
    case MEASURE_SIZE_PER_S:
        ends(&text, VIEW_LIT("/s"));
        // fall through
    case MEASURE_SIZE:
        e = units_size(text, &bytes);
        *out = e ? 0 : (double)bytes;
        return e;
    }
    return E_SYNTAX;
}

// ---- scope

static void join(struct sums_group *to, const struct sums_group *g)
{
    const struct sums_counts *from = &g->counts;
    struct sums_counts *c = &to->counts;
    c->told += from->told;
    c->sent += from->sent;
    c->answered += from->answered;
    c->equal += from->equal;
    c->different += from->different;
    c->missing += from->missing;
    c->uncompared += from->uncompared;
    c->unsent += from->unsent;
    c->sent_bytes += from->sent_bytes;
    c->received_bytes += from->received_bytes;
    c->odd_statuses += from->odd_statuses;
    for (int i = 0; i < RESULT_KINDS; i++)
        c->kinds[i] += from->kinds[i];
    for (int i = 0; i < SUMS_STATUSES; i++)
        c->statuses[i] += from->statuses[i];
    histogram_join(&to->times.latency, &g->times.latency);
    histogram_join(&to->times.sending, &g->times.sending);
    histogram_join(&to->times.recorded, &g->times.recorded);
}

size_t measure_scope(const struct verdict *v, struct view pattern, struct sums_group *out)
{
    bool endpoint = view_find(pattern, ' ') < pattern.n;
    size_t n = 0, all = endpoint ? v->endpoints_n : v->services_n;
    for (size_t i = 0; i < all; i++) {
        const struct sums_group *g = endpoint ? v->endpoints[i] : v->services[i];
        if (!where_glob(pattern, view_of(g->name), 0, false))
            continue;
        join(out, g);
        n++;
    }
    return n;
}
