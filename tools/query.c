// query: SQL over a capture, read-only: the store refuses whatever writes.
//
// Each file of a folder is asked in turn, and the rows are told under the names of the first: a
// query that counts, counts each file by itself. Values are written as they come, so a result of
// any size needs no memory; only a table waits for its widths.
#include "proto/base/buf.h"
#include "proto/base/utf8.h"
#include "tools/capture.h"
#include "tools/commands.h"
#include "tools/csv.h"
#include "tools/fields.h"
#include "tools/table.h"

#include <unistd.h>

#define SQL_MAX   (1u << 20)
#define BLOB_HEAD 32 // bytes of a blob in a table

static const struct option_def options[] = {
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object a line.",
     .programs = CLI_PROGRAM},
    {.name = "csv",
     .type = OPT_FLAG,
     .sentence = "Comma-separated values (RFC 4180) with a line of names.",
     .programs = CLI_PROGRAM},
    CLI_NO_HEADER,
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"json", CLI_EXCLUDES, "csv"},
    {"json", CLI_EXCLUDES, "no-header"},
    {.option = NULL},
};

struct printer {
    struct term term;
    bool json, csv, header, begun;
    struct jsonw w;
    struct table *table;
};

// A blob is text for JSON when it is UTF-8; else an object, so that nobody takes one for the other.
static void json_blob(struct jsonw *w, const char *key, struct view v)
{
    if (utf8_valid(v)) {
        jsonw_text(w, key, v.p ? v : VIEW_LIT(""));
        return;
    }
    jsonw_object(w, key);
    jsonw_open(w, "base64");
    jsonw_add_base64(w, v);
    jsonw_close(w);
    jsonw_object_end(w);
}

static void json_row(struct printer *p, const struct store_query *q, int columns)
{
    jsonw_object(&p->w, NULL);
    for (int i = 0; i < columns; i++) {
        const char *name = store_column_name(q, i);
        enum store_type type = store_column_type(q, i);
        struct view v =
            type == STORE_TEXT || type == STORE_BLOB ? store_bytes(q, i) : (struct view){0};
        if (type == STORE_BLOB)
            json_blob(&p->w, name, v);
        else if (type == STORE_TEXT)
            jsonw_text(&p->w, name, v.p ? v : VIEW_LIT(""));
        else
            fields_json_one(&p->w, name, q, i);
    }
    jsonw_object_end(&p->w);
    putc_unlocked('\n', p->term.out);
}

