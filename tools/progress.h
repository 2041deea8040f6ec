// progress: one line on stderr that tells how far a long work is; only on a terminal, only after a
// moment, gone at the end.
#ifndef TAPEDECK_TOOLS_PROGRESS_H
#define TAPEDECK_TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct progress {
    const char *what; // "transactions"
    int64_t started, shown;
    bool on;
};

// out: where the work writes meanwhile, or NULL. On a terminal its lines would run into ours, and
// tell by themselves how far it is: then nothing is shown.
void progress_init(struct progress *p, const char *what, FILE *out);
void progress_count(struct progress *p, int64_t done);
void progress_permille(struct progress *p, int permille);
void progress_end(struct progress *p);

// Takes the line away, if there is one, before something else is told on stderr.
void progress_hide(void);

#endif
