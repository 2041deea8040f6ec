// fault_control: a mock's faults while it runs: the file that is read at the start and at SIGHUP,
// and the page /faults of the admin listener.
//
//   GET     the rules, and how often each matched and was done
//   POST    the rules of the content, in the place of all; 400 with what is wrong, and where
//   DELETE  no rules
//
// Rules that never matched are told in the log: when they go, and at the end.
#ifndef TAPEDECK_TOOLS_MOCK_FAULT_CONTROL_H
#define TAPEDECK_TOOLS_MOCK_FAULT_CONTROL_H

#include "proxy/world.h"
#include "tools/mock/faults.h"

struct fault_control {
    struct faults *faults;
    struct world_page page; // for world_hook
};

// path: the file of rules; NULL: none. 0, or an error told in why. Memory is released by
// fault_control_clear() in any case.
int fault_control_init(struct fault_control *c, uint64_t seed, const char *path,
                       char why[WHY_MAX]) MUST_CHECK;
void fault_control_clear(struct fault_control *c);

// Reads the file once more; what cannot be is told in the log, and the rules stay. NULL: they stay
// too. Plans that are being carried out keep their rules.
void fault_control_again(struct fault_control *c, const char *path);

#endif
