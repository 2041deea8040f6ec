// store_txn: a transaction's rows: txn, head, link, and the bodies of its halves.
//
// A body's content is in one of these places:
//
//   body.bytes                  it came within the transaction
//   part rows, body points      it came in pieces before its transaction, and is new to the file
//   elsewhere, part.bytes NULL  it came in pieces, and the file turns out to have it already, or
//                               the first of them are in an earlier file (store_known.c joins them)
//   elsewhere                   it did not come: the transaction refers to it
//
// 1. A body row is shared by all messages of equal content. Equal: the same digest of the whole,
//    and as many of its first bytes kept. So a body that was cut by --max-body never stands for
//    a whole.
// 2. A body is not shared when its digest is unknown, when pieces of it are missing (lost, or in an
//    earlier file that is gone), or when it is a conversation: its pieces have their own times.
// 3. Small bodies are shared through memory alone. From WIRE_KNOWN_MIN on, the index body_digest is
//    asked, which begins there.
#include "schema/store_impl.h"

#include "proto/digest.h"
#include "schema/head_lines.h"
#include "schema/put.h"
#include "schema/route.h"

#include <assert.h>

#define BODY_ID_MAX (INT64_MAX / 2) // never reached by counting

enum end { END_ABSENT, END_COMPLETE, END_CUT, END_UNTIL_CLOSE }; // MessageEnd of record.proto

// A body on its way into the file.
struct content {
    struct view bytes;  // when it came within the transaction
    struct view digest; // empty: not known
    int64_t size, stored;
    bool shared, in_parts, s2c;
};

// Where it is now.
struct placed {
    int64_t body;         // id; 0: there is no content
    int64_t size, stored; // of it
    bool gone;            // it was referred to, and nobody has it
};

// ---- bodies

int store_ask_body(struct store *s, enum statement how, struct view digest, int64_t stored,
                   int64_t *id)
{
    sqlite3_stmt *stmt = store_statement(s, how);
    *id = 0;
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    sqlite3_bind_blob(stmt, 1, digest.p, DIGEST_SIZE, SQLITE_STATIC);
    sqlite3_bind_int64(stmt, 2, stored);
    int rc = sqlite3_step(stmt);
    *id = rc == SQLITE_ROW ? sqlite3_column_int64(stmt, 0) : 0;
    int e = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc, "looking for a body");
    sqlite3_reset(stmt);
    return e;
}

int store_find_body(struct store *s, struct view digest, int64_t stored, int64_t *id)
{
    *id = body_cache_find(&s->bodies, (const unsigned char *)digest.p, stored);
    if (*id != 0 || stored < WIRE_KNOWN_MIN)
        return 0;
    int e = store_ask_body(s, STATEMENT_BODY_FIND, digest, stored, id);
    if (e == 0 && *id != 0)
        body_cache_add(&s->bodies, (const unsigned char *)digest.p, stored, *id);
    return e;
}

// A row's id is part of its sum, so it is ours to give.
int store_number_body(struct store *s, int64_t *id)
{
    if (s->next_body == 0) {
        sqlite3_stmt *stmt = store_statement(s, STATEMENT_BODY_NEXT);
        if (!stmt)
            return store_error(s->db, sqlite3_extended_errcode(s->db));
        int rc = sqlite3_step(stmt);
        if (rc == SQLITE_ROW)
            s->next_body = sqlite3_column_int64(stmt, 0);
        int e = rc == SQLITE_ROW ? 0 : store_fail(s, rc, "numbering a body");
        if (e == 0 && (s->next_body <= 0 || s->next_body > BODY_ID_MAX)) {
            s->next_body = 0;
            e = store_refuse(s, E_DAMAGED, "a row of the table body is damaged");
        }
        sqlite3_reset(stmt);
        if (e != 0)
            return e;
    }
    *id = s->next_body++;
    return 0;
}

static int add_body(struct store *s, const struct store_txn *t, const struct content *c,
                    int64_t *id)
{
    struct row r;
    int e = store_number_body(s, id);
    if (e == 0)
        e = put_begin(s, &r, STATEMENT_BODY);
    if (e != 0)
        return e;
    row_int(&r, *id);
    row_blob(&r, c->digest);
    row_int(&r, c->size);
    row_int(&r, c->stored);
    row_int(&r, c->shared);
    row_int_or_null(&r, c->in_parts, t->flow);
    row_int_or_null(&r, c->in_parts, t->n);
    row_int_or_null(&r, c->in_parts, c->s2c);
    row_blob(&r, c->in_parts ? (struct view){NULL, 0} : c->bytes);
    return put_end(s, &r, "adding a body");
}

