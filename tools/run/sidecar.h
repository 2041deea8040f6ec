// sidecar: a recorder and a proxy set up to be supervised: their command lines, made from the
// options of `tapedeck run`, and the private folder where they meet.
#ifndef TAPEDECK_TOOLS_RUN_SIDECAR_H
#define TAPEDECK_TOOLS_RUN_SIDECAR_H

#include "proto/base/options.h"
#include "tools/run/supervise.h"

#include <limits.h>

struct sidecar {
    struct supervise s;
    struct child line; // the options as the command line gave them, to be read again at SIGHUP
    char capture[PATH_MAX];
};

// o: the values of settings_table for FOR_RUN, which outlive x. command: of tapedeck, for the words
// of errors. Clears x first. Errors are told: 0, E_LIMIT, E_NOMEM, E_NOTFOUND, E_IO; in any case
// sidecar_clear().
int sidecar_init(struct sidecar *x, const struct options *o, const char *command) MUST_CHECK;

// Also removes the folder.
void sidecar_clear(struct sidecar *x);

// The log's level, as the options have it.
void sidecar_take_log_level(const struct options *o);

#endif
