// verify: proves a capture. Here: the order of the phases, how findings are told, and the file's
// schema and structure, for which SQLite is asked.
//
//   packed      of a packed file each group and the checksum of the whole    verify_packed.c
//   schema      the header and the text of every table, index and view are as the migrations make
//               them
//   structure   SQLite's integrity check: pages, indexes, constraints
//   rows        each row's sum, each digest                                  verify_rows.c
//   sequences   each number of each stream is there once                     verify_sequences.c
//   references  what a row refers to is there; bodies are whole              verify_references.c
//   ledger      relayed = stored + left out + lost, flow by flow             verify_ledger.c
//
// 1. All is read in one read transaction: one moment of a file that may go on being written.
// 2. Memory stays bounded: tables are walked in the order of their keys, and merged where they
// meet.
// 3. Damage never ends it: it is told with its place, and the walk goes on behind it.
#include "schema/verify.h"

#include "proto/base/clamp.h"
#include "schema/mend.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define STRUCTURE_LINES 100   // of SQLite's integrity check
#define STRUCTURE_OPS   20000 // SQLite's steps between two looks at the progress
#define SENTENCE_MAX    1024

const char *const verify_tables[] = {
    "capture", "stream",  "flow",           "carried", "flow_end", "tls",
    "txn",     "head",    "link",           "body",    "part",     "txn_open",
    "loss",    "restart", "unknown_record", NULL,
};

// ---- findings

__attribute__((format(printf, 4, 0))) static void
say(struct verify *v, enum verify_finding what, const char *place, const char *format, va_list ap)
{
    char sentence[SENTENCE_MAX];
    if (what == VERIFY_DAMAGE)
        v->sums->damages++;
    if (v->told[what]++ >= VERIFY_FINDINGS_MAX && what != VERIFY_LOSS)
        return;
    if (!v->found)
        return;
    vsnprintf(sentence, sizeof sentence, format, ap);
    v->found(v->arg, what, place, sentence);
}

void verify_say(struct verify *v, enum verify_finding what, const char *place, const char *format,
                ...)
{
    va_list ap;
    va_start(ap, format);
    say(v, what, place, format, ap);
    va_end(ap);
}

void verify_say_row(struct verify *v, enum verify_finding what, const char *table, int64_t id,
                    const char *format, ...)
{
    char place[96];
    va_list ap;
    snprintf(place, sizeof place, "%s %lld", table, (long long)id);
    va_start(ap, format);
    say(v, what, place, format, ap);
    va_end(ap);
}

int verify_error(struct verify *v, int rc, const char *doing)
{
    int e = store_fail(v->s, rc, doing);
    // A table or a column that is missing is damage too: our SQL is right.
    if (e != E_DAMAGED && e != E_SYNTAX)
        return e;
    verify_say(v, VERIFY_DAMAGE, doing, "could not be checked to the end: %s",
               sqlite3_errmsg(v->s->db));
    return 0;
}

void verify_gap(void *arg, const char *table, int64_t from, int64_t to)
{
    char place[128];
    if (to == INT64_MAX)
        snprintf(place, sizeof place, "%s %lld..", table, (long long)from);
    else if (from == to)
        snprintf(place, sizeof place, "%s %lld", table, (long long)from);
    else
        snprintf(place, sizeof place, "%s %lld..%lld", table, (long long)from, (long long)to);
    verify_say(arg, VERIFY_DAMAGE, place, "cannot be read");
}

static void tell_the_rest(struct verify *v)
{
    static const char *const kinds[] = {"damage", "holes", "ledgers", "losses", "cuts", "notes"};
    for (int i = 0; i < VERIFY_NOTE; i++) {
        if (i == VERIFY_LOSS || v->told[i] <= VERIFY_FINDINGS_MAX)
            continue;
        verify_say(v, VERIFY_NOTE, kinds[i], "%lld more findings of this kind are not listed",
                   (long long)(v->told[i] - VERIFY_FINDINGS_MAX));
    }
}

void verify_add(int64_t *sum, int64_t n)
{
    *sum = clamp_add(*sum, n);
}

void verify_progress(struct verify *v, int64_t done, int64_t all)
{
    if (!v->progress)
        return;
    double part = all <= 0 || done >= all ? 1 : (double)done / (double)all;
    v->progress(v->arg, v->from + (int)(part * (v->to - v->from)));
}

