// utf8: the table of RFC 3629, section 4, as ranges of the second byte.
#include "proto/base/utf8.h"

// What a first byte asks for: how many bytes follow, and the range of the first of these.
static bool start(unsigned char c, struct utf8 *u)
{
    u->lo = 0x80;
    u->hi = 0xbf;
    if (c < 0x80) {
        u->need = 0;
        return true;
    }
    if (c < 0xc2 || c > 0xf4)
        return false;
    u->need = c < 0xe0 ? 1 : c < 0xf0 ? 2 : 3;
    if (c == 0xe0)
        u->lo = 0xa0;
    else if (c == 0xed)
        u->hi = 0x9f;
    else if (c == 0xf0)
        u->lo = 0x90;
    else if (c == 0xf4)
        u->hi = 0x8f;
    return true;
}

bool utf8_feed(struct utf8 *u, struct view in)
{
    const unsigned char *p = (const unsigned char *)in.p, *end = p + in.n;
    while (p < end) {
        if (u->need == 0) {
            uint64_t word;
            while ((size_t)(end - p) >= sizeof word) {
                memcpy(&word, p, sizeof word);
                if (word & 0x8080808080808080ULL)
                    break;
                p += sizeof word;
            }
            if (p < end && !start(*p++, u))
                return false;
            continue;
        }
        if (*p < u->lo || *p > u->hi)
            return false;
        u->need--;
        u->lo = 0x80;
        u->hi = 0xbf;
        p++;
    }
    return true;
}

bool utf8_valid(struct view v)
{
    struct utf8 u = {0};
    return utf8_feed(&u, v) && utf8_whole(&u);
}

int32_t utf8_next(struct view v, size_t *n)
{
    struct utf8 u = {0};
    unsigned char c = (unsigned char)v.p[0];
    *n = 1;
    if (!start(c, &u))
        return -1;
    size_t length = (size_t)u.need + 1;
    if (length == 1)
        return c;
    if (length > v.n || !utf8_feed(&u, (struct view){v.p + 1, length - 1}))
        return -1;
    int32_t out = c & (0x3f >> (length - 1));
    for (size_t i = 1; i < length; i++)
        out = out << 6 | ((unsigned char)v.p[i] & 0x3f);
    *n = length;
    return out;
}
