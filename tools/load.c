// load: for each file a query for transactions and one for flows, bound anew for each.
#include "tools/load.h"

#include "tools/body.h"
#include "tools/cli.h"
#include "tools/head.h"

#include <stdlib.h>

enum { ROW, BEHIND, FLOW, QUERIES };

struct load_file {
    struct store *store;
    struct store_query *query[QUERIES];
    char coding[2][HEAD_JOINED];
    bool failed; // was told
};

enum column {
    ID,
    FLOW_ID,
    N,
    PROTOCOL,
    VERSION,
    METHOD,
    SCHEME,
    HOST,
    PATH,
    QUERY,
    NOTE,
    BY_PROXY,
    START,
    REQ_END,
    RES_START,
    END,
    STATUS,
    CUT,
    REDACTED,
    INTERIM,
    ORIGINAL,
    OUTCOME,
    SIDES // those below: the request's, then the answer's
};
enum side_column { TYPE, BODY, SIZE, STORED, HEAD, TRAILERS, RHYTHM, DIGEST, SIDE_COLUMNS };

enum flow_column {
    INBOUND,
    FRONT,
    CLIENT,
    REQUESTED,
    TARGET,
    SERVER,
    AT,
    DIAL,
    SNI,
    ALPN,
    SECURED,
    ENDED,
    REASON,
    RELAYED_C2S,
    RELAYED_S2C,
    SPEAKER
};

#define SIDE(side)                                                                                 \
    ", t." side "_type, t." side "_body, t." side "_size, t." side "_stored, h." side ", h." side  \
    "_trailers, h." side "_rhythm, (SELECT digest FROM body WHERE id = t." side "_body)"

#define ROWS                                                                                       \
    "SELECT t.id, t.flow, t.n, t.protocol, t.version, t.method, t.scheme, t.host, t.path,"         \
    " t.query, t.note, t.by_proxy, t.start_us, t.req_end_us, t.res_start_us, t.end_us,"            \
    " t.status, t.cut, h.redacted, h.interim, k.original, k.outcome" SIDE("req")                   \
        SIDE("res") " FROM txn t LEFT JOIN head h ON h.txn = t.id LEFT JOIN link k ON k.txn = "    \
                    "t.id WHERE "

static const char *const sql[QUERIES] = {
    [ROW] = ROWS "t.id = ?1",
    [BEHIND] = ROWS "t.flow = ?1 AND t.n = ?2",
    [FLOW] = "SELECT f.direction = 'inbound', f.front, f.client, f.requested, f.target, f.server,"
             " f.at_us, f.dial_us, l.sni, l.alpn, EXISTS (SELECT 1 FROM tls o WHERE o.flow = f.id"
             " AND o.mode IN ('intercepted', 'terminated')), e.at_us, e.reason, e.relayed_c2s,"
             " e.relayed_s2c, e.first_speaker"
             " FROM flow f LEFT JOIN flow_end e ON e.flow = f.id LEFT JOIN tls l"
             " ON l.id = (SELECT min(id) FROM tls WHERE flow = f.id) WHERE f.id = ?1",
};

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
        for (int k = 0; k < QUERIES; k++)
            store_query_free(l->files[i].query[k]);
        store_close(l->files[i].store);
    }
    free(l->files);
    l->files = NULL;
    buf_clear(&l->bodies[0]);
    buf_clear(&l->bodies[1]);
}

// The file's query, stepped to its row; NULL: there is none, which was told unless it is BEHIND. n:
// of that one alone.
static const struct store_query *ask(struct load *l, size_t file, int which, int64_t id, int64_t n)
{
    static const char *const what[QUERIES] = {[ROW] = "transaction", [FLOW] = "connection"};
    struct load_file *f = &l->files[file];
    if (f->failed)
        return NULL;
    if (!f->store && !(f->store = capture_open_file(l->capture, file))) {
        f->failed = true;
        return NULL;
    }
    struct store_query **q = &f->query[which];
    int e = *q ? 0 : store_query(f->store, sql[which], q);
    if (!e)
        store_rewind(*q);
    e = e ? e : store_bind_int(*q, 1, id);
    e = e || which != BEHIND ? e : store_bind_int(*q, 2, n);
    e = e ? e : store_step(*q);
    if (e < 0)
        cli_damage("%s", store_why(f->store));
    else if (e == 0 && what[which])
        cli_damage("%s: a %s is not there any more", l->capture->paths[file], what[which]);
    return e == 1 ? *q : NULL;
}

