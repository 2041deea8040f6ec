// asked_read: requests out of the files of captures, each opened when it is first asked for, with
// one query bound anew for each row.
#include "tools/cli.h"
#include "tools/mock/asked.h"

#include <stdlib.h>

struct asked_file {
    const struct capture *capture;
    size_t i;
    struct store *store;
    struct store_query *query;
    bool failed; // was told
};
struct asked_reader {
    const struct match_conf *conf;
    struct asked_file *files;
    size_t n;
    struct buf content;
};

enum column {
    METHOD,
    SCHEME,
    HOST,
    PATH,
    QUERY,
    ROUTE,
    BODY,
    SIZE,
    STORED,
    HEAD,
    REDACTED,
    DIGEST
};
static const char sql[] =
    "SELECT t.method, t.scheme, t.host, t.path, t.query, t.route, t.req_body, t.req_size,"
    " t.req_stored, h.req, h.redacted, (SELECT digest FROM body WHERE id = t.req_body)"
    " FROM txn t LEFT JOIN head h ON h.txn = t.id WHERE t.id = ?1";

struct asked_reader *asked_reader_new(const struct capture *captures, size_t n,
                                      const struct match_conf *conf)
{
    struct asked_reader *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->conf = conf;
    buf_init(&r->content, MATCH_BODY_MAX);
    for (size_t i = 0; i < n; i++)
        r->n += captures[i].n;
    r->files = calloc(r->n + 1, sizeof *r->files);
    if (!r->files) {
        free(r);
        return NULL;
    }
    for (size_t i = 0, at = 0; i < n; i++)
        for (size_t k = 0; k < captures[i].n; k++)
            r->files[at++] = (struct asked_file){.capture = &captures[i], .i = k};
    return r;
}

void asked_reader_free(struct asked_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->n; i++) {
        store_query_free(r->files[i].query);
        store_close(r->files[i].store);
    }
    free(r->files);
    buf_clear(&r->content);
    free(r);
}

struct store *asked_store(struct asked_reader *r, uint32_t file)
{
    struct asked_file *f = &r->files[file];
    if (!f->store && !f->failed) {
        f->store = capture_open_file(f->capture, f->i);
        f->failed = !f->store;
    }
    return f->store;
}

static int hold(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

// 0: content is all of it, or the request is sealed. E_NOMEM.
static int content_of(struct asked_reader *r, struct asked_file *f, struct asked_row *out)
{
    const struct store_query *q = f->query;
    struct view digest = store_bytes(q, DIGEST);
    int64_t size = store_int(q, SIZE), body = store_int(q, BODY);
    struct match_request *m = &out->request;
    out->has_digest = digest.n == DIGEST_SIZE;
    m->size = (uint64_t)size;
    if (out->has_digest)
        memcpy(m->digest, digest.p, DIGEST_SIZE);
    m->sealed = size > 0 && (store_int(q, STORED) < size || body == 0 ||
                             (uint64_t)size > asked_body_max(r->conf));
    if (size == 0 || m->sealed)
        return 0;
    buf_reset(&r->content);
    int e = store_body(f->store, body, hold, &r->content);
    if (e == E_NOMEM)
        return e;
    if (e)
        cli_damage("%s", store_why(f->store));
    m->sealed = e || buf_len(&r->content) != (size_t)size;
    if (!m->sealed)
        m->content = buf_view(&r->content);
    return 0;
}

int asked_read(struct asked_reader *r, uint32_t file, int64_t id, struct asked_row *out)
{
    struct asked_file *f = &r->files[file];
    *out = (struct asked_row){0};
    if (!asked_store(r, file))
        return 0;
    int e = f->query ? 0 : store_query(f->store, sql, &f->query);
    if (!e)
        store_rewind(f->query);
    e = e ? e : store_bind_int(f->query, 1, id);
    e = e ? e : store_step(f->query);
    if (e == 0)
        cli_damage("%s: a transaction is not there any more", f->capture->paths[f->i]);
    else if (e < 0 && e != E_NOMEM)
        cli_damage("%s", store_why(f->store));
    if (e != 1)
        return e == E_NOMEM ? e : 0;
    const struct store_query *q = f->query;
    out->request = (struct match_request){.method = store_bytes(q, METHOD),
                                          .scheme = store_bytes(q, SCHEME),
                                          .host = store_bytes(q, HOST),
                                          .path = store_bytes(q, PATH),
                                          .query = store_bytes(q, QUERY),
                                          .head = store_bytes(q, HEAD)};
    out->route = store_bytes(q, ROUTE);
    if (out->route.n == 0)
        out->route = out->request.path;
    out->redacted = store_bytes(q, REDACTED);
    e = content_of(r, f, out);
    return e ? e : 1;
}
