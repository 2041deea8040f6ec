// recording: `tapedeck record`: a sidecar of its own for one command.
//
//   find COMMAND ─▶ folder, capture, trust ─▶ sidecar ready ─▶ COMMAND ─▶ its end ─▶ sidecar
//   drains ─▶ what was captured
//
// 1. COMMAND is not run unless all that is before it went well. Else nothing of us is left, but for
//    the authority and Java's store, which are there for the next time. Where we are killed, the
//    sidecar tidies up at its end.
// 2. Nothing is shared with another recording: ports, names and folders are made for this one.
// 3. COMMAND has our process group, our terminal and our standard streams, which we do not touch;
//    our own words go to stderr.
#include "tools/ca/ca.h"
#include "tools/capture.h"
#include "tools/commands.h"
#include "tools/env/trust.h"
#include "tools/record/advice.h"
#include "tools/record/beside.h"
#include "tools/record/result.h"
#include "tools/record/workload.h"
#include "tools/run/place.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NAMES_MAX     100 // of captures that begin within one second
#define READY_POLL_MS 10
#define IDLE_POLL_MS  1000

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

struct recording {
    const struct options *o;
    char **argv;
    struct workload_state was;
    int signals; // signalfd
    char program[PATH_MAX], folder[PATH_MAX], capture[PATH_MAX];
    struct trust trust;
    struct child line;
    struct beside beside;
    pid_t pid;      // of COMMAND
    int status;     // of its end
    sigset_t early; // signals for COMMAND that came before it ran
};

static int make_folder(struct recording *r)
{
    char why[WHY_MAX];
    if (place_make(r->folder, sizeof r->folder, "tapedeck-record", why) != 0) {
        cli_error("%s", why);
        return WORKLOAD_FAILED;
    }
    // What root starts may become another user, who is to read there, too.
    if (geteuid() == 0 && chmod(r->folder, 0711) != 0) {
        cli_error("%s: %s", r->folder, strerror(errno));
        return WORKLOAD_FAILED;
    }
    return 0;
}

// Takes a name by making the file, so that nobody else takes it. 0 or errno.
static int reserve(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    return fd < 0 ? errno : close(fd) == 0 ? 0 : errno;
}

// Whether the new file stands for itself: it would go on behind a capture-000001.db, say.
static bool is_alone(const char *name)
{
    struct capture c;
    bool alone = capture_siblings(&c, name) == CLI_OK && c.n == 1;
    if (c.n > 1)
        cli_error("%s: by its name it would be a part of a capture that is there already", name);
    capture_clear(&c);
    return alone;
}

static int name_capture(struct recording *r)
{
    const char *given = options_text(r->o, "capture");
    struct tm tm;
    time_t now = time(NULL);
    char stem[64], name[PATH_MAX];
    int bad = EEXIST;
    // With its Z it has no six digits at the end: a number there would make it a part of another.
    if (!gmtime_r(&now, &tm) || !strftime(stem, sizeof stem, "capture-%Y%m%d-%H%M%SZ", &tm))
        snprintf(stem, sizeof stem, "capture");
    snprintf(name, sizeof name, "%s", given ? given : "");
    if (given)
        bad = reserve(name);
    for (int i = 1; !given && bad == EEXIST && i < NAMES_MAX; i++) {
        if (i == 1)
            snprintf(name, sizeof name, "%s.db", stem);
        else
            snprintf(name, sizeof name, "%s-%d.db", stem, i);
        bad = reserve(name);
    }
    if (bad) {
        cli_error("%s: %s", name,
                  bad == EEXIST ? "it is there already, and a recording overwrites nothing"
                                : strerror(bad));
        return WORKLOAD_FAILED;
    }
    snprintf(r->capture, sizeof r->capture, "%s", name);
    return is_alone(name) ? 0 : WORKLOAD_FAILED;
}

