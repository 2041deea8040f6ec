// har: HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), as the importers of
// Chrome and Firefox take it.
//
// 1. time is the sum of the timings that are known; send, wait and receive always are; ssl is part
//    of connect and never more than it.
// 2. Times are milliseconds with their fraction. -1 means not known; there is no other negative.
// 3. An answer's text is the content with its coding undone, size its length, bodySize what passed.
//    A request's text is what passed: importers send it again beside its Content-Encoding.
// 4. Bytes that are not UTF-8 are base64, and say so.
// Conversations that are not HTTP have no place in it.
#include "tools/export/har.h"

#include "proto/base/clock.h"
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/export/export.h"
#include "tools/fields.h"
#include "tools/head.h"

static const struct option_def options[] = {
    EXPORT_OUT,
    EXPORT_OPTIONS,
    {.name = "no-bodies",
     .type = OPT_FLAG,
     .sentence = "Leave out the content of requests and answers; sizes stay.",
     .programs = CLI_PROGRAM},
    BODY_MAX_DECODED,
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"no-bodies", CLI_EXCLUDES, "max-decoded"},
    {.option = NULL},
};

// The length of a head on the wire; not known where redaction has put something in it.
static void headers_size(struct jsonw *w, struct view head)
{
    static const char mark[] = "redacted:";
    bool known = head.p && !memmem(head.p, head.n, mark, sizeof mark - 1);
    jsonw_int(w, "headersSize", known ? (int64_t)head.n : -1);
}

static void http_version(struct jsonw *w, const struct store_query *q)
{
    char text[32];
    struct view v = store_bytes(q, FIELD_VERSION);
    snprintf(text, sizeof text, "HTTP/%.*s", (int)(v.n < 16 ? v.n : 16), v.p ? v.p : "");
    jsonw_string(w, "httpVersion", v.n ? text : "HTTP/1.1");
}

static void post_data(struct export *x)
{
    struct jsonw *w = &x->w;
    const struct store_query *q = rows_row(x->rows);
    struct view type = head_get(x->heads.req, "content-type");
    struct body b;
    if (store_int(q, FIELD_REQ_SIZE) == 0)
        return;
    body_init(&b, rows_store(x->rows), store_int(q, STORE_REQ_BODY), store_int(q, FIELD_REQ_SIZE),
              store_int(q, STORE_REQ_STORED), (struct view){0});
    jsonw_object(w, "postData");
    jsonw_field(w, "mimeType", type.p ? type : VIEW_LIT("application/octet-stream"));
    if (options_flag(x->o, "no-bodies")) {
        jsonw_string(w, "text", "");
        jsonw_string(w, "comment", "left out");
    } else {
        body_look(&b, false, 0);
        if (!b.text) {
            jsonw_string(w, "encoding", "base64");
            jsonw_string(w, "_encoding", "base64"); // the specification reserves names like this
        }
        body_json(w, "text", &b);
        if (b.note[0])
            jsonw_string(w, "comment", b.note);
    }
    jsonw_object_end(w);
    body_clear(&b);
}

// The view's, but that a HAR's URL has a path.
static void url(struct jsonw *w, const struct store_query *q)
{
    struct view path = store_bytes(q, FIELD_PATH);
    bool none = (path.n == 0 || view_eq(path, VIEW_LIT("*"))) && !store_bytes(q, FIELD_QUERY).n;
    jsonw_open(w, "url");
    jsonw_add_field(w, store_bytes(q, FIELD_URL));
    if (none)
        jsonw_add(w, VIEW_LIT("/"));
    jsonw_close(w);
}

static void request(struct export *x)
{
    struct jsonw *w = &x->w;
    const struct store_query *q = rows_row(x->rows);
    struct view method = store_bytes(q, FIELD_METHOD);
    jsonw_object(w, "request");
    jsonw_field(w, "method", method.p ? method : VIEW_LIT(""));
    url(w, q);
    http_version(w, q);
    har_cookies(w, x->heads.req);
    har_headers(w, x->heads.req);
    har_query(w, store_bytes(q, FIELD_QUERY));
    post_data(x);
    headers_size(w, x->heads.req);
    jsonw_int(w, "bodySize", store_int(q, FIELD_REQ_SIZE));
    jsonw_object_end(w);
}

static void content(struct export *x)
{
    struct jsonw *w = &x->w;
    const struct store_query *q = rows_row(x->rows);
    struct view type = head_get(x->heads.res, "content-type");
    int64_t size = store_int(q, FIELD_RES_SIZE);
    char coding[HEAD_JOINED];
    struct body b;
    body_init(&b, rows_store(x->rows), store_int(q, STORE_RES_BODY), size,
              store_int(q, STORE_RES_STORED),
              head_joined(x->heads.res, "content-encoding", coding));
    bool left_out = options_flag(x->o, "no-bodies");
    jsonw_object(w, "content");
    if (left_out) {
        jsonw_int(w, "size", size);
    } else {
        body_look(&b, true, (uint64_t)options_number(x->o, "max-decoded"));
        jsonw_int(w, "size", (int64_t)b.length);
        if (b.decoded)
            jsonw_int(w, "compression", (int64_t)b.length - size);
    }
    jsonw_field(w, "mimeType", type.p ? type : VIEW_LIT("x-unknown"));
    if (left_out) {
        if (size)
            jsonw_string(w, "comment", "left out");
    } else if (b.length > 0) {
        if (!b.text)
            jsonw_string(w, "encoding", "base64");
        body_json(w, "text", &b);
    }
    if (!left_out && b.note[0])
        jsonw_string(w, "comment", b.note);
    jsonw_object_end(w);
    body_clear(&b);
}

