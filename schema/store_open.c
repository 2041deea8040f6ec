// store_open: opening a capture, its errors, and the small tools of the store's other files.
//
//   writer   lock → end a rotation that was cut short → make the file → open → WAL → migrate
//   reader   open; where the schema cannot be read, once more with a mended one (mend.h), or with
//            what of it is left
//
// SQLite is called for a handle in store_handle.c.
#include "schema/store_impl.h"

#include "schema/folder.h"
#include "schema/identity.h"
#include "schema/mend.h"
#include "schema/migrations.h"
#include "schema/query.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define OPEN_TRIES    100  // of a reader, while rotations come between
#define OPEN_PAUSE_US 2000 // between two of them
#define VERSION_SANE  9999 // a higher one is a damaged header, not a newer program

static int system_errno(sqlite3 *db)
{
    int os = db ? sqlite3_system_errno(db) : 0;
    return os ? os : errno; // SQLite does not keep it when a commit fails
}

int store_error(sqlite3 *db, int rc)
{
    int os = system_errno(db);
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_NOMEM:
        return E_NOMEM;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return E_BUSY;
    case SQLITE_FULL:
        return E_FULL;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return E_DAMAGED;
    case SQLITE_PERM:
    case SQLITE_READONLY:
    case SQLITE_AUTH:
        return E_REFUSED;
    case SQLITE_TOOBIG:
        return E_LIMIT;
    case SQLITE_ERROR:
        return E_SYNTAX;
    case SQLITE_CONSTRAINT:
        return rc == SQLITE_CONSTRAINT_PRIMARYKEY || rc == SQLITE_CONSTRAINT_UNIQUE ||
                       rc == SQLITE_CONSTRAINT_ROWID
                   ? E_EXISTS
                   : E_RANGE;
    case SQLITE_IOERR:
        if (rc == SQLITE_IOERR_NOMEM)
            return E_NOMEM;
        if (rc == SQLITE_IOERR_SHORT_READ || rc == SQLITE_IOERR_CORRUPTFS)
            return E_DAMAGED;
        return os == ENOSPC || os == EDQUOT || os == EFBIG ? E_FULL : E_IO;
    case SQLITE_CANTOPEN:
        return os == ENOSPC || os == EDQUOT    ? E_FULL
               : os == EACCES || os == EPERM   ? E_REFUSED
               : os == ENOENT || os == ENOTDIR ? E_NOTFOUND
                                               : E_IO;
    default:
        return E_IO;
    }
}

int store_fail(struct store *s, int rc, const char *doing)
{
    int os = system_errno(s->db), e = store_error(s->db, rc);
    const char *words =
        s->db && sqlite3_errcode(s->db) != SQLITE_OK ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);
    if (e == E_FULL)
        words = err_full_text((rc & 0xff) == SQLITE_FULL ? ENOSPC : os);
    snprintf(s->why, sizeof s->why, "%s: %s: %s", s->path, doing, words);
    return e;
}

int store_refuse(struct store *s, int e, const char *format, ...)
{
    va_list ap;
    int n = snprintf(s->why, sizeof s->why, "%s: ", s->path);
    size_t at = n < 0 || (size_t)n >= sizeof s->why ? 0 : (size_t)n;
    va_start(ap, format);
    vsnprintf(s->why + at, sizeof s->why - at, format, ap);
    va_end(ap);
    return e;
}

int store_exec(struct store *s, const char *sql)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL);
}

int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out)
{
    return sqlite3_prepare_v2(s->db, sql, -1, out, NULL);
}

