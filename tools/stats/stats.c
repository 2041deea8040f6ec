// stats: counts, errors, percentiles and bytes of a selection, as a whole or by groups.
//
// One pass over the rows. A group costs one struct tally (about 10 KB); beyond GROUPS_MAX groups
// the rest is counted together.
#include "proto/base/buf.h"
#include "proto/base/clock.h"
#include "tools/capture.h"
#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/progress.h"
#include "tools/stats/histogram.h"
#include "tools/table.h"

#include <stdlib.h>

#define GROUPS_MAX 2000
#define SLOTS      4096 // of the hash table, a power of two above GROUPS_MAX

static const struct option_def options[] = {
    {.name = "by",
     .type = OPT_CHOICE,
     .choices = "host|endpoint|status|method|client",
     .unit = "WHAT",
     .sentence = "A line for each host, endpoint (method, host and route), and so on.",
     .programs = CLI_PROGRAM},
    {.name = "limit",
     .type = OPT_NUMBER,
     .min = 1,
     .unit = "N",
     .sentence = "With --by: at most so many lines, those with the most transactions.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object, or one a line with --by; durations in microseconds.",
     .programs = CLI_PROGRAM},
    {.name = "exit-code",
     .type = OPT_FLAG,
     .sentence = "Exit with 3 when no transaction matches.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

// What is read of each row, behind its id.
enum { C_STATUS = 1, C_HTTP, C_START, C_END, C_REQ, C_RES, C_GROUP };
#define SELECT "h.status, h.protocol = 'http', h.start_us, h.end_us, h.req_size, h.res_size"

static const struct {
    const char *by, *select;
} groupings[] = {
    {"host", SELECT ", h.host"},
    {"endpoint", SELECT ", iif(h.method <> '', h.method, h.protocol) || ' ' || h.host || h.route"},
    {"status", SELECT ", coalesce(CAST(h.status AS TEXT), '')"},
    {"method", SELECT ", iif(h.method <> '', h.method, h.protocol)"},
    {"client", SELECT ", h.peer"},
};

struct tally {
    char *name;           // of a group
    int64_t count, other; // other: transactions that are not http
    int64_t classes[6];   // [0]: http, never answered
    int64_t first_us, last_us, req_bytes, res_bytes;
    struct histogram took; // of http
};
struct stats {
    struct tally all;
    struct histogram took_other; // conversations without a decoder
    struct progress progress;
    const char *by;
    struct tally *slots[SLOTS];
    struct tally *rest; // groups beyond GROUPS_MAX
    struct tally **groups;
    size_t n;
};

static void count(struct tally *t, const struct store_query *q)
{
    int64_t status = store_int(q, C_STATUS), start = store_int(q, C_START);
    int64_t end = store_int(q, C_END);
    if (t->count++ == 0 || start < t->first_us)
        t->first_us = start;
    if (end > t->last_us)
        t->last_us = end;
    t->req_bytes += store_int(q, C_REQ);
    t->res_bytes += store_int(q, C_RES);
    if (!store_int(q, C_HTTP)) {
        t->other++;
        return;
    }
    t->classes[status >= 100 && status < 600 ? status / 100 : status ? 5 : 0]++;
    histogram_add(&t->took, end - start);
}

static int64_t errors(const struct tally *t)
{
    return t->classes[0] + t->classes[5];
}

static struct tally *group_new(struct view name)
{
    struct tally *t = calloc(1, sizeof *t);
    if (t && !(t->name = strndup(name.n ? name.p : "-", name.n ? name.n : 1))) {
        free(t);
        t = NULL;
    }
    return t;
}

static struct tally *group(struct stats *s, struct view name)
{
    uint64_t hash = 14695981039346656037ULL;
    for (size_t i = 0; i < name.n; i++)
        hash = (hash ^ (unsigned char)name.p[i]) * 1099511628211ULL;
    if (name.n == 0)
        name = VIEW_LIT("-");
    size_t at = (hash ^ hash >> 32) & (SLOTS - 1);
    for (; s->slots[at]; at = (at + 1) & (SLOTS - 1))
        if (view_eq(view_of(s->slots[at]->name), name))
            return s->slots[at];
    if (s->n < GROUPS_MAX) {
        struct tally *t = group_new(name);
        if (t) {
            s->slots[at] = t;
            s->groups[s->n++] = t;
        }
        return t;
    }
    if (!s->rest && (s->rest = group_new(VIEW_LIT("(others)"))))
        s->groups[s->n] = s->rest; // the place behind the last
    return s->rest;
}

static int add_row(struct stats *s, const struct store_query *q)
{
    struct tally *t = s->by ? group(s, store_bytes(q, C_GROUP)) : NULL;
    if (s->by && !t) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    count(&s->all, q);
    if (!store_int(q, C_HTTP))
        histogram_add(&s->took_other, store_int(q, C_END) - store_int(q, C_START));
    if (t)
        count(t, q);
    progress_count(&s->progress, s->all.count);
    return CLI_OK;
}

static const char *columns(const struct stats *s)
{
    for (size_t i = 0; s->by && i < sizeof groupings / sizeof *groupings; i++)
        if (strcmp(s->by, groupings[i].by) == 0)
            return groupings[i].select;
    return SELECT;
}

// The rows of one file, in the order of their ids. *last: the id of the last one that was counted.
static int scan(struct stats *s, struct store *store, const struct filter *f, int64_t *last,
                int *code)
{
    struct store_query *q = NULL;
    struct buf sql;
    bool filtered = f && filter_root(f);
    buf_init(&sql, 1u << 20);
    int e = buf_printf(&sql, "SELECT h.id, %s FROM http AS h", columns(s));
    if (!e && filtered) {
        e = buf_printf(&sql, " WHERE (");
        e = e ? e : store_filter_clause(f, &sql, 1);
        e = e ? e : buf_printf(&sql, ")");
    }
    e = e ? e : buf_add(&sql, " ORDER BY h.id", sizeof " ORDER BY h.id");
    e = e ? e : store_query(store, buf_view(&sql).p, &q);
    if (!e && filtered)
        e = store_filter_bind(q, f, 1);
    while (!e && !*code && (e = store_step(q)) == 1) {
        *code = add_row(s, q);
        *last = store_int(q, 0);
        e = 0;
    }
    buf_clear(&sql);
    store_query_free(q);
    return e;
}

// The rest of a damaged file: what store_transactions() can still find, row by row.
static int scan_damaged(struct stats *s, struct store *store, const struct filter *f, int64_t last,
                        int *code)
{
    struct store_query *all = NULL, *one = NULL;
    struct buf sql;
    buf_init(&sql, 4096);
    int e = buf_printf(&sql, "SELECT h.id, %s FROM http AS h WHERE h.id = ?1", columns(s));
    e = e ? e : buf_add(&sql, "", 1);
    e = e ? e : store_query(store, buf_view(&sql).p, &one);
    e = e ? e : store_transactions(store, f, STORE_BY_ID, 0, last, &all);
    while (!e && !*code && (e = store_step(all)) == 1) {
        store_rewind(one);
        e = store_bind_int(one, 1, store_int(all, FIELD_ID));
        if (!e && store_step(one) == 1)
            *code = add_row(s, one);
    }
    if (!e && all && store_skipped(all))
        cli_damage("%s: it is damaged: places that could not be read: %lld", store_path(store),
                   (long long)store_skipped(all));
    buf_clear(&sql);
    store_query_free(all);
    store_query_free(one);
    return e;
}

static int gather(struct stats *s, const struct selection *selection)
{
    int code = CLI_OK;
    size_t read = 0;
    progress_init(&s->progress, "transactions");
    for (size_t i = 0; i < selection->capture.n && !code; i++) {
        struct store *store = capture_open(selection->capture.paths[i]);
        int64_t last = 0;
        if (!store)
            continue;
        read++;
        int e = scan(s, store, selection->filter, &last, &code);
        if (e == E_DAMAGED)
            e = scan_damaged(s, store, selection->filter, last, &code);
        if (e)
            cli_damage("%s", store_why(store));
        store_close(store);
    }
    progress_end(&s->progress);
    return read ? code : CLI_FAILED;
}

// ---- output

static const double points[] = {0.5, 0.9, 0.95, 0.99, 1};
static const char *const point_names[] = {"p50", "p90", "p95", "p99", "max"};
#define POINTS (sizeof points / sizeof *points)

static void json_tally(struct jsonw *w, const struct tally *t)
{
    static const char *const names[] = {"unanswered", "1xx", "2xx", "3xx", "4xx", "5xx"};
    char text[CLOCK_TEXT];
    jsonw_int(w, "count", t->count);
    jsonw_int(w, "http", t->count - t->other);
    jsonw_int(w, "errors", errors(t));
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
    int64_t span = a->last_us - a->first_us, http = a->count - a->other;
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
        enum style style = errors(a) ? STYLE_BAD : STYLE_GOOD;
        term_on(t, style);
        fprintf(t->out, "%s", fields_count(errors(a), one));
        term_off(t, style);
        fprintf(t->out, " (%.2f %%)\n", 100.0 * (double)errors(a) / (double)http);
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
        table_cellf(table, errors(g) ? STYLE_BAD : STYLE_DIM, "%s", fields_count(errors(g), text));
        table_cellf(table, errors(g) ? STYLE_BAD : STYLE_DIM, "%.2f%%",
                    http ? 100.0 * (double)errors(g) / (double)http : 0);
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

static int print(struct stats *s, const struct options *o)
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

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct selection selection = {0};
    struct stats *s = calloc(1, sizeof *s);
    struct tally **groups = calloc(GROUPS_MAX + 1, sizeof *groups);
    int code = CLI_FAILED;
    (void)c;
    if (!s || !groups) {
        cli_error("out of memory");
        free(groups);
        free(s);
        return CLI_FAILED;
    }
    s->groups = groups;
    s->by = options_text(o, "by");
    code = selection_parse(&selection, argc, argv);
    code = code ? code : gather(s, &selection);
    code = code ? code : print(s, o);
    if (!code && s->all.count == 0 && options_flag(o, "exit-code"))
        code = CLI_NOTHING;
    for (size_t i = 0; i < s->n + (s->rest != NULL); i++) {
        free(s->groups[i]->name);
        free(s->groups[i]);
    }
    free(groups);
    free(s);
    selection_clear(&selection);
    return code ? code : cli_result();
}

const struct command command_stats = {
    .name = "stats",
    .sentence = "count transactions, errors, latencies and bytes",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck stats\n"
               "tapedeck stats --by endpoint 'since 10m' -n 20\n"
               "tapedeck stats --json | jq .duration.p99",
    .text = "An error is an answer of 500 and above, or none where one was due. Percentiles are of "
            "the time from the first byte of a request to the last of its answer, within 0.8 %. A "
            "route is a path with {id} for the segments that look like numbers or ids.",
    .options = options,
    .run = run,
};
