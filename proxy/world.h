// world: the proxy's process: listeners, workers, the admin listener, signals; assembled, run,
// drained.
#ifndef TAPEDECK_PROXY_WORLD_H
#define TAPEDECK_PROXY_WORLD_H

#include "proxy/settings.h"

// How the options are read again on SIGHUP: new ones, which the world frees, or NULL with why.
typedef struct options *world_read_options(void *arg, char why[WHY_MAX]);

// Runs until SIGTERM or SIGINT has drained it. o and s outlive the call. 0; or an error told in
// why: it could not begin. *lost: records that no recorder took and that nobody keeps.
int world_run(const struct options *o, const struct proxy_settings *s, world_read_options *again,
              void *arg, uint64_t *lost, char why[WHY_MAX]) MUST_CHECK;

#endif
