// html: the report as one page that needs nothing else: no script, no font, no picture from
// anywhere, and a policy that lets none in. All text of strangers goes through markup().
#include "proto/base/clock.h"
#include "tools/fields.h"
#include "tools/report/form.h"
#include "tools/report/markup.h"
#include "tools/report/plots.h"
#include "tools/report/style.h"

#include <inttypes.h>
#include <stdlib.h>

#define PLACES_SHOWN 200

// ---- small parts

static void count(FILE *out, uint64_t n)
{
    char text[FIELDS_COUNT];
    fputs(fields_count((int64_t)n, text), out);
}

static void cell(FILE *out, uint64_t n, const char *style)
{
    fprintf(out, "<td class=\"n %s\">", n ? style : "dim");
    count(out, n);
    fputs("</td>", out);
}

static void cell_time(FILE *out, const struct histogram *h, double p, bool measured)
{
    char text[FIELDS_SHORT];
    fprintf(out, "<td class=\"n%s\">%s</td>", measured ? "" : " warn",
            !measured ? "not measured"
            : h->n    ? fields_duration(histogram_at(h, p), text)
                      : "–");
}

static void tile(FILE *out, const char *name, const char *style, const char *value)
{
    fprintf(out, "<div class=\"tile\"><b class=\"%s\">", style);
    markup_of(out, value);
    fprintf(out, "</b><span>%s</span></div>\n", name);
}

static void tile_count(FILE *out, const char *name, uint64_t n, const char *style)
{
    char text[FIELDS_COUNT];
    tile(out, name, n ? style : "", fields_count((int64_t)n, text));
}

static void tile_time(FILE *out, const char *name, const struct histogram *h, double p,
                      const char *unmeasured)
{
    char text[FIELDS_SHORT];
    if (unmeasured)
        tile(out, name, "warn", "not measured");
    else
        tile(out, name, "", h->n ? fields_duration(histogram_at(h, p), text) : "–");
}

// The name of an endpoint, behind its service where there are several.
static void name(FILE *out, const struct verdict *v, const struct sums_group *g)
{
    if (v->services_n > 1 && g->service[0]) {
        fputs("<span class=\"dim\">", out);
        markup_of(out, g->service);
        fputs("</span> ", out);
    }
    markup_of(out, g->name);
}

static void original(FILE *out, int64_t id, const char *file)
{
    char text[FIELDS_ID];
    fputs(fields_id(id, text), out);
    if (!file)
        return;
    fputs(" of ", out);
    markup_of(out, file);
}

// ---- sections

static void head(FILE *out, const struct judged *j)
{
    const struct verdict *v = j->v;
    char text[CLOCK_TEXT], took[FIELDS_SHORT];
    clock_format(v->started_us, text);
    fputs("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\n"
          "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
          "style-src 'unsafe-inline'\">\n"
          "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
          "<meta name=\"referrer\" content=\"no-referrer\">\n",
          out);
    fprintf(out, "<title>Replay %s: %s</title>\n<style>\n%s</style></head><body>\n", text, j->word,
            report_style);
    fprintf(out, "<h1>Replay <span class=\"badge %s\">%s</span></h1>\n<p>",
            j->code ? "bad" : "good", j->word);
    markup_of(out, j->why);
    fprintf(out, "</p>\n<p class=\"dim\">began %.19sZ, took %s</p>\n", text,
            fields_duration(v->end_us, took));
    if (verdict_unmeasured(v)) {
        fputs("<div class=\"note\"><b>Latency was not measured</b>: ", out);
        markup_of(out, verdict_unmeasured(v));
        fputs(".</div>\n", out);
    }
    if (v->without_memory)
        fprintf(out,
                "<div class=\"note\">Memory was short: of %" PRIu64
                " results only the sums are told.</div>\n",
                v->without_memory);
}

