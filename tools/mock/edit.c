// edit: line by line; a line that continues another goes with it.
#include "tools/mock/edit.h"

#include "tools/head.h"

#include <assert.h>

void edit_drop(struct edit *e, const char *name)
{
    assert(e->drops < EDIT_NAMES);
    e->drop[e->drops++] = name;
}

void edit_set(struct edit *e, const char *name, struct view value)
{
    edit_drop(e, name);
    assert(e->adds < EDIT_NAMES);
    e->add[e->adds].name = name;
    e->add[e->adds++].value = value;
}

static bool dropped(const struct edit *e, struct view name)
{
    for (size_t i = 0; i < e->drops; i++)
        if (view_ieq(name, view_of(e->drop[i])))
            return true;
    return false;
}

int edit_head(const struct edit *e, struct view head, struct buf *out)
{
    struct view rest, first = head_first(head, &rest), before;
    struct head_field field;
    int error = e->first.n > 0 ? buf_add_view(out, e->first) : buf_add_view(out, first);
    error = error ? error : buf_add_view(out, VIEW_LIT("\r\n"));
    for (before = rest; !error && head_next(&rest, &field); before = rest) {
        if (!dropped(e, field.name))
            error = buf_add_view(out, view_head(before, (size_t)(rest.p - before.p)));
    }
    for (size_t i = 0; !error && i < e->adds; i++)
        error = buf_printf(out, "%s: %.*s\r\n", e->add[i].name, (int)e->add[i].value.n,
                           e->add[i].value.p);
    return error ? error : buf_add_view(out, VIEW_LIT("\r\n"));
}
