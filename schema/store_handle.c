// store_handle: SQLite's handles on a capture.
//
// Names are never taken for URIs or for SQLite's special files: "./" stands before a relative path.
#include "schema/packed_vfs.h"
#include "schema/store_impl.h"

#include <pthread.h>
#include <stdlib.h>

static void configure(void)
{
    // SQLite counts its memory under a lock of its own, for each of some twenty pieces that a row
    // takes: nobody asks.
    sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    // Where it fails, each open says that there is no such VFS.
    packed_vfs_register();
}

void store_configure(void)
{
    static pthread_once_t configured = PTHREAD_ONCE_INIT;
    pthread_once(&configured, configure);
}

// How SQLite is to be given the path; flags that go with it. NULL: out of memory.
static char *database_name(const char *path, bool immutable)
{
    struct buf b;
    buf_init(&b, strlen(path) * 3 + 64);
    int e = immutable ? buf_printf(&b, "file:") : 0;
    if (e == 0 && path[0] != '/')
        e = buf_printf(&b, "./");
    for (const char *p = path; *p && e == 0; p++)
        e = immutable && strchr("%?#", *p) ? buf_printf(&b, "%%%02X", (unsigned char)*p)
                                           : buf_add(&b, p, 1);
    if (e == 0)
        e = buf_add(&b, immutable ? "?immutable=1" : "", immutable ? 13 : 1);
    if (e != 0)
        buf_clear(&b);
    return b.p;
}

int store_open_handle(const struct store *s, sqlite3 **db, bool immutable, const char *vfs)
{
    char *name = database_name(s->path, immutable);
    if (!name)
        return SQLITE_NOMEM;
    if (!vfs && s->mode == STORE_READ)
        vfs = packed_vfs_name;
    int flags = s->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    int rc = sqlite3_open_v2(name, db,
                             flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE |
                                 (immutable ? SQLITE_OPEN_URI : 0),
                             vfs);
    free(name);
    return rc == SQLITE_OK ? sqlite3_busy_timeout(*db, s->busy_ms) : rc;
}

int store_open_plain(struct store *s, sqlite3 **out)
{
    *out = NULL;
    return store_open_handle(s, out, false, NULL);
}

int store_open_still(struct store *s, sqlite3 **out)
{
    *out = NULL;
    return store_open_handle(s, out, true, NULL);
}

int store_fail_handle(struct store *s, int rc)
{
    const char *fault = NULL;
    int e = s->mode == STORE_READ ? packed_vfs_look(s->path, &fault) : 0;
    if (e == E_VERSION)
        return store_refuse(s, e, "packed by a newer program");
    return fault ? store_refuse(s, e, "a packed capture, but %s", fault)
                 : store_fail(s, rc, "opening");
}
