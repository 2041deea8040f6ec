// sink_table: the sinks that --sink can name.
#include "recorder/sink.h"

const struct recorder_sink_ops *const sink_table[] = {&sink_sqlite, &sink_null, NULL};

const struct recorder_sink_ops *sink_find(const char *name)
{
    for (const struct recorder_sink_ops *const *ops = sink_table; *ops; ops++)
        if (strcmp((*ops)->name, name) == 0)
            return *ops;
    return NULL;
}

bool sink_error_lasts(int e)
{
    return e == E_UNSUPPORTED || e == E_NOTFOUND || e == E_REFUSED || e == E_VERSION ||
           e == E_RANGE || e == E_SYNTAX;
}
