// store_rotate: one file of a capture is sealed, the next one goes on.
//
//   1  PATH-next is made whole: tables, streams, the flows that have not ended with their ledgers
//   2  PATH is sealed: its WAL is emptied, its journal mode is DELETE; nobody else has it open
//   3  STEM-NNNNNN.EXT (capture_name.h) becomes a second name of PATH
//   4  PATH-next → PATH
//
// There is a PATH at any time. Cut short before 3, PATH goes on as it is and PATH-next is thrown
// away; between 3 and 4, the next open does 4. (Where the file system knows no second names, 3 is a
// rename, and for a moment there is no PATH.) Step 2 needs the file for itself: a client that stays
// connected while its file gets another name would, when it closes, remove the WAL that then stands
// under the old name.
//
// A flow is carried over when it may still get records: it has not ended, its stream goes on, and
// the proxy did not restart behind it. What this file holds of its ledger goes with it, so that the
// new file can be proved by itself. Streams keep their ids and their numbers; one that ended in
// good order is kept for a week, in case its last acknowledgement was lost.
#include "schema/store_impl.h"

#include "proto/base/clock.h"
#include "schema/capture_name.h"
#include "schema/folder.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEAL_TRIES   10
#define SEAL_WAIT_US 20000
#define SEAL_BUSY_MS 100

// ---- what is carried over. SQL over main (the old file) and next.

#define STREAM_COLUMNS                                                                             \
    "id, name, software, host, pid, worker, started_us, pod, namespace, workload, node, labels,"   \
    " settings, last_seq + 1, last_seq, ended_us"

#define FLOW_COLUMNS                                                                               \
    "id, at_us, direction, front, client, local, original, requested, target, server,"             \
    " server_local, dial_us, dns_us, 1"

// The sum of a column over what this file has of flow f.
#define OVER_ROWS(column)                                                                          \
    "(SELECT coalesce(sum(" column "), 0) FROM main.txn WHERE flow = f.id)"                        \
    " + (SELECT coalesce(sum(" column "), 0) FROM main.part WHERE flow = f.id)"                    \
    " + coalesce((SELECT " column " FROM main.carried WHERE flow = f.id), 0)"
#define OVER_LOSSES(column, before)                                                                \
    "(SELECT coalesce(sum(" column "), 0) FROM main.loss WHERE flow = f.id)"                       \
    " + coalesce((SELECT " before " FROM main.carried WHERE flow = f.id), 0)"

#define OPEN_FLOW                                                                                  \
    "NOT EXISTS (SELECT 1 FROM main.flow_end e WHERE e.flow = f.id)"                               \
    " AND NOT EXISTS (SELECT 1 FROM main.restart r"                                                \
    "                 WHERE r.id > f.id AND r.id < ((f.id >> 40) + 1) << 40)"                      \
    " AND EXISTS (SELECT 1 FROM main.stream s WHERE s.id = f.id >> 40 AND s.ended_us IS NULL)"

const char store_open_flow[] = OPEN_FLOW;

static const char carry_flows[] = "INSERT INTO next.flow SELECT " FLOW_COLUMNS
                                  ", row_sum(" FLOW_COLUMNS ") FROM main.flow f WHERE " OPEN_FLOW;

static const char carry_ledgers[] =
    "INSERT INTO next.carried"
    " SELECT id, a, b, c, d, e, f, g, h, row_sum(id, a, b, c, d, e, f, g, h)"
    " FROM (SELECT f.id AS id, " OVER_ROWS("stored_c2s") " AS a, " OVER_ROWS(
        "stored_s2c") " AS b, " OVER_ROWS("omitted_c2s") " AS c, " OVER_ROWS("omitted_s2c") " AS "
                                                                                            "d, " //
    OVER_LOSSES("lost_c2s", "lost_c2s") " AS e, " OVER_LOSSES(
        "lost_s2c", "lost_s2c") " AS f," //
                                " (SELECT count(*) FROM main.txn WHERE flow = f.id)"
                                " + coalesce((SELECT transactions FROM main.carried WHERE flow = "
                                "f.id), 0) AS g, " //
    OVER_LOSSES("transactions", "lost_transactions") " AS h"
                                                     " FROM next.flow f)";

static int carry_streams(struct store *s)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "INSERT INTO next.stream SELECT " STREAM_COLUMNS ", row_sum(" STREAM_COLUMNS ")"
             " FROM main.stream WHERE ended_us IS NULL OR ended_us > %lld",
             (long long)(clock_wall_us() - STORE_STREAM_KEEP_S * US_PER_S));
    return store_exec(s, sql);
}

// The new file's row of capture; previous: the name that this file will have.
static int carry_identity(struct store *s, const char *previous)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(
        s,
        "UPDATE next.capture SET name = m.name, number = m.number + 1, previous = ?1,"
        " next_stream = m.next_stream,"
        " sum = row_sum(1, m.name, m.number + 1, ?1, next.capture.made_us, m.next_stream)"
        " FROM main.capture m",
        &stmt);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_text(stmt, 1, previous, -1, SQLITE_STATIC);
    sqlite3_step(stmt);
    return sqlite3_finalize(stmt);
}

