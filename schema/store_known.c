// store_known: content that a record refers to instead of bringing it.
//
//   the live file ──not there──→ the file before it ──→ … up to STORE_BEFORE_MAX ──→ nobody has it
//                                 └─ there: a row of the live file is made of it
//
// A proxy refers to what it sent since the live file was begun, as far as it was told: between a
// rotation and that, it names content of the file before. A body whose pieces came before and
// behind a rotation is made whole here for the same reason: it is the next one's known content.
//
// 1. The files before are opened when a batch first asks for them, and closed at its end: rotation
//    and retention, between batches, meet none of them.
// 2. Content is copied slice by slice, twice: once to sum it up and prove it, then into its row, so
//    memory does not depend on the size. The proof is the digest where the whole is kept; of what
//    is kept in part, or asked for in part, the row's sum and those of the parts. So damaged
//    content is given to nobody.
// 3. A file that is missing, damaged, of another layout or another capture's ends the search. One
//    that cannot be asked for now, since somebody has it locked, or for want of memory, of
//    descriptors or of I/O, fails the batch, which is tried again: what is there is no loss. But
//    for memory that has a bound, STORE_BEFORE_TRIES for a file, since a bad disk may never read
//    it, and the live records are not to wait for ever.
#include "schema/store_impl.h"

#include "proto/digest.h"
#include "schema/identity.h"
#include "schema/put.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define BEFORE_CACHE "PRAGMA cache_size = -256" // KiB, of each file

// ---- the files before

void store_forget_before(struct store *s)
{
    while (s->before_count > 0)
        store_close(s->before[--s->before_count]);
    s->before_ends = false;
    memset(s->proved, 0, sizeof s->proved);
}

// An error of the file before that has this number, as one of the batch; 0: the file does not
// count.
static int pass_on(struct store *s, int64_t number, int e, const char *why)
{
    if (e == 0 || e == E_NOTFOUND || e == E_DAMAGED || e == E_UNSUPPORTED || e == E_VERSION)
        return 0;
    if (e == E_NOMEM)
        return store_refuse(s, e, "out of memory");
    if (s->failing != number) {
        s->failing = number;
        s->failures = 0;
    }
    if (s->failures >= STORE_BEFORE_TRIES)
        return 0;
    s->failures++;
    return store_refuse(s, e == E_BUSY ? e : E_IO, "content of an earlier file is asked for: %s",
                        why);
}

// The same of an error in any file; damage of the live one is no error of the batch either.
static int pass_on_in(struct store *s, struct store *in, int e)
{
    if (in != s)
        return pass_on(s, in->number, e, store_why(in));
    return e == E_DAMAGED ? 0 : e == E_NOMEM ? store_refuse(s, e, "out of memory") : e;
}

// That file of the capture which comes before that of id; *out NULL: it cannot be read.
static int open_before(struct store *s, const struct store_identity *id, struct store **out)
{
    char why[WHY_MAX];
    struct store_identity is;
    const char *slash = strrchr(s->path, '/');
    int folder = slash ? (int)(slash - s->path) + 1 : 0;
    size_t size = (size_t)folder + sizeof id->previous;
    char *path = malloc(size);
    *out = NULL;
    if (!path)
        return store_refuse(s, E_NOMEM, "out of memory");
    snprintf(path, size, "%.*s%s", folder, s->path, id->previous);
    int e = store_open_now(out, path, why);
    free(path);
    if (e != 0) {
        *out = NULL;
        return pass_on(s, id->number - 1, e, why);
    }
    int rc = store_exec(*out, BEFORE_CACHE);
    e = rc == SQLITE_OK ? store_identity(*out, &is) : store_fail(*out, rc, "opening");
    bool fits =
        e == 0 && memcmp(is.name, id->name, sizeof is.name) == 0 && is.number == id->number - 1;
    (*out)->number = id->number - 1;
    if (!fits) {
        e = pass_on(s, id->number - 1, e, store_why(*out));
        store_close(*out);
        *out = NULL;
    }
    return e;
}

// The i-th file before the live one, from 0 on; *out NULL: there is none. Asked in order.
static int before(struct store *s, int i, struct store **out)
{
    struct store_identity id;
    *out = i < s->before_count ? s->before[i] : NULL;
    if (*out || s->before_ends)
        return 0;
    struct store *later = s->before_count > 0 ? s->before[s->before_count - 1] : s;
    int e = store_identity(later, &id);
    s->asked_before = true;
    if (e == 0 && s->before_count < STORE_BEFORE_MAX && id.previous[0] && !strchr(id.previous, '/'))
        e = open_before(s, &id, out);
    else
        e = pass_on_in(s, later, e);
    s->before_ends = e == 0 && !*out;
    if (*out)
        s->before[s->before_count++] = *out;
    return e;
}

// ---- copying

// Content to be copied: a row of another file's, or, with body 0, parts from several ones.
struct source {
    struct store *from;
    int64_t body, stored;
    const int64_t *of;   // flow, n, s2c
    int oldest;          // -1: the live file alone
    struct store *asked; // the last one
};

// E_DAMAGED: it is not all there, or not as it was.
static int give_source(struct store *s, struct source *c, store_take *take, void *arg)
{
    int64_t at = 0;
    int e = 0;
    c->asked = c->from;
    if (c->body)
        return store_body_range(c->from, c->body, 0, c->stored, take, arg);
    for (int i = c->oldest; i >= -1 && e == 0 && at < c->stored; i--) {
        c->asked = i < 0 ? s : s->before[i];
        e = store_parts(c->asked, c->of, &at, c->stored, take, arg);
    }
    return e == 0 && at < c->stored ? E_DAMAGED : e;
}

