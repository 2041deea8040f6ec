// verify_references: what a row refers to is there, and content in parts is whole.
//
// Each question is one SELECT of the rows that break a rule: an id and, as a rule, the id that it
// refers to. SQLite looks each reference up by its key; nothing is sorted or held. (typeof() is
// asked where IS NULL would do: it does not read the bytes.)
#include "schema/verify.h"

#include "proto/digest.h"

#include <stdio.h>

// ---- references

struct reference {
    const char *table, *sql, *sentence; // the sentence has one %lld for the second column
};

#define MISSING(child, column, parent, key)                                                        \
    "SELECT c.rowid, c." column " FROM " child " c WHERE c." column " IS NOT NULL"                 \
    " AND NOT EXISTS (SELECT 1 FROM " parent " p WHERE p." key " = c." column ")"

static const struct reference references[] = {
    {"flow_end", MISSING("flow_end", "flow", "flow", "id"), "its flow %lld has no row"},
    {"carried", MISSING("carried", "flow", "flow", "id"), "its flow %lld has no row"},
    {"tls", MISSING("tls", "flow", "flow", "id"), "its flow %lld has no row"},
    {"txn", MISSING("txn", "flow", "flow", "id"), "its flow %lld has no row"},
    {"txn_open", MISSING("txn_open", "flow", "flow", "id"), "its flow %lld has no row"},
    {"part", MISSING("part", "flow", "flow", "id"), "its flow %lld has no row"},
    {"loss", MISSING("loss", "flow", "flow", "id"), "its flow %lld has no row"},
    {"txn", MISSING("txn", "req_body", "body", "id"), "its request's body %lld has no row"},
    {"txn", MISSING("txn", "res_body", "body", "id"), "its answer's body %lld has no row"},
    {"head", MISSING("head", "txn", "txn", "id"), "transaction %lld has no row"},
    {"link", MISSING("link", "txn", "txn", "id"), "transaction %lld has no row"},
    {"txn",
     "SELECT t.id, t.id FROM txn t WHERE t.beside & 1"
     " AND NOT EXISTS (SELECT 1 FROM head h WHERE h.txn = t.id)",
     "the heads of transaction %lld have no row"},
    {"head", "SELECT h.txn, h.txn FROM head h JOIN txn t ON t.id = h.txn WHERE NOT t.beside & 1",
     "transaction %lld should have no heads"},
    {"txn",
     "SELECT t.id, t.id FROM txn t WHERE t.beside & 2"
     " AND NOT EXISTS (SELECT 1 FROM link k WHERE k.txn = t.id)",
     "the link of transaction %lld has no row"},
    {"link", "SELECT k.txn, k.txn FROM link k JOIN txn t ON t.id = k.txn WHERE NOT t.beside & 2",
     "transaction %lld should have no link"},
    {"flow",
     "SELECT f.id, f.id FROM flow f WHERE f.carried"
     " AND NOT EXISTS (SELECT 1 FROM carried c WHERE c.flow = f.id)",
     "what earlier files hold of flow %lld has no row"},
    {"txn",
     "SELECT t.id, t.flow FROM txn t WHERE EXISTS"
     " (SELECT 1 FROM txn o WHERE o.flow = t.flow AND o.n = t.n AND o.id < t.id)",
     "another transaction of flow %lld has its number"},
    {"part",
     "SELECT p.id, p.flow FROM part p WHERE typeof(p.bytes) = 'null' AND NOT EXISTS"
     " (SELECT 1 FROM txn t JOIN body b ON b.id = iif(p.s2c, t.res_body, t.req_body)"
     "  WHERE t.flow = p.flow AND t.n = p.n"
     "  AND NOT (b.flow IS p.flow AND b.n IS p.n AND b.s2c IS p.s2c))",
     "its bytes are gone, and no body of flow %lld stands for them"},
    {"loss",
     "SELECT l.id, l.id FROM loss l WHERE l.cause = 'content-gone'"
     " AND NOT EXISTS (SELECT 1 FROM txn t WHERE t.id = l.id)"
     " AND NOT EXISTS (SELECT 1 FROM part p WHERE p.id = l.id)",
     "record %lld, which it is part of, has no row"},
    {"body",
     "SELECT b.id, b.id FROM body b WHERE (typeof(b.bytes) = 'null') <> (b.flow IS NOT NULL)",
     "it is not clear where the bytes of body %lld are"},
};
#define REFERENCES (sizeof references / sizeof references[0])