int store_scalar(struct store *s, const char *sql, int64_t *out)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, sql, &stmt);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(stmt);
    if (rc == SQLITE_ROW) {
        *out = sqlite3_column_int64(stmt, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(stmt);
    return rc;
}

bool store_yes(struct store *s, const char *format, ...)
{
    char sql[256];
    int64_t yes = 0;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(sql, sizeof sql, format, args);
    va_end(args);
    assert(n > 0 && (size_t)n < sizeof sql);
    (void)n;
    return store_scalar(s, sql, &yes) == SQLITE_OK && yes != 0;
}

sqlite3_stmt *store_statement(struct store *s, enum statement which)
{
    if (!s->statements[which]) {
        int rc = sqlite3_prepare_v3(s->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                    &s->statements[which], NULL);
        if (rc != SQLITE_OK)
            store_fail(s, rc, "preparing");
    }
    return s->statements[which];
}

void store_forget(struct store *s)
{
    for (int i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    body_cache_forget(&s->bodies);
    store_forget_before(s);
    s->target_flow = 0;
    s->next_body = 0;
}

int store_create_file(struct store *s, const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return 0;
    if (fd < 0)
        return store_refuse(s, err_from_errno(errno), "cannot make it: %s", strerror(errno));
    close(fd);
    return 0;
}

// Reads what the header says, and whether our tables are there. *tables: how many of two.
static int inspect(struct store *s, int64_t *tables)
{
    int rc = store_scalar(s, "PRAGMA application_id", &s->application);
    if (rc == SQLITE_OK)
        rc = store_scalar(s, "PRAGMA user_version", &s->version);
    if (rc == SQLITE_OK)
        rc = store_scalar(s,
                          "SELECT count(*) FROM sqlite_schema"
                          " WHERE type = 'table' AND name IN ('stream', 'txn')",
                          tables);
    return rc;
}

// A reader is given what is damaged; a writer is to know whether it was a capture at all.
static int not_ours(const struct store *s)
{
    return s->mode == STORE_WRITE ? E_UNSUPPORTED : E_DAMAGED;
}

// By its header a capture of a layout that we do not know.
static bool is_of_another_version(const struct store *s)
{
    return s->application == STORE_APPLICATION && s->version > 0 && s->version <= VERSION_SANE &&
           (s->version < VERSION_FIRST || s->version > store_version());
}

static int refuse_version(struct store *s)
{
    bool newer = s->version > store_version();
    const char *advice =
        s->mode == STORE_READ ? "read it with the program that made it"
        : newer               ? "use that program, or move the file away"
                : "move it away, with its -wal, and read it with the program that made it";
    return store_refuse(s, E_VERSION, "made by %s program (layout %lld; this one knows %d%s); %s",
                        newer ? "a newer" : "an earlier", (long long)s->version, VERSION_FIRST,
                        store_version() > VERSION_FIRST ? " and later" : "", advice);
}

static int check_identity(struct store *s, int64_t tables)
{
    if (is_of_another_version(s))
        return refuse_version(s);
    if (tables == 2 || (s->damaged && (tables > 0 || s->application == STORE_APPLICATION)))
        return 0;
    if (s->application == STORE_APPLICATION)
        return store_refuse(s, E_DAMAGED, "a capture without its tables");
    return store_refuse(s, not_ours(s), "a database, but not a capture of Tapedeck's");
}

// secure_delete is off, since it would write zeros over all that is emptied, parts of known bodies
// above all: these bytes stay in free pages, for whoever reads the file itself, until new rows take
// the pages. What was stored is not secret from who may read the file; what must not be stored is
// replaced before it comes here.
static int open_writer(struct store *s)
{
    static const char setup[] = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                                "PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY;"
                                "PRAGMA secure_delete = OFF";
    char sizes[160];
    int64_t tables = 0, objects = 0;
    int rc = inspect(s, &tables);
    if (rc == SQLITE_OK)
        rc = store_scalar(s, "SELECT count(*) FROM sqlite_schema", &objects);
    if (rc != SQLITE_OK) {
        int failed = store_fail(s, rc, "opening");
        if ((rc & 0xff) == SQLITE_NOTADB && store_is_capture(s->path))
            store_refuse(s, failed, "a packed capture is only read; tapedeck unpack unpacks it");
        return (rc & 0xff) == SQLITE_NOTADB ? not_ours(s) : failed;
    }
    bool fresh = objects == 0 && s->application == 0 && s->version == 0;
    int e = fresh ? 0 : check_identity(s, tables);
    if (e == 0 && !fresh && (s->version < VERSION_FIRST || s->version >= store_version()))
        e = store_check_tables(s);
    if (e != 0) {
        // It stays as it is, with what stands in its WAL.
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
        return e;
    }
    snprintf(sizes, sizeof sizes,
             "PRAGMA page_size = %d; PRAGMA cache_size = -%d; PRAGMA journal_size_limit = %d;"
             "PRAGMA wal_autocheckpoint = %d",
             STORE_PAGE_SIZE, STORE_CACHE_KIB, STORE_WAL_KEEP, STORE_WAL_PAGES);
    rc = store_exec(s, sizes);
    if (rc == SQLITE_OK)
        rc = store_exec(s, setup);
    if (rc == SQLITE_OK)
        rc = row_sum_register(s->db);
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "opening");
    return store_migrate(s, fresh);
}

// A database in WAL mode whose directory we may not write to: SQLite cannot share it. Without a WAL
// nobody writes to it either.
static bool stands_still(const char *path)
{
    size_t n = strlen(path) + sizeof "-wal";
    char *wal = malloc(n);
    struct stat st;
    bool still = false;
    if (wal) {
        snprintf(wal, n, "%s-wal", path);
        still = stat(wal, &st) != 0 ? errno == ENOENT : st.st_size == 0;
    }
    free(wal);
    return still;
}

static int try_select(struct store *s, const char *sql)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(s, sql, &stmt);
    sqlite3_finalize(stmt);
    return rc;
}

