// raw: the bytes of requests and answers, a file each, or a file for each flow and direction.
//
// 1. The folder is new or empty, so that no file is replaced and none that is there is taken for
//    one of ours; files are opened for appending and never through a link.
// 2. By flow, transactions are written in the order of the export: the oldest first unless --order
//    says otherwise. What was interleaved on the wire (pipelining) is not interleaved again.
// 3. To standard output everything stands one behind the other, the request before its answer.
#include "tools/commands.h"
#include "tools/export/export.h"
#include "tools/fields.h"
#include "tools/message.h"
#include "tools/out.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const struct option_def options[] = {
    {.name = "out",
     .type = OPT_TEXT,
     .initial = "-",
     .unit = "DIR",
     .sentence = "Write files into DIR, which is new or empty. -: everything to standard output.",
     .programs = CLI_PROGRAM},
    {.name = "by",
     .type = OPT_CHOICE,
     .initial = "transaction",
     .choices = "transaction|flow",
     .unit = "WHAT",
     .sentence = "A file for each request and answer, or for each direction of a connection.",
     .programs = CLI_PROGRAM},
    EXPORT_OPTIONS,
    CLI_OPTIONS_END,
};

static void tell(const struct export *x, bool s2c, const char *note)
{
    char id[FIELDS_ID];
    if (*note)
        cli_error("%s: the %s: %s", fields_id(store_int(rows_row(x->rows), FIELD_ID), id),
                  s2c ? "answer" : "request", note);
}

static void to_stdout(struct export *x)
{
    const char *note;
    for (int s2c = 0; s2c < 2; s2c++) {
        message_write(stdout, x->rows, &x->heads, s2c, &note);
        tell(x, s2c, note);
    }
}

static bool has_half(const struct export *x, bool s2c)
{
    const struct store_query *q = rows_row(x->rows);
    return store_column_type(q, s2c ? STORE_RES_START_US : STORE_REQ_END_US) != STORE_NULL;
}

static void write_half(struct export *x, const char *path, bool s2c, const char *mode)
{
    const char *note;
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *f = fd < 0 ? NULL : fdopen(fd, mode);
    if (!f) {
        cli_error("%s: %s", path, strerror(errno));
        x->code = CLI_FAILED;
        return;
    }
    message_write(f, x->rows, &x->heads, s2c, &note);
    tell(x, s2c, note);
    if (ferror(f) | fclose(f)) {
        cli_error("%s: cannot write: %s", path, strerror(errno));
        x->code = CLI_FAILED;
    }
}

static void row(struct export *x)
{
    static const char *const sides[2][2] = {{"request.http", "response.http"},
                                            {"client.bin", "server.bin"}};
    const char *dir = options_text(x->o, "out");
    bool by_flow = strcmp(options_text(x->o, "by"), "flow") == 0;
    const struct store_query *q = rows_row(x->rows);
    char path[PATH_MAX], id[FIELDS_ID];
    if (strcmp(dir, "-") == 0) {
        to_stdout(x);
        return;
    }
    bool http = view_eq(store_bytes(q, FIELD_PROTOCOL), VIEW_LIT("http"));
    fields_id(store_int(q, by_flow ? FIELD_FLOW : FIELD_ID), id);
    for (int s2c = 0; s2c < 2 && !x->code; s2c++) {
        if (!has_half(x, s2c))
            continue;
        snprintf(path, sizeof path, "%s/%s%s-%s", dir, by_flow ? "flow-" : "", id,
                 sides[by_flow || !http][s2c]);
        write_half(x, path, s2c, by_flow ? "a" : "w");
    }
}

static int prepare_dir(const char *path)
{
    if (mkdir(path, 0700) == 0)
        return CLI_OK;
    DIR *dir = errno == EEXIST ? opendir(path) : NULL;
    if (!dir) {
        cli_error("%s: %s", path, strerror(errno));
        return CLI_FAILED;
    }
    bool empty = true;
    for (struct dirent *d; (d = readdir(dir)) != NULL;)
        empty = empty && (strcmp(d->d_name, ".") == 0 || strcmp(d->d_name, "..") == 0);
    closedir(dir);
    if (empty)
        return CLI_OK;
    cli_error("%s: it is not empty; --out takes a new or an empty folder", path);
    return CLI_FAILED;
}

static const struct format raw = {.row = row};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    const char *dir = options_text(o, "out");
    struct export x = {.o = o};
    struct selection s = {0};
    bool to_dir = strcmp(dir, "-") != 0;
    if (!to_dir && options_is_set(o, "by"))
        return cli_usage(c, "--by is for --out with a folder, which is not there");
    if (!to_dir)
        x.out = stdout;
    int code = selection_parse(&s, argc, argv);
    code = code || !to_dir ? code : prepare_dir(dir);
    code = code ? code : export_rows(&raw, &x, &s);
    selection_clear(&s);
    return code ? code : cli_result();
}

const struct command command_export_raw = {
    .name = "export raw",
    .sentence = "write the exact bytes of requests and answers",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export raw 'path = /upload' --out bytes/\n"
               "tapedeck export raw --by flow --out flows/ protocol = raw\n"
               "tapedeck export raw 'id = 1099511627833' | less",
    .text = "Files are called ID-request.http and ID-response.http; for conversations that no "
            "decoder names ID-client.bin and ID-server.bin; with --by flow flow-ID-client.bin and "
            "flow-ID-server.bin, the transactions one behind the other. A chunked body is framed "
            "anew, since how it was cut into chunks is not kept.",
    .options = options,
    .run = run,
};
