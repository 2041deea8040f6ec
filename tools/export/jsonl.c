// jsonl: one JSON object a line: the fields and all that the capture has of the messages.
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/export/export.h"
#include "tools/record.h"

static const struct option_def options[] = {
    EXPORT_OUT,
    EXPORT_OPTIONS,
    {.name = "bodies",
     .type = OPT_CHOICE,
     .initial = "decoded",
     .choices = "none|stored|decoded",
     .unit = "WHICH",
     .sentence = "Without bodies, as they are stored, or with their content coding undone.",
     .programs = CLI_PROGRAM},
    {.name = "heads",
     .type = OPT_FLAG,
     .sentence = "With the exact bytes of the heads as well.",
     .programs = CLI_PROGRAM},
    BODY_MAX_DECODED,
    CLI_OPTIONS_END,
};

static void row(struct export *x)
{
    const char *bodies = options_text(x->o, "bodies");
    struct record_spec spec = {
        .bodies = strcmp(bodies, "none") == 0     ? BODIES_NONE
                  : strcmp(bodies, "stored") == 0 ? BODIES_STORED
                                                  : BODIES_DECODED,
        .heads = options_flag(x->o, "heads"),
        .limit = (uint64_t)options_number(x->o, "max-decoded"),
    };
    record_json(&x->w, x->rows, &spec);
    putc_unlocked('\n', x->out);
}

static const struct format jsonl = {.row = row};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    if (options_is_set(o, "max-decoded") && strcmp(options_text(o, "bodies"), "decoded") != 0)
        return cli_usage(c, "--max-decoded is for --bodies decoded");
    return export_run(&jsonl, o, argc, argv);
}

const struct command command_export_jsonl = {
    .name = "export jsonl",
    .sentence = "write transactions as JSON lines, with everything that is known",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export jsonl --out all.jsonl\n"
               "tapedeck export jsonl 'path = /login' | jq -r .request.body\n"
               "tapedeck export jsonl --bodies none | gzip > heads.jsonl.gz",
    .text = "Beside the fields (tapedeck help fields) an object has \"timing\" (microseconds), "
            "\"redacted\", and \"request\" and \"response\" with \"line\", \"headers\" as [name, "
            "value] pairs in their order, \"size\" (of the content), \"stored\" (of it kept), "
            "\"body\" and its \"encoding\": text, or base64 for what is not UTF-8. \"decoded\" "
            "tells whether the content coding is undone; \"body_note\" why not, or what is "
            "missing. A conversation that no decoder names has \"chunks\" instead.",
    .options = options,
    .run = run,
};
