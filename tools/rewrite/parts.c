// parts: heads, queries and forms; what kind of content there is.
#include "tools/rewrite/parts.h"

#include "tools/head.h"

void parts_init(struct parts *p, parts_take *take, void *arg)
{
    *p = (struct parts){.wants = PARTS_HEAD | PARTS_CONTENT, .take = take, .arg = arg};
    buf_init(&p->text, PARTS_TEXT_MAX);
    buf_init(&p->keys, PARTS_TEXT_MAX);
}

void parts_clear(struct parts *p)
{
    buf_clear(&p->text);
    buf_clear(&p->keys);
}

int parts_give(struct parts *p, struct part *one)
{
    one->text = one->raw;
    if (one->coding != CODING_PLAIN && one->coding != CODING_BARE && one->coding != CODING_FIELD &&
        one->coding != CODING_COOKIE) {
        buf_reset(&p->text);
        int e = coding_read(one->coding, one->raw, &p->text);
        if (e)
            return e == E_LIMIT ? PARTS_ON : e; // larger than any value
        one->text = buf_view(&p->text);
    }
    int e = p->take(p->arg, one);
    p->refused = p->refused || e < 0;
    return e;
}

uint32_t parts_number(struct parts *p, size_t known, struct view name)
{
    uint32_t n = 0;
    for (size_t i = 0; i < known && i < PARTS_NAMES_MAX; i++)
        n += view_eq(p->names[i], name);
    if (known < PARTS_NAMES_MAX)
        p->names[known] = name;
    return n;
}

// ---- removals

static int put(struct parts *p, const struct parts_list *l, size_t at, size_t n)
{
    return p->edits[l->edits] ? edits_put(p->edits[l->edits], at, n, (struct view){0}) : 0;
}

int parts_list_begin(struct parts *p, struct parts_list *l, size_t at)
{
    bool pending = l->pending;
    l->pending = false;
    return pending ? put(p, l, l->from, at - l->from) : 0;
}

int parts_list_item(struct parts *p, struct parts_list *l, size_t at, size_t end, bool remove)
{
    int e = 0;
    if (remove && l->kept) {
        e = put(p, l, l->end, end - l->end);
    } else if (remove) {
        l->pending = true;
        l->from = at;
    } else {
        l->kept = true;
    }
    l->end = end;
    return e;
}

int parts_list_end(struct parts *p, struct parts_list *l)
{
    return l->pending ? put(p, l, l->from, l->end - l->from) : 0;
}

// ---- "a=1&b=2"

// *removed: all of it was.
static int pairs(struct parts *p, enum part_kind kind, struct view whole, struct view in,
                 enum coding coding, bool *removed)
{
    struct parts_list list = {.edits = kind == PART_VALUE, .whole = whole};
    bool any = false;
    int e = 0;
    buf_reset(&p->keys);
    if (in.n && !buf_room(&p->keys, in.n)) // so that keys stay where they are
        return in.n > PARTS_TEXT_MAX ? PARTS_ON : E_NOMEM;
    for (size_t known = 0; in.n > 0 && e >= 0; known++) {
        struct view item = view_head(in, view_find(in, '&'));
        size_t at = (size_t)(item.p - whole.p), name = view_find(item, '=');
        size_t key = p->keys.n;
        in = view_from(in, item.n < in.n ? item.n + 1 : item.n);
        if (item.n == 0)
            continue;
        e = coding_read(coding, view_head(item, name), &p->keys);
        e = e ? e : parts_list_begin(p, &list, at);
        if (e)
            return e;
        struct where_step step = {.key = {p->keys.p + key, p->keys.n - key}};
        step.number = parts_number(p, known, step.key);
        struct part one = {.kind = kind,
                           .steps = &step,
                           .depth = 1,
                           .raw = view_from(item, name < item.n ? name + 1 : name),
                           .coding = coding,
                           .content = kind == PART_VALUE};
        e = name < item.n ? parts_give(p, &one) : PARTS_ON; // "a" has no value to be changed
        any = any || e == PARTS_REMOVE;
        if (e >= 0)
            e = parts_list_item(p, &list, at, at + item.n, e == PARTS_REMOVE);
    }
    *removed = any && !list.kept;
    return e < 0 ? e : parts_list_end(p, &list);
}

// ---- targets

static int query(struct parts *p, struct view whole, struct view in)
{
    bool removed = false;
    int e = pairs(p, PART_QUERY, whole, in, CODING_QUERY, &removed);
    if (!e && removed && p->edits[0])
        e = edits_put(p->edits[0], (size_t)(in.p - whole.p) - 1, in.n + 1, (struct view){0});
    return e;
}

