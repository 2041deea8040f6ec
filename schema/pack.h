// pack: makes a packed file (packed.h) of a sealed capture, and the capture of a packed file again,
// byte for byte.
//
//   FILE ──read──▶ FILE-packing ──compared with FILE, fsync──▶ FILE        (in place)
//
// There is a whole file under the name at any time, and it keeps its mode, owner and time. What is
// killed leaves FILE-packing behind, which the next try takes over; another's file of that name is
// left alone. Memory is bounded: PACK_SAMPLES and a few groups, what zstd takes to train a
// dictionary and to compress a group, and at the end what an open packed file takes.
#ifndef TAPEDECK_SCHEMA_PACK_H
#define TAPEDECK_SCHEMA_PACK_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#define PACK_GROUP      (64 << 10)
#define PACK_TWICE      8          // groups: more than the schema and the roots of its tables take
#define PACK_DICTIONARY (64 << 10) // at most; a 128th of a smaller file
#define PACK_LEVEL      9          // zstd's
#define PACK_SAMPLES    (4 << 20)  // bytes of pages that the dictionary is trained on
#define PACK_BESIDE     "-packing"

// Called about once a group, with how far it is; another answer than 0 ends it with E_AGAIN. Not
// called while a dictionary is trained (PACK_SAMPLES are read and gone through: some tenths of a
// second) and while the disk takes what was written.
typedef int pack_progress(void *arg, int permille);

// Removes what a process that was killed left beside path; what somebody is making stays, and so
// does what is not ours. Like store_is_capture() never for a file that this process writes to.
void pack_clean(const char *path);

// Packs from, a file that nobody writes to; or unpacks it, a packed one. to: a new file; NULL: in
// place, which for packing takes a sealed file: the last one of a recorder that ended is packed to
// another file only, since the next recorder goes on with it. Not for a file that this process
// writes to; one that reads it may lose SQLite's locks, which a sealed file does not need. progress
// may be NULL.
//
// Before it takes its place, every part of a packed file is read and checked, and every group
// compared with what it was made of; of what was unpacked the checksum is compared.
//
// 0; E_UNSUPPORTED: no capture, or no packed one; E_EXISTS: packed already, or to is there; E_BUSY:
// somebody writes to it, or will; E_NOTFOUND: removed, also meanwhile; E_LIMIT: it would not become
// smaller; E_RANGE: it is too large; E_AGAIN: ended by progress; E_DAMAGED: it is, it changed
// meanwhile, or the disk does not give it; E_REFUSED: not permitted, or a file of another's has the
// name that it is made under; E_FULL, E_NOMEM, E_VERSION, E_IO.
int pack_file(const char *from, const char *to, pack_progress *progress, void *arg,
              char why[WHY_MAX]) MUST_CHECK;
// In place, also what does not become smaller: its groups are then stored as they are, and it
// becomes larger by a two-thousandth. So all sealed files are read alike, and none is tried again.
int pack_sealed(const char *path, pack_progress *progress, void *arg, char why[WHY_MAX]) MUST_CHECK;
int pack_unpack(const char *from, const char *to, pack_progress *progress, void *arg,
                char why[WHY_MAX]) MUST_CHECK;

#endif
