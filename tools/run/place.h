// place: where a folder of ours stands that is there for one run.
#ifndef TAPEDECK_TOOLS_RUN_PLACE_H
#define TAPEDECK_TOOLS_RUN_PLACE_H

#include "proto/base/err.h"
#include "proto/base/options.h"

// Makes STEM-XXXXXX, which only we may enter, in the first of $XDG_RUNTIME_DIR, $TMPDIR and /tmp
// that can be used: an absolute path, writable and short enough for out, and as root one that
// everybody may pass, as those are to come to the folder who gave the rights of root up. 0 or E_IO,
// with why.
int place_make(char *out, size_t size, const char *stem, char why[WHY_MAX]) MUST_CHECK;

#endif