static void tiles(FILE *out, const struct judged *j)
{
    const struct verdict *v = j->v;
    const struct sums_counts *c = &v->all.counts;
    const char *unmeasured = verdict_unmeasured(v);
    char text[FIELDS_COUNT];
    fputs("<div class=\"tiles\">\n", out);
    tile_count(out, "requests sent", c->sent, "");
    tile_count(out, "equal", c->equal, "good");
    tile_count(out, "different", c->different, "bad");
    tile_count(out, "without an answer", c->missing, "bad");
    if (c->unsent)
        tile_count(out, "could not be said", c->unsent, "bad");
    if (c->uncompared)
        tile_count(out, "not compared", c->uncompared, "");
    if (sums_undone(v))
        tile_count(out, "not come to", sums_undone(v), "warn");
    tile_time(out, "latency p50", &v->all.times.latency, 0.5, unmeasured);
    tile_time(out, "latency p95", &v->all.times.latency, 0.95, unmeasured);
    tile_time(out, "latency p99", &v->all.times.latency, 0.99, unmeasured);
    tile_time(out, "lateness p99", &v->lateness, 0.99, NULL);
    snprintf(text, sizeof text, "%.1f", sums_rate(v, c->sent));
    tile(out, "requests a second", "", text);
    tile(out, "received", "", fields_size((int64_t)c->received_bytes, text));
    fputs("</div>\n", out);
}

