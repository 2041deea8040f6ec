// replay: `tapedeck replay`: what a capture holds, sent again to another place: plan, targets,
// schedule, run, report.
#include "proto/base/log.h"
#include "proto/base/units.h"
#include "proto/base/whole_file.h"
#include "proxy/emit/redact.h"
#include "proxy/tls/context.h"
#include "proxy/tls/trust.h"
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/correlate/correlate.h"
#include "tools/fields.h"
#include "tools/progress.h"
#include "tools/replay/drive.h"
#include "tools/replay/redaction.h"
#include "tools/report/report.h"
#include "tools/selection.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#define SETTINGS_TEXT_MAX (256u << 10) // bytes of our options as JSON

static const struct option_def options[] = {
    {.name = "target",
     .type = OPT_TEXT,
     .unit = "URL",
     .flags = OPT_REPEATS,
     .sentence = "Where requests go: [http[s]://][HOST][:PORT][/PATH], of which what is left out "
                 "stays as recorded; NAME=URL for those that went to the recorded host NAME, or "
                 "HOST:PORT. What no target is for is left out.",
     .programs = CLI_PROGRAM},
    {.name = "direction",
     .type = OPT_CHOICE,
     .choices = "inbound|outbound",
     .unit = "WHICH",
     .sentence = "Send what came to the workload, or what went out of it; without it what came, "
                 "unless there is none.",
     .programs = CLI_PROGRAM},
    {.name = "keep-host",
     .type = OPT_FLAG,
     .sentence = "Keep the header Host, and the name that TLS asks for, as recorded.",
     .programs = CLI_PROGRAM},
    {.name = "speed",
     .type = OPT_TEXT,
     .initial = "1",
     .unit = "FACTOR",
     .sentence = "Of the recorded times: 2 is twice as fast; max: each as soon as the one before "
                 "it on its connection is answered.",
     .programs = CLI_PROGRAM},
    {.name = "connections",
     .type = OPT_TEXT,
     .initial = "recorded",
     .unit = "HOW",
     .sentence = "recorded: each recorded connection is one again, and a request whose connection "
                 "is busy goes late, which is told; NUMBER: so many for each target, any request "
                 "on any of them.",
     .programs = CLI_PROGRAM},
    {.name = "rate",
     .type = OPT_TEXT,
     .unit = "RATE",
     .sentence = "Send evenly, in the recorded order: 100, 100/s, 5/m.",
     .programs = CLI_PROGRAM},
    {.name = "stages",
     .type = OPT_TEXT,
     .unit = "STAGES",
     .sentence = "Rates one after the other, 10s@100,1m@1000; the recording is begun anew as often "
                 "as it takes.",
     .programs = CLI_PROGRAM},
    {.name = "vus",
     .type = OPT_NUMBER,
     .min = 1,
     .max = DRIVE_CONNECTIONS_MAX,
     .unit = "NUMBER",
     .sentence = "Virtual users: each plays one recorded connection after the other, waiting for "
                 "each answer, with the recorded pauses at --speed.",
     .programs = CLI_PROGRAM},
    {.name = "times",
     .type = OPT_NUMBER,
     .min = 1,
     .max = 1000000000,
     .unit = "NUMBER",
     .sentence = "Rounds through the recording; without it one, or as many as --for or --stages "
                 "take.",
     .programs = CLI_PROGRAM},
    {.name = "for",
     .type = OPT_DURATION,
     .min = 1,
     .unit = "TIME",
     .sentence = "Begin no request after this time.",
     .programs = CLI_PROGRAM},
    {.name = "timeout",
     .type = OPT_DURATION,
     .initial = "30s",
     .unit = "TIME",
     .sentence = "How long nothing may come while an answer is waited for; 0 for without end.",
     .programs = CLI_PROGRAM},
    {.name = "answer-timeout",
     .type = OPT_DURATION,
     .initial = "5m",
     .unit = "TIME",
     .sentence = "How long an answer may take as a whole, beyond what the recorded one took; 0 for "
                 "without end.",
     .programs = CLI_PROGRAM},
    {.name = "connect-timeout",
     .type = OPT_DURATION,
     .initial = "5s",
     .min = 1000,
     .unit = "TIME",
     .sentence = "How long a connection, with its TLS, may take to open.",
     .programs = CLI_PROGRAM},
    {.name = "rules",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "What may differ in answers, in YAML; see tapedeck help rules.",
     .programs = CLI_PROGRAM},
    {.name = "rewrite",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "How requests are changed before they go, in YAML; see tapedeck help rewriting.",
     .programs = CLI_PROGRAM},
    {.name = "no-correlate",
     .type = OPT_FLAG,
     .sentence = "Send tokens, ids and cookies that answers issued as they were recorded, and not "
                 "those that the answers of this run issue; see tapedeck correlate.",
     .programs = CLI_PROGRAM},
    {.name = "capture",
     .type = OPT_TEXT,
     .unit = "FILE",
     .sentence = "The capture of the replay, a new file; without it replay-YYYYMMDD-HHMMSSZ.db, in "
                 "UTC.",
     .programs = CLI_PROGRAM},
    {.name = "no-capture",
     .type = OPT_FLAG,
     .sentence = "Make no capture of the replay.",
     .programs = CLI_PROGRAM},
    {.name = "max-body",
     .type = OPT_SIZE,
     .initial = "64MiB",
     .unit = "SIZE",
     .sentence = "Bytes of one message's body that the capture keeps, 0 for all of it; length and "
                 "digest are always those of the whole body.",
     .programs = CLI_PROGRAM},
    {.name = "redact",
     .type = OPT_TEXT,
     .unit = "RULES",
     .sentence = "What is replaced in the replay's capture, as of tapedeck run; without it what "
                 "was replaced in the recording.",
     .programs = CLI_PROGRAM},
    {.name = "memory",
     .type = OPT_SIZE,
     .initial = "256MiB",
     .min = 16 << 20,
     .max = INT64_C(1) << 40,
     .unit = "SIZE",
     .sentence = "Memory for what was read of the capture and for answers that are compared; a "
                 "larger answer is compared by its digest.",
     .programs = CLI_PROGRAM},
    {.name = "upstream-verify",
     .type = OPT_CHOICE,
     .initial = "strict",
     .choices = "off|warn|strict",
     .unit = "HOW",
     .sentence = "What the certificate of a target must stand: the system's authorities and "
                 "--upstream-ca have signed it for its name (strict); the same, but a fault is "
                 "only recorded (warn); nothing (off).",
     .programs = CLI_PROGRAM},
    {.name = "upstream-ca",
     .type = OPT_TEXT,
     .unit = "PATH",
     .flags = OPT_REPEATS,
     .sentence = "PEM file or hashed folder of authorities that targets may have beside the "
                 "system's.",
     .programs = CLI_PROGRAM},
    {.name = "quiet",
     .type = OPT_FLAG,
     .sentence = "Show no progress, and say nothing beside the report unless something is wrong.",
     .programs = CLI_PROGRAM},
    BODY_MAX_DECODED,
    REPORT_OPTIONS,
    CLI_OPTIONS_END,
};