static int attach(struct store *s, const char *path)
{
    sqlite3_stmt *stmt;
    // One before that failed may have had no memory to detach it.
    int rc = sqlite3_db_filename(s->db, "next") ? store_exec(s, "DETACH next") : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = store_prepare(s, "ATTACH ?1 AS next", &stmt);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
    sqlite3_step(stmt);
    return sqlite3_finalize(stmt);
}

static int carry_over(struct store *s, const char *next, const char *previous)
{
    int rc = attach(s, next);
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "rotating");
    rc = store_exec(s, "BEGIN IMMEDIATE");
    if (rc == SQLITE_OK)
        rc = carry_streams(s);
    if (rc == SQLITE_OK)
        rc = store_exec(s, carry_flows);
    if (rc == SQLITE_OK)
        rc = store_exec(s, carry_ledgers);
    if (rc == SQLITE_OK)
        rc = carry_identity(s, previous);
    if (rc == SQLITE_OK)
        rc = store_exec(s, "COMMIT");
    int e = rc == SQLITE_OK ? 0 : store_fail(s, rc, "rotating");
    if (!sqlite3_get_autocommit(s->db))
        store_exec(s, "ROLLBACK");
    store_exec(s, "DETACH next");
    return e;
}

// ---- files

// PATH with another end, or NULL.
static char *beside(const char *path, const char *end)
{
    size_t n = strlen(path) + strlen(end) + 1;
    char *name = malloc(n);
    if (name)
        snprintf(name, n, "%s%s", path, end);
    return name;
}

static bool is_there(const char *path, const char *end)
{
    char *name = beside(path, end);
    bool there = !name || access(name, F_OK) == 0;
    free(name);
    return there;
}

static void remove_database(const char *path)
{
    static const char *const ends[] = {"", "-journal", "-wal", "-shm"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        char *name = beside(path, ends[i]);
        if (name)
            unlink(name);
        free(name);
    }
}

// The next free name of a sealed file, from number on; caller frees. NULL: none, or no memory.
static char *sealed_name(const char *path, int64_t number)
{
    struct capture_name live = capture_name_live(path);
    size_t size = strlen(path) + CAPTURE_NAME_MORE;
    char *out = malloc(size);
    for (; out && number <= CAPTURE_NUMBER_MAX; number++)
        if (capture_name_sealed(out, size, &live, number) && access(out, F_OK) != 0 &&
            errno == ENOENT)
            return out;
    free(out);
    return NULL;
}

static int make_next(struct store *s, const char *next, const char *previous)
{
    struct store n = {.mode = STORE_WRITE,
                      .busy_ms = STORE_BUSY_MS,
                      .lock = -1,
                      .file = -1,
                      .path = strdup(next)};
    if (!n.path)
        return store_refuse(s, E_NOMEM, "out of memory");
    remove_database(next);
    int e = store_create_file(&n, next);
    if (e == 0)
        e = store_open_db(&n);
    if (e == 0) {
        // A rollback journal, so that what is committed is in the file itself when it gets its
        // name.
        int rc = store_exec(&n, "PRAGMA journal_mode = DELETE");
        e = rc == SQLITE_OK ? 0 : store_fail(&n, rc, "rotating");
    }
    store_close_db(&n);
    if (e != 0)
        memcpy(s->why, n.why, sizeof s->why);
    free(n.path);
    return e == 0 ? carry_over(s, next, previous) : e;
}

// Leaves WAL mode, for which nobody else may have the file open.
static int leave_wal(struct store *s)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, "PRAGMA journal_mode = DELETE", &stmt);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    const char *mode = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : NULL;
    bool left = mode && strcmp(mode, "delete") == 0;
    sqlite3_finalize(stmt);
    return left ? SQLITE_OK : rc == SQLITE_ROW ? SQLITE_BUSY : rc;
}

static int seal(struct store *s)
{
    sqlite3_busy_timeout(s->db, SEAL_BUSY_MS);
    int rc = store_exec(s, "PRAGMA wal_checkpoint(TRUNCATE)");
    for (int i = 0; i < SEAL_TRIES; i++) {
        rc = leave_wal(s);
        if ((rc & 0xff) != SQLITE_BUSY && (rc & 0xff) != SQLITE_LOCKED)
            break;
        usleep(SEAL_WAIT_US);
    }
    sqlite3_busy_timeout(s->db, STORE_BUSY_MS);
    if (rc == SQLITE_OK)
        return 0;
    return store_error(s->db, rc) == E_BUSY
               ? store_refuse(s, E_BUSY, "somebody has it open: it cannot be sealed now")
               : store_fail(s, rc, "sealing");
}