static int path(struct parts *p, struct view in)
{
    struct part all = {.kind = PART_PATH, .raw = in, .coding = CODING_PLAIN};
    struct view rest = in.n > 0 && in.p[0] == '/' ? view_from(in, 1) : in;
    int e = PARTS_ON;
    for (uint32_t i = 0; rest.n > 0 && e >= 0; i++) {
        struct part one = {.kind = PART_SEGMENT,
                           .index = i,
                           .raw = view_head(rest, view_find(rest, '/')),
                           .coding = CODING_SEGMENT};
        rest = view_from(rest, one.raw.n < rest.n ? one.raw.n + 1 : one.raw.n);
        e = one.raw.n > 0 ? parts_give(p, &one) : PARTS_ON;
    }
    e = e < 0 ? e : parts_give(p, &all);
    return e < 0 ? e : 0;
}

// whole: the head that url is a piece of; host: its authority is given as well.
static int target(struct parts *p, struct view whole, struct view url, bool host)
{
    struct view rest = view_head(url, view_find(url, '#'));
    size_t scheme = view_find(rest, ':');
    int e = PARTS_ON;
    if (rest.n > 0 && rest.p[0] != '/' && rest.n - scheme > 2 && rest.p[scheme + 1] == '/' &&
        rest.p[scheme + 2] == '/') {
        rest = view_from(rest, scheme + 3);
        size_t n = 0;
        while (n < rest.n && rest.p[n] != '/' && rest.p[n] != '?')
            n++;
        struct part authority = {
            .kind = PART_HOST, .raw = view_head(rest, n), .coding = CODING_FIELD};
        e = host ? parts_give(p, &authority) : PARTS_ON;
        rest = view_from(rest, n);
    }
    if (e < 0)
        return e;
    size_t mark = view_find(rest, '?');
    if (mark > 0)
        e = path(p, view_head(rest, mark));
    return e < 0 || mark == rest.n ? e : query(p, whole, view_from(rest, mark + 1));
}

bool parts_is_url(struct view text)
{
    if (text.n == 0 || text.n > 4096)
        return false;
    bool local = text.p[0] == '/' && text.n > 1 && text.p[1] != '/';
    bool whole =
        view_istarts(text, VIEW_LIT("http://")) || view_istarts(text, VIEW_LIT("https://"));
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ')
            return false;
    return local || whole;
}

int parts_of_url(struct parts *p, struct view url)
{
    return target(p, url, url, false);
}

// ---- fields

// "a=1; b=2"; of Set-Cookie the first pair alone.
static int cookies(struct parts *p, struct view head, struct view in, bool first, bool *removed)
{
    struct parts_list list = {.whole = head};
    bool any = false;
    int e = 0;
    while (in.n > 0 && e >= 0) {
        struct view item = view_trim(view_head(in, view_find(in, ';')));
        size_t at = (size_t)(item.p - head.p), name = view_find(item, '=');
        size_t n = view_find(in, ';');
        in = first ? (struct view){0} : view_from(in, n < in.n ? n + 1 : n);
        if (item.n == 0)
            continue;
        struct where_step step = {.key = view_trim(view_head(item, name))};
        struct part one = {.kind = PART_COOKIE,
                           .steps = &step,
                           .depth = 1,
                           .raw = view_trim(view_from(item, name < item.n ? name + 1 : name)),
                           .coding = CODING_COOKIE};
        if (one.raw.n > 1 && one.raw.p[0] == '"' && one.raw.p[one.raw.n - 1] == '"')
            one.raw = (struct view){one.raw.p + 1, one.raw.n - 2};
        e = parts_list_begin(p, &list, at);
        e = e ? e : name < item.n ? parts_give(p, &one) : PARTS_ON;
        any = any || e == PARTS_REMOVE;
        if (e >= 0)
            e = parts_list_item(p, &list, at, at + item.n, e == PARTS_REMOVE);
    }
    *removed = any && !list.kept;
    return e < 0 ? e : parts_list_end(p, &list);
}