static const struct cli_rule option_rules[] = {
    {"rate", CLI_EXCLUDES, "speed"},
    {"rate", CLI_EXCLUDES, "stages"},
    {"stages", CLI_EXCLUDES, "speed"},
    {"vus", CLI_EXCLUDES, "rate"},
    {"vus", CLI_EXCLUDES, "stages"},
    {"vus", CLI_EXCLUDES, "connections"},
    {"no-capture", CLI_EXCLUDES, "capture"},
    {"no-capture", CLI_EXCLUDES, "max-body"},
    {.option = NULL},
};

struct replay {
    const struct command *c;
    const struct options *o;
    struct selection selection;
    struct plan plan;
    struct targets targets;
    struct drive_conf conf;
    struct rules rules;
    struct rewrite *rewrite;
    struct correlate *edges;
    struct tls_trust *trust;
    struct tls_context *tls;
    struct buf settings;
    struct buf redact; // rules of the recording
    struct report *report;
};

// ---- options

static int bad_value(const struct replay *r, const char *option, const char *why)
{
    return cli_usage(r->c, "--%s: %s", option, why);
}

static int take_schedule(struct replay *r)
{
    const struct options *o = r->o;
    struct drive_conf *c = &r->conf;
    char why[WHY_MAX];
    const char *name = options_text(o, "rate")     ? "rate"
                       : options_text(o, "stages") ? "stages"
                                                   : "speed";
    struct view text = view_of(options_text(o, name));
    int e = name[0] == 'r'   ? schedule_rate(&c->schedule, text, why)
            : name[1] == 't' ? schedule_stages(&c->schedule, text, why)
                             : schedule_speed(&c->schedule, text, why);
    if (e)
        return bad_value(r, name, why);
    const char *connections = options_text(o, "connections");
    uint64_t n = 0;
    if (strcmp(connections, "recorded") != 0) {
        if (view_number(view_of(connections), 10, DRIVE_CONNECTIONS_MAX, &n) || n == 0) {
            snprintf(why, sizeof why, "'%.40s' is neither recorded nor a number of 1 to %d",
                     connections, DRIVE_CONNECTIONS_MAX);
            return bad_value(r, "connections", why);
        }
        c->connections = (unsigned)n;
    }
    c->users = (unsigned)options_number(o, "vus");
    c->for_us = options_number(o, "for");
    c->times = (uint32_t)options_number(o, "times");
    if (c->times == 0 && c->for_us == 0 && strcmp(name, "stages") != 0)
        c->times = 1;
    return CLI_OK;
}

