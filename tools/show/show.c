// show: one transaction, for a person or exactly.
//
//   (nothing)            facts, heads, bodies decoded and laid out     print.c
//   --json               all of it for a program                       record.c
//   --body SIDE          the content of a side, byte for byte          body.c
//   --raw                the messages as they could be sent again      message.c
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/head.h"
#include "tools/message.h"
#include "tools/record.h"
#include "tools/show/print.h"

static const struct option_def options[] = {
    {.name = "headers",
     .type = OPT_FLAG,
     .sentence = "Only the facts and the heads.",
     .programs = CLI_PROGRAM},
    {.name = "body",
     .type = OPT_CHOICE,
     .choices = "request|response",
     .unit = "SIDE",
     .sentence = "Only the content of one side, byte for byte.",
     .programs = CLI_PROGRAM},
    {.name = "decode",
     .type = OPT_FLAG,
     .sentence = "With --body: undo the content coding (gzip, deflate, br, zstd).",
     .programs = CLI_PROGRAM},
    {.name = "raw",
     .type = OPT_FLAG,
     .sentence = "The messages byte for byte, the request first; with --body only that side's.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object, as export jsonl has it.",
     .programs = CLI_PROGRAM},
    {.name = "limit",
     .type = OPT_SIZE,
     .initial = "64KiB",
     .min = 0,
     .max = 256 << 20,
     .unit = "SIZE",
     .sentence = "Show at most so much of each body; 0: all of it.",
     .programs = CLI_PROGRAM},
    BODY_MAX_DECODED,
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"decode", CLI_NEEDS, "body"},
    {"raw", CLI_EXCLUDES, "json"},
    {"raw", CLI_EXCLUDES, "decode"},
    {"raw", CLI_EXCLUDES, "headers"},
    {"raw", CLI_EXCLUDES, "limit"},
    {"raw", CLI_EXCLUDES, "max-decoded"},
    {"body", CLI_EXCLUDES, "json"},
    {"body", CLI_EXCLUDES, "headers"},
    {"body", CLI_EXCLUDES, "limit"},
    {"json", CLI_EXCLUDES, "limit"},
    {.option = NULL},
};

static int put(void *arg, struct view piece)
{
    fwrite_unlocked(piece.p, 1, piece.n, arg);
    return ferror_unlocked((FILE *)arg) ? E_IO : 0;
}

static int show_body(const struct options *o, struct rows *r)
{
    const struct store_query *q = rows_row(r);
    bool s2c = strcmp(options_text(o, "body"), "response") == 0;
    struct heads heads;
    struct body b;
    char coding[HEAD_JOINED];
    rows_heads(r, &heads);
    body_init(&b, rows_store(r), store_int(q, s2c ? STORE_RES_BODY : STORE_REQ_BODY),
              store_int(q, s2c ? FIELD_RES_SIZE : FIELD_REQ_SIZE),
              store_int(q, s2c ? STORE_RES_STORED : STORE_REQ_STORED),
              head_joined(s2c ? heads.res : heads.req, "content-encoding", coding));
    body_look(&b, options_flag(o, "decode"), (uint64_t)options_number(o, "max-decoded"));
    body_give(&b, put, stdout);
    if (b.note[0])
        cli_error("%s", b.note);
    bool wanted = options_flag(o, "decode") && content_is_coded(view_of(b.codings));
    int code = wanted && !b.decoded ? CLI_FAILED : CLI_OK;
    body_clear(&b);
    return code;
}

static void show_raw(const struct options *o, struct rows *r)
{
    const char *side = options_text(o, "body"), *note;
    struct heads heads;
    rows_heads(r, &heads);
    for (int s2c = 0; s2c < 2; s2c++) {
        if (side && s2c != (strcmp(side, "response") == 0))
            continue;
        message_write(stdout, r, &heads, s2c, &note);
        if (*note)
            cli_error("the %s: %s", s2c ? "answer" : "request", note);
    }
}