// Our views name nearly every column of our tables, and listings those of the views: where they can
// be used, the schema is as we know it.
static int try_schema(struct store *s)
{
    struct buf listing;
    int rc = try_select(s, "SELECT 1 FROM http, raw, header, content, flows, endpoints, losses,"
                           " open_transactions, capture, carried, restart, unknown_record");
    buf_init(&listing, 4096);
    if (rc == SQLITE_OK)
        rc = transactions_select(&listing, "http") == 0 && buf_add(&listing, "", 1) == 0
                 ? try_select(s, listing.p)
                 : SQLITE_NOMEM;
    buf_clear(&listing);
    return rc;
}

static bool is_damage(int rc)
{
    int code = rc & 0xff;
    return code == SQLITE_CORRUPT || code == SQLITE_NOTADB || code == SQLITE_ERROR;
}

// What inspect() and try_schema() say of the file as it is, or of a copy that nobody writes to.
static int look_at(struct store *s, int64_t *tables)
{
    int rc = inspect(s, tables);
    if (((rc & 0xff) == SQLITE_CANTOPEN || (rc & 0xff) == SQLITE_READONLY) &&
        stands_still(s->path)) {
        store_close_db(s);
        rc = store_open_handle(s, &s->db, true, NULL);
        if (rc == SQLITE_OK)
            rc = inspect(s, tables);
    }
    if (rc == SQLITE_OK && is_of_another_version(s))
        return rc; // check_identity() has the words for it
    return rc == SQLITE_OK ? try_schema(s) : rc;
}

// The schema cannot be used. With the one it should have; else with what is left of it.
static int read_damaged(struct store *s, int64_t *tables)
{
    store_close_db(s);
    s->mend = mend_new(s->path);
    int rc = store_open_handle(s, &s->db, false, s->mend ? mend_vfs(s->mend) : NULL);
    if (rc == SQLITE_OK)
        rc = store_exec(s, "PRAGMA writable_schema = ON"); // takes a file that was cut, too
    if (rc == SQLITE_OK)
        rc = inspect(s, tables);
    s->damaged = rc == SQLITE_OK;
    return rc;
}

static int open_reader(struct store *s)
{
    static const char setup[] = "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON";
    char sizes[64];
    int64_t tables = 0;
    int rc = look_at(s, &tables);
    if (is_damage(rc))
        rc = read_damaged(s, &tables);
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "opening");
    int e = check_identity(s, tables);
    if (e != 0)
        return e;
    snprintf(sizes, sizeof sizes, "PRAGMA cache_size = -%d", STORE_CACHE_KIB);
    rc = store_exec(s, setup);
    if (rc == SQLITE_OK)
        rc = store_exec(s, sizes);
    if (rc != SQLITE_OK)
        return store_fail(s, rc, "opening");
    return functions_register(s);
}

void store_close_db(struct store *s)
{
    store_forget(s);
    sqlite3_close(s->db);
    s->db = NULL;
    store_unlock_file(s);
    mend_free(s->mend);
    s->mend = NULL;
}

// SQLite looks for a WAL by the file's name at each read of a file that had none, as a file has
// none that is about to be sealed: once that is done it would be the WAL of the next file. A lock
// that is held from the first read on keeps it from looking again.
static int hold_still(struct store *s)
{
    sqlite3_stmt *stmt = NULL;
    int rc = store_prepare(s, "PRAGMA journal_mode", &stmt);
    bool wal = rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW &&
               strcmp((const char *)sqlite3_column_text(stmt, 0), "wal") == 0;
    int64_t objects;
    sqlite3_finalize(stmt);
    if (rc == SQLITE_OK && !wal)
        rc = store_exec(s, "PRAGMA locking_mode = EXCLUSIVE");
    if (rc == SQLITE_OK && !wal)
        rc = store_scalar(s, "SELECT count(*) FROM sqlite_schema", &objects);
    return rc == SQLITE_OK || s->damaged ? 0 : store_fail(s, rc, "opening");
}

static int open_once(struct store *s)
{
    s->damaged = false;
    int e = s->mode == STORE_WRITE ? store_lock_file(s) : 0;
    int rc = e == 0 ? store_open_handle(s, &s->db, false, NULL) : SQLITE_OK;
    if (rc != SQLITE_OK)
        e = store_fail_handle(s, rc);
    if (e == 0)
        e = s->mode == STORE_WRITE ? open_writer(s) : open_reader(s);
    if (e == 0 && s->mode == STORE_READ)
        e = hold_still(s);
    if (e != 0)
        store_close_db(s);
    return e;
}

static void remember(struct store *s, const struct stat *file)
{
    s->device = file->st_dev;
    s->inode = file->st_ino;
}

