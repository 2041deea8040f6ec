// tally_print: a tally for people and for programs.
#include "proto/base/clamp.h"
#include "proto/base/clock.h"
#include "tools/cli.h"
#include "tools/fields.h"
#include "tools/stats/tally.h"
#include "tools/table.h"

#include <stdlib.h>

static const double points[] = {0.5, 0.9, 0.95, 0.99, 1};
static const char *const point_names[] = {"p50", "p90", "p95", "p99", "max"};
#define POINTS (sizeof points / sizeof *points)

static void json_tally(struct jsonw *w, const struct tally *t)
{
    static const char *const names[] = {"unanswered", "1xx", "2xx", "3xx", "4xx", "5xx"};
    char text[CLOCK_TEXT];
    jsonw_int(w, "count", t->count);
    jsonw_int(w, "http", t->count - t->other);
    jsonw_int(w, "errors", tally_errors(t));
    for (int i = 0; i < 6; i++)
        jsonw_int(w, names[i], t->classes[i]);
    jsonw_string(w, "first", t->count ? clock_format(t->first_us, text) : NULL);
    jsonw_string(w, "last", t->count ? clock_format(t->last_us, text) : NULL);
    jsonw_int(w, "req_bytes", t->req_bytes);
    jsonw_int(w, "res_bytes", t->res_bytes);
    jsonw_object(w, "duration");
    for (size_t i = 0; i < POINTS; i++) {
        if (t->took.n > 0)
            jsonw_int(w, point_names[i], histogram_at(&t->took, points[i]));
        else
            jsonw_null(w, point_names[i]);
    }
    if (t->took.n > 0)
        jsonw_real(w, "mean", (double)t->took.sum / (double)t->took.n);
    else
        jsonw_null(w, "mean");
    jsonw_object_end(w);
}

static void print_json(const struct stats *s, const struct tally *t, FILE *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_object(&w, NULL);
    if (t->name)
        jsonw_string(&w, s->by, t->name);
    json_tally(&w, t);
    jsonw_object_end(&w);
    putc('\n', out);
}

static void label(const struct term *t, const char *name)
{
    term_on(t, STYLE_NAME);
    fprintf(t->out, "%-14s", name);
    term_off(t, STYLE_NAME);
}

static void print_points(const struct term *t, const char *name, const struct histogram *h)
{
    char text[FIELDS_SHORT];
    if (h->n == 0)
        return;
    label(t, name);
    for (size_t i = 0; i < POINTS; i++)
        fprintf(t->out, "%s%s %s", i ? "  " : "", point_names[i],
                fields_duration(histogram_at(h, points[i]), text));
    putc('\n', t->out);
}

static void print_classes(const struct term *t, const struct tally *a)
{
    static const char *const names[] = {"unanswered", "1xx", "2xx", "3xx", "4xx", "5xx"};
    static const enum style styles[] = {STYLE_BAD,  STYLE_NOTE, STYLE_GOOD,
                                        STYLE_NOTE, STYLE_WARN, STYLE_BAD};
    char number[FIELDS_COUNT];
    const char *gap = "";
    label(t, "answers");
    for (int k = 1; k <= 6; k++) {
        int i = k % 6;
        if (a->classes[i] == 0)
            continue;
        fputs(gap, t->out);
        term_on(t, styles[i]);
        fprintf(t->out, "%s", names[i]);
        term_off(t, styles[i]);
        fprintf(t->out, " %s", fields_count(a->classes[i], number));
        gap = "  ";
    }
    putc('\n', t->out);
}