static int read_rules(struct replay *r)
{
    const char *path = options_text(r->o, "rules");
    char why[WHY_MAX];
    struct buf text;
    if (!path)
        return CLI_OK;
    buf_init(&text, RULES_TEXT_MAX);
    int e = whole_file_read(path, RULES_TEXT_MAX, &text, why);
    e = e ? e : rules_parse(&r->rules, path, buf_view(&text), why);
    buf_clear(&text);
    if (e)
        cli_error("%s", why);
    r->conf.rules = &r->rules;
    return e ? CLI_FAILED : CLI_OK;
}

static int read_rewrite(struct replay *r)
{
    const char *path = options_text(r->o, "rewrite");
    char why[WHY_MAX];
    if (path && rewrite_read(&r->rewrite, path, why)) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    r->conf.rewrite = r->rewrite;
    return CLI_OK;
}

static int take_options(struct replay *r)
{
    const struct options *o = r->o;
    struct drive_conf *c = &r->conf;
    int code = take_schedule(r);
    if (code)
        return code;
    if (options_count(o, "target") == 0)
        return cli_usage(r->c, "where to? --target URL");
    c->timeout_us = options_number(o, "timeout");
    c->connect_us = options_number(o, "connect-timeout");
    c->answer_us = options_number(o, "answer-timeout");
    c->max_body = (uint64_t)options_number(o, "max-body");
    c->keep_host = options_flag(o, "keep-host");
    c->memory = (size_t)options_number(o, "memory");
    c->max_decoded = (uint64_t)options_number(o, "max-decoded");
    c->capture_it = !options_flag(o, "no-capture");
    c->file = options_text(o, "capture");
    c->quiet = options_flag(o, "quiet");
    c->cookies = !options_flag(o, "no-correlate");
    c->progress = !options_flag(o, "quiet") && isatty(STDERR_FILENO) == 1;
    buf_init(&r->settings, SETTINGS_TEXT_MAX);
    if (options_json(o, &r->settings) || buf_add(&r->settings, "", 1)) {
        cli_error("out of memory");
        return CLI_FAILED;
    }
    c->settings = buf_view(&r->settings).p;
    code = read_rules(r);
    return code ? code : read_rewrite(r);
}

// ---- where to

static int take_targets(struct replay *r)
{
    size_t n = options_count(r->o, "target");
    const char **urls = calloc(n + 1, sizeof *urls);
    bool *left = calloc(r->plan.n_services + 1, sizeof *left);
    int code = CLI_FAILED;
    if (urls && left) {
        for (size_t i = 0; i < n; i++)
            urls[i] = options_nth(r->o, "target", i);
        code = targets_make(&r->targets, &r->plan, urls, n);
    } else {
        cli_error("out of memory");
    }
    for (size_t i = 0; !code && i < r->plan.n_services; i++) {
        const struct plan_service *s = &r->plan.services[i];
        left[i] = !r->targets.items[i].given;
        if (left[i] && s->items > 0)
            cli_error("no --target is for %s: left out are %" PRIu64 " requests", s->name,
                      s->items);
    }
    code = code ? code : plan_leave(&r->plan, left);
    free(urls);
    free(left);
    return code;
}

