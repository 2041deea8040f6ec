// program: runs a built program, or any other, and keeps what it says.
#ifndef TAPEDECK_TESTS_PROGRAM_H
#define TAPEDECK_TESTS_PROGRAM_H

#include "proto/base/view.h"

#include <stdbool.h>
#include <sys/types.h>

struct program {
    int code;        // exit code; 1000 + the signal that ended it
    char *out, *err; // with a NUL behind
    size_t out_n, err_n;
    // of one that is still running:
    pid_t pid;
    int out_fd, err_fd;
};

// Runs it to its end. words: its operands, NULL at the end; words[0] is a path, or a name that is
// looked for in $TAPEDECK_BIN, else ../build/bin. environment: "NAME=value" beside our own, NULL at
// the end; a bare "NAME" is taken away; may be NULL. Aborts where it cannot be started.
void program_run(struct program *p, const char *const *words, const char *const *environment,
                 struct view input);
void program_clear(struct program *p);
// Whether the text, as out or err, has the words; where not, both are printed.
bool program_says(const char *text, const char *words);

// The same with `tapedeck` in front of the words, and nothing as its input.
#define TAPEDECK(p, ...)                                                                           \
    program_run((p), (const char *const[]){"tapedeck", __VA_ARGS__, NULL}, NULL,                   \
                (struct view){NULL, 0})

// A script of /bin/sh, which finds the built programs by their names.
void program_shell(struct program *p, const char *script);

// Starts it; what it says is read by program_wait_for() and at program_end().
void program_start(struct program *p, const char *const *words, const char *const *environment);
// Reads until its output holds text; false when it ended, or 20 s have passed.
bool program_wait_for(struct program *p, const char *text);
// Sends the signal (0: none) and reads to its end.
void program_end(struct program *p, int signal_number);

#endif
