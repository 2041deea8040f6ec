// selection: what [CAPTURE] [FILTER] mean, the operands of most commands.
#ifndef TAPEDECK_TOOLS_SELECTION_H
#define TAPEDECK_TOOLS_SELECTION_H

#include "tools/capture.h"

struct selection {
    struct capture capture;
    char *text;            // of the filter
    struct filter *filter; // NULL: all
};

// Errors are told: CLI_OK, CLI_USAGE, CLI_FAILED. To be cleared in any case.
int selection_parse(struct selection *s, int argc, char **argv) MUST_CHECK;
void selection_clear(struct selection *s);

#endif
