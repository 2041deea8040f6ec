// cli: finds the command, reads its options, runs it, and turns what happened into an exit code.
//
// Standard output is flushed and judged here, once: a command that prints to stdout need not look.
#include "tools/cli.h"

#include "proto/base/write_signals.h"
#include "proto/config.h"
#include "tools/out.h"
#include "tools/progress.h"
#include "tools/term.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define HELP_WIDTH_MAX 100
#define ARGS_MAX       4096

static char cli_name[64] = "tapedeck"; // "tapedeck ls", in front of every message
static bool cli_damaged;
static int cli_last; // operands behind "--"

// One letter for what is typed all day; a command has those whose long name is in its table.
static const struct {
    char letter;
    const char *name;
} short_names[] = {
    {'n', "limit"}, {'o', "out"}, {'f', "follow"}, {'j', "json"}, {'c', "columns"}, {0, NULL},
};

__attribute__((format(printf, 1, 0))) static void message(const char *format, va_list args)
{
    char text[2048];
    struct term err;
    vsnprintf(text, sizeof text, format, args);
    fflush(stdout);
    progress_hide();
    term_init(&err, stderr, NULL);
    fprintf(stderr, "%s: ", cli_name);
    // It may quote a file's name, or what a capture that somebody made says.
    term_text(&err, view_of(text), true, 0);
    putc('\n', stderr);
}

void cli_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(format, args);
    va_end(args);
}

void cli_damage(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(format, args);
    va_end(args);
    cli_damaged = true;
}

int cli_result(void)
{
    return cli_damaged ? CLI_FAILED : CLI_OK;
}

int cli_behind(void)
{
    return cli_last;
}

int cli_usage(const struct command *c, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    message(format, args);
    va_end(args);
    char operands[CLI_OPERANDS];
    fprintf(stderr, "usage: tapedeck %s [OPTIONS] %s\n", c->name, cli_operands(c, operands));
    fprintf(stderr, "       tapedeck %s --help tells more\n", c->name);
    return CLI_USAGE;
}

static const struct command *find(const char *name)
{
    for (const struct command *const *c = command_table; *c; c++)
        if (strcmp((*c)->name, name) == 0)
            return *c;
    return NULL;
}

const struct command *cli_find(int argc, char **argv, int *used)
{
    char name[64];
    const struct command *c = NULL;
    *used = 0;
    if (argc >= 2 && snprintf(name, sizeof name, "%s %s", argv[0], argv[1]) < (int)sizeof name)
        c = find(name);
    *used = c ? 2 : 1;
    return c || argc < 1 ? c : find(argv[0]);
}

static int unknown(const char *name)
{
    const char *near = NULL;
    int least = 3;
    for (const struct command *const *c = command_table; *c; c++) {
        int d = view_distance(view_of(name), view_of((*c)->name));
        if (d < least) {
            least = d;
            near = (*c)->name;
        }
    }
    if (near)
        cli_error("there is no command '%s'; did you mean '%s'?", name, near);
    else
        cli_error("there is no command '%s'; tapedeck help lists them all", name);
    return CLI_USAGE;
}

void cli_wrap(FILE *out, const char *text, int indent, int width)
{
    while (*text) {
        size_t line = strcspn(text, "\n"), at = 0;
        int column = 0;
        if (*text == ' ') {
            fprintf(out, "%*s%.*s", indent, "", (int)line, text);
            at = line;
        }
        while (at < line) {
            size_t word = strcspn(text + at, " \n");
            if (column > 0 && column + 1 + (int)word > width - indent) {
                putc('\n', out);
                column = 0;
            }
            fprintf(out, "%*s%.*s", column ? 1 : indent, "", (int)word, text + at);
            column += (int)word + (column ? 1 : 0);
            at += word;
            while (at < line && text[at] == ' ')
                at++;
        }
        putc('\n', out);
        text += line + (text[line] == '\n');
    }
}

static bool has_option(const struct command *c, const char *name)
{
    for (const struct option_def *d = c->options; d->name; d++)
        if (strcmp(d->name, name) == 0)
            return true;
    return false;
}

