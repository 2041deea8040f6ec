// tapedeck-mock: a proxy whose flows are answered out of captures, and which sends records of them
// to a recorder.
#include "proto/base/whole_file.h"
#include "proto/base/write_signals.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "proxy/world.h"
#include "tools/mock/fault_control.h"
#include "tools/mock/from_options.h"
#include "tools/mock/outcome.h"

#include <stdio.h>
#include <unistd.h>

extern char **environ;

struct command_line {
    int argc;
    char **argv;
};

static struct options *read_options(void *arg, char why[WHY_MAX])
{
    struct command_line *c = arg;
    struct options *o = options_new(settings_table, FOR_MOCK);
    int rest = 0;
    if (!o) {
        snprintf(why, WHY_MAX, "out of memory");
        return NULL;
    }
    int e = config_load(o, c->argc, c->argv, environ, &rest, why);
    if (e == 0 && rest < c->argc) {
        snprintf(why, WHY_MAX, "there are no operands, but \"%.200s\" was given", c->argv[rest]);
        e = E_SYNTAX;
    }
    if (e == 0)
        return o;
    options_free(o);
    return NULL;
}

static int usage(const char *why)
{
    fprintf(stderr, "tapedeck-mock: %s\n", why);
    return EXIT_USAGE;
}

static int show_help(const struct options *o)
{
    printf("usage: tapedeck-mock --tape CAPTURE [OPTION]...\n"
           "Answers out of captures as the servers did, and sends records of that to "
           "tapedeck-recorder;\ntapedeck mock starts both.\n\n"
           "example: tapedeck-mock --tape day.db --proxy-type forward --recorder "
           "unix:/run/tapedeck.sock\n\n");
    if (options_help(o, stdout, 100))
        return EXIT_FAILED;
    printf("\nExit codes:\n%s", settings_exits_proxy);
    return 0;
}

static void again(void *arg, const struct options *o)
{
    fault_control_again(arg, options_text(o, "faults"));
}

static int mock(struct command_line *c, const struct options *o, const struct proxy_settings *s,
                const struct mock_conf *conf, struct fault_control *control)
{
    char why[WHY_MAX];
    struct mock *m = NULL;
    uint64_t lost = 0;
    if (mock_new(conf, &m, why))
        return usage(why);
    struct world_hook hook = mock_hook(m);
    hook.again = again;
    hook.again_arg = control;
    hook.page = &control->page;
    int code = EXIT_FAILED;
    if (world_run(o, s, read_options, c, &hook, &lost, why) == 0)
        code = lost > 0 ? EXIT_LOST : 0;
    else
        fprintf(stderr, "tapedeck-mock: %s\n", why);
    faults_log(control->faults);
    if (outcome_write(options_text(o, "report-file"), m, control->faults, why)) {
        fprintf(stderr, "tapedeck-mock: %s\n", why);
        code = code ? code : EXIT_FAILED;
    }
    mock_free(m);
    return code;
}

static int run(struct command_line *c, const struct options *o)
{
    char why[WHY_MAX];
    struct proxy_settings s;
    struct from_options conf = {0};
    struct fault_control control = {0};
    int code = 0;
    int e = settings_from(o, &s, why);
    e = e ? e : settings_take_key(&s, why);
    e = e ? e : from_options(&conf, o, why);
    e = e ? e
          : fault_control_init(&control, (uint64_t)options_number(o, "seed"),
                               options_text(o, "faults"), why);
    conf.mock.faults = control.faults;
    if (e) {
        code = usage(why);
    } else if (!options_flag(o, "check-options")) {
        settings_apply_log(&s);
        code = mock(c, o, &s, &conf.mock, &control);
    }
    fault_control_clear(&control);
    from_options_clear(&conf);
    return code;
}

int main(int argc, char **argv)
{
    struct command_line c = {argc, argv};
    char why[WHY_MAX];
    write_signals_ignore();
    log_init("tapedeck-mock");
    struct options *o = read_options(&c, why);
    if (!o)
        return usage(why);
    int code = 0;
    if (options_flag(o, "help"))
        code = show_help(o);
    else if (options_flag(o, "version"))
        printf("tapedeck-mock %s\n", TAPEDECK_VERSION);
    else if (options_flag(o, "dump-options"))
        code = options_dump(o, stdout) ? EXIT_FAILED : 0;
    else
        code = run(&c, o);
    code = settings_said("tapedeck-mock", code);
    options_free(o);
    return code;
}
