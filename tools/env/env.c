// env: prints the settings by which programs find a sidecar that runs elsewhere, or will.
#include "proto/base/addr.h"
#include "tools/ca/ca.h"
#include "tools/commands.h"
#include "tools/env/print.h"
#include "tools/env/trust.h"
#include "tools/quote.h"
#include "tools/run/ready.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>

#define PLANNED "127.0.0.1:4140" // proxy-out-port and out-bind, as they are unless told otherwise

static const struct option_def options[] = {
    {.name = "format",
     .type = OPT_CHOICE,
     .initial = "sh",
     .choices = PRINT_FORMATS,
     .unit = "FORM",
     .sentence = "Lines for a shell, a part of a compose file or of a pod's container, or JSON.",
     .programs = CLI_PROGRAM},
    {.name = "proxy",
     .type = OPT_TEXT,
     .max = HOSTPORT_TEXT,
     .unit = "URL",
     .sentence = "The sidecar's outbound HTTP listener; without it and --ready-file http://" PLANNED
                 ", but for compose, where that is the program's own container.",
     .programs = CLI_PROGRAM},
    {.name = "ready-file",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Take the outbound listener of a running sidecar from its ready file.",
     .programs = CLI_PROGRAM},
    {.name = "no-proxy",
     .type = OPT_TEXT,
     .unit = "HOSTS",
     .sentence = "Hosts that are asked directly and so are not recorded, comma-separated; none "
                 "without it, not even localhost.",
     .programs = CLI_PROGRAM},
    {.name = "trust-dir",
     .type = OPT_TEXT,
     .unit = "DIR",
     .sentence = "Write the files of trusted authorities into DIR, which is made if it must be, "
                 "and print the variables that name them; without it TLS is left as it is.",
     .programs = CLI_PROGRAM},
    {.name = "trust-path",
     .type = OPT_TEXT,
     .unit = "DIR",
     .sentence = "Where the program will see that folder, say in its container: a path from the "
                 "root.",
     .programs = CLI_PROGRAM},
    {.name = "no-java",
     .type = OPT_FLAG,
     .sentence = "Make no trust store for Java, whose first connection to each TLS host then "
                 "fails.",
     .programs = CLI_PROGRAM},
    CA_OPTION_FOLDER,
    CA_OPTION_CERT,
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"proxy", CLI_EXCLUDES, "ready-file"},
    {"trust-path", CLI_NEEDS, "trust-dir"},
    {"no-java", CLI_NEEDS, "trust-dir"},
    {"tls-ca-dir", CLI_NEEDS, "trust-dir"},
    {"tls-ca-cert", CLI_NEEDS, "trust-dir"},
    {"tls-ca-dir", CLI_EXCLUDES, "tls-ca-cert"},
    {0},
};

static int from_url(const struct command *c, const char *text, struct hostport *out)
{
    struct view v = view_of(text);
    if (view_istarts(v, VIEW_LIT("http://")))
        v = view_from(v, 7);
    if (v.n > 0 && v.p[v.n - 1] == '/')
        v.n--;
    if (hostport_parse(out, v, 0) == 0 && out->port)
        return CLI_OK;
    return cli_usage(c, "--proxy: '%s' is not http://HOST:PORT", text);
}

static int from_ready_file(const char *path, struct hostport *out)
{
    json_t *all = ready_load(path);
    bool there = ready_address(all, "out", out);
    if (!there)
        cli_error(all ? "%s: that sidecar has no outbound listener"
                      : "%s: it is no ready file, or cannot be read",
                  path);
    json_decref(all);
    return there ? CLI_OK : CLI_FAILED;
}

static int find_proxy(const struct command *c, const struct options *o, struct hostport *out)
{
    if (options_text(o, "ready-file"))
        return from_ready_file(options_text(o, "ready-file"), out);
    const char *given = options_text(o, "proxy");
    if (!given && strcmp(options_text(o, "format"), "compose") == 0)
        return cli_usage(c, "--format compose: in a container 127.0.0.1 is itself; --proxy names "
                            "the sidecar");
    return from_url(c, given ? given : PLANNED, out);
}

