// text: the report for a terminal, or as a plain text.
#include "tools/fields.h"
#include "tools/report/form.h"
#include "tools/report/report.h"
#include "tools/table.h"

#include <inttypes.h>
#include <stdlib.h>

#define ENDPOINTS_SHOWN 40
#define PLACES_SHOWN    40
#define CAUSES_SHOWN    20

static void label(const struct term *t, const char *name)
{
    term_on(t, STYLE_NAME);
    fprintf(t->out, "%-11s", name);
    term_off(t, STYLE_NAME);
}

static void styled(const struct term *t, enum style style, const char *text)
{
    term_on(t, style);
    term_text(t, view_of(text), false, 0);
    term_off(t, style);
}

// "18,112 sent" behind what stands there already, if there are any.
static void some(const struct term *t, const char **gap, uint64_t n, const char *what,
                 enum style style)
{
    char text[FIELDS_COUNT];
    if (n == 0)
        return;
    fputs(*gap, t->out);
    term_on(t, style);
    fprintf(t->out, "%s %s", fields_count((int64_t)n, text), what);
    term_off(t, style);
    *gap = ", ";
}

static void points(const struct term *t, const char *name, const struct histogram *h,
                   const char *unmeasured, const char *what)
{
    char text[FIELDS_SHORT];
    label(t, name);
    if (unmeasured) {
        styled(t, STYLE_WARN, "not measured");
        fprintf(t->out, ": %s\n", unmeasured);
        return;
    }
    if (h->n == 0) {
        fprintf(t->out, "-  %s\n", what);
        return;
    }
    for (int i = 0; i < FORM_POINTS; i++)
        fprintf(t->out, "%s %-7s  ", form_point_names[i],
                fields_duration(histogram_at(h, form_points[i]), text));
    fprintf(t->out, "max %-7s  ", fields_duration(h->most, text));
    styled(t, STYLE_DIM, what);
    putc('\n', t->out);
}

static void requests(const struct judged *j, const struct term *t)
{
    const struct verdict *v = j->v;
    const struct sums_counts *c = &v->all.counts;
    char one[FIELDS_COUNT], two[FIELDS_COUNT];
    const char *gap = "";
    label(t, "requests");
    fprintf(t->out, "%s of %s sent in %s, %.1f/s", fields_count((int64_t)c->sent, one),
            fields_count((int64_t)sums_planned(v), two), fields_duration(v->end_us, (char[24]){0}),
            sums_rate(v, c->sent));
    gap = "; ";
    some(t, &gap, c->unsent, "could not be said", STYLE_BAD);
    some(t, &gap, sums_undone(v), "not come to", STYLE_WARN);
    putc('\n', t->out);
    label(t, "answers");
    gap = "";
    some(t, &gap, c->equal, "equal", STYLE_GOOD);
    some(t, &gap, c->different, "different", STYLE_BAD);
    some(t, &gap, c->missing, "missing", STYLE_BAD);
    some(t, &gap, c->uncompared, "not compared", STYLE_NOTE);
    some(t, &gap, v->unasked, "that nobody asked for", STYLE_WARN);
    fputs(*gap ? "\n" : "none\n", t->out);
    label(t, "status");
    gap = "";
    for (int i = 0; i < SUMS_STATUSES; i++) {
        char code[8];
        snprintf(code, sizeof code, "%d", i + 100);
        if (c->statuses[i] == 0)
            continue;
        fputs(gap, t->out);
        styled(t, term_status_style(i + 100), code);
        fprintf(t->out, " %s", fields_count(c->statuses[i], one));
        gap = "  ";
    }
    if (c->odd_statuses)
        fprintf(t->out, "%sanother %s", gap, fields_count((int64_t)c->odd_statuses, one));
    fputs(*gap || c->odd_statuses ? "\n" : "-\n", t->out);
    label(t, "bytes");
    fprintf(t->out, "sent %s  received %s\n", fields_size((int64_t)c->sent_bytes, one),
            fields_size((int64_t)c->received_bytes, two));
}

