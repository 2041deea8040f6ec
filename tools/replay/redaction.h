// redaction: what redaction replaced in a recording is replaced in the capture of its replay, too.
#ifndef TAPEDECK_TOOLS_REPLAY_REDACTION_H
#define TAPEDECK_TOOLS_REPLAY_REDACTION_H

#include "proto/base/buf.h"
#include "tools/capture.h"

#define REDACTION_TEXT_MAX (64u << 10) // bytes of all rules

// All rules that any stream of any file of the recording had, as --redact takes them, with a NUL
// behind; the usual ones where it names none. Rules that cannot be taken are told: CLI_OK,
// CLI_FAILED.
int redaction_of(const struct capture *c, struct buf *out) MUST_CHECK;

#endif