static void goals(FILE *out, const struct judged *j)
{
    char text[SUMS_REASON];
    if (j->goals->n == 0)
        return;
    fputs("<h2>Goals</h2>\n<table><thead><tr><th>Fail if</th><th>Goal</th><th>Found</th></tr>"
          "</thead><tbody>\n",
          out);
    for (size_t i = 0; i < j->goals->n; i++) {
        const struct goal *g = &j->goals->items[i];
        fputs("<tr><td class=\"mono wrap\">", out);
        markup_of(out, g->text);
        fprintf(out, "</td><td class=\"%s\">%s</td><td>", g->missed ? "bad" : "good",
                g->missed ? "missed" : "met");
        markup_of(out, form_found(g, text));
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
}

static void baseline(FILE *out, const struct judged *j)
{
    struct baseline_times old;
    char text[3][FIELDS_SHORT];
    if (!j->baseline)
        return;
    fputs("<h2>Against the baseline</h2>\n<p>", out);
    markup_of(out, baseline_name(j->baseline));
    fputs(", began ", out);
    markup_of(out, baseline_started(j->baseline));
    fprintf(out,
            ": <b class=\"%s\">%lld new</b> places that differ, %zu known, %" PRIu64
            " that differ no longer.",
            j->fresh ? "bad" : "good", (long long)j->fresh,
            j->v->gathered_n - (size_t)(j->fresh < (int64_t)j->v->gathered_n
                                            ? j->fresh
                                            : (int64_t)j->v->gathered_n),
            j->gone);
    if (baseline_times(j->baseline, NULL, NULL, &old))
        fprintf(out, " Its latency was p50 %s, p95 %s, p99 %s.", fields_duration(old.p50, text[0]),
                fields_duration(old.p95, text[1]), fields_duration(old.p99, text[2]));
    fputs("</p>\n", out);
}

// Where two texts begin to differ, and how many bytes at their ends are the same; at the bounds of
// characters.
static void common(struct view a, struct view b, size_t *front, size_t *back)
{
    size_t n = a.n < b.n ? a.n : b.n, i = 0, k = 0;
    while (i < n && a.p[i] == b.p[i])
        i++;
    while (i > 0 && i < a.n && ((unsigned char)a.p[i] & 0xc0) == 0x80)
        i--;
    while (i > 0 && i < b.n && ((unsigned char)b.p[i] & 0xc0) == 0x80)
        i--;
    while (k < n - i && a.p[a.n - 1 - k] == b.p[b.n - 1 - k])
        k++;
    while (k > 0 && ((unsigned char)a.p[a.n - k] & 0xc0) == 0x80)
        k--;
    *front = i;
    *back = k;
}

static void side(FILE *out, struct view v, size_t front, size_t back, const char *tag)
{
    if (v.n == 0) {
        fputs("<p class=\"dim\">is not there</p>", out);
        return;
    }
    fputs("<pre>", out);
    markup(out, view_head(v, front));
    if (v.n > front + back) {
        fprintf(out, "<%s>", tag);
        markup(out, (struct view){v.p + front, v.n - front - back});
        fprintf(out, "</%s>", tag);
    }
    markup(out, view_from(v, v.n - back));
    fputs("</pre>", out);
}

static bool alike(const struct sums_example *a, const struct sums_example *b)
{
    return strcmp(a->left, b->left) == 0 && strcmp(a->right, b->right) == 0 && a->file == b->file;
}

// The i-th example with the ids of those behind it that are like it; nothing where one before is.
static void example(FILE *out, const struct sums_gathered *g, size_t i)
{
    const struct sums_example *e = &g->examples[i];
    struct view left = view_of(e->left), right = view_of(e->right);
    size_t front = 0, back = 0;
    for (size_t k = 0; k < i; k++)
        if (alike(&g->examples[k], e))
            return;
    if (g->kind == DIFFERENCE_VALUE || g->kind == DIFFERENCE_TYPE)
        common(left, right, &front, &back);
    fputs("<div><span class=\"side\">recorded, ", out);
    original(out, e->id, e->file);
    for (size_t k = i + 1; k < g->n; k++)
        if (alike(&g->examples[k], e)) {
            fputs(", also ", out);
            original(out, g->examples[k].id, NULL);
        }
    fputs("</span>", out);
    side(out, left, front, back, "del");
    fputs("</div><div><span class=\"side\">now</span>", out);
    side(out, right, front, back, "ins");
    fputs("</div>\n", out);
}

static void place(FILE *out, const struct judged *j, const struct sums_gathered *g)
{
    fputs("<section class=\"place\"><header><h3>", out);
    name(out, j->v, g->endpoint);
    fputs(" · <span class=\"mono\">", out);
    markup_of(out, g->where);
    fprintf(out, "</span></h3><span><b>%s</b> in ", difference_kinds[g->kind]);
    count(out, g->answers);
    fputs(g->answers == 1 ? " answer" : " answers", out);
    if (j->baseline)
        fprintf(out, " · <span class=\"%s\">%s</span>", g->known ? "dim" : "bad",
                g->known ? "known" : "new");
    fputs("</span></header><div class=\"sides\">\n", out);
    for (size_t i = 0; i < g->n; i++)
        example(out, g, i);
    fputs("</div></section>\n", out);
}

static void places(FILE *out, const struct judged *j, const struct sums_gathered **all, size_t n)
{
    if (n == 0)
        return;
    fputs("<h2>What differs</h2>\n", out);
    for (size_t i = 0; i < n && i < PLACES_SHOWN; i++)
        place(out, j, all[i]);
    if (n > PLACES_SHOWN)
        fprintf(out, "<p>and %zu places more: the JSON report has all.</p>\n", n - PLACES_SHOWN);
    if (j->v->left_out) {
        fputs("<p>and ", out);
        count(out, j->v->left_out);
        fputs(" differences that were counted only.</p>\n", out);
    }
}

static void causes(FILE *out, const struct verdict *v)
{
    if (v->causes_n == 0)
        return;
    fputs("<h2>Errors</h2>\n<table><thead><tr><th class=\"n\">Count</th><th>Kind</th><th>Why</th>"
          "<th>The first</th></tr></thead><tbody>\n",
          out);
    for (size_t i = 0; i < v->causes_n; i++) {
        const struct sums_cause *c = &v->causes[i];
        fputs("<tr>", out);
        cell(out, c->count, "bad");
        fprintf(out, "<td>%s</td><td class=\"wrap\">", result_kinds[c->kind]);
        markup_of(out, c->reason);
        fputs("</td><td class=\"dim\">", out);
        original(out, c->id, c->file);
        fputs("</td></tr>\n", out);
    }
    fputs("</tbody></table>\n", out);
}

static void endpoint(FILE *out, const struct judged *j, const struct sums_group *g)
{
    bool measured = !verdict_unmeasured(j->v);
    struct baseline_times old;
    char text[FIELDS_SHORT];
    fputs("<tr><td class=\"wrap\">", out);
    name(out, j->v, g);
    fputs("</td>", out);
    cell(out, g->counts.told, "");
    cell(out, g->counts.equal, "");
    cell(out, g->counts.different, "bad");
    cell(out, g->counts.missing + g->counts.unsent, "bad");
    cell_time(out, &g->times.latency, 0.5, measured);
    cell_time(out, &g->times.latency, 0.95, measured);
    cell_time(out, &g->times.latency, 0.99, measured);
    cell_time(out, &g->times.sending, 0.95, measured);
    cell_time(out, &g->times.recorded, 0.95, true);
    if (j->baseline)
        fprintf(out, "<td class=\"n\">%s</td>",
                baseline_times(j->baseline, g->service, g->name, &old)
                    ? fields_duration(old.p95, text)
                    : "–");
    fputs("</tr>\n", out);
}

static void endpoints(FILE *out, const struct judged *j, const struct sums_group **all, size_t n)
{
    if (n == 0)
        return;
    fprintf(out,
            "<h2>Endpoints</h2>\n<div class=\"scroll\"><table><thead><tr><th>Endpoint</th>"
            "<th class=\"n\">Requests</th><th class=\"n\">Equal</th><th class=\"n\">Differ</th>"
            "<th class=\"n\">Errors</th><th class=\"n\">p50</th><th class=\"n\">p95</th>"
            "<th class=\"n\">p99</th><th class=\"n\">p95 since send</th>"
            "<th class=\"n\">p95 recorded</th>%s</tr></thead><tbody>\n",
            j->baseline ? "<th class=\"n\">p95 baseline</th>" : "");
    for (size_t i = 0; i < n; i++)
        endpoint(out, j, all[i]);
    fputs("</tbody></table></div>\n", out);
}

static void settings(FILE *out, const struct verdict *v)
{
    if (v->settings_n) {
        fputs("<h2>Settings</h2>\n<dl>\n", out);
        for (size_t i = 0; i < v->settings_n; i++) {
            fputs("<dt>", out);
            markup_of(out, v->settings[i].name);
            fputs("</dt><dd>", out);
            markup_of(out, v->settings[i].value);
            fputs("</dd>\n", out);
        }
        fputs("</dl>\n", out);
    }
    fputs("<footer>Made by tapedeck " TAPEDECK_VERSION
          ". Latency counts from the planned time of each request, unless it says otherwise; "
          "percentiles are within 1 %, over time within 7 %.</footer>\n</body></html>\n",
          out);
}

static int write(const struct judged *j, const struct term *t)
{
    size_t endpoints_n, all_n;
    const struct sums_group **all_endpoints = sums_endpoints_sorted(j->v, &endpoints_n);
    const struct sums_gathered **all = sums_gathered_sorted(j->v, &all_n);
    int e = (endpoints_n && !all_endpoints) || (all_n && !all) ? E_NOMEM : 0;
    if (!e) {
        head(t->out, j);
        tiles(t->out, j);
        goals(t->out, j);
        baseline(t->out, j);
        fputs("<h2>Over time</h2>\n<div class=\"plots\">\n", t->out);
        plot_latency(t->out, j);
        plot_percentiles(t->out, j);
        plot_lateness(t->out, j);
        plot_rate(t->out, j);
        fputs("</div>\n", t->out);
        places(t->out, j, all, all_n);
        causes(t->out, j->v);
        endpoints(t->out, j, all_endpoints, endpoints_n);
        settings(t->out, j->v);
    }
    free(all_endpoints);
    free(all);
    return e;
}

const struct form form_html = {".html", "HTML", write};
