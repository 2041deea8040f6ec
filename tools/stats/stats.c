// stats: counts, errors, percentiles and bytes of a selection, as a whole or by groups.
//
// One pass over the rows of each file.
#include "proto/base/buf.h"
#include "proto/base/clamp.h"
#include "proto/base/fnv.h"
#include "tools/commands.h"
#include "tools/progress.h"
#include "tools/selection.h"
#include "tools/stats/tally.h"

#include <stdlib.h>

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

static const struct cli_rule rules[] = {
    {"limit", CLI_NEEDS, "by"},
    {.option = NULL},
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

static void count(struct tally *t, const struct store_query *q)
{
    int64_t status = store_int(q, C_STATUS), start = store_int(q, C_START);
    int64_t end = store_int(q, C_END);
    if (t->count++ == 0 || start < t->first_us)
        t->first_us = start;
    if (end > t->last_us)
        t->last_us = end;
    t->req_bytes = clamp_add(t->req_bytes, store_int(q, C_REQ));
    t->res_bytes = clamp_add(t->res_bytes, store_int(q, C_RES));
    if (!store_int(q, C_HTTP)) {
        t->other++;
        return;
    }
    t->classes[status >= 100 && status < 600 ? status / 100 : status ? 5 : 0]++;
    histogram_add(&t->took, clamp_sub(end, start));
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
    if (name.n == 0)
        name = VIEW_LIT("-");
    size_t at = fnv_fold(fnv_more(FNV_START, name.p, name.n)) & (SLOTS - 1);
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
        histogram_add(&s->took_other, clamp_sub(store_int(q, C_END), store_int(q, C_START)));
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
    buf_init(&sql, 1u << 20);
    int e = buf_printf(&sql, "SELECT h.id, %s FROM http AS h WHERE ", columns(s));
    e = e ? e : store_filter_clause(f, &sql, 1);
    e = e ? e : buf_add(&sql, " ORDER BY h.id", sizeof " ORDER BY h.id");
    e = e ? e : store_query(store, buf_view(&sql).p, &q);
    e = e ? e : store_filter_bind(q, f, 1);
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
    int64_t unread = 0;
    struct buf sql;
    buf_init(&sql, 4096);
    int e = buf_printf(&sql, "SELECT h.id, %s FROM http AS h WHERE h.id = ?1", columns(s));
    e = e ? e : buf_add(&sql, "", 1);
    e = e ? e : store_query(store, buf_view(&sql).p, &one);
    e = e ? e : store_transactions(store, f, STORE_BY_ID, 0, last, &all);
    while (!e && !*code && (e = store_step(all)) == 1) {
        store_rewind(one);
        e = store_bind_int(one, 1, store_int(all, FIELD_ID));
        e = e ? e : store_step(one);
        if (e == 1)
            *code = add_row(s, one);
        else if (e == 0 || e == E_DAMAGED) // what it is grouped by cannot be read
            unread++;
        e = e == 1 || e == E_DAMAGED ? 0 : e;
    }
    unread += all ? store_skipped(all) : 0;
    if (!e && unread > 0)
        cli_damage("%s: it is damaged: places that could not be read: %lld", store_path(store),
                   (long long)unread);
    buf_clear(&sql);
    store_query_free(all);
    store_query_free(one);
    return e;
}

static int gather(struct stats *s, const struct selection *selection)
{
    int code = CLI_OK;
    size_t read = 0;
    progress_init(&s->progress, "transactions", NULL);
    for (size_t i = 0; i < selection->capture.n && !code; i++) {
        struct store *store = capture_open_file(&selection->capture, i);
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
    code = code ? code : tally_print(s, o);
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
    .rules = rules,
    .run = run,
};
