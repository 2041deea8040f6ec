// plots: a frame with two scales, and lines and bars in it. The styles (.a, .b …) are the page's.
//
//   y  ▲  ticks: 1, 2, 5 of each power of ten, when logarithmic each power
//      │
//      └──────▶ x
#include "tools/report/plots.h"

#include "proto/base/clock.h"
#include "tools/fields.h"
#include "tools/report/markup.h"

#include <math.h>

enum { WIDTH = 640, HEIGHT = 250, LEFT = 58, RIGHT = 14, TOP = 10, BOTTOM = 30 };

// A scale from data to the picture.
struct scale {
    double from, to; // of the data
    bool log;
};
struct plot {
    FILE *out;
    struct scale x, y;
};

struct line {
    const char *style, *name;
};

static double part(const struct scale *s, double v)
{
    if (s->log)
        return (log10(v < s->from ? s->from : v) - log10(s->from)) /
               (log10(s->to) - log10(s->from));
    return (v - s->from) / (s->to - s->from);
}

static double at_x(const struct plot *p, double v)
{
    return LEFT + part(&p->x, v) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct plot *p, double v)
{
    double y = part(&p->y, v);
    return HEIGHT - BOTTOM - (y < 0 ? 0 : y > 1 ? 1 : y) * (HEIGHT - TOP - BOTTOM);
}

// ---- frame

static void begin(struct plot *p, const char *title, const struct line *lines, size_t n)
{
    fprintf(p->out, "<figure><figcaption>%s<span class=\"legend\">", title);
    for (size_t i = 0; i < n; i++)
        fprintf(p->out, "<span class=\"key %s\">%s</span>", lines[i].style, lines[i].name);
    fprintf(p->out,
            "</span></figcaption>\n<svg viewBox=\"0 0 %d %d\" role=\"img\" aria-label=\"%s\">\n",
            WIDTH, HEIGHT, title);
}

static void end(struct plot *p)
{
    fputs("</svg></figure>\n", p->out);
}

static void tick_y(struct plot *p, double v, const char *text)
{
    double y = at_y(p, v);
    fprintf(p->out,
            "<line class=\"grid\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>"
            "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
            LEFT, WIDTH - RIGHT, y, y, LEFT - 6, y + 4, text);
}

static void tick_x(struct plot *p, double v, const char *text)
{
    double x = at_x(p, v);
    fprintf(p->out,
            "<line class=\"grid\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%d\" y2=\"%d\"/>"
            "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%s</text>\n",
            x, x, TOP, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 16, text);
}

// The least of 1, 2, 5 by a power of ten that makes at most so many steps of the span.
static double step_of(double span, int most)
{
    double step = pow(10, floor(log10(span / most)));
    static const double by[] = {1, 2, 5, 10};
    for (int i = 0; i < 4; i++)
        if (span / (step * by[i]) <= most)
            return step * by[i];
    return step * 10;
}

// A logarithmic scale of times around them; each power of ten gets a line, or 1, 2, 5 of few.
static void scale_times(struct scale *s, double least, double most)
{
    least = least < 1 ? 1 : least;
    most = most < least ? least : most;
    *s = (struct scale){pow(10, floor(log10(least))), pow(10, ceil(log10(most))), true};
    if (s->to <= s->from)
        s->to = s->from * 10;
}

static const char *time_text(double us, char out[FIELDS_SHORT])
{
    static const struct {
        double unit;
        const char *name;
    } units[] = {{1e6, "s"}, {1e3, "ms"}, {1, "us"}};
    int i = us >= 1e6 ? 0 : us >= 1e3 ? 1 : 2;
    snprintf(out, FIELDS_SHORT, "%g%s", us / units[i].unit, units[i].name);
    return out;
}

static void ticks_times(struct plot *p)
{
    char text[FIELDS_SHORT];
    bool few = log10(p->y.to / p->y.from) < 2.5;
    static const double by[] = {1, 2, 5};
    for (double v = p->y.from; v < p->y.to * 1.01; v *= 10)
        for (int i = 0; i < (few ? 3 : 1); i++)
            if (v * by[i] < p->y.to * 1.01)
                tick_y(p, v * by[i], time_text(v * by[i], text));
}

