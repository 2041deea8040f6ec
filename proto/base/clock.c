// clock: reading time, and its RFC 3339 text. The calendar is counted here (proleptic Gregorian,
// UTC), so no time zone file and no lock of libc is touched.
#include "proto/base/clock.h"

#include "proto/base/err.h"
#include "proto/base/view.h"

#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
    return read_clock(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

// Days between 1970-01-01 and a date. A year is counted from March here, so that the leap day is
// its last one; 400 years are 146097 days.
static int64_t days_of(int year, int month, int day)
{
    int y = month <= 2 ? year - 1 : year;
    int era = (y >= 0 ? y : y - 399) / 400;
    int of_era = y - era * 400;
    int of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return (int64_t)era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *year, int *month, int *day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int of_era = (int)(days - era * 146097);
    int y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int of_year = of_era - (365 * y + y / 4 - y / 100);
    int m = (5 * of_year + 2) / 153;
    *day = of_year - (153 * m + 2) / 5 + 1;
    *month = m < 10 ? m + 3 : m - 9;
    *year = (int)(y + era * 400) + (*month <= 2);
}

static char *put_digits(char *at, unsigned value, int digits)
{
    for (int i = digits - 1; i >= 0; i--) {
        at[i] = (char)('0' + value % 10);
        value /= 10;
    }
    return at + digits;
}

const char *clock_format(int64_t wall_us, char out[CLOCK_TEXT])
{
    const int64_t first = days_of(0, 1, 1) * US_PER_DAY;
    const int64_t last = days_of(10000, 1, 1) * US_PER_DAY - 1;
    wall_us = wall_us < first ? first : wall_us > last ? last : wall_us; // four digits of year
    int64_t days = wall_us / US_PER_DAY, us = wall_us % US_PER_DAY;
    if (us < 0) {
        us += US_PER_DAY;
        days--;
    }
    int year, month, day;
    date_of(days, &year, &month, &day);
    unsigned s = (unsigned)(us / US_PER_S);
    char *at = put_digits(out, (unsigned)year, 4);
    *at++ = '-';
    at = put_digits(at, (unsigned)month, 2);
    *at++ = '-';
    at = put_digits(at, (unsigned)day, 2);
    *at++ = 'T';
    at = put_digits(at, s / 3600, 2);
    *at++ = ':';
    at = put_digits(at, s / 60 % 60, 2);
    *at++ = ':';
    at = put_digits(at, s % 60, 2);
    *at++ = '.';
    at = put_digits(at, (unsigned)(us % US_PER_S), 6);
    *at++ = 'Z';
    *at = 0;
    return out;
}

// Takes exactly so many digits from the front of v, a number from lo to hi.
static bool take(struct view *v, size_t digits, int lo, int hi, int *out)
{
    uint64_t n;
    if (v->n < digits || view_number(view_head(*v, digits), 10, (uint64_t)hi, &n) || (int)n < lo)
        return false;
    *out = (int)n;
    *v = view_from(*v, digits);
    return true;
}

static bool take_one_of(struct view *v, const char *these)
{
    if (v->n == 0 || v->p[0] == 0 || !strchr(these, v->p[0]))
        return false;
    *v = view_from(*v, 1);
    return true;
}

static bool take_date(struct view *v, int64_t *days)
{
    static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!take(v, 4, 0, 9999, &year) || !take_one_of(v, "-") || !take(v, 2, 1, 12, &month) ||
        !take_one_of(v, "-") || !take(v, 2, 1, lengths[month - 1], &day))
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (month == 2 && day == 29 && !leap)
        return false;
    *days = days_of(year, month, day);
    return true;
}

// ".123456789": digits behind the sixth are dropped.
static bool take_fraction(struct view *v, int64_t *us)
{
    int64_t unit = US_PER_S;
    *us = 0;
    if (!take_one_of(v, "."))
        return true;
    for (int d; take(v, 1, 0, 9, &d); *us += d * unit)
        unit /= 10;
    return unit < US_PER_S;
}

static bool take_zone(struct view *v, int64_t *us)
{
    int hours, minutes;
    *us = 0;
    if (take_one_of(v, "Zz"))
        return true;
    int sign = v->n > 0 && v->p[0] == '-' ? -1 : 1;
    if (!take_one_of(v, "+-") || !take(v, 2, 0, 23, &hours) || !take_one_of(v, ":") ||
        !take(v, 2, 0, 59, &minutes))
        return false;
    *us = sign * (hours * 3600 + minutes * 60) * US_PER_S;
    return true;
}

int clock_parse(const char *text, size_t n, int64_t *wall_us)
{
    struct view v = {text, n};
    int64_t days, fraction, zone;
    int hour, minute, second;
    if (!take_date(&v, &days))
        return E_SYNTAX;
    if (v.n == 0) {
        *wall_us = days * US_PER_DAY;
        return 0;
    }
    // Second 60 is a leap second, which becomes the second behind it.
    if (!take_one_of(&v, "Tt ") || !take(&v, 2, 0, 23, &hour) || !take_one_of(&v, ":") ||
        !take(&v, 2, 0, 59, &minute) || !take_one_of(&v, ":") || !take(&v, 2, 0, 60, &second) ||
        !take_fraction(&v, &fraction) || !take_zone(&v, &zone) || v.n > 0)
        return E_SYNTAX;
    *wall_us =
        days * US_PER_DAY + (hour * 3600 + minute * 60 + second) * US_PER_S + fraction - zone;
    return 0;
}
