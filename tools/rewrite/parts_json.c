// parts_json: RFC 8259, walked over its bytes with a stack of its own, strictly: what is no JSON
// is a text.
#include "tools/rewrite/parts.h"

struct walk {
    struct parts *p;
    struct view in;
    size_t at;
    size_t depth; // containers that are open
    struct {
        char kind;   // '{' or '['
        size_t from; // of the container's bytes
        size_t item; // where the item at hand begins, with its key
        size_t keys; // of p->keys, before this one's
        struct parts_list list;
    } up[PARTS_DEPTH_MAX];
};

static int peek(const struct walk *w)
{
    return w->at < w->in.n ? (unsigned char)w->in.p[w->at] : -1;
}

static void blanks(struct walk *w)
{
    for (int c; (c = peek(w)) == ' ' || c == '\t' || c == '\n' || c == '\r';)
        w->at++;
}

static int string(struct walk *w, struct view *raw)
{
    size_t from = w->at++;
    for (int c; (c = peek(w)) != '"'; w->at++) {
        if (c < 0x20)
            return E_SYNTAX;
        if (c != '\\')
            continue;
        w->at++;
        c = peek(w);
        if (c <= 0 || !strchr("\"\\/bfnrtu", c))
            return E_SYNTAX;
        for (int i = 0; c == 'u' && i < 4; i++) {
            w->at++;
            if (peek(w) < 0 || view_digit(w->in.p[w->at]) < 0)
                return E_SYNTAX;
        }
    }
    w->at++;
    *raw = (struct view){w->in.p + from, w->at - from};
    return 0;
}

static bool digits(struct walk *w)
{
    size_t from = w->at;
    for (int c; (c = peek(w)) >= '0' && c <= '9';)
        w->at++;
    return w->at > from;
}

static int number(struct walk *w)
{
    w->at += peek(w) == '-';
    if (peek(w) == '0')
        w->at++;
    else if (!digits(w))
        return E_SYNTAX;
    if (peek(w) == '.') {
        w->at++;
        if (!digits(w))
            return E_SYNTAX;
    }
    if (peek(w) == 'e' || peek(w) == 'E') {
        w->at++;
        w->at += peek(w) == '+' || peek(w) == '-';
        if (!digits(w))
            return E_SYNTAX;
    }
    return 0;
}

static int word(struct walk *w)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < 3; i++)
        if (view_starts(view_from(w->in, w->at), view_of(words[i]))) {
            w->at += strlen(words[i]);
            return 0;
        }
    return E_SYNTAX;
}

// The value that began at from ended here: gives it, and tells the list that it is in.
static int ended(struct walk *w, size_t from, bool container)
{
    struct part one = {.kind = PART_VALUE,
                       .steps = w->p->steps,
                       .depth = w->depth,
                       .raw = {w->in.p + from, w->at - from},
                       .coding = w->in.p[from] == '"' ? CODING_TEXT : CODING_BARE,
                       .content = true,
                       .container = container};
    int e = parts_give(w->p, &one);
    if (e < 0 || w->depth == 0)
        return e;
    size_t item = w->up[w->depth - 1].item;
    return parts_list_item(w->p, &w->up[w->depth - 1].list, item, w->at, e == PARTS_REMOVE);
}

// A key and its ':'.
static int key(struct walk *w)
{
    struct where_step *step = &w->p->steps[w->depth - 1];
    struct view raw;
    if (peek(w) != '"' || string(w, &raw))
        return E_SYNTAX;
    blanks(w);
    if (peek(w) != ':')
        return E_SYNTAX;
    w->at++;
    blanks(w);
    step->index = false;
    step->number = 0;
    step->key = (struct view){raw.p + 1, raw.n - 2};
    w->p->keys.n = w->up[w->depth - 1].keys;
    if (view_find(step->key, '\\') == step->key.n)
        return 0;
    size_t at = w->p->keys.n;
    int e = coding_read(CODING_TEXT, raw, &w->p->keys);
    step->key = (struct view){w->p->keys.p + at, w->p->keys.n - at};
    return e;
}

