// man: manual pages in man(7), made from the tables: one for each command, for the two halves of
// the sidecar, for the filter language, and the page tapedeck(1) that lists them.
#include "proto/settings.h"
#include "tools/commands.h"
#include "tools/help/topics.h"
#include "tools/out.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <sys/stat.h>

static const struct option_def options[] = {
    {.name = "out",
     .type = OPT_TEXT,
     .unit = "DIR",
     .sentence = "Write every page into DIR, a file each.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

// A page: of a command, of a topic, or of a program with a settings table.
struct page {
    char name[64]; // "tapedeck-export-har"
    int section;
    const struct command *command;
    const struct topic *topic;
    unsigned program; // of settings_table
    const char *sentence;
};

// ---- roff

// Text within a line: nothing in it is an order to roff.
static void text(FILE *out, struct view v)
{
    if (v.n > 0 && (v.p[0] == '.' || v.p[0] == '\''))
        fputs("\\&", out);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\\')
            fputs("\\e", out);
        else if (v.p[i] == '-')
            fputs("\\-", out);
        else
            putc(v.p[i], out);
    }
}

static void text_of(FILE *out, const char *s)
{
    text(out, view_of(s));
}

static void section(FILE *out, const char *name)
{
    fprintf(out, ".SH %s\n", name);
}

// Paragraphs of one line; lines with a blank in front are kept as they are.
static void paragraphs(FILE *out, const char *s)
{
    bool kept = false;
    for (struct view rest = view_of(s); rest.n > 0;) {
        size_t n = view_find(rest, '\n');
        struct view line = view_head(rest, n);
        bool keep = line.n > 0 && line.p[0] == ' ';
        rest = view_from(rest, n < rest.n ? n + 1 : n);
        if (keep != kept)
            fputs(keep ? ".PP\n.nf\n" : ".fi\n", out);
        if (!keep)
            fputs(".PP\n", out);
        text(out, line);
        putc('\n', out);
        kept = keep;
    }
    if (kept)
        fputs(".fi\n", out);
}

static void lines(FILE *out, const char *s)
{
    fputs(".nf\n", out);
    for (struct view rest = view_of(s); rest.n > 0;) {
        size_t n = view_find(rest, '\n');
        text(out, view_head(rest, n));
        putc('\n', out);
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
    fputs(".fi\n", out);
}

// c: NULL for a program that is no command.
static void option(FILE *out, const struct command *c, const struct option_def *d)
{
    char letter = c ? cli_short(c, d->name) : 0;
    static const char *const units[] = {
        [OPT_NUMBER] = "NUMBER", [OPT_SIZE] = "SIZE",   [OPT_DURATION] = "TIME",
        [OPT_CHOICE] = "WORD",   [OPT_WORDS] = "WORDS", [OPT_TEXT] = "TEXT"};
    fputs(".TP\n", out);
    if (letter)
        fprintf(out, "\\fB\\-%c\\fR, ", letter);
    fputs("\\fB\\-\\-", out);
    text_of(out, d->name);
    fputs("\\fR", out);
    if (d->type != OPT_FLAG) {
        fputs(" \\fI", out);
        text_of(out, d->unit ? d->unit : units[d->type]);
        fputs("\\fR", out);
    }
    putc('\n', out);
    text_of(out, d->sentence);
    putc('\n', out);
    if (d->choices) {
        fputs(d->type == OPT_WORDS ? "Any of" : "One of", out);
        for (struct view rest = view_of(d->choices); rest.n > 0;) {
            size_t n = view_find(rest, '|');
            fputs(" \\fB", out);
            text(out, view_head(rest, n));
            fputs(n < rest.n ? "\\fR," : "\\fR.", out);
            rest = view_from(rest, n < rest.n ? n + 1 : n);
        }
        putc('\n', out);
    }
    if (d->initial && d->initial[0] && d->type != OPT_FLAG) {
        fputs("Default: \\fB", out);
        text_of(out, d->initial);
        fputs("\\fR.\n", out);
    }
    if (d->flags & OPT_REPEATS)
        fputs("May be given several times.\n", out);
    if (d->flags & OPT_RELOADABLE)
        fputs(OPTIONS_RELOADABLE "\n", out);
}

static void option_list(FILE *out, const struct command *c, const struct option_def *table,
                        unsigned program)
{
    section(out, "OPTIONS");
    for (const struct option_def *d = table; d->name; d++)
        if (d->programs & program)
            option(out, c, d);
}

static void field_list(FILE *out)
{
    section(out, "FIELDS");
    for (int i = 0; i < FIELD_COUNT; i++) {
        fputs(".TP\n\\fB", out);
        text_of(out, filter_fields[i].name);
        fputs("\\fR (", out);
        text_of(out, topics_field_type(i));
        fputs(")\n", out);
        text_of(out, filter_fields[i].sentence);
        fputs("\n", out);
    }
}

// ---- pages

static void list(FILE *out, const struct command *c)
{
    fprintf(out, ".TP\n\\fB%s\\fR\n", c->name);
    text_of(out, c->sentence);
    putc('\n', out);
}

static void command_body(FILE *out, const struct command *c)
{
    char operands[CLI_OPERANDS];
    section(out, "SYNOPSIS");
    fprintf(out, "\\fBtapedeck %s\\fR [\\fIOPTIONS\\fR] ", c->name);
    text_of(out, cli_operands(c, operands));
    putc('\n', out);
    if (c->text) {
        section(out, "DESCRIPTION");
        paragraphs(out, c->text);
        if (c->list && c->list())
            paragraphs(out, c->list());
    }
    bool titled = false;
    for (const struct command *const *x = command_table; *x; x++) {
        if (!cli_is_behind(*x, c))
            continue;
        if (!titled)
            section(out, "COMMANDS");
        titled = true;
        list(out, *x);
    }
    option_list(out, c, c->options, c->program ? c->program : CLI_PROGRAM);
    if (c != &command_verify && c != &command_run &&
        c != &command_record) { // their texts tell their own
        section(out, "EXIT STATUS");
        fputs("0: fine. 1: it failed, or something could not be read. 2: wrong use, such as a bad "
              "filter. 3: nothing matched, with \\fB\\-\\-exit\\-code\\fR.\n",
              out);
    }
    section(out, "EXAMPLES");
    lines(out, c->example);
}

static void command_lists(FILE *out)
{
    section(out, "COMMANDS");
    for (const struct command *const *c = command_table; *c; c++)
        list(out, *c);
    section(out, "ENVIRONMENT");
    fputs(".TP\nTAPEDECK_CAPTURE\nThe capture, when no operand names one.\n"
          ".TP\nNO_COLOR\nNo colours, when it is set and not empty.\n",
          out);
}

static void write_page(FILE *out, const struct page *p)
{
    fputs(".TH ", out);
    for (const char *s = p->name; *s; s++)
        putc(toupper((unsigned char)*s), out);
    fprintf(out, " %d \"\" \"tapedeck %s\" \"Tapedeck\"\n", p->section, TAPEDECK_VERSION);
    section(out, "NAME");
    text_of(out, p->name);
    fputs(" \\- ", out);
    text_of(out, p->sentence);
    putc('\n', out);
    if (p->command) {
        command_body(out, p->command);
    } else if (p->topic) {
        section(out, "DESCRIPTION");
        paragraphs(out, p->topic->text);
        if (p->topic->list && p->topic->list())
            paragraphs(out, p->topic->list());
        if (p->topic->fields)
            field_list(out);
        if (p->topic->example) {
            section(out, "EXAMPLES");
            lines(out, p->topic->example);
        }
    } else if (p->program) {
        section(out, "SYNOPSIS");
        fprintf(out, "\\fB%s\\fR [\\fIOPTIONS\\fR]\n", p->name);
        option_list(out, NULL, settings_table, p->program);
        section(out, "EXIT STATUS");
        lines(out, p->program == FOR_PROXY ? settings_exits_proxy : settings_exits_recorder);
    } else {
        section(out, "SYNOPSIS");
        fputs("\\fBtapedeck\\fR \\fICOMMAND\\fR [\\fIOPTIONS\\fR] [\\fIOPERANDS\\fR]\n", out);
        command_lists(out);
    }
    section(out, "SEE ALSO");
    fputs("tapedeck(1), tapedeck\\-filter(7)\n", out);
}

// The i-th page; false behind the last.
static bool page(size_t i, struct page *p)
{
    static const struct page fixed[] = {
        {.name = "tapedeck",
         .section = 1,
         .sentence = "record the traffic of a workload and read it back"},
        {.name = "tapedeck-proxy",
         .section = 1,
         .program = FOR_PROXY,
         .sentence = "relay traffic and stream what passes to a recorder"},
        {.name = "tapedeck-recorder",
         .section = 1,
         .program = FOR_RECORDER,
         .sentence = "keep what proxies stream in a capture"},
    };
    const size_t n = sizeof fixed / sizeof *fixed;
    *p = (struct page){.section = 1};
    if (i < n) {
        *p = fixed[i];
        return true;
    }
    i -= n;
    for (const struct topic *t = topics; t->name; t++, i--) {
        if (i > 0)
            continue;
        snprintf(p->name, sizeof p->name, "tapedeck-%s", t->name);
        *p = (struct page){.section = 7, .topic = t, .sentence = t->sentence};
        snprintf(p->name, sizeof p->name, "tapedeck-%s", t->name);
        return true;
    }
    size_t k = 0;
    while (command_table[k] && k < i)
        k++;
    if (!command_table[k])
        return false;
    p->command = command_table[k];
    p->sentence = p->command->sentence;
    snprintf(p->name, sizeof p->name, "tapedeck-%s", p->command->name);
    for (char *s = p->name; *s; s++)
        *s = *s == ' ' ? '-' : *s;
    return true;
}

static int write_all(const char *dir)
{
    struct page p;
    int code = CLI_OK;
    if (mkdir(dir, 0755) != 0 && errno != EEXIST) {
        cli_error("%s: %s", dir, strerror(errno));
        return CLI_FAILED;
    }
    for (size_t i = 0; page(i, &p) && !code; i++) {
        char path[PATH_MAX];
        snprintf(path, sizeof path, "%s/%s.%d", dir, p.name, p.section);
        FILE *f = fopen(path, "w");
        if (f)
            write_page(f, &p);
        if (!f || ferror(f) | fclose(f)) {
            cli_error("%s: %s", path, strerror(errno));
            code = CLI_FAILED;
        }
    }
    return code;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct page p;
    char name[64] = "tapedeck";
    size_t n = strlen(name);
    if (options_text(o, "out"))
        return argc ? cli_usage(c, "--out writes all pages, not '%s'", argv[0])
                    : write_all(options_text(o, "out"));
    for (int i = 0; i < argc && n < sizeof name; i++)
        n += (size_t)snprintf(name + n, sizeof name - n, "-%s", argv[i]);
    for (size_t i = 0; page(i, &p); i++) {
        if (strcmp(p.name, name) != 0)
            continue;
        write_page(stdout, &p);
        return CLI_OK;
    }
    return cli_usage(c, "there is no page '%s'", name);
}

const struct command command_man = {
    .name = "man",
    .sentence = "print a manual page",
    .operands = "[COMMAND | filter | fields | rules | proxy | recorder]",
    .example = "tapedeck man ls | man -l -\n"
               "tapedeck man > tapedeck.1\n"
               "tapedeck man --out share/man",
    .text = "Pages are written in man(7), from the same tables as --help.",
    .options = options,
    .run = run,
};
