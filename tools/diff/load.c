// load: one query a file, bound anew for each row.
#include "tools/diff/load.h"

#include "tools/body.h"
#include "tools/cli.h"
#include "tools/head.h"

#include <stdlib.h>

struct load_file {
    struct store *store;
    struct store_query *query;
    char coding[2][HEAD_JOINED];
    bool failed; // was told
};

enum column {
    METHOD,
    HOST,
    PATH,
    QUERY,
    PROTOCOL,
    STATUS,
    CUT,
    SIDES // those below: the request's, then the answer's
};
enum side_column { HALF_THERE, TYPE, BODY, SIZE, STORED, HEAD, TRAILERS, DIGEST, SIDE_COLUMNS };

static const char sql[] =
    "SELECT t.method, t.host, t.path, t.query, t.protocol, t.status, t.cut,"
    " t.req_end_us IS NOT NULL, t.req_type, t.req_body, t.req_size, t.req_stored, h.req,"
    " h.req_trailers, (SELECT digest FROM body WHERE id = t.req_body),"
    " t.res_start_us IS NOT NULL, t.res_type, t.res_body, t.res_size, t.res_stored, h.res,"
    " h.res_trailers, (SELECT digest FROM body WHERE id = t.res_body)"
    " FROM txn t LEFT JOIN head h ON h.txn = t.id WHERE t.id = ?1";

int load_init(struct load *l, const struct capture *capture, uint64_t max_decoded)
{
    *l = (struct load){.capture = capture, .max_decoded = max_decoded};
    buf_init(&l->bodies[0], LOAD_BODY_MAX);
    buf_init(&l->bodies[1], LOAD_BODY_MAX);
    l->files = calloc(capture->n + 1, sizeof *l->files);
    if (l->files)
        return CLI_OK;
    cli_error("out of memory");
    return CLI_FAILED;
}

void load_clear(struct load *l)
{
    for (size_t i = 0; l->files && i < l->capture->n; i++) {
        store_query_free(l->files[i].query);
        store_close(l->files[i].store);
    }
    free(l->files);
    buf_clear(&l->bodies[0]);
    buf_clear(&l->bodies[1]);
}

static bool ask(struct load *l, size_t file, int64_t id)
{
    struct load_file *f = &l->files[file];
    if (f->failed)
        return false;
    if (!f->store && !(f->store = capture_open_file(l->capture, file))) {
        f->failed = true;
        return false;
    }
    int e = f->query ? 0 : store_query(f->store, sql, &f->query);
    if (!e)
        store_rewind(f->query);
    e = e ? e : store_bind_int(f->query, 1, id);
    e = e ? e : store_step(f->query);
    if (e < 0)
        cli_damage("%s", store_why(f->store));
    else if (e == 0)
        cli_damage("%s: a transaction is not there any more", l->capture->paths[file]);
    return e == 1;
}

bool load_row(struct load *l, size_t file, int64_t id, struct load_row *out)
{
    *out = (struct load_row){0};
    buf_reset(&l->bodies[0]);
    buf_reset(&l->bodies[1]);
    if (!ask(l, file, id))
        return false;
    struct load_file *f = &l->files[file];
    const struct store_query *q = f->query;
    out->file = f;
    out->method = store_bytes(q, METHOD);
    out->host = store_bytes(q, HOST);
    out->path = store_bytes(q, PATH);
    out->query = store_bytes(q, QUERY);
    out->protocol = store_bytes(q, PROTOCOL);
    for (int s2c = 0; s2c < 2; s2c++) {
        int at = SIDES + s2c * SIDE_COLUMNS;
        struct compare_half *h = &out->half[s2c];
        *h = (struct compare_half){
            .absent = store_int(q, at + HALF_THERE) == 0,
            .cut = store_int(q, CUT) & (s2c ? 2 : 1),
            .status = s2c ? store_int(q, STATUS) : 0,
            .head = store_bytes(q, at + HEAD),
            .type = store_bytes(q, at + TYPE),
            .size = store_int(q, at + SIZE),
            .digest = store_bytes(q, at + DIGEST),
            .trailers = store_bytes(q, at + TRAILERS),
            .whole = store_int(q, at + SIZE) == 0,
        };
        out->sizes[s2c] = h->size;
        out->stored[s2c] = store_int(q, at + STORED);
        out->bodies[s2c] = store_int(q, at + BODY);
        out->digests[s2c] = h->digest;
        out->codings[s2c] = head_joined(h->head, "content-encoding", f->coding[s2c]);
    }
    return true;
}

static int hold(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

void load_content(struct load *l, struct load_row *row, int s2c)
{
    struct compare_half *h = &row->half[s2c];
    struct body b;
    bool part = row->stored[s2c] < row->sizes[s2c];
    if (h->whole || (part && h->digest.n > 0))
        return;
    body_init(&b, row->file->store, row->bodies[s2c], row->sizes[s2c], row->stored[s2c],
              row->codings[s2c]);
    body_look(&b, true, l->max_decoded);
    if (!b.damaged && b.length <= LOAD_BODY_MAX && body_give(&b, hold, &l->bodies[s2c]) == 0) {
        h->content = buf_view(&l->bodies[s2c]);
        h->whole = !part;
        if (content_is_coded(row->codings[s2c]) && !b.decoded)
            h->type = VIEW_LIT("application/octet-stream"); // as on the wire
    }
    body_clear(&b);
}