char cli_short(const struct command *c, const char *option)
{
    for (size_t i = 0; short_names[i].name; i++)
        if (strcmp(short_names[i].name, option) == 0 && has_option(c, option) && !c->configured)
            return short_names[i].letter;
    return 0;
}

// "Short: -n for --limit, -o for --out."
static void help_short(FILE *out, const struct command *c)
{
    const char *before = "\nShort: ";
    for (size_t i = 0; short_names[i].name; i++) {
        if (!cli_short(c, short_names[i].name))
            continue;
        fprintf(out, "%s-%c for --%s", before, short_names[i].letter, short_names[i].name);
        before = ", ";
    }
    if (*before == ',')
        fputs(".\n", out);
}

void cli_lines(FILE *out, const char *lines)
{
    while (*lines) {
        size_t n = strcspn(lines, "\n");
        fprintf(out, "  %.*s\n", (int)n, lines);
        lines += n + (lines[n] == '\n');
    }
}

int cli_width(void)
{
    int width = term_columns(STDOUT_FILENO, 80);
    return width < HELP_WIDTH_MAX ? width : HELP_WIDTH_MAX;
}

bool cli_is_behind(const struct command *c, const struct command *other)
{
    size_t n = strlen(other->name);
    return strncmp(c->name, other->name, n) == 0 && c->name[n] == ' ';
}

const char *cli_operands(const struct command *c, char out[CLI_OPERANDS])
{
    size_t n = 0;
    const char *before = "";
    for (const struct command *const *x = command_table; *x && n < CLI_OPERANDS; x++) {
        if (!cli_is_behind(*x, c))
            continue;
        n += (size_t)snprintf(out + n, CLI_OPERANDS - n, "%s%s", before,
                              (*x)->name + strlen(c->name) + 1);
        before = "|";
    }
    if (n < CLI_OPERANDS)
        snprintf(out + n, CLI_OPERANDS - n, "%s%s", n && *c->operands ? " " : "", c->operands);
    return out;
}

static void help_behind(FILE *out, const struct command *c)
{
    const char *title = "\nCommands:\n";
    for (const struct command *const *x = command_table; *x; x++) {
        if (!cli_is_behind(*x, c))
            continue;
        fprintf(out, "%s  %-14s %s\n", title, (*x)->name, (*x)->sentence);
        title = "";
    }
}

void cli_help(FILE *out, const struct command *c, int width)
{
    fprintf(out, "tapedeck %s: %s\n\n", c->name, c->sentence);
    char operands[CLI_OPERANDS];
    cli_operands(c, operands);
    fprintf(out, "Usage: tapedeck %s [OPTIONS]%s%s\n", c->name, *operands ? " " : "", operands);
    if (c->text) {
        putc('\n', out);
        cli_wrap(out, c->text, 0, width);
    }
    const char *list = c->list ? c->list() : NULL;
    if (list)
        cli_wrap(out, list, 0, width);
    help_behind(out, c);
    fputs("\nOptions:\n", out);
    struct options *o = options_new(c->options, c->program ? c->program : CLI_PROGRAM);
    if (o && options_help(o, out, width) != 0)
        cli_error("out of memory");
    options_free(o);
    help_short(out, c);
    fprintf(out, "\nExample%s:\n", strchr(c->example, '\n') ? "s" : "");
    cli_lines(out, c->example);
}

static void free_args(char **argv)
{
    for (char **a = argv; a && *a; a++)
        free(*a);
    free(argv);
}

// argv with "-n 5", "-n5" and "-j" in their long forms, to be freed with free_args(); NULL when out
// of memory.
static char **lengthen(const struct command *c, int argc, char **argv)
{
    char **out = calloc((size_t)argc + 1, sizeof *out);
    bool options = !c->configured;
    for (int i = 0; out && i < argc; i++) {
        const char *a = argv[i], *name = NULL;
        if (i > 0 && strcmp(a, "--") == 0)
            options = false;
        if (options && i > 0 && a[0] == '-' && a[1] && a[1] != '-')
            for (size_t k = 0; short_names[k].name; k++)
                if (short_names[k].letter == a[1] && has_option(c, short_names[k].name))
                    name = short_names[k].name;
        if (!name)
            out[i] = strdup(a);
        else if (asprintf(&out[i], a[2] ? "--%s=%s" : "--%s", name, a + 2) < 0)
            out[i] = NULL;
        if (!out[i]) {
            free_args(out);
            return NULL;
        }
    }
    return out;
}

