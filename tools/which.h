// which: where a command of that name may be: $PATH, as a shell goes through it.
#ifndef TAPEDECK_TOOLS_WHICH_H
#define TAPEDECK_TOOLS_WHICH_H

#include "proto/base/view.h"

#include <limits.h>

struct which {
    struct view rest;
    bool more;
};

void which_begin(struct which *w);

// The next file that it would look at, whether it is there or not; an empty entry of $PATH is the
// present folder. false: there are no more.
bool which_next(struct which *w, const char *name, char file[PATH_MAX]);

// The first that can be executed; a name with a slash in it is a path itself. false: there is none.
bool which_find(const char *name, char file[PATH_MAX]);

#endif
