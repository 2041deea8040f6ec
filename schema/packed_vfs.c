// packed_vfs: see packed_vfs.h. SQLite's own VFS opens the file and reads its bytes, so that its
// rules for files that a process has open several times hold for ours, too.
#ifdef PACKED_EXTENSION
#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
#endif
#include "schema/packed_vfs.h"

#include <string.h>

#define CONTROL_FILE 0x7061636b // our own file control: asks for the struct packed

// A file of our VFS; that of SQLite's VFS follows.
struct packed_file {
    sqlite3_file file;
    struct packed *packed;
};

const char packed_vfs_name[] = "tapedeck";

static sqlite3_vfs vfs;

static sqlite3_vfs *under_vfs(const sqlite3_vfs *v)
{
    return v->pAppData;
}

static sqlite3_file *under(sqlite3_file *f)
{
    return (sqlite3_file *)((struct packed_file *)f + 1);
}

static void shut(sqlite3_file *f)
{
    if (f->pMethods)
        f->pMethods->xClose(f);
    f->pMethods = NULL;
}

static int source_read(void *arg, void *out, size_t n, uint64_t at)
{
    sqlite3_file *f = arg;
    for (unsigned char *to = out; n > 0;) {
        int some = n < 1 << 20 ? (int)n : 1 << 20;
        int rc = f->pMethods->xRead(f, to, some, (sqlite3_int64)at);
        if (rc != SQLITE_OK)
            return rc == SQLITE_IOERR_SHORT_READ ? E_DAMAGED : E_IO;
        to += some;
        at += (uint64_t)some;
        n -= (size_t)some;
    }
    return 0;
}

// ---- a packed file

static int file_close(sqlite3_file *f)
{
    packed_close(((struct packed_file *)f)->packed);
    shut(under(f));
    return SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *out, int n, sqlite3_int64 at)
{
    struct packed *p = ((struct packed_file *)f)->packed;
    uint64_t size = packed_header(p)->plain_size, from = (uint64_t)at;
    size_t there = from >= size ? 0 : size - from < (size_t)n ? (size_t)(size - from) : (size_t)n;
    int e = there ? packed_read(p, out, there, from) : 0;
    memset((unsigned char *)out + (e ? 0 : there), 0, (size_t)n - (e ? 0 : there));
    switch (e) {
    case 0:
        return there == (size_t)n ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
    case E_NOMEM:
        return SQLITE_IOERR_NOMEM;
    case E_DAMAGED:
        return SQLITE_CORRUPT;
    default:
        return SQLITE_IOERR_READ;
    }
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    (void)f;
    (void)p;
    (void)n;
    (void)at;
    return SQLITE_READONLY;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    (void)f;
    (void)n;
    return SQLITE_READONLY;
}

static int file_nothing(sqlite3_file *f, int how)
{
    (void)f;
    (void)how;
    return SQLITE_OK;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *n)
{
    *n = (sqlite3_int64)packed_header(((struct packed_file *)f)->packed)->plain_size;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *f, int *yes)
{
    (void)f;
    *yes = 0;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    if (op != CONTROL_FILE)
        return SQLITE_NOTFOUND;
    *(struct packed **)arg = ((struct packed_file *)f)->packed;
    return SQLITE_OK;
}

static int file_sector(sqlite3_file *f)
{
    (void)f;
    return 4096;
}

static int file_device(sqlite3_file *f)
{
    (void)f;
    return SQLITE_IOCAP_IMMUTABLE;
}

static const sqlite3_io_methods methods = {
    .iVersion = 1,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_nothing,
    .xFileSize = file_size,
    .xLock = file_nothing,
    .xUnlock = file_nothing,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
};

// ---- opening

// 0: f is open and is a packed file. Anything else: nothing is open. E_UNSUPPORTED: it is none, or
// SQLite cannot open it at all; E_IO: it could not be read.
static int open_packed(sqlite3_vfs *v, const char *name, sqlite3_file *f, struct packed **out,
                       const char **fault)
{
    sqlite3_vfs *own = under_vfs(v);
    sqlite3_int64 size = 0;
    int flags = 0;
    *fault = NULL;
    int rc = own->xOpen(own, name, f, SQLITE_OPEN_READONLY | SQLITE_OPEN_MAIN_DB, &flags);
    if (rc != SQLITE_OK) {
        shut(f);
        return E_UNSUPPORTED;
    }
    rc = f->pMethods->xFileSize(f, &size);
    struct packed_source from = {.read = source_read, .arg = f, .size = (uint64_t)size};
    int e = rc == SQLITE_OK ? packed_open(out, &from, fault) : E_IO;
    if (e != 0)
        shut(f);
    return e;
}

static int vfs_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct packed_file *file = (struct packed_file *)f;
    sqlite3_vfs *own = under_vfs(v);
    const char *fault;
    int e = E_UNSUPPORTED;
    memset(f, 0, (size_t)v->szOsFile);
    if (name && (flags & SQLITE_OPEN_MAIN_DB))
        e = open_packed(v, name, under(f), &file->packed, &fault);
    if (e == 0) {
        f->pMethods = &methods;
        if (out)
            *out = SQLITE_OPEN_READONLY | (flags & SQLITE_OPEN_MAIN_DB);
        return SQLITE_OK;
    }
    if (e == E_DAMAGED)
        return SQLITE_CORRUPT;
    if (e == E_VERSION)
        return SQLITE_CANTOPEN;
    if (e == E_NOMEM)
        return SQLITE_NOMEM;
    if (e == E_IO)
        return SQLITE_IOERR_READ;
    return own->xOpen(own, name, f, flags, out); // its words for it, too
}

int packed_vfs_register(void)
{
    if (vfs.zName)
        return SQLITE_OK;
    sqlite3_vfs *own = sqlite3_vfs_find(NULL);
    if (!own)
        return SQLITE_ERROR;
    vfs = *own;
    vfs.szOsFile += (int)sizeof(struct packed_file);
    vfs.pNext = NULL;
    vfs.zName = packed_vfs_name;
    vfs.pAppData = own;
    vfs.xOpen = vfs_open;
    int rc = sqlite3_vfs_register(&vfs, 0);
    if (rc != SQLITE_OK)
        vfs.zName = NULL;
    return rc;
}

struct packed *packed_vfs_file(sqlite3 *db)
{
    struct packed *p = NULL;
    return sqlite3_file_control(db, "main", CONTROL_FILE, &p) == SQLITE_OK ? p : NULL;
}

int packed_vfs_look(const char *path, const char **fault)
{
    struct packed *p = NULL;
    int e = E_NOMEM;
    sqlite3_file *f = sqlite3_malloc(vfs.szOsFile);
    const char *name = sqlite3_create_filename(path, "", "", 0, NULL);
    *fault = NULL;
    if (f)
        memset(f, 0, (size_t)vfs.szOsFile);
    if (f && name)
        e = open_packed(&vfs, name, f, &p, fault);
    if (e == 0) {
        packed_close(p);
        shut(f);
    }
    sqlite3_free_filename(name);
    sqlite3_free(f);
    return e;
}
