// ready_file: the file that says that the recorder listens: {"pid":…,"listen":"…","capture":"…"}.
#ifndef TAPEDECK_RECORDER_READY_FILE_H
#define TAPEDECK_RECORDER_READY_FILE_H

#include "proto/base/err.h"
#include "proto/base/options.h"

struct ready_file;

// Appears whole: written beside its path, then renamed. 0, or E_… with why.
int ready_file_write(struct ready_file **out, const char *path, const char *listen,
                     const char *capture, char why[WHY_MAX]) MUST_CHECK;
// Removes the file and frees r, which may be NULL.
void ready_file_remove(struct ready_file *r);

#endif
