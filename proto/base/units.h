// units: sizes and durations as people write them.
#ifndef TAPEDECK_BASE_UNITS_H
#define TAPEDECK_BASE_UNITS_H

#include "proto/base/view.h"

// "4096", "64k", "64KiB", "64MB", "1G" ...: k, M, G, T and KiB, MiB ... are powers of 1024;
// kB, MB, GB, TB powers of 1000. 0, E_SYNTAX, E_RANGE.
int units_size(struct view text, uint64_t *bytes);

// "250ms", "10s", "1.5s", "5m", "2h", "7d", "100us", "0": to microseconds. A bare number other than
// 0 is E_SYNTAX, since its unit would be a guess. 0, E_SYNTAX, E_RANGE.
int units_duration(struct view text, int64_t *us);

// The shortest faithful text ("64MiB", "1500ms"), NUL-terminated, into out.
#define UNITS_TEXT 24
const char *units_size_text(uint64_t bytes, char out[UNITS_TEXT]);
const char *units_duration_text(int64_t us, char out[UNITS_TEXT]);

#endif
