// retain: when a capture goes on in a new file, and which of its sealed files are deleted.
//
//   capture.db                  live; never deleted
//   capture-000001.db … -000007.db  sealed, in the order of their numbers; the oldest go first
#ifndef TAPEDECK_RECORDER_RETAIN_H
#define TAPEDECK_RECORDER_RETAIN_H

#include "proto/base/clock.h"
#include "proto/base/err.h"
#include "schema/identity.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct retain_conf { // 0: no such limit
    int64_t rotate_size, rotate_age_us;
    int64_t keep_files; // sealed ones
    int64_t keep_size;  // bytes of all files together, the live one included
    int64_t keep_age_us;
    bool pack; // sealed files are packed (packer.h)
};

// Whether the live file, of that size and made then, has had its time.
bool retain_is_full(const struct retain_conf *c, int64_t size, int64_t made_us, int64_t now_us);
// Whether a sweep has anything to do: a limit, or packing.
bool retain_sweeps(const struct retain_conf *c);

// What the last sweep found, so that a file that stays as it is is looked into and told of once.
// All zero to begin with.
struct retain {
    struct retain_file *files;
    size_t n;
};
void retain_clear(struct retain *r);

// The capture whose sealed files are meant.
struct retain_live {
    const char *path;
    int64_t size;
    struct store_identity id;
    bool before_stays; // the file before it: records under way may refer to its content
};

#define RETAIN_SWEEP_MAX 4096                   // files that one sweep deletes
#define RETAIN_LOOKS_MAX (2 * RETAIN_SWEEP_MAX) // that it looks into

// Deletes the sealed files of the capture that no limit leaves room for, at most RETAIN_SWEEP_MAX
// of them, the oldest first. A file's age counts from its last change. Only what store_rotate()
// named, and what says in itself that it is that file of this capture, counts or is deleted; the
// log tells once of each other file whose name has the form. How many were deleted, or E_… when the
// folder cannot be read.
int retain_sweep(struct retain *r, const struct retain_conf *c, const struct retain_live *live,
                 int64_t now_us) MUST_CHECK;

// Sealed files of the capture whose live file that is, that the last sweep found and left, that are
// not packed, and that may be tried now, the oldest first: their whole paths, at most max, to be
// freed by the caller. How many; E_NOMEM.
int retain_plain(const struct retain *r, const char *live, int64_t now_us, char **paths,
                 int max) MUST_CHECK;
// That file, whose number is in its name, needs no packing any more.
void retain_packed(struct retain *r, const char *path);
// It cannot be packed as it is. Until something about it changes it is tried again after
// RETAIN_AGAIN_MIN_US, and then after twice as long each time. Whether that is the first time.
bool retain_stays(struct retain *r, const char *path, int64_t now_us);
// Whether the last sweep found and left it.
bool retain_has(const struct retain *r, const char *path);

#define RETAIN_AGAIN_MIN_US (60 * US_PER_S)
#define RETAIN_AGAIN_MAX_US (24 * 3600 * US_PER_S)

#endif