// A capture in which nothing can be.
static void forget_capture(const struct recording *r)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    char path[PATH_MAX + 8];
    for (size_t i = 0; *r->capture && i < sizeof ends / sizeof *ends; i++) {
        snprintf(path, sizeof path, "%s%s", r->capture, ends[i]);
        unlink(path);
    }
}

// The options of tapedeck run.
static int add_given(const struct command *c, struct recording *r)
{
    for (size_t i = 0; i < options_count(r->o, "sidecar"); i++) {
        const char *text = options_nth(r->o, "sidecar", i);
        size_t n = strcspn(text, "=");
        for (size_t k = 0; k < sizeof own / sizeof *own; k++)
            if (strlen(own[k]) == n && strncmp(own[k], text, n) == 0)
                return cli_usage(c, "--sidecar: %s follows from the options of record", own[k]);
        if (text[0] == '-' || !text[n])
            return cli_usage(c, "--sidecar: '%s' is not OPTION=VALUE", text);
        if (child_arg(&r->line, "--%s", text) != 0)
            return cli_usage(c, "--sidecar: too many");
    }
    return CLI_OK;
}

static bool has_tls(const struct recording *r)
{
    return !options_flag(r->o, "no-tls");
}

// All of them where one is given: the environment may name another authority.
static int add_tls(struct recording *r)
{
    static const char *const names[] = {"tls-ca-dir", "tls-ca-cert", "tls-ca-key"};
    const size_t n = sizeof names / sizeof *names;
    bool given = false;
    int e = child_arg(&r->line, "--tls-out=%s", has_tls(r) ? "true" : "false");
    for (size_t i = 0; i < n; i++)
        given = given || options_is_set(r->o, names[i]);
    for (size_t i = 0; i < n && given && !e; i++) {
        const char *text = options_text(r->o, names[i]);
        e = child_arg(&r->line, "--%s=%s", names[i], text ? text : "");
    }
    return e;
}

// Whether the sidecar would take the port of COMMAND.
static bool takes_port(const struct recording *r)
{
    struct addr a;
    const char *bind = options_text(r->o, "in-bind");
    if (!options_is_set(r->o, "app-port") ||
        options_number(r->o, "app-port") != options_number(r->o, "in-port"))
        return false;
    return strcmp(bind, "*") == 0 || (addr_parse_here(&a, view_of(bind), 0) == 0 &&
                                      (addr_is_any(&a) || addr_is_loopback(&a)));
}

