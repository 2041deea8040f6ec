// sidecar: a recorder and a proxy, or a mock, set up to be supervised: their command lines, made
// from the options of `tapedeck run` or `tapedeck mock`, and the private folder where they meet.
#ifndef TAPEDECK_TOOLS_RUN_SIDECAR_H
#define TAPEDECK_TOOLS_RUN_SIDECAR_H

#include "proto/base/options.h"
#include "tools/run/supervise.h"

#include <limits.h>

struct sidecar_kind {
    unsigned options;    // bit of settings_table: of the command
    unsigned proxy;      // the same of what stands in the proxy's place
    const char *program; // its file beside ours
};
extern const struct sidecar_kind sidecar_proxy, sidecar_mock;

struct sidecar {
    struct supervise s;
    const struct sidecar_kind *kind;
    struct child line; // the options as the command line gave them, to be read again at SIGHUP
    char capture[PATH_MAX];
};

// o: the values of settings_table for kind->options, which outlive x; what the command line gave of
// them is handed down. command: of tapedeck, for the words of errors. Clears x first. Errors are
// told: 0, E_LIMIT, E_NOMEM, E_NOTFOUND, E_IO; in any case sidecar_clear().
int sidecar_init(struct sidecar *x, const struct sidecar_kind *kind, const struct options *o,
                 const char *command) MUST_CHECK;

// Adds those options to c that the command line gave and that the program, a bit of settings_table,
// has. 0, E_LIMIT, E_NOMEM.
int sidecar_hand_down(struct child *c, const struct options *o, unsigned program) MUST_CHECK;

// Also removes the folder.
void sidecar_clear(struct sidecar *x);

// The log's level, as the options have it.
void sidecar_take_log_level(const struct options *o);

#endif
