// tapedeck-recorder: keeps in a capture what proxies send.
#include "proto/base/write_signals.h"
#include "proto/config.h"
#include "proto/settings.h"
#include "recorder/packer.h"
#include "recorder/server.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HELP_WIDTH 100

extern char **environ;

struct program {
    int argc;
    char **argv;
    struct options *options; // as it was started; the server's texts are loans from it
    struct options *latest;  // as it was last told
    struct server *server;
};

static int usage(const char *why)
{
    fprintf(stderr, "tapedeck-recorder: %s\n", why);
    return EXIT_USAGE;
}

static struct options *load(const struct program *p, char why[WHY_MAX])
{
    struct options *o = options_new(settings_table, FOR_RECORDER);
    int rest = p->argc;
    if (!o) {
        snprintf(why, WHY_MAX, "out of memory");
        return NULL;
    }
    int e = config_load(o, p->argc, p->argv, environ, &rest, why);
    if (!e && rest < p->argc) {
        snprintf(why, WHY_MAX, "\"%.100s\" is no option, and nothing else is expected",
                 p->argv[rest]);
        e = E_SYNTAX;
    }
    if (!e)
        return o;
    options_free(o);
    return NULL;
}

// The options are read anew; what is wrong there leaves all as it is.
static void reload(void *arg)
{
    struct program *p = arg;
    char why[WHY_MAX] = "";
    struct recorder_settings s;
    struct options *next = load(p, why);
    if (!next || settings_read(&s, next, why) != 0) {
        log_error("options stay as they were reason=\"%s\"", why);
        options_free(next);
        return;
    }
    settings_tell_changes(p->options, p->latest ? p->latest : p->options, next);
    settings_apply_log(&s);
    server_set_retain(p->server, &s.retain);
    options_free(p->latest);
    p->latest = next;
}

static int record(struct program *p)
{
    char why[WHY_MAX] = "";
    struct recorder_settings s;
    if (settings_read(&s, p->options, why) != 0)
        return usage(why);
    settings_apply_log(&s);
    bool lasting;
    p->server = server_new(&s, &lasting, why);
    if (!p->server) {
        log_error("cannot start reason=\"%s\"", why);
        return lasting ? EXIT_USAGE : EXIT_FAILED;
    }
    int e = server_run(p->server, reload, p);
    server_free(p->server);
    options_free(p->latest);
    return e ? EXIT_FAILED : 0;
}

int main(int argc, char **argv)
{
    struct program p = {.argc = argc, .argv = argv};
    char why[WHY_MAX] = "";
    int code = 0;
    write_signals_ignore();
    if (argc > 1 && strcmp(argv[1], PACKER_MODE) == 0)
        return packer_main(argc, argv);
    log_init("tapedeck-recorder");
    p.options = load(&p, why);
    if (!p.options)
        return usage(why);
    if (options_flag(p.options, "help")) {
        printf("Usage: tapedeck-recorder [OPTIONS]\n\nKeeps in a capture what proxies send.\n\n");
        code = options_help(p.options, stdout, HELP_WIDTH) ? EXIT_FAILED : 0;
        printf("\nExit codes:\n%s", settings_exits_recorder);
        printf("\nExample:\n  tapedeck-recorder --listen unix:/run/tapedeck.sock --capture "
               "capture.db\n");
    } else if (options_flag(p.options, "version")) {
        printf("tapedeck-recorder %s\n", TAPEDECK_VERSION);
    } else if (options_flag(p.options, "dump-options")) {
        code = options_dump(p.options, stdout) ? EXIT_FAILED : 0;
    } else {
        code = record(&p);
    }
    code = settings_said("tapedeck-recorder", code);
    options_free(p.options);
    return code;
}
