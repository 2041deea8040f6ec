// functions: SQL functions for readers of a capture.
//
//   header(head, name)           first value of that header, any case; NULL: there is none
//   headers(head)                [["name","value"],…] as JSON, order, case and duplicates kept
//   content_type(head)           header(head, 'content-type')
//   json_quote(value)            as SQLite has it, but for views that are not trusted, too
//   query_param(query, name)     first value of a query's parameter, %-escapes undone; NULL: none
//   regexp(pattern, text)        POSIX extended, found anywhere; also as  text REGEXP pattern
//   body_contains(body, needle)  in the content of body.id as it was stored, over all its parts
//   body_matches(body, pattern)
//
// NULL in, NULL out. body_matches looks through the first BODY_MATCH_MAX bytes, which it needs in
// one piece; a content coding is not undone. Compiled patterns are kept for as long as a
// statement's pattern stays the same.
#include "proto/base/utf8.h"
#include "schema/store_impl.h"

#include "proto/filter_pattern.h"
#include "schema/head_lines.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_MATCH_MAX (64u << 20) // as the help about filters has it
#define JSON_MAX       (8u << 20)

static struct view value_view(sqlite3_value *v)
{
    const void *p =
        sqlite3_value_type(v) == SQLITE_BLOB ? sqlite3_value_blob(v) : sqlite3_value_text(v);
    return view_n(p ? p : "", p ? (size_t)sqlite3_value_bytes(v) : 0);
}

static bool any_null(int argc, sqlite3_value **argv)
{
    for (int i = 0; i < argc; i++) {
        if (sqlite3_value_type(argv[i]) == SQLITE_NULL)
            return true;
    }
    return false;
}

static void give_text(sqlite3_context *ctx, struct view v)
{
    sqlite3_result_text64(ctx, v.p ? v.p : "", v.n, SQLITE_TRANSIENT, SQLITE_UTF8);
}

// ---- heads

static void find_header(sqlite3_context *ctx, struct view head, struct view name)
{
    struct view value;
    if (head_find(head, name, &value))
        give_text(ctx, value);
}

static void sql_header(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (!any_null(argc, argv))
        find_header(ctx, value_view(argv[0]), value_view(argv[1]));
}

static void sql_content_type(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (!any_null(argc, argv))
        find_header(ctx, value_view(argv[0]), VIEW_LIT("content-type"));
}

// A JSON string. A byte that is not UTF-8 is written as the character of its number (Latin-1), or
// stays what it is.
static int put_json(struct buf *out, struct view v, bool latin1)
{
    int e = buf_add(out, "\"", 1);
    while (v.n > 0 && e == 0) {
        unsigned char c = (unsigned char)v.p[0];
        size_t n;
        if ((utf8_next(v, &n) < 0 && latin1) || c < 0x20 || c == 0x7f)
            e = buf_printf(out, "\\u%04x", c);
        else if (c == '"' || c == '\\')
            e = buf_printf(out, "\\%c", c);
        else
            e = buf_add(out, v.p, n);
        v = view_from(v, n);
    }
    return e != 0 ? e : buf_add(out, "\"", 1);
}

// Gives what was put, or its error, and empties it.
static void give_json(sqlite3_context *ctx, struct buf *out, int e)
{
    if (e == 0)
        give_text(ctx, buf_view(out));
    else if (e == E_NOMEM)
        sqlite3_result_error_nomem(ctx);
    else
        sqlite3_result_error_toobig(ctx);
    buf_clear(out);
}

static void sql_headers(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (any_null(argc, argv))
        return;
    struct view rest = head_fields(value_view(argv[0])), name, value;
    struct buf out;
    buf_init(&out, JSON_MAX);
    int e = buf_add(&out, "[", 1);
    for (bool first = true; e == 0 && head_line(&rest, &name, &value); first = false) {
        e = buf_printf(&out, first ? "[" : ",[");
        if (e == 0)
            e = put_json(&out, name, true);
        if (e == 0)
            e = buf_add(&out, ",", 1);
        if (e == 0)
            e = put_json(&out, value, true);
        if (e == 0)
            e = buf_add(&out, "]", 1);
    }
    if (e == 0)
        e = buf_add(&out, "]", 1);
    give_json(ctx, &out, e);
}

