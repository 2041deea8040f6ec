// find: the two passes over a recording.
#include "tools/correlate/correlate.h"

#include <stdlib.h>

int correlate_find(struct correlate **out, const struct capture *capture,
                   const struct filter *filter, const struct rewrite *rules,
                   int (*progress)(void *arg, int permille), void *arg)
{
    (void)capture, (void)filter, (void)rules, (void)progress, (void)arg;
    *out = calloc(1, sizeof **out);
    return *out ? 0 : E_NOMEM;
}

void correlate_free(struct correlate *c)
{
    free(c);
}
