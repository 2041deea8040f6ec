// view: comparing, trimming and reading numbers out of borrowed bytes. ASCII only: no locale.
#include "proto/base/view.h"

#include "proto/base/err.h"

#include <assert.h>

bool view_same_letters(const char *a, const char *b, size_t n)
{
    for (; n >= 8; n -= 8, a += 8, b += 8) {
        uint64_t x, y;
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if ((x ^ y) & ~(UINT64_C(0x2020202020202020)))
            return false;
        for (int i = 0; x != y && i < 8; i++)
            if (view_lower(a[i]) != view_lower(b[i]))
                return false;
    }
    for (size_t i = 0; i < n; i++)
        if (a[i] != b[i] && view_lower(a[i]) != view_lower(b[i]))
            return false;
    return true;
}

bool view_starts(struct view v, struct view prefix)
{
    return view_eq(view_head(v, prefix.n), prefix);
}

bool view_istarts(struct view v, struct view prefix)
{
    return view_ieq(view_head(v, prefix.n), prefix);
}

size_t view_find(struct view v, char c)
{
    const char *at = v.n > 0 ? memchr(v.p, c, v.n) : NULL;
    return at ? (size_t)(at - v.p) : v.n;
}

int view_digit(char c)
{
    c = view_lower(c);
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int view_distance(struct view a, struct view b)
{
    int row[VIEW_FAR];
    if (a.n >= VIEW_FAR || b.n >= VIEW_FAR)
        return VIEW_FAR;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = (int)j;
    for (size_t i = 0; i < a.n; i++) {
        int corner = row[0];
        row[0] = (int)i + 1;
        for (size_t j = 0; j < b.n; j++) {
            int best = corner + (a.p[i] != b.p[j]);
            corner = row[j + 1];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j + 1] = corner + 1 < best ? corner + 1 : best;
        }
    }
    return row[b.n];
}

int view_number(struct view v, int base, uint64_t max, uint64_t *out)
{
    assert(base == 10 || base == 16);
    uint64_t sum = 0;
    bool over = false;
    if (v.n == 0)
        return E_SYNTAX;
    for (size_t i = 0; i < v.n; i++) {
        int d = view_digit(v.p[i]);
        if (d < 0 || d >= base)
            return E_SYNTAX; // before E_RANGE: what follows the excess still has to be a number
        over = over || __builtin_mul_overflow(sum, (uint64_t)base, &sum) ||
               __builtin_add_overflow(sum, (uint64_t)d, &sum);
    }
    if (over || sum > max)
        return E_RANGE;
    *out = sum;
    return 0;
}
