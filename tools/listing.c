// listing: the table's cells; JSON is fields.c's.
//
// 1. A cell is for a person: short numbers, the query behind the path, a remark where a transaction
//    is not whole. JSON has every field as the database has it.
// 2. Bytes of a stranger reach a terminal through table_cell() alone, which makes them harmless.
#include "tools/listing.h"

#include "tools/cli.h"

static const enum filter_field usual[] = {
    FIELD_ID,       FIELD_TIME,     FIELD_DIRECTION, FIELD_METHOD, FIELD_STATUS,
    FIELD_DURATION, FIELD_REQ_SIZE, FIELD_RES_SIZE,  FIELD_HOST,   FIELD_PATH,
};

static const char *heading(enum filter_field f)
{
    switch (f) {
    case FIELD_DIRECTION:
        return "dir";
    case FIELD_REQ_SIZE:
        return "req";
    case FIELD_RES_SIZE:
        return "res";
    case FIELD_DURATION:
        return "took";
    default:
        return filter_fields[f].name;
    }
}

static enum table_kind kind(enum filter_field f)
{
    enum filter_type type = filter_fields[f].type;
    if (type == FILTER_SIZE || type == FILTER_DURATION || f == FIELD_STATUS || f == FIELD_N)
        return TABLE_NUMBER;
    bool fixed = f == FIELD_ID || f == FIELD_FLOW || f == FIELD_ORIGINAL || f == FIELD_TIME ||
                 f == FIELD_DIRECTION || f == FIELD_METHOD;
    return fixed ? TABLE_FIXED : TABLE_TEXT;
}

int listing_init(struct listing *l, const struct term *term, const struct options *o)
{
    const char *names = options_text(o, "columns");
    *l = (struct listing){.term = term, .json = options_flag(o, "json")};
    if (names) {
        int code = fields_parse(names, l->columns, &l->n);
        if (code)
            return code;
    } else {
        memcpy(l->columns, usual, sizeof usual);
        l->n = sizeof usual / sizeof *usual;
    }
    jsonw_init(&l->w, term->out);
    if (l->json)
        return CLI_OK;
    l->table = table_new(term);
    if (!l->table) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    if (options_flag(o, "no-header"))
        table_no_header(l->table);
    l->whole_path = true;
    for (size_t i = 0; i < l->n; i++) {
        enum filter_field f = l->columns[i];
        table_column(l->table, names ? filter_fields[f].name : heading(f), kind(f));
        l->whole_path = l->whole_path && f != FIELD_QUERY;
    }
    return CLI_OK;
}

// What is remarkable about a transaction, behind its path.
static const char *remark(const struct store_query *q, bool open)
{
    struct view state = store_bytes(q, FIELD_STATE);
    if (open)
        return " [open]";
    if (store_int(q, FIELD_BY_PROXY))
        return " [by proxy]";
    if (view_eq(state, VIEW_LIT("unanswered")) &&
        view_eq(store_bytes(q, FIELD_PROTOCOL), VIEW_LIT("http")))
        return " [unanswered]";
    if (view_eq(state, VIEW_LIT("request-cut")))
        return " [request cut]";
    if (view_eq(state, VIEW_LIT("answer-cut")))
        return " [answer cut]";
    if (view_eq(state, VIEW_LIT("answer-only")))
        return " [answer only]";
    return "";
}

static void path_cell(const struct listing *l, const struct store_query *q, bool open)
{
    struct view path = store_bytes(q, FIELD_PATH), query = store_bytes(q, FIELD_QUERY);
    struct view sni = store_bytes(q, FIELD_SNI);
    char text[8192];
    const char *hint = remark(q, open);
    bool shows_query = l->whole_path && query.n > 0;
    if (path.n == 0 && sni.n > 0)
        path = sni;
    if (path.n == 0 && !*hint) {
        table_cell(l->table, STYLE_DIM, VIEW_LIT("-"));
        return;
    }
    int n = snprintf(text, sizeof text, "%.*s%s%.*s%s", (int)view_head(path, 4000).n, path.p,
                     shows_query ? "?" : "", shows_query ? (int)view_head(query, 4000).n : 0,
                     shows_query ? query.p : "",
                     path.n  ? hint
                     : *hint ? hint + 1
                             : "");
    table_cell(l->table, *hint ? STYLE_WARN : STYLE_PLAIN, view_n(text, (size_t)n));
}