static void times(const struct judged *j, const struct term *t)
{
    const struct verdict *v = j->v;
    const char *unmeasured = verdict_unmeasured(v);
    struct baseline_times old;
    char text[3][FIELDS_SHORT];
    points(t, "latency", &v->all.times.latency, unmeasured, "since the planned time");
    if (!unmeasured) {
        points(t, "", &v->all.times.sending, NULL, "since the send");
        points(t, "", &v->first, NULL, "since the send, to the first byte");
    }
    points(t, "", &v->all.times.recorded, NULL, "in the recording");
    if (j->baseline && baseline_times(j->baseline, NULL, NULL, &old)) {
        label(t, "");
        fprintf(t->out, "p50 %-7s  %*sp95 %-7s  p99 %-7s  ", fields_duration(old.p50, text[0]), 13,
                "", fields_duration(old.p95, text[1]), fields_duration(old.p99, text[2]));
        fprintf(t->out, "%*s", 28, "");
        styled(t, STYLE_DIM, "in the baseline, since the planned time");
        putc('\n', t->out);
    }
    char what[80];
    snprintf(what, sizeof what, "of the sends against the plan; %.2f %% within 1ms",
             100 * sums_punctual(v));
    points(t, "lateness", &v->lateness, NULL, what);
    points(t, "", &v->ours, NULL, "of it the generator's own");
}

static void causes(const struct judged *j, const struct term *t)
{
    const struct verdict *v = j->v;
    char text[FIELDS_ID], count[FIELDS_COUNT];
    for (size_t i = 0; i < v->causes_n && i < CAUSES_SHOWN; i++) {
        const struct sums_cause *c = &v->causes[i];
        label(t, i ? "" : "errors");
        styled(t, STYLE_BAD, fields_count((int64_t)c->count, count));
        fprintf(t->out, " %s: ", result_kinds[c->kind]);
        term_text(t, view_of(c->reason), false, 0);
        fprintf(t->out, " (%s)\n", fields_id(c->id, text));
    }
    if (v->causes_n > CAUSES_SHOWN) {
        label(t, "");
        fprintf(t->out, "and %zu causes more\n", v->causes_n - CAUSES_SHOWN);
    }
}

static void number(struct table *table, uint64_t n, enum style style)
{
    char text[FIELDS_COUNT];
    table_cell(table, n ? style : STYLE_DIM, view_of(fields_count((int64_t)n, text)));
}

static void duration(struct table *table, const struct histogram *h, double p)
{
    char text[FIELDS_SHORT];
    table_cell(table, h->n ? STYLE_PLAIN : STYLE_DIM,
               view_of(h->n ? fields_duration(histogram_at(h, p), text) : "-"));
}

// The name of an endpoint, with its service where there are several.
static void endpoint(struct table *table, const struct verdict *v, const struct sums_group *g)
{
    char text[2 * SUMS_NAME + 4];
    bool several = v->services_n > 1 && g->service[0];
    snprintf(text, sizeof text, "%s%s%s", several ? g->service : "", several ? ": " : "", g->name);
    table_cell(table, STYLE_PLAIN, view_of(text));
}

static void endpoint_row(struct table *table, const struct judged *j, const struct sums_group *g)
{
    bool measured = !verdict_unmeasured(j->v);
    struct baseline_times old;
    char text[FIELDS_SHORT];
    endpoint(table, j->v, g);
    number(table, g->counts.told, STYLE_BOLD);
    number(table, g->counts.missing + g->counts.unsent, STYLE_BAD);
    number(table, g->counts.different, STYLE_BAD);
    for (int i = 0; i < 3; i++) {
        static const double at[] = {0.5, 0.95, 0.99};
        if (measured)
            duration(table, &g->times.latency, at[i]);
        else
            table_cell(table, STYLE_WARN, VIEW_LIT("n.m."));
    }
    if (j->baseline)
        table_cell(table, STYLE_PLAIN,
                   view_of(baseline_times(j->baseline, g->service, g->name, &old)
                               ? fields_duration(old.p95, text)
                               : "-"));
    duration(table, &g->times.recorded, 0.95);
}

