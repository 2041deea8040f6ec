// diff: two captures, transaction by transaction: which of them are each other's (match.c), what
// they hold (load.c), what differs (tools/compare/), told as a table or as JSON.
#include "proto/base/whole_file.h"
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/compare/learn.h"
#include "tools/diff/match.h"
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/load.h"
#include "tools/out.h"
#include "tools/selection.h"
#include "tools/table.h"

#include <inttypes.h>

#define DIFFERENT  1
#define NOT_RUN    2
#define LISTED_MAX 100 // differences of a message that are listed

static const struct option_def options[] = {
    {.name = "rules",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "What may differ, in YAML; see tapedeck help rules.",
     .programs = CLI_PROGRAM},
    {.name = "learn",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Write rules that make what differs equal; for two runs that ought to be equal.",
     .programs = CLI_PROGRAM},
    {.name = "half",
     .type = OPT_CHOICE,
     .initial = "both",
     .choices = "both|request|answer",
     .unit = "HALF",
     .sentence = "What is compared of each transaction.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object a line: each transaction that differs, and the sums at last.",
     .programs = CLI_PROGRAM},
    CLI_NO_HEADER,
    BODY_MAX_DECODED,
    CLI_OPTIONS_END,
};

static const struct cli_rule option_rules[] = {
    {"json", CLI_EXCLUDES, "no-header"},
    {.option = NULL},
};

struct sums {
    uint64_t left, right, equal, different, missing, extra, differences;
};

struct diff {
    const struct options *o;
    struct rules rules;
    struct learn *learn; // NULL: not wanted
    struct match_side side[2];
    struct load load[2];
    struct sums sums;
    struct term term;
    struct table *table; // NULL: JSON is wanted
    struct jsonw w;
    bool out_of_memory;
};

static const char *const halves[] = {"request", "answer"};

// ---- telling

static void cell(struct diff *d, const char *text)
{
    table_cell(d->table, STYLE_PLAIN, view_of(text));
}

static void table_row(struct diff *d, const char *left, const char *right, const struct load_row *r,
                      const char *half, const char *where, const char *kind)
{
    char url[1024];
    int n = snprintf(url, sizeof url, "%.*s%s%.*s%.*s%s%.*s", (int)r->method.n,
                     r->method.n ? r->method.p : "", r->method.n ? " " : "", (int)r->host.n,
                     r->host.n ? r->host.p : "", (int)r->path.n, r->path.n ? r->path.p : "",
                     r->query.n ? "?" : "", (int)r->query.n, r->query.n ? r->query.p : "");
    cell(d, left);
    cell(d, right);
    table_cell(d->table, STYLE_PLAIN,
               view_n(url, n < (int)sizeof url ? (size_t)n : sizeof url - 1));
    cell(d, half);
    table_cell(d->table, STYLE_NAME, view_of(where));
    table_cell(d->table, STYLE_WARN, view_of(kind));
}

static void json_begin(struct diff *d, const char *left, const char *right,
                       const struct load_row *r)
{
    jsonw_object(&d->w, NULL);
    jsonw_text(&d->w, "left", view_of(left[0] == '-' ? NULL : left));
    jsonw_text(&d->w, "right", view_of(right[0] == '-' ? NULL : right));
    jsonw_field(&d->w, "method", r->method);
    jsonw_field(&d->w, "host", r->host);
    jsonw_field(&d->w, "path", r->path);
    jsonw_field(&d->w, "query", r->query);
    jsonw_array(&d->w, "differences");
}

static void json_end(struct diff *d, uint64_t total)
{
    jsonw_array_end(&d->w);
    jsonw_int(&d->w, "count", (int64_t)total);
    jsonw_object_end(&d->w);
    putc('\n', d->term.out);
}

