// new_capture: the file of a capture that is to begin: its name, taken before anybody writes to it.
#ifndef TAPEDECK_TOOLS_RUN_NEW_CAPTURE_H
#define TAPEDECK_TOOLS_RUN_NEW_CAPTURE_H

#include <limits.h>

// given: its name; NULL for STEM-YYYYMMDD-HHMMSSZ.db, in UTC, here. Makes an empty file of that
// name, so that nobody else takes it; one that is there already, or that would belong to a capture
// that is there, is refused. CLI_OK or CLI_FAILED, told; then out is the file that was made, or "".
int new_capture_make(char out[PATH_MAX], const char *given, const char *stem);

// Removes a capture in which nothing can be. "": nothing.
void new_capture_forget(const char *name);

#endif