static int make_tls(struct replay *r)
{
    static const char *const names[] = {"off", "warn", "strict"};
    const char *how = options_text(r->o, "upstream-verify");
    char why[WHY_MAX] = "";
    bool any = false;
    int e = 0, verify = 0;
    for (size_t i = 0; i < r->targets.n; i++)
        any = any || (r->targets.items[i].given && r->targets.items[i].secure);
    if (!any)
        return CLI_OK;
    while (strcmp(names[verify], how) != 0)
        verify++;
    if (verify > 0) {
        size_t n = options_count(r->o, "upstream-ca");
        const char **ca = calloc(n + 1, sizeof *ca);
        for (size_t i = 0; ca && i < n; i++)
            ca[i] = options_nth(r->o, "upstream-ca", i);
        struct tls_trust_conf trust = {.system = true, .ca = ca};
        e = ca ? tls_trust_new(&r->trust, &trust, why) : err_no_memory(why, sizeof why);
        free(ca);
    }
    struct tls_connect_conf conf = {
        .verify = verify == 2   ? TLS_VERIFY_STRICT
                  : verify == 1 ? TLS_VERIFY_WARN
                                : TLS_VERIFY_OFF,
        .trust = r->trust,
    };
    e = e ? e : tls_context_connect(&r->tls, &conf, why);
    if (e)
        cli_error("--upstream-ca: %s", why);
    r->conf.tls = r->tls;
    r->conf.verify = verify > 0;
    return e ? CLI_FAILED : CLI_OK;
}

// ---- what is sent

static int correlate(struct replay *r)
{
    struct progress p;
    if (options_flag(r->o, "no-correlate"))
        return CLI_OK;
    progress_init(&p, "correlating", NULL);
    p.on = p.on && !options_flag(r->o, "quiet");
    int e = correlate_find(&r->edges, &r->selection.capture, r->selection.filter, r->rewrite, NULL,
                           NULL);
    progress_end(&p);
    if (e)
        cli_error("%s", err_text(e));
    r->conf.edges = r->edges;
    return e ? CLI_FAILED : CLI_OK;
}

static int take_redaction(struct replay *r)
{
    const char *given = options_text(r->o, "redact");
    char why[WHY_MAX];
    int code = CLI_OK;
    if (given && redact_check(given, why)) {
        cli_error("--redact: %s", why);
        return CLI_FAILED;
    }
    buf_init(&r->redact, REDACTION_TEXT_MAX);
    if (!given && r->conf.capture_it)
        code = redaction_of(&r->selection.capture, &r->redact);
    r->conf.redact = given ? given : buf_view(&r->redact).p;
    return code;
}

static void tell_left(const struct replay *r)
{
    for (int i = 0; i < LEFTS; i++)
        if (r->plan.left[i] && (i != LEFT_DIRECTION || options_is_set(r->o, "direction") == false))
            cli_error("left out: %" PRIu64 " %s", r->plan.left[i], plan_left_texts[i]);
}

static int prepare(struct replay *r, int argc, char **argv)
{
    const char *way = options_text(r->o, "direction");
    enum plan_direction direction = !way            ? PLAN_EITHER
                                    : way[0] == 'i' ? PLAN_INBOUND
                                                    : PLAN_OUTBOUND;
    int code = selection_parse(&r->selection, argc, argv);
    code = code ? code : plan_load(&r->plan, &r->selection.capture, r->selection.filter, direction);
    code = code ? code : take_targets(r);
    if (!code && r->plan.n == 0) {
        cli_error("there is nothing to send: no --target is for it");
        code = CLI_FAILED;
    }
    code = code ? code : take_redaction(r);
    code = code ? code : make_tls(r);
    code = code ? code : targets_probe(&r->targets, r->conf.connect_us);
    code = code ? code : correlate(r);
    r->conf.capture = &r->selection.capture;
    r->conf.filter = r->selection.filter;
    r->conf.plan = &r->plan;
    r->conf.targets = &r->targets;
    return code;
}

// ---- the end