// Do the parts hold the first stored bytes, without a hole?
static int parts_are_whole(struct store *s, const struct store_txn *t, const struct content *c,
                           bool *whole)
{
    sqlite3_stmt *stmt = store_statement(s, STATEMENT_PARTS_OF);
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    sqlite3_bind_int64(stmt, 1, t->flow);
    sqlite3_bind_int64(stmt, 2, t->n);
    sqlite3_bind_int64(stmt, 3, c->s2c);
    int64_t at = 0;
    int rc;
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && sqlite3_column_int64(stmt, 0) == at) {
        if (__builtin_add_overflow(at, sqlite3_column_int64(stmt, 1), &at))
            break; // a damaged row
    }
    *whole = rc == SQLITE_DONE && at == c->stored;
    int e = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : store_fail(s, rc, "reading parts");
    sqlite3_reset(stmt);
    return e;
}

static int empty_parts(struct store *s, const struct store_txn *t, bool s2c)
{
    sqlite3_stmt *stmt = store_statement(s, STATEMENT_PARTS_EMPTY);
    if (!stmt)
        return store_error(s->db, sqlite3_extended_errcode(s->db));
    sqlite3_bind_int64(stmt, 1, t->flow);
    sqlite3_bind_int64(stmt, 2, t->n);
    sqlite3_bind_int64(stmt, 3, s2c);
    int rc = sqlite3_step(stmt);
    int e = rc == SQLITE_DONE ? 0 : store_fail(s, rc, "giving up the parts of a known body");
    sqlite3_reset(stmt);
    return e;
}

static bool is_conversation(const struct store_txn *t)
{
    return !t->protocol || strcmp(t->protocol, "raw") == 0 || strcmp(t->protocol, "tls") == 0;
}

// Content in parts: where it is whole, it can be shared, and the file may have it already.
static int look_at_parts(struct store *s, const struct store_txn *t, struct content *c, int64_t *id)
{
    const int64_t of[3] = {t->flow, t->n, c->s2c};
    bool whole = false;
    c->shared = c->shared && !is_conversation(t);
    if (!c->shared)
        return 0;
    int e = parts_are_whole(s, t, c, &whole);
    if (e == 0 && whole)
        e = store_find_body(s, c->digest, c->stored, id);
    else if (e == 0)
        e = store_join(s, of, c->digest, c->size, c->stored, id);
    c->shared = whole || *id != 0;
    return e == 0 && *id != 0 ? empty_parts(s, t, c->s2c) : e;
}

// What a half refers to. Where it is gone, a row tells what it was.
static int look_at_known(struct store *s, struct content *c, struct placed *out)
{
    int e = store_known(s, c->digest, c->size, c->stored, &out->body);
    if (e == 0 && out->body == 0) {
        out->gone = true;
        c->stored = 0;
        e = store_find_body(s, c->digest, 0, &out->body);
    }
    return e;
}

static int put_body(struct store *s, const struct store_txn *t, const struct store_half *h,
                    bool s2c, struct placed *out)
{
    unsigned char made[DIGEST_SIZE];
    struct content c = {.bytes = h->body.p ? h->body : VIEW_LIT(""),
                        .digest = h->digest.n == DIGEST_SIZE ? h->digest : (struct view){NULL, 0},
                        .in_parts = h->parts > 0,
                        .s2c = s2c};
    int e = 0;
    assert(!h->known || h->digest.n == DIGEST_SIZE);
    *out = (struct placed){0};
    c.stored = c.in_parts || h->known ? h->body_stored : (int64_t)h->body.n;
    c.size = h->body_size > c.stored ? h->body_size : c.stored;
    if (c.size == 0 && !c.in_parts)
        return 0;
    if (c.digest.n == 0 && !c.in_parts && c.size == c.stored) {
        digest_once(c.bytes, made);
        c.digest = view_n(made, sizeof made);
    }
    c.shared = c.digest.n == DIGEST_SIZE;
    if (c.in_parts)
        e = look_at_parts(s, t, &c, &out->body);
    else if (h->known)
        e = look_at_known(s, &c, out);
    else if (c.shared)
        e = store_find_body(s, c.digest, c.stored, &out->body);
    bool fresh = e == 0 && out->body == 0;
    if (fresh)
        e = add_body(s, t, &c, &out->body);
    if (fresh && e == 0 && c.shared)
        body_cache_add(&s->bodies, (const unsigned char *)c.digest.p, c.stored, out->body);
    out->stored = c.stored;
    out->size = c.size;
    return e;
}