static int make_trust(const struct options *o, struct trust *t)
{
    const char *folder = options_text(o, "trust-dir"), *seen = options_text(o, "trust-path");
    char word[4 * PATH_MAX];
    if (mkdir(folder, 0755) != 0 && errno != EEXIST) {
        cli_error("%s: %s", folder, strerror(errno));
        return CLI_FAILED;
    }
    char *real = realpath(folder, NULL);
    const char *at = real ? real : folder;
    int code = trust_write(t, at, seen ? seen : at, o, !options_flag(o, "no-java"), 0644);
    if (code == CLI_OK && *t->upstream)
        cli_error("your variables name authorities of their own, which the sidecar has to know as "
                  "well: --upstream-ca=%s",
                  quote_word(t->upstream, word, sizeof word));
    free(real);
    return code;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct hostport proxy;
    struct trust t = {.roots = ""};
    struct vars v = {.n = 0};
    if (argc > 0)
        return cli_usage(c, "takes no operand, not '%s'", argv[0]);
    const char *seen = options_text(o, "trust-path");
    if (seen && *seen != '/')
        return cli_usage(c, "--trust-path: '%s' does not begin with /", seen);
    int code = find_proxy(c, o, &proxy);
    if (!code && options_text(o, "trust-dir"))
        code = make_trust(o, &t);
    if (code)
        return code;
    const char *direct = options_text(o, "no-proxy");
    struct vars_facts f = {
        .proxy = &proxy,
        .direct = direct ? direct : "",
        .roots = *t.roots ? t.roots : NULL,
        .ca = *t.ca ? t.ca : NULL,
        .wgetrc = *t.wgetrc ? t.wgetrc : NULL,
        .java = *t.java ? t.java : NULL,
    };
    int e = vars_make(&v, &f);
    if (e == 0)
        print_vars(stdout, options_text(o, "format"), &v);
    else
        cli_error("%s", err_text(e));
    vars_clear(&v);
    return e ? CLI_FAILED : CLI_OK;
}

const struct command command_env = {
    .name = "env",
    .sentence = "print the variables by which programs find the sidecar",
    .operands = "",
    .example = "eval \"$(tapedeck env --proxy http://127.0.0.1:4140)\"\n"
               "tapedeck env --trust-dir trust > settings.sh\n"
               "tapedeck env --format compose --proxy http://tapedeck:4140 --trust-dir trust "
               "--trust-path /trust\n"
               "tapedeck env --format pod\n"
               "tapedeck env --format json | jq -r .HTTP_PROXY",
    .text = "tapedeck record sets these variables for the program that it runs. Here they are for "
            "one that is started otherwise, beside a sidecar of tapedeck run whose outbound "
            "listener speaks HTTP (--proxy-protocol http or tcp:http).\n"
            "NO_PROXY is empty, so that what a program says to localhost is recorded as well; Go "
            "and Ruby never ask a proxy for a loopback address, whatever it says. ALL_PROXY has "
            "curl ask it for ftp:// as well, which it does not speak: the answer is a 501.\n"
            "Those of TLS need --trust-dir. They are for a sidecar that decrypts: the folder gets "
            "roots.pem, the system's roots and our authority, ca.pem, our authority, for those "
            "that add it to their roots, wgetrc, which tells wget of them, and cacerts, where "
            "there is Java, its own store and our authority. What the variables name already is "
            "taken along, and stands in upstream.pem for the sidecar's --upstream-ca; what "
            "programs' own files name (git's http.sslCAInfo, pip's cert, aws's ca_bundle, wget's "
            "ca_certificate) is not: name it by the variable. In a compose file and a pod the "
            "folder must be mounted at --trust-path; the variables of here are not looked at "
            "then.\n"
            "The variables, and who reads them:",
    .list = vars_help,
    .options = options,
    .rules = rules,
    .run = run,
};
