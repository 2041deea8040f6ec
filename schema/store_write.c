// store_write: streams, batches, and the rows that are put as they come. Transactions and bodies
// are in store_txn.c.
//
// A put is: row_begin on its prepared INSERT, the values in the order of the table's columns,
// put_end. Nothing is copied: the values are loans that outlive the statement's step.
#include "schema/store_impl.h"

#include "proto/digest.h"
#include "schema/put.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define SEQ_MAX    (((int64_t)1 << STORE_SEQ_BITS) - 1)
#define STREAM_MAX (INT64_MAX >> STORE_SEQ_BITS)

int put_begin(struct store *s, struct row *r, enum statement which)
{
    assert(s->in_batch);
    sqlite3_stmt *stmt = store_statement(s, which);
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    row_begin(r, stmt);
    return 0;
}

int put_end(struct store *s, struct row *r, const char *doing)
{
    int rc = row_insert(r);
    return rc == SQLITE_DONE ? 0 : store_fail(s, rc, doing);
}

// Runs a statement without values or rows.
static int run(struct store *s, enum statement which, const char *doing)
{
    sqlite3_stmt *stmt = store_statement(s, which);
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    int rc = sqlite3_step(stmt);
    int e = rc == SQLITE_DONE ? 0 : store_fail(s, rc, doing);
    sqlite3_reset(stmt);
    return e;
}

int store_settle(struct store *s)
{
    assert(s->mode == STORE_WRITE && !s->in_batch);
    if (!s->db)
        return store_open_db(s);
    return sqlite3_get_autocommit(s->db) ? 0 : run(s, STATEMENT_ROLLBACK, "rolling back");
}

int store_begin(struct store *s)
{
    int e = store_settle(s);
    s->gone = s->copied = 0;
    s->asked_before = false;
    if (e == 0)
        e = run(s, STATEMENT_BEGIN, "beginning a batch");
    s->in_batch = e == 0;
    return e;
}

// Whoever removes the file, or puts another in its place, would have what is committed from then
// on.
static int check_place(struct store *s)
{
    struct stat st;
    return stat(s->path, &st) == 0 && store_is(s, &st)
               ? 0
               : store_refuse(s, E_NOTFOUND, "it was removed, or another file took its place");
}

int store_commit(struct store *s)
{
    assert(s->in_batch);
    int e = check_place(s);
    if (e == 0)
        e = run(s, STATEMENT_COMMIT, "committing a batch");
    s->in_batch = e != 0;
    if (e == 0)
        store_forget_before(s);
    return e;
}

void store_rollback(struct store *s)
{
    if (!s->in_batch)
        return;
    // SQLite has done it already after some errors. Where it cannot now, store_settle() comes.
    if (!sqlite3_get_autocommit(s->db)) {
        char why[WHY_MAX];
        memcpy(why, s->why, sizeof why);
        if (run(s, STATEMENT_ROLLBACK, "rolling back") == 0)
            memcpy(s->why, why, sizeof why);
    }
    s->in_batch = false;
    body_cache_forget(&s->bodies);
    store_forget_before(s);
    s->target_flow = 0;
    s->next_body = 0;
}

// ---- streams

// The stream of that name: 0 with *id 0 when there is none.
static int find_stream(struct store *s, const struct store_stream *st, int64_t *id, int64_t *last)
{
    sqlite3_stmt *stmt = store_statement(s, STATEMENT_STREAM_FIND);
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    sqlite3_bind_blob(stmt, 1, st->name, sizeof st->name, SQLITE_STATIC);
    int rc = sqlite3_step(stmt);
    *id = 0;
    if (rc == SQLITE_ROW) {
        *id = sqlite3_column_int64(stmt, 0);
        *last = sqlite3_column_int64(stmt, 1);
    }
    int e = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc, "looking for a stream");
    // The emitter forgets what last tells it: it had better be true.
    if (rc == SQLITE_ROW && (*id <= 0 || *id > STREAM_MAX || *last < 0 || *last > SEQ_MAX))
        e = store_refuse(s, E_DAMAGED, "the row of stream %lld is damaged", (long long)*id);
    sqlite3_reset(stmt);
    return e;
}

static void put_identity(struct row *r, const struct store_stream *st)
{
    row_text(r, st->software);
    row_text(r, st->host);
    row_int(r, st->pid);
    row_int(r, st->worker);
    row_int(r, st->started_us);
    row_text(r, st->pod);
    row_text(r, st->namespace_);
    row_text(r, st->workload);
    row_text(r, st->node);
    row_text(r, st->labels_json && st->labels_json[0] ? st->labels_json : "{}");
    row_text(r, st->settings_json && st->settings_json[0] ? st->settings_json : "{}");
}

