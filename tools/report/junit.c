// junit: the report as JUnit XML, as Jenkins and Surefire read it: a suite of the endpoints, where
// mismatches are failures and missing answers errors, and a suite of the goals, where a goal that
// was missed is a failure and one without a figure an error.
#include "proto/base/clock.h"
#include "tools/fields.h"
#include "tools/report/form.h"
#include "tools/report/markup.h"

#include <inttypes.h>
#include <stdlib.h>

struct suite {
    const char *name;
    size_t tests, failures, errors, skipped;
};

static void attribute(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    markup_of(out, value);
    putc('"', out);
}

static void seconds(FILE *out, int64_t us)
{
    fprintf(out, " time=\"%.6f\"", (double)us / 1e6);
}

static bool skipped(const struct sums_group *g)
{
    return sums_compared(&g->counts) == 0;
}

// Whether its mismatches count: not those that the baseline knows, nor any in a run whose own goals
// allow them.
static bool fails(const struct judged *j, const struct sums_group *g)
{
    if (j->code == 0 || sums_mismatches(&g->counts) == 0)
        return false;
    bool kept = false;
    for (size_t i = 0; i < j->v->gathered_n; i++) {
        const struct sums_gathered *one = j->v->gathered[i];
        if (one->endpoint == g && !one->known)
            return true;
        kept = kept || one->endpoint == g;
    }
    return !kept; // counted, but gathered nowhere
}

static void open_suite(FILE *out, const struct verdict *v, const struct suite *s)
{
    char text[CLOCK_TEXT];
    fputs("  <testsuite", out);
    attribute(out, "name", s->name);
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\" skipped=\"%zu\"", s->tests,
            s->failures, s->errors, s->skipped);
    seconds(out, v->end_us);
    clock_format(v->started_us, text);
    text[19] = 0; // the schema wants seconds without a zone
    attribute(out, "timestamp", text);
    fputs(">\n", out);
}

static void property(FILE *out, const char *name, const char *value)
{
    fputs("      <property", out);
    attribute(out, "name", name);
    attribute(out, "value", value);
    fputs("/>\n", out);
}

static void properties(FILE *out, const struct judged *j)
{
    const struct verdict *v = j->v;
    const char *unmeasured = verdict_unmeasured(v);
    char name[32], text[FIELDS_SHORT];
    fputs("    <properties>\n", out); // the schema wants one at least
    property(out, "verdict", j->word);
    for (size_t i = 0; i < v->settings_n; i++)
        property(out, v->settings[i].name, v->settings[i].value);
    if (unmeasured)
        property(out, "latency", "not measured");
    for (int i = 0; !unmeasured && i < FORM_POINTS && v->all.times.latency.n; i++) {
        snprintf(name, sizeof name, "latency.%s", form_point_names[i]);
        property(out, name,
                 fields_duration(histogram_at(&v->all.times.latency, form_points[i]), text));
    }
    fputs("    </properties>\n", out);
}

static void places(FILE *out, const struct sums_group *g, const struct sums_gathered **all,
                   size_t n)
{
    char id[FIELDS_ID];
    for (size_t i = 0; i < n; i++) {
        const struct sums_gathered *one = all[i];
        if (one->endpoint != g)
            continue;
        fprintf(out, "%s: ", difference_kinds[one->kind]);
        markup_of(out, one->where);
        fprintf(out, ", in %" PRIu64 " %s%s\n", one->answers,
                one->answers == 1 ? "answer" : "answers", one->known ? ", known" : "");
        for (size_t k = 0; k < one->n; k++) {
            fprintf(out, "  %s: ", fields_id(one->examples[k].id, id));
            markup_of(out, one->examples[k].left);
            fputs(" → ", out);
            markup_of(out, one->examples[k].right);
            putc('\n', out);
        }
    }
}

