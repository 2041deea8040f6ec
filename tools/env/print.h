// print: variables in the form that a shell, a compose file, a pod's manifest or a program reads.
#ifndef TAPEDECK_TOOLS_ENV_PRINT_H
#define TAPEDECK_TOOLS_ENV_PRINT_H

#include "tools/env/vars.h"

#include <stdio.h>

#define PRINT_FORMATS "sh|fish|compose|pod|json"

// format: one of PRINT_FORMATS.
void print_vars(FILE *out, const char *format, const struct vars *v);

#endif
