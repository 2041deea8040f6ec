// template: parsed once into pieces, written many times.
#include "tools/rewrite/template.h"

#include "proto/base/clock.h"
#include "proto/base/units.h"

#include <inttypes.h>
#include <stdlib.h>

#define FORMATTED_MAX 128 // bytes of a time
#define CONVERSIONS   "%Y %m %d %H %M %S %j %a %b %F %T %L (milliseconds) %s %%"

// ---- names

int template_name(struct template_names *names, struct view name)
{
    for (size_t i = 0; i < names->n; i++)
        if (view_eq(view_of(names->items[i]), name))
            return (int)i;
    if (names->n == TEMPLATE_NAMES_MAX)
        return E_LIMIT;
    char **more = realloc(names->items, (names->n + 1) * sizeof *more);
    if (!more)
        return E_NOMEM;
    names->items = more;
    more[names->n] = strndup(name.p, name.n);
    if (!more[names->n])
        return E_NOMEM;
    return (int)names->n++;
}

void template_names_clear(struct template_names *names)
{
    for (size_t i = 0; i < names->n; i++)
        free(names->items[i]);
    free(names->items);
    *names = (struct template_names){0};
}

// ---- parsing

struct parser {
    struct template *t;
    struct resources *resources;
    struct template_names *names;
    size_t line, column;
    char *why;
};

static int fail(struct parser *p, int e, const char *what)
{
    snprintf(p->why, WHY_MAX, "%s", e == E_NOMEM ? err_text(e) : what);
    return e;
}

static struct template_piece *new_piece(struct parser *p, enum template_kind kind)
{
    struct template_piece *one = &p->t->pieces[p->t->n++];
    *one = (struct template_piece){.kind = kind};
    return one;
}

static bool is_name(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.", v.p[i]) ||
            !v.p[i])
            return false;
    return v.n > 0 && v.n <= 128;
}

static int resource(struct parser *p, enum resource_kind kind, struct view rest, size_t column)
{
    struct view name = rest, of = {0};
    if (kind == RESOURCE_CSV) {
        size_t n = rest.n;
        while (n > 0 && rest.p[n - 1] != ':')
            n--;
        if (n == 0 || n == rest.n)
            return fail(p, E_SYNTAX, "${csv:FILE:COLUMN} needs a file and a column");
        name = view_head(rest, n - 1);
        of = view_from(rest, n);
    }
    if (name.n == 0 || name.n > 4000 || memchr(name.p, 0, name.n))
        return fail(p, E_SYNTAX, "a name is expected behind the ':'");
    int i = resources_add(p->resources, kind, name, of, p->line, column);
    if (i < 0)
        return fail(p, i, "too many files and variables");
    new_piece(p, TEMPLATE_RESOURCE)->index = (size_t)i;
    return 0;
}

static int random_piece(struct parser *p, struct view rest)
{
    static const struct {
        const char *word, *letters;
    } kinds[] = {{"hex", "0123456789abcdef"},
                 {"digits", "0123456789"},
                 {"letters", "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"}};
    size_t colon = view_find(rest, ':'), dash = view_find(rest, '-');
    uint64_t from, to;
    for (size_t i = 0; i < 3; i++)
        if (view_eq(view_head(rest, colon), view_of(kinds[i].word)) && colon < rest.n &&
            view_number(view_from(rest, colon + 1), 10, TEMPLATE_RANDOM_MAX, &from) == 0 &&
            from > 0) {
            struct template_piece *one = new_piece(p, TEMPLATE_RANDOM);
            one->text = view_of(kinds[i].letters);
            one->from = from;
            return 0;
        }
    if (dash < rest.n && view_number(view_head(rest, dash), 10, INT64_MAX, &from) == 0 &&
        view_number(view_from(rest, dash + 1), 10, INT64_MAX, &to) == 0 && from <= to) {
        struct template_piece *one = new_piece(p, TEMPLATE_RANGE);
        one->from = from;
        one->to = to;
        return 0;
    }
    return fail(p, E_SYNTAX,
                "${random:…} takes hex:N, digits:N, letters:N (N up to 256) or FROM-TO");
}

// Whether every '%' has a letter that is known, and there is one.
static bool is_format(struct view v)
{
    bool any = false;
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] != '%')
            continue;
        if (++i == v.n || !v.p[i] || !strchr("YmdHMSFTabjLs%", v.p[i]))
            return false;
        any = true;
    }
    return any && v.n < FORMATTED_MAX;
}

