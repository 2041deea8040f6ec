// mend: reads a capture whose first page or schema is damaged, as if it were not.
//
// Where our tables lie in a file follows from the migrations: they are made in one order in an
// empty file. So the pages of the schema can be made anew, and laid over the damaged ones while
// reading. The file itself is not touched.
#ifndef TAPEDECK_SCHEMA_MEND_H
#define TAPEDECK_SCHEMA_MEND_H

#include <sqlite3.h>
#include <stdbool.h>

struct mend;

// NULL when the file does not look like a damaged capture (most of its schema's pages are not as
// they should be), or there is no memory.
struct mend *mend_new(const char *path);
void mend_free(struct mend *m); // m may be NULL; after the database that uses it is closed
// The name of the VFS to open the file with.
const char *mend_vfs(const struct mend *m);

// A database in memory with the schema as the migrations make it: SQLite's code.
int mend_model(sqlite3 **out);

#endif