// SQLite's own, which a view may not use in an untrusted file before 3.41: the view "header" does.
static void sql_json_quote(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    (void)argc;
    int type = sqlite3_value_type(argv[0]);
    if (type == SQLITE_NULL) {
        give_text(ctx, VIEW_LIT("null"));
    } else if (type == SQLITE_BLOB) {
        sqlite3_result_error(ctx, "JSON cannot hold BLOB values", -1);
    } else if (type != SQLITE_TEXT || sqlite3_value_subtype(argv[0]) == 'J') {
        sqlite3_result_value(ctx, argv[0]);
    } else {
        struct buf out;
        buf_init(&out, JSON_MAX);
        give_json(ctx, &out, put_json(&out, value_view(argv[0]), false));
    }
}

// ---- queries

// Undoes %XX and '+' into out, which has room for v.n bytes; returns how many it became.
static size_t unescape(struct view v, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i] == '+' ? ' ' : v.p[i];
        if (c == '%' && i + 2 < v.n && view_digit(v.p[i + 1]) >= 0 && view_digit(v.p[i + 2]) >= 0) {
            c = (char)(view_digit(v.p[i + 1]) << 4 | view_digit(v.p[i + 2]));
            i += 2;
        }
        out[n++] = c;
    }
    return n;
}

static void sql_query_param(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (any_null(argc, argv))
        return;
    struct view query = value_view(argv[0]), name = value_view(argv[1]);
    char *plain = malloc(query.n + 1);
    if (!plain) {
        sqlite3_result_error_nomem(ctx);
        return;
    }
    for (bool found = false; query.n > 0 && !found;) {
        size_t n = view_find(query, '&');
        struct view pair = view_head(query, n);
        size_t sign = view_find(pair, '=');
        query = view_from(query, n < query.n ? n + 1 : n);
        size_t m = unescape(view_head(pair, sign), plain);
        found = view_eq(view_n(plain, m), name);
        if (found) {
            m = unescape(view_from(pair, sign < pair.n ? sign + 1 : sign), plain);
            give_text(ctx, view_n(plain, m));
        }
    }
    free(plain);
}

// ---- patterns

static void free_regex(void *regex)
{
    regfree(regex);
    free(regex);
}

// The compiled pattern of argument 0 or 1 (index), or NULL: the context has the error. SQLite owns
// it.
static regex_t *pattern_of(sqlite3_context *ctx, sqlite3_value **argv, int index)
{
    regex_t *regex = sqlite3_get_auxdata(ctx, index);
    if (regex)
        return regex;
    char why[128], words[192];
    size_t at;
    regex = malloc(sizeof *regex);
    int e = regex ? filter_pattern_compile(value_view(argv[index]), regex, &at, why) : E_NOMEM;
    if (e != 0) {
        free(regex);
        snprintf(words, sizeof words, "bad pattern: %s", e == E_NOMEM ? "out of memory" : why);
        sqlite3_result_error(ctx, words, -1);
        return NULL;
    }
    // When SQLite has no memory for it, it is freed at once: then there is none to return.
    sqlite3_set_auxdata(ctx, index, regex, free_regex);
    regex = sqlite3_get_auxdata(ctx, index);
    if (!regex)
        sqlite3_result_error_nomem(ctx);
    return regex;
}

static void give_match(sqlite3_context *ctx, int found)
{
    if (found < 0)
        sqlite3_result_error_nomem(ctx);
    else
        sqlite3_result_int(ctx, found);
}

static void sql_regexp(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (any_null(argc, argv))
        return;
    regex_t *regex = pattern_of(ctx, argv, 0);
    if (regex)
        give_match(ctx, filter_pattern_match(regex, value_view(argv[1])));
}

// ---- bodies

// Looks for needle in what comes piece by piece: the end of each piece is kept, as long as a match
// may begin in it.
struct search {
    struct view needle;
    struct buf tail;
    bool found;
};