static void ticks_counts(struct plot *p, const char *unit)
{
    double step = step_of(p->y.to - p->y.from, 5);
    for (int i = 0; p->y.from + i * step <= p->y.to * 1.0001; i++) {
        char text[40];
        snprintf(text, sizeof text, "%g%s", p->y.from + i * step, unit);
        tick_y(p, p->y.from + i * step, text);
    }
}

static void ticks_clock(struct plot *p)
{
    static const double steps[] = {0.005, 0.01, 0.02, 0.05,  0.1,   0.2,   0.5,  1,   2,
                                   5,     10,   15,   30,    60,    120,   300,  600, 900,
                                   1800,  3600, 7200, 10800, 21600, 43200, 86400};
    double span = p->x.to - p->x.from, step = steps[0];
    for (size_t i = 0; i < sizeof steps / sizeof *steps && span / step > 8; i++)
        step = steps[i];
    if (span / step > 8)
        step = step_of(span, 8);
    for (int i = 0; i * step <= span * 1.0001; i++) {
        char text[40];
        double s = i * step;
        if (step < 60)
            snprintf(text, sizeof text, "%gs", s);
        else if (step < 3600)
            snprintf(text, sizeof text, "%gm", s / 60);
        else
            snprintf(text, sizeof text, "%gh", s / 3600);
        tick_x(p, s, text);
    }
}

static void none(FILE *out, const char *title, const char *why)
{
    fprintf(out, "<figure><figcaption>%s</figcaption><p class=\"none\">", title);
    markup_of(out, why);
    fputs("</p></figure>\n", out);
}

// The run's time on the x axis, in seconds.
static void scale_run(struct plot *p, const struct series *s)
{
    p->x = (struct scale){0, (double)(s->used * s->width_us) / 1e6, false};
}

static double middle(const struct series *s, int i)
{
    return ((double)i + 0.5) * (double)s->width_us / 1e6;
}

// ---- lines over time

// A line through the buckets that have a value; NAN: none, and the line is broken there. One by
// itself is a point.
static void over_time(struct plot *p, const struct series *s, const char *style,
                      double (*value)(const struct series *s, int i))
{
    bool on = false;
    fprintf(p->out, "<path class=\"%s\" d=\"", style);
    for (int i = 0; i < s->used; i++) {
        double v = value(s, i);
        if (!isnan(v))
            fprintf(p->out, "%c%.1f %.1f", on ? 'L' : 'M', at_x(p, middle(s, i)), at_y(p, v));
        on = !isnan(v);
    }
    fputs("\"/>\n", p->out);
    for (int i = 0; i < s->used; i++) {
        double v = value(s, i);
        if (!isnan(v) && (i == 0 || isnan(value(s, i - 1))) &&
            (i == s->used - 1 || isnan(value(s, i + 1))))
            fprintf(p->out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"2.5\"/>\n", style,
                    at_x(p, middle(s, i)), at_y(p, v));
    }
}

static double latency_p50(const struct series *s, int i)
{
    const struct series_spread *l = &s->buckets[i].latency;
    return l->n ? (double)series_spread_at(l, 0.5) : NAN;
}

static double latency_p99(const struct series *s, int i)
{
    const struct series_spread *l = &s->buckets[i].latency;
    return l->n ? (double)series_spread_at(l, 0.99) : NAN;
}

static double latency_max(const struct series *s, int i)
{
    const struct series_spread *l = &s->buckets[i].latency;
    return l->n ? (double)l->most : NAN;
}

static double lateness_max(const struct series *s, int i)
{
    const struct series_spread *l = &s->buckets[i].lateness;
    return l->n ? (double)l->most : NAN;
}

void plot_latency(FILE *out, const struct judged *j)
{
    static const struct line lines[] = {
        {"a", "p50"}, {"b", "p99"}, {"c", "max"}, {"d", "max. lateness of sends"}};
    static const char title[] = "Latency over time, since the planned time";
    const struct verdict *v = j->v;
    const struct histogram *h = &v->all.times.latency;
    const char *why = verdict_unmeasured(v);
    struct plot p = {.out = out};
    if (why || h->n == 0) {
        none(out, title, why ? why : "nothing was answered");
        return;
    }
    scale_run(&p, &v->series);
    scale_times(&p.y, (double)h->least, (double)h->most);
    begin(&p, title, lines, 4);
    ticks_times(&p);
    ticks_clock(&p);
    over_time(&p, &v->series, "d", lateness_max);
    over_time(&p, &v->series, "c", latency_max);
    over_time(&p, &v->series, "b", latency_p99);
    over_time(&p, &v->series, "a", latency_p50);
    end(&p);
}

