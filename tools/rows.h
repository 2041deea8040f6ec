// rows: the transactions of a selection, one after the other, over all files of a capture.
#ifndef TAPEDECK_TOOLS_ROWS_H
#define TAPEDECK_TOOLS_ROWS_H

#include "tools/capture.h"

// --order, and what it names.
#define ROWS_ORDER                                                                                 \
    {                                                                                              \
        .name = "order", .type = OPT_CHOICE, .initial = "oldest",                                  \
        .choices = "oldest|newest|slowest", .unit = "ORDER", .sentence = "Which come first.",      \
        .programs = CLI_PROGRAM                                                                    \
    }
enum store_order rows_order(const struct options *o);

struct rows_spec {
    const struct capture *capture;
    const struct filter *filter; // NULL: all
    enum store_order order;
    int64_t limit; // 0: all
};

// The heads of a transaction; an absent one is {NULL, 0}. Loans until the next row.
struct heads {
    struct view req, res, interim, req_trailers, res_trailers;
    struct view redacted; // what redaction replaced, comma-separated
};

struct rows;

// spec's capture and filter outlive the rows. What cannot be read is told with cli_damage() and
// left out. CLI_OK, or CLI_FAILED when nothing at all can be read.
int rows_open(struct rows **out, const struct rows_spec *spec) MUST_CHECK;
void rows_close(struct rows *r); // r may be NULL

// The next row: false at the end. Its columns are those of enum store_column; it is a loan until
// the next call.
bool rows_next(struct rows *r);
const struct store_query *rows_row(const struct rows *r);
struct store *rows_store(const struct rows *r); // the file that the row is in
void rows_heads(struct rows *r, struct heads *out);

// Whether the connection ended within the request (or the answer) of the row.
bool rows_cut(struct rows *r, bool s2c);

#endif