static void time_cell(const struct listing *l, const struct store_query *q)
{
    char text[FIELDS_TIME];
    fields_time(l->term, store_bytes(q, FIELD_TIME), text);
    table_cell(l->table, STYLE_DIM, view_of(text));
}

static void direction_cell(const struct listing *l, const struct store_query *q)
{
    bool in = view_eq(store_bytes(q, FIELD_DIRECTION), VIEW_LIT("inbound"));
    struct view word = store_bytes(q, FIELD_DIRECTION);
    bool arrow = l->term->tty && l->term->utf8;
    if (word.n == 0)
        table_cell(l->table, STYLE_DIM, VIEW_LIT("-"));
    else
        table_cell(l->table, in ? STYLE_NOTE : STYLE_PLAIN,
                   view_of(in ? (arrow ? "↘ in" : "in") : (arrow ? "↗ out" : "out")));
}

static void status_cell(const struct listing *l, const struct store_query *q)
{
    int64_t status = store_int(q, FIELD_STATUS);
    if (store_column_type(q, FIELD_STATUS) == STORE_NULL)
        table_cell(l->table, STYLE_DIM, VIEW_LIT("-"));
    else
        table_cellf(l->table, term_status_style(status), "%lld", (long long)status);
}

static void plain_cell(const struct listing *l, const struct store_query *q, enum filter_field f)
{
    char text[FIELDS_ID];
    struct view v;
    bool null = store_column_type(q, f) == STORE_NULL;
    enum filter_type type = filter_fields[f].type;
    if (!null && (f == FIELD_ID || f == FIELD_FLOW || f == FIELD_ORIGINAL))
        table_cell(l->table, STYLE_DIM, view_of(fields_id(store_int(q, f), text)));
    else if (!null && type == FILTER_DURATION)
        table_cell(l->table, STYLE_PLAIN, view_of(fields_duration(store_int(q, f), text)));
    else if (!null && type == FILTER_SIZE)
        table_cell(l->table, STYLE_PLAIN, view_of(fields_size(store_int(q, f), text)));
    else if (store_column_type(q, f) == STORE_INT)
        table_cellf(l->table, STYLE_PLAIN, "%lld", (long long)store_int(q, f));
    else if (!null && (v = store_bytes(q, f)).n > 0)
        table_cell(l->table, STYLE_PLAIN, v);
    else
        table_cell(l->table, STYLE_DIM, VIEW_LIT("-"));
}

// A conversation without a method is told by its protocol.
static void method_cell(const struct listing *l, const struct store_query *q)
{
    struct view method = store_bytes(q, FIELD_METHOD);
    if (method.n > 0)
        table_cell(l->table, STYLE_BOLD, method);
    else
        table_cellf(l->table, STYLE_DIM, "(%.*s)", (int)store_bytes(q, FIELD_PROTOCOL).n,
                    store_bytes(q, FIELD_PROTOCOL).p);
}

void listing_row(struct listing *l, const struct store_query *q, bool open)
{
    if (l->json) {
        jsonw_object(&l->w, NULL);
        fields_json(&l->w, q);
        if (open)
            jsonw_bool(&l->w, "open", true);
        jsonw_object_end(&l->w);
        putc_unlocked('\n', l->w.out);
        return;
    }
    for (size_t i = 0; i < l->n; i++) {
        enum filter_field f = l->columns[i];
        if (f == FIELD_PATH)
            path_cell(l, q, open);
        else if (f == FIELD_TIME)
            time_cell(l, q);
        else if (f == FIELD_DIRECTION)
            direction_cell(l, q);
        else if (f == FIELD_STATUS)
            status_cell(l, q);
        else if (f == FIELD_METHOD)
            method_cell(l, q);
        else
            plain_cell(l, q, f);
    }
}

void listing_flush(struct listing *l)
{
    if (l->table)
        table_flush(l->table);
    fflush(l->term->out);
}

void listing_end(struct listing *l)
{
    table_end(l->table);
    l->table = NULL;
}
