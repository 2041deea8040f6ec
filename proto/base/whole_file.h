// whole_file: a small file, read or written at once: others wait for it, and so must never see it
// in part.
#ifndef TAPEDECK_BASE_WHOLE_FILE_H
#define TAPEDECK_BASE_WHOLE_FILE_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

// Puts content at path, with that mode, in place of what stood there: it is written beside it,
// under a name that nobody else has, and renamed. Of several who write one path at a time one wins.
// Root may write where others do too, so no link, and no file of theirs, is written through. 0; or
// E_NOMEM or what errno stood for, told in why: path is as it was and nothing stays beside it.
int whole_file_write_as(const char *path, struct view content, unsigned mode,
                        char why[WHY_MAX]) MUST_CHECK;
// With mode 0600.
int whole_file_write(const char *path, struct view content, char why[WHY_MAX]) MUST_CHECK;

// Appends what path holds to out, of which it takes at most max bytes; pipes and devices are read
// to their end. 0; or E_LIMIT, E_NOMEM or what errno stood for, told in why.
int whole_file_read(const char *path, size_t max, struct buf *out, char why[WHY_MAX]) MUST_CHECK;

#endif
