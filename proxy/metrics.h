// metrics: the counters of all workers as Prometheus text.
#ifndef TAPEDECK_PROXY_METRICS_H
#define TAPEDECK_PROXY_METRICS_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proxy/stats.h"

// Appends the sums over n workers. 0, E_LIMIT or E_NOMEM.
int metrics_text(const struct stats *const *workers, size_t n, int64_t wall_us,
                 struct buf *out) MUST_CHECK;

// The word for a number of Cause in record.proto.
const char *metrics_cause_word(unsigned cause);

#endif
