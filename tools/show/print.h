// print: one transaction as a person wants to see it.
#ifndef TAPEDECK_TOOLS_SHOW_PRINT_H
#define TAPEDECK_TOOLS_SHOW_PRINT_H

#include "tools/rows.h"
#include "tools/term.h"

struct print_spec {
    bool headers;   // only what stands before the bodies
    int64_t limit;  // bytes of each body that are shown; 0: all
    uint64_t bound; // bytes that a decoded body may have
};

void print_transaction(const struct term *t, struct rows *r, const struct print_spec *spec);

#endif
