// mend: character by character.
#include "tools/report/mend.h"

#include "proto/base/utf8.h"

static const char replaced[] = "\xef\xbf\xbd", cut[] = "…";

bool mend_fine(int32_t c)
{
    if (c < 0x20)
        return c == '\t' || c == '\n';
    return !(c >= 0x7f && c < 0xa0) && !(c >= 0x202a && c <= 0x202e) &&
           !(c >= 0x2066 && c <= 0x2069) && c != 0x200e && c != 0x200f && c != 0x2028 &&
           c != 0x2029 && c != 0xfeff && (c & 0xfffe) != 0xfffe && !(c >= 0xfdd0 && c <= 0xfdef);
}

size_t mend(struct view v, char *out, size_t size)
{
    size_t at = 0, fits = 0, n; // fits: where a cut leaves room for its mark
    for (; v.n > 0; v = view_from(v, n)) {
        int32_t c = utf8_next(v, &n);
        bool fine = c >= 0x20 && mend_fine(c);
        struct view put = fine ? view_head(v, n) : VIEW_LIT(replaced);
        if (at + put.n >= size) {
            memcpy(out + fits, cut, sizeof cut);
            return fits + sizeof cut - 1;
        }
        memcpy(out + at, put.p, put.n);
        at += put.n;
        if (at + sizeof cut <= size)
            fits = at;
    }
    out[at] = 0;
    return at;
}