// What is known of a copy once its bytes went by.
struct proof {
    struct row_sum sum;
    struct digest_state sha;
};

static int prove(void *arg, struct view piece)
{
    struct proof *p = arg;
    row_sum_blob_more(&p->sum, piece);
    digest_more(&p->sha, piece);
    return 0;
}

struct writing {
    sqlite3_blob *blob;
    int at, rc;
};

static int write_piece(void *arg, struct view piece)
{
    struct writing *w = arg;
    w->rc = sqlite3_blob_write(w->blob, piece.p, (int)piece.n, w->at);
    w->at += (int)piece.n;
    return w->rc == SQLITE_OK ? 0 : E_IO;
}

static int fill_row(struct store *s, struct source *c, int64_t id)
{
    struct writing w = {.rc = SQLITE_OK};
    int rc = sqlite3_blob_open(s->db, "main", "body", "bytes", id, 1, &w.blob);
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "copying a body");
    int e = give_source(s, c, write_piece, &w);
    if (w.rc != SQLITE_OK)
        e = store_fail(s, w.rc, "copying a body");
    else if (e != 0) // it was whole a moment ago
        e = store_refuse(s, e == E_NOMEM ? e : E_IO, "copying a body from an earlier file failed");
    rc = sqlite3_blob_close(w.blob);
    return e == 0 && rc != SQLITE_OK ? store_fail(s, rc, "copying a body") : e;
}

// Puts the values of a row of the table body up to its bytes, whose sum is in *sum.
static void put_values(struct row *r, int64_t id, struct view digest, int64_t size, int64_t stored)
{
    row_int(r, id);
    row_blob(r, digest);
    row_int(r, size);
    row_int(r, stored);
    row_int(r, 1);
    row_null(r);
    row_null(r);
    row_null(r);
}

// *id: of the row, which may have been there; 0: the source does not have what it should.
static int copy(struct store *s, struct source *c, struct view digest, int64_t size, int64_t *id)
{
    struct row r;
    struct proof proof;
    unsigned char made[DIGEST_SIZE];
    int e = store_number_body(s, id);
    if (e == 0)
        e = put_begin(s, &r, STATEMENT_BODY_ROOM);
    if (e != 0)
        return e;
    put_values(&r, *id, digest, size, c->stored);
    proof.sum = r.sum;
    row_sum_blob_of(&proof.sum, (uint64_t)c->stored);
    digest_begin(&proof.sha);
    c->asked = c->from;
    if (c->body && size != c->stored) // the digest is of more than there is
        e = store_prove_body(c->from, c->body);
    if (e == 0)
        e = give_source(s, c, prove, &proof);
    digest_end(&proof.sha, made);
    bool sound = e == 0 && (size != c->stored || memcmp(made, digest.p, sizeof made) == 0);
    int64_t number = *id;
    *id = 0;
    if (!sound)
        return pass_on_in(s, c->asked, e);
    if (!c->body) // parts may be of what the file has already
        e = store_find_body(s, digest, c->stored, id);
    if (e != 0 || *id != 0)
        return e;
    s->copied += c->stored;
    r.sum = proof.sum;
    e = put_end(s, &r, "copying a body");
    if (e == 0)
        e = fill_row(s, c, number);
    if (e == 0)
        body_cache_add(&s->bodies, (const unsigned char *)digest.p, c->stored, number);
    *id = number;
    return e;
}

// ---- known content

int store_known(struct store *s, struct view digest, int64_t size, int64_t stored, int64_t *id)
{
    struct store *b;
    int e = store_find_body(s, digest, stored, id);
    for (int i = 0; e == 0 && *id == 0; i++) {
        struct source c = {.stored = stored};
        e = before(s, i, &b);
        if (e != 0 || !b)
            return e;
        e = pass_on_in(s, b, store_find_body(b, digest, stored, &c.body));
        c.from = b;
        if (e == 0 && c.body)
            e = copy(s, &c, digest, size, id);
    }
    return e;
}

int store_join(struct store *s, const int64_t of[3], struct view digest, int64_t size,
               int64_t stored, int64_t *id)
{
    struct source c = {.of = of, .stored = stored, .oldest = -1};
    struct store *b = s;
    *id = 0;
    if (stored > STORE_KNOWN_MAX)
        return 0;
    for (int e; store_is_carried(b, of[0]); c.oldest++) {
        e = before(s, c.oldest + 1, &b);
        if (e != 0)
            return e;
        if (!b)
            break;
    }
    return c.oldest < 0 ? 0 : copy(s, &c, digest, size, id);
}

// ---- content that is alike

static int gather(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

static int like_in(struct store *s, struct store *in, struct view digest, int64_t at, int64_t size,
                   struct view *out)
{
    int64_t body;
    buf_reset(&s->piece);
    int e = store_ask_body(in, STATEMENT_BODY_LIKE, digest, at + size, &body);
    if (e == 0 && body)
        e = store_prove_body(in, body);
    if (e == 0 && body)
        e = store_body_range(in, body, at, size, gather, &s->piece);
    if (e == 0 && body) {
        *out = buf_view(&s->piece);
        s->copied += size;
    }
    return pass_on_in(s, in, e);
}

int store_like(struct store *s, struct view digest, int64_t at, int64_t size, struct view *out)
{
    struct store *in = s;
    int e = 0;
    assert(size > 0 && size <= STORE_LIKE_MAX);
    *out = (struct view){NULL, 0};
    for (int i = 0; e == 0 && in && !out->p; i++) {
        e = like_in(s, in, digest, at, size, out);
        if (e == 0 && !out->p)
            e = before(s, i, &in);
    }
    return e;
}
