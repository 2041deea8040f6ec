// commands: the entries of all subcommands, each defined in the file or folder of its name.
#ifndef TAPEDECK_TOOLS_COMMANDS_H
#define TAPEDECK_TOOLS_COMMANDS_H

#include "tools/cli.h"

extern const struct command command_run;
extern const struct command command_record;
extern const struct command command_mock;
extern const struct command command_mock_report;
extern const struct command command_env;
extern const struct command command_ls;
extern const struct command command_show;
extern const struct command command_tail;
extern const struct command command_query;
extern const struct command command_stats;
extern const struct command command_verify;
extern const struct command command_diff;
extern const struct command command_correlate;
extern const struct command command_replay;
extern const struct command command_pack;
extern const struct command command_unpack;
extern const struct command command_export;
extern const struct command command_export_jsonl;
extern const struct command command_export_har;
extern const struct command command_export_csv;
extern const struct command command_export_curl;
extern const struct command command_export_raw;
extern const struct command command_ca;
extern const struct command command_ca_init;
extern const struct command command_ca_show;
extern const struct command command_ca_export;
extern const struct command command_ca_hints;
extern const struct command command_completion;
extern const struct command command_man;
extern const struct command command_help;
extern const struct command command_version;

#endif