static int now_piece(struct parser *p, struct view rest)
{
    struct template_piece *one = new_piece(p, TEMPLATE_NOW);
    struct view span = view_head(rest, view_find(rest, ':'));
    one->text = span.n < rest.n ? view_from(rest, span.n + 1) : VIEW_LIT("iso");
    if (span.n > 0) {
        if ((span.p[0] != '+' && span.p[0] != '-') ||
            units_duration(view_from(span, 1), &one->us) || one->us > TEMPLATE_SPAN_MAX)
            return fail(p, E_SYNTAX,
                        "a span is expected behind now, such as ${now+1h}, of 36500d at most");
        if (span.p[0] == '-')
            one->us = -one->us;
    }
    static const char *const words[] = {"iso", "ms", "s", "http"};
    for (size_t i = 0; i < 4; i++)
        if (view_eq(one->text, view_of(words[i])))
            return 0;
    return is_format(one->text)
               ? 0
               : fail(p, E_SYNTAX, "a time is written as iso, ms, s, http or with " CONVERSIONS);
}

static int placeholder(struct parser *p, struct view in, size_t column)
{
    size_t n = view_find(in, ':');
    struct view word = view_head(in, n), rest = view_from(in, n < in.n ? n + 1 : n);
    if (view_eq(word, VIEW_LIT("env")))
        return is_name(rest) ? resource(p, RESOURCE_ENV, rest, column)
                             : fail(p, E_SYNTAX, "${env:NAME} needs the name of a variable");
    if (view_eq(word, VIEW_LIT("file")))
        return resource(p, RESOURCE_FILE, rest, column);
    if (view_eq(word, VIEW_LIT("csv")))
        return resource(p, RESOURCE_CSV, rest, column);
    if (view_eq(in, VIEW_LIT("uuid")) || view_eq(in, VIEW_LIT("counter"))) {
        new_piece(p, in.p[0] == 'u' ? TEMPLATE_UUID : TEMPLATE_COUNTER);
        return 0;
    }
    if (view_eq(word, VIEW_LIT("random")))
        return random_piece(p, rest);
    if (view_starts(in, VIEW_LIT("now")))
        return now_piece(p, view_from(in, 3));
    if (!view_eq(word, VIEW_LIT("live")))
        return fail(p, E_SYNTAX,
                    "there is no such placeholder; there are env, file, csv, uuid, counter, now, "
                    "random, live");
    if (!is_name(rest))
        return fail(p, E_SYNTAX, "${live:NAME} needs a name that a rule of capture gives");
    int i = template_name(p->names, rest);
    if (i < 0)
        return fail(p, i, "too many names of live values");
    new_piece(p, TEMPLATE_LIVE)->index = (size_t)i;
    return 0;
}

static void literal(struct parser *p, struct view v)
{
    if (v.n > 0)
        new_piece(p, TEMPLATE_TEXT)->text = v;
}

static int pieces(struct parser *p, struct view all, size_t *at)
{
    size_t from = 0;
    for (*at = 0; *at + 1 < all.n; ++*at) {
        if (all.p[*at] != '$' || all.p[*at + 1] != '{')
            continue;
        if (p->t->n + 3 > TEMPLATE_PIECES_MAX) // a text, a placeholder, the text behind it
            return fail(p, E_LIMIT, "too many placeholders in one value");
        if (*at > from && all.p[*at - 1] == '$') { // "$${": the second of them begins a text
            literal(p, (struct view){all.p + from, *at - 1 - from});
            from = *at;
            continue;
        }
        struct view inside = view_from(all, *at + 2);
        size_t n = view_find(inside, '}');
        if (n == inside.n)
            return fail(p, E_SYNTAX, "a placeholder ends with '}'");
        literal(p, (struct view){all.p + from, *at - from});
        int e = placeholder(p, view_head(inside, n), p->column + *at);
        if (e)
            return e;
        *at += n + 2;
        from = *at + 1;
    }
    literal(p, view_from(all, from));
    return 0;
}

int template_parse(struct template *t, struct view text, struct resources *resources,
                   struct template_names *names, size_t line, size_t column, size_t *at,
                   char why[WHY_MAX])
{
    struct parser p = {t, resources, names, line, column, why};
    *t = (struct template){0};
    *at = 0;
    if (text.n > TEMPLATE_TEXT_MAX)
        return fail(&p, E_LIMIT, "the value is too long");
    t->text = malloc(text.n + 1);
    t->pieces = calloc(TEMPLATE_PIECES_MAX, sizeof *t->pieces);
    int e = t->text && t->pieces ? 0 : fail(&p, E_NOMEM, "");
    if (!e && text.n)
        memcpy(t->text, text.p, text.n);
    e = e ? e : pieces(&p, view_n(t->text, text.n), at);
    if (e)
        template_clear(t);
    return e;
}

void template_clear(struct template *t)
{
    free(t->pieces);
    free(t->text);
    *t = (struct template){0};
}

// ---- writing

