// record: see the header.
//
// 1. Bodies are streamed: body_look() says how they are told, then they pass. A string of JSON must
//    be UTF-8 from its first byte, which is known only at its last one: hence the two readings.
// 2. Nothing is lost on the way: bytes that are not UTF-8 become base64 and say so, header fields
//    are read as ISO-8859-1.
// 3. A key is there whenever it may have a value; null means that there is none.
#include "tools/record.h"

#include "proto/base/utf8.h"
#include "tools/body.h"
#include "tools/chunks.h"
#include "tools/fields.h"
#include "tools/head.h"

struct half {
    const char *name;
    struct view head, trailers, interim;
    bool there;
    int64_t body, size, stored;
};

void record_value(struct jsonw *w, const char *key, const struct head_field *f)
{
    struct view folds = f->folds, part;
    jsonw_open(w, key);
    jsonw_add_field(w, f->value);
    while (head_fold(&folds, &part)) {
        jsonw_add(w, VIEW_LIT(" "));
        jsonw_add_field(w, part);
    }
    jsonw_close(w);
}

static void put_fields(struct jsonw *w, const char *key, struct view lines)
{
    struct head_field f;
    jsonw_array(w, key);
    while (head_next(&lines, &f)) {
        jsonw_array(w, NULL);
        jsonw_field(w, NULL, f.name);
        record_value(w, NULL, &f);
        jsonw_array_end(w);
    }
    jsonw_array_end(w);
}

void record_fields(struct jsonw *w, const char *key, struct view head)
{
    struct view rest;
    head_first(head, &rest);
    put_fields(w, key, rest);
}

void record_bytes(struct jsonw *w, const char *key, struct view v)
{
    bool text = utf8_valid(v);
    jsonw_string(w, "encoding", text ? "text" : "base64");
    jsonw_open(w, key);
    if (text)
        jsonw_add(w, v);
    else
        jsonw_add_base64(w, v);
    jsonw_close(w);
}

static void exact_head(struct jsonw *w, const char *text_key, const char *base64_key,
                       struct view head)
{
    bool text = utf8_valid(head);
    jsonw_open(w, text ? text_key : base64_key);
    if (text)
        jsonw_add(w, head);
    else
        jsonw_add_base64(w, head);
    jsonw_close(w);
}