// ---- the row

// What the two ends of a transaction make of it.
static const char *state_of(int req, int res)
{
    if (req == END_CUT)
        return "request-cut";
    if (res == END_ABSENT)
        return "unanswered";
    if (req == END_ABSENT)
        return "answer-only";
    return res == END_CUT ? "answer-cut" : "complete";
}

// The host, or the flow's target where the transaction names none.
static int host_of(struct store *s, const struct store_txn *t, struct view *host)
{
    *host = view_of(t->host);
    if (host->n > 0)
        return 0;
    if (s->target_flow != t->flow) {
        sqlite3_stmt *stmt = store_statement(s, STATEMENT_TARGET);
        if (!stmt)
            return store_error(s->db, sqlite3_extended_errcode(s->db));
        sqlite3_bind_int64(stmt, 1, t->flow);
        int rc = sqlite3_step(stmt);
        s->target_flow = t->flow;
        buf_reset(&s->target);
        if (rc == SQLITE_ROW && buf_add(&s->target, sqlite3_column_text(stmt, 0),
                                        (size_t)sqlite3_column_bytes(stmt, 0)) != 0)
            s->target_flow = 0; // without it rather than not at all
        sqlite3_reset(stmt);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return store_fail(s, rc, "looking for a flow");
    }
    *host = buf_view(&s->target);
    return 0;
}

static struct view type_of(struct view head)
{
    struct view type = {NULL, 0};
    return head_find(head, VIEW_LIT("content-type"), &type) ? type : (struct view){NULL, 0};
}

static bool has_head(const struct store_txn *t)
{
    const struct store_half *q = &t->req, *a = &t->res;
    return q->head.p || a->head.p || a->interim.p || q->trailers.p || a->trailers.p ||
           q->rhythm.p || a->rhythm.p || (t->redacted && t->redacted[0]);
}

static int put_head(struct store *s, int64_t key, const struct store_txn *t)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_HEAD);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_text(&r, t->redacted);
    row_blob(&r, t->req.head);
    row_blob(&r, t->res.head);
    row_blob(&r, t->res.interim);
    row_blob(&r, t->req.trailers);
    row_blob(&r, t->res.trailers);
    row_blob(&r, t->req.rhythm);
    row_blob(&r, t->res.rhythm);
    return put_end(s, &r, "adding the heads of a transaction");
}

static bool has_link(const struct store_txn *t)
{
    return t->original || (t->outcome && t->outcome[0]);
}

static int put_link(struct store *s, int64_t key, const struct store_txn *t)
{
    struct row r;
    int e = put_begin(s, &r, STATEMENT_LINK);
    if (e != 0)
        return e;
    row_int(&r, key);
    row_int_or_null(&r, t->original != 0, t->original);
    row_text(&r, t->outcome);
    return put_end(s, &r, "adding the link of a transaction");
}

static void put_times(struct row *r, const struct store_txn *t)
{
    bool req = t->req.end != END_ABSENT, res = t->res.end != END_ABSENT;
    int64_t start = req ? t->req.first_us : t->res.first_us;
    int64_t end = res ? t->res.last_us : t->req.last_us;
    if (req && res && t->res.first_us < start)
        start = t->res.first_us;
    if (req && res && t->req.last_us > end)
        end = t->req.last_us;
    row_int(r, start);
    row_int_or_null(r, req, t->req.last_us);
    row_int_or_null(r, res, t->res.first_us);
    row_int(r, end);
}

// Fits what the view endpoints groups by; the tag bytes of a row's sum keep the three apart.
static int64_t endpoint_of(const struct store_txn *t, struct view host, struct view route)
{
    struct row_sum sum;
    row_sum_begin(&sum);
    row_sum_text(&sum, view_of(t->method));
    row_sum_text(&sum, host);
    row_sum_text(&sum, route.n > 0 ? route : view_of(t->path));
    return row_sum_end(&sum);
}

