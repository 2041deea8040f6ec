// csv: the fields as a table (RFC 4180), values as they are in the database: durations in
// microseconds, sizes in bytes, an empty field for NULL. The names are parsed twice: once before
// the output is made, so that a wrong one costs no file, and once for the rows.
#include "tools/csv.h"

#include "tools/commands.h"
#include "tools/export/export.h"
#include "tools/fields.h"

static const struct option_def options[] = {
    EXPORT_OUT,
    EXPORT_OPTIONS,
    {.name = "columns",
     .type = OPT_TEXT,
     .unit = "COLUMNS",
     .sentence = "Which fields, comma-separated, in this order; all without it.",
     .programs = CLI_PROGRAM},
    CLI_NO_HEADER,
    CLI_OPTIONS_END,
};

static size_t columns(const struct export *x, enum filter_field out[FIELD_COLUMNS])
{
    size_t n = 0;
    const char *names = options_text(x->o, "columns");
    if (names && fields_parse(names, out, &n) == 0)
        return n;
    for (n = 0; n < FIELD_COLUMNS; n++)
        out[n] = (enum filter_field)n;
    return n;
}

static void begin(struct export *x)
{
    enum filter_field fields[FIELD_COLUMNS];
    size_t n = columns(x, fields);
    if (options_flag(x->o, "no-header"))
        return;
    for (size_t i = 0; i < n; i++)
        csv_field(x->out, view_of(filter_fields[fields[i]].name), i == 0);
    csv_end(x->out);
}

static void row(struct export *x)
{
    enum filter_field fields[FIELD_COLUMNS];
    size_t n = columns(x, fields);
    for (size_t i = 0; i < n; i++)
        csv_column(x->out, rows_row(x->rows), (int)fields[i], i == 0);
    csv_end(x->out);
}

static const struct format csv = {.begin = begin, .row = row};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    enum filter_field fields[FIELD_COLUMNS];
    size_t n;
    const char *names = options_text(o, "columns");
    (void)c;
    int code = names ? fields_parse(names, fields, &n) : CLI_OK;
    return code ? code : export_run(&csv, o, argc, argv);
}

const struct command command_export_csv = {
    .name = "export csv",
    .sentence = "write the fields of transactions as comma-separated values",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export csv --out day.csv\n"
               "tapedeck export csv --columns time,method,url,status,duration 'status >= 400'",
    .text =
        "Lines end in CRLF; an absent value is an empty field; durations are microseconds. "
        "Values stand as they were sent: a spreadsheet may run one that begins with =, +, - or @ "
        "as a formula.",
    .options = options,
    .run = run,
};
