// whole_file: a small file that others wait for, and so must never see in part.
#ifndef TAPEDECK_BASE_WHOLE_FILE_H
#define TAPEDECK_BASE_WHOLE_FILE_H

#include "proto/base/err.h"
#include "proto/base/options.h"
#include "proto/base/view.h"

// Puts content at path, with mode 0600, in place of what stood there: it is written beside it, as
// PATH.tmp, and renamed. Root may write where others do too, so no link, and no file of theirs, is
// written through. 0; or E_NOMEM or what errno stood for, told in why: path is as it was and
// nothing stays beside it.
int whole_file_write(const char *path, struct view content, char why[WHY_MAX]) MUST_CHECK;

#endif
