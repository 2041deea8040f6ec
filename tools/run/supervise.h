// supervise: keeps the recorder and the proxy running until it is told to stop.
#ifndef TAPEDECK_TOOLS_RUN_SUPERVISE_H
#define TAPEDECK_TOOLS_RUN_SUPERVISE_H

#include "tools/run/child.h"

#define SUPERVISE_DIR 64 // of a name: the path of a socket in it is short

struct supervise {
    struct child recorder, proxy;
    char dir[SUPERVISE_DIR]; // private folder: socket and the children's ready files
    const char *ready_file;  // to write when the proxy is ready; NULL: none
    const char *capture;     // as it stands in the ready file
    int64_t drain_us;        // how long the proxy may take to end
    void (*reread)(struct supervise *s, const void *arg); // at SIGHUP: sets drain_us
    const void *arg;
};

// Blocks the signals that supervise_run() takes; to be called before anything is started.
void supervise_prepare(void);

// Starts both, restarts what dies, forwards SIGHUP, stops on SIGTERM, SIGINT and SIGQUIT: first the
// proxy, which drains, then the recorder, which commits. A second such signal makes both hurry. As
// PID 1 it reaps everybody. The result is an exit code.
int supervise_run(struct supervise *s);

#endif
