// completion: completion scripts for shells, made from the table of commands.
#ifndef TAPEDECK_TOOLS_COMPLETION_COMPLETION_H
#define TAPEDECK_TOOLS_COMPLETION_COMPLETION_H

#include "tools/cli.h"

// What may stand for a value.
enum completes {
    COMPLETES_NOTHING, // a number, a text
    COMPLETES_CHOICES, // the words of choices
    COMPLETES_FILES,
    COMPLETES_FOLDERS,
    COMPLETES_COLUMNS, // names of fields, comma-separated
};
enum completes completion_of(const struct option_def *d);

// The option is one of the command's program.
bool completion_has(const struct command *c, const struct option_def *d);

// The words to choose from in operands such as "bash|zsh|fish [CAPTURE]", those of the table for
// "[COMMAND | …]", "" if none; a loan from operands.
struct view completion_words(const struct command *c, char operands[CLI_OPERANDS]);

// Whether the command takes a capture.
bool completion_takes_capture(const struct command *c);

// The second word of "export har", or NULL.
const char *completion_second(const struct command *c);

void completion_bash(FILE *out);
void completion_zsh(FILE *out);
void completion_fish(FILE *out);

#endif