static void response(struct export *x)
{
    struct jsonw *w = &x->w;
    const struct store_query *q = rows_row(x->rows);
    bool there = store_column_type(q, FIELD_STATUS) != STORE_NULL;
    struct view rest, words[3];
    struct view location = head_get(x->heads.res, "location");
    head_words(head_first(x->heads.res, &rest), words);
    jsonw_object(w, "response");
    jsonw_int(w, "status", store_int(q, FIELD_STATUS));
    jsonw_field(w, "statusText", words[2].n ? words[2] : VIEW_LIT(""));
    jsonw_field(w, "httpVersion", words[0].n ? words[0] : VIEW_LIT(""));
    har_set_cookies(w, x->heads.res);
    har_headers(w, x->heads.res);
    content(x);
    jsonw_field(w, "redirectURL", location.n ? location : VIEW_LIT(""));
    headers_size(w, x->heads.res);
    jsonw_int(w, "bodySize", there ? store_int(q, FIELD_RES_SIZE) : -1);
    if (!there)
        jsonw_field(w, "_error", store_bytes(q, FIELD_STATE));
    jsonw_object_end(w);
}

// 2026-01-31T12:00:00.000Z: milliseconds are what importers read.
static void started(struct jsonw *w, int64_t us)
{
    char text[CLOCK_TEXT];
    clock_format(us, text);
    text[23] = 'Z';
    text[24] = 0;
    jsonw_string(w, "startedDateTime", text);
}

// The address without its port, and without brackets.
static void server_address(struct jsonw *w, struct view v)
{
    size_t n = v.n;
    while (n > 0 && v.p[n - 1] != ':')
        n--;
    if (n == 0)
        return;
    v = view_head(v, n - 1);
    if (v.n > 2 && v.p[0] == '[')
        v = view_head(view_from(v, 1), v.n - 2);
    jsonw_text(w, "serverIPAddress", v);
}

static void row(struct export *x)
{
    struct jsonw *w = &x->w;
    const struct store_query *q = rows_row(x->rows);
    struct har_times times;
    char id[FIELDS_ID];
    if (!export_is_http(x))
        return;
    if (x->heads.req.n == 0 && store_bytes(q, FIELD_METHOD).n == 0) {
        x->left_out++; // an answer without its request
        return;
    }
    har_times(q, &times);
    jsonw_object(w, NULL);
    started(w, times.started);
    jsonw_ms(w, "time", times.total);
    request(x);
    response(x);
    jsonw_object(w, "cache");
    jsonw_object_end(w);
    har_timings(w, &times);
    server_address(w, store_bytes(q, FIELD_SERVER));
    jsonw_string(w, "connection", fields_id(store_int(q, FIELD_FLOW), id));
    jsonw_string(w, "_id", fields_id(store_int(q, FIELD_ID), id));
    fields_json_one(w, "_direction", q, FIELD_DIRECTION);
    fields_json_one(w, "_client", q, FIELD_CLIENT);
    fields_json_one(w, "_state", q, FIELD_STATE);
    if (x->heads.redacted.n > 0)
        jsonw_text(w, "_redacted", x->heads.redacted);
    jsonw_object_end(w);
}

static void begin(struct export *x)
{
    struct jsonw *w = &x->w;
    w->lines = 3;
    jsonw_object(w, NULL);
    jsonw_object(w, "log");
    jsonw_string(w, "version", "1.2");
    jsonw_object(w, "creator");
    jsonw_string(w, "name", "tapedeck");
    jsonw_string(w, "version", TAPEDECK_VERSION);
    jsonw_object_end(w);
    jsonw_array(w, "entries");
}

static void end(struct export *x)
{
    struct jsonw *w = &x->w;
    jsonw_array_end(w);
    jsonw_object_end(w);
    jsonw_object_end(w);
    putc_unlocked('\n', x->out);
}

static const struct format har = {
    .left_out = "transactions that have no place in a HAR (not HTTP, or without a request) are",
    .begin = begin,
    .row = row,
    .end = end,
};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)c;
    return export_run(&har, o, argc, argv);
}

const struct command command_export_har = {
    .name = "export har",
    .sentence = "write transactions as an HTTP Archive (HAR 1.2)",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export har --out day.har\n"
               "tapedeck export har capture.db 'host = api.test and since 1h' > api.har",
    .text = "For the importers of browsers, load testers and mock servers. Header fields keep "
            "their order; an answer's content has its coding undone; bytes that are not text are "
            "base64, in answers and in requests. Conversations that are not HTTP are left out.",
    .options = options,
    .rules = rules,
    .run = run,
};
