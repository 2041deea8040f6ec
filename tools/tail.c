// tail: transactions as they are committed.
#include "tools/commands.h"
#include "tools/follow.h"

static const struct option_def options[] = {
    LISTING_OPTIONS,
    {.name = "limit",
     .type = OPT_NUMBER,
     .initial = "10",
     .min = 0,
     .max = 1000000000,
     .unit = "N",
     .sentence = "How many of those that are there already are shown first.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"json", CLI_EXCLUDES, "columns"},
    {"json", CLI_EXCLUDES, "no-header"},
    {.option = NULL},
};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct selection s = {0};
    struct listing l = {0};
    struct term term;
    term_init(&term, stdout, o);
    int code = listing_init(&l, &term, o);
    (void)c;
    code = code ? code : selection_parse(&s, argc, argv);
    code = code ? code : follow(&s, &l, options_number(o, "limit"));
    listing_end(&l);
    selection_clear(&s);
    return code ? code : cli_result();
}

const struct command command_tail = {
    .name = "tail",
    .sentence = "show transactions as they are committed",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck tail\n"
               "tapedeck tail capture.db 'status >= 500' -n 0\n"
               "tapedeck tail --json direction = outbound | jq -r .url",
    .text = "A long transaction is shown when it begins, marked [open], and again when it is over. "
            "With --json the first of the two has \"open\": true.\n"
            "Follows the capture through rotations. Ends on SIGINT (Ctrl-C) with exit code 0.",
    .options = options,
    .rules = rules,
    .run = run,
};
