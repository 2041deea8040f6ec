// write_signals: a write that cannot be done answers an error; it does not end the process. Called
// first of all in every program.
#ifndef TAPEDECK_BASE_WRITE_SIGNALS_H
#define TAPEDECK_BASE_WRITE_SIGNALS_H

#include <signal.h>

static inline void write_signals_ignore(void)
{
    signal(SIGPIPE, SIG_IGN); // the reader went away
    signal(SIGXFSZ, SIG_IGN); // the file would be larger than ulimit -f allows
}

#endif
