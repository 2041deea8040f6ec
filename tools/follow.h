// follow: a live view of a capture: what is committed from now on, also after a rotation.
#ifndef TAPEDECK_TOOLS_FOLLOW_H
#define TAPEDECK_TOOLS_FOLLOW_H

#include "tools/listing.h"
#include "tools/selection.h"

#define FOLLOW_ALL (-1)

// Shows the last transactions of the selection (FOLLOW_ALL: all of them), then each as it is
// committed, within a quarter of a second; long ones also when they begin. Ends on SIGINT, SIGTERM,
// or when nobody reads any more: CLI_OK. Errors are told: CLI_FAILED, CLI_USAGE for a folder of
// several captures.
int follow(const struct selection *s, struct listing *l, int64_t last);

#endif
