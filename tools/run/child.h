// child: one supervised program: started, restarted with back-off, stopped.
#ifndef TAPEDECK_TOOLS_RUN_CHILD_H
#define TAPEDECK_TOOLS_RUN_CHILD_H

#include "proto/base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define CHILD_ARGS_MAX    256
#define CHILD_BACKOFF_MIN (100 * 1000LL)       // µs before the first restart; doubles with each
#define CHILD_BACKOFF_MAX (10 * 1000 * 1000LL) // µs
#define CHILD_STEADY      (60 * 1000 * 1000LL) // µs of life after which the back-off starts anew

enum child_state { CHILD_DOWN, CHILD_UP, CHILD_WAITING /* for its restart */, CHILD_ENDED };

struct child {
    const char *name; // for the log
    char *argv[CHILD_ARGS_MAX + 1];
    int argc;
    bool orderly; // when this process dies it is asked to end; else it is killed
    int nice;     // added to the priority of the sidecar itself
    pid_t pid;    // 0 unless up
    enum child_state state;
    int64_t started_us, restart_us, backoff_us; // monotonic
    bool was_ready;                             // it has been ready once
    int status;                                 // of its last end, as waitpid tells it
    int asked; // the signal that it was last asked to end with in this life; 0: none
};

// The program of that name in the folder of the one that runs. 0, or E_NOTFOUND with errno, and out
// is what is not there.
int child_companion(const char *name, char out[PATH_MAX]) MUST_CHECK;

// path: the program; copied, as is every argument.
int child_init(struct child *c, const char *name, const char *path) MUST_CHECK;
int child_arg(struct child *c, const char *format, ...)
    __attribute__((format(printf, 2, 3))) MUST_CHECK;
void child_clear(struct child *c);

// Replaces the value of an argument "--name=…", or adds it.
int child_set_arg(struct child *c, const char *name, const char *value) MUST_CHECK;

// Starts it in a process group of its own; the kernel ends it when this process dies. Where that
// fails, the next try is planned as after an end.
void child_start(struct child *c, int64_t now_us);

// Whether it refuses its options: runs it once with flag, which has it judge them alone, and waits.
bool child_refuses(const struct child *c, const char *flag);

// It ended with status: plans its restart. Told by the caller who reaped it.
void child_ended(struct child *c, int status, int64_t now_us);

// Whether its last end means that starting it again cannot help: it refused its options.
bool child_refused(const struct child *c);

void child_signal(struct child *c, int signal);

// Whether its last end is what it was asked for. A signal may have come before it took signals.
bool child_ended_as_asked(const struct child *c);

#endif
