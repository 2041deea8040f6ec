// completion: what is common to the shells, and the command.
#include "tools/completion/completion.h"

#include "tools/commands.h"

bool completion_has(const struct command *c, const struct option_def *d)
{
    return d->programs & (c->program ? c->program : CLI_PROGRAM);
}

enum completes completion_of(const struct option_def *d)
{
    const char *unit = d->unit ? d->unit : "";
    if (d->choices)
        return COMPLETES_CHOICES;
    if (d->type != OPT_TEXT)
        return COMPLETES_NOTHING;
    if (strcmp(unit, "COLUMNS") == 0)
        return COMPLETES_COLUMNS;
    if (strcmp(unit, "DIR") == 0)
        return COMPLETES_FOLDERS;
    return strcmp(unit, "FILE") == 0 ? COMPLETES_FILES : COMPLETES_NOTHING;
}

// "[COMMAND | filter]" as "run|ls|…|filter".
static struct view commands(const char *operands, char out[CLI_OPERANDS])
{
    struct view rest = view_of(operands + 1);
    size_t n = 0;
    for (const struct command *const *c = command_table; *c && n < CLI_OPERANDS; c++)
        if (!completion_second(*c))
            n += (size_t)snprintf(out + n, CLI_OPERANDS - n, "%s%s", n ? "|" : "", (*c)->name);
    rest.n = view_find(rest, ']');
    for (size_t at; (at = view_find(rest, '|')) < rest.n && n < CLI_OPERANDS;) {
        rest = view_from(rest, at + 1);
        struct view word = view_trim(view_head(rest, view_find(rest, '|')));
        n += (size_t)snprintf(out + n, CLI_OPERANDS - n, "|%.*s", (int)word.n, word.p);
    }
    return view_of(out);
}

struct view completion_words(const struct command *c, char operands[CLI_OPERANDS])
{
    if (strncmp(c->operands, "[COMMAND", 8) == 0)
        return commands(c->operands, operands);
    struct view v = view_of(cli_operands(c, operands));
    v.n = view_find(v, ' ');
    return view_find(v, '|') < v.n && v.p[0] >= 'a' ? v : VIEW_LIT("");
}

bool completion_takes_capture(const struct command *c)
{
    return strstr(c->operands, "CAPTURE") != NULL;
}

const char *completion_second(const struct command *c)
{
    const char *blank = strchr(c->name, ' ');
    return blank ? blank + 1 : NULL;
}

static const struct option_def options[] = {CLI_OPTIONS_END};

static const struct {
    const char *name;
    void (*print)(FILE *out);
} shells[] = {
    {"bash", completion_bash},
    {"zsh", completion_zsh},
    {"fish", completion_fish},
};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)o;
    if (argc != 1)
        return cli_usage(c, argc ? "one shell only" : "which shell? bash, zsh or fish");
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++) {
        if (strcmp(argv[0], shells[i].name) != 0)
            continue;
        shells[i].print(stdout);
        return CLI_OK;
    }
    return cli_usage(c, "no completion for '%s': bash, zsh or fish", argv[0]);
}

const struct command command_completion = {
    .name = "completion",
    .sentence = "print a completion script for a shell",
    .operands = "bash|zsh|fish",
    .example = "source <(tapedeck completion bash)\n"
               "tapedeck completion zsh > ~/.zfunc/_tapedeck\n"
               "tapedeck completion fish > ~/.config/fish/completions/tapedeck.fish",
    .options = options,
    .run = run,
};
