// units: "64MiB" and "250ms", both ways.
#include "proto/base/units.h"

#include "proto/base/err.h"

#include <stdio.h>

struct unit {
    const char *name;
    uint64_t worth;
};

// The first that divides a value evenly makes its text, so the largest come first; of two that make
// equally short texts the earlier is taken.
static const struct unit sizes[] = {
    {"TiB", 1ULL << 40},
    {"GiB", 1ULL << 30},
    {"MiB", 1ULL << 20},
    {"KiB", 1ULL << 10},
    {"TB", 1000000000000ULL},
    {"GB", 1000000000},
    {"MB", 1000000},
    {"kB", 1000},
    {"T", 1ULL << 40},
    {"G", 1ULL << 30},
    {"M", 1ULL << 20},
    {"k", 1ULL << 10},
    {"B", 1},
    {NULL, 0},
};
static const struct unit durations[] = {
    {"d", 86400000000ULL},
    {"h", 3600000000ULL},
    {"m", 60000000},
    {"s", 1000000},
    {"ms", 1000},
    {"us", 1},
    {NULL, 0},
};

// Splits "1.5s" into 1, 500000 millionths and "s": digits of the fraction behind the sixth are
// dropped.
static int split(struct view text, uint64_t *whole, uint64_t *millionths, struct view *name)
{
    size_t n = 0;
    while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
        n++;
    int e = view_number(view_head(text, n), 10, UINT64_MAX, whole);
    if (e == E_SYNTAX)
        return e;
    *name = view_from(text, n);
    *millionths = 0;
    if (name->n > 0 && name->p[0] == '.') {
        uint64_t unit = 1000000;
        for (n = 1; n < name->n && name->p[n] >= '0' && name->p[n] <= '9'; n++) {
            unit /= 10;
            *millionths += unit * (uint64_t)(name->p[n] - '0');
        }
        if (n == 1)
            return E_SYNTAX;
        *name = view_from(*name, n);
        if (name->n == 0)
            return E_SYNTAX; // a fraction of no unit
    }
    return e;
}

static int value_of(struct view text, const struct unit *table, bool any_case, uint64_t *out)
{
    uint64_t whole = 0, millionths, sum;
    struct view name;
    int e = split(text, &whole, &millionths, &name);
    if (e == E_SYNTAX)
        return e;
    const struct unit *u = table;
    for (; u->name; u++) {
        struct view known = view_of(u->name);
        if (any_case ? view_ieq(name, known) : view_eq(name, known))
            break;
    }
    if (!u->name)
        return E_SYNTAX;
    if (e || __builtin_mul_overflow(whole, u->worth, &sum) ||
        __builtin_add_overflow(
            sum, u->worth / 1000000 * millionths + u->worth % 1000000 * millionths / 1000000, &sum))
        return E_RANGE;
    *out = sum;
    return 0;
}

int units_size(struct view text, uint64_t *bytes)
{
    int e = view_number(text, 10, UINT64_MAX, bytes);
    return e == E_SYNTAX ? value_of(text, sizes, true, bytes) : e;
}

int units_duration(struct view text, int64_t *us)
{
    uint64_t sum;
    if (view_eq(text, VIEW_LIT("0"))) {
        *us = 0;
        return 0;
    }
    int e = value_of(text, durations, false, &sum);
    if (e)
        return e;
    if (sum > INT64_MAX)
        return E_RANGE;
    *us = (int64_t)sum;
    return 0;
}

const char *units_size_text(uint64_t bytes, char out[UNITS_TEXT])
{
    int best = snprintf(out, UNITS_TEXT, "%llu", (unsigned long long)bytes);
    for (const struct unit *u = sizes; bytes > 0 && u->worth > 1; u++) {
        char text[UNITS_TEXT];
        if (bytes % u->worth || strlen(u->name) == 1)
            continue;
        int n =
            snprintf(text, sizeof text, "%llu%s", (unsigned long long)(bytes / u->worth), u->name);
        if (n < best || (n == best && out[n - 1] <= '9')) {
            memcpy(out, text, (size_t)n + 1);
            best = n;
        }
    }
    return out;
}

const char *units_duration_text(int64_t us, char out[UNITS_TEXT])
{
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    const struct unit *u = durations;
    if (us == 0) {
        snprintf(out, UNITS_TEXT, "0");
        return out;
    }
    while (size % u->worth)
        u++;
    snprintf(out, UNITS_TEXT, "%s%llu%s", us < 0 ? "-" : "", (unsigned long long)(size / u->worth),
             u->name);
    return out;
}
