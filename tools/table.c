// table: cells are kept one behind the other, each as a struct cell and its text.
//
//   rows wait (held > 0)  --TABLE_LOOKAHEAD rows, TABLE_HELD_MAX bytes or a flush-->  rows pass
//
// 1. widths only grow; while rows wait nothing has been written.
// 2. On a terminal the columns that hold text shrink until the line fits; numbers never do.
#include "tools/table.h"

#include "proto/base/buf.h"
#include "tools/cli.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

#define SHRINK_TO 12

struct column {
    char name[64];
    int width; // of the widest cell so far, at most TABLE_PAD when not on a terminal
    int shown; // what it gets
    enum table_kind kind;
};
struct cell {
    enum style style;
    int columns;
    size_t n;
};
struct table {
    const struct term *term;
    struct column columns[TABLE_COLUMNS];
    int n, at;        // columns; cells in the row that is being filled
    size_t held;      // rows in cells
    bool passing;     // widths are settled
    bool failed;      // out of memory
    bool header, any; // the header is wanted; something was written
    struct buf cells;
};

struct table *table_new(const struct term *term)
{
    struct table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->term = term;
    t->header = true;
    buf_init(&t->cells, TABLE_HELD_MAX + TABLE_COLUMNS * (size_t)(TABLE_CELL_MAX + 64));
    return t;
}

void table_no_header(struct table *t)
{
    t->header = false;
}

void table_column(struct table *t, const char *name, enum table_kind kind)
{
    if (t->n == TABLE_COLUMNS)
        return;
    struct column *c = &t->columns[t->n++];
    snprintf(c->name, sizeof c->name, "%s", name);
    for (char *p = c->name; *p; p++)
        *p = (char)toupper((unsigned char)*p);
    c->kind = kind;
    c->width = t->header ? term_width(t->term, view_of(c->name)) : 1;
}

// Columns of text give way, the widest first, until the line fits.
static void settle(struct table *t)
{
    int sum = 2 * (t->n - 1);
    for (int i = 0; i < t->n; i++) {
        t->columns[i].shown = t->columns[i].width;
        sum += t->columns[i].width;
    }
    while (t->term->width > 0 && sum > t->term->width) {
        struct column *widest = NULL;
        for (int i = 0; i < t->n; i++) {
            struct column *c = &t->columns[i];
            if (c->kind == TABLE_TEXT && c->shown > SHRINK_TO &&
                (!widest || c->shown >= widest->shown))
                widest = c;
        }
        if (!widest)
            break;
        widest->shown--;
        sum--;
    }
}

static void pad(const struct table *t, int n)
{
    while (n-- > 0)
        putc_unlocked(' ', t->term->out);
}

static void write_cell(const struct table *t, int i, enum style style, int columns, struct view v)
{
    const struct column *c = &t->columns[i];
    bool last = i == t->n - 1;
    bool cut = t->term->width > 0 && c->kind == TABLE_TEXT && columns > c->shown;
    if (c->kind == TABLE_NUMBER)
        pad(t, c->shown - columns);
    term_on(t->term, style);
    int written = term_text(t->term, v, false, cut ? c->shown : 0);
    term_off(t->term, style);
    if (last)
        return;
    if (c->kind != TABLE_NUMBER)
        pad(t, c->shown - written);
    pad(t, 2);
}

static void write_header(struct table *t)
{
    if (!t->header || t->any)
        return;
    for (int i = 0; i < t->n; i++) {
        struct view name = view_of(t->columns[i].name);
        write_cell(t, i, STYLE_HEAD, term_width(t->term, name), name);
    }
    putc_unlocked('\n', t->term->out);
}

static void write_held(struct table *t)
{
    struct view v = buf_view(&t->cells);
    write_header(t);
    for (size_t row = 0; row < t->held; row++) {
        for (int i = 0; i < t->n; i++) {
            struct cell cell;
            memcpy(&cell, v.p, sizeof cell);
            v = view_from(v, sizeof cell);
            write_cell(t, i, cell.style, cell.columns, view_head(v, cell.n));
            v = view_from(v, cell.n);
        }
        putc_unlocked('\n', t->term->out);
    }
    t->any = true;
    t->held = 0;
    buf_reset(&t->cells);
}

static void end_row(struct table *t)
{
    t->at = 0;
    t->held++;
    if (!t->passing && t->held < TABLE_LOOKAHEAD && buf_len(&t->cells) < TABLE_HELD_MAX)
        return;
    t->passing = true;
    settle(t);
    write_held(t);
}

void table_cell(struct table *t, enum style style, struct view text)
{
    if (t->failed)
        return;
    char more[40] = "";
    if (text.n > TABLE_CELL_MAX)
        snprintf(more, sizeof more, "… %zu bytes", text.n);
    text = view_head(text, TABLE_CELL_MAX);
    struct view rest = view_of(more);
    struct cell cell = {style, term_width(t->term, text) + term_width(t->term, rest),
                        text.n + rest.n};
    struct column *c = &t->columns[t->at];
    if (buf_add(&t->cells, &cell, sizeof cell) || buf_add_view(&t->cells, text) ||
        buf_add_view(&t->cells, rest)) {
        t->failed = true;
        cli_damage("out of memory: the table ends here");
        return;
    }
    int width = t->term->width > 0 || cell.columns < TABLE_PAD ? cell.columns : TABLE_PAD;
    if (width > c->width)
        c->width = width;
    if (++t->at == t->n)
        end_row(t);
}

void table_cellf(struct table *t, enum style style, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    table_cell(t, style, view_n(text, n < (int)sizeof text ? (size_t)n : sizeof text - 1));
}

void table_flush(struct table *t)
{
    if (t->held == 0 || t->failed)
        return;
    settle(t);
    write_held(t);
}

void table_end(struct table *t)
{
    if (!t)
        return;
    table_flush(t);
    buf_clear(&t->cells);
    free(t);
}
