// commands: the table, in the order in which help lists it.
#include "tools/commands.h"

const struct command *const command_table[] = {
    &command_run,
    &command_help,
    &command_version,
    NULL,
};
