// pack_place: a file that is made beside another and takes its place when it is whole.
//
// Until all of it is proved it begins with PACK_PLACE_MARK, in place of what its first bytes will
// be. That tells what was left behind from a file of the user's that has the name.
#ifndef TAPEDECK_SCHEMA_PACK_PLACE_H
#define TAPEDECK_SCHEMA_PACK_PLACE_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#define PACK_PLACE_MARK  "Tapedeck packing" // without its NUL
#define PACK_PLACE_FIRST 16                 // bytes that it stands for

struct pack_place {
    char *from;                            // the file that it is made of, behind all links
    char *to;                              // where it will stand
    char *beside;                          // where it is made
    int in, out;                           // open files; -1: none
    struct stat was;                       // of in
    unsigned char first[PACK_PLACE_FIRST]; // of out, when it is whole
    char *why;                             // WHY_MAX bytes of the caller's
};

// Opens from for reading and makes the file beside to (NULL: from). 0; E_NOTFOUND, E_EXISTS: to is
// there; E_BUSY: another process makes the same; E_REFUSED: a file of another's has the name; …
int pack_place_open(struct pack_place *p, const char *from, const char *to,
                    char why[WHY_MAX]) MUST_CHECK;
// Whether what is made will stand in from's place.
bool pack_place_is_same(const struct pack_place *p);
// Gives it mode and owner of from, and makes what was written durable. Before it is compared.
int pack_place_sync(struct pack_place *p) MUST_CHECK;
// Makes it whole, durably, and puts it in its place: over from, if that is still the file that was
// opened.
int pack_place_take(struct pack_place *p) MUST_CHECK;
// Closes all; what was not put in its place is removed.
void pack_place_close(struct pack_place *p);

// n bytes at that place, all of them; of out as it will be. E_DAMAGED: the file ends before, or, of
// in, the disk does not give them.
int pack_place_read(struct pack_place *p, int fd, void *out, size_t n, uint64_t at) MUST_CHECK;
int pack_place_write(struct pack_place *p, const void *bytes, size_t n, uint64_t at) MUST_CHECK;
// Out ends there.
int pack_place_cut(struct pack_place *p, uint64_t size) MUST_CHECK;

// Sets why to "FROM: …" and returns e.
int pack_place_fail(struct pack_place *p, int e, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int pack_place_nomem(struct pack_place *p);

#endif
