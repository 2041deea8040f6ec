// summary: see summary.h. An outcome is a word, and behind a blank the faults: "hit fault=latency".
#include "tools/mock/summary.h"

#include "tools/cli.h"

#include <stdio.h>
#include <stdlib.h>

static const char sql[] =
    "SELECT txn, original, outcome, iif(outcome LIKE 'miss%', (SELECT value FROM header"
    " WHERE header.txn = link.txn AND side = 'answer' AND name LIKE 'tapedeck-miss'), NULL)"
    " FROM link ORDER BY txn";

// Room for one more. false: out of memory, or too many.
static bool room(void **list, size_t n, size_t *cap, size_t size)
{
    if (n < *cap)
        return true;
    size_t more = *cap ? 2 * *cap : 256;
    void *new = n < SUMMARY_MAX ? realloc(*list, more * size) : NULL;
    if (!new)
        return false;
    *list = new;
    *cap = more;
    return true;
}

static void take_faults(struct summary *s, struct view list)
{
    s->faulted += list.n > 0;
    while (list.n > 0) {
        size_t n = view_find(list, ',');
        for (int i = 0; i < FAULT_KINDS; i++)
            s->faults[i] += view_eq(view_head(list, n), view_of(fault_names[i]));
        list = view_from(list, n < list.n ? n + 1 : n);
    }
}

static int take(struct summary *s, const struct store_query *q, uint32_t file)
{
    struct view outcome = store_bytes(q, 2), cause = store_bytes(q, 3), faults = {NULL, 0};
    struct view word = view_head(outcome, view_find(outcome, ' '));
    static const char key[] = " fault=";
    if (word.n < outcome.n && view_starts(view_from(outcome, word.n), VIEW_LIT(key)))
        faults = view_from(outcome, word.n + sizeof key - 1);
    take_faults(s, faults);
    if (view_eq(word, VIEW_LIT("hit"))) {
        s->hits++;
        if (!room((void **)&s->used, s->used_n, &s->used_cap, sizeof *s->used))
            return E_LIMIT;
        s->used[s->used_n++] = store_int(q, 1);
    } else if (view_eq(word, VIEW_LIT("miss"))) {
        s->missed++;
        if (!room((void **)&s->misses, s->misses_n, &s->misses_cap, sizeof *s->misses))
            return E_LIMIT;
        struct summary_miss *m = &s->misses[s->misses_n++];
        *m = (struct summary_miss){.id = store_int(q, 0), .file = file};
        snprintf(m->cause, sizeof m->cause, "%.*s", (int)cause.n, cause.n ? cause.p : "");
    } else if (view_eq(word, VIEW_LIT("passthrough"))) {
        s->passed++;
    } else if (view_eq(word, VIEW_LIT("refused"))) {
        s->refused++;
    }
    return 0;
}

static int by_id(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static void sort_used(struct summary *s)
{
    size_t kept = 0;
    if (s->used_n > 0)
        qsort(s->used, s->used_n, sizeof *s->used, by_id);
    for (size_t i = 0; i < s->used_n; i++)
        if (kept == 0 || s->used[kept - 1] != s->used[i])
            s->used[kept++] = s->used[i];
    s->used_n = kept;
}

int summary_read(struct summary *s, const struct capture *c)
{
    int code = CLI_OK;
    *s = (struct summary){0};
    for (size_t i = 0; i < c->n && !code; i++) {
        struct store *store = capture_open_file(c, i);
        struct store_query *q = NULL;
        if (!store)
            continue; // told
        int e = store_query(store, sql, &q);
        while (!e && (e = store_step(q)) == 1)
            e = take(s, q, (uint32_t)i);
        store_query_free(q);
        if (e) {
            cli_error("%s: %s", c->paths[i],
                      e == E_LIMIT ? "out of memory, or more than 20,000,000 transactions"
                                   : store_why(store));
            code = CLI_FAILED;
        }
        store_close(store);
    }
    sort_used(s);
    return code;
}

void summary_clear(struct summary *s)
{
    free(s->used);
    free(s->misses);
    *s = (struct summary){0};
}

bool summary_uses(const struct summary *s, int64_t original)
{
    return s->used_n > 0 && bsearch(&original, s->used, s->used_n, sizeof *s->used, by_id);
}
