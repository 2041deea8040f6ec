// report: what a command does with a verdict: its options, goals and baseline checked before the
// run; at its end all forms written, and the exit code.
//
//   static const struct option_def options[] = { …, REPORT_OPTIONS, CLI_OPTIONS_END };
//   code = report_open(&report, c, o);         before anything is sent
//   … verdict_new, verdict_add …, verdict_end
//   code = report_close(report, verdict, o);   tells, writes, frees; CLI_OK, 1, 2 or 3
#ifndef TAPEDECK_TOOLS_REPORT_REPORT_H
#define TAPEDECK_TOOLS_REPORT_REPORT_H

#include "tools/cli.h"
#include "tools/report/verdict.h"

// Exit codes.
enum {
    REPORT_PASSED = 0,
    REPORT_MISSED = 1,  // a goal
    REPORT_NOT_RUN = 2, // nothing was sent, it was stopped, or a report could not be written
    REPORT_NEW = 3      // no goal was missed, but there are mismatches that the baseline has not
};

#define REPORT_OPTIONS                                                                             \
    {.name = "fail-if",                                                                            \
     .type = OPT_TEXT,                                                                             \
     .unit = "GOAL",                                                                               \
     .sentence = "Exit with 1 when it is so, as 'latency.p95 > 50ms'; see tapedeck help goals.",   \
     .flags = OPT_REPEATS,                                                                         \
     .programs = CLI_PROGRAM},                                                                     \
        {.name = "baseline",                                                                       \
         .type = OPT_TEXT,                                                                         \
         .unit = "FILE",                                                                           \
         .sentence = "The JSON report of an earlier run: exit with 3 on mismatches it has not.",   \
         .programs = CLI_PROGRAM},                                                                 \
        {.name = "report",                                                                         \
         .type = OPT_TEXT,                                                                         \
         .unit = "FILE",                                                                           \
         .sentence = "Write the report to FILE too: as its ending says .json, .xml (JUnit), "      \
                     ".html or .txt.",                                                             \
         .flags = OPT_REPEATS,                                                                     \
         .programs = CLI_PROGRAM},                                                                 \
    {                                                                                              \
        .name = "json", .type = OPT_FLAG, .sentence = "Print the report as JSON.",                 \
        .programs = CLI_PROGRAM                                                                    \
    }

// A paragraph for the command's text: what its exit codes mean.
#define REPORT_EXITS                                                                               \
    "Exits with 0 when all goals are met, 1 when one is missed, 2 when it could not be done, or "  \
    "not to its end, 3 when there are mismatches that the baseline has not. Without --fail-if "    \
    "and --baseline the goals are that nothing differs, nothing failed and nothing was left "      \
    "unsent."

struct report;

// Reads goals, baseline and the names of files. CLI_OK, or REPORT_NOT_RUN with an error told and
// *out NULL.
int report_open(struct report **out, const struct command *c, const struct options *o);

// Judges, prints the report to standard output (a table, or with --json), writes the files, and
// frees the report; v stays the caller's. Errors are told. The exit code. v NULL: nothing was run,
// it only frees: REPORT_NOT_RUN. report may be NULL.
int report_close(struct report *report, struct verdict *v, const struct options *o);

#endif