#define STOP 1

static int search_piece(void *arg, struct view piece)
{
    struct search *w = arg;
    size_t keep = w->needle.n - 1;
    // Across the seam: the tail with as much of the piece as a match can take.
    size_t joined = buf_len(&w->tail);
    if (joined > 0) {
        if (buf_add_view(&w->tail, view_head(piece, keep)) != 0)
            return E_NOMEM;
        struct view seam = buf_view(&w->tail);
        w->found = memmem(seam.p, seam.n, w->needle.p, w->needle.n) != NULL;
    }
    if (!w->found)
        w->found = memmem(piece.p, piece.n, w->needle.p, w->needle.n) != NULL;
    if (piece.n >= keep) {
        buf_reset(&w->tail);
        if (buf_add_view(&w->tail, view_from(piece, piece.n - keep)) != 0)
            return E_NOMEM;
    } else {
        // A short piece is in the tail already, unless the tail was empty.
        if (joined == 0 && buf_add_view(&w->tail, piece) != 0)
            return E_NOMEM;
        if (buf_len(&w->tail) > keep)
            buf_drop(&w->tail, buf_len(&w->tail) - keep, SIZE_MAX);
    }
    return w->found ? STOP : 0;
}

static void sql_body_contains(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (any_null(argc, argv))
        return;
    struct search w = {.needle = value_view(argv[1])};
    if (w.needle.n == 0) {
        sqlite3_result_int(ctx, 1);
        return;
    }
    buf_init(&w.tail, w.needle.n * 2 + 16);
    int e = store_body(sqlite3_user_data(ctx), sqlite3_value_int64(argv[0]), search_piece, &w);
    buf_clear(&w.tail);
    // What is missing cannot contain it: damage is told by verify, not by a filter.
    if (e == E_NOMEM)
        sqlite3_result_error_nomem(ctx);
    else
        sqlite3_result_int(ctx, w.found);
}

static int gather(void *arg, struct view piece)
{
    struct buf *all = arg;
    int e = buf_add_view(all, view_head(piece, BODY_MATCH_MAX - buf_len(all)));
    return e != 0 ? e : buf_len(all) >= BODY_MATCH_MAX ? STOP : 0;
}

static void sql_body_matches(sqlite3_context *ctx, int argc, sqlite3_value **argv)
{
    if (any_null(argc, argv))
        return;
    regex_t *regex = pattern_of(ctx, argv, 1);
    if (!regex)
        return;
    struct buf all;
    buf_init(&all, BODY_MATCH_MAX);
    int e = store_body(sqlite3_user_data(ctx), sqlite3_value_int64(argv[0]), gather, &all);
    give_match(ctx, e == E_NOMEM ? E_NOMEM : filter_pattern_match(regex, buf_view(&all)));
    buf_clear(&all);
}

int functions_register(struct store *s)
{
    static const struct {
        const char *name;
        int argc, flags;
        void (*f)(sqlite3_context *, int, sqlite3_value **);
    } functions[] = {
        {"header", 2, SQLITE_DETERMINISTIC, sql_header},
        {"headers", 1, SQLITE_DETERMINISTIC, sql_headers},
        {"content_type", 1, SQLITE_DETERMINISTIC, sql_content_type},
        {"json_quote", 1, SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS | SQLITE_SUBTYPE, sql_json_quote},
        {"query_param", 2, SQLITE_DETERMINISTIC, sql_query_param},
        {"regexp", 2, SQLITE_DETERMINISTIC, sql_regexp},
        {"body_contains", 2, 0, sql_body_contains},
        {"body_matches", 2, 0, sql_body_matches},
    };
    int rc = row_sum_register(s->db);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0] && rc == SQLITE_OK; i++)
        rc = sqlite3_create_function(s->db, functions[i].name, functions[i].argc,
                                     SQLITE_UTF8 | functions[i].flags, s, functions[i].f, NULL,
                                     NULL);
    return rc == SQLITE_OK ? 0 : store_fail(s, rc, "opening");
}
