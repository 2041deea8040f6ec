// mock_report: `tapedeck mock-report`: what a mock answered, what it missed and why, and which
// recordings nobody asked for, out of its own capture and those that it answered from.
#include "proto/base/clock.h"
#include "proto/base/whole_file.h"
#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/mock/misses.h"
#include "tools/out.h"
#include "tools/table.h"

#include <inttypes.h>
#include <stdlib.h>

#define SHOWN 20 // misses, and unused recordings, that are listed for people

static const struct option_def options[] = {
    {.name = "tape",
     .type = OPT_TEXT,
     .unit = "CAPTURE",
     .flags = OPT_REPEATS,
     .sentence = "The capture that answered, for what nobody asked for, and for what the misses "
                 "lacked.",
     .programs = CLI_PROGRAM},
    {.name = "tape-filter",
     .type = OPT_TEXT,
     .unit = "FILTER",
     .sentence = "As it was given to the mock.",
     .programs = CLI_PROGRAM},
    {.name = "match-rules",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Rules to explain under: those that the mock had, or others to be tried.",
     .programs = CLI_PROGRAM},
    {.name = "match-header",
     .type = OPT_TEXT,
     .unit = "NAME",
     .flags = OPT_REPEATS,
     .sentence = "As it was given to the mock.",
     .programs = CLI_PROGRAM},
    {.name = "any-host",
     .type = OPT_FLAG,
     .sentence = "The mock compared no hosts (--match-host no, or --proxy-type reverse).",
     .programs = CLI_PROGRAM},
    {.name = "write-rules",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Write rules that would accept the misses, behind those of --match-rules, to be "
                 "gone over.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON document, with all misses and all unused recordings.",
     .programs = CLI_PROGRAM},
    CLI_NO_HEADER,
    CLI_OPTIONS_END,
};

static const struct cli_rule option_rules[] = {
    {"tape-filter", CLI_NEEDS, "tape"},
    {"match-rules", CLI_NEEDS, "tape"},
    {"match-header", CLI_NEEDS, "tape"},
    {"any-host", CLI_NEEDS, "tape"},
    {"write-rules", CLI_NEEDS, "tape"},
    {"json", CLI_EXCLUDES, "no-header"},
    {.option = NULL},
};

struct report {
    const struct options *o;
    struct capture own;
    struct summary summary;
    struct misses misses;
    struct term term;

    // Of the tapes, where they are given.
    struct capture *tapes;
    size_t tapes_n;
    struct filter *filter;
    struct rules rules;
    struct buf rules_text;
    const char *headers[MATCH_HEADERS_MAX];
    struct match_conf conf;
    struct index *index;
    struct match *match;
    struct index_sums sums;
};

// ---- the tapes

static int read_filter(struct report *r)
{
    const char *text = options_text(r->o, "tape-filter");
    size_t column = 0;
    char why[WHY_MAX];
    if (!text || filter_parse(view_of(text), clock_wall_us(), &r->filter, &column, why) == 0)
        return CLI_OK;
    cli_error("--tape-filter: column %zu: %.400s", column + 1, why);
    return CLI_USAGE;
}

static int read_rules(struct report *r)
{
    const char *path = options_text(r->o, "match-rules");
    char why[WHY_MAX];
    buf_init(&r->rules_text, RULES_TEXT_MAX);
    if (!path)
        return CLI_OK;
    int e = whole_file_read(path, RULES_TEXT_MAX, &r->rules_text, why);
    e = e ? e : rules_parse(&r->rules, path, buf_view(&r->rules_text), why);
    if (e)
        cli_error("%s", why);
    else if (r->conf.any_host)
        rules_any_host(&r->rules);
    r->conf.rules = &r->rules;
    return e ? CLI_USAGE : CLI_OK;
}

static int read_headers(const struct command *c, struct report *r)
{
    size_t n = options_count(r->o, "match-header");
    if (n > MATCH_HEADERS_MAX)
        return cli_usage(c, "--match-header: given %zu times; at most %d", n, MATCH_HEADERS_MAX);
    for (size_t i = 0; i < n; i++)
        r->headers[i] = options_nth(r->o, "match-header", i);
    r->conf.headers = r->headers;
    r->conf.n_headers = n;
    return CLI_OK;
}

