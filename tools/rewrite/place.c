// place: a few words of its own, where.h for the rest.
#include "tools/rewrite/place.h"

#include <stdio.h>
#include <stdlib.h>

static int fail(char why[WHY_MAX], const char *what)
{
    snprintf(why, WHY_MAX, "%s", what);
    return E_SYNTAX;
}

// ---- parsing

static int parse_where(struct place *p, struct view text, size_t *at, char why[WHY_MAX])
{
    static const struct {
        enum where_part part;
        enum part_kind kind;
    } kinds[] = {{WHERE_METHOD, PART_METHOD},
                 {WHERE_PATH, PART_PATH},
                 {WHERE_QUERY, PART_QUERY},
                 {WHERE_HEADER, PART_HEADER},
                 {WHERE_BODY, PART_VALUE}};
    size_t word = 0, i = 0;
    while (word < text.n && text.p[word] >= 'a' && text.p[word] <= 'z')
        word++;
    while (i < 5 && !view_eq(view_head(text, word), view_of(where_parts[kinds[i].part])))
        i++;
    if (i == 5)
        return fail(why, "there is no such place; there are " PLACE_ALLOWED);
    int e = where_parse(&p->where, text, at, why);
    if (e)
        return e;
    p->kind = kinds[i].kind;
    if (p->kind == PART_VALUE && p->where.n == 0)
        p->kind = PART_BODY;
    if (p->kind == PART_QUERY && p->where.n == 0) {
        *at = text.n;
        return fail(why, "'.' and a key are expected here, such as query.page");
    }
    return 0;
}

// "cookie NAME", "html NAME": as body["NAME"], so that '*' means what it means there.
static int parse_named(struct place *p, enum part_kind kind, struct view text, size_t from,
                       size_t *at, char why[WHY_MAX])
{
    struct view name = view_trim(view_from(text, from));
    bool star = view_find(name, '*') < name.n;
    *at = from;
    if (name.n == 0 || name.n > WHERE_GLOB_MAX)
        return fail(why, "a name is expected here, such as cookie session");
    p->where = (struct where_pattern){.part = WHERE_BODY, .n = 1, .text = malloc(name.n)};
    if (!p->where.text)
        return err_no_memory(why, WHY_MAX);
    memcpy(p->where.text, name.p, name.n);
    p->where.tokens[0] = (struct where_token){
        .kind = WHERE_KEY, .exact = !star, .key = view_n(p->where.text, name.n)};
    p->kind = kind;
    return 0;
}

static int parse_segment(struct place *p, struct view text, size_t *at, char why[WHY_MAX])
{
    struct view inside = view_from(text, 5);
    uint64_t n = 0;
    *at = 5;
    if (inside.n < 2 || inside.p[inside.n - 1] != ']')
        return fail(why, "a number and ']' are expected here, such as path[1]");
    inside.n--;
    p->any_index = view_eq(inside, VIEW_LIT("*"));
    if (!p->any_index && view_number(inside, 10, 1000000, &n))
        return fail(why, "a number or * is expected here, such as path[1]");
    p->kind = PART_SEGMENT;
    p->index = (uint32_t)n;
    return 0;
}

static int parse_one(struct place *p, struct view text, size_t *at, char why[WHY_MAX])
{
    *at = 0;
    if (view_eq(text, VIEW_LIT("host"))) {
        p->kind = PART_HOST;
        return 0;
    }
    if (view_starts(text, VIEW_LIT("path[")))
        return parse_segment(p, text, at, why);
    if (view_starts(text, VIEW_LIT("cookie ")))
        return parse_named(p, PART_COOKIE, text, 7, at, why);
    if (view_starts(text, VIEW_LIT("html ")))
        return parse_named(p, PART_HTML, text, 5, at, why);
    return parse_where(p, text, at, why);
}

// Where " > " stands outside quotes, or n.
static size_t find_within(struct view text)
{
    bool quoted = false;
    for (size_t i = 0; i + 2 < text.n; i++) {
        if (quoted && text.p[i] == '\\')
            i++;
        else if (text.p[i] == '"')
            quoted = !quoted;
        else if (!quoted && memcmp(text.p + i, " > ", 3) == 0)
            return i;
    }
    return text.n;
}

int place_parse(struct place *p, struct view text, size_t *at, char why[WHY_MAX])
{
    *p = (struct place){0};
    size_t end = find_within(text);
    int e = parse_one(p, view_head(text, end), at, why);
    if (!e && end < text.n) {
        p->within = calloc(1, sizeof *p->within);
        e = p->within ? parse_one(p->within, view_from(text, end + 3), at, why)
                      : err_no_memory(why, WHY_MAX);
        *at += end + 3;
        enum part_kind kind = p->within ? p->within->kind : PART_PATH;
        if (!e && kind != PART_PATH && kind != PART_SEGMENT && kind != PART_QUERY) {
            *at = end + 3;
            e = fail(why, "of a URL there are path, path[N] and query.KEY");
        }
    }
    if (e)
        place_clear(p);
    return e;
}

