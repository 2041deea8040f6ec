// coding: each direction is one pass over the bytes. Reading is lenient: what is no escape stands
// for itself; so writing what was read gives the same meaning, not always the same bytes.
#include "tools/rewrite/coding.h"

#include "proto/base/utf8.h"

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (view_lower(c) >= 'a' && view_lower(c) <= 'z');
}

// ---- percent

static int percent_read(struct view raw, bool plus, struct buf *out)
{
    char *room = buf_room(out, raw.n);
    size_t n = 0;
    if (!room)
        return raw.n ? E_NOMEM : 0;
    for (size_t i = 0; i < raw.n; i++) {
        int high = -1, low = -1;
        if (raw.p[i] == '%' && raw.n - i > 2) {
            high = view_digit(raw.p[i + 1]);
            low = view_digit(raw.p[i + 2]);
        }
        if (high >= 0 && low >= 0) {
            room[n++] = (char)(high * 16 + low);
            i += 2;
        } else {
            room[n++] = plus && raw.p[i] == '+' ? ' ' : raw.p[i];
        }
    }
    buf_grew(out, n);
    return 0;
}

static const char *also_plain(enum coding c)
{
    switch (c) {
    case CODING_TARGET:
        return "-._~!$&'()*+,;=:@/%";
    case CODING_SEGMENT:
        return "-._~!$&'()*+,;=:@";
    case CODING_QUERY:
        return "-._~!$'()*,:@/?";
    default: // as browsers do (WHATWG URL, application/x-www-form-urlencoded)
        return "-._*";
    }
}

static int percent_write(enum coding c, struct view text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *plain = also_plain(c);
    char *room = buf_room(out, 3 * text.n);
    size_t n = 0;
    if (!room)
        return text.n ? (3 * text.n > out->max ? E_LIMIT : E_NOMEM) : 0;
    for (size_t i = 0; i < text.n; i++) {
        char b = text.p[i];
        if (is_word(b) || (b && strchr(plain, b))) {
            room[n++] = b;
        } else if (b == ' ' && c == CODING_FORM) {
            room[n++] = '+';
        } else {
            room[n++] = '%';
            room[n++] = digits[(unsigned char)b >> 4];
            room[n++] = digits[(unsigned char)b & 15];
        }
    }
    buf_grew(out, n);
    return 0;
}

// ---- JSON

static long hex4(struct view v, size_t at)
{
    long out = 0;
    if (v.n < 4 || at > v.n - 4)
        return -1;
    for (size_t i = at; i < at + 4; i++) {
        int d = view_digit(v.p[i]);
        if (d < 0)
            return -1;
        out = 16 * out + d;
    }
    return out;
}

static size_t put_utf8(char *to, long c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3f));
    to[0] = (char)(first[n] | c);
    return n;
}

static int text_read(struct view raw, struct buf *out)
{
    static const char letters[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    struct view v = raw.n >= 2 ? (struct view){raw.p + 1, raw.n - 2} : (struct view){0};
    char *room = buf_room(out, v.n);
    size_t n = 0;
    if (!room)
        return v.n ? E_NOMEM : 0;
    for (size_t i = 0; i < v.n;) {
        const char *at =
            v.p[i] == '\\' && i + 1 < v.n && v.p[i + 1] ? strchr(letters, v.p[i + 1]) : NULL;
        long c = v.p[i] == '\\' && i + 1 < v.n && v.p[i + 1] == 'u' ? hex4(v, i + 2) : -1;
        if (at) {
            room[n++] = meaning[at - letters];
            i += 2;
        } else if (c >= 0) {
            i += 6;
            long low =
                c >= 0xd800 && c < 0xdc00 && i + 6 <= v.n && v.p[i] == '\\' && v.p[i + 1] == 'u'
                    ? hex4(v, i + 2)
                    : -1;
            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i += 6;
            }
            n += put_utf8(room + n, c);
        } else {
            room[n++] = v.p[i++];
        }
    }
    buf_grew(out, n);
    return 0;
}

static int text_write(struct view text, struct buf *out)
{
    static const char letters[] = "\"\\bfnrt", meaning[] = "\"\\\b\f\n\r\t";
    int e = buf_add(out, "\"", 1);
    for (size_t from = 0, i = 0; !e && i <= text.n; i++) {
        unsigned char c = i < text.n ? (unsigned char)text.p[i] : 0;
        if (i < text.n && c >= 0x20 && c != '"' && c != '\\')
            continue;
        e = buf_add(out, text.p + from, i - from);
        from = i + 1;
        const char *at = i < text.n && c ? strchr(meaning, c) : NULL;
        if (!e && at)
            e = buf_printf(out, "\\%c", letters[at - meaning]);
        else if (!e && i < text.n)
            e = buf_printf(out, "\\u%04x", c);
    }
    return e ? e : buf_add(out, "\"", 1);
}

// ---- XML

