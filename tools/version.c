// version: what this is.
#include "tools/commands.h"

static const struct option_def options[] = {CLI_OPTIONS_END};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)o;
    if (argc > 0)
        return cli_usage(c, "takes nothing, not '%s'", argv[0]);
    printf("tapedeck %s\n", TAPEDECK_VERSION);
    return CLI_OK;
}

const struct command command_version = {
    .name = "version",
    .sentence = "print the version",
    .operands = "",
    .example = "tapedeck version",
    .options = options,
    .run = run,
};
