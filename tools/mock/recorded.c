// recorded: the files of all captures, each opened when it is first asked for.
#include "tools/mock/recorded.h"

#include "tools/cli.h"

#include <stdlib.h>

enum { BY_ID, BEHIND, QUERIES };

struct recorded_file {
    struct store *store;
    struct store_query *query[QUERIES];
};

struct recorded_reader {
    const struct index *ix;
    const struct capture *captures;
    size_t count;
    struct recorded_file **files; // by capture
};

#define COLUMNS                                                                                    \
    "SELECT t.id, t.flow, t.n, t.protocol = 'http', t.cut, t.req_end_us, t.res_start_us, "         \
    "t.end_us,"                                                                                    \
    " t.status, t.res_body, t.res_size, t.res_stored, t.version, h.res, h.interim,"                \
    " h.res_trailers, h.res_rhythm FROM txn t LEFT JOIN head h ON h.txn = t.id WHERE "
enum column {
    ID,
    FLOW,
    N,
    HTTP,
    CUT,
    REQ_END,
    RES_START,
    END,
    STATUS,
    BODY,
    SIZE,
    STORED,
    VERSION,
    HEAD,
    INTERIM,
    TRAILERS,
    RHYTHM
};

static const char *const sql[QUERIES] = {
    [BY_ID] = COLUMNS "t.id = ?1",
    [BEHIND] = COLUMNS "t.flow = ?1 AND t.n = ?2",
};

struct recorded_reader *recorded_new(const struct index *ix, const struct capture *captures,
                                     size_t count)
{
    struct recorded_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    *r = (struct recorded_reader){.ix = ix, .captures = captures, .count = count};
    r->files = calloc(count + 1, sizeof *r->files);
    bool whole = r->files != NULL;
    for (size_t i = 0; whole && i < count; i++) {
        r->files[i] = calloc(captures[i].n + 1, sizeof **r->files);
        whole = r->files[i] != NULL;
    }
    if (whole)
        return r;
    recorded_free(r);
    return NULL;
}

void recorded_free(struct recorded_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; r->files && i < r->count; i++) {
        for (size_t k = 0; r->files[i] && k < r->captures[i].n; k++) {
            for (size_t q = 0; q < QUERIES; q++)
                store_query_free(r->files[i][k].query[q]);
            store_close(r->files[i][k].store);
        }
        free(r->files[i]);
    }
    free(r->files);
    free(r);
}

static int ask(struct recorded_file *f, int which, int64_t first, int64_t second)
{
    struct store_query **q = &f->query[which];
    int e = *q ? 0 : store_query(f->store, sql[which], q);
    if (!e)
        store_rewind(*q);
    e = e ? e : store_bind_int(*q, 1, first);
    e = e || which == BY_ID ? e : store_bind_int(*q, 2, second);
    return e ? e : store_step(*q);
}

static void take(struct recorded_file *f, const struct store_query *q, struct recorded *out)
{
    int64_t cut = store_int(q, CUT), asked = store_int(q, REQ_END);
    bool answered = store_column_type(q, RES_START) != STORE_NULL;
    int64_t wait = answered && asked ? store_int(q, RES_START) - asked : 0;
    *out = (struct recorded){
        .store = f->store,
        .id = store_int(q, ID),
        .flow = store_int(q, FLOW),
        .n = store_int(q, N),
        .http = store_int(q, HTTP),
        .cut = cut & 2,
        .server_ended = !(cut & 2) && (asked == 0 || asked >= store_int(q, END)),
        .wait_us = wait > 0 ? wait : 0,
        .status = store_int(q, STATUS),
        .body = store_int(q, BODY),
        .size = store_int(q, SIZE),
        .stored = store_int(q, STORED),
        .version = store_bytes(q, VERSION),
        .head = store_bytes(q, HEAD),
        .interim = store_bytes(q, INTERIM),
        .trailers = store_bytes(q, TRAILERS),
        .rhythm = store_bytes(q, RHYTHM),
    };
}

static bool find(struct recorded_reader *r, uint32_t file, int which, int64_t first, int64_t second,
                 struct recorded *out)
{
    size_t capture, at;
    index_file(r->ix, file, &capture, &at);
    struct recorded_file *f = &r->files[capture][at];
    if (!f->store && !(f->store = capture_open_file(&r->captures[capture], at)))
        return false;
    int e = ask(f, which, first, second);
    if (e < 0)
        cli_damage("%s", store_why(f->store));
    else if (e == 0 && which == BY_ID)
        cli_damage("%s: a transaction is not there any more", r->captures[capture].paths[at]);
    if (e == 1)
        take(f, f->query[which], out);
    return e == 1;
}

bool recorded_row(struct recorded_reader *r, uint32_t file, int64_t id, struct recorded *out)
{
    return find(r, file, BY_ID, id, 0, out);
}

bool recorded_behind(struct recorded_reader *r, uint32_t file, int64_t flow, int64_t n,
                     struct recorded *out)
{
    return find(r, file, BEHIND, flow, n + 1, out);
}