static int check_reference(struct verify *v, const struct reference *r)
{
    sqlite3_stmt *stmt;
    char sentence[128];
    int rc = store_prepare(v->s, r->sql, &stmt);
    if (rc != SQLITE_OK)
        return verify_error(v, rc, r->table);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        // The sentences are ours; one number each.
        const char *number = strstr(r->sentence, "%lld");
        snprintf(sentence, sizeof sentence, "%.*s%lld%s", (int)(number - r->sentence), r->sentence,
                 (long long)sqlite3_column_int64(stmt, 1), number + 4);
        verify_say_row(v, VERIFY_DAMAGE, r->table, sqlite3_column_int64(stmt, 0), "%s", sentence);
    }
    int e = rc == SQLITE_DONE ? 0 : verify_error(v, rc, r->table);
    sqlite3_finalize(stmt);
    return e;
}

int verify_references(struct verify *v)
{
    int e = 0;
    for (size_t i = 0; i < REFERENCES && e == 0; i++) {
        e = check_reference(v, &references[i]);
        verify_progress(v, (int64_t)i + 1, REFERENCES);
    }
    return e;
}

// ---- content in parts

// What the parts of one half amount to.
struct content {
    int64_t parts, bytes; // how many, and their sizes added up
    int64_t whole;        // bytes from the first on without a hole
    bool readable;        // the bytes themselves are there
    unsigned char digest[DIGEST_SIZE];
};

static int read_parts(struct verify *v, const int64_t of[3], struct content *c)
{
    sqlite3_stmt *stmt;
    struct digest_state d;
    *c = (struct content){.readable = true};
    int rc = store_prepare(v->s, statement_sql[STATEMENT_BODY_PARTS], &stmt);
    if (rc != SQLITE_OK)
        return store_fail(v->s, rc, "reading parts");
    digest_begin(&d);
    for (int i = 0; i < 3; i++)
        sqlite3_bind_int64(stmt, i + 1, of[i]);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        int64_t size = sqlite3_column_int64(stmt, 1);
        const void *p = sqlite3_column_blob(stmt, 2);
        if (sqlite3_column_int64(stmt, 0) == c->whole)
            verify_add(&c->whole, size);
        digest_more(&d, view_n(p, (size_t)sqlite3_column_bytes(stmt, 2)));
        c->readable &= sqlite3_column_type(stmt, 2) != SQLITE_NULL;
        verify_add(&c->bytes, size);
        c->parts++;
    }
    sqlite3_finalize(stmt);
    digest_end(&d, c->digest);
    return rc == SQLITE_DONE ? 0 : store_fail(v->s, rc, "reading parts");
}

// Pieces of this flow may be missing: it began in an earlier file, losses are declared, or it has
// no end here, so that the next file may declare them. The numbers of the stream tell of a row that
// is missing in any case, and the ledger of bytes that nothing accounts for.
static bool may_lack(struct verify *v, int64_t flow)
{
    return store_yes(v->s,
                     "SELECT EXISTS (SELECT 1 FROM loss WHERE flow = %lld)"
                     " OR EXISTS (SELECT 1 FROM flow WHERE id = %lld AND carried)"
                     " OR NOT EXISTS (SELECT 1 FROM flow_end WHERE flow = %lld)",
                     (long long)flow, (long long)flow, (long long)flow);
}

static int add_to_digest(void *arg, struct view piece)
{
    digest_more(arg, piece);
    return 0;
}

// Content whose first parts are in earlier files: with those that are here it has its digest.
static int check_across(struct verify *v, const int64_t of[3], sqlite3_stmt *body)
{
    struct digest_state d;
    unsigned char made[DIGEST_SIZE];
    int64_t id = sqlite3_column_int64(body, 0), at = 0;
    int64_t stored = sqlite3_column_int64(body, 4), size = sqlite3_column_int64(body, 5);
    digest_begin(&d);
    int e = store_parts_before(v->s, of, &at, stored, add_to_digest, &d);
    if (e == E_GONE) {
        v->sums->begun++;
        verify_say_row(v, VERIFY_NOTE, "body", id,
                       "it began in an earlier file, which is not here");
    }
    if (e == 0 && at > 0 && at < stored)
        e = store_parts(v->s, of, &at, stored, add_to_digest, &d);
    digest_end(&d, made);
    if (e == 0 && at == size && sqlite3_column_bytes(body, 7) == DIGEST_SIZE &&
        memcmp(sqlite3_column_blob(body, 7), made, DIGEST_SIZE) != 0)
        verify_say_row(v, VERIFY_DAMAGE, "body", id,
                       "its parts, with those in earlier files, do not fit its digest");
    return e == E_NOMEM ? e : 0; // damage is told of the file that has it
}

