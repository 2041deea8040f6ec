// mock: `tapedeck mock`: a proxy that answers out of captures, and a recorder that keeps what was
// asked. Alone it is supervised as a sidecar is (tools/run); with a COMMAND it is made for that,
// and goes with it (tools/record/launch.h).
//
// What is not said follows from the captures (ways.h) or from COMMAND, and is handed down as if
// the command line had said it.
#include "proto/base/log.h"
#include "proto/settings.h"
#include "tools/capture.h"
#include "tools/commands.h"
#include "tools/mock/outcome.h"
#include "tools/mock/ways.h"
#include "tools/record/advice.h"
#include "tools/record/launch.h"
#include "tools/run/new_capture.h"

#include <stdlib.h>
#include <unistd.h>

#define MISSED 4 // exit code, with --fail-on-miss

static const struct cli_rule rules[] = {
    {"no-capture", CLI_EXCLUDES, "capture"},
    {.option = NULL},
};

static bool given(const struct options *o, const char *name)
{
    return options_source(o, name) == OPT_BY_COMMAND;
}

// As if the command line had said it. CLI_OK or CLI_USAGE, told.
static int say(struct options *o, const char *name, const char *value)
{
    char why[WHY_MAX];
    if (options_set(o, name, view_of(value), OPT_BY_COMMAND, NULL, why) == 0)
        return CLI_OK;
    cli_error("%s", why);
    return CLI_USAGE;
}

static int say_unless_given(struct options *o, const char *name, const char *value)
{
    return given(o, name) ? CLI_OK : say(o, name, value);
}

static int say_unless_set(struct options *o, const char *name, const char *value)
{
    return options_is_set(o, name) ? CLI_OK : say(o, name, value);
}

// ---- what both ways have in common

// Beside those of --tape.
static int take_tapes(const struct command *c, struct options *o, int argc, char **argv)
{
    int code = CLI_OK;
    for (int i = 0; i < argc && !code; i++)
        code = say(o, "tape", argv[i]);
    if (!code && options_count(o, "tape") == 0)
        code = cli_usage(c, "which capture is to answer?");
    return code;
}

// Ports that were recorded, and that nobody stands at: the mock cannot know which they are to be.
static void tell_maps(const struct options *o, const struct ways *s)
{
    if (*s->maps && options_count(o, "map") == 0)
        cli_error("note: %s was reached by --map: without --map PORT=HOST:PORT nobody asks for it",
                  s->maps);
}

static int find_ways(const struct options *o, struct ways *s)
{
    size_t n = options_count(o, "tape");
    const char **tapes = calloc(n, sizeof *tapes);
    if (!tapes) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    for (size_t i = 0; i < n; i++)
        tapes[i] = options_nth(o, "tape", i);
    int code = ways_of(s, tapes, n);
    free(tapes);
    if (!code)
        tell_maps(o, s);
    return code;
}

// A mock that recorded into its own tape would answer out of what it answered.
static int keep_off_tapes(const struct options *o, const char *capture)
{
    int code = CLI_OK;
    for (size_t i = 0; i < options_count(o, "tape") && !code; i++) {
        struct capture c;
        code = capture_find(&c, options_nth(o, "tape", i));
        if (!code && capture_has(&c, capture)) {
            cli_error("--capture: %s is a capture that is to answer; the mock needs another",
                      capture);
            code = CLI_USAGE;
        }
        capture_clear(&c);
    }
    return code;
}

static int judge_capture(const struct options *o)
{
    const char *capture = options_text(o, "capture");
    return capture ? keep_off_tapes(o, capture) : CLI_OK;
}

// The exit code, where nothing else is wrong.
static int judge_misses(const struct options *o, const struct mock_tally *t)
{
    return t->misses && options_flag(o, "fail-on-miss") ? MISSED : CLI_OK;
}

// ---- alone

static int take_ways(struct options *o)
{
    struct ways s;
    if (find_ways(o, &s))
        return CLI_USAGE;
    const char *type = options_text(o, "proxy-type"), *protocol = options_text(o, "proxy-protocol");
    if (!type && !s.type) {
        cli_error("the captures' connections came %s%s: say --proxy-type and --proxy-protocol",
                  *s.fronts ? "in ways that are not one: " : "nowhere, as there are none",
                  s.fronts);
        return CLI_USAGE;
    }
    bool same = s.type && (!type || strcmp(type, s.type) == 0);
    int code = type ? CLI_OK : say(o, "proxy-type", s.type);
    if (!code && !protocol)
        code = say(o, "proxy-protocol", same ? s.protocol : "http");
    return code || !s.tls ? code : say_unless_set(o, "tls-out", "true");
}

