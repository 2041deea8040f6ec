// facts: what is known about a transaction besides its messages, a line each.
#ifndef TAPEDECK_TOOLS_SHOW_FACTS_H
#define TAPEDECK_TOOLS_SHOW_FACTS_H

#include "tools/rows.h"
#include "tools/term.h"

// Summary, times, connection, TLS, ledger, losses of the row at hand.
void facts_print(const struct term *t, struct rows *r, struct view redacted);

#endif
