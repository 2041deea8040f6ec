// form: a=1&b=2 to an object of texts. What is no valid escape stays as it is.
#include "tools/compare/tree.h"

#include <stdio.h>

static int decode(struct tree *t, struct view raw, struct view *out)
{
    bool coded = false;
    for (size_t i = 0; i < raw.n && !coded; i++)
        coded = raw.p[i] == '%' || raw.p[i] == '+';
    *out = raw;
    if (!coded)
        return 0;
    char *room = tree_room(t, raw.n), *to = room;
    if (!room)
        return E_NOMEM;
    for (size_t i = 0; i < raw.n; i++) {
        int high = i + 2 < raw.n ? view_digit(raw.p[i + 1]) : -1;
        int low = high >= 0 ? view_digit(raw.p[i + 2]) : -1;
        if (raw.p[i] == '%' && low >= 0) {
            *to++ = (char)(high * 16 + low);
            i += 2;
        } else {
            *to++ = raw.p[i] == '+' ? ' ' : raw.p[i];
        }
    }
    *out = view_n(room, (size_t)(to - room));
    return 0;
}

int tree_form(struct tree *t, struct view in, char why[WHY_MAX])
{
    *t = (struct tree){0};
    int64_t node = tree_add(t, UINT32_MAX, TREE_OBJECT, (struct view){0});
    int e = node < 0 ? (int)node : 0;
    while (!e && in.n > 0) {
        size_t n = view_find(in, '&');
        struct view pair = view_head(in, n), key, text;
        size_t equals = view_find(pair, '=');
        in = view_from(in, n < in.n ? n + 1 : n);
        if (pair.n == 0)
            continue;
        e = decode(t, view_head(pair, equals), &key);
        e = e ? e : decode(t, view_from(pair, equals < pair.n ? equals + 1 : equals), &text);
        if (e)
            break;
        node = tree_add(t, 0, TREE_TEXT, key);
        e = node < 0 ? (int)node : 0;
        if (!e)
            t->nodes[node].text = text;
    }
    if (e)
        snprintf(why, WHY_MAX, "%s",
                 e == E_LIMIT ? "larger than is compared by value" : err_text(e));
    tree_finish(t);
    return e;
}
