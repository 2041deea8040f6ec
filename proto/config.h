// config: option values from a YAML file and from a Kubernetes downward-API annotations file.
#ifndef TAPEDECK_CONFIG_H
#define TAPEDECK_CONFIG_H

#include "proto/base/err.h"
#include "proto/base/options.h"

#define CONFIG_FILE_MAX (1u << 20) // bytes of a file that are accepted

// A YAML mapping of option names to scalars, or to a list for options that repeat. Names of options
// that belong to other programs of the same table are passed over; unknown names, duplicates and
// wrong values are errors that name FILE:LINE. 0 or E_….
int config_file(struct options *o, const char *path, char why[WHY_MAX]) MUST_CHECK;

// The same for text in memory; path is used in messages only.
int config_text(struct options *o, const char *path, struct view text,
                char why[WHY_MAX]) MUST_CHECK;

// Lines of NAME="escaped value" as the kubelet writes metadata.annotations. Names with the prefix
// sidecar.speedscale.com/ or sidecar.tapedeck.dev/ that are options with OPT_ANNOTATION are set;
// ours wins over the neighbour's when both are there. The neighbour's that have no meaning here are
// passed over, as are all other prefixes; an unknown sidecar.tapedeck.dev/ name is an error, an
// unknown sidecar.speedscale.com/ name a warning in the log.
int config_annotations(struct options *o, const char *path, char why[WHY_MAX]) MUST_CHECK;
int config_annotations_text(struct options *o, const char *path, struct view text,
                            char why[WHY_MAX]) MUST_CHECK;

// Everything: command line and environment, then the files that config and annotations name, each
// of which counts where nothing stronger spoke. With help or version on the command line nothing
// else is read. The program's table has these four options. *rest as in options_command().
int config_load(struct options *o, int argc, char **argv, char **envp, int *rest,
                char why[WHY_MAX]) MUST_CHECK;

// How a path stands in messages: its last CONFIG_SHOWN bytes.
#define CONFIG_SHOWN 160
const char *config_shown(const char *path);

#endif