uint64_t template_draw(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static int write_uuid(uint64_t *draw, struct buf *out)
{
    uint64_t a = template_draw(draw), b = template_draw(draw);
    a = (a & ~UINT64_C(0xf000)) | 0x4000;
    b = (b & ~(UINT64_C(3) << 62)) | UINT64_C(2) << 62;
    return buf_printf(out, "%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64,
                      a >> 32, a >> 16 & 0xffff, a & 0xffff, b >> 48, b & UINT64_C(0xffffffffffff));
}

static int write_random(const struct template_piece *p, uint64_t *draw, struct buf *out)
{
    char *room = buf_room(out, p->from);
    if (!room)
        return out->max - out->n < p->from ? E_LIMIT : E_NOMEM;
    for (uint64_t i = 0; i < p->from; i++)
        room[i] = p->text.p[template_draw(draw) % p->text.n];
    buf_grew(out, p->from);
    return 0;
}

static size_t conversion(char c, const struct tm *tm, int64_t us, char out[FORMATTED_MAX])
{
    switch (c) {
    case 'Y':
        return strftime(out, FORMATTED_MAX, "%Y", tm);
    case 'm':
        return strftime(out, FORMATTED_MAX, "%m", tm);
    case 'd':
        return strftime(out, FORMATTED_MAX, "%d", tm);
    case 'H':
        return strftime(out, FORMATTED_MAX, "%H", tm);
    case 'M':
        return strftime(out, FORMATTED_MAX, "%M", tm);
    case 'S':
        return strftime(out, FORMATTED_MAX, "%S", tm);
    case 'F':
        return strftime(out, FORMATTED_MAX, "%F", tm);
    case 'T':
        return strftime(out, FORMATTED_MAX, "%T", tm);
    case 'a':
        return strftime(out, FORMATTED_MAX, "%a", tm);
    case 'b':
        return strftime(out, FORMATTED_MAX, "%b", tm);
    case 'j':
        return strftime(out, FORMATTED_MAX, "%j", tm);
    case 'L':
        return (size_t)snprintf(out, FORMATTED_MAX, "%03d", (int)(us % US_PER_S / US_PER_MS));
    case 's':
        return (size_t)snprintf(out, FORMATTED_MAX, "%lld", (long long)(us / US_PER_S));
    default: // '%': what else there is was refused
        out[0] = '%';
        return 1;
    }
}

static int write_now(const struct template_piece *p, int64_t us, struct buf *out)
{
    struct view format = p->text;
    struct tm tm = {0};
    us = us < 0 ? 0 : us;
    time_t t = (time_t)(us / US_PER_S);
    int e = gmtime_r(&t, &tm) ? 0 : E_LIMIT;
    if (view_eq(format, VIEW_LIT("s")))
        format = VIEW_LIT("%s");
    else if (view_eq(format, VIEW_LIT("ms")))
        format = VIEW_LIT("%s%L");
    else if (view_eq(format, VIEW_LIT("http")))
        format = VIEW_LIT("%a, %d %b %Y %T GMT");
    else if (view_eq(format, VIEW_LIT("iso")))
        format = VIEW_LIT("%FT%TZ");
    while (!e && format.n > 0) {
        char text[FORMATTED_MAX];
        size_t plain = view_find(format, '%');
        e = buf_add(out, format.p, plain);
        format = view_from(format, plain);
        if (e || format.n < 2)
            break;
        e = buf_add(out, text, conversion(format.p[1], &tm, us, text));
        format = view_from(format, 2);
    }
    return e;
}

static int write_live(const struct template_piece *p, const struct template_world *w,
                      struct buf *out)
{
    struct view value;
    return w->live && w->live(w->arg, p->index, &value) ? buf_add_view(out, value) : E_NOTFOUND;
}

int template_write(const struct template *t, const struct template_world *w, struct buf *out)
{
    uint64_t draw = w->draw;
    int e = 0;
    for (size_t i = 0; i < t->n && !e; i++) {
        const struct template_piece *p = &t->pieces[i];
        switch (p->kind) {
        case TEMPLATE_TEXT:
            e = buf_add_view(out, p->text);
            break;
        case TEMPLATE_RESOURCE:
            e = buf_add_view(out, resources_value(w->loaded, p->index, w->row));
            break;
        case TEMPLATE_UUID:
            e = write_uuid(&draw, out);
            break;
        case TEMPLATE_COUNTER:
            e = buf_printf(out, "%" PRIu64, ++*w->counter);
            break;
        case TEMPLATE_RANDOM:
            e = write_random(p, &draw, out);
            break;
        case TEMPLATE_RANGE:
            e = buf_printf(out, "%" PRIu64, p->from + template_draw(&draw) % (p->to - p->from + 1));
            break;
        case TEMPLATE_NOW:
            e = write_now(p, w->now_us + p->us, out);
            break;
        case TEMPLATE_LIVE:
            e = write_live(p, w, out);
            break;
        }
    }
    return e;
}
