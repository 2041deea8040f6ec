// out: where a command writes: standard output, or a file that appears whole or not at all.
#ifndef TAPEDECK_TOOLS_OUT_H
#define TAPEDECK_TOOLS_OUT_H

#include <stdbool.h>
#include <stdio.h>

struct out {
    FILE *f;
    char *path, *temp; // a file to be renamed at the end, or NULL
    bool opened;       // f is ours to close
};

// path NULL or "-": standard output. A regular or new file is written beside its place (0600) and
// renamed by out_close(); until then a signal that ends the program removes it. Anything else (a
// pipe, a terminal) is opened as it is. A database is never replaced: CLI_USAGE. Errors are told;
// CLI_OK or CLI_FAILED.
int out_open(struct out *o, const char *path);

// Ends the output: keep puts the file in its place, else it is removed. A reader that went away is
// no error. Errors are told; CLI_OK or CLI_FAILED.
int out_close(struct out *o, bool keep);

#endif
