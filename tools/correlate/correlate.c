// correlate: the command.
#include "tools/correlate/correlate.h"

#include "tools/commands.h"
#include "tools/correlate/graph.h"
#include "tools/out.h"
#include "tools/progress.h"
#include "tools/selection.h"

#include <inttypes.h>

static const struct option_def options[] = {
    {.name = "dot",
     .type = OPT_FLAG,
     .sentence = "The graph in the language of Graphviz.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object a line, an edge each.",
     .programs = CLI_PROGRAM},
    {.name = "write",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Write it as rules that a person edits and replay takes.",
     .programs = CLI_PROGRAM},
    {.name = "rewrite",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Rules of rewriting: where they have a section correlate, show what that finds.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule option_rules[] = {
    {"json", CLI_EXCLUDES, "dot"},
    {"write", CLI_EXCLUDES, "dot"},
    {"write", CLI_EXCLUDES, "json"},
    {.option = NULL},
};

static int write_rules(const struct graph *g, const char *path)
{
    struct out out;
    size_t left;
    int code = out_open(&out, path);
    if (code)
        return code;
    graph_write_rules(g, out.f, &left);
    code = out_close(&out, true);
    if (!code && left)
        cli_error("%zu edges did not fit into %d rules", left, REWRITE_RULES_MAX);
    return code;
}

static int show(const struct options *o, const struct graph *g)
{
    if (options_text(o, "write"))
        return write_rules(g, options_text(o, "write"));
    if (options_flag(o, "dot"))
        graph_show_dot(g, stdout);
    else if (options_flag(o, "json"))
        graph_show_json(g, stdout);
    else
        graph_show(g, stdout);
    return CLI_OK;
}

static void tell_left(const struct correlate *c)
{
    if (c->carried_left + c->values_left + c->edges_left)
        cli_error("there is more than is followed: %" PRIu64 " texts of requests, %" PRIu64
                  " values and %" PRIu64 " edges are left out; a filter makes it less",
                  c->carried_left, c->values_left, c->edges_left);
    if (c->bodies_left)
        cli_error("not looked at: %" PRIu64 " contents larger than %u bytes, or not whole",
                  c->bodies_left, CORRELATE_BODY_MAX);
}

static int progress(void *arg, int permille)
{
    progress_permille(arg, permille);
    return 0;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct selection s = {0};
    struct correlate *found = NULL;
    struct rewrite *rules = NULL;
    struct graph g = {0};
    char why[WHY_MAX];
    (void)c;
    int e = 0, code = selection_parse(&s, argc, argv);
    if (!code && options_text(o, "rewrite") &&
        rewrite_read(&rules, options_text(o, "rewrite"), why)) {
        cli_error("%s", why);
        code = CLI_FAILED;
    }
    if (!code) {
        struct progress p;
        progress_init(&p, "transactions", NULL);
        e = correlate_find(&found, &s.capture, s.filter, rules, progress, &p);
        progress_end(&p);
    }
    if (e == E_NOMEM)
        cli_error("out of memory");
    code = code ? code : e ? CLI_FAILED : graph_make(&g, found, &s.capture);
    if (!code) {
        code = show(o, &g);
        fflush(stdout);
        tell_left(found);
    }
    graph_clear(&g);
    correlate_free(found);
    rewrite_free(rules);
    selection_clear(&s);
    return code ? code : cli_result();
}

const struct command command_correlate = {
    .name = "correlate",
    .sentence = "show which values of answers later requests carry",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck correlate capture.db\n"
               "tapedeck correlate capture.db --dot | dot -Tsvg -o graph.svg\n"
               "tapedeck correlate capture.db --write rewrite.yaml",
    .text =
        "Tokens, ids, cursors and cookies that an answer issues and a later request carries, in a "
        "header, the path, the query or the content: such a request makes sense only with the "
        "value "
        "of its own run, which replay puts there unless --no-correlate is given.\n"
        "A value counts when it is likely to have been issued: a UUID, a token, a long number, "
        "mixed letters and digits; a short number only as the id of the same kind of thing (POST "
        "/items answers id 17, then /items/17 or item_id=17); what stands under a name such as "
        "token, cursor or csrf. Words, truth values, times and prices do not, nor does what the "
        "same client carried before. Where redaction hid a bearer token, it is assumed to be the "
        "last token that an answer gave on its connection, or else to its client.\n"
        "Values that are wrong are put right in the rules of --write, see tapedeck help rewriting.",
    .options = options,
    .rules = option_rules,
    .run = run,
};
