// resources: each is read by itself, a CSV once for each of its columns that is named. CSV is RFC
// 4180's, with a line of names at its beginning; of the cells those of the column are found again.
#include "tools/rewrite/resources.h"

#include "proto/base/whole_file.h"

#include <stdlib.h>

struct cell {
    size_t at, n;
};
struct loaded_one {
    struct buf text;
    struct cell *cells; // of a CSV: a row each
    size_t rows;
};
struct loaded {
    struct loaded_one *items;
    size_t n;
};

int resources_add(struct resources *r, enum resource_kind kind, struct view name,
                  struct view column, size_t line, size_t at)
{
    for (size_t i = 0; i < r->n; i++)
        if (r->items[i].kind == kind && view_eq(view_of(r->items[i].name), name) &&
            view_eq(view_of(r->items[i].column), column))
            return (int)i;
    if (r->n == RESOURCES_MAX)
        return E_LIMIT;
    struct resource *more = realloc(r->items, (r->n + 1) * sizeof *more);
    if (!more)
        return E_NOMEM;
    r->items = more;
    more[r->n] = (struct resource){kind, strndup(name.p, name.n),
                                   strndup(column.n ? column.p : "", column.n), line, at};
    bool whole = more[r->n].name && more[r->n].column;
    r->n++;
    return whole ? (int)r->n - 1 : E_NOMEM;
}

void resources_clear(struct resources *r)
{
    for (size_t i = 0; i < r->n; i++) {
        free(r->items[i].name);
        free(r->items[i].column);
    }
    free(r->items);
    *r = (struct resources){0};
}

// ---- loading

struct loading {
    const struct resource *r;
    const char *beside;
    char *why;
};

static int fail(const struct loading *l, int e, const char *what, const char *which)
{
    size_t n = strlen(l->beside);
    snprintf(l->why, WHY_MAX, "%s:%zu:%zu: %.200s%.200s", l->beside + (n > 80 ? n - 80 : 0),
             l->r->line, l->r->at, what, which);
    return e;
}

static int read_beside(const struct loading *l, size_t max, struct buf *out)
{
    char path[4096], why[WHY_MAX];
    const char *slash = strrchr(l->beside, '/');
    int folder = slash && l->r->name[0] != '/' ? (int)(slash - l->beside) + 1 : 0;
    int n = snprintf(path, sizeof path, "%.*s%s", folder, l->beside, l->r->name);
    if (n >= (int)sizeof path)
        return fail(l, E_NOTFOUND, "the name of the file is too long: ", l->r->name);
    buf_init(out, max);
    int e = whole_file_read(path, max, out, why);
    return e ? fail(l, e, "", why) : 0;
}

// ---- CSV

struct csv {
    struct view in;
    size_t at;
    char *out; // cells are put together here, in place of what was read
    size_t n;
};

// The next cell; *last: it ends its line.
static int csv_cell(struct csv *c, struct cell *cell, bool *last)
{
    bool quoted = c->at < c->in.n && c->in.p[c->at] == '"';
    cell->at = c->n;
    if (quoted) {
        for (c->at++;; c->at++) {
            if (c->at == c->in.n)
                return E_SYNTAX;
            bool quote = c->in.p[c->at] == '"';
            if (quote && (c->at + 1 == c->in.n || c->in.p[c->at + 1] != '"'))
                break;
            c->at += quote;
            c->out[c->n++] = c->in.p[c->at];
        }
        c->at++;
    } else {
        while (c->at < c->in.n && !strchr(",\r\n", c->in.p[c->at]))
            c->out[c->n++] = c->in.p[c->at++];
    }
    cell->n = c->n - cell->at;
    if (c->at + 1 < c->in.n && c->in.p[c->at] == '\r' && c->in.p[c->at + 1] == '\n')
        c->at++;
    if (c->at < c->in.n && !strchr(",\n\r", c->in.p[c->at]))
        return E_SYNTAX;
    *last = c->at == c->in.n || c->in.p[c->at] != ',';
    c->at += c->at < c->in.n;
    return 0;
}

