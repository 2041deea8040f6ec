// journal_file: the memory under a journal: made, locked, taken over after a death, removed.
//
//   offset 0                    one page: struct journal_header
//   offset JOURNAL_PAGE         the ring, header.size bytes
//
// Stores that a killed process may have been between (each is seen whole and in this order):
//   append   frame bytes (and a pad before them) → head → next_seq
//   forget   tail
//   rewind   head = 0 → tail = 0, once tail was equal to head; so head < tail means an empty ring
#ifndef TAPEDECK_PROXY_EMIT_JOURNAL_FILE_H
#define TAPEDECK_PROXY_EMIT_JOURNAL_FILE_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#define JOURNAL_PAGE    4096u
#define JOURNAL_VERSION 1

struct journal_header {
    char magic[8]; // written last when a file is made
    uint32_t version, header_size;
    unsigned char stream[16];
    int64_t started_us;
    uint64_t check; // FNV-1a of the fields above but magic
    uint64_t size;  // of the ring, whole pages
    uint64_t head, tail, next_seq;
};

struct journal_file {
    int fd;     // -1: anonymous memory
    char *path; // NULL: anonymous memory
    struct journal_header *header;
    unsigned char *ring;
    uint64_t mapped; // of the ring, bytes
    bool recovered;
    // Of what was recovered:
    uint64_t first_seq, next_seq;
    uint64_t pad_at, pad_n; // the pad among the frames; pad_n 0: none
};

// As journal_open() says. On an error nothing is left open.
int journal_file_open(struct journal_file *f, const char *path, uint64_t size, int64_t now_us,
                      char why[WHY_MAX]) MUST_CHECK;
void journal_file_close(struct journal_file *f, bool and_remove);

#endif