// ---- percentiles

// x is the number of nines: 90 % is 1, 99 % is 2.
static void percentiles(struct plot *p, const struct histogram *h, const char *style)
{
    double last = log10((double)h->n);
    if (h->n == 0)
        return;
    fprintf(p->out, "<path class=\"%s\" d=\"", style);
    for (int i = 0; i <= 200; i++) {
        double x = last * i / 200;
        double at = i == 200 ? 1 : 1 - pow(10, -x);
        fprintf(p->out, "%c%.1f %.1f", i ? 'L' : 'M', at_x(p, x),
                at_y(p, (double)histogram_at(h, at)));
    }
    fputs("\"/>\n", p->out);
}

static void old_points(struct plot *p, const struct baseline_times *old)
{
    const int64_t us[] = {old->p50, old->p95, old->p99};
    static const double at[] = {0.5, 0.95, 0.99};
    for (int i = 0; i < 3; i++)
        if (us[i] >= 0 && -log10(1 - at[i]) <= p->x.to)
            fprintf(p->out, "<circle class=\"e\" cx=\"%.1f\" cy=\"%.1f\" r=\"4\"/>\n",
                    at_x(p, -log10(1 - at[i])), at_y(p, (double)us[i]));
}

void plot_percentiles(FILE *out, const struct judged *j)
{
    static const struct line lines[] = {{"a", "since the planned time"},
                                        {"b", "since the send"},
                                        {"d", "in the recording"},
                                        {"e", "in the baseline"}};
    static const char title[] = "Latency by percentile";
    static const char *const names[] = {"0 %",     "90 %",     "99 %",     "99.9 %",
                                        "99.99 %", "99.999 %", "99.9999 %"};
    const struct sums_times *t = &j->v->all.times;
    const char *why = verdict_unmeasured(j->v);
    struct plot p = {.out = out};
    struct baseline_times old;
    if (why || t->latency.n == 0) {
        none(out, title, why ? why : "nothing was answered");
        return;
    }
    bool before = j->baseline && baseline_times(j->baseline, NULL, NULL, &old);
    bool taped = t->recorded.n > 0;
    double least = (double)t->sending.least, most = (double)t->latency.most;
    if (taped) {
        least = fmin(least, (double)t->recorded.least);
        most = fmax(most, (double)t->recorded.most);
    }
    int64_t n = t->latency.n > t->recorded.n ? t->latency.n : t->recorded.n;
    p.x = (struct scale){0, fmax(log10((double)n), 1), false};
    scale_times(&p.y, least, most);
    begin(&p, title, lines, before ? 4 : 3);
    ticks_times(&p);
    for (int i = 0; i <= 6 && i <= p.x.to; i++)
        tick_x(&p, i, names[i]);
    if (p.x.to < 4)
        tick_x(&p, log10(2), "50 %");
    percentiles(&p, &t->recorded, "d");
    percentiles(&p, &t->sending, "b");
    percentiles(&p, &t->latency, "a");
    if (before)
        old_points(&p, &old);
    end(&p);
}

// ---- lateness

// Bars of the values up to 10 us, 20, 50, 100 … and beyond 10 s.
static const int64_t bounds[] = {10,     20,      50,      100,     200,      500,      1000,
                                 2000,   5000,    10000,   20000,   50000,    100000,   200000,
                                 500000, 1000000, 2000000, 5000000, 10000000, INT64_MAX};
#define BOUNDS (int)(sizeof bounds / sizeof *bounds)

static int64_t bar_of(const struct histogram *h, int i)
{
    return histogram_upto(h, bounds[i]) - (i ? histogram_upto(h, bounds[i - 1]) : 0);
}

static void bars(struct plot *p, const struct histogram *h, const char *style, double from,
                 double width)
{
    char text[FIELDS_COUNT], until[FIELDS_SHORT];
    for (int i = 0; i < (int)p->x.to; i++) {
        int64_t n = bar_of(h, i);
        if (n == 0)
            continue;
        double y = at_y(p, (double)n);
        fprintf(p->out,
                "<rect class=\"%s\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\">"
                "<title>%s up to %s</title></rect>\n",
                style, at_x(p, i + from), y, at_x(p, width) - at_x(p, 0), HEIGHT - BOTTOM - y,
                fields_count(n, text),
                i == BOUNDS - 1 ? "any" : time_text((double)bounds[i], until));
    }
}