static int read_tapes(const struct command *c, struct report *r)
{
    size_t n = options_count(r->o, "tape");
    int code = CLI_OK;
    if (n == 0)
        return CLI_OK;
    r->tapes = calloc(n, sizeof *r->tapes);
    if (!r->tapes) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    for (; r->tapes_n < n && !code; r->tapes_n++)
        code = capture_find(&r->tapes[r->tapes_n], options_nth(r->o, "tape", r->tapes_n));
    r->conf.any_host = options_flag(r->o, "any-host");
    r->conf.repeat = MATCH_FAIL;
    code = code ? code : read_filter(r);
    code = code ? code : read_rules(r);
    code = code ? code : read_headers(c, r);
    struct index_conf conf = {r->tapes, r->tapes_n, r->filter, &r->conf};
    code = code ? code : index_build(&r->index, &conf);
    if (!code && !(r->match = match_new(r->index))) {
        cli_error("out of memory");
        code = CLI_FAILED;
    }
    if (!code)
        index_sums(r->index, &r->sums);
    return code;
}

// ---- recordings that nobody asked for

typedef void tell_unused(void *arg, int64_t id, const struct index_endpoint *e);

// Tells at most max of them; returns how many there are.
static uint64_t each_unused(const struct report *r, tell_unused *tell, void *arg, uint64_t max)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < r->sums.transactions; i++) {
        const struct index_entry *e = index_entry(r->index, i);
        if (summary_uses(&r->summary, e->id))
            continue;
        if (n++ < max)
            tell(arg, e->id,
                 e->endpoint < index_endpoints(r->index) ? index_endpoint(r->index, e->endpoint)
                                                         : NULL);
    }
    for (uint32_t i = 0; i < r->sums.talks; i++) {
        int64_t id = index_talk(r->index, i)->id;
        if (!summary_uses(&r->summary, id) && n++ < max)
            tell(arg, id, NULL);
    }
    return n;
}

// ---- for people

static void cell(struct table *t, const char *text)
{
    table_cell(t, STYLE_PLAIN, view_of(text));
}

static struct table *new_table(const struct report *r, const char *const *columns, size_t n)
{
    struct table *t = table_new(&r->term);
    for (size_t i = 0; t && i < n; i++)
        table_column(t, columns[i],
                     strcmp(columns[i], "count") == 0  ? TABLE_NUMBER
                     : strcmp(columns[i], "what") == 0 ? TABLE_TEXT
                                                       : TABLE_FIXED);
    if (t && options_flag(r->o, "no-header"))
        table_no_header(t);
    return t;
}

static void print_sums(const struct report *r)
{
    const struct summary *s = &r->summary;
    char text[4][FIELDS_COUNT];
    const char *before = "faults      ";
    uint64_t all = s->hits + s->missed + s->passed;
    fprintf(r->term.out, "requests    %s: %s answered, %s missed, %s passed through",
            fields_count((int64_t)all, text[0]), fields_count((int64_t)s->hits, text[1]),
            fields_count((int64_t)s->missed, text[2]), fields_count((int64_t)s->passed, text[3]));
    if (all > 0)
        fprintf(r->term.out, "; match rate %.4g %%", 100.0 * (double)s->hits / (double)all);
    if (s->refused > 0)
        fprintf(r->term.out, "; %s more refused by a fault",
                fields_count((int64_t)s->refused, text[0]));
    putc('\n', r->term.out);
    for (int i = 0; i < FAULT_KINDS; i++) {
        if (s->faults[i] == 0)
            continue;
        fprintf(r->term.out, "%s%s %s", before, fields_count((int64_t)s->faults[i], text[0]),
                fault_names[i]);
        before = ", ";
    }
    if (*before == ',')
        putc('\n', r->term.out);
}

