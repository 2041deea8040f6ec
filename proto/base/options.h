// options: a table of options, and their values with where each came from.
//
// Later wins: default < file < annotations < environment < command line. A repeatable option
// collects the values of the strongest source that gives any.
#ifndef TAPEDECK_BASE_OPTIONS_H
#define TAPEDECK_BASE_OPTIONS_H

#include "proto/base/buf.h"
#include "proto/base/view.h"

#include <stdio.h>

enum option_type {
    OPT_FLAG,     // true or false; on the command line the bare name means true
    OPT_NUMBER,   // a whole number, min..max
    OPT_SIZE,     // bytes with a unit, min..max
    OPT_DURATION, // with a unit, min..max in microseconds
    OPT_CHOICE,   // one word of choices
    OPT_WORDS,    // any of them, comma-separated, or none
    OPT_TEXT, // text without control characters; max is its longest length, 0 for 4096; an empty
              // text unsets an option that has no default
};

#define OPTIONS_RELOADABLE "Changes at SIGHUP." // in help texts, of those that are OPT_RELOADABLE

enum {
    OPT_RELOADABLE = 1, // takes effect on SIGHUP
    OPT_REPEATS = 2,    // may be given several times
    OPT_ANNOTATION = 4, // may stand in the annotations file under its own name
    OPT_CLI_ONLY = 8,   // not from file, annotations or environment (help, version)
};

struct option_def {
    const char *name; // "proxy-in-port"; the environment's TAPEDECK_PROXY_IN_PORT follows from it
    enum option_type type;
    const char *initial; // default as text; NULL: not set
    int64_t min, max;    // neither is negative; max 0: no upper limit
    const char *choices; // "drop|block" for OPT_CHOICE and OPT_WORDS, else NULL
    const char *unit;    // what stands for the value in --help: "PORT", "SIZE", "FILE"
    const char *sentence;
    unsigned flags;    // OPT_…
    unsigned programs; // which programs take it: bits defined with the table
};

enum option_source {
    OPT_BY_DEFAULT,
    OPT_BY_FILE,
    OPT_BY_ANNOTATION,
    OPT_BY_ENVIRONMENT,
    OPT_BY_COMMAND
};

struct options; // the values; made for one table and one program bit

// table ends with a NULL name and outlives the values. NULL when out of memory.
struct options *options_new(const struct option_def *table, unsigned program);
void options_free(struct options *o);

// The table's entry of that name, also one that only other programs take; NULL: there is none.
const struct option_def *options_def(const struct options *o, const char *name);

// Whether the program has that option, and so a value of it.
bool options_has(const struct options *o, const char *name);

// Errors below are told as one line in why (what, where, the value, what is allowed), 0 or E_…

#define WHY_MAX 512
// One value by its name. where is "FILE:LINE" or NULL. An unknown name is E_NOTFOUND. A value of a
// weaker source than the present one is checked, and then not taken.
int options_set(struct options *o, const char *name, struct view value, enum option_source by,
                const char *where, char why[WHY_MAX]);

// argv[1..] as --name=value, --name value, --flag, --no-flag; "--" ends them. *rest becomes the
// index of the first operand; operands are gathered at the end of argv in their order. -h is
// --help.
int options_command(struct options *o, int argc, char **argv, int *rest, char why[WHY_MAX]);

// Every TAPEDECK_NAME of envp whose NAME is in the table for this program. The values of an option
// that repeats are the lines of its text.
int options_environment(struct options *o, char **envp, char why[WHY_MAX]);

// Values. The name must be in the table (asserted). Text is owned by o, NULL when not set; a flag
// or number that is not set is 0.
bool options_flag(const struct options *o, const char *name);
int64_t options_number(const struct options *o,
                       const char *name); // also size (bytes), duration (µs)
const char *options_text(const struct options *o, const char *name);
size_t options_count(const struct options *o, const char *name); // of a repeatable option
const char *options_nth(const struct options *o, const char *name, size_t i);
enum option_source options_source(const struct options *o, const char *name);
bool options_is_set(const struct options *o, const char *name); // by anything but its default

// --dump-options: a line each, "name = value  # source, where", secrets as "***". 0 or E_IO.
int options_dump(const struct options *o, FILE *out);

// --help: the options of this program, aligned, wrapped to width columns. 0 or E_IO.
int options_help(const struct options *o, FILE *out, int width);

// The JSON text of all values but secrets, {"name":"value","label":["a=b"],…}, for the capture;
// appended to out whole or not at all. 0, E_LIMIT, E_NOMEM.
int options_json(const struct options *o, struct buf *out);

// The names whose values differ between a and b and are not reloadable, ", "-joined, into out.
// Returns how many there are.
int options_frozen_changes(const struct options *a, const struct options *b, char out[WHY_MAX]);

#endif
