// mend: see mend.h.
//
// The model is an empty capture in memory; its pages that are no table's or index's root are the
// schema's. A VFS of our own wraps SQLite's: reads of the database file get these pages from the
// model, with what differs from file to file (its size, its free pages) set right.
//
// A file counts as a damaged capture when at least three quarters of the bytes of these pages are
// the model's. Another database, or none at all, is far from that.
#include "schema/mend.h"

#include "schema/migrations.h"
#include "schema/packed_vfs.h"
#include "schema/store_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#define HEADER 100 // bytes of the file's header in its first page

struct mend {
    sqlite3_vfs vfs;    // ours
    sqlite3_vfs *under; // packed_vfs, which leaves plain files to SQLite's
    char name[48];
    unsigned char *image; // the model's pages
    bool *ours;           // which of them are the schema's
    size_t pages;
};

// A file of our VFS; SQLite's own follows.
struct mend_file {
    sqlite3_file file;
    struct mend *mend; // NULL: not the database itself
};

int mend_model(sqlite3 **out)
{
    char sql[64];
    int rc = sqlite3_open_v2(
        ":memory:", out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
    snprintf(sql, sizeof sql, "PRAGMA page_size = %d", STORE_PAGE_SIZE);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*out, sql, NULL, NULL, NULL);
    for (int i = 0; schema_migrations[i] && rc == SQLITE_OK; i++)
        rc = sqlite3_exec(*out, schema_migrations[i], NULL, NULL, NULL);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d", store_version());
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*out, sql, NULL, NULL, NULL);
    return rc;
}

// ---- the VFS

static sqlite3_file *under(sqlite3_file *f)
{
    return (sqlite3_file *)((struct mend_file *)f + 1);
}

static int mend_close(sqlite3_file *f)
{
    return under(f)->pMethods->xClose(under(f));
}

static void lay_over(const struct mend *m, unsigned char *out, sqlite3_int64 from, sqlite3_int64 to)
{
    for (size_t i = 0; i < m->pages; i++) {
        sqlite3_int64 begin = (sqlite3_int64)i * STORE_PAGE_SIZE, end = begin + STORE_PAGE_SIZE;
        sqlite3_int64 a = begin > from ? begin : from, b = end < to ? end : to;
        if (m->ours[i] && a < b)
            memcpy(out + (a - from), m->image + a, (size_t)(b - a));
    }
}

static int mend_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    const struct mend *m = ((struct mend_file *)f)->mend;
    int rc = under(f)->pMethods->xRead(under(f), out, n, at);
    if (m && (rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ))
        lay_over(m, out, at, at + n);
    return rc;
}

static int mend_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    return under(f)->pMethods->xWrite(under(f), p, n, at);
}

static int mend_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    return under(f)->pMethods->xTruncate(under(f), n);
}

static int mend_sync(sqlite3_file *f, int flags)
{
    return under(f)->pMethods->xSync(under(f), flags);
}

static int mend_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return under(f)->pMethods->xFileSize(under(f), n);
}

static int mend_lock(sqlite3_file *f, int lock)
{
    return under(f)->pMethods->xLock(under(f), lock);
}

static int mend_unlock(sqlite3_file *f, int lock)
{
    return under(f)->pMethods->xUnlock(under(f), lock);
}

static int mend_reserved(sqlite3_file *f, int *yes)
{
    return under(f)->pMethods->xCheckReservedLock(under(f), yes);
}

static int mend_control(sqlite3_file *f, int op, void *arg)
{
    return under(f)->pMethods->xFileControl(under(f), op, arg);
}

static int mend_sector(sqlite3_file *f)
{
    return under(f)->pMethods->xSectorSize(under(f));
}

static int mend_device(sqlite3_file *f)
{
    return under(f)->pMethods->xDeviceCharacteristics(under(f));
}

static int mend_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return under(f)->pMethods->xShmMap(under(f), page, size, extend, out);
}

static int mend_shm_lock(sqlite3_file *f, int offset, int n, int flags)
{
    return under(f)->pMethods->xShmLock(under(f), offset, n, flags);
}

static void mend_shm_barrier(sqlite3_file *f)
{
    under(f)->pMethods->xShmBarrier(under(f));
}

static int mend_shm_unmap(sqlite3_file *f, int remove)
{
    return under(f)->pMethods->xShmUnmap(under(f), remove);
}

// Version 2: without memory maps, which would pass us by.
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = mend_close,
    .xRead = mend_read,
    .xWrite = mend_write,
    .xTruncate = mend_truncate,
    .xSync = mend_sync,
    .xFileSize = mend_size,
    .xLock = mend_lock,
    .xUnlock = mend_unlock,
    .xCheckReservedLock = mend_reserved,
    .xFileControl = mend_control,
    .xSectorSize = mend_sector,
    .xDeviceCharacteristics = mend_device,
    .xShmMap = mend_shm_map,
    .xShmLock = mend_shm_lock,
    .xShmBarrier = mend_shm_barrier,
    .xShmUnmap = mend_shm_unmap,
};

static int mend_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct mend *m = vfs->pAppData;
    struct mend_file *file = (struct mend_file *)f;
    int rc = m->under->xOpen(m->under, name, under(f), flags, out);
    file->mend = flags & SQLITE_OPEN_MAIN_DB ? m : NULL;
    f->pMethods = under(f)->pMethods ? &methods : NULL;
    return rc;
}

