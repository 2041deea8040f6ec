// workload: the program that is recorded: found, started as if nobody stood between it and its
// shell, and its end told as a shell tells it.
#ifndef TAPEDECK_TOOLS_RECORD_WORKLOAD_H
#define TAPEDECK_TOOLS_RECORD_WORKLOAD_H

#include "tools/env/vars.h"

#include <limits.h>
#include <signal.h>
#include <sys/types.h>

// Exit codes, those of env(1), timeout(1) and their like.
enum {
    WORKLOAD_FAILED = 125, // it could not be recorded, and was not run
    WORKLOAD_CANNOT = 126, // it is there, and cannot be executed
    WORKLOAD_MISSING = 127
};

// What a process gets from its parent and we change for ourselves.
struct workload_state {
    sigset_t mask, ignored;       // ignored: of the signals that the run takes
    struct sigaction pipe, child; // of SIGPIPE, SIGCHLD
};

// Blocks the signals that the run takes, all of which workload_forwards() may be given;
// also those that were ignored, of which was has a note. SIGPIPE is ignored, so that words that
// nobody reads do not end us.
void workload_prepare(struct workload_state *was, sigset_t *taken);

// The file that name stands for, if it can be executed. 0, WORKLOAD_CANNOT or WORKLOAD_MISSING,
// told.
int workload_find(const char *name, char path[PATH_MAX]);

// Starts it with the variables, in our process group, so that the terminal serves both, and what
// the keyboard sends reaches it without us. 0, or the exit code, told.
int workload_start(char **argv, const struct vars *v, const struct workload_state *was, pid_t *pid);

// Whether a signal is to be passed on: one that the terminal sends has reached the workload too.
bool workload_forwards(int signal, int code);

// Its exit code, or 128 + the signal that ended it.
int workload_code(int status);

#endif
