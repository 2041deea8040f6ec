// cli: what every subcommand of `tapedeck` shares: its entry in the table, options, the capture to
// open, colours, exit codes.
#ifndef TAPEDECK_TOOLS_CLI_H
#define TAPEDECK_TOOLS_CLI_H

#include "proto/base/options.h"
#include "schema/store.h"

// Exit codes. verify has its own meaning of 1 and 2, which its help says.
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOTHING = 3 /* no row matched, with --exit-code */
};

struct command {
    const char *name;
    const char *sentence;             // for the list of commands
    const char *operands;             // "[CAPTURE] [FILTER]"
    const char *example;              // one or more lines, shown by --help
    const struct option_def *options; // NULL name at the end
    int (*run)(const struct command *c, struct options *o, int argc,
               char **argv); // argv: the operands
};

extern const struct command *const command_table[]; // NULL at the end

#endif
