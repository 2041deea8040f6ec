// clock: time as microseconds. Sans-IO parts never read it; they are told.
#ifndef TAPEDECK_BASE_CLOCK_H
#define TAPEDECK_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#define US_PER_MS  1000LL
#define US_PER_S   1000000LL
#define US_PER_DAY (86400 * US_PER_S)

int64_t clock_wall_us(void); // since 1970-01-01 UTC; may jump
int64_t clock_mono_us(void); // since some start; never goes back

// Of a file's times.
static inline bool clock_same(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

// RFC 3339 in UTC with six decimals, e.g. 2026-01-31T12:00:00.000000Z, into out (28 bytes with
// NUL).
#define CLOCK_TEXT 28
const char *clock_format(int64_t wall_us, char out[CLOCK_TEXT]);

// RFC 3339 (Z or +hh:mm, fraction optional) or "YYYY-MM-DD" (UTC) to microseconds: 0 or E_SYNTAX.
int clock_parse(const char *text, size_t n, int64_t *wall_us);

#endif