static bool is_given(const struct options *o, const char *name)
{
    return options_def(o, name)->type == OPT_FLAG ? options_flag(o, name) : options_is_set(o, name);
}

// An option that would do nothing is refused, so that nobody trusts in it.
static int check_rules(const struct command *c, const struct options *o)
{
    for (const struct cli_rule *r = c->rules; r && r->option; r++) {
        bool other = is_given(o, r->other);
        if (!is_given(o, r->option) || other == (r->how == CLI_NEEDS))
            continue;
        return cli_usage(c,
                         other ? "--%s or --%s, not both" : "--%s is for --%s, which is not there",
                         r->option, r->other);
    }
    return CLI_OK;
}

static int failed_code(const struct command *c)
{
    return c->failed ? c->failed : CLI_FAILED;
}

static int run(const struct command *c, int argc, char **argv, char **envp)
{
    char why[WHY_MAX];
    int code = failed_code(c), rest = 0;
    struct options *o = options_new(c->options, c->program ? c->program : CLI_PROGRAM);
    // options_command() reorders args, and what it takes must stay.
    char **kept = lengthen(c, argc, argv), **args = calloc((size_t)argc + 1, sizeof *args);
    if (!o || !args || !kept) {
        cli_error("out of memory");
        goto out;
    }
    memcpy(args, kept, (size_t)argc * sizeof *kept);
    int e = c->configured ? config_load(o, argc, args, envp, &rest, why)
                          : options_command(o, argc, args, &rest, why);
    if (has_option(c, "help") && options_flag(o, "help")) {
        cli_help(stdout, c, cli_width());
        code = CLI_OK;
    } else if (e) {
        cli_error("%s", why);
        fprintf(stderr, "       tapedeck %s --help tells more\n", c->name);
        code = CLI_USAGE;
    } else {
        code = check_rules(c, o);
        code = code ? code : c->run(c, o, argc - rest, args + rest);
    }
out:
    options_free(o);
    free_args(kept);
    free(args);
    return code;
}

// A standard stream that is closed stays one that fails: else the next file that is opened would
// take its number, and what is told on it.
static void hold_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
                return; // as well as it goes
}

// A reader that goes away is seen where we write; a folder of many files may be open at once.
static void prepare_process(void)
{
    struct rlimit files;
    write_signals_ignore();
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
}

int cli_main(int argc, char **argv, char **envp)
{
    static char help_name[] = "help", version_name[] = "version";
    static char *help[] = {help_name, NULL}, *version[] = {version_name, NULL};
    int used;
    hold_streams();
    setlocale(LC_CTYPE, "");
    argc--;
    argv++;
    int ours = 0; // what stands behind "--" may be the command of another
    while (ours < argc && strcmp(argv[ours], "--") != 0)
        ours++;
    cli_last = ours < argc ? argc - ours - 1 : 0;
    if (ours > ARGS_MAX) {
        cli_error("%d arguments are more than %d", ours, ARGS_MAX);
        return CLI_USAGE;
    }
    bool nothing = argc == 0;
    if (nothing || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        argc = 1;
        argv = help;
    } else if (strcmp(argv[0], "--version") == 0 || strcmp(argv[0], "-V") == 0) {
        argc = 1;
        argv = version;
    }
    const struct command *c = cli_find(argc, argv, &used);
    if (!c)
        return unknown(argv[0]);
    snprintf(cli_name, sizeof cli_name, "tapedeck %s", c->name);
    if (!c->configured && !c->launches)
        prepare_process();
    int code = run(c, argc - used + 1, argv + used - 1, envp);
    struct out out = {.f = stdout};
    if (out_close(&out, true) != CLI_OK && code != CLI_USAGE)
        code = failed_code(c);
    return nothing ? CLI_USAGE : code;
}
