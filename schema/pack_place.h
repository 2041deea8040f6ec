// pack_place: a file that is made beside another and takes its place when it is whole.
#ifndef TAPEDECK_SCHEMA_PACK_PLACE_H
#define TAPEDECK_SCHEMA_PACK_PLACE_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

struct pack_place {
    char *from;      // the file that it is made of, behind all links
    char *to;        // where it will stand
    char *beside;    // where it is made
    int in, out;     // open files; -1: none
    struct stat was; // of in
    char *why;       // WHY_MAX bytes of the caller's
};

// Opens from for reading and makes the file beside to (NULL: from). 0; E_NOTFOUND, E_EXISTS,
// E_BUSY: another process makes the same; …
int pack_place_open(struct pack_place *p, const char *from, const char *to,
                    char why[WHY_MAX]) MUST_CHECK;
// Gives it mode, owner and time of from, and makes it durable. Before it is compared.
int pack_place_sync(struct pack_place *p) MUST_CHECK;
// Puts it in its place: over from, if that is still the file that was opened.
int pack_place_take(struct pack_place *p) MUST_CHECK;
// Closes all; what was not put in its place is removed.
void pack_place_close(struct pack_place *p);

// n bytes at that place, all of them. E_DAMAGED: the file ends before.
int pack_place_read(struct pack_place *p, int fd, void *out, size_t n, uint64_t at) MUST_CHECK;
int pack_place_write(struct pack_place *p, const void *bytes, size_t n, uint64_t at) MUST_CHECK;

// Sets why to "FROM: …" and returns e.
int pack_place_fail(struct pack_place *p, int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
