// filters: which transactions of the recording the filters of rules take, asked of it once, when a
// run begins.
#include "tools/rewrite/session.h"

#include "tools/cli.h"
#include "tools/rows.h"

#include <stdlib.h>

#define FILTERED_MAX 5000000 // transactions of a rule

static int by_number(const void *a, const void *b)
{
    const int64_t *l = a, *r = b;
    return *l < *r ? -1 : *l > *r;
}

static int add(struct filtered *f, int64_t id)
{
    if (f->n == FILTERED_MAX)
        return E_LIMIT;
    if (f->n == f->cap) {
        size_t cap = f->cap ? 2 * f->cap : 64;
        int64_t *more = realloc(f->ids, cap * sizeof *more);
        if (!more)
            return E_NOMEM;
        f->ids = more;
        f->cap = cap;
    }
    f->ids[f->n++] = id;
    return 0;
}

static int find(const struct rewrite_session *s, size_t i, char why[WHY_MAX])
{
    const struct rewrite_rule *rule = &s->rules->rules[i];
    struct rows_spec spec = {
        .capture = s->setup.capture, .filter = rule->limits.filter, .order = STORE_BY_ID};
    struct rows *rows = NULL;
    int e = spec.capture ? 0 : E_NOTFOUND;
    if (!e && rows_open(&rows, &spec) != CLI_OK)
        e = E_IO;
    while (!e && rows_next(rows))
        e = add(&s->filtered[i], store_int(rows_row(rows), FIELD_ID));
    rows_close(rows);
    if (!e && s->filtered[i].n > 1)
        qsort(s->filtered[i].ids, s->filtered[i].n, sizeof(int64_t), by_number);
    if (e)
        snprintf(why, WHY_MAX, "%.300s: its filter cannot be asked: %s", rule->text,
                 e == E_IO ? "the capture cannot be read" : err_text(e));
    return e;
}

int filters_find(struct rewrite_session *s, char why[WHY_MAX])
{
    int e = 0;
    for (size_t i = 0; i < s->rules->n && !e; i++)
        if (s->rules->rules[i].limits.filter)
            e = find(s, i, why);
    return e;
}