static int show(const struct options *o, struct rows *r)
{
    struct term t;
    struct jsonw w;
    struct print_spec spec = {.headers = options_flag(o, "headers"),
                              .limit = options_number(o, "limit"),
                              .bound = (uint64_t)options_number(o, "max-decoded")};
    if (options_flag(o, "raw")) {
        show_raw(o, r);
        return CLI_OK;
    }
    if (options_is_set(o, "body"))
        return show_body(o, r);
    term_init(&t, stdout, o);
    if (!options_flag(o, "json")) {
        print_transaction(&t, r, &spec);
        return CLI_OK;
    }
    struct record_spec record = {.bodies = spec.headers ? BODIES_NONE : BODIES_DECODED,
                                 .limit = spec.bound};
    jsonw_init(&w, stdout);
    w.lines = 2;
    record_json(&w, r, &record);
    putchar('\n');
    return CLI_OK;
}

// 0: the last one.
static int parse_id(const char *operand, int64_t *id)
{
    *id = 0;
    if (strcmp(operand, "last") == 0 || (fields_id_parse(view_of(operand), id) == 0 && *id > 0))
        return CLI_OK;
    cli_error("'%s' is no id of a transaction: such as 1.57, the number of ls --json, or last",
              operand);
    return CLI_USAGE;
}

static int show_one(const struct options *o, const struct capture *capture, const char *operand)
{
    char text[64], why[WHY_MAX];
    int64_t id;
    size_t column;
    struct filter *filter = NULL;
    struct rows *rows = NULL;
    int code = parse_id(operand, &id);
    if (code)
        return code;
    bool last = id == 0;
    snprintf(text, sizeof text, "id %s %lld", last ? ">" : "=", (long long)id);
    if (filter_parse(view_of(text), 0, &filter, &column, why)) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    struct rows_spec spec = {
        .capture = capture, .filter = filter, .order = STORE_NEWEST_FIRST, .limit = 1};
    code = rows_open(&rows, &spec);
    if (!code && rows_next(rows)) {
        code = show(o, rows);
    } else if (!code) {
        cli_error("there is no transaction%s%s in %s", last ? "" : " ", last ? "" : operand,
                  capture->paths[capture->n - 1]);
        code = CLI_FAILED;
    }
    rows_close(rows);
    filter_free(filter);
    return code;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct capture capture = {0};
    const char *path = NULL;
    if (argc > 0 && capture_names(argv[0])) {
        path = argv[0];
        argc--;
        argv++;
    }
    if (argc == 0)
        return cli_usage(c, "which transaction? An id is in the first column of tapedeck ls");
    int code = CLI_OK;
    int64_t id;
    for (int i = 0; i < argc && !code; i++) // before anything is shown
        code = parse_id(argv[i], &id);
    code = code ? code : capture_find(&capture, path);
    for (int i = 0; i < argc && !code; i++) {
        if (i > 0 && !options_flag(o, "raw") && !options_is_set(o, "body") &&
            !options_flag(o, "json"))
            putchar('\n');
        code = show_one(o, &capture, argv[i]);
    }
    capture_clear(&capture);
    return code ? code : cli_result();
}

const struct command command_show = {
    .name = "show",
    .sentence = "show a transaction: heads, bodies, times, connection",
    .operands = "[CAPTURE] ID ... | last",
    .example = "tapedeck show 1.57\n"
               "tapedeck show capture.db 1.57 --body response --decode > answer.json\n"
               "tapedeck show 1.57 --raw | less",
    .text =
        "ID is what the first column of tapedeck ls says, or the number in the database. "
        "Bodies are shown with their content coding undone, JSON indented, binary content as a "
        "dump. A conversation that no decoder names is shown piece by piece, with time and "
        "direction.\n"
        "--raw gives heads and content exactly; a chunked body is framed anew, since how it was "
        "cut into chunks is not kept.",
    .options = options,
    .rules = rules,
    .run = run,
};
