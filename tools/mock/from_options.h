// from_options: what the options of tapedeck-mock mean for the mock.
#ifndef TAPEDECK_TOOLS_MOCK_FROM_OPTIONS_H
#define TAPEDECK_TOOLS_MOCK_FROM_OPTIONS_H

#include "tools/mock/far.h"

#define FROM_OPTIONS_SPEED_MAX 1000000.0

struct from_options {
    struct mock_conf mock; // without faults
    char **tapes;
    const char **headers;
};

// o: of settings_table for FOR_MOCK; outlives out. 0, or an error told in why: also when a capture
// is not there, or the file of rules is none. from_options_clear() in any case.
int from_options(struct from_options *out, const struct options *o, char why[WHY_MAX]) MUST_CHECK;
void from_options_clear(struct from_options *c);

#endif
