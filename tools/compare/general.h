// general: the place of a difference, without what is of one message only: a pattern as rules write
// it, body.items[*].price for body.items[3].price, and body for "body line 3".
#ifndef TAPEDECK_TOOLS_COMPARE_GENERAL_H
#define TAPEDECK_TOOLS_COMPARE_GENERAL_H

#include "tools/compare/differences.h"
#include "tools/compare/where.h"

// The pattern of a place into out. false: it is that of a place above, for there was no room for
// all steps.
bool general_place(struct view where, char out[DIFFERENCE_WHERE]);

#endif