static int make_line(const struct command *c, struct recording *r)
{
    struct child *line = &r->line;
    long long app = options_number(r->o, "app-port");
    int e = child_init(line, "record", "tapedeck");
    int code = e ? CLI_OK : add_given(c, r);
    if (!code && takes_port(r))
        code = cli_usage(c, "--in-port: on %lld COMMAND itself listens, says --app-port", app);
    if (code)
        return code;
    e = e ? e : child_arg(line, "--proxy-type=%s", app ? "dual" : "forward");
    e = e ? e : child_arg(line, "--proxy-protocol=%s", app ? "tcp:http" : "http");
    e = e ? e : child_arg(line, "--proxy-out-port=0");
    e = e ? e : child_arg(line, "--out-bind=127.0.0.1");
    e = e ? e : child_arg(line, "--capture=%s", r->capture);
    if (app) {
        e = e ? e : child_arg(line, "--proxy-host=localhost");
        e = e ? e : child_arg(line, "--proxy-port=%lld", app);
        e = e ? e : child_arg(line, "--proxy-in-port=%s", options_text(r->o, "in-port"));
        e = e ? e : child_arg(line, "--in-bind=%s", options_text(r->o, "in-bind"));
    }
    e = e ? e : add_tls(r);
    if (e)
        cli_error("the sidecar's options: %s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

// The sidecar trusts whom the user trusts. On its line that would take the place of what is named
// elsewhere, which is named once more.
static int add_upstream(struct recording *r, const struct options *o)
{
    int e = 0;
    if (!*r->trust.upstream)
        return CLI_OK;
    if (options_source(o, "upstream-ca") != OPT_BY_COMMAND)
        for (size_t i = 0; i < options_count(o, "upstream-ca") && !e; i++)
            e = child_arg(&r->line, "--upstream-ca=%s", options_nth(o, "upstream-ca", i));
    e = e ? e : child_arg(&r->line, "--upstream-ca=%s", r->trust.upstream);
    if (e)
        cli_error("the sidecar's options: %s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

// Of the authority that the sidecar has, whatever names it.
static int write_trust(struct recording *r)
{
    struct options *o;
    int code = beside_options(&o, &r->line);
    code = code ? code
                : trust_write(&r->trust, r->folder, r->folder, o, !options_flag(r->o, "no-java"),
                              0600);
    code = code ? code : add_upstream(r, o);
    options_free(o);
    return code;
}

static int prepare(const struct command *c, struct recording *r)
{
    int code = make_folder(r);
    code = code ? code : name_capture(r);
    code = code ? code : make_line(c, r);
    if (!code && has_tls(r))
        code = write_trust(r);
    return code ? code : beside_init(&r->beside, &r->line, r->folder, options_text(r->o, "log"));
}

// The next signal, for at most so long; false: none came.
static bool next_signal(const struct recording *r, int ms, struct signalfd_siginfo *out)
{
    struct pollfd p = {.fd = r->signals, .events = POLLIN};
    return read(r->signals, out, sizeof *out) == (ssize_t)sizeof *out ||
           (ms > 0 && poll(&p, 1, ms) > 0 &&
            read(r->signals, out, sizeof *out) == (ssize_t)sizeof *out);
}

static bool ends(const struct recording *r, int signo)
{
    return (signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT) &&
           !sigismember(&r->was.ignored, signo);
}

// Waits until the sidecar is ready. CLI_OK, or why COMMAND is not run.
static int wait_ready(struct recording *r)
{
    struct signalfd_siginfo info;
    while (!beside_is_ready(&r->beside)) {
        if (beside_ended(&r->beside)) {
            cli_error("the sidecar did not start, so %s was not run:", r->argv[0]);
            beside_tell_log(&r->beside);
            return WORKLOAD_FAILED;
        }
        if (!next_signal(r, READY_POLL_MS, &info))
            continue;
        if (ends(r, (int)info.ssi_signo))
            return 128 + (int)info.ssi_signo;
        if (workload_forwards((int)info.ssi_signo, info.ssi_code))
            sigaddset(&r->early, (int)info.ssi_signo);
    }
    return CLI_OK;
}

// Until COMMAND has ended.
static void attend(struct recording *r)
{
    struct signalfd_siginfo info;
    bool told = false;
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&r->early, i) == 1)
            kill(r->pid, i);
    while (waitpid(r->pid, &r->status, WNOHANG) != r->pid) {
        if (!told && beside_ended(&r->beside)) {
            cli_error("the sidecar has ended; from here on %s has no proxy:", r->argv[0]);
            beside_tell_log(&r->beside);
            told = true;
        }
        if (next_signal(r, IDLE_POLL_MS, &info) &&
            workload_forwards((int)info.ssi_signo, info.ssi_code))
            kill(r->pid, (int)info.ssi_signo);
    }
}

// Until the sidecar has ended. A signal has it hurry.
static void drain(struct recording *r)
{
    struct signalfd_siginfo info;
    int waited = 0;
    beside_stop(&r->beside);
    while (!beside_ended(&r->beside)) {
        if (next_signal(r, IDLE_POLL_MS, &info)) {
            if (ends(r, (int)info.ssi_signo))
                beside_stop(&r->beside);
        } else if (++waited == (options_flag(r->o, "quiet") ? 5 : 2)) {
            cli_error("waiting for connections that are still open; Ctrl-C cuts them");
        }
    }
}

static void tell(const struct recording *r)
{
    struct result result;
    char in[HOSTPORT_TEXT];
    if (result_read(&result, r->capture) != CLI_OK) {
        result_clear(&result);
        return;
    }
    if (r->beside.in.port && result.inbound == 0)
        cli_error("warning: nobody asked %s", hostport_text(&r->beside.in, in));
    if (result.flows == 0 && result.deaths == 0) {
        cli_error("warning: nothing came through: %s", advice_for(r->argv[0], r->program));
        cli_error("tapedeck env --help tells who reads which variable; the capture, %s, is empty",
                  r->capture);
    } else if (!options_flag(r->o, "quiet")) {
        result_tell(&result, r->capture);
    }
    result_tell_lost(&result, r->capture);
    if (result.refused)
        cli_error("warning: our certificate was refused %lld time%s: tapedeck env --help tells who "
                  "reads which variable, and --no-tls leaves TLS as it is",
                  (long long)result.refused, result.refused == 1 ? "" : "s");
    result_clear(&result);
}

static int start_workload(struct recording *r)
{
    const char *direct = options_text(r->o, "no-proxy");
    struct vars v = {.n = 0};
    struct vars_facts f = {
        .proxy = &r->beside.out,
        .direct = direct ? direct : "",
        .roots = *r->trust.roots ? r->trust.roots : NULL,
        .ca = *r->trust.ca ? r->trust.ca : NULL,
        .wgetrc = *r->trust.wgetrc ? r->trust.wgetrc : NULL,
        .java = *r->trust.java ? r->trust.java : NULL,
    };
    int e = vars_make(&v, &f), code = WORKLOAD_FAILED;
    if (e)
        cli_error("%s", err_text(e));
    else
        code = workload_start(r->argv, &v, &r->was, &r->pid);
    vars_clear(&v);
    return code;
}

// A proxy that stood between COMMAND and the world is not asked by ours.
static void tell_replaced(void)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *old = getenv(names[i]);
        if (old && *old) {
            cli_error("%s was set: its proxy is not asked, the sidecar connects directly",
                      names[i]);
            return;
        }
    }
}