static int endpoints(const struct judged *j, const struct term *t)
{
    static const char *const columns[] = {"endpoint", "requests", "errors",  "differ", "p50",
                                          "p95",      "p99",      "old p95", "rec p95"};
    size_t n;
    const struct sums_group **all = sums_endpoints_sorted(j->v, &n);
    struct table *table = all ? table_new(t) : NULL;
    if (!table) {
        free(all);
        return n ? E_NOMEM : 0;
    }
    putc('\n', t->out);
    for (int i = 0; i < 9; i++)
        if (i != 7 || j->baseline)
            table_column(table, columns[i], i ? TABLE_NUMBER : TABLE_TEXT);
    for (size_t i = 0; i < n && i < ENDPOINTS_SHOWN; i++)
        endpoint_row(table, j, all[i]);
    table_end(table);
    if (n > ENDPOINTS_SHOWN)
        fprintf(t->out, "and %zu endpoints more\n", n - ENDPOINTS_SHOWN);
    free(all);
    return 0;
}

static void place_row(struct table *table, const struct judged *j, const struct sums_gathered *g)
{
    char id[FIELDS_ID];
    const struct sums_example *e = g->n ? &g->examples[0] : NULL;
    number(table, g->answers, STYLE_BAD);
    if (j->baseline)
        table_cell(table, g->known ? STYLE_DIM : STYLE_BAD, view_of(g->known ? "known" : "new"));
    endpoint(table, j->v, g->endpoint);
    table_cell(table, STYLE_NAME, view_of(g->where));
    table_cell(table, STYLE_WARN, view_of(difference_kinds[g->kind]));
    table_cell(table, STYLE_PLAIN, view_of(e ? e->left : ""));
    table_cell(table, STYLE_PLAIN, view_of(e ? e->right : ""));
    table_cell(table, STYLE_DIM, view_of(e ? fields_id(e->id, id) : "-"));
}

static int places(const struct judged *j, const struct term *t)
{
    static const char *const columns[] = {"answers", "baseline", "endpoint", "where",
                                          "kind",    "old",      "new",      "as in"};
    char text[FIELDS_COUNT];
    size_t n;
    const struct sums_gathered **all = sums_gathered_sorted(j->v, &n);
    struct table *table = all ? table_new(t) : NULL;
    if (!table) {
        free(all);
        return n ? E_NOMEM : 0;
    }
    putc('\n', t->out);
    for (int i = 0; i < 8; i++)
        if (i != 1 || j->baseline)
            table_column(table, columns[i],
                         i == 0                       ? TABLE_NUMBER
                         : i == 2 || i == 5 || i == 6 ? TABLE_TEXT
                                                      : TABLE_FIXED);
    for (size_t i = 0; i < n && i < PLACES_SHOWN; i++)
        place_row(table, j, all[i]);
    table_end(table);
    if (n > PLACES_SHOWN)
        fprintf(t->out, "and %zu places more\n", n - PLACES_SHOWN);
    if (j->v->left_out)
        fprintf(t->out, "and %s differences that were counted only\n",
                fields_count((int64_t)j->v->left_out, text));
    free(all);
    return 0;
}

static int goals(const struct judged *j, const struct term *t)
{
    char text[SUMS_REASON];
    struct table *table = j->goals->n ? table_new(t) : NULL;
    if (!table)
        return j->goals->n ? E_NOMEM : 0;
    putc('\n', t->out);
    table_column(table, "fail if", TABLE_FIXED);
    table_column(table, "goal", TABLE_FIXED);
    table_column(table, "found", TABLE_TEXT);
    for (size_t i = 0; i < j->goals->n; i++) {
        const struct goal *g = &j->goals->items[i];
        table_cell(table, STYLE_PLAIN, view_of(g->text));
        table_cell(table, g->missed ? STYLE_BAD : STYLE_GOOD,
                   view_of(g->missed ? "missed" : "met"));
        table_cell(table, STYLE_PLAIN, view_of(form_found(g, text)));
    }
    table_end(table);
    return 0;
}

static int write(const struct judged *j, const struct term *t)
{
    requests(j, t);
    times(j, t);
    causes(j, t);
    int e = endpoints(j, t);
    e = e ? e : places(j, t);
    e = e ? e : goals(j, t);
    putc('\n', t->out);
    if (j->v->without_memory)
        fprintf(t->out, "memory was short: of %" PRIu64 " results only the sums are told\n",
                j->v->without_memory);
    styled(t, j->code ? STYLE_BAD : STYLE_GOOD, j->word);
    fprintf(t->out, ": %s\n", j->why);
    return e;
}

const struct form form_text = {".txt", "text", write};