static int take_stream_id(struct store *s, int64_t *id)
{
    sqlite3_stmt *next = store_statement(s, STATEMENT_STREAM_NEXT);
    sqlite3_stmt *take = store_statement(s, STATEMENT_STREAM_TAKE);
    if (!next || !take)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    int rc = sqlite3_step(next);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(next, 0) : 0;
    sqlite3_reset(next);
    if (rc == SQLITE_DONE || *id <= 0 || *id >= STREAM_MAX)
        return store_refuse(s, E_DAMAGED, "the row of the table capture is damaged");
    if (rc == SQLITE_ROW) {
        sqlite3_bind_int64(take, 1, *id + 1);
        rc = sqlite3_step(take);
        sqlite3_reset(take);
    }
    return rc == SQLITE_DONE ? 0 : store_fail(s, rc, "numbering a stream");
}

static int add_stream(struct store *s, const struct store_stream *st, int64_t first, int64_t *id)
{
    struct row r;
    int e = take_stream_id(s, id);
    if (e == 0)
        e = put_begin(s, &r, STATEMENT_STREAM_NEW);
    if (e != 0)
        return e;
    row_int(&r, *id);
    row_blob(&r, view_n(st->name, sizeof st->name));
    put_identity(&r, st);
    row_int(&r, first);
    row_int(&r, first - 1);
    row_null(&r);
    return put_end(s, &r, "adding a stream");
}

static int update_stream(struct store *s, const struct store_stream *st, int64_t id)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_STREAM_KNOWN);
    if (e != 0)
        return e;
    row_int(&r, id);
    put_identity(&r, st);
    int rc = r.rc == SQLITE_OK ? sqlite3_step(r.stmt) : r.rc; // its sum is made in SQL
    e = rc == SQLITE_DONE ? 0 : store_fail(s, rc, "updating a stream");
    sqlite3_reset(r.stmt);
    return e;
}

int store_stream(struct store *s, const struct store_stream *st, uint64_t first_seq, int64_t *id,
                 uint64_t *last_seq)
{
    int64_t first = first_seq == 0 ? 1 : (int64_t)first_seq, last = first - 1;
    if (first_seq > (uint64_t)SEQ_MAX)
        return store_refuse(s, E_RANGE, "a stream's first number is beyond %d bits",
                            STORE_SEQ_BITS);
    int e = store_begin(s);
    if (e != 0)
        return e;
    e = find_stream(s, st, id, &last);
    if (e == 0)
        e = *id == 0 ? add_stream(s, st, first, id) : update_stream(s, st, *id);
    if (e == 0)
        e = store_commit(s);
    if (e != 0)
        store_rollback(s);
    *last_seq = (uint64_t)last;
    return e;
}

int store_put_progress(struct store *s, int64_t stream, uint64_t last_seq, int64_t ended_us)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_PROGRESS);
    if (e != 0)
        return e;
    row_int(&r, stream);
    row_int(&r, (int64_t)last_seq);
    row_int_or_null(&r, ended_us != 0, ended_us);
    int rc = r.rc == SQLITE_OK ? sqlite3_step(r.stmt) : r.rc;
    e = rc == SQLITE_DONE ? 0 : store_fail(s, rc, "noting a stream's progress");
    sqlite3_reset(r.stmt);
    if (e == 0 && sqlite3_changes(s->db) == 0)
        e = store_refuse(s, E_NOTFOUND, "no stream %lld", (long long)stream);
    return e;
}

// ---- rows

static void put_account(struct row *r, const struct store_account *a)
{
    row_int(r, a->stored_c2s);
    row_int(r, a->stored_s2c);
    row_int(r, a->omitted_c2s);
    row_int(r, a->omitted_s2c);
}

int store_put_flow(struct store *s, int64_t key, const struct store_flow *f)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_FLOW);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, f->at_us);
    row_text(&r, f->inbound ? "inbound" : "outbound");
    row_text(&r, f->front);
    row_text(&r, f->client);
    row_text(&r, f->local);
    row_text(&r, f->original);
    row_text(&r, f->requested);
    row_text(&r, f->target);
    row_text(&r, f->server);
    row_text(&r, f->server_local);
    row_int(&r, f->dial_us);
    row_int(&r, f->dns_us);
    row_int(&r, 0);
    return put_end(s, &r, "adding a flow");
}

int store_put_flow_end(struct store *s, int64_t key, const struct store_flow_end *f)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_FLOW_END);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, f->flow);
    row_int(&r, f->at_us);
    row_text(&r, f->reason);
    row_text(&r, f->detail);
    row_int(&r, f->relayed_c2s);
    row_int(&r, f->relayed_s2c);
    put_account(&r, &f->account);
    row_int(&r, f->transactions);
    row_int(&r, f->filtered);
    row_text(&r, f->first_speaker == 1 ? "client" : f->first_speaker == 2 ? "server" : "");
    return put_end(s, &r, "adding the end of a flow");
}

static void put_certificate(struct row *r, const struct store_tls *t)
{
    if (!t->has_certificate) {
        for (int i = 0; i < 6; i++)
            row_null(r);
        return;
    }
    row_text(r, t->subject ? t->subject : "");
    row_text(r, t->issuer ? t->issuer : "");
    row_text(r, t->names ? t->names : "");
    row_int(r, t->not_before_us);
    row_int(r, t->not_after_us);
    row_blob(r, t->fingerprint);
}