void place_clear(struct place *p)
{
    if (p->within) {
        where_clear(&p->within->where);
        free(p->within);
    }
    where_clear(&p->where);
    p->within = NULL;
}

// ---- matching

static bool along(const struct where_pattern *w, const struct where_step *steps, size_t n)
{
    uint64_t state = where_start(w);
    for (size_t i = 0; i < n && state; i++)
        state = where_next(w, state, &steps[i]);
    return where_here(w, state);
}

bool place_is(const struct place *p, const struct part *part)
{
    switch (p->kind) {
    case PART_SEGMENT:
        return part->kind == PART_SEGMENT && (p->any_index || p->index == part->index);
    case PART_BODY:
        return part->kind == PART_BODY || (part->kind == PART_VALUE && part->depth == 0);
    case PART_QUERY:
    case PART_HEADER:
    case PART_COOKIE:
    case PART_VALUE:
    case PART_HTML:
        return part->kind == p->kind && along(&p->where, part->steps, part->depth);
    default:
        return part->kind == p->kind;
    }
}

bool place_is_parent(const struct place *p, const struct part *part)
{
    if (p->kind != PART_VALUE || part->kind != PART_VALUE || !part->container ||
        part->raw.p[0] != '{')
        return false;
    struct where_pattern up = p->where;
    const struct where_token *last = &up.tokens[up.n - 1];
    if (last->kind != WHERE_KEY || last->number > 1 ||
        (!last->exact && view_find(last->key, '*') < last->key.n))
        return false;
    up.n--;
    return along(&up, part->steps, part->depth);
}

bool place_in_content(const struct place *p)
{
    return p->kind == PART_VALUE || p->kind == PART_BODY || p->kind == PART_HTML;
}

// ---- text

static bool part_text(const struct part *part, char *out, size_t size)
{
    static const enum where_part parts[PART_KINDS] = {
        [PART_METHOD] = WHERE_METHOD, [PART_PATH] = WHERE_PATH,  [PART_QUERY] = WHERE_QUERY,
        [PART_HEADER] = WHERE_HEADER, [PART_VALUE] = WHERE_BODY, [PART_BODY] = WHERE_BODY};
    int n = 0;
    switch (part->kind) {
    case PART_HOST:
        n = snprintf(out, size, "host");
        break;
    case PART_SEGMENT:
        n = snprintf(out, size, "path[%u]", part->index);
        break;
    case PART_COOKIE:
    case PART_HTML:
        for (size_t i = 0; i < part->steps->key.n; i++)
            if ((unsigned char)part->steps->key.p[i] <= ' ' || part->steps->key.p[i] == '*')
                return false;
        n = snprintf(out, size, "%s %.*s", part->kind == PART_COOKIE ? "cookie" : "html",
                     (int)part->steps->key.n, part->steps->key.p);
        break;
    default:
        if (part->depth > WHERE_TOKENS)
            return false;
        where_text(parts[part->kind], part->steps, part->depth, out, size);
        return !strstr(out, ".…") && !(part->kind == PART_HEADER && strchr(out, '*'));
    }
    return n > 0 && (size_t)n < size;
}

bool place_text(const struct part *part, const struct part *within, char out[PLACE_TEXT])
{
    if (!part_text(part, out, PLACE_TEXT))
        return false;
    size_t n = strlen(out);
    if (!within)
        return true;
    if (PLACE_TEXT - n < 8)
        return false;
    memcpy(out + n, " > ", 4);
    return part_text(within, out + n + 3, PLACE_TEXT - n - 3);
}

// ---- finding

struct finding {
    const struct place *place;
    struct buf *out;
    bool found;
    int error;
};

static int inner_part(void *arg, const struct part *part)
{
    struct finding *f = arg;
    if (f->found || !place_is(f->place->within, part))
        return PARTS_ON;
    f->found = true;
    return buf_add_view(f->out, part->text);
}

// Of "<https://…>; rel=next" what stands in the brackets.
struct view place_url(struct view text)
{
    if (text.n > 0 && text.p[0] == '<')
        return view_head(view_from(text, 1), view_find(view_from(text, 1), '>'));
    return text;
}

static int one_part(void *arg, const struct part *part)
{
    struct finding *f = arg;
    if (f->found || !place_is(f->place, part))
        return PARTS_ON;
    if (!f->place->within) {
        f->found = true;
        return buf_add_view(f->out, part->text);
    }
    struct view url = place_url(part->text);
    if (!parts_is_url(url))
        return PARTS_ON;
    struct parts inner;
    parts_init(&inner, inner_part, f);
    int e = parts_of_url(&inner, url);
    parts_clear(&inner);
    return e;
}

int place_find(const struct place *place, struct parts *p, struct view head, struct view content,
               struct view type, struct buf *out)
{
    struct finding f = {.place = place, .out = out};
    p->wants = place_in_content(place) ? PARTS_CONTENT : PARTS_HEAD;
    p->take = one_part;
    p->arg = &f;
    p->edits[0] = p->edits[1] = NULL;
    int e = parts_each(p, head, content, type);
    return e ? e : f.found ? 0 : E_NOTFOUND;
}
