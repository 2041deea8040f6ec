// dumps: no core dump of a process that has a key in its memory.
#ifndef TAPEDECK_TOOLS_CA_DUMPS_H
#define TAPEDECK_TOOLS_CA_DUMPS_H

#include <sys/resource.h>

struct dumps {
    struct rlimit limit;
    int dumpable; // of prctl()
};

// From before the key is read.
void dumps_forbid(struct dumps *was);
// As it was, for what we start later. From after the key is cleared.
void dumps_restore(const struct dumps *was);

#endif
