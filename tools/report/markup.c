// markup: one way for text and attributes: what either would read is written by number or name.
#include "tools/report/markup.h"

#include "proto/base/utf8.h"
#include "tools/report/mend.h"

static const char *named(int32_t c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;"; // an attribute would make a blank of it
    default:
        return NULL;
    }
}

void markup(FILE *out, struct view v)
{
    for (size_t n; v.n > 0; v = view_from(v, n)) {
        int32_t c = utf8_next(v, &n);
        const char *name = named(c);
        if (name)
            fputs(name, out);
        else if (c >= 0 && mend_fine(c))
            fwrite(v.p, 1, n, out);
        else if (c < 0x100)
            fprintf(out, "\\x%02x", c < 0 ? (unsigned)(unsigned char)v.p[0] : (unsigned)c);
        else
            fprintf(out, "\\u%04x", (unsigned)c);
    }
}

void markup_of(FILE *out, const char *s)
{
    markup(out, view_of(s));
}
