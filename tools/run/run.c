// run: `tapedeck run`: the sidecar: a recorder and a proxy as supervised children, which meet at a
// private socket (sidecar.h).
#include "proto/base/log.h"
#include "proto/settings.h"
#include "tools/cli.h"
#include "tools/run/ready.h"
#include "tools/run/sidecar.h"

#include <sys/stat.h>
#include <unistd.h>

// Removes a ready file of an earlier life, which must not be taken for ours, or ours; nothing else.
static void forget_ready_file(const char *path)
{
    struct stat st;
    if (!path || lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
        return;
    json_t *all = ready_load(path);
    if (json_is_integer(json_object_get(all, "supervisor")))
        unlink(path);
    json_decref(all);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)c;
    if (argc > 0) {
        fprintf(stderr, "tapedeck run: takes options only, not '%s'\n", argv[0]);
        return CLI_USAGE;
    }
    if (options_flag(o, "dump-options"))
        return options_dump(o, stdout) ? CLI_FAILED : CLI_OK;
    log_init("tapedeck");
    sidecar_take_log_level(o);

    struct sidecar x;
    const char *ready_file = options_text(o, "ready-file");
    forget_ready_file(ready_file);
    supervise_prepare();
    int code = CLI_FAILED;
    if (sidecar_init(&x, &sidecar_proxy, o, "run") == 0)
        // the recorder must not make a capture when the proxy will not have it so
        code = child_refuses(&x.s.proxy, "--check-options") ? CLI_USAGE : supervise_run(&x.s);
    forget_ready_file(ready_file);
    sidecar_clear(&x);
    return code;
}

const struct command command_run = {
    .name = "run",
    .sentence = "run the sidecar: a proxy that records into a capture",
    .operands = "",
    .example = "tapedeck run --proxy-type dual --proxy-protocol tcp:http --proxy-port 8080\n"
               "tapedeck run --proxy-type forward --proxy-protocol socks --capture day.db",
    .text = "Exit code 0: it ended as told, and every record is in the capture or waits in "
            "--spool-dir; what became no record, with the journal full, say, the capture declares "
            "as lost (tapedeck verify). 1: it failed. 2: an option is wrong, or the capture's path "
            "cannot be one. 3: it ended as told, but records are lost: the recorder did not take "
            "them, and without --spool-dir nobody keeps them.",
    .options = settings_table,
    .program = FOR_RUN,
    .configured = true,
    .run = run,
};