static void endpoint(FILE *out, const struct judged *j, const struct sums_group *g,
                     const struct sums_gathered **all, size_t n)
{
    const struct sums_counts *c = &g->counts;
    fputs("    <testcase", out);
    attribute(out, "classname", g->service[0] ? g->service : "replay");
    attribute(out, "name", g->name);
    if (!verdict_unmeasured(j->v))
        seconds(out, g->times.sending.sum);
    if (skipped(g)) {
        fprintf(out, "><skipped>%s</skipped></testcase>\n",
                c->unsent == c->told ? "not sent" : "not compared");
        return;
    }
    if (sums_mismatches(c) == 0) {
        fputs("/>\n", out);
        return;
    }
    const char *tag = c->missing ? "error" : "failure";
    if (!fails(j, g)) {
        fputs(">\n      <system-out>", out);
        places(out, g, all, n);
        fputs("</system-out>\n    </testcase>\n", out);
        return;
    }
    fprintf(out, ">\n      <%s", tag);
    fprintf(out, " message=\"of %" PRIu64 " answers %" PRIu64 " differ, %" PRIu64 " are missing\"",
            sums_compared(c), c->different, c->missing);
    fprintf(out, " type=\"%s\">", c->missing ? "missing" : "mismatch");
    places(out, g, all, n);
    fprintf(out, "</%s>\n    </testcase>\n", tag);
}

static void goal(FILE *out, const struct goal *g)
{
    char text[SUMS_REASON];
    fputs("    <testcase classname=\"goals\"", out);
    attribute(out, "name", g->text);
    if (!g->missed) {
        fputs("/>\n", out);
        return;
    }
    const char *tag = g->unmeasured[0] ? "error" : "failure";
    fprintf(out, ">\n      <%s", tag);
    attribute(out, "message", form_found(g, text));
    fprintf(out, " type=\"%s\">", g->unmeasured[0] ? "unmeasured" : "missed");
    markup_of(out, g->text);
    fputs(", found: ", out);
    markup_of(out, text);
    fprintf(out, "</%s>\n    </testcase>\n", tag);
}

static void document(FILE *out, const struct judged *j, const struct sums_group **endpoints,
                     size_t endpoints_n, const struct sums_gathered **all, size_t all_n)
{
    struct suite of = {.name = "endpoints", .tests = endpoints_n};
    struct suite goals = {.name = "goals", .tests = j->goals->n};
    for (size_t i = 0; i < endpoints_n; i++) {
        bool failed = fails(j, endpoints[i]), missing = endpoints[i]->counts.missing > 0;
        of.skipped += skipped(endpoints[i]);
        of.errors += failed && missing;
        of.failures += failed && !missing;
    }
    for (size_t i = 0; i < j->goals->n; i++) {
        const struct goal *g = &j->goals->items[i];
        goals.errors += g->missed && g->unmeasured[0];
        goals.failures += g->missed && !g->unmeasured[0];
    }
    fputs("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"tapedeck replay\"", out);
    fprintf(out, " tests=\"%zu\" failures=\"%zu\" errors=\"%zu\"", of.tests + goals.tests,
            of.failures + goals.failures, of.errors + goals.errors);
    seconds(out, j->v->end_us);
    fputs(">\n", out);
    open_suite(out, j->v, &of);
    properties(out, j);
    for (size_t i = 0; i < endpoints_n; i++)
        endpoint(out, j, endpoints[i], all, all_n);
    fprintf(out, "    <system-out>%s: ", j->word);
    markup_of(out, j->why);
    if (verdict_unmeasured(j->v)) {
        fputs("\nlatency was not measured: ", out);
        markup_of(out, verdict_unmeasured(j->v));
    }
    fputs("</system-out>\n  </testsuite>\n", out);
    open_suite(out, j->v, &goals);
    for (size_t i = 0; i < j->goals->n; i++)
        goal(out, &j->goals->items[i]);
    fputs("  </testsuite>\n</testsuites>\n", out);
}

static int write(const struct judged *j, const struct term *t)
{
    size_t endpoints_n, all_n;
    const struct sums_group **endpoints = sums_endpoints_sorted(j->v, &endpoints_n);
    const struct sums_gathered **all = sums_gathered_sorted(j->v, &all_n);
    int e = (endpoints_n && !endpoints) || (all_n && !all) ? E_NOMEM : 0;
    if (!e)
        document(t->out, j, endpoints, endpoints_n, all, all_n);
    free(endpoints);
    free(all);
    return e;
}

const struct form form_junit = {".xml", "JUnit", write};
