// launch: see launch.h.
#include "tools/record/launch.h"

#include "tools/run/new_capture.h"
#include "tools/run/place.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define READY_POLL_MS 10
#define IDLE_POLL_MS  1000

static int make_folder(struct launch *l)
{
    char why[WHY_MAX];
    if (place_make(l->folder, sizeof l->folder, "tapedeck-record", why) != 0) {
        cli_error("%s", why);
        return CLI_FAILED;
    }
    // What root starts may become another user, who is to read there, too.
    if (geteuid() == 0 && chmod(l->folder, 0711) != 0) {
        cli_error("%s: %s", l->folder, strerror(errno));
        return CLI_FAILED;
    }
    return 0;
}

// The sidecar trusts whom the user trusts. On its line that would take the place of what is named
// elsewhere, which is named once more.
static int add_upstream(struct launch *l, const struct options *o)
{
    int e = 0;
    if (!*l->trust.upstream)
        return CLI_OK;
    if (options_source(o, "upstream-ca") != OPT_BY_COMMAND)
        for (size_t i = 0; i < options_count(o, "upstream-ca") && !e; i++)
            e = child_arg(&l->line, "--upstream-ca=%s", options_nth(o, "upstream-ca", i));
    e = e ? e : child_arg(&l->line, "--upstream-ca=%s", l->trust.upstream);
    if (e)
        cli_error("the sidecar's options: %s", err_text(e));
    return e ? CLI_FAILED : CLI_OK;
}

// Of the authority that the sidecar has, whatever names it.
static int write_trust(struct launch *l)
{
    struct options *o;
    int code = beside_options(&o, l->kind->sidecar, &l->line);
    code = code ? code
                : trust_write(&l->trust, l->folder, l->folder, o, !options_flag(l->o, "no-java"),
                              0600);
    code = code ? code : add_upstream(l, o);
    options_free(o);
    return code;
}

static int prepare(const struct command *c, struct launch *l)
{
    int code = make_folder(l);
    if (!code && !l->no_capture)
        code = new_capture_make(l->capture, options_text(l->o, "capture"), l->kind->stem);
    if (!code && child_init(&l->line, l->kind->stem, "tapedeck")) {
        cli_error("%s", err_text(E_NOMEM));
        code = CLI_FAILED;
    }
    code = code ? code : l->kind->line(c, l);
    if (!code && l->tls)
        code = write_trust(l);
    return code ? code
                : beside_init(&l->beside, l->kind->sidecar, &l->line, l->folder,
                              options_text(l->o, "log"), c->name);
}

// The next signal, for at most so long; false: none came.
static bool next_signal(const struct launch *l, int ms, struct signalfd_siginfo *out)
{
    struct pollfd p = {.fd = l->signals, .events = POLLIN};
    return read(l->signals, out, sizeof *out) == (ssize_t)sizeof *out ||
           (ms > 0 && poll(&p, 1, ms) > 0 &&
            read(l->signals, out, sizeof *out) == (ssize_t)sizeof *out);
}

static bool ends(const struct launch *l, int signo)
{
    return (signo == SIGINT || signo == SIGTERM || signo == SIGHUP || signo == SIGQUIT) &&
           !sigismember(&l->was.ignored, signo);
}

// Waits until the sidecar is ready. CLI_OK, or why COMMAND is not run.
static int wait_ready(struct launch *l)
{
    struct signalfd_siginfo info;
    while (!beside_is_ready(&l->beside)) {
        if (beside_ended(&l->beside)) {
            cli_error("the sidecar did not start, so %s was not run:", l->argv[0]);
            beside_tell_log(&l->beside);
            return WORKLOAD_FAILED;
        }
        if (!next_signal(l, READY_POLL_MS, &info))
            continue;
        if (ends(l, (int)info.ssi_signo))
            return 128 + (int)info.ssi_signo;
        if (workload_forwards((int)info.ssi_signo, info.ssi_code))
            sigaddset(&l->early, (int)info.ssi_signo);
    }
    return CLI_OK;
}

