// ls: transactions, one a line: what is over from rows.c, what is open from open.c, what is still
// to come from follow.c; listing.c writes them all alike.
#include "proto/base/clock.h"
#include "tools/commands.h"
#include "tools/follow.h"
#include "tools/listing.h"
#include "tools/open.h"
#include "tools/rows.h"

static const struct option_def options[] = {
    LISTING_OPTIONS,
    {.name = "limit",
     .type = OPT_NUMBER,
     .min = 1,
     .unit = "N",
     .sentence = "At most so many.",
     .programs = CLI_PROGRAM},
    ROWS_ORDER,
    {.name = "open",
     .type = OPT_FLAG,
     .sentence = "Those that have begun and are not over, instead of the others.",
     .programs = CLI_PROGRAM},
    {.name = "follow",
     .type = OPT_FLAG,
     .sentence = "Go on with new ones as they are committed, until interrupted.",
     .programs = CLI_PROGRAM},
    {.name = "exit-code",
     .type = OPT_FLAG,
     .sentence = "Exit with 3 when there is none.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"json", CLI_EXCLUDES, "columns"},
    {"json", CLI_EXCLUDES, "no-header"},
    {"follow", CLI_EXCLUDES, "order"},
    {"follow", CLI_EXCLUDES, "open"},
    {"follow", CLI_EXCLUDES, "exit-code"},
    {"open", CLI_EXCLUDES, "order"},
    {.option = NULL},
};

static int list_open(const struct selection *s, struct listing *l, int64_t limit, int64_t *count)
{
    for (size_t i = 0; i < s->capture.n && (!limit || *count < limit); i++) {
        struct store *store = capture_open_file(&s->capture, i);
        struct store_query *q = NULL;
        if (!store)
            continue;
        int e = open_query(store, s->filter, 0, INT64_MAX, clock_wall_us(), &q);
        while (!e && (!limit || *count < limit) && (e = store_step(q)) == 1) {
            listing_row(l, q, true);
            ++*count;
            e = 0;
        }
        if (e < 0)
            cli_damage("%s", store_why(store));
        store_query_free(q);
        store_close(store);
    }
    return CLI_OK;
}

static int list(const struct selection *s, const struct options *o, struct listing *l,
                int64_t *count)
{
    struct rows *rows = NULL;
    struct rows_spec spec = {
        .capture = &s->capture,
        .filter = s->filter,
        .order = rows_order(o),
        .limit = options_number(o, "limit"),
    };
    if (options_flag(o, "open"))
        return list_open(s, l, spec.limit, count);
    int code = rows_open(&rows, &spec);
    while (!code && !ferror_unlocked(l->term->out) && rows_next(rows)) {
        listing_row(l, rows_row(rows), false);
        ++*count;
    }
    rows_close(rows);
    return code;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct selection s = {0};
    struct listing l = {0};
    struct term term;
    int64_t count = 0;
    term_init(&term, stdout, o);
    int code = listing_init(&l, &term, o);
    code = code ? code : selection_parse(&s, argc, argv);
    (void)c;
    if (!code && options_flag(o, "follow"))
        code = follow(&s, &l, options_is_set(o, "limit") ? options_number(o, "limit") : FOLLOW_ALL);
    else if (!code)
        code = list(&s, o, &l, &count);
    listing_end(&l);
    selection_clear(&s);
    if (code || options_flag(o, "follow"))
        return code ? code : cli_result();
    if (count == 0 && term.tty)
        cli_error("no transaction matches");
    if (count == 0 && cli_result() == CLI_OK && options_flag(o, "exit-code"))
        return CLI_NOTHING;
    return cli_result();
}

const struct command command_ls = {
    .name = "ls",
    .sentence = "list transactions",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck ls\n"
               "tapedeck ls capture.db 'status >= 500 and host ~ \"^api\"' --order newest -n 20\n"
               "tapedeck ls --json 'duration > 100ms' | jq -r .url",
    .text = "One transaction a line. The path is shown with its query, and with a remark where the "
            "transaction is not whole.\n"
            "CAPTURE is a file or a folder of rotated files; without it $TAPEDECK_CAPTURE, else "
            "./capture.db. FILTER is told by tapedeck help filter.\n"
            "An ID is good for tapedeck show. With --json it is the number in the database.",
    .options = options,
    .rules = rules,
    .run = run,
};