static void note_settings(const struct replay *r, struct verdict *v, const char *capture,
                          const struct drive_sums *sums)
{
    static const char *const names[] = {"speed", "connections", "rate",  "stages", "vus",
                                        "times", "for",         "rules", "rewrite"};
    verdict_setting(v, "capture", view_of(capture));
    if (*r->selection.text)
        verdict_setting(v, "filter", view_of(r->selection.text));
    for (size_t i = 0; i < options_count(r->o, "target"); i++)
        verdict_setting(v, "target", view_of(options_nth(r->o, "target", i)));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (options_is_set(r->o, names[i]) && options_text(r->o, names[i]))
            verdict_setting(v, names[i], view_of(options_text(r->o, names[i])));
    if (*sums->file)
        verdict_setting(v, "replay's capture", view_of(sums->file));
}

static void tell_sums(const struct replay *r, const struct drive_sums *sums)
{
    char n[FIELDS_COUNT];
    if (sums->lost)
        cli_error("the replay's capture lacks %" PRIu64 " records", sums->lost);
    if (options_flag(r->o, "quiet"))
        return;
    if (sums->reconnects)
        fprintf(stderr, "connections opened again, since the target had closed them early: %s\n",
                fields_count((int64_t)sums->reconnects, n));
    if (sums->retries)
        fprintf(stderr, "sent once more, since their connection had just been closed: %s\n",
                fields_count((int64_t)sums->retries, n));
    if (sums->missing)
        fprintf(stderr,
                "values sent as recorded, since no answer of this run had issued them: %s\n",
                fields_count((int64_t)sums->missing, n));
    if (*sums->file)
        fprintf(stderr, "the replay's own capture is %s\n", sums->file);
}

static void clear(struct replay *r)
{
    correlate_free(r->edges);
    rewrite_free(r->rewrite);
    rules_clear(&r->rules);
    tls_context_free(r->tls);
    tls_trust_free(r->trust);
    targets_clear(&r->targets);
    plan_clear(&r->plan);
    selection_clear(&r->selection);
    buf_clear(&r->settings);
    buf_clear(&r->redact);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct replay r = {.c = c, .o = o};
    struct verdict *v = NULL;
    struct drive_sums sums;
    if (argc == 0 && !getenv("TAPEDECK_CAPTURE") && access("capture.db", F_OK) != 0)
        return cli_usage(c, "which capture?");
    log_set_level(LOG_WARN);
    int code = take_options(&r);
    code = code ? code : report_open(&r.report, c, o);
    code = code ? code : prepare(&r, argc, argv);
    if (!code && !options_flag(o, "quiet"))
        tell_left(&r);
    code = code ? code : drive_run(&r.conf, &v, &sums);
    if (!code) {
        note_settings(&r, v, r.selection.capture.paths[0], &sums);
        code = report_close(r.report, v, o);
        tell_sums(&r, &sums);
    } else {
        report_close(r.report, NULL, o);
        code = REPORT_NOT_RUN;
    }
    verdict_free(v);
    clear(&r);
    return code;
}

const struct command command_replay = {
    .name = "replay",
    .sentence = "send the requests of a capture again, and say what has changed",
    .operands = "[CAPTURE] [FILTER]",
    .example =
        "tapedeck replay capture.db --target http://localhost:8080\n"
        "tapedeck replay capture.db --target http://localhost:8080 --speed max --connections 64 "
        "'method = GET'\n"
        "tapedeck replay captures --target http://localhost:8080 --stages 10s@100,1m@1000 "
        "--fail-if 'latency.p95 > 50ms'",
    .text =
        "Requests go at the times of the recording, whether or not earlier ones were answered; on "
        "one connection of HTTP/1.1 a request waits for the answer before, unless the recording "
        "did not. What that makes late is told, as is what we ourselves are late by. Answers are "
        "compared with those of the recording as tapedeck diff does, and are themselves a capture, "
        "linked with the recorded ones.\n"
        "Conversations that are no HTTP are sent piece by piece: a piece goes when as many bytes "
        "have come as had before it in the recording. Left out is TLS that was not opened; a "
        "request "
        "of which not all was kept counts as unsent.\n"
        "Ctrl-C ends the run and reports what there is so far; a second one does not wait for its "
        "capture.\n" REPORT_EXITS,
    .options = options,
    .rules = option_rules,
    .failed = REPORT_NOT_RUN,
    .run = run,
};