// ---- the pages

static void put_be32(unsigned char *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (unsigned char)(v >> (24 - 8 * i));
}

// What the header says of this file: how many pages, none free; a WAL only if there is one.
static void fit_header(struct mend *m, const char *path, sqlite3_file *f, sqlite3_int64 size)
{
    char wal[4096];
    struct stat st;
    unsigned char *header = m->image;
    snprintf(wal, sizeof wal, "%s-wal", path);
    // What stands beside a packed file is not its own.
    bool packed = f->pMethods->xDeviceCharacteristics(f) & SQLITE_IOCAP_IMMUTABLE;
    bool has_wal = !packed && stat(wal, &st) == 0 && st.st_size > 0;
    header[18] = header[19] = has_wal ? 2 : 1;
    put_be32(header + 28, (uint32_t)(size / STORE_PAGE_SIZE));
    put_be32(header + 32, 0);
    put_be32(header + 36, 0);
    memcpy(header + 92, header + 24, 4); // the size is valid for this change counter
}

static int make_image(struct mend *m)
{
    sqlite3 *model = NULL;
    sqlite3_stmt *stmt = NULL;
    sqlite3_int64 size = 0;
    int rc = mend_model(&model);
    if (rc == SQLITE_OK) {
        m->image = sqlite3_serialize(model, "main", &size, 0);
        m->pages = (size_t)size / STORE_PAGE_SIZE;
        m->ours = m->image ? malloc(m->pages * sizeof *m->ours) : NULL;
        rc = m->ours ? SQLITE_OK : SQLITE_NOMEM;
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(model, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 0", -1,
                                &stmt, NULL);
    for (size_t i = 0; i < m->pages && m->ours; i++)
        m->ours[i] = true;
    while (rc == SQLITE_OK && sqlite3_step(stmt) == SQLITE_ROW) {
        sqlite3_int64 root = sqlite3_column_int64(stmt, 0);
        if (root <= (sqlite3_int64)m->pages)
            m->ours[root - 1] = false;
    }
    sqlite3_finalize(stmt);
    sqlite3_close(model);
    return rc;
}

// Are the schema's pages in the file the model's, but for what is lost?
static bool is_alike(const struct mend *m, sqlite3_file *f)
{
    unsigned char page[STORE_PAGE_SIZE];
    size_t same = 0, all = 0;
    for (size_t i = 0; i < m->pages; i++) {
        if (!m->ours[i])
            continue;
        // What is beyond the end reads as zeros, which are no bytes of the model's that count.
        int rc = f->pMethods->xRead(f, page, sizeof page, (sqlite3_int64)i * STORE_PAGE_SIZE);
        bool there = rc == SQLITE_OK || rc == SQLITE_IOERR_SHORT_READ;
        for (size_t k = i == 0 ? HEADER : 0; k < sizeof page; k++) {
            unsigned char is = m->image[i * STORE_PAGE_SIZE + k];
            // The empty space within a page says nothing.
            if (is == 0)
                continue;
            all++;
            same += there && page[k] == is;
        }
    }
    return all > 0 && same >= all / 4; // they are few: one that is lost may be half of it
}

static bool look_at_file(struct mend *m, const char *path)
{
    sqlite3_int64 size;
    int flags = 0;
    sqlite3_file *f = calloc(1, (size_t)m->under->szOsFile);
    const char *name = sqlite3_create_filename(path, "", "", 0, NULL);
    int rc = f && name ? m->under->xOpen(m->under, name, f,
                                         SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags)
                       : SQLITE_NOMEM;
    bool alike = rc == SQLITE_OK && f->pMethods->xFileSize(f, &size) == SQLITE_OK && is_alike(m, f);
    if (alike)
        fit_header(m, path, f, size);
    if (f && f->pMethods)
        f->pMethods->xClose(f);
    sqlite3_free_filename(name);
    free(f);
    return alike;
}

struct mend *mend_new(const char *path)
{
    struct mend *m = calloc(1, sizeof *m);
    if (!m)
        return NULL;
    m->under = sqlite3_vfs_find(packed_vfs_name);
    if (!m->under || make_image(m) != SQLITE_OK || !look_at_file(m, path)) {
        mend_free(m);
        return NULL;
    }
    snprintf(m->name, sizeof m->name, "tapedeck-mend-%p", (void *)m);
    m->vfs = *m->under;
    m->vfs.szOsFile += (int)sizeof(struct mend_file);
    m->vfs.pNext = NULL;
    m->vfs.zName = m->name;
    m->vfs.pAppData = m;
    m->vfs.xOpen = mend_open;
    if (sqlite3_vfs_register(&m->vfs, 0) != SQLITE_OK) {
        mend_free(m);
        return NULL;
    }
    return m;
}

void mend_free(struct mend *m)
{
    if (!m)
        return;
    if (m->vfs.pAppData)
        sqlite3_vfs_unregister(&m->vfs);
    sqlite3_free(m->image);
    free(m->ours);
    free(m);
}

const char *mend_vfs(const struct mend *m)
{
    return m->name;
}