static int field(struct parts *p, struct view head, const struct head_field *f, size_t known,
                 size_t end)
{
    size_t at = (size_t)(f->name.p - head.p);
    bool removed = false, host = !p->s2c && view_ieq(f->name, VIEW_LIT("host"));
    int e = PARTS_ON;
    if (view_ieq(f->name, p->s2c ? VIEW_LIT("set-cookie") : VIEW_LIT("cookie")))
        e = cookies(p, head, f->value, p->s2c, &removed);
    // Names are compared in lower case, as patterns have them.
    char small[128];
    size_t n = f->name.n < sizeof small ? f->name.n : sizeof small;
    for (size_t i = 0; i < n; i++)
        small[i] = view_lower(f->name.p[i]);
    struct where_step step = {.key = view_n(small, n)};
    for (size_t i = 0; i < known && i < PARTS_NAMES_MAX; i++)
        step.number += view_ieq(p->names[i], f->name);
    struct part one = {
        .kind = PART_HEADER, .steps = &step, .depth = 1, .raw = f->value, .coding = CODING_FIELD};
    if (e >= 0 && host) {
        struct part same = {.kind = PART_HOST, .raw = f->value, .coding = CODING_FIELD};
        e = parts_give(p, &same);
    }
    if (e >= 0)
        e = parts_give(p, &one);
    if (e >= 0 && (e == PARTS_REMOVE || removed) && p->edits[0])
        e = edits_put(p->edits[0], at, end - at, (struct view){0});
    return e < 0 ? e : 0;
}

static int head_parts(struct parts *p, struct view head)
{
    struct view rest, word[3], line = head_first(head, &rest);
    struct head_field f;
    int e = 0;
    head_words(line, word);
    if (!p->s2c) {
        struct part method = {.kind = PART_METHOD, .raw = word[0], .coding = CODING_FIELD};
        e = word[0].n ? parts_give(p, &method) : 0;
        if (e >= 0 && word[1].n > 0)
            e = target(p, head, word[1], true);
    }
    for (size_t known = 0; e >= 0 && head_next(&rest, &f); known++) {
        if (f.name.n == 0 || f.folds.n > 0)
            continue; // nobody knows what it means
        e = field(p, head, &f, known, (size_t)(rest.p - head.p));
        if (known < PARTS_NAMES_MAX)
            p->names[known] = f.name;
    }
    return e < 0 ? e : 0;
}

// ---- content

static bool has(struct view type, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i + n <= type.n; i++)
        if (view_ieq((struct view){type.p + i, n}, view_of(word)))
            return true;
    return false;
}

static int form(struct parts *p, struct view in)
{
    bool removed;
    for (size_t i = 0; i < in.n; i++) // a text that was sent with curl -d is no form
        if ((unsigned char)in.p[i] < ' ')
            return E_SYNTAX;
    return pairs(p, PART_VALUE, in, in, CODING_FORM, &removed);
}

static int content_parts(struct parts *p, struct view in, struct view type)
{
    struct part all = {.kind = PART_BODY, .raw = in, .coding = CODING_PLAIN, .content = true};
    size_t blank = 0;
    int e = E_SYNTAX;
    if (view_istarts(type, VIEW_LIT("multipart/form-data")))
        e = parts_multipart(p, in, type);
    type = view_trim(view_head(type, view_find(type, ';')));
    while (blank < in.n && strchr(" \t\r\n", in.p[blank]) && in.p[blank])
        blank++;
    char first = blank < in.n ? in.p[blank] : 0;
    bool lines = has(type, "ndjson") || has(type, "jsonl");
    if (e != E_SYNTAX) {
        // it was multipart
    } else if (lines || has(type, "json") || first == '{' || first == '[') {
        e = parts_json(p, in, lines);
        if (e != E_SYNTAX || p->refused)
            return e < 0 ? e : 0;
        if (p->edits[1])
            edits_reset(p->edits[1]);
    } else if (has(type, "x-www-form-urlencoded")) {
        e = form(p, in);
    } else if (first == '<') {
        e = has(type, "html") || view_istarts(view_from(in, blank), VIEW_LIT("<!doctype html"))
                ? parts_html(p, in)
                : parts_xml(p, in);
    }
    if (e < 0 && (e != E_SYNTAX || p->refused))
        return e;
    e = parts_give(p, &all);
    if (e == PARTS_REMOVE && p->edits[1])
        e = edits_put(p->edits[1], 0, in.n, (struct view){0});
    return e < 0 ? e : 0;
}

int parts_each(struct parts *p, struct view head, struct view content, struct view type)
{
    p->refused = false;
    int e = p->wants & PARTS_HEAD && head.n > 0 ? head_parts(p, head) : 0;
    if (!e && p->wants & PARTS_CONTENT && content.n > 0)
        e = content_parts(p, content, type);
    return e;
}
