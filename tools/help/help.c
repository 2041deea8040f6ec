// help: the list of commands, a command's help, a topic.
#include "tools/commands.h"
#include "tools/help/topics.h"
#include "tools/table.h"

#include <unistd.h>

static const struct option_def options[] = {CLI_OPTIONS_END};

#define SENTENCE_AT 18

static void overview(const struct term *t)
{
    fputs("Tapedeck records the traffic of a workload and reads it back.\n\n"
          "Usage: tapedeck COMMAND [OPTIONS] [OPERANDS]\n\nCommands:\n",
          t->out);
    for (const struct command *const *c = command_table; *c; c++) {
        if (strchr((*c)->name, ' '))
            continue;
        term_on(t, STYLE_BOLD);
        int n = fprintf(t->out, "  %s", (*c)->name);
        term_off(t, STYLE_BOLD);
        fprintf(t->out, "%*s%s\n", SENTENCE_AT - n, "", (*c)->sentence);
    }
    fputs("\nTopics:\n", t->out);
    for (const struct topic *p = topics; p->name; p++)
        fprintf(t->out, "  help %-*s%s\n", SENTENCE_AT - 7, p->name, p->sentence);
    fputs("\ntapedeck COMMAND --help tells more. A capture is the first operand, else\n"
          "$TAPEDECK_CAPTURE, else ./capture.db: a file, or a folder of rotated files.\n",
          t->out);
}

static int topic(const struct term *t, const struct topic *p, int width)
{
    fprintf(t->out, "%s: %s\n\n", p->name, p->sentence);
    cli_wrap(t->out, p->text, 0, width);
    const char *list = p->list ? p->list() : NULL;
    if (list)
        cli_wrap(t->out, list, 0, width);
    if (p->fields) {
        struct term wide = *t; // a sentence is not to be cut
        wide.width = 0;
        struct table *table = table_new(&wide);
        if (!table) {
            cli_error("out of memory");
            return CLI_FAILED;
        }
        putc('\n', t->out);
        table_column(table, "field", TABLE_FIXED);
        table_column(table, "type", TABLE_FIXED);
        table_column(table, "meaning", TABLE_TEXT);
        for (int i = 0; i < FIELD_COUNT; i++) {
            table_cell(table, STYLE_BOLD, view_of(filter_fields[i].name));
            table_cell(table, STYLE_PLAIN, view_of(topics_field_type(i)));
            table_cell(table, STYLE_PLAIN, view_of(filter_fields[i].sentence));
        }
        table_end(table);
    }
    if (p->example) {
        fputs("\nExamples:\n", t->out);
        cli_lines(t->out, p->example);
    }
    return CLI_OK;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct term t;
    int used;
    term_init(&t, stdout, o);
    int width = cli_width();
    if (argc == 0) {
        overview(&t);
        return CLI_OK;
    }
    for (const struct topic *p = topics; p->name; p++)
        if (argc == 1 && strcmp(argv[0], p->name) == 0)
            return topic(&t, p, width);
    const struct command *about = cli_find(argc, argv, &used);
    if (!about || used != argc)
        return cli_usage(c, "there is no command or topic '%s'", argv[about ? used : 0]);
    cli_help(stdout, about, width);
    return CLI_OK;
}

const struct command command_help = {
    .name = "help",
    .sentence = "list the commands, or tell about one",
    .operands = "[COMMAND | filter | fields | rewriting | rules | faults | goals | report]",
    .example = "tapedeck help\n"
               "tapedeck help export har\n"
               "tapedeck help filter",
    .options = options,
    .run = run,
};