static void put_names(struct row *r, const struct store_txn *t, struct view host, struct view route)
{
    row_text(r, t->method);
    row_text(r, t->scheme);
    row_text_view(r, host);
    row_text(r, t->path);
    row_text_view(r, route);
    row_int(r, endpoint_of(t, host, route));
    row_text(r, t->query);
    row_int_or_null(r, t->status != 0, t->status);
    row_text(r, t->version);
    row_text(r, state_of(t->req.end, t->res.end));
    row_int(r, t->by_proxy);
    row_text(r, t->note);
    row_text_view(r, type_of(t->req.head));
    row_text_view(r, type_of(t->res.head));
}

static void put_sizes(struct row *r, const struct store_txn *t, const struct placed body[2],
                      const struct store_account *a)
{
    row_int(r, body[0].size);
    row_int(r, body[1].size);
    row_int(r, body[0].stored);
    row_int(r, body[1].stored);
    row_int_or_null(r, body[0].body != 0, body[0].body);
    row_int_or_null(r, body[1].body != 0, body[1].body);
    row_int(r, t->req.parts);
    row_int(r, t->res.parts);
    row_int(r, t->req.wire);
    row_int(r, t->res.wire);
    row_int(r, a->stored_c2s);
    row_int(r, a->stored_s2c);
    row_int(r, a->omitted_c2s);
    row_int(r, a->omitted_s2c);
}

// Takes the wire bytes that stood for a body's content from what is stored: all of the body's but
// its trailers, which are there, and but for what was left out of it. Of that which the record
// leaves out in this direction, max-body's share is the body's; the rest is the head's first.
static int64_t take_gone(const struct placed *body, const struct store_half *h, int64_t omitted,
                         int64_t *stored)
{
    int64_t head = h->wire - h->body_wire, cut = h->body_size - h->body_stored;
    if (!body->gone)
        return 0;
    head = head < 0 ? 0 : head;
    cut = cut < 0 ? 0 : cut > omitted ? omitted : cut;
    if (omitted - cut > head)
        cut = omitted - head;
    int64_t gone = h->body_wire - (int64_t)h->trailers.n - cut;
    gone = gone < 0 ? 0 : gone > *stored ? *stored : gone;
    *stored -= gone;
    return gone;
}

static int put_gone_bodies(struct store *s, int64_t key, const struct store_txn *t,
                           const struct placed body[2], struct store_account *a)
{
    const struct store_half *first = body[0].gone ? &t->req : &t->res;
    const struct store_half *last = body[1].gone ? &t->res : &t->req;
    if (!body[0].gone && !body[1].gone)
        return 0;
    struct store_loss loss = {
        .flow = t->flow, .first_us = first->first_us, .last_us = last->last_us};
    loss.lost_c2s = take_gone(&body[0], &t->req, a->omitted_c2s, &a->stored_c2s);
    loss.lost_s2c = take_gone(&body[1], &t->res, a->omitted_s2c, &a->stored_s2c);
    return put_gone(s, key, &loss, first->digest);
}

int store_put_txn(struct store *s, int64_t key, const struct store_txn *t)
{
    struct row r;
    struct view host;
    struct placed body[2];
    struct store_account account = t->account;
    bool headed = has_head(t), linked = has_link(t);
    int e = put_body(s, t, &t->req, false, &body[0]);
    if (e == 0)
        e = put_body(s, t, &t->res, true, &body[1]);
    if (e == 0)
        e = put_gone_bodies(s, key, t, body, &account);
    if (e == 0)
        e = host_of(s, t, &host);
    if (e == 0)
        e = put_begin(s, &r, STATEMENT_TXN);
    if (e != 0)
        return e;
    route_of(view_of(t->path), &s->route);
    row_int(&r, key);
    row_int(&r, t->flow);
    row_int(&r, t->n);
    row_text(&r, t->protocol);
    put_times(&r, t);
    put_names(&r, t, host, buf_view(&s->route));
    put_sizes(&r, t, body, &account);
    row_int(&r, (headed ? 1 : 0) | (linked ? 2 : 0));
    row_int(&r, (t->req.end == END_CUT ? 1 : 0) | (t->res.end == END_CUT ? 2 : 0));
    e = put_end(s, &r, "adding a transaction");
    if (e == 0 && linked)
        e = put_link(s, key, t);
    return e == 0 && headed ? put_head(s, key, t) : e;
}