static int print_misses(const struct report *r)
{
    static const char *const columns[] = {"count", "first", "cause", "method",
                                          "host",  "path",  "what"};
    const size_t n = sizeof columns / sizeof *columns;
    uint64_t more = r->misses.left_out;
    char id[FIELDS_ID];
    if (r->misses.n == 0 && more == 0)
        return CLI_OK;
    fprintf(r->term.out, "\nMissed:\n");
    struct table *t = new_table(r, columns, n);
    if (!t)
        return CLI_FAILED;
    for (size_t i = 0; i < r->misses.n; i++) {
        const struct miss *m = &r->misses.all[i];
        if (i >= SHOWN) {
            more += m->count;
            continue;
        }
        table_cellf(t, STYLE_PLAIN, "%" PRIu64, m->count);
        cell(t, fields_id(m->id, id));
        table_cell(t, STYLE_WARN, view_of(*m->cause ? m->cause : "-"));
        cell(t, m->method);
        cell(t, m->host);
        table_cellf(t, STYLE_PLAIN, "%s%s%s", m->path, *m->query ? "?" : "", m->query);
        cell(t, m->what ? m->what : "");
    }
    table_end(t);
    if (more)
        fprintf(r->term.out, "and %" PRIu64 " more%s\n", more,
                r->misses.n > SHOWN ? "; --json has all of them" : "");
    if (!r->index)
        fprintf(r->term.out,
                "\nWith --tape CAPTURE, that which answered, it says what they lacked\n");
    return CLI_OK;
}

static void unused_row(void *arg, int64_t id, const struct index_endpoint *e)
{
    struct table *t = arg;
    char text[FIELDS_ID];
    cell(t, fields_id(id, text));
    table_cell(t, STYLE_PLAIN, e ? e->method : VIEW_LIT("-"));
    table_cell(t, STYLE_PLAIN, e ? e->host : VIEW_LIT("-"));
    table_cell(t, STYLE_PLAIN, e ? e->route : VIEW_LIT("-"));
}

static void no_row(void *arg, int64_t id, const struct index_endpoint *e)
{
    (void)arg;
    (void)id;
    (void)e;
}

static void print_recordings(const struct report *r)
{
    char text[3][FIELDS_COUNT];
    if (!r->index)
        return;
    uint64_t all = r->sums.transactions + r->sums.talks, n = each_unused(r, no_row, NULL, 0);
    fprintf(r->term.out, "recordings  %s: %s used, %s unused\n",
            fields_count((int64_t)all, text[0]), fields_count((int64_t)(all - n), text[1]),
            fields_count((int64_t)n, text[2]));
}

static int print_unused(const struct report *r)
{
    static const char *const columns[] = {"id", "method", "host", "route"};
    uint64_t n = r->index ? each_unused(r, no_row, NULL, 0) : 0;
    if (n == 0)
        return CLI_OK;
    fprintf(r->term.out, "\nUnused:\n");
    struct table *t = new_table(r, columns, sizeof columns / sizeof *columns);
    if (!t)
        return CLI_FAILED;
    each_unused(r, unused_row, t, SHOWN);
    table_end(t);
    if (n > SHOWN)
        fprintf(r->term.out, "and %" PRIu64 " more; --json has all of them\n", n - SHOWN);
    return CLI_OK;
}

// ---- for programs

static void json_unused(void *arg, int64_t id, const struct index_endpoint *e)
{
    struct jsonw *w = arg;
    char text[FIELDS_ID];
    jsonw_object(w, NULL);
    jsonw_string(w, "id", fields_id(id, text));
    jsonw_field(w, "method", e ? e->method : (struct view){NULL, 0});
    jsonw_field(w, "host", e ? e->host : (struct view){NULL, 0});
    jsonw_field(w, "route", e ? e->route : (struct view){NULL, 0});
    jsonw_object_end(w);
}

