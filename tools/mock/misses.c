// misses: each different request is looked for once (match_key()); what is alike is put together.
#include "tools/mock/misses.h"

#include "proto/base/fnv.h"
#include "tools/cli.h"
#include "tools/mock/asked.h"

#include <stdio.h>
#include <stdlib.h>

#define SEEN_CAP  (4 * MISSES_EXPLAINED) // places in the table of requests
#define TEXT_MAX  (64u << 10)
#define SHOWN_MAX 512 // bytes of a path, a query

// A request that was looked for, and the miss that it belongs to.
struct seen {
    uint64_t key; // 0: a free place
    size_t miss;
};

struct finding {
    struct misses *m;
    struct match *tapes;
    struct seen *seen;
    size_t seen_n;
};

static char *copy(struct view v)
{
    return strndup(v.n ? v.p : "", v.n < SHOWN_MAX ? v.n : SHOWN_MAX);
}

static struct seen *find_seen(const struct finding *f, uint64_t key)
{
    size_t at = key % SEEN_CAP;
    while (f->seen[at].key && f->seen[at].key != key)
        at = (at + 1) % SEEN_CAP;
    return &f->seen[at];
}

static uint64_t mix(uint64_t h, struct view v)
{
    h = fnv_more(h, v.n ? v.p : "", v.n);
    return fnv_more(h, "\0", 1);
}

// ---- one miss

// The first line of text, behind its "cause: ".
static char *first_line(struct view text, const char *cause)
{
    size_t n = strlen(cause);
    text.n = view_find(text, '\n');
    if (view_starts(text, view_of(cause)) && view_starts(view_from(text, n), VIEW_LIT(": ")))
        text = view_from(text, n + 2);
    return strndup(text.n ? text.p : "", text.n);
}

static int explain(struct miss *out, const struct near_miss *near, const struct match_request *r)
{
    struct buf text;
    buf_init(&text, TEXT_MAX);
    snprintf(out->cause, sizeof out->cause, "%s", near_causes[near->cause]);
    int e = near_text(near, &text);
    if (!e && !(out->what = first_line(buf_view(&text), out->cause)))
        e = E_NOMEM;
    buf_reset(&text);
    e = e ? e : near_json(near, r, &text);
    if (!e && !(out->document = strndup(buf_view(&text).p, buf_len(&text))))
        e = E_NOMEM;
    if (!e && near->n > 0 && buf_len(&near->one[0].rules) > 0 &&
        !(out->rules = strndup(buf_view(&near->one[0].rules).p, buf_len(&near->one[0].rules))))
        e = E_NOMEM;
    buf_clear(&text);
    return e;
}

// What is alike has the same.
static uint64_t kind_of(const struct asked_row *row, const char *cause,
                        const struct near_miss *near)
{
    uint64_t h = mix(FNV_START, row->request.method);
    h = mix(h, row->request.host);
    h = mix(h, near ? row->route : row->request.path);
    h = mix(h, view_of(cause));
    if (!near)
        return mix(h, row->request.query);
    for (size_t i = 0; near->n > 0 && i < near->one[0].differences.n; i++)
        h = mix(h, view_of(near->one[0].differences.items[i].where));
    return h;
}

// The miss of that kind, new where there is none. NULL: out of memory, or there are too many (*e).
static struct miss *miss_of(struct misses *m, uint64_t kind, bool *is_new)
{
    *is_new = false;
    for (size_t i = 0; i < m->n; i++)
        if (m->all[i].key == kind)
            return &m->all[i];
    if (m->n == MISSES_MAX)
        return NULL;
    *is_new = true;
    m->all[m->n] = (struct miss){.key = kind};
    return &m->all[m->n++];
}

static int begin_miss(struct miss *out, const struct asked_row *row, const char *cause, int64_t id)
{
    out->id = id;
    out->method = copy(row->request.method);
    out->host = copy(row->request.host);
    out->path = copy(row->request.path);
    out->query = copy(row->request.query);
    snprintf(out->cause, sizeof out->cause, "%s", cause);
    return out->method && out->host && out->path && out->query ? 0 : E_NOMEM;
}

// ---- all of them

static int take_new(struct finding *f, const struct summary_miss *s, const struct asked_row *row,
                    size_t *at)
{
    struct near_miss near = {0};
    bool is_new, explained = f->tapes && row->request.method.n > 0;
    int e = explained ? near_find(f->tapes, &row->request, &near) : 0;
    struct miss *miss = NULL;
    *at = MISSES_MAX;
    if (!e)
        miss = miss_of(
            f->m,
            kind_of(row, explained ? near_causes[near.cause] : s->cause, explained ? &near : NULL),
            &is_new);
    if (miss) {
        *at = (size_t)(miss - f->m->all);
        e = is_new ? begin_miss(miss, row, s->cause, s->id) : 0;
        if (!e && is_new && explained)
            e = explain(miss, &near, &row->request);
    }
    if (explained)
        near_clear(&near);
    return e;
}

// A request that was looked for already says nothing new.
static int take_one(struct finding *f, const struct summary_miss *s, const struct asked_row *row)
{
    uint64_t key = 0;
    size_t at = MISSES_MAX;
    int e = 0;
    if (f->tapes && row->request.method.n > 0)
        e = match_key(f->tapes, &row->request, &key);
    else
        key = kind_of(row, s->cause, NULL);
    if (e)
        return e;
    struct seen *seen = find_seen(f, key ? key : 1);
    if (seen->key) {
        at = seen->miss;
    } else if (f->seen_n < MISSES_EXPLAINED) {
        e = take_new(f, s, row, &at);
        *seen = (struct seen){key ? key : 1, at};
        f->seen_n++;
    }
    if (e)
        return e;
    if (at < f->m->n)
        f->m->all[at].count++;
    else
        f->m->left_out++;
    return 0;
}

static int by_count(const void *a, const void *b)
{
    const struct miss *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

int misses_find(struct misses *m, const struct summary *s, const struct capture *capture,
                struct match *tapes, const struct match_conf *conf)
{
    struct finding f = {.m = m, .tapes = tapes};
    *m = (struct misses){0};
    struct asked_reader *reader = asked_reader_new(capture, 1, conf);
    f.seen = calloc(SEEN_CAP, sizeof *f.seen);
    m->all = calloc(MISSES_MAX, sizeof *m->all);
    int e = reader && f.seen && m->all ? 0 : E_NOMEM;
    for (size_t i = 0; i < s->misses_n && !e; i++) {
        struct asked_row row;
        e = asked_read(reader, s->misses[i].file, s->misses[i].id, &row);
        if (e == 1)
            e = take_one(&f, &s->misses[i], &row);
        else if (e == 0)
            m->left_out++; // told
    }
    if (e)
        cli_error("%s", err_text(e));
    else if (m->n > 0)
        qsort(m->all, m->n, sizeof *m->all, by_count);
    free(f.seen);
    asked_reader_free(reader);
    return e ? CLI_FAILED : CLI_OK;
}

void misses_clear(struct misses *m)
{
    for (size_t i = 0; i < m->n; i++) {
        struct miss *one = &m->all[i];
        free(one->method);
        free(one->host);
        free(one->path);
        free(one->query);
        free(one->what);
        free(one->document);
        free(one->rules);
    }
    free(m->all);
    *m = (struct misses){0};
}
