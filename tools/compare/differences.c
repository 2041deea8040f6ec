// differences: the array grows up to its ceiling; behind it only the count goes on.
#include "tools/compare/differences.h"

#include <stdlib.h>

const char *const difference_kinds[DIFFERENCE_KINDS] = {
    "value", "type", "missing", "extra", "order", "count", "malformed",
};

void differences_init(struct differences *d, size_t max)
{
    *d = (struct differences){.max = max};
}

void differences_clear(struct differences *d)
{
    free(d->items);
    differences_init(d, d->max);
}

struct difference *differences_add(struct differences *d, enum difference_kind kind, int *e)
{
    *e = 0;
    if (d->n == d->max) {
        d->total++;
        return NULL;
    }
    if (d->n == d->cap) {
        size_t cap = d->cap ? 2 * d->cap : 8;
        cap = cap < d->max ? cap : d->max;
        struct difference *more = realloc(d->items, cap * sizeof *more);
        if (!more) {
            *e = E_NOMEM;
            return NULL;
        }
        d->items = more;
        d->cap = cap;
    }
    struct difference *out = &d->items[d->n++];
    d->total++;
    out->kind = kind;
    out->shape = SHAPE_NONE;
    out->where[0] = out->left[0] = out->right[0] = 0;
    return out;
}

void difference_text(char out[DIFFERENCE_TEXT], struct view text)
{
    static const char mark[] = "…";
    size_t n = text.n;
    if (n >= DIFFERENCE_TEXT) {
        n = DIFFERENCE_TEXT - sizeof mark;
        while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
            n--;
    }
    for (size_t i = 0; i < n; i++) // a text ends at its NUL
        out[i] = text.p[i] ? text.p[i] : ' ';
    memcpy(out + n, mark, n < text.n ? sizeof mark : 0);
    if (n == text.n)
        out[n] = 0;
}