static int add_row(struct loaded_one *one, struct cell cell)
{
    if (one->rows == RESOURCES_ROWS_MAX)
        return E_LIMIT;
    if ((one->rows & (one->rows - 1)) == 0) {
        struct cell *more =
            realloc(one->cells, (one->rows ? 2 * one->rows : 1) * sizeof *one->cells);
        if (!more)
            return E_NOMEM;
        one->cells = more;
    }
    one->cells[one->rows++] = cell;
    return 0;
}

static int load_csv(const struct loading *l, struct loaded_one *one)
{
    struct cell cell;
    size_t wanted = SIZE_MAX, columns = 0, line = 1;
    bool last = false;
    int e = read_beside(l, RESOURCES_CSV_MAX, &one->text);
    if (e)
        return e;
    struct csv c = {.in = buf_view(&one->text), .out = one->text.p};
    if (view_starts(c.in, VIEW_LIT("\xef\xbb\xbf")))
        c.at = 3;
    while (!e && !last && c.at < c.in.n) {
        e = csv_cell(&c, &cell, &last);
        if (!e && view_eq(view_n(c.out + cell.at, cell.n), view_of(l->r->column)))
            wanted = columns;
        columns++;
    }
    if (!e && wanted == SIZE_MAX)
        return fail(l, E_NOTFOUND, "the file has no column ", l->r->column);
    for (; !e && c.at < c.in.n; line++) {
        struct cell found = {0};
        last = false;
        for (size_t i = 0; !e && !last; i++) {
            e = csv_cell(&c, &cell, &last);
            found = i == wanted ? cell : found;
        }
        e = e ? e : add_row(one, found);
    }
    char number[64];
    snprintf(number, sizeof number, "%zu", line);
    if (e == E_SYNTAX)
        return fail(l, e, "the file is no CSV in row ", number);
    if (e)
        return fail(l, e, "", e == E_LIMIT ? "the file has too many rows" : err_text(e));
    return one->rows ? 0 : fail(l, E_NOTFOUND, "the file has no rows: ", l->r->name);
}

static int load(const struct loading *l, struct loaded_one *one)
{
    buf_init(&one->text, RESOURCES_FILE_MAX);
    if (l->r->kind == RESOURCE_CSV)
        return load_csv(l, one);
    if (l->r->kind == RESOURCE_FILE) {
        int e = read_beside(l, RESOURCES_FILE_MAX, &one->text);
        if (!e && one->text.n > 0 && one->text.p[one->text.n - 1] == '\n')
            one->text.n--;
        if (!e && one->text.n > 0 && one->text.p[one->text.n - 1] == '\r')
            one->text.n--;
        return e;
    }
    const char *value = getenv(l->r->name);
    if (!value)
        return fail(l, E_NOTFOUND, "the environment has no ", l->r->name);
    return buf_add(&one->text, value, strlen(value)) ? fail(l, E_NOMEM, "", err_text(E_NOMEM)) : 0;
}

int resources_load(struct loaded **out, const struct resources *r, const char *beside,
                   char why[WHY_MAX])
{
    struct loaded *l = calloc(1, sizeof *l);
    int e = 0;
    *out = l;
    if (l)
        l->items = calloc(r->n + 1, sizeof *l->items);
    if (!l || !l->items) {
        free(l);
        *out = NULL;
        return err_no_memory(why, WHY_MAX);
    }
    for (size_t i = 0; i < r->n && !e; i++) {
        struct loading one = {&r->items[i], beside, why};
        l->n++;
        e = load(&one, &l->items[i]);
    }
    if (e) {
        resources_unload(l);
        *out = NULL;
    }
    return e;
}

void resources_unload(struct loaded *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->n; i++) {
        buf_clear(&l->items[i].text);
        free(l->items[i].cells);
    }
    free(l->items);
    free(l);
}

struct view resources_value(const struct loaded *l, size_t i, uint64_t row)
{
    const struct loaded_one *one = &l->items[i];
    if (!one->cells)
        return buf_view(&one->text);
    const struct cell *c = &one->cells[row % one->rows];
    return view_n(one->text.p + c->at, c->n);
}
