// capture_name: what the files of one capture are called.
//
//   capture.db           live: STEM.EXT
//   capture-000012.db    sealed, number 12: STEM-NNNNNN.EXT
//
// 1. A number has six digits, 000001 to 999999: what has more, fewer or none is a stem of its own.
// 2. EXT begins with the last dot of the last component; a dot that is its first character begins
//    none. Either may be missing: "tape", "tape-000001"; ".tape", ".tape-000001".
// 3. A name says what a file is called, not what is in it: "notes-202611" has the form as well.
#ifndef TAPEDECK_SCHEMA_CAPTURE_NAME_H
#define TAPEDECK_SCHEMA_CAPTURE_NAME_H

#include "proto/base/view.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAPTURE_NUMBER_MAX 999999
#define CAPTURE_NAME_MORE  sizeof "-999999" // bytes that a sealed name needs beyond the live one's

struct capture_name {
    struct view stem; // with the folders before it; of the path, like ext
    struct view ext;  // with its dot
    int64_t number;   // 0: none
};

// Takes a path apart: as the name of a live file, and as one that may have a number.
struct capture_name capture_name_live(const char *path);
struct capture_name capture_name_of(const char *path);

// Whether both are files of one capture, going by their names.
bool capture_name_same(const struct capture_name *a, const struct capture_name *b);

// The name of the sealed file of that number, 1 to CAPTURE_NUMBER_MAX, into out; false: no room.
bool capture_name_sealed(char *out, size_t size, const struct capture_name *live, int64_t number);

#endif
