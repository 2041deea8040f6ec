// show: what the authority is, and whether it can be used.
#include "proto/base/clock.h"
#include "proxy/tls/ca.h"
#include "tools/ca/ca.h"
#include "tools/commands.h"
#include "tools/jsonw.h"

#include <sys/stat.h>

static const struct option_def options[] = {
    CA_OPTION_FOLDER,
    CA_OPTION_CERT,
    {.name = "tls-ca-key",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "The key of an authority of your own (PEM), to see whether it can be used.",
     .programs = CLI_PROGRAM},
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "Print one JSON object.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"tls-ca-dir", CLI_EXCLUDES, "tls-ca-cert"},
    {"tls-ca-key", CLI_NEEDS, "tls-ca-cert"},
    {0},
};

static void print_json(const struct tls_ca *ca, const struct ca_place *at)
{
    struct jsonw w;
    struct ca_facts f;
    char from[CLOCK_TEXT], until[CLOCK_TEXT];
    tls_ca_facts(ca, &f);
    jsonw_init(&w, stdout);
    jsonw_object(&w, NULL);
    jsonw_string(&w, "subject", f.subject);
    jsonw_string(&w, "key", f.key);
    jsonw_string(&w, "sha256", f.fingerprint);
    jsonw_string(&w, "not_before", clock_format(f.not_before_us, from));
    jsonw_string(&w, "not_after", clock_format(f.not_after_us, until));
    jsonw_string(&w, "certificate", at->cert);
    jsonw_text(&w, "private_key", *at->key ? view_of(at->key) : (struct view){NULL, 0});
    jsonw_object_end(&w);
    putchar('\n');
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct ca_place at;
    struct tls_ca *ca;
    struct stat st;
    if (argc > 0)
        return cli_usage(c, "takes nothing, not '%s'", argv[0]);
    int code = ca_read(&ca, o, true);
    code = code ? code : ca_place(o, &at);
    if (code == CLI_OK && *at.key && stat(at.key, &st) == 0 && (st.st_mode & 077))
        cli_error("warning: %s: group or others have access to the key, as it has mode %04o",
                  at.key, (unsigned)(st.st_mode & 07777));
    if (code == CLI_OK && options_flag(o, "json"))
        print_json(ca, &at);
    else if (code == CLI_OK)
        ca_print(ca, &at);
    tls_ca_free(ca);
    return code;
}

const struct command command_ca_show = {
    .name = "ca show",
    .sentence = "print what the certificate authority is",
    .operands = "",
    .example = "tapedeck ca show\n"
               "tapedeck ca show --tls-ca-cert my-ca.pem --tls-ca-key my-ca.key\n"
               "tapedeck ca show --json | jq -r .certificate",
    .text = "The files are read and judged as the proxy does it: one that it would refuse is "
            "refused here, with the reason; one of which it would warn is warned of.",
    .options = options,
    .rules = rules,
    .run = run,
};
