// export: what all formats share: the selection, the output, the walk over the rows. A format is a
// file with a const struct format and its command.
#ifndef TAPEDECK_TOOLS_EXPORT_EXPORT_H
#define TAPEDECK_TOOLS_EXPORT_EXPORT_H

#include "tools/cli.h"
#include "tools/jsonw.h"
#include "tools/rows.h"
#include "tools/selection.h"

struct export
{
    const struct options *o;
    FILE *out;
    struct rows *rows; // at the row to be written
    struct heads heads;
    struct jsonw w;
    int64_t given;    // rows given to the format
    int64_t left_out; // of them, those that the format has no words for
    int code;         // a format that cannot go on sets it; the error is told
};

struct format {
    const char *left_out;            // who is left out: "conversations that are not HTTP"; or NULL
    void (*begin)(struct export *x); // NULL: nothing to do
    void (*row)(struct export *x);
    void (*end)(struct export *x); // NULL: nothing to do
};

// Options that every format has, but for raw's own --out.
#define EXPORT_OUT                                                                                 \
    {                                                                                              \
        .name = "out", .type = OPT_TEXT, .unit = "FILE",                                           \
        .sentence = "Write to FILE, which appears when it is whole, for its owner only. -: "       \
                    "standard output.",                                                            \
        .programs = CLI_PROGRAM                                                                    \
    }
#define EXPORT_OPTIONS                                                                             \
    {.name = "limit",                                                                              \
     .type = OPT_NUMBER,                                                                           \
     .min = 1,                                                                                     \
     .unit = "N",                                                                                  \
     .sentence = "At most so many transactions.",                                                  \
     .programs = CLI_PROGRAM},                                                                     \
        ROWS_ORDER,                                                                                \
    {                                                                                              \
        .name = "exit-code", .type = OPT_FLAG,                                                     \
        .sentence = "Exit with 3 when no transaction matches.", .programs = CLI_PROGRAM            \
    }
// Runs the command of a format whose output is one file.
int export_run(const struct format *f, struct options *o, int argc, char **argv);

// The rows of a selection, for a format that makes its output by itself.
int export_rows(const struct format *f, struct export *x, const struct selection *s);

// Whether the row is HTTP; else it is counted as left out.
bool export_is_http(struct export *x);

#endif
