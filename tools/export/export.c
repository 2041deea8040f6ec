// export: the driver, and the command `export` without a format, which lists the formats.
//
//   operands --> selection --> output opened --> rows, one by one --> format --> output in its
//   place
//
// What can be wrong with the words of the user is found before the output is touched; a file
// appears only when all rows are in it.
#include "tools/export/export.h"

#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/out.h"
#include "tools/progress.h"

bool export_is_http(struct export *x)
{
    if (view_eq(store_bytes(rows_row(x->rows), FIELD_PROTOCOL), VIEW_LIT("http")))
        return true;
    x->left_out++;
    return false;
}

static void walk(const struct format *f, struct export *x)
{
    struct progress progress;
    progress_init(&progress, "transactions", x->out);
    while (!x->code && !(x->out && ferror_unlocked(x->out)) && rows_next(x->rows)) {
        rows_heads(x->rows, &x->heads);
        x->given++;
        f->row(x);
        progress_count(&progress, x->given);
    }
    progress_end(&progress);
}

int export_rows(const struct format *f, struct export *x, const struct selection *s)
{
    struct rows_spec spec = {.capture = &s->capture,
                             .filter = s->filter,
                             .order = rows_order(x->o),
                             .limit = options_number(x->o, "limit")};
    int code = rows_open(&x->rows, &spec);
    if (!code) {
        if (f->begin)
            f->begin(x);
        walk(f, x);
        if (f->end && !x->code)
            f->end(x);
        code = x->code;
    }
    rows_close(x->rows);
    x->rows = NULL;
    if (x->left_out) {
        char text[FIELDS_COUNT];
        cli_error("%s %s left out", fields_count(x->left_out, text), f->left_out);
    }
    if (!code && x->given == 0 && options_flag(x->o, "exit-code"))
        return CLI_NOTHING;
    return code;
}

int export_run(const struct format *f, struct options *o, int argc, char **argv)
{
    struct out out = {0};
    struct export x = {.o = o};
    struct selection s = {0};
    const char *path = options_text(o, "out");
    int code = selection_parse(&s, argc, argv);
    if (!code && path && capture_has(&s.capture, path)) {
        cli_error("%s: it belongs to the capture that is read; --out names another file", path);
        code = CLI_USAGE;
    }
    code = code ? code : out_open(&out, path);
    if (!code) {
        x.out = out.f;
        jsonw_init(&x.w, out.f);
        code = export_rows(f, &x, &s);
    }
    selection_clear(&s);
    bool keep = code == CLI_OK || code == CLI_NOTHING;
    if (out.opened) { // stdout is judged at the end of the program
        int closed = out_close(&out, keep);
        code = keep && closed ? closed : code;
    }
    return code ? code : cli_result();
}

// ---- the list of formats

static const struct option_def options[] = {CLI_OPTIONS_END};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)o;
    if (argc > 0)
        return cli_usage(c, "there is no format '%s'", argv[0]);
    return cli_usage(c, "which format?");
}

const struct command command_export = {
    .name = "export",
    .sentence = "write transactions in the format of other programs",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export har capture.db 'host = api.test' --out api.har\n"
               "tapedeck export jsonl --bodies decoded | jq -r .response.body\n"
               "tapedeck export curl 'status >= 500' -n 1 | sh",
    .text = "Each format has options of its own: tapedeck export har --help.",
    .options = options,
    .run = run,
};
