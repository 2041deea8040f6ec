// init: makes the authority, or tells which one is there already.
#include "proxy/tls/ca.h"
#include "tools/ca/ca.h"
#include "tools/ca/dumps.h"
#include "tools/commands.h"

#include <unistd.h>

static const struct option_def options[] = {CA_OPTION_FOLDER, CLI_OPTIONS_END};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    char folder[PATH_MAX], why[WHY_MAX];
    struct ca_place at;
    struct tls_ca *ca;
    struct dumps was;
    if (argc > 0)
        return cli_usage(c, "takes nothing, not '%s'", argv[0]);
    int code = ca_folder(o, folder);
    code = code ? code : ca_place(o, &at);
    if (code)
        return code;
    dumps_forbid(&was);
    bool there = access(at.cert, F_OK) == 0;
    if (tls_ca_open(&ca, folder, true, 0, why) != 0) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    code = ca_place(o, &at); // the folder is there now
    if (code == CLI_OK) {
        printf("%s\n", there ? "It is there already." : "A certificate authority was made.");
        ca_print(ca, &at);
        printf("\ntapedeck ca install-hints tells how to let it be trusted.\n");
    }
    tls_ca_free(ca);
    return code;
}

const struct command command_ca_init = {
    .name = "ca init",
    .sentence = "make the certificate authority, where there is none",
    .operands = "",
    .example = "tapedeck ca init\n"
               "tapedeck ca init --tls-ca-dir ./ca",
    .text = "Two files are made, each once and for good: " CA_CERT_NAME " and " CA_KEY_NAME
            ", which only you can read. An authority that is there already stays as it is. For a "
            "new one, remove both files; what trusts the old one does not trust the new one.",
    .options = options,
    .run = run,
};
