// listing: transactions as lines, the way ls and tail show them: a table or JSON.
#ifndef TAPEDECK_TOOLS_LISTING_H
#define TAPEDECK_TOOLS_LISTING_H

#include "tools/cli.h"
#include "tools/fields.h"
#include "tools/table.h"

struct listing {
    const struct term *term;
    bool json, whole_path; // path is shown with its query, since that has no column
    enum filter_field columns[FIELD_COLUMNS];
    size_t n;
    struct table *table;
    struct jsonw w;
};

// Options that every listing has: json, columns, no-header.
#define LISTING_OPTIONS                                                                            \
    {.name = "json",                                                                               \
     .type = OPT_FLAG,                                                                             \
     .sentence = "One JSON object a line, with every field (see tapedeck help fields).",           \
     .programs = CLI_PROGRAM},                                                                     \
        {.name = "columns",                                                                        \
         .type = OPT_TEXT,                                                                         \
         .unit = "COLUMNS",                                                                        \
         .sentence = "The columns of the table, comma-separated (see tapedeck help fields).",      \
         .programs = CLI_PROGRAM},                                                                 \
        CLI_NO_HEADER

// Errors are told: CLI_OK, CLI_USAGE, CLI_FAILED. To be ended in any case. term outlives it.
int listing_init(struct listing *l, const struct term *term, const struct options *o) MUST_CHECK;

// A row whose columns are those of filter_fields up to FIELD_COLUMNS. open: it is not over yet.
void listing_row(struct listing *l, const struct store_query *q, bool open);

// Writes what waits.
void listing_flush(struct listing *l);
void listing_end(struct listing *l);

#endif
