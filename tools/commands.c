// commands: the table, in the order in which help lists it.
#include "tools/commands.h"

const struct command *const command_table[] = {
    &command_run,         &command_record,       &command_mock,       &command_mock_report,
    &command_env,         &command_ls,           &command_show,       &command_tail,
    &command_query,       &command_stats,        &command_verify,     &command_diff,
    &command_correlate,   &command_replay,       &command_pack,       &command_unpack,
    &command_export,      &command_export_jsonl, &command_export_har, &command_export_csv,
    &command_export_curl, &command_export_raw,   &command_ca,         &command_ca_init,
    &command_ca_show,     &command_ca_export,    &command_ca_hints,   &command_completion,
    &command_man,         &command_help,         &command_version,    NULL,
};
