// route: see route.h. An identifier is: decimal digits only; a UUID; 12 or more hexadecimal digits
// with at least one decimal among them.
#include "schema/route.h"

#define HEX_ID_MIN 12
#define UUID_SIZE  36

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool is_uuid(struct view v)
{
    if (v.n != UUID_SIZE)
        return false;
    for (size_t i = 0; i < v.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? v.p[i] != '-' : !is_hex(v.p[i]))
            return false;
    }
    return true;
}

static bool is_id(struct view v)
{
    size_t digits = 0, hex = 0;
    for (size_t i = 0; i < v.n; i++) {
        digits += is_digit(v.p[i]);
        hex += is_hex(v.p[i]);
    }
    return v.n > 0 &&
           (digits == v.n || (hex == v.n && digits > 0 && v.n >= HEX_ID_MIN) || is_uuid(v));
}

void route_of(struct view path, struct buf *out)
{
    bool found = false;
    int e = 0;
    buf_reset(out);
    while (path.n > 0 && e == 0) {
        size_t n = view_find(path, '/');
        struct view segment = view_head(path, n);
        bool id = is_id(segment);
        found |= id;
        e = buf_add_view(out, id ? VIEW_LIT("{id}") : segment);
        if (e == 0 && n < path.n)
            e = buf_add(out, "/", 1);
        path = view_from(path, n < path.n ? n + 1 : n);
    }
    if (e != 0 || !found)
        buf_reset(out);
}