static int xml_read(struct view raw, struct buf *out)
{
    static const struct {
        const char *name, *means;
    } known[] = {{"&amp;", "&"}, {"&lt;", "<"}, {"&gt;", ">"}, {"&quot;", "\""}, {"&apos;", "'"}};
    int e = 0;
    while (raw.n > 0 && !e) {
        size_t n = view_find(raw, '&'), i = 0;
        e = buf_add(out, raw.p, n);
        raw = view_from(raw, n);
        if (e || raw.n == 0)
            break;
        while (i < 5 && !view_starts(raw, view_of(known[i].name)))
            i++;
        size_t end = view_find(raw, ';');
        bool hex = raw.n > 2 && raw.p[1] == '#' && view_lower(raw.p[2]) == 'x';
        uint64_t c;
        char bytes[4];
        if (i < 5) {
            e = buf_add(out, known[i].means, 1);
            raw = view_from(raw, strlen(known[i].name));
        } else if (raw.n > 2 && raw.p[1] == '#' && end < raw.n && end < 12 &&
                   view_number((struct view){raw.p + 2 + hex, end - 2 - hex}, hex ? 16 : 10,
                               0x10ffff, &c) == 0) {
            e = buf_add(out, bytes, put_utf8(bytes, (long)c));
            raw = view_from(raw, end + 1);
        } else {
            e = buf_add(out, raw.p, 1);
            raw = view_from(raw, 1);
        }
    }
    return e;
}

static int xml_write(struct view text, struct buf *out)
{
    int e = 0;
    for (size_t i = 0; i < text.n && !e; i++) {
        char c = text.p[i];
        const char *as = c == '&'    ? "&amp;"
                         : c == '<'  ? "&lt;"
                         : c == '>'  ? "&gt;"
                         : c == '"'  ? "&quot;"
                         : c == '\'' ? "&apos;"
                                     : NULL;
        e = as ? buf_add(out, as, strlen(as)) : buf_add(out, &c, 1);
    }
    return e;
}

// ---- all

int coding_read(enum coding c, struct view raw, struct buf *out)
{
    switch (c) {
    case CODING_TARGET:
    case CODING_SEGMENT:
        return percent_read(raw, false, out);
    case CODING_QUERY:
    case CODING_FORM:
        return percent_read(raw, true, out);
    case CODING_TEXT:
        return text_read(raw, out);
    case CODING_XML:
        return xml_read(raw, out);
    default:
        return buf_add_view(out, raw);
    }
}

static bool is_sayable(enum coding c, struct view text)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char b = (unsigned char)text.p[i];
        if ((b < 0x20 && b != '\t') || b == 0x7f || (c == CODING_COOKIE && b == ';'))
            return false;
    }
    return true;
}

int coding_write(enum coding c, struct view text, struct buf *out)
{
    switch (c) {
    case CODING_FIELD:
    case CODING_COOKIE:
        return is_sayable(c, text) ? buf_add_view(out, text) : E_SYNTAX;
    case CODING_TARGET:
    case CODING_SEGMENT:
    case CODING_QUERY:
    case CODING_FORM:
        return percent_write(c, text, out);
    case CODING_TEXT:
        return text_write(text, out);
    case CODING_XML:
        return xml_write(text, out);
    default:
        return buf_add_view(out, text);
    }
}

// ---- base64

static int sextet(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == (url ? '-' : '+') ? 62 : c == (url ? '_' : '/') ? 63 : -1;
}

int coding_base64_read(struct view raw, bool url, struct buf *out)
{
    size_t n = 0;
    unsigned held = 0, bits = 0;
    for (int pad = 0; pad < 2 && raw.n > 0 && raw.p[raw.n - 1] == '='; pad++)
        raw.n--;
    if (raw.n % 4 == 1)
        return E_SYNTAX;
    char *room = buf_room(out, raw.n);
    if (!room)
        return raw.n ? E_NOMEM : 0;
    for (size_t i = 0; i < raw.n; i++) {
        int s = sextet(raw.p[i], url);
        if (s < 0)
            return E_SYNTAX;
        held = held << 6 | (unsigned)s;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            room[n++] = (char)(held >> bits & 0xff);
        }
    }
    buf_grew(out, n);
    return 0;
}

int coding_base64_write(struct view in, bool url, struct buf *out)
{
    static const char letters[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_";
    size_t n = 0;
    char *room = buf_room(out, in.n / 3 * 4 + 4);
    if (!room)
        return in.n / 3 * 4 + 4 > out->max - out->n ? E_LIMIT : E_NOMEM;
    for (size_t i = 0; i < in.n; i += 3) {
        unsigned left = in.n - i < 3 ? (unsigned)(in.n - i) : 3, word = 0;
        for (unsigned k = 0; k < 3; k++)
            word = word << 8 | (k < left ? (unsigned char)in.p[i + k] : 0);
        for (unsigned k = 0; k < 4; k++) {
            unsigned s = word >> (18 - 6 * k) & 63;
            if (k <= left)
                room[n++] = letters[url && s > 61 ? s + 2 : s];
            else if (!url)
                room[n++] = '=';
        }
    }
    buf_grew(out, n);
    return 0;
}