void plot_lateness(FILE *out, const struct judged *j)
{
    static const struct line lines[] = {{"A", "against the plan"}, {"B", "the generator's own"}};
    static const char title[] = "Lateness of the sends (number, logarithmic)";
    const struct verdict *v = j->v;
    char text[FIELDS_SHORT];
    int last = 6;
    double most = 10;
    struct plot p = {.out = out};
    if (v->lateness.n == 0) {
        none(out, title, "nothing was sent");
        return;
    }
    for (int i = 0; i < BOUNDS; i++) {
        last = bar_of(&v->lateness, i) && i > last ? i : last;
        most = fmax(most, (double)bar_of(&v->lateness, i));
        most = fmax(most, (double)bar_of(&v->ours, i));
    }
    p.x = (struct scale){0, last + 1, false};
    p.y = (struct scale){0.5, pow(10, ceil(log10(most))), true};
    begin(&p, title, lines, 2);
    for (double n = 1; n <= p.y.to; n *= 10) {
        snprintf(text, sizeof text, "%g", n);
        tick_y(&p, n, n >= 1e6 ? fields_count((int64_t)n, (char[FIELDS_COUNT]){0}) : text);
    }
    for (int i = 0; i <= last; i += last > 12 ? 2 : 1)
        tick_x(&p, i + 1, i == BOUNDS - 1 ? "more" : time_text((double)bounds[i], text));
    bars(&p, &v->lateness, "A", 0.12, 0.4);
    bars(&p, &v->ours, "B", 0.52, 0.36);
    end(&p);
}

// ---- rate

// The last bucket is not full when the run ends; of too short a time it tells nothing.
static double per_s(const struct series *s, int i, uint32_t n)
{
    double width = (double)s->width_us, left = (double)(s->end_us - i * s->width_us);
    if (left < width / 2 && i > 0)
        return NAN;
    return (double)n * 1e6 / (left < width ? fmax(left, width / 10) : width);
}

static double planned(const struct series *s, int i)
{
    return per_s(s, i, s->buckets[i].planned);
}

static double sent(const struct series *s, int i)
{
    return per_s(s, i, s->buckets[i].sent);
}

static double answered(const struct series *s, int i)
{
    return per_s(s, i, s->buckets[i].answered);
}

static void failed(struct plot *p, const struct series *s)
{
    double width = at_x(p, (double)s->width_us / 1e6) - at_x(p, 0);
    for (int i = 0; i < s->used; i++) {
        uint32_t n = s->buckets[i].errors + s->buckets[i].mismatches;
        double rate = per_s(s, i, n);
        if (n == 0)
            continue;
        double y = fmin(at_y(p, isnan(rate) ? 0 : rate), HEIGHT - BOTTOM - 2);
        fprintf(p->out,
                "<rect class=\"E\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\"><title>%u "
                "errors, %u different</title></rect>\n",
                at_x(p, (double)i * (double)s->width_us / 1e6), y, fmax(width - 0.5, 0.5),
                HEIGHT - BOTTOM - y, s->buckets[i].errors, s->buckets[i].mismatches);
    }
}

void plot_rate(FILE *out, const struct judged *j)
{
    static const struct line lines[] = {
        {"d", "planned"}, {"a", "sent"}, {"b", "answered"}, {"E", "errors and mismatches"}};
    static const char title[] = "Requests a second";
    const struct series *s = &j->v->series;
    struct plot p = {.out = out};
    double most = 1;
    if (j->v->all.counts.told == 0) {
        none(out, title, "nothing was sent");
        return;
    }
    for (int i = 0; i < s->used; i++)
        most = fmax(most, fmax(planned(s, i), fmax(sent(s, i), answered(s, i))));
    double step = step_of(most, 5);
    scale_run(&p, s);
    p.y = (struct scale){0, ceil(most / step) * step, false};
    begin(&p, title, lines, 4);
    ticks_counts(&p, "/s");
    ticks_clock(&p);
    failed(&p, s);
    over_time(&p, s, "d", planned);
    over_time(&p, s, "b", answered);
    over_time(&p, s, "a", sent);
    end(&p);
}
