// fish: a `complete` line for each command and option.
#include "proto/filter.h"
#include "tools/completion/completion.h"
#include "tools/quote.h"

static void words(FILE *out, struct view v)
{
    fputs(" -a '", out);
    for (size_t i = 0; i < v.n; i++)
        putc(v.p[i] == '|' ? ' ' : v.p[i], out);
    putc('\'', out);
}

static void option(FILE *out, const char *condition, const struct option_def *d)
{
    fprintf(out, "complete -c tapedeck -n %s -l %s -d ", condition, d->name);
    quote_fish(out, d->sentence);
    if (d->type != OPT_FLAG) {
        switch (completion_of(d)) {
        case COMPLETES_CHOICES:
            fputs(" -x", out);
            words(out, view_of(d->choices));
            break;
        case COMPLETES_FILES:
            fputs(" -r -F", out);
            break;
        case COMPLETES_FOLDERS:
            fputs(" -x -a '(__fish_complete_directories)'", out);
            break;
        case COMPLETES_COLUMNS:
            fputs(" -x -a '(__fish_append , ", out);
            for (int i = 0; i < FIELD_COLUMNS; i++)
                fprintf(out, "%s ", filter_fields[i].name);
            fputs(")'", out);
            break;
        case COMPLETES_NOTHING:
            fputs(" -x", out);
            break;
        }
    }
    putc('\n', out);
}

static void command(FILE *out, const struct command *c)
{
    char condition[160], operands[CLI_OPERANDS];
    const char *two = completion_second(c);
    size_t first = strcspn(c->name, " ");
    if (two)
        snprintf(condition, sizeof condition,
                 "'__fish_seen_subcommand_from %.*s; and __fish_seen_subcommand_from %s'",
                 (int)first, c->name, two);
    else
        snprintf(condition, sizeof condition, "'__fish_seen_subcommand_from %s'", c->name);
    if (two)
        fprintf(out, "complete -c tapedeck -f -n '__fish_seen_subcommand_from %.*s' -a %s -d ",
                (int)first, c->name, two);
    else
        fprintf(out, "complete -c tapedeck -f -n __fish_use_subcommand -a %s -d ", c->name);
    quote_fish(out, c->sentence);
    putc('\n', out);
    struct view choose = completion_words(c, operands);
    if (completion_takes_capture(c) && choose.n == 0)
        fprintf(out, "complete -c tapedeck -n %s -k -x -a '(__fish_complete_suffix .db)'\n",
                condition);
    else if (choose.n > 0 && !completion_takes_capture(c)) {
        fprintf(out, "complete -c tapedeck -n %s -f", condition);
        words(out, choose);
        putc('\n', out);
    }
    for (const struct option_def *d = c->options; d->name; d++)
        if (completion_has(c, d))
            option(out, condition, d);
}

void completion_fish(FILE *out)
{
    fputs("# fish completion of tapedeck\n", out);
    for (const struct command *const *c = command_table; *c; c++)
        command(out, *c);
}