static void blob_cell(struct table *t, struct view v)
{
    char text[2 * BLOB_HEAD + 32];
    size_t n = 0;
    if (utf8_valid(v)) {
        table_cell(t, STYLE_PLAIN, v);
        return;
    }
    n += (size_t)snprintf(text, sizeof text, "x'");
    for (size_t i = 0; i < v.n && i < BLOB_HEAD; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%02x", (unsigned char)v.p[i]);
    snprintf(text + n, sizeof text - n, v.n > BLOB_HEAD ? "…' %zu bytes" : "'", v.n);
    table_cell(t, STYLE_PLAIN, view_of(text));
}

static void table_row(struct printer *p, const struct store_query *q, int columns)
{
    for (int i = 0; i < columns && i < TABLE_COLUMNS; i++) {
        switch (store_column_type(q, i)) {
        case STORE_INT:
            table_cellf(p->table, STYLE_PLAIN, "%lld", (long long)store_int(q, i));
            break;
        case STORE_REAL:
            table_cellf(p->table, STYLE_PLAIN, "%.10g", store_real(q, i));
            break;
        case STORE_TEXT:
            table_cell(p->table, STYLE_PLAIN, store_bytes(q, i));
            break;
        case STORE_BLOB:
            blob_cell(p->table, store_bytes(q, i));
            break;
        case STORE_NULL:
            table_cell(p->table, STYLE_DIM, VIEW_LIT("-"));
            break;
        }
    }
}

// Once, with the first file's columns. A column is to the right when its first value is a number.
static int begin(struct printer *p, const struct store_query *q, int columns, bool row)
{
    if (p->begun)
        return CLI_OK;
    p->begun = true;
    jsonw_init(&p->w, p->term.out);
    if (p->json)
        return CLI_OK;
    if (p->csv) {
        for (int i = 0; i < columns && p->header; i++)
            csv_field(p->term.out, view_of(store_column_name(q, i)), i == 0);
        if (p->header)
            csv_end(p->term.out);
        return CLI_OK;
    }
    p->table = table_new(&p->term);
    if (!p->table) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    if (!p->header)
        table_no_header(p->table);
    if (columns > TABLE_COLUMNS)
        cli_error("only %d of %d columns are shown; --json and --csv give all", TABLE_COLUMNS,
                  columns);
    for (int i = 0; i < columns; i++) {
        enum store_type type = row ? store_column_type(q, i) : STORE_NULL;
        table_column(p->table, store_column_name(q, i),
                     type == STORE_INT || type == STORE_REAL ? TABLE_NUMBER : TABLE_TEXT);
    }
    return CLI_OK;
}

static int ask(struct printer *p, struct store *s, const char *sql)
{
    struct store_query *q = NULL;
    int e = store_query(s, sql, &q), code = CLI_OK;
    int columns = e ? 0 : store_columns(q);
    while (!e && !code && !ferror_unlocked(p->term.out) && (e = store_step(q)) == 1) {
        e = 0;
        code = begin(p, q, columns, true);
        if (code)
            break;
        if (p->json) {
            json_row(p, q, columns);
        } else if (p->csv) {
            for (int i = 0; i < columns; i++)
                csv_column(p->term.out, q, i, i == 0);
            csv_end(p->term.out);
        } else {
            table_row(p, q, columns);
        }
    }
    if (e == E_SYNTAX || e == E_REFUSED) {
        cli_error("%s", store_why(s));
        code = CLI_USAGE;
    } else if (e)
        cli_damage("%s", store_why(s));
    else if (!code && p->csv)
        code = begin(p, q, columns, false);
    store_query_free(q);
    return code;
}

// "-": SQL from standard input.
static int read_sql(const char *operand, struct buf *sql)
{
    char piece[4096];
    ssize_t n = 0;
    if (strcmp(operand, "-") != 0)
        return buf_add(sql, operand, strlen(operand) + 1);
    int e = 0;
    while (!e && (n = read(STDIN_FILENO, piece, sizeof piece)) > 0)
        e = buf_add(sql, piece, (size_t)n);
    return e ? e : n < 0 ? E_IO : buf_add(sql, "", 1);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct printer p = {.json = options_flag(o, "json"), .csv = options_flag(o, "csv")};
    struct capture capture = {0};
    struct buf sql;
    if (argc < 1 || argc > 2)
        return cli_usage(c, argc < 1 ? "there is no SQL" : "one SQL statement, in quotes");
    if (argc == 1 && capture_names(argv[0]) && strcmp(argv[0], "-") != 0)
        return cli_usage(c, "there is no SQL behind '%s'", argv[0]);
    term_init(&p.term, stdout, o);
    p.header = !options_flag(o, "no-header");
    buf_init(&sql, SQL_MAX);
    int e = read_sql(argv[argc - 1], &sql);
    int code = CLI_OK;
    if (e) {
        cli_error("SQL: %s", err_text(e));
        code = CLI_FAILED;
    }
    code = code ? code : capture_find(&capture, argc == 2 ? argv[0] : NULL);
    for (size_t i = 0; i < capture.n && !code; i++) {
        struct store *s = capture_open_file(&capture, i);
        if (s)
            code = ask(&p, s, buf_view(&sql).p);
        store_close(s);
    }
    table_end(p.table);
    capture_clear(&capture);
    buf_clear(&sql);
    return code ? code : cli_result();
}

const struct command command_query = {
    .name = "query",
    .sentence = "ask a capture in SQL, read-only",
    .operands = "[CAPTURE] SQL",
    .example = "tapedeck query 'SELECT method, path, duration FROM http ORDER BY duration DESC "
               "LIMIT 10'\n"
               "tapedeck query capture.db --csv 'SELECT * FROM endpoints' > endpoints.csv\n"
               "tapedeck query --json \"SELECT url FROM http WHERE header(req_head, 'x-tenant') = "
               "'acme'\"",
    .text = "The views http, raw, header, content, flows, endpoints, losses and open_transactions "
            "are a good start; times and durations in them are microseconds. SQL \"-\" is read "
            "from standard input. Of a folder each file is asked in turn.\n"
            "Besides SQLite's own functions there are header(HEAD, NAME), content_type(HEAD), "
            "body_contains(BODY, TEXT), body_matches(BODY, REGEX), in its first 64 MiB, "
            "and the operator REGEXP.",
    .options = options,
    .rules = rules,
    .run = run,
};