// Steps 3 and 4; the database is closed.
static int rename_both(struct store *s, const char *next, const char *sealed)
{
    bool linked = link(s->path, sealed) == 0;
    if (!linked &&
        (errno == EEXIST || renameat2(AT_FDCWD, s->path, AT_FDCWD, sealed, RENAME_NOREPLACE) != 0))
        return store_refuse(s, err_from_errno(errno), "cannot become %s: %s", sealed,
                            strerror(errno));
    if (rename(next, s->path) != 0) {
        int e = store_refuse(s, err_from_errno(errno), "cannot be made from %s: %s", next,
                             strerror(errno));
        if (linked)
            unlink(sealed);
        else
            rename(sealed, s->path);
        return e;
    }
    folder_sync(s->path);
    return 0;
}

int store_rotate(struct store *s, char *sealed, size_t size)
{
    assert(s->mode == STORE_WRITE && !s->in_batch);
    int64_t number = 1;
    char why[WHY_MAX];
    int e = store_settle(s);
    if (e != 0)
        return e;
    int rc = store_scalar(s, "SELECT number FROM capture", &number);
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        return store_fail(s, rc, "rotating");
    char *next = beside(s->path, "-next"), *name = sealed_name(s->path, number < 1 ? 1 : number);
    const char *slash = name ? strrchr(name, '/') : NULL;
    e = next && name ? make_next(s, next, slash ? slash + 1 : name)
                     : store_refuse(s, E_LIMIT, "there is no free name to rotate to");
    if (e == 0)
        e = seal(s);
    if (e == 0) {
        store_close_db(s);
        e = rename_both(s, next, name);
        memcpy(why, s->why, sizeof why);
        if (store_open_db(s) == 0 || e != 0)
            memcpy(s->why, why, sizeof why);
        if (e == 0 && sealed)
            snprintf(sealed, size, "%s", name);
    }
    if (e != 0 && next)
        remove_database(next);
    free(next);
    free(name);
    return e;
}

int store_make(struct store *s)
{
    struct stat st;
    if (lstat(s->path, &st) == 0 || errno != ENOENT) // a link to nothing too: its target is made
        return store_create_file(s, s->path);
    char *next = beside(s->path, "-next");
    if (!next)
        return store_refuse(s, E_NOMEM, "out of memory");
    struct store n = {
        .mode = STORE_WRITE, .busy_ms = STORE_BUSY_MS, .lock = -1, .file = -1, .path = next};
    remove_database(next);
    int e = store_create_file(&n, next);
    if (e == 0)
        e = store_open_db(&n);
    int rc = e == 0 ? store_exec(&n, "PRAGMA wal_checkpoint(TRUNCATE)") : SQLITE_OK;
    if (rc != SQLITE_OK)
        e = store_fail(&n, rc, "making it");
    store_close_db(&n); // the last one closes: its WAL goes
    if (e == 0 && is_there(next, "-wal"))
        e = store_refuse(&n, E_IO, "cannot be finished");
    if (e == 0 && rename(next, s->path) != 0)
        e = store_refuse(&n, err_from_errno(errno), "cannot become %s: %s", s->path,
                         strerror(errno));
    if (e == 0) {
        folder_sync(s->path);
    } else {
        memcpy(s->why, n.why, sizeof s->why);
        remove_database(next);
    }
    free(next);
    return e;
}

// Does the file that next goes on from have its new name already? It is told by its row of capture.
static bool was_sealed(const struct store *s, const char *next)
{
    struct store n = {
        .mode = STORE_READ, .busy_ms = STORE_BUSY_MS, .lock = -1, .file = -1, .path = strdup(next)};
    sqlite3_stmt *stmt = NULL;
    struct stat path, sealed;
    bool same = false;
    if (n.path && store_open_plain(&n, &n.db) == SQLITE_OK &&
        store_prepare(&n, "SELECT previous FROM capture", &stmt) == SQLITE_OK &&
        sqlite3_step(stmt) == SQLITE_ROW) {
        const char *name = (const char *)sqlite3_column_text(stmt, 0);
        const char *slash = strrchr(s->path, '/');
        size_t folder = slash ? (size_t)(slash - s->path) + 1 : 0;
        char *previous = name ? malloc(folder + strlen(name) + 1) : NULL;
        if (previous) {
            memcpy(previous, s->path, folder);
            memcpy(previous + folder, name, strlen(name) + 1);
            same = name[0] && stat(s->path, &path) == 0 && stat(previous, &sealed) == 0 &&
                   path.st_ino == sealed.st_ino && path.st_dev == sealed.st_dev;
        }
        free(previous);
    }
    sqlite3_finalize(stmt);
    sqlite3_close(n.db);
    free(n.path);
    return same;
}

int store_rotate_recover(struct store *s)
{
    char *next = beside(s->path, "-next");
    if (!next)
        return store_refuse(s, E_NOMEM, "out of memory");
    int e = 0;
    if (access(next, F_OK) == 0) {
        bool whole = !is_there(next, "-journal") && !is_there(next, "-wal");
        if (whole && (access(s->path, F_OK) != 0 || was_sealed(s, next))) {
            if (rename(next, s->path) != 0)
                e = store_refuse(s, err_from_errno(errno), "cannot be made from %s: %s", next,
                                 strerror(errno));
            folder_sync(s->path);
        } else {
            remove_database(next);
        }
    }
    free(next);
    return e;
}