static void take_half(const struct store_query *q, struct load_row *out, int s2c)
{
    int at = SIDES + s2c * SIDE_COLUMNS;
    struct compare_half *h = &out->half[s2c];
    *h = (struct compare_half){
        .absent = store_column_type(q, s2c ? RES_START : REQ_END) == STORE_NULL,
        .cut = store_int(q, CUT) & (s2c ? 2 : 1),
        .status = s2c ? store_int(q, STATUS) : 0,
        .head = store_bytes(q, at + HEAD),
        .type = store_bytes(q, at + TYPE),
        .size = store_int(q, at + SIZE),
        .digest = store_bytes(q, at + DIGEST),
        .trailers = store_bytes(q, at + TRAILERS),
    };
    h->whole = h->size == 0;
    out->sizes[s2c] = h->size;
    out->stored[s2c] = store_int(q, at + STORED);
    out->bodies[s2c] = store_int(q, at + BODY);
    out->rhythm[s2c] = store_bytes(q, at + RHYTHM);
    out->digests[s2c] = h->digest;
    if (h->size > 0)
        out->codings[s2c] = head_joined(h->head, "content-encoding", out->file->coding[s2c]);
}

static bool take_row(struct load *l, size_t file, const struct store_query *q, struct load_row *out)
{
    buf_reset(&l->bodies[0]);
    buf_reset(&l->bodies[1]);
    *out = (struct load_row){.file = &l->files[file]};
    if (!q)
        return false;
    out->id = store_int(q, ID);
    out->flow = store_int(q, FLOW_ID);
    out->n = store_int(q, N);
    out->protocol = store_bytes(q, PROTOCOL);
    out->version = store_bytes(q, VERSION);
    out->method = store_bytes(q, METHOD);
    out->scheme = store_bytes(q, SCHEME);
    out->host = store_bytes(q, HOST);
    out->path = store_bytes(q, PATH);
    out->query = store_bytes(q, QUERY);
    out->note = store_bytes(q, NOTE);
    out->redacted = store_bytes(q, REDACTED);
    out->by_proxy = store_int(q, BY_PROXY) != 0;
    out->start_us = store_int(q, START);
    out->req_end_us = store_int(q, REQ_END);
    out->res_start_us = store_int(q, RES_START);
    out->end_us = store_int(q, END);
    out->interim = store_bytes(q, INTERIM);
    out->original = store_int(q, ORIGINAL);
    out->outcome = store_bytes(q, OUTCOME);
    take_half(q, out, 0);
    take_half(q, out, 1);
    return true;
}

bool load_row(struct load *l, size_t file, int64_t id, struct load_row *out)
{
    return take_row(l, file, ask(l, file, ROW, id, 0), out);
}

bool load_behind(struct load *l, size_t file, int64_t flow, int64_t n, struct load_row *out)
{
    return take_row(l, file, ask(l, file, BEHIND, flow, n + 1), out);
}

bool load_flow(struct load *l, size_t file, int64_t id, struct load_flow *out)
{
    const struct store_query *q = ask(l, file, FLOW, id, 0);
    *out = (struct load_flow){0};
    if (!q)
        return false;
    struct view speaker = store_bytes(q, SPEAKER);
    *out = (struct load_flow){
        .inbound = store_int(q, INBOUND),
        .secured = store_int(q, SECURED),
        .ended = store_column_type(q, ENDED) != STORE_NULL,
        .front = store_bytes(q, FRONT),
        .client = store_bytes(q, CLIENT),
        .requested = store_bytes(q, REQUESTED),
        .target = store_bytes(q, TARGET),
        .server = store_bytes(q, SERVER),
        .sni = store_bytes(q, SNI),
        .alpn = store_bytes(q, ALPN),
        .at_us = store_int(q, AT),
        .dial_us = store_int(q, DIAL),
        .end_us = store_int(q, ENDED),
        .relayed = {store_int(q, RELAYED_C2S), store_int(q, RELAYED_S2C)},
        .reason = store_bytes(q, REASON),
        .client_first = view_eq(speaker, VIEW_LIT("client")),
        .server_first = view_eq(speaker, VIEW_LIT("server")),
    };
    return true;
}

// ---- contents

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

bool load_reader(const struct load_row *row, int s2c, struct store_reader **out)
{
    *out = NULL;
    if (row->bodies[s2c] == 0)
        return true;
    int e = store_reader_open(row->file->store, row->bodies[s2c], out);
    if (e)
        cli_damage("%s", store_why(row->file->store));
    return e == 0;
}

struct chunks *load_chunks(const struct load_row *row)
{
    return chunks_open(row->file->store, row->flow, row->n);
}

const char *load_why(const struct load_row *row)
{
    return store_why(row->file->store);
}
