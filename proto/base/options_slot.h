// options_slot: how options are kept: shared by options.c, which sets them, and options_show.c,
// which prints them. Nobody else looks in here.
#ifndef TAPEDECK_BASE_OPTIONS_SLOT_H
#define TAPEDECK_BASE_OPTIONS_SLOT_H

#include "proto/base/options.h"

// The values of one option. Without values it is not set; one of the table's default has by
// OPT_BY_DEFAULT.
struct options_slot {
    const struct option_def *def;
    enum option_source by;
    char *where;   // "FILE:LINE", an environment's name, or NULL
    size_t count;  // more than one only with OPT_REPEATS
    char **values; // as they were given
    int64_t number;
};

struct options {
    const struct option_def *table;
    unsigned program;
    size_t count;
    struct options_slot slots[]; // of this program, in the order of the table
};

// What an option takes, as the end of a sentence: "a whole number from 1 to 65535".
#define OPTIONS_TAKES 256
const char *options_takes(const struct option_def *def, char out[OPTIONS_TAKES]);

#endif