static void json_difference(struct diff *d, const char *half, const struct difference *one)
{
    bool missing = one->kind == DIFFERENCE_MISSING, extra = one->kind == DIFFERENCE_EXTRA;
    jsonw_object(&d->w, NULL);
    jsonw_string(&d->w, "half", half);
    jsonw_string(&d->w, "where", one->where);
    jsonw_string(&d->w, "kind", difference_kinds[one->kind]);
    jsonw_field(&d->w, "left", view_of(extra ? NULL : one->left));
    jsonw_field(&d->w, "right", view_of(missing ? NULL : one->right));
    if (one->shape)
        jsonw_string(&d->w, "shape", shape_names[one->shape]);
    jsonw_object_end(&d->w);
}

// What two transactions differ in: found[] of the request and of the answer.
static void tell(struct diff *d, int64_t left, int64_t right, const struct load_row *r,
                 const struct differences found[2])
{
    char id[2][FIELDS_ID];
    fields_id(left, id[0]);
    fields_id(right, id[1]);
    if (!d->table)
        json_begin(d, id[0], id[1], r);
    for (int s2c = 0; s2c < 2; s2c++) {
        for (size_t i = 0; i < found[s2c].n; i++) {
            const struct difference *one = &found[s2c].items[i];
            if (!d->table) {
                json_difference(d, halves[s2c], one);
                continue;
            }
            table_row(d, id[0], id[1], r, halves[s2c], one->where, difference_kinds[one->kind]);
            cell(d, one->left);
            cell(d, one->right);
        }
        if (found[s2c].total <= found[s2c].n || !d->table)
            continue;
        table_row(d, id[0], id[1], r, halves[s2c], "", "");
        table_cellf(d->table, STYLE_DIM, "%" PRIu64 " differences more",
                    found[s2c].total - found[s2c].n);
        cell(d, "");
    }
    if (!d->table)
        json_end(d, found[0].total + found[1].total);
}

// A transaction that one side alone has.
static void tell_alone(struct diff *d, size_t side, const struct match_row *row,
                       const struct load_row *r)
{
    char id[FIELDS_ID];
    struct difference one = {.kind = side ? DIFFERENCE_EXTRA : DIFFERENCE_MISSING,
                             .where = "transaction"};
    fields_id(row->id, id);
    if (!d->table) {
        json_begin(d, side ? "-" : id, side ? id : "-", r);
        json_difference(d, "both", &one);
        json_end(d, 1);
        return;
    }
    table_row(d, side ? "-" : id, side ? id : "-", r, "both", one.where,
              difference_kinds[one.kind]);
    cell(d, "");
    cell(d, "");
}

static void tell_sums(struct diff *d)
{
    const struct sums *s = &d->sums;
    char text[6][FIELDS_COUNT];
    if (d->table) {
        bool any = s->different + s->missing + s->extra > 0;
        table_end(d->table);
        d->table = NULL;
        fprintf(d->term.out,
                "%s%s of %s and %s transactions are equal, %s differ, %s are missing, %s extra\n",
                any ? "\n" : "", fields_count((int64_t)s->equal, text[0]),
                fields_count((int64_t)s->left, text[1]), fields_count((int64_t)s->right, text[2]),
                fields_count((int64_t)s->different, text[3]),
                fields_count((int64_t)s->missing, text[4]),
                fields_count((int64_t)s->extra, text[5]));
        return;
    }
    jsonw_object(&d->w, NULL);
    jsonw_object(&d->w, "sums");
    jsonw_int(&d->w, "left", (int64_t)s->left);
    jsonw_int(&d->w, "right", (int64_t)s->right);
    jsonw_int(&d->w, "equal", (int64_t)s->equal);
    jsonw_int(&d->w, "different", (int64_t)s->different);
    jsonw_int(&d->w, "missing", (int64_t)s->missing);
    jsonw_int(&d->w, "extra", (int64_t)s->extra);
    jsonw_int(&d->w, "differences", (int64_t)s->differences);
    jsonw_object_end(&d->w);
    jsonw_object_end(&d->w);
    putc('\n', d->term.out);
}

// ---- comparing

