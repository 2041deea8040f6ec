// edits: gathered in any order, sorted when they are applied. Since they are told in the order of
// the bytes but for containers, which end behind what they contain, one that covers others takes
// them away when it comes.
#include "tools/rewrite/edits.h"

#include <stdlib.h>

void edits_init(struct edits *e, size_t max_text)
{
    *e = (struct edits){0};
    buf_init(&e->texts, max_text);
}

void edits_clear(struct edits *e)
{
    free(e->items);
    buf_clear(&e->texts);
    e->items = NULL;
    e->n = e->cap = 0;
}

void edits_reset(struct edits *e)
{
    e->n = 0;
    buf_reset(&e->texts);
}

static bool is_within(const struct edit *one, size_t at, size_t n)
{
    return one->at >= at && one->at + one->n <= at + n && !(one->n == 0 && one->at == at);
}

int edits_put(struct edits *e, size_t at, size_t n, struct view text)
{
    while (e->n > 0 && n > 0 && is_within(&e->items[e->n - 1], at, n))
        e->n--;
    if (e->n == e->cap) {
        size_t cap = e->cap ? 2 * e->cap : 16;
        struct edit *more = realloc(e->items, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        e->items = more;
        e->cap = cap;
    }
    size_t from = e->texts.n;
    int bad = buf_add_view(&e->texts, text);
    if (!bad)
        e->items[e->n] = (struct edit){at, n, from, text.n, e->n};
    e->n += !bad;
    return bad;
}

int edits_swap(struct edits *e, struct view whole, struct view piece, struct view text)
{
    return edits_put(e, (size_t)(piece.p - whole.p), piece.n, text);
}

static int by_place(const void *a, const void *b)
{
    const struct edit *l = a, *r = b;
    if (l->at != r->at)
        return l->at < r->at ? -1 : 1;
    return l->order < r->order ? -1 : l->order > r->order;
}

int edits_apply(struct edits *e, struct view in, struct buf *out)
{
    size_t done = 0;
    int bad = 0;
    if (e->n > 1)
        qsort(e->items, e->n, sizeof *e->items, by_place);
    for (size_t i = 0; i < e->n && !bad; i++) {
        const struct edit *one = &e->items[i];
        if (one->at < done)
            continue; // overlaps the one before
        bad = buf_add(out, in.p + done, one->at - done);
        bad = bad || one->text_n == 0 ? bad : buf_add(out, e->texts.p + one->text, one->text_n);
        done = one->at + one->n;
    }
    return bad ? bad : buf_add(out, in.n > done ? in.p + done : NULL, in.n - done);
}
