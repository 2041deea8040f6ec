// pack: makes sealed captures small, and plain again: `tapedeck pack` and `tapedeck unpack`, which
// differ in what schema/pack.h is asked for.
#include "schema/pack.h"

#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/progress.h"

#include <signal.h>
#include <sys/stat.h>

static const struct option_def options[] = {
    {.name = "to",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Write it there, which must not be there yet, and leave the capture as it is.",
     .programs = CLI_PROGRAM},
    {.name = "quiet",
     .type = OPT_FLAG,
     .sentence = "Say nothing of what went well.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

struct work {
    const struct command *command;
    int (*make)(const char *from, const char *to, pack_progress *progress, void *arg,
                char why[WHY_MAX]);
    bool quiet;
    struct progress progress;
};

static volatile sig_atomic_t stopped;

static void stop(int number)
{
    stopped = number;
}

static int progress(void *arg, int permille)
{
    struct work *w = arg;
    progress_permille(&w->progress, permille);
    return stopped;
}

static int64_t size_of(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static int one(struct work *w, const char *from, const char *to)
{
    char why[WHY_MAX], before[FIELDS_SHORT], after[FIELDS_SHORT];
    int64_t size = size_of(from);
    progress_init(&w->progress, w->make == pack_file ? "packing" : "unpacking", stdout);
    int e = w->make(from, to, progress, w, why);
    progress_end(&w->progress);
    // What is as it was asked for is no failure: all files of a folder may be named again.
    bool is_so = !to && w->make == pack_file && (e == E_EXISTS || e == E_LIMIT);
    if (e != 0 && !is_so) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    if (w->quiet)
        return CLI_OK;
    if (is_so)
        printf("%s\n", why);
    else
        printf("%s: %s, was %s\n", to ? to : from, fields_size(size_of(to ? to : from), after),
               fields_size(size, before));
    return CLI_OK;
}

static int all(struct work *w, struct options *o, int argc, char **argv)
{
    struct sigaction action = {.sa_handler = stop};
    const char *to = options_text(o, "to");
    int code = CLI_OK;
    if (argc == 0)
        return cli_usage(w->command, "which captures?");
    if (to && argc > 1)
        return cli_usage(w->command, "--to takes one capture, not '%s' as well", argv[1]);
    w->quiet = options_flag(o, "quiet");
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    int i = 0;
    for (; i < argc && !stopped; i++)
        if (one(w, argv[i], to) != CLI_OK)
            code = CLI_FAILED;
    if (i < argc) {
        cli_error("interrupted; %s and what follows it are as they were", argv[i]);
        code = CLI_FAILED;
    }
    return code;
}

static int run_pack(const struct command *c, struct options *o, int argc, char **argv)
{
    struct work w = {.command = c, .make = pack_file};
    return all(&w, o, argc, argv);
}

static int run_unpack(const struct command *c, struct options *o, int argc, char **argv)
{
    struct work w = {.command = c, .make = pack_unpack};
    return all(&w, o, argc, argv);
}

const struct command command_pack = {
    .name = "pack",
    .sentence = "make sealed captures small; they stay readable",
    .operands = "CAPTURE...",
    .example = "tapedeck pack archive/capture-000001.db --to packed.db\n"
               "tapedeck pack archive/capture-0*.db",
    .text =
        "A packed capture is a fraction of its size. All commands read it as before; the sqlite3 "
        "program needs the extension tapedeck-sqlite.so for it, and says \"file is not a "
        "database\" without. Nothing writes to it. `tapedeck unpack` makes it what it was, byte "
        "for byte.\n"
        "A sealed capture is packed in place, which no recorder goes on with: one with a number "
        "in its name. The old file is there until the new one was written and compared with it. "
        "The last file of a recorder that ended is packed with --to, since the next recorder goes "
        "on with it. A run that is cut short changes nothing but that the files before were "
        "packed.",
    .options = options,
    .run = run_pack,
};

const struct command command_unpack = {
    .name = "unpack",
    .sentence = "make packed captures what they were",
    .operands = "CAPTURE...",
    .example = "tapedeck unpack archive/capture-0*.db\n"
               "tapedeck unpack packed.db --to plain.db",
    .text =
        "The file becomes what it was before `tapedeck pack`, byte for byte, which its checksum "
        "proves; a damaged one is left as it is.",
    .options = options,
    .run = run_unpack,
};