static void json_misses(struct jsonw *w, const struct misses *all)
{
    char id[FIELDS_ID];
    jsonw_array(w, "missed");
    for (size_t i = 0; i < all->n; i++) {
        const struct miss *m = &all->all[i];
        jsonw_object(w, NULL);
        jsonw_int(w, "count", (int64_t)m->count);
        jsonw_string(w, "first", fields_id(m->id, id));
        jsonw_field(w, "cause", view_of(*m->cause ? m->cause : NULL));
        jsonw_field(w, "method", view_of(m->method));
        jsonw_field(w, "host", view_of(m->host));
        jsonw_field(w, "path", view_of(m->path));
        jsonw_field(w, "query", view_of(m->query));
        jsonw_field(w, "what", view_of(m->what));
        jsonw_field(w, "rules", view_of(m->rules));
        if (m->document)
            jsonw_raw(w, "explained", view_of(m->document));
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
    jsonw_int(w, "missed_more", (int64_t)all->left_out);
}

static void print_json(const struct report *r)
{
    const struct summary *s = &r->summary;
    uint64_t all = s->hits + s->missed + s->passed;
    struct jsonw w;
    jsonw_init(&w, r->term.out);
    jsonw_object(&w, NULL);
    jsonw_int(&w, "requests", (int64_t)all);
    jsonw_int(&w, "hits", (int64_t)s->hits);
    jsonw_int(&w, "misses", (int64_t)s->missed);
    jsonw_int(&w, "passthrough", (int64_t)s->passed);
    jsonw_int(&w, "refused", (int64_t)s->refused);
    if (all > 0)
        jsonw_real(&w, "match_rate", (double)s->hits / (double)all);
    else
        jsonw_null(&w, "match_rate");
    jsonw_object(&w, "faults");
    for (int i = 0; i < FAULT_KINDS; i++)
        jsonw_int(&w, fault_names[i], (int64_t)s->faults[i]);
    jsonw_object_end(&w);
    json_misses(&w, &r->misses);
    if (r->index) {
        jsonw_int(&w, "recordings", (int64_t)(r->sums.transactions + r->sums.talks));
        jsonw_array(&w, "unused");
        each_unused(r, json_unused, &w, UINT64_MAX);
        jsonw_array_end(&w);
    }
    jsonw_object_end(&w);
    putc('\n', r->term.out);
}

// ---- the command

static int write_rules(const struct report *r)
{
    const char *path = options_text(r->o, "write-rules");
    struct out out;
    struct buf text;
    if (!path)
        return CLI_OK;
    buf_init(&text, RULES_TEXT_MAX);
    int without = misses_rules(&r->misses, buf_view(&r->rules_text), &text), code = CLI_FAILED;
    if (without == E_UNSUPPORTED)
        cli_error("%s: rules can be added where each stands on a line of its own, as an item of a "
                  "list",
                  options_text(r->o, "match-rules"));
    else if (without < 0)
        cli_error("the rules: %s", err_text(without));
    else if ((code = out_open(&out, path)) == CLI_OK) {
        if (!r->conf.rules)
            fprintf(out.f, "# Under these rules what a mock missed is answered; each is to be gone "
                           "over.\n");
        fwrite(buf_view(&text).p, 1, buf_len(&text), out.f);
        code = out_close(&out, true);
    }
    if (without > 0)
        cli_error("%d of the misses cannot be accepted by rules", without);
    buf_clear(&text);
    return code;
}

static int tell(const struct report *r)
{
    if (options_flag(r->o, "json")) {
        print_json(r);
        return CLI_OK;
    }
    print_sums(r);
    print_recordings(r);
    int code = print_misses(r);
    return code ? code : print_unused(r);
}

static void clear(struct report *r)
{
    match_free(r->match);
    index_free(r->index);
    for (size_t i = 0; i < r->tapes_n; i++)
        capture_clear(&r->tapes[i]);
    free(r->tapes);
    filter_free(r->filter);
    rules_clear(&r->rules);
    buf_clear(&r->rules_text);
    misses_clear(&r->misses);
    summary_clear(&r->summary);
    capture_clear(&r->own);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct report r = {.o = o};
    if (argc > 1)
        return cli_usage(c, "one capture, that of the mock; '%s' is one more", argv[1]);
    term_init(&r.term, stdout, o);
    int code = read_tapes(c, &r);
    code = code ? code : capture_find(&r.own, argc ? argv[0] : NULL);
    code = code ? code : summary_read(&r.summary, &r.own);
    code = code ? code : misses_find(&r.misses, &r.summary, &r.own, r.match, &r.conf);
    code = code ? code : tell(&r);
    code = code ? code : write_rules(&r);
    clear(&r);
    return code ? code : cli_result();
}

const struct command command_mock_report = {
    .name = "mock-report",
    .sentence = "say what a mock answered, missed and why",
    .operands = "[CAPTURE]",
    .example =
        "tapedeck mock-report capture.db\n"
        "tapedeck mock-report capture.db --tape captures/capture.db --write-rules rules.yaml\n"
        "tapedeck mock-report capture.db --json | jq .match_rate",
    .text =
        "CAPTURE is that of the mock, which tells of each request whether a recording answered it. "
        "With --tape, the capture that answered, recordings that nobody asked for are listed, and "
        "for each miss the nearest recorded request is looked for anew: what differs, and the rule "
        "that would accept it. Misses of one method, host, route and cause are one line.\n"
        "What redaction replaced in the mock's capture is not there to be compared.",
    .options = options,
    .rules = option_rules,
    .run = run,
};
