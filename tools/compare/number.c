// number: a number is taken apart into its sign, its digits without zeros at both ends, and the
// power of ten that the first of them stands at; equal numbers have equal parts.
#include "tools/compare/number.h"

#include <math.h>
#include <stdlib.h>

#define VALUE_MAX 512 // bytes of a number that is counted with
#define POWER_MAX INT64_C(1000000000000000000)

struct parts {
    bool negative, zero;
    struct view digits; // a '.' may be among them
    int64_t power;      // of ten, of the first digit
    bool far;           // the power is beyond counting: text is all there is to go by
};

static struct parts take_apart(struct view v)
{
    struct parts p = {0};
    if (v.n > 0 && v.p[0] == '-') {
        p.negative = true;
        v = view_from(v, 1);
    }
    size_t end = 0;
    while (end < v.n && view_lower(v.p[end]) != 'e')
        end++;
    struct view exponent = view_from(v, end < v.n ? end + 1 : end);
    v.n = end;
    int64_t power = 0;
    bool below = exponent.n > 0 && exponent.p[0] == '-';
    for (size_t i = 0; i < exponent.n; i++) {
        if (exponent.p[i] < '0' || exponent.p[i] > '9')
            continue;
        p.far = p.far || power > POWER_MAX / 10 - 1;
        power = p.far ? POWER_MAX : 10 * power + (exponent.p[i] - '0');
    }
    p.power = below ? -power : power;
    size_t point = view_find(v, '.'), first = 0;
    while (first < v.n && (v.p[first] == '0' || v.p[first] == '.'))
        first++;
    p.zero = first == v.n;
    if (p.zero)
        return (struct parts){.zero = true};
    while (v.p[v.n - 1] == '0' || v.p[v.n - 1] == '.') // zeros behind the last that is none
        v.n--;
    p.power += first < point ? (int64_t)(point - first) - 1 : -(int64_t)(first - point);
    p.digits = view_from(v, first);
    return p;
}

// The next digit at *i; -1: no more.
static int digit(struct view digits, size_t *i)
{
    if (*i < digits.n && digits.p[*i] == '.')
        ++*i;
    return *i < digits.n ? digits.p[(*i)++] : -1;
}

bool number_same(struct view a, struct view b)
{
    if (view_eq(a, b))
        return true;
    struct parts x = take_apart(a), y = take_apart(b);
    if (x.zero || y.zero)
        return x.zero && y.zero;
    if (x.far || y.far || x.negative != y.negative || x.power != y.power)
        return false;
    for (size_t i = 0, j = 0;;) {
        int c = digit(x.digits, &i), d = digit(y.digits, &j);
        if (c != d)
            return false;
        if (c < 0)
            return true;
    }
}

uint64_t number_hash(struct view v)
{
    struct parts p = take_apart(v);
    uint64_t h = (uint64_t)p.power * 2 + p.negative;
    size_t i = 0;
    if (p.zero)
        return 0;
    for (int c; (c = digit(p.digits, &i)) >= 0;)
        h = (h ^ (unsigned)c) * UINT64_C(0x100000001b3);
    return h;
}

static long double value(struct view v)
{
    char text[VALUE_MAX];
    size_t n = v.n < sizeof text - 1 ? v.n : sizeof text - 1;
    memcpy(text, v.p, n);
    text[n] = 0;
    return strtold(text, NULL);
}

// Rounding is forgiven: 0.3 and 0.29 are 0.01 apart. What is infinite is near to nothing.
static bool near(struct view a, struct view b, long double tolerance, long double part)
{
    if (number_same(a, b))
        return true;
    if (a.n >= VALUE_MAX || b.n >= VALUE_MAX)
        return false;
    long double x = value(a), y = value(b);
    long double larger = x > -x ? x : -x, other = y > -y ? y : -y;
    larger = other > larger ? other : larger;
    long double apart = x > y ? x - y : y - x;
    return apart <= tolerance + larger * (part + 1e-17L) && larger < HUGE_VALL;
}

bool number_near(struct view a, struct view b, long double tolerance)
{
    return near(a, b, tolerance, 0);
}

bool number_near_part(struct view a, struct view b, long double part)
{
    return near(a, b, 0, part);
}
