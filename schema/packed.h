// packed: a sealed capture at rest: its pages in groups, compressed, each of which can be read by
// itself.
//
//   header │ dictionary │ index │ groups 0, 1 … │ groups 0 … │ dictionary │ index │ header
//   all numbers big-endian                      └───────────── again ─────────────┘
//
//   header, PACKED_HEADER bytes
//        0  16  "Tapedeck packed" and a NUL
//       16   4  version of this format: PACKED_VERSION
//       20   4  SQLite's application id, as in the file that was packed
//       24   4  its page size, a power of two from 512 to 65536
//       28   4  bytes of a group: a multiple of the page size, at most PACKED_GROUP_MAX
//       32   8  size of the file that was packed
//       40   8  size of this file
//       48   4  bytes of the dictionary, 0 for none, at most PACKED_DICTIONARY_MAX
//       52   4  how many groups are there again, from the first on: at most PACKED_TWICE_MAX
//       56   8  checksum of the dictionary
//       64   8  checksum of the index
//       72   8  checksum of the file that was packed
//       80  40  0
//      120   8  checksum of the header before it
//   dictionary  zstd's (ZDICT), trained on the file
//   index, PACKED_ENTRY bytes a group, in their order
//        0   4  bytes of the group in this file
//        4   8  checksum of these bytes
//   group       one zstd frame made with the dictionary; the bytes as they were, where that is no
//               longer. The last one may stand for fewer bytes than the others.
//
// A checksum is XXH3, 64 bit. They cover every byte; what does not match its checksum is damage and
// is never decompressed. Nothing stands between the parts. What the rest cannot be read without,
// the groups with the database's schema and the roots of its tables among it, is there twice, far
// from each other: so damage in one place, or an end that is cut off, costs the groups that it
// meets and no more.
//
// Read through packed_vfs.h; written by pack.h. This file and packed.c know zstd, libc and no
// SQLite.
#ifndef TAPEDECK_SCHEMA_PACKED_H
#define TAPEDECK_SCHEMA_PACKED_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACKED_MAGIC      "Tapedeck packed" // with its NUL
#define PACKED_VERSION    1
#define PACKED_HEADER     128
#define PACKED_HEADER_SUM 120 // where its checksum stands
#define PACKED_ENTRY      12

#define PACKED_GROUP_MAX      (256 << 10)
#define PACKED_DICTIONARY_MAX (1 << 20)
#define PACKED_GROUPS_MAX     (1 << 22) // 16 bytes of memory each, while the file is open
#define PACKED_TWICE_MAX      64
#define PACKED_CACHE_MAX      (4 << 20) // bytes of decompressed groups that an open file keeps

struct packed_header {
    uint32_t application, page_size, group_size, dictionary, twice;
    uint64_t plain_size, packed_size, dictionary_sum, index_sum, plain_sum;
};

void packed_header_put(const struct packed_header *h, unsigned char out[PACKED_HEADER]);
// 0; E_UNSUPPORTED: no packed file; E_VERSION; E_DAMAGED with a clause in *fault ("its header does
// not match its checksum"). The file's size is not looked at.
int packed_header_get(const unsigned char in[PACKED_HEADER], struct packed_header *h,
                      const char **fault) MUST_CHECK;
// How many groups the file has.
uint64_t packed_groups_of(const struct packed_header *h);
// How many bytes a group stands for.
size_t packed_length(const struct packed_header *h, uint64_t group);

void packed_entry_put(unsigned char out[PACKED_ENTRY], uint32_t size, uint64_t sum);
uint64_t packed_sum(const void *bytes, size_t n);

// Where the bytes of a packed file come from. read: n bytes from at on, all of them, or E_….
struct packed_source {
    int (*read)(void *arg, void *out, size_t n, uint64_t at);
    void *arg;
    uint64_t size;
};

// A packed file that is open. For one thread at a time.
struct packed;

// 0 or what packed_header_get() says, where neither of the two places has it; E_DAMAGED with *fault
// set, E_NOMEM, errors of read. from is copied; its arg stays the caller's.
int packed_open(struct packed **out, const struct packed_source *from,
                const char **fault) MUST_CHECK;
void packed_close(struct packed *p); // p may be NULL

const struct packed_header *packed_header(const struct packed *p);

// n bytes of the file that was packed, from at on; all of them must be in it (asserted). E_DAMAGED:
// a group that they are in does not match its checksum, or does not decompress; E_NOMEM; errors of
// read.
int packed_read(struct packed *p, void *out, size_t n, uint64_t at) MUST_CHECK;

// The bytes that a group stands for, read anew from its own place: a loan until the next call.
// E_DAMAGED ….
int packed_check(struct packed *p, uint64_t group, const unsigned char **out, size_t *n) MUST_CHECK;

// What is there beside the groups, as it stands in the file.
enum packed_part {
    PACKED_FRONT_HEADER,
    PACKED_FRONT_DICTIONARY,
    PACKED_FRONT_INDEX,
    PACKED_BACK_GROUPS,
    PACKED_BACK_DICTIONARY,
    PACKED_BACK_INDEX,
    PACKED_BACK_HEADER,
    PACKED_PARTS
};
// Whether a part is as it should be: 0; E_DAMAGED with a sentence in *fault, which else becomes
// NULL; E_NOMEM; errors of read.
int packed_check_part(struct packed *p, enum packed_part part, const char **fault) MUST_CHECK;
// The same of where the file ends: NULL or a sentence ("it is cut off at its end").
const char *packed_end(const struct packed *p);

#endif