static void print_all(const struct term *t, const struct stats *s)
{
    const struct tally *a = &s->all;
    char one[FIELDS_TIME], two[FIELDS_TIME], from[CLOCK_TEXT], to[CLOCK_TEXT];
    int64_t span = clamp_sub(a->last_us, a->first_us), http = a->count - a->other;
    label(t, "transactions");
    fprintf(t->out, "%s", fields_count(a->count, one));
    if (a->other)
        fprintf(t->out, " (%s http, %s other)", fields_count(http, one),
                fields_count(a->other, two));
    putc('\n', t->out);
    if (a->count == 0)
        return;
    fields_time(t, view_of(clock_format(a->first_us, from)), one);
    fields_time(t, view_of(clock_format(a->last_us, to)), two);
    label(t, "time");
    fprintf(t->out, "%s .. %s", one, two);
    if (span > 0)
        fprintf(t->out, " (%s, %.1f/s)", fields_duration(span, one),
                (double)a->count * 1e6 / (double)span);
    putc('\n', t->out);
    if (http) {
        print_classes(t, a);
        label(t, "errors");
        enum style style = tally_errors(a) ? STYLE_BAD : STYLE_GOOD;
        term_on(t, style);
        fprintf(t->out, "%s", fields_count(tally_errors(a), one));
        term_off(t, style);
        fprintf(t->out, " (%.2f %%)\n", 100.0 * (double)tally_errors(a) / (double)http);
    }
    print_points(t, "duration", &a->took);
    print_points(t, a->took.n ? "  other" : "duration", &s->took_other);
    label(t, "bytes");
    fprintf(t->out, "requests %s  answers %s\n", fields_size(a->req_bytes, one),
            fields_size(a->res_bytes, two));
}

static int by_count(const void *a, const void *b)
{
    const struct tally *x = *(const struct tally *const *)a, *y = *(const struct tally *const *)b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return strcmp(x->name, y->name);
}

static int print_table(const struct term *t, const struct stats *s, size_t n)
{
    char text[FIELDS_COUNT];
    struct table *table = table_new(t);
    if (!table) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    table_column(table, s->by, TABLE_TEXT);
    table_column(table, "count", TABLE_NUMBER);
    table_column(table, "errors", TABLE_NUMBER);
    table_column(table, "rate", TABLE_NUMBER);
    for (size_t i = 0; i < POINTS; i++)
        table_column(table, point_names[i], TABLE_NUMBER);
    table_column(table, "req", TABLE_NUMBER);
    table_column(table, "res", TABLE_NUMBER);
    for (size_t k = 0; k < n; k++) {
        const struct tally *g = s->groups[k];
        int64_t http = g->count - g->other;
        table_cell(table, STYLE_PLAIN, view_of(g->name));
        table_cell(table, STYLE_BOLD, view_of(fields_count(g->count, text)));
        table_cellf(table, tally_errors(g) ? STYLE_BAD : STYLE_DIM, "%s",
                    fields_count(tally_errors(g), text));
        table_cellf(table, tally_errors(g) ? STYLE_BAD : STYLE_DIM, "%.2f%%",
                    http ? 100.0 * (double)tally_errors(g) / (double)http : 0);
        for (size_t i = 0; i < POINTS; i++)
            table_cell(table, g->took.n ? STYLE_PLAIN : STYLE_DIM,
                       view_of(g->took.n ? fields_duration(histogram_at(&g->took, points[i]), text)
                                         : "-"));
        table_cell(table, STYLE_PLAIN, view_of(fields_size(g->req_bytes, text)));
        table_cell(table, STYLE_PLAIN, view_of(fields_size(g->res_bytes, text)));
    }
    table_end(table);
    return CLI_OK;
}

int tally_print(struct stats *s, const struct options *o)
{
    struct term term;
    bool json = options_flag(o, "json");
    term_init(&term, stdout, o);
    if (!s->by) {
        if (json)
            print_json(s, &s->all, stdout);
        else
            print_all(&term, s);
        return CLI_OK;
    }
    size_t n = s->n + (s->rest != NULL), limit = (size_t)options_number(o, "limit");
    qsort(s->groups, n, sizeof *s->groups, by_count);
    if (options_is_set(o, "limit") && limit < n)
        n = limit;
    for (size_t i = 0; json && i < n; i++)
        print_json(s, s->groups[i], stdout);
    return json ? CLI_OK : print_table(&term, s, n);
}