// Whether the contents are known to be equal without reading them.
static bool same_content(const struct load_row *l, const struct load_row *r, int s2c)
{
    return l->sizes[s2c] == r->sizes[s2c] && l->digests[s2c].n > 0 &&
           view_eq(l->digests[s2c], r->digests[s2c]) && view_ieq(l->codings[s2c], r->codings[s2c]);
}

static void compare_pair(struct diff *d, const struct match_row *left,
                         const struct match_row *right)
{
    const char *wanted = options_text(d->o, "half");
    struct load_row l, r;
    struct differences found[2];
    int e = 0;
    if (!load_row(&d->load[0], left->file, left->id, &l) ||
        !load_row(&d->load[1], right->file, right->id, &r))
        return;
    struct rules_subject subject = {l.method, l.host, l.path};
    for (int s2c = 0; s2c < 2; s2c++) {
        differences_init(&found[s2c], LISTED_MAX);
        if (e || (strcmp(wanted, "both") != 0 && strcmp(wanted, halves[s2c]) != 0))
            continue;
        if (!same_content(&l, &r, s2c)) {
            load_content(&d->load[0], &l, s2c);
            load_content(&d->load[1], &r, s2c);
        }
        e = compare(&d->rules, &subject, &l.half[s2c], &r.half[s2c], &found[s2c]);
        if (!e && d->learn)
            e = learn_add(d->learn, &subject, &found[s2c]);
    }
    uint64_t total = found[0].total + found[1].total;
    d->out_of_memory = e != 0;
    d->sums.differences += total;
    d->sums.different += total > 0;
    d->sums.equal += total == 0;
    if (total > 0 && !e)
        tell(d, left->id, right->id, &l, found);
    differences_clear(&found[0]);
    differences_clear(&found[1]);
}

static void compare_sides(struct diff *d)
{
    struct load_row r;
    d->sums.left = d->side[0].n;
    d->sums.right = d->side[1].n;
    for (size_t side = 0; side < 2; side++)
        for (size_t i = 0; i < d->side[side].n && !d->out_of_memory; i++) {
            const struct match_row *row = &d->side[side].rows[i];
            if (row->other != MATCH_NONE) {
                if (side == 0)
                    compare_pair(d, row, &d->side[1].rows[row->other]);
                continue;
            }
            *(side ? &d->sums.extra : &d->sums.missing) += 1;
            d->sums.differences++;
            if (load_row(&d->load[side], row->file, row->id, &r))
                tell_alone(d, side, row, &r);
        }
}

// ---- files

static int read_rules(struct diff *d, const char *path)
{
    char why[WHY_MAX];
    struct buf text;
    buf_init(&text, RULES_TEXT_MAX);
    int e = whole_file_read(path, RULES_TEXT_MAX, &text, why);
    e = e ? e : rules_parse(&d->rules, path, buf_view(&text), why);
    buf_clear(&text);
    if (e)
        cli_error("%s", why);
    return e ? NOT_RUN : CLI_OK;
}

static int write_learned(const struct diff *d, const char *path)
{
    struct out out;
    struct buf text;
    int code = CLI_FAILED;
    buf_init(&text, RULES_TEXT_MAX);
    if (learn_write(d->learn, &text))
        cli_error("the rules that were learned are more than %u bytes", RULES_TEXT_MAX);
    else if ((code = out_open(&out, path)) == CLI_OK) {
        fwrite(buf_view(&text).p, 1, buf_len(&text), out.f);
        code = out_close(&out, true);
    }
    buf_clear(&text);
    return code ? NOT_RUN : CLI_OK;
}

static bool table_init(struct diff *d)
{
    static const char *const columns[] = {"left",  "right", "request", "half",
                                          "where", "kind",  "old",     "new"};
    d->table = table_new(&d->term);
    if (!d->table)
        return false;
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        table_column(d->table, columns[i], i == 2 || i > 5 ? TABLE_TEXT : TABLE_FIXED);
    if (options_flag(d->o, "no-header"))
        table_no_header(d->table);
    return true;
}

