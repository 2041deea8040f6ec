// parts_markup: HTML, of which the named values are found (hidden fields, meta elements, data-
// attributes), and XML, of which all are. Neither is judged: what cannot be read is passed over.
//
// XML names stand without their prefixes. Within an element of mixed content only the first piece
// of text is its #text. Comments, instructions and document types are skipped, CDATA is text.
#include "tools/rewrite/parts.h"

#define NAMED_MAX 8 // attributes of one tag

struct attribute {
    struct view name, value;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

// The next attribute of a tag's inside.
static bool next_attribute(struct view *in, struct attribute *a)
{
    size_t n = 0;
    while (in->n > 0 && (is_blank(in->p[0]) || in->p[0] == '/'))
        *in = view_from(*in, 1);
    while (n < in->n && !is_blank(in->p[n]) && in->p[n] != '=' && in->p[n] != '/')
        n++;
    if (n == 0)
        return false;
    a->name = view_head(*in, n);
    a->value = (struct view){0};
    *in = view_from(*in, n);
    while (in->n > 0 && is_blank(in->p[0]))
        *in = view_from(*in, 1);
    if (in->n == 0 || in->p[0] != '=')
        return true;
    do
        *in = view_from(*in, 1);
    while (in->n > 0 && is_blank(in->p[0]));
    n = 0;
    if (in->n > 0 && (in->p[0] == '"' || in->p[0] == '\'')) {
        n = view_find(view_from(*in, 1), in->p[0]);
        a->value = view_head(view_from(*in, 1), n);
        *in = view_from(*in, n + 2 <= in->n ? n + 2 : in->n);
        return true;
    }
    while (n < in->n && !is_blank(in->p[n]))
        n++;
    a->value = view_head(*in, n);
    *in = view_from(*in, n);
    return true;
}

// The inside of the tag that *in begins with ('<' is its first byte), quotes respected; in moves
// behind it. False: it has no end.
static bool take_tag(struct view *in, struct view *inside)
{
    char quote = 0;
    for (size_t i = 1; i < in->n; i++) {
        char c = in->p[i];
        if (quote ? c == quote : c == '"' || c == '\'') {
            quote = quote ? 0 : c;
        } else if (!quote && c == '>') {
            *inside = (struct view){in->p + 1, i - 1};
            *in = view_from(*in, i + 1);
            return true;
        }
    }
    return false;
}

// Comments and the like that *in begins with: how many bytes; 0: it is a tag.
static size_t skipped(struct view in)
{
    static const struct {
        const char *open, *close;
    } kinds[] = {{"<!--", "-->"}, {"<?", "?>"}, {"<!", ">"}};
    for (size_t k = 0; k < 3; k++) {
        if (!view_starts(in, view_of(kinds[k].open)))
            continue;
        struct view close = view_of(kinds[k].close);
        for (size_t i = strlen(kinds[k].open); i + close.n <= in.n; i++)
            if (memcmp(in.p + i, close.p, close.n) == 0)
                return i + close.n;
        return in.n;
    }
    return 0;
}

// ---- HTML

static int give_named(struct parts *p, struct view name, struct view value)
{
    struct where_step step = {.key = name};
    struct part one = {.kind = PART_HTML,
                       .steps = &step,
                       .depth = 1,
                       .raw = value,
                       .coding = CODING_XML,
                       .content = true};
    int e = name.n && value.n ? parts_give(p, &one) : 0;
    return e < 0 ? e : 0;
}

static int html_tag(struct parts *p, struct view inside)
{
    struct attribute a;
    struct view name = {0}, value = {0};
    int e = 0;
    size_t n = 0;
    while (n < inside.n && !is_blank(inside.p[n]))
        n++;
    inside = view_from(inside, n);
    for (size_t i = 0; !e && i < 4 * NAMED_MAX && next_attribute(&inside, &a); i++) {
        if (view_istarts(a.name, VIEW_LIT("data-")))
            e = give_named(p, a.name, a.value);
        else if (view_ieq(a.name, VIEW_LIT("name")) ||
                 (view_ieq(a.name, VIEW_LIT("property")) && name.n == 0) ||
                 (view_ieq(a.name, VIEW_LIT("id")) && name.n == 0))
            name = a.value;
        else if (view_ieq(a.name, VIEW_LIT("value")) || view_ieq(a.name, VIEW_LIT("content")))
            value = a.value;
    }
    return e ? e : give_named(p, name, value);
}

int parts_html(struct parts *p, struct view in)
{
    int e = 0;
    while (!e && in.n > 0) {
        struct view inside;
        in = view_from(in, view_find(in, '<'));
        size_t n = skipped(in);
        if (n > 0)
            in = view_from(in, n);
        else if (in.n == 0 || !take_tag(&in, &inside))
            break;
        else
            e = html_tag(p, inside);
    }
    return e;
}

// ---- XML

struct xml {
    struct parts *p;
    size_t depth;
    // Names of the children so far are counted within one element only as far as this remembers.
    struct {
        struct view name;
        uint32_t count;
    } last[PARTS_DEPTH_MAX];
    bool text[PARTS_DEPTH_MAX];
};

static struct view local(struct view name)
{
    size_t colon = view_find(name, ':');
    return colon < name.n ? view_from(name, colon + 1) : name;
}

static int give_at(struct xml *x, struct view key, struct view raw, enum coding coding)
{
    if (x->depth == PARTS_DEPTH_MAX || raw.n == 0)
        return 0;
    x->p->steps[x->depth] = (struct where_step){.key = key};
    struct part one = {.kind = PART_VALUE,
                       .steps = x->p->steps,
                       .depth = x->depth + 1,
                       .raw = raw,
                       .coding = coding,
                       .content = true};
    int e = parts_give(x->p, &one);
    return e < 0 ? e : 0;
}

static int xml_open(struct xml *x, struct view inside)
{
    size_t n = 0;
    bool empty = inside.n > 0 && inside.p[inside.n - 1] == '/';
    while (n < inside.n && !is_blank(inside.p[n]) && inside.p[n] != '/')
        n++;
    struct view name = local(view_head(inside, n));
    inside = view_from(inside, n);
    if (n == 0 || x->depth + 1 >= PARTS_DEPTH_MAX)
        return E_SYNTAX;
    bool same = view_eq(x->last[x->depth].name, name);
    x->last[x->depth].count = same ? x->last[x->depth].count + 1 : 0;
    x->last[x->depth].name = name;
    x->p->steps[x->depth] = (struct where_step){.key = name, .number = x->last[x->depth].count};
    x->depth++;
    x->last[x->depth].name = (struct view){0};
    x->text[x->depth] = false;
    struct attribute a;
    int e = 0;
    while (!e && next_attribute(&inside, &a)) {
        char key[128] = "@";
        struct view bare = local(a.name);
        if (bare.n >= sizeof key - 1 || view_starts(a.name, VIEW_LIT("xmlns")))
            continue;
        memcpy(key + 1, bare.p, bare.n);
        e = give_at(x, view_n(key, bare.n + 1), a.value, CODING_XML);
    }
    x->depth -= empty;
    return e;
}

static int xml_text(struct xml *x, struct view in, enum coding coding)
{
    while (in.n > 0 && is_blank(in.p[0]))
        in = view_from(in, 1);
    while (in.n > 0 && is_blank(in.p[in.n - 1]))
        in.n--;
    if (in.n == 0 || x->depth == 0 || x->text[x->depth])
        return 0;
    x->text[x->depth] = true;
    return give_at(x, VIEW_LIT("#text"), in, coding);
}

int parts_xml(struct parts *p, struct view in)
{
    struct xml x = {.p = p};
    int e = 0;
    while (!e && in.n > 0) {
        struct view text = view_head(in, view_find(in, '<')), inside;
        e = xml_text(&x, text, CODING_XML);
        in = view_from(in, text.n);
        if (e || in.n == 0)
            break;
        if (view_starts(in, VIEW_LIT("<![CDATA["))) {
            struct view data = view_from(in, 9);
            size_t n = 0;
            while (n + 3 <= data.n && memcmp(data.p + n, "]]>", 3) != 0)
                n++;
            if (n + 3 > data.n)
                return E_SYNTAX;
            e = xml_text(&x, view_head(data, n), CODING_PLAIN);
            in = view_from(data, n + 3);
            continue;
        }
        size_t n = skipped(in);
        if (n > 0) {
            in = view_from(in, n);
            continue;
        }
        if (!take_tag(&in, &inside))
            return E_SYNTAX;
        if (inside.n > 0 && inside.p[0] == '/') {
            if (x.depth == 0)
                return E_SYNTAX;
            x.depth--;
        } else {
            e = xml_open(&x, inside);
        }
    }
    return e;
}