// On to the next item of the container on top, whose bytes begin here.
static int item(struct walk *w)
{
    struct parts_list *list = &w->up[w->depth - 1].list;
    blanks(w);
    w->up[w->depth - 1].item = w->at;
    int e = parts_list_begin(w->p, list, w->at);
    if (!e && w->up[w->depth - 1].kind == '{')
        e = key(w);
    return e;
}

static int open_one(struct walk *w)
{
    if (w->depth == PARTS_DEPTH_MAX)
        return E_SYNTAX;
    w->up[w->depth].kind = (char)peek(w);
    w->up[w->depth].from = w->at++;
    w->up[w->depth].keys = w->p->keys.n;
    w->up[w->depth].list = (struct parts_list){.edits = 1, .whole = w->in};
    w->p->steps[w->depth] = (struct where_step){.index = w->up[w->depth].kind == '['};
    w->depth++;
    return 0;
}

// Behind a value: closes what ends, until there is a next item or all is over.
static int behind(struct walk *w, size_t floor)
{
    for (int e; w->depth > floor;) {
        blanks(w);
        char close = w->up[w->depth - 1].kind == '{' ? '}' : ']';
        if (peek(w) == ',') {
            w->at++;
            w->p->steps[w->depth - 1].number += close == ']';
            return item(w);
        }
        if (peek(w) != close)
            return E_SYNTAX;
        w->at++;
        e = parts_list_end(w->p, &w->up[w->depth - 1].list);
        w->depth--;
        e = e ? e : ended(w, w->up[w->depth].from, true);
        if (e < 0)
            return e;
    }
    return 0;
}

static int value(struct walk *w)
{
    size_t from = w->at;
    struct view raw;
    int c = peek(w), e;
    if (c == '{' || c == '[') {
        e = open_one(w);
        blanks(w);
        if (!e && peek(w) != (c == '{' ? '}' : ']'))
            return item(w);
        if (e)
            return e;
        w->at++; // an empty one
        w->depth--;
        return ended(w, from, true);
    }
    if (c == '"')
        e = string(w, &raw);
    else
        e = c == '-' || (c >= '0' && c <= '9') ? number(w) : word(w);
    return e ? e : ended(w, from, false);
}

static int whole(struct walk *w)
{
    size_t floor = w->depth;
    bool more = true;
    int e = 0;
    while (!e && more) {
        size_t open = w->depth;
        e = value(w);
        if (e < 0)
            return e;
        e = 0;
        if (w->depth > open)
            continue; // a container was entered: its first item
        e = behind(w, floor);
        more = w->depth > floor;
    }
    return e;
}

int parts_json(struct parts *p, struct view in, bool lines)
{
    struct walk w = {.p = p, .in = in};
    size_t texts = 0;
    int e = 0;
    buf_reset(&p->keys);
    if (in.n > PARTS_TEXT_MAX)
        return E_SYNTAX;
    if (memchr(in.p, '\\', in.n) && !buf_room(&p->keys, in.n)) // so that keys stay where they are
        return E_NOMEM;
    if (view_starts(in, VIEW_LIT("\xef\xbb\xbf")))
        w.at = 3;
    if (lines) {
        w.depth = 1;
        w.up[0].kind = '[';
        w.up[0].list = (struct parts_list){.edits = 1, .whole = in};
        p->steps[0] = (struct where_step){.index = true};
    }
    for (blanks(&w); !e && w.at < in.n; blanks(&w), texts++) {
        if (texts > 0 && !lines)
            return E_SYNTAX;
        w.up[0].item = w.at;
        if (lines)
            e = parts_list_begin(p, &w.up[0].list, w.at);
        e = e ? e : whole(&w);
        if (lines && !e)
            p->steps[0].number = (uint32_t)texts + 1;
    }
    if (!e && lines)
        e = parts_list_end(p, &w.up[0].list);
    return e ? e : texts ? 0 : E_SYNTAX;
}
