// identity: which capture a file belongs to, and where it stands in it, without opening a store.
#ifndef TAPEDECK_SCHEMA_IDENTITY_H
#define TAPEDECK_SCHEMA_IDENTITY_H

#include "schema/store.h"

struct store_identity {
    unsigned char name[16]; // the same in all files of a capture
    int64_t number;         // 1: the first of them
    char previous[256];     // name of the file before, as it was sealed; "": none
    bool packed;            // the file is (packed.h)
};

// Of an open store. E_DAMAGED: its row cannot be read.
int store_identity(struct store *s, struct store_identity *out) MUST_CHECK;

// A number that names the file among all files of all captures. Never 0.
uint64_t store_identity_mark(const struct store_identity *id);

// The next two open and close the file by themselves, which takes the locks away from any SQLite
// handle that this process has on it: never for a file that it has open.

// Of a file that nobody writes to. E_UNSUPPORTED: not a capture; E_DAMAGED; others of store_open().
int store_identity_read(const char *path, struct store_identity *out, char why[WHY_MAX]) MUST_CHECK;

// Whether the file's header says that it is a capture (SQLite's application id), packed or not: one
// read of PACKED_HEADER bytes. Its content may be damaged all the same.
bool store_is_capture(const char *path);

#endif
