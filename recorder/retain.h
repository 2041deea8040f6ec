// retain: when a capture goes on in a new file, and which of its sealed files are deleted.
//
//   capture.db                  live; never deleted
//   capture-000001.db … -000007.db  sealed, in the order of their numbers; the oldest go first
#ifndef TAPEDECK_RECORDER_RETAIN_H
#define TAPEDECK_RECORDER_RETAIN_H

#include "proto/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retain_conf { // 0: no such limit
    int64_t rotate_size, rotate_age_us;
    int64_t keep_files; // sealed ones
    int64_t keep_size;  // bytes of all files together, the live one included
    int64_t keep_age_us;
};

// Whether the live file, of that size and made then, has had its time.
bool retain_is_full(const struct retain_conf *c, int64_t size, int64_t made_us, int64_t now_us);

#define RETAIN_SWEEP_MAX 4096 // a power of two

// Deletes the sealed files of the capture path that no limit leaves room for, at most
// RETAIN_SWEEP_MAX of them, the oldest first; live_size is that of the live one. A file's age
// counts from its last change. How many were deleted, or E_… when the folder cannot be read.
int retain_sweep(const struct retain_conf *c, const char *path, int64_t live_size,
                 int64_t now_us) MUST_CHECK;

#endif
