// launch: a command run beside a sidecar of its own, which is made for it and goes with it.
//
//   find COMMAND ─▶ folder, capture, trust ─▶ sidecar ready ─▶ COMMAND ─▶ its end ─▶ sidecar
//   drains ─▶ what there is to tell
//
// 1. COMMAND is not run unless all that is before it went well. Else nothing of us is left, but for
//    the authority and Java's store, which are there for the next time. Where we are killed, the
//    sidecar tidies up at its end.
// 2. Nothing is shared with another launch: ports, names and folders are made for this one.
// 3. COMMAND has our process group, our terminal and our standard streams, which we do not touch;
//    our own words go to stderr.
#ifndef TAPEDECK_TOOLS_RECORD_LAUNCH_H
#define TAPEDECK_TOOLS_RECORD_LAUNCH_H

#include "tools/cli.h"
#include "tools/env/trust.h"
#include "tools/record/beside.h"
#include "tools/record/workload.h"

struct launch;

// What one command makes of it.
struct launch_kind {
    const struct sidecar_kind *sidecar;
    const char *stem; // of a capture that is given no name

    // The options of the sidecar, into l->line, beyond those of every launch: proxy-type,
    // proxy-protocol, addresses, capture, tls-out. CLI_OK, CLI_FAILED, CLI_USAGE, told.
    int (*line)(const struct command *c, struct launch *l);

    // At the end, when all is written. code: COMMAND's exit code; returns that of ours.
    int (*tell)(const struct launch *l, int code);
};

struct launch {
    const struct launch_kind *kind;
    const struct options *o; // of the command; it has app-port, no-proxy, no-java, log, quiet
    void *arg;               // the kind's own
    char **argv;             // COMMAND
    bool tls;                // line() sets it: TLS is intercepted
    bool no_capture;         // line() is not given one
    char program[PATH_MAX], folder[PATH_MAX], capture[PATH_MAX];
    struct child line;
    struct trust trust;
    struct beside beside;
    struct workload_state was;
    int signals;    // signalfd
    pid_t pid;      // of COMMAND
    int status;     // of its end
    sigset_t early; // signals for COMMAND that came before it ran
};

// l: kind, o, arg and no_capture are set, the rest is zero. argv: COMMAND and its arguments, at
// least one word. Returns the exit code.
int launch_run(struct launch *l, const struct command *c, char **argv);

// Whether a sidecar that listens on port in of bind would take the port app of COMMAND.
bool launch_takes_port(int64_t app, int64_t in, const char *bind);

#endif