int store_put_tls(struct store *s, int64_t key, const struct store_tls *t)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_TLS);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, t->flow);
    row_int(&r, t->at_us);
    row_text(&r, t->mode);
    row_text(&r, t->sni);
    row_text(&r, t->alpn_offered);
    row_text(&r, t->versions_offered);
    row_text(&r, t->version);
    row_text(&r, t->cipher);
    row_text(&r, t->alpn);
    row_int(&r, t->resumed);
    row_text(&r, t->client_version ? t->client_version : "");
    row_text(&r, t->client_cipher ? t->client_cipher : "");
    row_int(&r, t->client_resumed);
    row_text(&r, t->why ? t->why : "");
    put_certificate(&r, t);
    return put_end(s, &r, "adding a TLS handshake");
}

int store_put_txn_open(struct store *s, int64_t key, const struct store_txn_open *t)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_TXN_OPEN);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, t->flow);
    row_int(&r, t->n);
    row_text(&r, t->protocol);
    row_int(&r, t->first_us);
    row_text(&r, t->method);
    row_text(&r, t->scheme);
    row_text(&r, t->host);
    row_text(&r, t->path);
    row_text(&r, t->query);
    row_int_or_null(&r, t->status != 0, t->status);
    return put_end(s, &r, "adding an open transaction");
}

// Content that is referred to and gone: its wire bytes, of the record with that key, are a loss.
int put_gone(struct store *s, int64_t key, const struct store_loss *what, struct view digest)
{
    char detail[96], hex[DIGEST_HEX];
    struct store_loss loss = *what;
    digest_hex((const unsigned char *)digest.p, DIGEST_SIZE, hex);
    snprintf(detail, sizeof detail, "sha256 %s", hex);
    loss.cause = "content-gone";
    loss.detail = detail;
    s->gone++;
    return store_put_loss(s, key, &loss);
}

// The bytes of a part that does not bring them. Where they are gone, so is what it stands for.
static int resolve_part(struct store *s, int64_t key, struct store_part *p)
{
    struct store_account *a = &p->account;
    int e = store_like(s, p->like, p->at, p->size, &p->bytes);
    if (e != 0 || p->bytes.p)
        return e;
    struct store_loss gone = {.flow = p->flow,
                              .lost_c2s = a->stored_c2s,
                              .lost_s2c = a->stored_s2c,
                              .first_us = p->first_us,
                              .last_us = p->last_us};
    a->stored_c2s = a->stored_s2c = 0;
    return put_gone(s, key, &gone, p->like);
}

int store_put_part(struct store *s, int64_t key, const struct store_part *given)
{
    struct row r;
    struct store_part p = *given;
    int e = p.like.n ? resolve_part(s, key, &p) : 0;
    if (e == 0)
        e = put_begin(s, &r, STATEMENT_PART);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, p.flow);
    row_int(&r, p.n);
    row_int(&r, p.s2c);
    row_int(&r, p.first_us);
    row_int(&r, p.last_us);
    row_int(&r, p.at);
    row_int(&r, (int64_t)p.bytes.n);
    row_int(&r, row_bytes_sum(p.bytes));
    put_account(&r, &p.account);
    row_blob_unsummed(&r, p.bytes.p ? p.bytes : VIEW_LIT(""));
    return put_end(s, &r, "adding a part");
}

int store_put_loss(struct store *s, int64_t key, const struct store_loss *l)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_LOSS);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int_or_null(&r, l->flow != 0, l->flow);
    row_text(&r, l->cause);
    row_int(&r, l->transactions);
    row_int(&r, l->flows);
    row_int(&r, l->lost_c2s);
    row_int(&r, l->lost_s2c);
    row_int(&r, l->first_us);
    row_int(&r, l->last_us);
    row_text(&r, l->detail);
    return put_end(s, &r, "adding a loss");
}

int store_put_restart(struct store *s, int64_t key, int64_t at_us, int64_t pid)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_RESTART);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, at_us);
    row_int(&r, pid);
    return put_end(s, &r, "adding a restart");
}

int store_put_unknown(struct store *s, int64_t key, int64_t type, struct view bytes)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_UNKNOWN);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int(&r, type);
    row_blob(&r, bytes.p ? bytes : VIEW_LIT(""));
    return put_end(s, &r, "adding an unknown record");
}

int64_t store_gone(const struct store *s)
{
    return s->gone;
}

int64_t store_copied(const struct store *s)
{
    return s->copied;
}

bool store_asked_before(const struct store *s)
{
    return s->asked_before;
}

int64_t store_file_size(const struct store *s)
{
    static const char *const ends[] = {"", "-wal"};
    char *path = malloc(strlen(s->path) + 8);
    int64_t size = 0;
    for (int i = 0; path && i < 2; i++) {
        struct stat st;
        snprintf(path, strlen(s->path) + 8, "%s%s", s->path, ends[i]);
        if (stat(path, &st) == 0)
            size += st.st_size;
    }
    free(path);
    return size;
}