static int both(struct diff *d, const struct capture *left, const struct selection *right)
{
    const struct capture *captures[] = {left, &right->capture};
    uint64_t most = (uint64_t)options_number(d->o, "max-decoded");
    int code = CLI_OK;
    for (int side = 0; side < 2 && !code; side++) {
        code = match_load(&d->side[side], captures[side], right->filter);
        code = code ? code : load_init(&d->load[side], captures[side], most);
    }
    code = code ? code : match_sides(&d->side[0], &d->side[1]);
    if (!code && !options_flag(d->o, "json") && !table_init(d)) {
        d->out_of_memory = true;
    } else if (!code) {
        compare_sides(d);
        if (!d->out_of_memory)
            tell_sums(d);
    }
    table_end(d->table);
    if (d->out_of_memory)
        cli_error("out of memory");
    if (!code && !d->out_of_memory && d->learn)
        code = write_learned(d, options_text(d->o, "learn"));
    for (int side = 0; side < 2; side++) {
        load_clear(&d->load[side]);
        match_clear(&d->side[side]);
    }
    if (code || d->out_of_memory || cli_result() != CLI_OK)
        return NOT_RUN;
    return d->sums.differences ? DIFFERENT : CLI_OK;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct diff d = {.o = o};
    struct capture left = {0};
    struct selection right = {0};
    int code = CLI_OK;
    if (argc < 2)
        return cli_usage(c, "which two captures?");
    for (int i = 0; i < 2; i++)
        if (!capture_names(argv[i])) {
            cli_error("there is no capture '%s'", argv[i]);
            return NOT_RUN;
        }
    term_init(&d.term, stdout, o);
    jsonw_init(&d.w, stdout);
    if (options_text(o, "rules"))
        code = read_rules(&d, options_text(o, "rules"));
    if (!code && options_text(o, "learn") && !(d.learn = learn_new())) {
        cli_error("out of memory");
        code = NOT_RUN;
    }
    code = code ? code : selection_parse(&right, argc - 1, argv + 1);
    code = code ? code : capture_find(&left, argv[0]);
    code = code ? NOT_RUN : both(&d, &left, &right);
    selection_clear(&right);
    capture_clear(&left);
    learn_free(d.learn);
    rules_clear(&d.rules);
    return code;
}

const struct command command_diff = {
    .name = "diff",
    .sentence = "say what differs between two captures",
    .operands = "CAPTURE CAPTURE [FILTER]",
    .example = "tapedeck diff capture.db captures/capture.db\n"
               "tapedeck diff capture.db captures --half answer 'method = GET'\n"
               "tapedeck diff capture.db captures --learn rules.yaml\n"
               "tapedeck diff capture.db captures --rules rules.yaml --json | jq .count",
    .text =
        "A transaction that was replayed or mocked is compared with the one it was played from. "
        "Other flows with the same requests in the same order are compared with each other, "
        "transaction by transaction; of all others the n-th with a method, host, path and query "
        "with the n-th of the other capture; and of what is left then the n-th with a route, that "
        "is a path with {id} in place of what looks like a number or an identifier, and names in "
        "the query. Ids and times of transactions are no difference. Left out is what a "
        "replay had to send once more, as the connection had just been closed (outcome 'sent "
        "again').\n"
        "Heads are compared by name, JSON and XML by value, forms by key, text by line, anything "
        "else byte by byte, with content codings undone; tapedeck help rules tells what that means "
        "and what is left out. What redaction replaced on one side may have been any value "
        "that stands on the other. Content that was not kept whole, or has more than 64 MiB, is "
        "compared by size and digest.\n"
        "Exits with 0 when both are equal under the rules, 1 when they differ, 2 when they could "
        "not be compared, or not all of them.",
    .options = options,
    .rules = option_rules,
    .failed = NOT_RUN,
    .run = run,
};
