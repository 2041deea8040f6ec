// ready: the ready file of a sidecar or of its parts, read.
#ifndef TAPEDECK_TOOLS_RUN_READY_H
#define TAPEDECK_TOOLS_RUN_READY_H

#include "proto/base/addr.h"

#include <jansson.h>
#include <stdbool.h>

// What stands in the file, for the caller to json_decref(). NULL: it is not there, or cannot be
// one.
json_t *ready_load(const char *path);

// The address of a listener, "in" or "out", as one that can be dialled from this machine. false:
// there is no such listener.
bool ready_address(const json_t *ready, const char *key, struct hostport *out);

#endif