// ?: id, flow, n, s2c, stored, size, shared, digest
static int check_body(struct verify *v, sqlite3_stmt *body)
{
    struct content c;
    int64_t id = sqlite3_column_int64(body, 0), of[3];
    int64_t stored = sqlite3_column_int64(body, 4), size = sqlite3_column_int64(body, 5);
    bool shared = sqlite3_column_int64(body, 6) != 0;
    for (int i = 0; i < 3; i++)
        of[i] = sqlite3_column_int64(body, i + 1);
    int e = read_parts(v, of, &c);
    if (e == E_DAMAGED) {
        verify_say_row(v, VERIFY_DAMAGE, "body", id, "its parts cannot be read");
        return 0;
    }
    if (e != 0)
        return e;
    bool whole = c.whole == stored && c.bytes == stored;
    if (!whole && (shared || !may_lack(v, of[0]))) {
        verify_say_row(v, VERIFY_DAMAGE, "body", id,
                       "its parts hold %lld of %lld bytes, the first %lld without a hole",
                       (long long)c.bytes, (long long)stored, (long long)c.whole);
    } else if (!c.readable) {
        verify_say_row(v, VERIFY_DAMAGE, "body", id, "the bytes of its parts are gone");
    } else if (whole && stored == size && sqlite3_column_type(body, 7) != SQLITE_NULL) {
        const void *is = sqlite3_column_blob(body, 7);
        if (sqlite3_column_bytes(body, 7) != DIGEST_SIZE || memcmp(is, c.digest, DIGEST_SIZE) != 0)
            verify_say_row(v, VERIFY_DAMAGE, "body", id, "its parts do not fit its digest");
    }
    return whole || shared || stored == 0 ? 0 : check_across(v, of, body);
}

static int check_bodies(struct verify *v)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(v->s,
                           "SELECT id, flow, n, s2c, stored, size, shared, digest FROM body"
                           " WHERE flow IS NOT NULL",
                           &stmt);
    if (rc != SQLITE_OK)
        return verify_error(v, rc, "body");
    int e = 0;
    while (e == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
        e = check_body(v, stmt);
    if (e == 0 && rc != SQLITE_DONE)
        e = verify_error(v, rc, "body");
    sqlite3_finalize(stmt);
    return e;
}

// As many parts as the transaction was told to have.
static int check_counts(struct verify *v)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(
        v->s,
        "SELECT id, flow, req_parts, res_parts,"
        " (SELECT count(*) FROM part p WHERE p.flow = t.flow AND p.n = t.n AND p.s2c = 0),"
        " (SELECT count(*) FROM part p WHERE p.flow = t.flow AND p.n = t.n AND p.s2c = 1)"
        " FROM txn t WHERE req_parts > 0 OR res_parts > 0",
        &stmt);
    if (rc != SQLITE_OK)
        return verify_error(v, rc, "part");
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        for (int side = 0; side < 2; side++) {
            int64_t told = sqlite3_column_int64(stmt, 2 + side);
            int64_t there = sqlite3_column_int64(stmt, 4 + side);
            if (told != there && (there > told || !may_lack(v, sqlite3_column_int64(stmt, 1))))
                verify_say_row(v, VERIFY_DAMAGE, "txn", sqlite3_column_int64(stmt, 0),
                               "%lld parts of its %s are there, not %lld", (long long)there,
                               side == 0 ? "request" : "answer", (long long)told);
        }
    }
    int e = rc == SQLITE_DONE ? 0 : verify_error(v, rc, "part");
    sqlite3_finalize(stmt);
    return e;
}

int verify_parts(struct verify *v)
{
    int e = check_bodies(v);
    return e == 0 ? check_counts(v) : e;
}