// ---- schema

static int find_object(struct verify *v, sqlite3_stmt *theirs, const char *type, const char *name,
                       const char *sql)
{
    sqlite3_bind_text(theirs, 1, type, -1, SQLITE_STATIC);
    sqlite3_bind_text(theirs, 2, name, -1, SQLITE_STATIC);
    int rc = sqlite3_step(theirs);
    char place[128];
    snprintf(place, sizeof place, "%s %s", type, name);
    if (rc == SQLITE_DONE) {
        verify_say(v, VERIFY_DAMAGE, place, "is missing");
    } else if (rc == SQLITE_ROW && sql) {
        const char *is = (const char *)sqlite3_column_text(theirs, 0);
        if (!is || strcmp(is, sql) != 0)
            verify_say(v, VERIFY_DAMAGE, place, "is not defined as it should be");
    }
    int e = rc == SQLITE_ROW || rc == SQLITE_DONE ? 0 : verify_error(v, rc, "schema");
    sqlite3_reset(theirs);
    return e;
}

// The file's own schema: a mended one is not.
static int open_theirs(struct verify *v, sqlite3 **plain, sqlite3_stmt **theirs)
{
    *plain = NULL;
    int rc = v->s->mend ? store_open_plain(v->s, plain) : SQLITE_OK;
    sqlite3 *db = *plain ? *plain : v->s->db;
    if (rc == SQLITE_OK && *plain)
        rc = sqlite3_exec(db, "PRAGMA writable_schema = ON", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(db, "SELECT sql FROM sqlite_schema WHERE type = ?1 AND name = ?2",
                                -1, theirs, NULL);
    return rc;
}

static void check_header(struct verify *v)
{
    if (v->s->damaged)
        verify_say(v, VERIFY_DAMAGE, "schema", "cannot be read as it stands in the file");
    if (v->s->application != STORE_APPLICATION)
        verify_say(v, VERIFY_DAMAGE, "header", "the application id is %lld, not %d",
                   (long long)v->s->application, STORE_APPLICATION);
    if (v->s->version != store_version())
        verify_say(v, VERIFY_DAMAGE, "header", "the schema's version is %lld, not %d",
                   (long long)v->s->version, store_version());
}

int verify_schema(struct verify *v)
{
    sqlite3 *model = NULL, *plain = NULL;
    sqlite3_stmt *ours = NULL, *theirs = NULL;
    check_header(v);
    int rc = mend_model(&model);
    if (rc == SQLITE_OK)
        rc =
            sqlite3_prepare_v2(model, "SELECT type, name, sql FROM sqlite_schema", -1, &ours, NULL);
    if (rc != SQLITE_OK) {
        sqlite3_close(model);
        return store_refuse(v->s, E_NOMEM, "checking the schema: %s", sqlite3_errstr(rc));
    }
    rc = open_theirs(v, &plain, &theirs);
    int e = 0, model_rc = SQLITE_DONE;
    if (rc != SQLITE_OK && !v->s->damaged)
        e = verify_error(v, rc, "schema");
    while (rc == SQLITE_OK && e == 0 && (model_rc = sqlite3_step(ours)) == SQLITE_ROW)
        e = find_object(v, theirs, (const char *)sqlite3_column_text(ours, 0),
                        (const char *)sqlite3_column_text(ours, 1),
                        (const char *)sqlite3_column_text(ours, 2));
    if (e == 0 && model_rc != SQLITE_DONE)
        e = store_refuse(v->s, E_NOMEM, "checking the schema: %s", sqlite3_errstr(model_rc));
    sqlite3_finalize(ours);
    sqlite3_finalize(theirs);
    sqlite3_close(model);
    sqlite3_close(plain);
    return e;
}

// ---- structure

// "Page 17: …", "On tree page 17 cell 3: …"; anything else is about the structure as a whole.
static void say_structure(struct verify *v, const char *line)
{
    const char *number = strstr(line, "age ");
    char place[64] = "structure";
    if (number && number[4] >= '0' && number[4] <= '9')
        snprintf(place, sizeof place, "page %ld", strtol(number + 4, NULL, 10));
    verify_say(v, VERIFY_DAMAGE, place, "%s", line);
}

static void say_lines(struct verify *v, const char *text)
{
    struct view rest = view_of(text);
    while (rest.n > 0) {
        char line[512];
        size_t n = view_find(rest, '\n');
        snprintf(line, sizeof line, "%.*s", (int)n, rest.p);
        rest = view_from(rest, n < rest.n ? n + 1 : n);
        if (line[0] && strncmp(line, "***", 3) != 0 && strcmp(line, "ok") != 0)
            say_structure(v, line);
    }
}

struct effort {
    struct verify *v;
    int64_t done;
};

static int look_at_progress(void *arg)
{
    struct effort *f = arg;
    f->done += STRUCTURE_OPS;
    // How many steps it will take is not known: what is shown nears the end ever more slowly.
    verify_progress(f->v, f->done, f->done + (f->v->rows + 1) * 20);
    return 0;
}

int verify_structure(struct verify *v)
{
    sqlite3_stmt *stmt;
    char sql[64];
    struct effort effort = {.v = v};
    snprintf(sql, sizeof sql, "PRAGMA integrity_check(%d)", STRUCTURE_LINES);
    int rc = store_prepare(v->s, sql, &stmt);
    if (rc != SQLITE_OK)
        return verify_error(v, rc, "structure");
    if (v->progress)
        sqlite3_progress_handler(v->s->db, STRUCTURE_OPS, look_at_progress, &effort);
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(stmt, 0);
        say_lines(v, text ? text : "out of memory");
    }
    sqlite3_progress_handler(v->s->db, 0, NULL, NULL);
    int e = rc == SQLITE_DONE ? 0 : verify_error(v, rc, "structure");
    sqlite3_finalize(stmt);
    return e;
}

