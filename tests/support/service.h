// service: runs one of our programs as a child, with its words in a file, until it is ready or
// ends.
#ifndef TAPEDECK_TESTS_SERVICE_H
#define TAPEDECK_TESTS_SERVICE_H

#include "tests/support/tmp.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct service {
    pid_t pid; // 0: it has ended
    char dir[TMP_PATH], log[TMP_PATH], ready[TMP_PATH];
    uint16_t in, out, admin; // ports from the ready file; 0: none
};

// Starts $TAPEDECK_BIN/name with the arguments (NULL at the end) and --ready-file. p->dir is the
// caller's. true: it is ready, and its ports are known; false: it ended, see service_wait().
bool service_start(struct service *p, const char *name, char *const *args);

// Its exit code, once it ends by itself; 128 + signal for one that killed it. Aborts after 20 s.
int service_wait(struct service *p);
void service_signal(const struct service *p, int number);

// What it has said so far, in memory of the caller's.
char *service_words(const struct service *p);
// Waits until it has said that; aborts after 10 s.
void service_says(const struct service *p, const char *words);

#endif