static int record(const struct command *c, struct recording *r)
{
    int code = prepare(c, r);
    code = code ? code : beside_start(&r->beside, &r->was.mask);
    code = code ? code : wait_ready(r);
    if (!code) {
        char in[HOSTPORT_TEXT];
        tell_replaced();
        if (r->beside.in.port)
            cli_error("%s stands before port %lld", hostport_text(&r->beside.in, in),
                      (long long)options_number(r->o, "app-port"));
        code = start_workload(r);
    }
    if (code) {
        drain(r);
        forget_capture(r);
        return code == CLI_FAILED ? WORKLOAD_FAILED : code;
    }
    attend(r);
    bool early = r->beside.pid == 0;
    drain(r);
    if (!early && !(WIFEXITED(r->beside.status) && WEXITSTATUS(r->beside.status) == 0)) {
        cli_error("the sidecar did not end well:");
        beside_tell_log(&r->beside);
    }
    tell(r);
    return workload_code(r->status);
}

static void clean_up(struct recording *r)
{
    beside_clear(&r->beside);
    child_clear(&r->line);
    if (*r->folder)
        beside_remove(r->folder);
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    sigset_t taken;
    if (argc == 0)
        return cli_usage(c, "what is to be recorded? COMMAND stands behind --");
    struct recording *r = calloc(1, sizeof *r);
    int code = r ? workload_find(argv[0], r->program) : WORKLOAD_FAILED;
    if (code) {
        free(r);
        return code;
    }
    r->o = o;
    r->argv = argv;
    sigemptyset(&r->early);
    workload_prepare(&r->was, &taken);
    r->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    if (r->signals < 0)
        cli_error("no signalfd: %s", strerror(errno));
    code = r->signals < 0 ? WORKLOAD_FAILED : record(c, r);
    clean_up(r);
    if (r->signals >= 0)
        close(r->signals);
    free(r);
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
