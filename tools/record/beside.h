// beside: the sidecar of a recording: the supervisor of `tapedeck run` as a process of its own, out
// of the terminal's reach.
#ifndef TAPEDECK_TOOLS_RECORD_BESIDE_H
#define TAPEDECK_TOOLS_RECORD_BESIDE_H

#include "proto/base/addr.h"
#include "tools/run/sidecar.h"

#define BESIDE_REPORT "report" // name, in the folder, of what a mock says at its end

struct beside {
    struct options *options; // of settings_table
    struct sidecar sidecar;
    const char *folder; // of the recording
    char log[PATH_MAX], ready[PATH_MAX];
    off_t log_from;          // where our lines begin
    pid_t pid;               // 0: not running
    int status;              // of its end, as waitpid tells it
    struct hostport in, out; // once it is ready; in.port 0: no such listener
};

// What the options of a sidecar with that line are, by the environment and files as well. Errors
// are told: CLI_OK, CLI_FAILED, CLI_USAGE; in any case options_free(*out).
int beside_options(struct options **out, const struct sidecar_kind *kind, const struct child *line);

// line: its options, as for tapedeck run or mock, beyond those of every recording, which are set
// here:
// --ready-file and, where nothing is said of them, --admin-listen=off, no --spool-dir and, without
// log, --log-level=warn. It is freed with child_clear() by the caller. folder: of the recording,
// which outlives b: its ready file goes there and, unless log names another, its log. command: of
// tapedeck, for the words of errors. Errors are told: CLI_OK, CLI_FAILED, CLI_USAGE; in any case
// beside_clear().
int beside_init(struct beside *b, const struct sidecar_kind *kind, struct child *line,
                const char *folder, const char *log, const char *command);
void beside_clear(struct beside *b);

// Starts it; signals: the mask that it has. When this process dies it ends in order, and then
// tidies up in our place. CLI_OK or CLI_FAILED, told.
int beside_start(struct beside *b, const sigset_t *signals);

// Whether its listeners accept.
bool beside_is_ready(struct beside *b);

// Reaps it; whether it has ended.
bool beside_ended(struct beside *b);

// Ends it; another one has it hurry.
void beside_stop(const struct beside *b);

// What is wrong, of its last lines in the log, on stderr.
void beside_tell_log(const struct beside *b);

// Removes the folder of a recording with what a recording makes in it.
void beside_remove(const char *folder);

#endif
