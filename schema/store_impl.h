// store_impl: what the files of the store share among themselves; nobody else includes it.
#ifndef TAPEDECK_SCHEMA_STORE_IMPL_H
#define TAPEDECK_SCHEMA_STORE_IMPL_H

#include "proto/base/buf.h"
#include "schema/body_cache.h"
#include "schema/row.h"
#include "schema/sqlite_head.h"
#include "schema/statements.h"
#include "schema/store.h"

#define STORE_PAGE_SIZE     16384 // many rows a page: a third less time than with 4096
#define STORE_BUSY_MS       5000
#define STORE_ROUTE_MAX     (16 * 1024)  // bytes of a route
#define STORE_CACHE_KIB     16384        // SQLite's page cache
#define STORE_WAL_KEEP      (64 << 20)   // bytes that the WAL keeps after a checkpoint
#define STORE_WAL_PAGES     2000         // a checkpoint is due when the WAL has so many
#define STORE_BLOB_MAX      (256 * 1024) // of content that SQLite holds at once: in a statement too
#define STORE_BEFORE_MAX    16           // files before the live one that content is looked for in
#define STORE_BEFORE_TRIES  30           // of a batch, while one of them cannot be asked for now
#define STORE_PROVED        8            // bodies known to be sound, within a batch
#define STORE_STREAM_KEEP_S (7 * 86400)  // a stream that ended is carried over for so long

struct mend;

struct store {
    sqlite3 *db;
    char *path;
    enum store_mode mode;
    int lock;                     // fd of PATH-lock; -1: none
    int file;                     // fd of a writer's open database, locked; -1: none
    bool in_batch;                // between store_begin and store_commit or store_rollback
    bool damaged;                 // opened although its schema cannot be read whole
    struct mend *mend;            // how that was done; NULL: by SQLite's own means
    int64_t application, version; // as the file's header has them
    dev_t device;                 // which file is open, whatever its name is by now
    ino_t inode;
    sqlite3_stmt *statements[STATEMENTS];
    struct body_cache bodies;
    struct store *before[STORE_BEFORE_MAX]; // the files before it, as far as this batch needs them
    int before_count;
    char *const *earlier; // a reader's: the files before it, the oldest first
    size_t earlier_count;
    bool before_ends;             // there is none behind them, or none that can be read
    int64_t failing;              // number of a file before that could not be asked for a while
    int failures;                 // batches that failed for it
    int64_t number;               // of a file before: its own
    int busy_ms;                  // how long a handle waits for who has the file locked
    int64_t gone, copied;         // in this batch: losses of content; bytes for references
    bool asked_before;            // in this batch
    int64_t proved[STORE_PROVED]; // bodies of this file, in this batch
    unsigned proved_next;
    struct buf piece;    // content that a part is like
    int64_t next_body;   // id; 0: to be asked
    struct buf route;    // of the transaction at hand
    int64_t target_flow; // flow whose target is in target; 0: none
    struct buf target;
    char why[WHY_MAX];
};

typedef int store_take(void *arg, struct view piece);
// Parts (flow, n, s2c) from *at on, as far as they follow each other, and to end at most; *at: how
// far they went. One that was changed is E_DAMAGED.
int store_parts(struct store *s, const int64_t of[3], int64_t *at, int64_t end, store_take *take,
                void *arg) MUST_CHECK;
// A reader's: those of the files before s (store_set_earlier()), where the content begins in one of
// them. E_GONE: it began in a file that is none of them.
int store_parts_before(struct store *s, const int64_t of[3], int64_t *at, int64_t end,
                       store_take *take, void *arg) MUST_CHECK;
// Where they begin: *first of the files before s; their count: in s itself, or s writes.
int store_find_before(struct store *s, const int64_t of[3], size_t *first) MUST_CHECK;
// The i-th of these files: E_GONE when it is none of the capture's, or has another place in it.
int store_open_earlier(struct store *s, size_t i, struct store **out) MUST_CHECK;
// Whether s has the flow from the file before it.
bool store_is_carried(struct store *s, int64_t flow);
// n of the bytes of a row of body or part from there on, in memory of one slice.
int store_blob(struct store *s, const char *table, int64_t row, int64_t from, int64_t n,
               store_take *take, void *arg) MUST_CHECK;
// These bytes to be read by incremental I/O: size of them, or E_DAMAGED. *out is to be closed.
int store_open_blob(struct store *s, const char *table, int64_t row, int64_t size,
                    sqlite3_blob **out) MUST_CHECK;
int store_blob_error(struct store *s, int rc); // store_fail() for these
// The row of a body against its sum, its bytes as well where they stand there: once a batch. 0 or
// E_DAMAGED.
int store_prove_body(struct store *s, int64_t body) MUST_CHECK;
// A range of what store_body() gives, with parts that were changed being E_DAMAGED; of bytes in the
// row see above.
int store_body_range(struct store *s, int64_t body, int64_t from, int64_t n, store_take *take,
                     void *arg) MUST_CHECK;

