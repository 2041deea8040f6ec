// packed_extension: packed_vfs as an extension of the sqlite3 program, which reads packed files
// then:
//
//   sqlite3 :memory: '.load ./tapedeck-sqlite' '.open file:capture-000001.db?vfs=tapedeck'
#include "schema/packed_vfs.h"

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT1

__attribute__((visibility("default"))) int
sqlite3_tapedecksqlite_init(sqlite3 *db, char **why, const sqlite3_api_routines *api);

// SQLite calls it by the library's name.
int sqlite3_tapedecksqlite_init(sqlite3 *db, char **why, const sqlite3_api_routines *api)
{
    (void)db;
    SQLITE_EXTENSION_INIT2(api);
    int rc = packed_vfs_register();
    if (rc != SQLITE_OK)
        *why = sqlite3_mprintf("the VFS %s cannot be registered", packed_vfs_name);
    return rc == SQLITE_OK ? SQLITE_OK_LOAD_PERMANENTLY : rc; // files outlive this connection
}
