// tapedeck-proxy: relays a workload's traffic and sends records of it to a recorder.
#include "proto/base/write_signals.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "proxy/world.h"

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
    struct options *o = options_new(settings_table, FOR_PROXY);
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
    fprintf(stderr, "tapedeck-proxy: %s\n", why);
    return EXIT_USAGE;
}

static int show_help(const struct options *o)
{
    printf("usage: tapedeck-proxy [OPTION]...\n"
           "Relays traffic and sends records of it to tapedeck-recorder.\n\n"
           "example: tapedeck-proxy --proxy-type forward --recorder unix:/run/tapedeck.sock\n\n");
    if (options_help(o, stdout, 100))
        return EXIT_FAILED;
    printf("\nExit codes:\n%s", settings_exits_proxy);
    return 0;
}

static int run(struct command_line *c, const struct options *o)
{
    char why[WHY_MAX];
    struct proxy_settings s;
    if (settings_from(o, &s, why) || settings_take_key(&s, why))
        return usage(why);
    if (options_flag(o, "check-options"))
        return 0;
    settings_apply_log(&s);
    uint64_t lost;
    if (world_run(o, &s, read_options, c, NULL, &lost, why) == 0)
        return lost > 0 ? EXIT_LOST : 0;
    fprintf(stderr, "tapedeck-proxy: %s\n", why);
    return EXIT_FAILED;
}

int main(int argc, char **argv)
{
    struct command_line c = {argc, argv};
    char why[WHY_MAX];
    write_signals_ignore();
    log_init("tapedeck-proxy");
    struct options *o = read_options(&c, why);
    if (!o)
        return usage(why);
    int code = 0;
    if (options_flag(o, "help"))
        code = show_help(o);
    else if (options_flag(o, "version"))
        printf("tapedeck-proxy %s\n", TAPEDECK_VERSION);
    else if (options_flag(o, "dump-options"))
        code = options_dump(o, stdout) ? EXIT_FAILED : 0;
    else
        code = run(&c, o);
    code = settings_said("tapedeck-proxy", code);
    options_free(o);
    return code;
}
