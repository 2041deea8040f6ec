// table: the forms of a report, and what several of them say in the same words.
#include "tools/fields.h"
#include "tools/report/form.h"

#include <inttypes.h>
#include <stdio.h>

const struct form *const form_table[] = {
    &form_json, &form_junit, &form_html, &form_text, NULL,
};

const double form_points[FORM_POINTS] = {0.5, 0.9, 0.95, 0.99, 0.999};
const char *const form_point_names[FORM_POINTS] = {"p50", "p90", "p95", "p99", "p99.9"};

static size_t add(char *out, size_t n, const char *gap, uint64_t count, const char *what)
{
    char text[FIELDS_COUNT];
    if (n >= FORM_LINE)
        return n;
    return n + (size_t)snprintf(out + n, FORM_LINE - n, "%s%s %s", gap,
                                fields_count((int64_t)count, text), what);
}

const char *form_summary(const struct judged *j, char out[FORM_LINE])
{
    const struct sums_counts *c = &j->v->all.counts;
    uint64_t undone = sums_undone(j->v);
    size_t n = add(out, 0, "", c->told, c->told == 1 ? "request" : "requests");
    const char *gap = ": ";
    const struct {
        uint64_t count;
        const char *what;
    } parts[] = {
        {c->equal, "equal"},
        {c->different, c->different == 1 ? "differs" : "differ"},
        {c->missing, "without an answer"},
        {c->uncompared, "not compared"},
        {c->unsent, "not sent"},
        {undone, "not come to"},
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].count == 0)
            continue;
        n = add(out, n, gap, parts[i].count, parts[i].what);
        gap = ", ";
    }
    return out;
}

const char *form_found(const struct goal *g, char out[SUMS_REASON])
{
    char text[MEASURE_TEXT];
    if (g->unmeasured[0])
        snprintf(out, SUMS_REASON, "not measured: %.240s", g->unmeasured);
    else
        snprintf(out, SUMS_REASON, "%s", measure_text(g->measure->unit, g->value, text));
    return out;
}
