// settings: the one table of options of the sidecar's programs. proxy/settings and
// recorder/settings turn the values into their own structs; `tapedeck run` and `tapedeck mock` take
// them all and hand each program its own. A name may stand in several rows, each for other
// programs.
#ifndef TAPEDECK_SETTINGS_H
#define TAPEDECK_SETTINGS_H

#include "proto/base/options.h"

enum {
    FOR_PROXY = 1,
    FOR_RECORDER = 2,
    FOR_RUN = 4,      // `tapedeck run`
    FOR_MOCK = 8,     // tapedeck-mock, a proxy that answers out of captures
    FOR_MOCK_RUN = 16 // `tapedeck mock`
};

extern const struct option_def settings_table[]; // ends with a NULL name

// How the programs end when they do not end as told, and `tapedeck run` with them.
enum {
    EXIT_FAILED = 1,
    EXIT_USAGE = 2, // another start would end so too: the options, or the capture, are wrong
    EXIT_LOST = 3,  // the proxy: as told, but records are lost
};

// What the exit codes of the programs mean, a line each, for --help and the man pages.
extern const char settings_exits_proxy[], settings_exits_recorder[];

// At the end of a program that may have printed something (--help and the like): code, or
// EXIT_FAILED, told on stderr, when stdout did not take all of it.
int settings_said(const char *program, int code);

#endif
