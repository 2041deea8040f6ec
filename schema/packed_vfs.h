// packed_vfs: SQLite reads packed files (packed.h) as if they were what was packed. Files of any
// other kind, journals and temporary files it leaves to SQLite's own VFS.
//
//   sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, packed_vfs_name)
//
// A packed database is read-only and taken for one that never changes: no locks, no journal, no
// WAL, whatever stands beside it. Damage is SQLITE_CORRUPT where it is read, so that what stands
// elsewhere can be read on.
//
// Also made into an extension that the sqlite3 program can load: packed_extension.c.
#ifndef TAPEDECK_SCHEMA_PACKED_VFS_H
#define TAPEDECK_SCHEMA_PACKED_VFS_H

#include "schema/packed.h"

#include <sqlite3.h>

extern const char packed_vfs_name[]; // "tapedeck"

// Registers it; once is enough, more does nothing. Not for two threads at the same time. SQLite's
// code.
int packed_vfs_register(void);

// The packed file that db's main database is; NULL: it is none. A loan until db is closed; it is
// used by db as well, so only by db's thread, and not while db is in a call.
struct packed *packed_vfs_file(sqlite3 *db);

// Why path could not be opened: 0 or E_UNSUPPORTED: not because it is packed; E_VERSION; E_DAMAGED
// with a clause in *fault, which else becomes NULL; others of packed_open().
int packed_vfs_look(const char *path, const char **fault);

#endif