// SQLite's result as an E_ number; SQLITE_OK, ROW and DONE are 0.
int store_error(sqlite3 *db, int rc);
// Sets why to "PATH: doing: SQLite's words" and returns the E_ number.
int store_fail(struct store *s, int rc, const char *doing);
// The same with our own words.
int store_refuse(struct store *s, int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
// SQL without a result: SQLite's code.
int store_exec(struct store *s, const char *sql);
// One integer of the first row: SQLite's code; SQLITE_DONE without a row.
int store_scalar(struct store *s, const char *sql, int64_t *out);
// Whether that integer, of a query of at most 255 bytes, is not 0: no where it cannot be asked for.
bool store_yes(struct store *s, const char *format, ...) __attribute__((format(printf, 2, 3)));
// A statement of statements.h, prepared at its first use; NULL sets why.
sqlite3_stmt *store_statement(struct store *s, enum statement which);
void store_forget(struct store *s); // finalizes all statements, empties the caches

// store_open() for reading, without waiting for whoever has the file locked.
int store_open_now(struct store **out, const char *path, char why[WHY_MAX]) MUST_CHECK;
// Opens s->path; s is cleared but for path, mode and lock. On an error s->db is NULL.
int store_open_db(struct store *s);
// Before a batch or a rotation: does what could not be done when it was due for want of memory or
// room, ends a batch that was rolled back or opens the database after a rotation. 0, or why it
// still cannot be done.
int store_settle(struct store *s);
// Closes the database; path and lock stay.
void store_close_db(struct store *s);
// SQLite's settings and our VFS, once a process; before SQLite is called for anything.
void store_configure(void);
// A handle on s->path, to be closed in any case: SQLite's code. immutable: without locks, and
// without a look beside the file. vfs NULL: SQLite's own for a writer; for a reader the one that
// reads packed files, too.
int store_open_handle(const struct store *s, sqlite3 **db, bool immutable, const char *vfs);
// store_fail() of the call above, with what is wrong in a packed file.
int store_fail_handle(struct store *s, int rc);
// A second, plain handle on the file; *out is to be closed in any case. SQLite's code.
int store_open_plain(struct store *s, sqlite3 **out);
// The same on a file that nobody writes to: without locks, and without a look beside the file.
int store_open_still(struct store *s, sqlite3 **out);
// Creates path as an empty file with mode 0600, unless it is there.
int store_create_file(struct store *s, const char *path);
// Runs the migrations that the file lacks, in one transaction; a fresh one has none. One whose
// version cannot be, but whose tables are right, gets its version.
int store_migrate(struct store *s, bool fresh);
// 0, or E_VERSION: there are others in a file that has its version.
int store_check_tables(struct store *s);
int store_version(void); // user_version of the files that are made

// PATH-lock, held by the writer. 0, E_BUSY, E_IO ….
int store_lock(struct store *s);
void store_unlock(struct store *s);
// The writer's lock on the database file, which may have several names. 0 or E_BUSY.
int store_lock_file(struct store *s);
void store_unlock_file(struct store *s); // when SQLite has closed it
// Whether a writer holds it at this moment.
bool store_is_written(const struct store *s);

// Makes the file where there is none: under another name first, so that a reader never meets it
// before its tables are there. Under the lock. 0, E_NOMEM, E_FULL, E_REFUSED, E_IO ….
int store_make(struct store *s);

// Ends a rotation that was cut short between its two renames. Under the lock, before the file is
// opened.
int store_rotate_recover(struct store *s);
// The condition, on a flow f, that it may still get records.
extern const char store_open_flow[];

// Content that is referred to (store_known.c). *id: of the row that the live file has of the
// content by now; 0: nobody has it.
int store_known(struct store *s, struct view digest, int64_t size, int64_t stored,
                int64_t *id) MUST_CHECK;
// Makes a row of content in parts (flow, n, s2c) of which the first ones are in the files before.
// *id 0: they are not all there.
int store_join(struct store *s, const int64_t of[3], struct view digest, int64_t size,
               int64_t stored, int64_t *id) MUST_CHECK;
// The bytes that a part is like, a loan until the next call; an unset view: nobody has them.
int store_like(struct store *s, struct view digest, int64_t at, int64_t size,
               struct view *out) MUST_CHECK;
// Lets go of the files before: at the end of each batch.
void store_forget_before(struct store *s);
// The row that this file has of shared content; 0: none. From WIRE_KNOWN_MIN on, or lately put.
int store_find_body(struct store *s, struct view digest, int64_t stored, int64_t *id) MUST_CHECK;
// The same of the index alone: STATEMENT_BODY_FIND; or STATEMENT_BODY_LIKE, any with so much of it.
int store_ask_body(struct store *s, enum statement how, struct view digest, int64_t stored,
                   int64_t *id) MUST_CHECK;
// A number for a new row.
int store_number_body(struct store *s, int64_t *id) MUST_CHECK;

// The SQL functions for readers.
int functions_register(struct store *s);

// store_query without the check, with a NULL-terminated text of our own.
int store_prepare(struct store *s, const char *sql, sqlite3_stmt **out);

#endif
