// progress: one line on stderr that tells how far a long work is; only on a terminal, only after a
// moment, gone at the end.
#ifndef TAPEDECK_TOOLS_PROGRESS_H
#define TAPEDECK_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
    const char *what; // "transactions"
    int64_t started, shown;
    bool on, visible;
};

void progress_init(struct progress *p, const char *what);
void progress_count(struct progress *p, int64_t done);
void progress_permille(struct progress *p, int permille);
void progress_end(struct progress *p);

#endif