static int refuse_options_of_command(const struct command *c, const struct options *o)
{
    static const char *const names[] = {"app-port", "no-java", "no-proxy", "log"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (given(o, names[i]))
            return cli_usage(c, "--%s is for COMMAND, which is not there", names[i]);
    return CLI_OK;
}

// name: the capture that was made, or "".
static int take_own_capture(struct options *o, char name[PATH_MAX])
{
    *name = 0;
    if (options_flag(o, "no-capture"))
        return say(o, "sink", "null");
    if (options_text(o, "capture"))
        return CLI_OK;
    int code = new_capture_make(name, NULL, "mock");
    return code ? code : say(o, "capture", name);
}

// Until it is told to stop; with what it did at last.
static int supervise(struct options *o, struct sidecar *x, bool *refused)
{
    char report[PATH_MAX];
    const char *named = options_text(o, "report-file");
    struct mock_tally t;
    supervise_prepare();
    if (sidecar_init(x, &sidecar_mock, o, "mock") != 0)
        return CLI_FAILED;
    snprintf(report, sizeof report, "%s/%s", x->s.dir, BESIDE_REPORT);
    if (child_set_arg(&x->s.proxy, "report-file", named ? named : report) != 0) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    *refused = child_refuses(&x->s.proxy, "--check-options");
    if (*refused)
        return CLI_USAGE;
    int code = supervise_run(&x->s);
    *refused = code == CLI_USAGE;
    if (outcome_tell(named ? named : report, options_flag(o, "quiet"), &t))
        code = code ? code : judge_misses(o, &t);
    if (!named)
        unlink(report);
    return code;
}

static int run_alone(const struct command *c, struct options *o)
{
    struct sidecar x = {0};
    char capture[PATH_MAX] = "";
    bool refused = true;
    int code = refuse_options_of_command(c, o);
    code = code ? code : take_ways(o);
    code = code ? code : say_unless_set(o, "user", "0");
    if (code || options_flag(o, "dump-options"))
        return code ? code : options_dump(o, stdout) ? CLI_FAILED : CLI_OK;
    code = take_own_capture(o, capture);
    if (!code) {
        log_init("tapedeck");
        sidecar_take_log_level(o);
        code = supervise(o, &x, &refused);
        sidecar_clear(&x);
    }
    if (refused)
        new_capture_forget(capture);
    else if (*capture && !options_flag(o, "quiet"))
        cli_error("to look at it: tapedeck ls %s", capture);
    return code;
}

// ---- with a command

// The mock's options, as COMMAND needs them.
static int say_for_command(const struct command *c, struct options *o, const struct launch *l)
{
    char app[16], report[PATH_MAX + 16];
    const bool has_app = options_is_set(o, "app-port");
    snprintf(app, sizeof app, "%lld", (long long)options_number(o, "app-port"));
    snprintf(report, sizeof report, "%s/%s", l->folder, BESIDE_REPORT);
    int code = say(o, "proxy-type", has_app ? "dual" : "forward");
    code = code ? code : say(o, "proxy-protocol", has_app ? "tcp:http" : "http");
    code = code ? code : say_unless_given(o, "proxy-out-port", "0");
    code = code ? code : say_unless_given(o, "out-bind", "127.0.0.1");
    if (has_app) {
        code = code ? code : say(o, "proxy-host", "localhost");
        code = code ? code : say(o, "proxy-port", app);
        code = code ? code : say_unless_given(o, "proxy-in-port", "0");
        code = code ? code : say_unless_given(o, "in-bind", "127.0.0.1");
        code = code ? code : say_unless_given(o, "answers", "outbound");
    }
    code = code ? code : say_unless_given(o, "tls-out", "true");
    code = code ? code : say_unless_set(o, "user", "0");
    code = code ? code : say_unless_given(o, "report-file", report);
    code = code ? code : l->no_capture ? say(o, "sink", "null") : say(o, "capture", l->capture);
    if (!code && launch_takes_port(options_number(o, "app-port"),
                                   options_number(o, "proxy-in-port"), options_text(o, "in-bind")))
        code = cli_usage(c, "--proxy-in-port: on %s COMMAND itself listens, says --app-port", app);
    return code;
}

static int make_line(const struct command *c, struct launch *l)
{
    struct options *o = l->arg; // those of l->o, to be added to
    struct ways s;
    int code = find_ways(o, &s) ? CLI_USAGE : say_for_command(c, o, l);
    l->tls = options_flag(o, "tls-out");
    if (!code && sidecar_hand_down(&l->line, o, FOR_MOCK_RUN) != 0) {
        cli_error("the mock's options: too many, or out of memory");
        code = CLI_FAILED;
    }
    return code;
}

static int tell(const struct launch *l, int code)
{
    struct mock_tally t;
    const bool quiet = options_flag(l->o, "quiet");
    if (!outcome_tell(options_text(l->o, "report-file"), quiet, &t))
        return code;
    if (t.hits + t.misses + t.passed == 0)
        cli_error("warning: nothing was asked: %s", advice_for(l->argv[0], l->program));
    if (!quiet && !l->no_capture)
        cli_error("to look at it: tapedeck ls %s", l->capture);
    return code ? code : judge_misses(l->o, &t);
}

static int run_command(const struct command *c, struct options *o, char **argv)
{
    static const struct launch_kind kind = {&sidecar_mock, "mock", make_line, tell};
    static const char *const ours[] = {"proxy-type", "proxy-protocol", "proxy-host", "proxy-port"};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        if (given(o, ours[i]))
            return cli_usage(c, "--%s follows from --app-port, where there is a COMMAND", ours[i]);
    struct launch *l = calloc(1, sizeof *l);
    if (!l) {
        cli_error("out of memory");
        return WORKLOAD_FAILED;
    }
    l->kind = &kind;
    l->o = l->arg = o;
    l->no_capture = options_flag(o, "no-capture");
    int code = launch_run(l, c, argv);
    free(l);
    return code;
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    int behind = cli_behind() < argc ? cli_behind() : argc, tapes = argc - behind;
    int code = take_tapes(c, o, tapes, argv);
    code = code ? code : judge_capture(o);
    if (code)
        return code;
    return behind ? run_command(c, o, argv + tapes) : run_alone(c, o);
}

const struct command command_mock = {
    .name = "mock",
    .sentence = "answer out of captures in place of the servers",
    .operands = "CAPTURE… [-- COMMAND [ARGUMENT…]]",
    .example = "tapedeck mock capture.db --proxy-out-port 4140\n"
               "tapedeck mock capture.db --faults faults.yaml --timing recorded\n"
               "tapedeck mock capture.db -- curl http://api.example/orders\n"
               "tapedeck mock capture.db --app-port 8080 --proxy-in-port 8000 --fail-on-miss -- "
               "./server --port 8080",
    .text =
        "Each request is answered by the recorded answer of an equal one: the same host, method, "
        "path, query, content, and headers where --match-header names them; JSON and forms are "
        "compared by value. What may differ is said by --match-rules. The third equal request gets "
        "the third recorded answer.\n"
        "A request without a recorded answer is a miss: HTTP is answered 502 with a document that "
        "names the nearest recorded requests, what differs, and the rule that would accept it; "
        "--on-miss has other ways. tapedeck mock-report sums up what was missed, and why.\n"
        "What the mock does is recorded in a capture of its own, with the recorded transaction "
        "that answered (original) and how (outcome: hit, miss, passthrough, fault=…).\n"
        "Without COMMAND it runs until it is told to end, and clients reach it as they reached the "
        "proxy that recorded. With COMMAND it stands beside that alone, on free ports, as tapedeck "
        "record does: COMMAND gets the variables by which runtimes find a proxy, and trust it; "
        "with --app-port its own clients reach it through --proxy-in-port. Its proxy is the "
        "program tapedeck-mock, which can be started by itself, too.\n"
        "A header Tapedeck-Prefer of a request chooses its answer: original=1.42 or status=503.\n"
        "Exit code 0: it ended as told. 1: it failed. 2: an option or a capture is wrong. 3: it "
        "ended as told, but records are lost. 4: with --fail-on-miss, a request was missed. With "
        "COMMAND: that of COMMAND, where it is not 0, and 125, 126, 127 as tapedeck record has "
        "them.",
    .options = settings_table,
    .rules = rules,
    .program = FOR_MOCK_RUN,
    .configured = true,
    .launches = true,
    .run = run,
};
