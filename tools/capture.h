// capture: which files a command reads, and which transactions of them.
#ifndef TAPEDECK_TOOLS_CAPTURE_H
#define TAPEDECK_TOOLS_CAPTURE_H

#include "schema/store.h"

#include <sys/types.h>

#define CAPTURE_FILES_MAX 100000

// The files of a capture, the oldest first: capture-000001.db, capture-000002.db, capture.db, or
// whatever else its name ends in (schema/capture_name.h).
struct capture {
    char **paths;
    size_t n;
    bool folder; // all of its captures, not one file
};

// path: a file, or a folder for all captures in it. NULL: $TAPEDECK_CAPTURE, else ./capture.db.
// Errors are told: CLI_OK or CLI_FAILED.
int capture_find(struct capture *c, const char *path) MUST_CHECK;
void capture_clear(struct capture *c);

// All files of the capture that path, a file, belongs to, the oldest first (rotation moves files
// away below a reader that follows). Errors are told.
int capture_siblings(struct capture *c, const char *path) MUST_CHECK;

// Whether file i comes after file i - 1 of the same capture (and not of another in the folder).
bool capture_follows(const struct capture *c, size_t i);

// Whether path is one of its files, under whatever name, or belongs to one (SQLite's -wal, -shm).
bool capture_has(const struct capture *c, const char *path);

// Whether an operand can only be the name of a capture: no filter ends in ".db".
bool capture_is_name(const char *operand);

// Whether an operand means a capture and not a filter: it is there, or it is a name in ".db".
bool capture_names(const char *operand);

// Opens one file for reading. Errors are told with cli_damage(); NULL.
struct store *capture_open(const char *path);
// The same of file i, which knows the files before it (store_set_earlier()).
struct store *capture_open_file(const struct capture *c, size_t i);

#endif
