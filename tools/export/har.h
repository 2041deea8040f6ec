// har: the parts of an entry of an HTTP Archive (HAR 1.2), each a few members of an object.
#ifndef TAPEDECK_TOOLS_EXPORT_HAR_H
#define TAPEDECK_TOOLS_EXPORT_HAR_H

#include "tools/jsonw.h"
#include "tools/rows.h"

// "timings" of an entry and what follows from them, in µs; -1: not known.
struct har_times {
    int64_t started; // since 1970
    int64_t dns, connect, send, wait, receive;
    int64_t total; // of those that are known
};
void har_times(const struct store_query *q, struct har_times *t);
void har_timings(struct jsonw *w, const struct har_times *t);

// Arrays of {"name", "value"}.
void har_headers(struct jsonw *w, struct view head);
void har_query(struct jsonw *w, struct view query);

// "cookies" from the Cookie fields of a request, from the Set-Cookie fields of an answer.
void har_cookies(struct jsonw *w, struct view head);
void har_set_cookies(struct jsonw *w, struct view head);

#endif