static void interim(struct jsonw *w, struct view heads)
{
    if (heads.n == 0)
        return;
    jsonw_array(w, "interim");
    while (heads.n > 0) {
        struct view head = head_split(&heads), rest;
        jsonw_object(w, NULL);
        jsonw_field(w, "line", head_first(head, &rest));
        record_fields(w, "headers", head);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

static void body(struct jsonw *w, struct store *s, const struct half *h,
                 const struct record_spec *spec)
{
    struct body b;
    char joined[HEAD_JOINED];
    if (spec->bodies == BODIES_NONE)
        return;
    body_init(&b, s, h->body, h->size, h->stored, head_joined(h->head, "content-encoding", joined));
    body_look(&b, spec->bodies == BODIES_DECODED, spec->limit);
    if (spec->bodies == BODIES_DECODED)
        jsonw_bool(w, "decoded", b.decoded);
    if (b.note[0])
        jsonw_string(w, "body_note", b.note);
    jsonw_string(w, "encoding", b.text ? "text" : "base64");
    body_json(w, "body", &b);
    body_clear(&b);
}

static void half(struct jsonw *w, struct store *s, const struct half *h,
                 const struct record_spec *spec)
{
    struct view rest;
    if (!h->there) {
        jsonw_null(w, h->name);
        return;
    }
    jsonw_object(w, h->name);
    jsonw_field(w, "line", h->head.p ? head_first(h->head, &rest) : (struct view){0});
    record_fields(w, "headers", h->head);
    if (h->trailers.n > 0)
        put_fields(w, "trailers", h->trailers);
    interim(w, h->interim);
    if (spec->heads && h->head.p)
        exact_head(w, "head", "head_base64", h->head);
    jsonw_int(w, "size", h->size);
    jsonw_int(w, "stored", h->stored);
    body(w, s, h, spec);
    jsonw_object_end(w);
}

struct chunk_arg {
    struct jsonw *w;
    const struct record_spec *spec;
};

static int put_chunk(void *arg, const struct chunk *c)
{
    const struct chunk_arg *a = arg;
    jsonw_object(a->w, NULL);
    jsonw_string(a->w, "from", c->s2c ? "server" : "client");
    jsonw_int(a->w, "first_us", c->first_us);
    jsonw_int(a->w, "last_us", c->last_us);
    jsonw_int(a->w, "at", c->at);
    jsonw_int(a->w, "size", (int64_t)c->bytes.n);
    if (a->spec->bodies != BODIES_NONE)
        record_bytes(a->w, "bytes", c->bytes);
    jsonw_object_end(a->w);
    return 0;
}

static void chunks(struct jsonw *w, struct store *s, const struct store_query *q,
                   const struct record_spec *spec)
{
    struct chunk_arg arg = {w, spec};
    int64_t missing = 0;
    jsonw_array(w, "chunks");
    chunks_each(s, store_int(q, FIELD_FLOW), store_int(q, FIELD_N), &missing, put_chunk, &arg);
    jsonw_array_end(w);
    if (missing > 0)
        jsonw_int(w, "chunks_missing", missing);
}

static void redacted(struct jsonw *w, struct view list)
{
    jsonw_array(w, "redacted");
    while (list.n > 0) {
        size_t n = view_find(list, ',');
        jsonw_text(w, NULL, view_trim(view_head(list, n)));
        list = view_from(list, n < list.n ? n + 1 : n);
    }
    jsonw_array_end(w);
}

static void timing(struct jsonw *w, const struct store_query *q)
{
    static const struct {
        const char *key;
        int column;
    } times[] = {
        {"start_us", STORE_START_US},         {"req_end_us", STORE_REQ_END_US},
        {"res_start_us", STORE_RES_START_US}, {"end_us", STORE_END_US},
        {"dial_us", STORE_DIAL_US},           {"dns_us", STORE_DNS_US},
    };
    jsonw_object(w, "timing");
    for (size_t i = 0; i < sizeof times / sizeof *times; i++)
        fields_json_one(w, times[i].key, q, times[i].column);
    jsonw_object_end(w);
}

void record_json(struct jsonw *w, struct rows *r, const struct record_spec *spec)
{
    const struct store_query *q = rows_row(r);
    struct heads heads;
    rows_heads(r, &heads);
    struct half req = {.name = "request",
                       .head = heads.req,
                       .trailers = heads.req_trailers,
                       .there = store_column_type(q, STORE_REQ_END_US) != STORE_NULL,
                       .body = store_int(q, STORE_REQ_BODY),
                       .size = store_int(q, FIELD_REQ_SIZE),
                       .stored = store_int(q, STORE_REQ_STORED)};
    struct half res = {.name = "response",
                       .head = heads.res,
                       .trailers = heads.res_trailers,
                       .interim = heads.interim,
                       .there = store_column_type(q, STORE_RES_START_US) != STORE_NULL,
                       .body = store_int(q, STORE_RES_BODY),
                       .size = store_int(q, FIELD_RES_SIZE),
                       .stored = store_int(q, STORE_RES_STORED)};
    jsonw_object(w, NULL);
    fields_json(w, q);
    redacted(w, heads.redacted);
    timing(w, q);
    if (view_eq(store_bytes(q, FIELD_PROTOCOL), VIEW_LIT("http"))) {
        half(w, rows_store(r), &req, spec);
        half(w, rows_store(r), &res, spec);
    } else {
        chunks(w, rows_store(r), q, spec);
    }
    jsonw_object_end(w);
}