// Until COMMAND has ended.
static void attend(struct launch *l)
{
    struct signalfd_siginfo info;
    bool told = false;
    for (int i = 1; i < NSIG; i++)
        if (sigismember(&l->early, i) == 1)
            kill(l->pid, i);
    while (waitpid(l->pid, &l->status, WNOHANG) != l->pid) {
        if (!told && beside_ended(&l->beside)) {
            cli_error("the sidecar has ended; from here on %s has no proxy:", l->argv[0]);
            beside_tell_log(&l->beside);
            told = true;
        }
        if (next_signal(l, IDLE_POLL_MS, &info) &&
            workload_forwards((int)info.ssi_signo, info.ssi_code))
            kill(l->pid, (int)info.ssi_signo);
    }
}

// Until the sidecar has ended. A signal has it hurry.
static void drain(struct launch *l)
{
    struct signalfd_siginfo info;
    int waited = 0;
    beside_stop(&l->beside);
    while (!beside_ended(&l->beside)) {
        if (next_signal(l, IDLE_POLL_MS, &info)) {
            if (ends(l, (int)info.ssi_signo))
                beside_stop(&l->beside);
        } else if (++waited == (options_flag(l->o, "quiet") ? 5 : 2)) {
            cli_error("waiting for connections that are still open; Ctrl-C cuts them");
        }
    }
}

static int start_workload(struct launch *l)
{
    const char *direct = options_text(l->o, "no-proxy");
    struct vars v = {.n = 0};
    struct vars_facts f = {
        .proxy = &l->beside.out,
        .direct = direct ? direct : "",
        .roots = *l->trust.roots ? l->trust.roots : NULL,
        .ca = *l->trust.ca ? l->trust.ca : NULL,
        .wgetrc = *l->trust.wgetrc ? l->trust.wgetrc : NULL,
        .java = *l->trust.java ? l->trust.java : NULL,
    };
    int e = vars_make(&v, &f), code = WORKLOAD_FAILED;
    if (e)
        cli_error("%s", err_text(e));
    else
        code = workload_start(l->argv, &v, &l->was, &l->pid);
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

static int launch(const struct command *c, struct launch *l)
{
    int code = prepare(c, l);
    code = code ? code : beside_start(&l->beside, &l->was.mask);
    code = code ? code : wait_ready(l);
    if (!code) {
        char in[HOSTPORT_TEXT];
        tell_replaced();
        if (l->beside.in.port)
            cli_error("%s stands before port %lld", hostport_text(&l->beside.in, in),
                      (long long)options_number(l->o, "app-port"));
        code = start_workload(l);
    }
    if (code) {
        drain(l);
        new_capture_forget(l->capture);
        return code == CLI_FAILED ? WORKLOAD_FAILED : code;
    }
    attend(l);
    bool early = l->beside.pid == 0;
    drain(l);
    if (!early && !(WIFEXITED(l->beside.status) && WEXITSTATUS(l->beside.status) == 0)) {
        cli_error("the sidecar did not end well:");
        beside_tell_log(&l->beside);
    }
    return l->kind->tell(l, workload_code(l->status));
}

static void clean_up(struct launch *l)
{
    beside_clear(&l->beside);
    child_clear(&l->line);
    if (*l->folder)
        beside_remove(l->folder);
}

int launch_run(struct launch *l, const struct command *c, char **argv)
{
    sigset_t taken;
    int code = workload_find(argv[0], l->program);
    if (code)
        return code;
    l->argv = argv;
    sigemptyset(&l->early);
    workload_prepare(&l->was, &taken);
    l->signals = signalfd(-1, &taken, SFD_NONBLOCK | SFD_CLOEXEC);
    if (l->signals < 0)
        cli_error("no signalfd: %s", strerror(errno));
    code = l->signals < 0 ? WORKLOAD_FAILED : launch(c, l);
    clean_up(l);
    if (l->signals >= 0)
        close(l->signals);
    return code;
}

bool launch_takes_port(int64_t app, int64_t in, const char *bind)
{
    struct addr a;
    if (app == 0 || app != in)
        return false;
    return strcmp(bind, "*") == 0 || (addr_parse_here(&a, view_of(bind), 0) == 0 &&
                                      (addr_is_any(&a) || addr_is_loopback(&a)));
}
