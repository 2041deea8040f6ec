// outcome: what a mock did, in a file: written by tapedeck-mock at its end (outcome.c), read by
// `tapedeck mock` (outcome_tell.c).
//
//   {"recorded":9,"unused":1,"hits":12,"misses":2,"passthrough":0,"faulted":3,
//    "faults":{"seed":1,"rules":[{"line":1,"fault":"latency","matched":5,"done":3,…},…]}}
#ifndef TAPEDECK_TOOLS_MOCK_OUTCOME_H
#define TAPEDECK_TOOLS_MOCK_OUTCOME_H

#include "tools/mock/far.h"

// path NULL: nothing. 0, or an error told in why.
int outcome_write(const char *path, struct mock *m, struct faults *f, char why[WHY_MAX]) MUST_CHECK;

// Reads the file into out, and tells it on stderr: in a line or two, and a warning for each rule of
// faults that never matched. quiet: only what is wrong: misses and these. false: there is no such
// file.
bool outcome_tell(const char *path, bool quiet, struct mock_tally *out);

#endif