// A reader has the file that stood under the name before and afterwards. When a rotation put
// another one there meanwhile, nothing that was read is to be trusted; when it was just taking the
// WAL away, SQLite could not read at all.
int store_open_db(struct store *s)
{
    struct stat file;
    int e = E_BUSY;
    if (s->mode == STORE_WRITE) {
        e = open_once(s);
        if (e == 0 && stat(s->path, &file) == 0)
            remember(s, &file);
        return e;
    }
    for (int i = 0; i < OPEN_TRIES; i++) {
        struct stat before, now;
        bool same = stat(s->path, &before) == 0;
        e = open_once(s);
        same = same && stat(s->path, &now) == 0 && now.st_ino == before.st_ino &&
               now.st_dev == before.st_dev;
        if (same && e != E_IO) {
            remember(s, &now);
            return e;
        }
        store_close_db(s);
        usleep(OPEN_PAUSE_US);
    }
    return e ? e : store_refuse(s, E_BUSY, "another file takes its place again and again");
}

bool store_is(const struct store *s, const struct stat *file)
{
    return file->st_ino == s->inode && file->st_dev == s->device;
}

static int prepare_writer(struct store *s)
{
    int e = store_lock(s);
    if (e == 0)
        e = store_rotate_recover(s);
    return e == 0 ? store_make(s) : e;
}

static int check_path(struct store *s)
{
    struct stat st;
    if (stat(s->path, &st) != 0)
        return s->mode == STORE_WRITE && errno == ENOENT
                   ? 0
                   : store_refuse(s, err_from_errno(errno), "%s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return store_refuse(s, not_ours(s), "not a file");
    if (s->mode == STORE_READ && st.st_size == 0)
        return store_refuse(s, E_DAMAGED, "an empty file");
    return 0;
}

// The writer knows its file by its one true name: its lock and its sealed files stand beside the
// file, not beside a link to it. NULL: out of memory.
static char *true_name(const char *path)
{
    char *full = realpath(path, NULL);
    if (full || errno == ENOMEM)
        return full;
    const char *slash = strrchr(path, '/');
    char *folder = folder_of(path);
    char *real = folder ? realpath(folder, NULL) : NULL;
    const char *name = slash ? slash + 1 : path;
    struct stat st;
    if (!folder) {
        full = NULL;
    } else if (!real || lstat(path, &st) == 0) { // no such folder, or a link to nothing: as it is
        full = strdup(path);
    } else {
        size_t n = strlen(real) + strlen(name) + 2;
        full = malloc(n);
        if (full)
            snprintf(full, n, "%s%s%s", real, strcmp(real, "/") == 0 ? "" : "/", name);
    }
    free(folder);
    free(real);
    return full;
}

static int open_store(struct store **out, const char *path, enum store_mode mode, int busy_ms,
                      char why[WHY_MAX])
{
    store_configure();
    struct store *s = calloc(1, sizeof *s);
    int e = E_NOMEM;
    snprintf(why, WHY_MAX, "%s: out of memory", path);
    if (!s)
        return E_NOMEM;
    if (!path[0]) {
        snprintf(why, WHY_MAX, "the capture's path is empty");
        free(s);
        return E_SYNTAX;
    }
    s->mode = mode;
    s->busy_ms = busy_ms;
    s->lock = s->file = -1;
    buf_init(&s->route, STORE_ROUTE_MAX);
    buf_init(&s->target, 4096);
    buf_init(&s->piece, STORE_LIKE_MAX);
    if (mode == STORE_WRITE)
        body_cache_init(&s->bodies);
    s->path = mode == STORE_WRITE ? true_name(path) : strdup(path);
    if (s->path) {
        e = check_path(s);
        if (e == 0 && mode == STORE_WRITE)
            e = prepare_writer(s);
        if (e == 0)
            e = store_open_db(s);
        snprintf(why, WHY_MAX, "%s", e == 0 ? "" : s->why);
    }
    if (e != 0) {
        store_close(s);
        return e;
    }
    *out = s;
    return 0;
}

int store_open(struct store **out, const char *path, enum store_mode mode, char why[WHY_MAX])
{
    return open_store(out, path, mode, STORE_BUSY_MS, why);
}

int store_open_now(struct store **out, const char *path, char why[WHY_MAX])
{
    return open_store(out, path, STORE_READ, 0, why);
}

void store_close(struct store *s)
{
    if (!s)
        return;
    store_rollback(s);
    store_close_db(s);
    store_unlock(s);
    body_cache_clear(&s->bodies);
    buf_clear(&s->route);
    buf_clear(&s->target);
    buf_clear(&s->piece);
    free(s->path);
    free(s);
}

const char *store_why(const struct store *s)
{
    return s->why;
}

const char *store_path(const struct store *s)
{
    return s->path;
}
