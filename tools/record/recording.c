// recording: `tapedeck record`: a sidecar of its own for one command (launch.h).
#include "tools/ca/ca.h"
#include "tools/commands.h"
#include "tools/record/advice.h"
#include "tools/record/launch.h"
#include "tools/record/result.h"

#include <stdlib.h>

static const struct option_def options[] = {
    {.name = "capture",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "The capture, a new file; without it capture-YYYYMMDD-HHMMSSZ.db, in UTC.",
     .programs = CLI_PROGRAM},
    {.name = "app-port",
     .type = OPT_NUMBER,
     .min = 1,
     .max = 65535,
     .unit = "PORT",
     .sentence = "Record what comes in as well: COMMAND listens on PORT of localhost, and its "
                 "clients are sent to --in-port.",
     .programs = CLI_PROGRAM},
    {.name = "in-port",
     .type = OPT_NUMBER,
     .initial = "0",
     .max = 65535,
     .unit = "PORT",
     .sentence = "The port that stands before --app-port; 0 takes any free one, which is told.",
     .programs = CLI_PROGRAM},
    {.name = "in-bind",
     .type = OPT_TEXT,
     .initial = "127.0.0.1",
     .max = 64,
     .unit = "ADDR",
     .sentence = "Its address; * is every address, IPv6 and IPv4.",
     .programs = CLI_PROGRAM},
    {.name = "no-tls",
     .type = OPT_FLAG,
     .sentence = "Leave TLS as it is: names and sizes of it are recorded, no content.",
     .programs = CLI_PROGRAM},
    CA_OPTION_FOLDER,
    CA_OPTION_CERT,
    {.name = "tls-ca-key",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Its key (PEM).",
     .programs = CLI_PROGRAM},
    {.name = "no-java",
     .type = OPT_FLAG,
     .sentence = "Make no trust store for Java, which takes keytool a second, once; Java does not "
                 "trust our authority then.",
     .programs = CLI_PROGRAM},
    {.name = "no-proxy",
     .type = OPT_TEXT,
     .unit = "HOSTS",
     .sentence = "Hosts that are asked directly and so are not recorded, comma-separated; none "
                 "without it, not even localhost.",
     .programs = CLI_PROGRAM},
    {.name = "sidecar",
     .type = OPT_TEXT,
     .unit = "OPTION=VALUE",
     .flags = OPT_REPEATS,
     .sentence = "An option of tapedeck run for the sidecar, such as max-body=1MiB.",
     .programs = CLI_PROGRAM},
    {.name = "log",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "Keep the sidecar's log, at the end of FILE.",
     .programs = CLI_PROGRAM},
    {.name = "quiet",
     .type = OPT_FLAG,
     .sentence = "Say nothing at the end, unless something is wrong.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"in-port", CLI_NEEDS, "app-port"},
    {"in-bind", CLI_NEEDS, "app-port"},
    {"no-tls", CLI_EXCLUDES, "tls-ca-dir"},
    {"no-tls", CLI_EXCLUDES, "tls-ca-cert"},
    {"tls-ca-key", CLI_NEEDS, "tls-ca-cert"},
    {"tls-ca-cert", CLI_NEEDS, "tls-ca-key"},
    {"tls-ca-dir", CLI_EXCLUDES, "tls-ca-cert"},
    {"no-tls", CLI_EXCLUDES, "no-java"},
    {0},
};

// Options of the sidecar that follow from ours.
static const char *const own[] = {"proxy-type",    "proxy-protocol", "proxy-host",   "proxy-port",
                                  "proxy-in-port", "proxy-out-port", "in-bind",      "out-bind",
                                  "capture",       "ready-file",     "tls-out",      "tls-ca-dir",
                                  "tls-ca-cert",   "tls-ca-key",     "dump-options", "help",
                                  "version"};

// The options of tapedeck run.
static int add_given(const struct command *c, struct launch *l)
{
    for (size_t i = 0; i < options_count(l->o, "sidecar"); i++) {
        const char *text = options_nth(l->o, "sidecar", i);
        size_t n = strcspn(text, "=");
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            if (strlen(own[k]) == n && strncmp(own[k], text, n) == 0)
                return cli_usage(c, "--sidecar: %s follows from the options of record", own[k]);
        if (text[0] == '-' || !text[n])
            return cli_usage(c, "--sidecar: '%s' is not OPTION=VALUE", text);
        if (child_arg(&l->line, "--%s", text) != 0)
            return cli_usage(c, "--sidecar: too many");
    }
    return CLI_OK;
}

// All of them where one is given: the environment may name another authority.
static int add_tls(struct launch *l)
{
    static const char *const names[] = {"tls-ca-dir", "tls-ca-cert", "tls-ca-key"};
    const size_t n = sizeof names / sizeof *names;
    bool given = false;
    int e = child_arg(&l->line, "--tls-out=%s", l->tls ? "true" : "false");
    for (size_t i = 0; i < n; i++)
        given = given || options_is_set(l->o, names[i]);
    for (size_t i = 0; i < n && given && !e; i++) {
        const char *text = options_text(l->o, names[i]);
        e = child_arg(&l->line, "--%s=%s", names[i], text ? text : "");
    }
    return e;
}

static int make_line(const struct command *c, struct launch *l)
{
    struct child *line = &l->line;
    long long app = options_number(l->o, "app-port");
    int e = 0, code = add_given(c, l);
    l->tls = !options_flag(l->o, "no-tls");
    if (!code &&
        launch_takes_port(app, options_number(l->o, "in-port"), options_text(l->o, "in-bind")))
        code = cli_usage(c, "--in-port: on %lld COMMAND itself listens, says --app-port", app);
    if (code)
        return code;
    e = e ? e : child_arg(line, "--proxy-type=%s", app ? "dual" : "forward");
    e = e ? e : child_arg(line, "--proxy-protocol=%s", app ? "tcp:http" : "http");
    e = e ? e : child_arg(line, "--proxy-out-port=0");
    e = e ? e : child_arg(line, "--out-bind=127.0.0.1");
    e = e ? e : child_arg(line, "--capture=%s", l->capture);
    if (app) {
        e = e ? e : child_arg(line, "--proxy-host=localhost");
        e = e ? e : child_arg(line, "--proxy-port=%lld", app);
        e = e ? e : child_arg(line, "--proxy-in-port=%s", options_text(l->o, "in-port"));
        e = e ? e : child_arg(line, "--in-bind=%s", options_text(l->o, "in-bind"));
    }
    e = e ? e : add_tls(l);
    if (e)
        cli_error("the sidecar's options: %s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

static int tell(const struct launch *l, int code)
{
    struct result result;
    char in[HOSTPORT_TEXT];
    if (result_read(&result, l->capture) != CLI_OK) {
        result_clear(&result);
        return code;
    }
    if (l->beside.in.port && result.inbound == 0)
        cli_error("warning: nobody asked %s", hostport_text(&l->beside.in, in));
    if (result.flows == 0 && result.deaths == 0) {
        cli_error("warning: nothing came through: %s", advice_for(l->argv[0], l->program));
        cli_error("tapedeck env --help tells who reads which variable; the capture, %s, is empty",
                  l->capture);
    } else if (!options_flag(l->o, "quiet")) {
        result_tell(&result, l->capture);
    }
    result_tell_lost(&result, l->capture);
    if (result.refused)
        cli_error("warning: our certificate was refused %lld time%s: tapedeck env --help tells who "
                  "reads which variable, and --no-tls leaves TLS as it is",
                  (long long)result.refused, result.refused == 1 ? "" : "s");
    result_clear(&result);
    return code;
}

static const struct launch_kind kind = {&sidecar_proxy, "capture", make_line, tell};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    if (argc == 0)
        return cli_usage(c, "what is to be recorded? COMMAND stands behind --");
    struct launch *l = calloc(1, sizeof *l);
    if (!l) {
        cli_error("out of memory");
        return WORKLOAD_FAILED;
    }
    l->kind = &kind;
    l->o = o;
    int code = launch_run(l, c, argv);
    free(l);
    return code;
}

const struct command command_record = {
    .name = "record",
    .sentence = "run a command, and record what it says and hears",
    .operands = "-- COMMAND [ARGUMENT…]",
    .example = "tapedeck record -- curl http://localhost:8080/hello.json\n"
               "tapedeck record --capture tests.db -- python3 -m pytest\n"
               "tapedeck record --app-port 8080 --in-port 8000 -- ./server --port 8080",
    .text = "A sidecar is started for COMMAND alone, on free ports of this machine and with a "
            "capture of its own, and COMMAND gets the variables by which runtimes find a proxy, "
            "and trust it (tapedeck env --help lists them). NO_PROXY is emptied, so that what "
            "COMMAND says to localhost is recorded as well; --no-proxy names exceptions.\n"
            "Standard input, output and error are COMMAND's. What we say goes to stderr, when "
            "COMMAND has ended. SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2 and SIGWINCH "
            "that we get are passed on, those of the keyboard reach COMMAND by themselves; when it "
            "has ended, another Ctrl-C cuts connections that are still open. Who signals the whole "
            "process group reaches COMMAND twice, by itself and by us: let it be us alone, in a "
            "unit of systemd by KillMode=mixed.\n"
            "With --app-port what comes in is recorded, too: COMMAND listens where it always "
            "does, and its clients are sent to --in-port, where the sidecar stands before it.\n"
            "Exit code: that of COMMAND, or 128 and the number of the signal that ended it. 125: "
            "it was not run, as the sidecar could not be started. 126: it cannot be executed. 127: "
            "there is none of that name. 2: an option of ours is wrong. What was lost, or could "
            "not be recorded, is told, and changes no exit code.",
    .options = options,
    .rules = rules,
    .failed = WORKLOAD_FAILED,
    .launches = true,
    .run = run,
};
