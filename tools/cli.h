// cli: what every subcommand of `tapedeck` shares: its entry in the table, its options, how errors
// are told, exit codes.
//
// A command is one file or folder and one line in commands.c. Everything that is said about it
// (--help, man page, completion) is made from its entry.
#ifndef TAPEDECK_TOOLS_CLI_H
#define TAPEDECK_TOOLS_CLI_H

#include "proto/base/options.h"
#include "schema/store.h"

// Exit codes. verify has its own meaning of 1 and 2, run one of 3, which their help says.
enum {
    CLI_OK = 0,
    CLI_FAILED = 1,
    CLI_USAGE = 2,
    CLI_NOTHING = 3 /* no row matched, with --exit-code */
};

// How two options of a command go together: one excludes the other, or has a meaning only beside
// it.
struct cli_rule {
    const char *option;
    enum { CLI_EXCLUDES = 1, CLI_NEEDS } how;
    const char *other;
};

struct command {
    const char *name;                 // one word, or two: "export har"
    const char *sentence;             // for the list of commands
    const char *operands;             // "[CAPTURE] [FILTER]"; "a|b|c" are the words to choose
                                      // from; those of commands behind it are not told here
    const char *example;              // one or more lines, shown by --help
    const char *text;                 // paragraphs of one line each for --help and the man page,
                                      // or NULL
    const char *(*list)(void);        // more of it, made from a table; NULL: none, or no memory
    const struct option_def *options; // NULL name at the end
    const struct cli_rule *rules;     // NULL option at the end; or NULL
    unsigned program;                 // the commands' bit in options; 0: CLI_PROGRAM
    int failed;      // exit code of a failure that is none of the command's own; 0: CLI_FAILED
    bool launches;   // what it starts gets signals and limits as they were given to us
    bool configured; // values come from --config, --annotations and the environment as well
    int (*run)(const struct command *c, struct options *o, int argc,
               char **argv); // argv: the operands
};

extern const struct command *const command_table[]; // NULL at the end

// The program bit of the tools' own option tables.
#define CLI_PROGRAM 1u

// --no-header, of every command that writes a table.
#define CLI_NO_HEADER                                                                              \
    {                                                                                              \
        .name = "no-header", .type = OPT_FLAG, .sentence = "Leave out the line of names.",         \
        .programs = CLI_PROGRAM                                                                    \
    }

// The last lines of every option table of a tool.
#define CLI_OPTIONS_END                                                                            \
    {.name = "color",                                                                              \
     .type = OPT_CHOICE,                                                                           \
     .initial = "auto",                                                                            \
     .choices = "auto|always|never",                                                               \
     .unit = "WHEN",                                                                               \
     .sentence = "Colour the output; auto: on a terminal, unless NO_COLOR is set.",                \
     .flags = OPT_CLI_ONLY,                                                                        \
     .programs = CLI_PROGRAM},                                                                     \
        {.name = "help",                                                                           \
         .type = OPT_FLAG,                                                                         \
         .sentence = "Print this text, and end.",                                                  \
         .flags = OPT_CLI_ONLY,                                                                    \
         .programs = CLI_PROGRAM},                                                                 \
    {                                                                                              \
        .name = NULL                                                                               \
    }

// A command by the words of its name; *used becomes how many words that took. NULL: there is none.
const struct command *cli_find(int argc, char **argv, int *used);

// Whether c is a word behind another command: "export har" behind "export".
bool cli_is_behind(const struct command *c, const struct command *other);

// The operands as they are shown, with the words of the commands behind it, "jsonl|har|…", first.
// Returns out.
#define CLI_OPERANDS 256
const char *cli_operands(const struct command *c, char out[CLI_OPERANDS]);

// The letter that stands for an option of the command, or 0.
char cli_short(const struct command *c, const char *option);

// The text of --help.
void cli_help(FILE *out, const struct command *c, int width);

// Text of which each line is a paragraph, wrapped at width; lines with a blank in front are kept.
void cli_wrap(FILE *out, const char *text, int indent, int width);

// Lines of an example, each indented by two.
void cli_lines(FILE *out, const char *lines);

// Columns of help texts on this terminal.
int cli_width(void);

// One line on stderr, "tapedeck ls: …".
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

// The same for what could not be read while the rest could: the command goes on and its exit code
// will be CLI_FAILED.
void cli_damage(const char *format, ...) __attribute__((format(printf, 1, 2)));

// CLI_OK, or CLI_FAILED after any cli_damage().
int cli_result(void);

// How many of the operands that the command got stood behind "--".
int cli_behind(void);

// A wrong use of the command, told like cli_error() with a pointer to --help: CLI_USAGE.
int cli_usage(const struct command *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The whole program.
int cli_main(int argc, char **argv, char **envp);

#endif