// ---- all

static void count_rows(struct verify *v)
{
    for (int i = 0; verify_tables[i]; i++) {
        char sql[128];
        int64_t n = 0;
        snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", verify_tables[i]);
        if (store_scalar(v->s, sql, &n) == SQLITE_OK)
            v->rows += n;
    }
}

static bool is_sealed(struct verify *v)
{
    sqlite3_stmt *stmt;
    bool sealed = false;
    if (store_prepare(v->s, "PRAGMA journal_mode", &stmt) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW)
        sealed = sqlite3_stricmp((const char *)sqlite3_column_text(stmt, 0), "wal") != 0;
    sqlite3_finalize(stmt);
    return sealed;
}

// A stream that did not say its end may have had more to send. While a recorder is at work that is
// its ordinary state, and in a sealed file the next one goes on with it.
static int verify_ends(struct verify *v)
{
    sqlite3_stmt *stmt;
    if (is_sealed(v) || store_is_written(v->s))
        return 0;
    int rc = store_prepare(v->s, "SELECT id, last_seq FROM stream WHERE ended_us IS NULL", &stmt);
    while (rc == SQLITE_OK && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        verify_say_row(
            v, VERIFY_LOSS, "stream", sqlite3_column_int64(stmt, 0),
            "it never said its end: what came behind its number %lld is not known, or still "
            "waits in the proxy's spool",
            (long long)sqlite3_column_int64(stmt, 1));
        v->sums->streams_cut++;
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc == SQLITE_DONE ? 0 : verify_error(v, rc, "stream");
}

int store_verify(struct store *s, struct verify_sums *sums, verify_found *found,
                 void (*progress)(void *arg, int permille), void *arg)
{
    static const struct {
        int (*run)(struct verify *v);
        int to; // permille of the work when it is done
    } phases[] = {
        {verify_packed, 50}, {verify_schema, 52},     {verify_structure, 350},
        {verify_rows, 650},  {verify_sequences, 720}, {verify_references, 880},
        {verify_parts, 900}, {verify_ledger, 999},    {verify_ends, 1000},
    };
    struct verify v = {.s = s, .sums = sums, .found = found, .progress = progress, .arg = arg};
    *sums = (struct verify_sums){0};
    int rc = store_exec(s, "BEGIN");
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "verifying");
    count_rows(&v);
    int e = 0;
    for (size_t i = 0; i < sizeof phases / sizeof phases[0] && e == 0; i++) {
        v.to = phases[i].to;
        e = phases[i].run(&v);
        verify_progress(&v, 1, 1);
        v.from = v.to;
    }
    tell_the_rest(&v);
    store_exec(s, "ROLLBACK");
    return e;
}
