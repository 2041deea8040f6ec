// jsonw: see the header. Everything goes through put_escaped(), which writes runs of plain bytes at
// once.
#include "tools/jsonw.h"

#include "proto/base/utf8.h"

#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

static void put(struct jsonw *w, const char *p, size_t n)
{
    fwrite_unlocked(p, 1, n, w->out);
}

static void put_char(struct jsonw *w, char c)
{
    putc_unlocked(c, w->out);
}

static void put_escaped(struct jsonw *w, struct view v)
{
    size_t from = 0;
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        put(w, v.p + from, i - from);
        from = i + 1;
        static const char plain[] = "\"\\\b\f\n\r\t", letter[] = "\"\\bfnrt";
        const char *at = c ? strchr(plain, c) : NULL;
        if (at) {
            char text[2] = {'\\', letter[at - plain]};
            put(w, text, 2);
        } else {
            char text[8];
            snprintf(text, sizeof text, "\\u%04x", c);
            put(w, text, 6);
        }
    }
    if (v.n > from)
        put(w, v.p + from, v.n - from);
}

static void new_line(struct jsonw *w, int indent)
{
    put_char(w, '\n');
    while (indent-- > 0)
        put(w, "  ", 2);
}

static void start(struct jsonw *w, const char *key)
{
    if (w->some[w->depth])
        put_char(w, ',');
    if (w->depth > 0 && w->depth <= w->lines)
        new_line(w, w->depth);
    w->some[w->depth] = w->depth > 0;
    if (key) {
        put_char(w, '"');
        put_escaped(w, view_of(key));
        put(w, "\":", 2);
        if (w->depth <= w->lines)
            put_char(w, ' ');
    }
}

static void open_one(struct jsonw *w, const char *key, char c)
{
    start(w, key);
    put_char(w, c);
    w->depth++;
    assert(w->depth < JSONW_DEPTH);
    w->some[w->depth] = false;
}

static void close_one(struct jsonw *w, char c)
{
    assert(w->depth > 0);
    if (w->some[w->depth] && w->depth <= w->lines)
        new_line(w, w->depth - 1);
    w->depth--;
    put_char(w, c);
}

void jsonw_init(struct jsonw *w, FILE *out)
{
    *w = (struct jsonw){.out = out, .base64 = {.out = out}};
}

void jsonw_object(struct jsonw *w, const char *key)
{
    open_one(w, key, '{');
}

void jsonw_array(struct jsonw *w, const char *key)
{
    open_one(w, key, '[');
}

void jsonw_object_end(struct jsonw *w)
{
    close_one(w, '}');
}

void jsonw_array_end(struct jsonw *w)
{
    close_one(w, ']');
}

// A text that is not UTF-8. latin: each byte is the character of its number; else its good parts,
// and for each byte between them U+FFFD.
static void put_mended(struct jsonw *w, struct view v, bool latin)
{
    while (v.n > 0) {
        size_t n;
        int32_t c = latin ? ((unsigned char)v.p[0] < 0x80 ? 0 : -1) : utf8_next(v, &n);
        if (latin)
            n = 1;
        if (c >= 0) {
            put_escaped(w, view_head(v, n));
        } else if (latin) {
            unsigned char b = (unsigned char)v.p[0];
            char two[2] = {(char)(0xc0 | b >> 6), (char)(0x80 | (b & 0x3f))};
            put(w, two, 2);
        } else {
            put(w, "\xef\xbf\xbd", 3);
        }
        v = view_from(v, n);
    }
}

static void put_text(struct jsonw *w, const char *key, struct view v, bool latin)
{
    start(w, key);
    if (!v.p) {
        put(w, "null", 4);
        return;
    }
    put_char(w, '"');
    if (utf8_valid(v))
        put_escaped(w, v);
    else
        put_mended(w, v, latin);
    put_char(w, '"');
}

void jsonw_text(struct jsonw *w, const char *key, struct view v)
{
    put_text(w, key, v, false);
}

void jsonw_field(struct jsonw *w, const char *key, struct view v)
{
    put_text(w, key, v, true);
}

void jsonw_string(struct jsonw *w, const char *key, const char *s)
{
    put_text(w, key, view_of(s), false);
}

void jsonw_int(struct jsonw *w, const char *key, int64_t v)
{
    char text[24];
    start(w, key);
    put(w, text, (size_t)snprintf(text, sizeof text, "%" PRId64, v));
}

void jsonw_real(struct jsonw *w, const char *key, double v)
{
    char text[40];
    if (!isfinite(v)) {
        jsonw_null(w, key);
        return;
    }
    start(w, key);
    int n = snprintf(text, sizeof text, "%.15g", v);
    if (strtod(text, NULL) != v)
        n = snprintf(text, sizeof text, "%.17g", v);
    put(w, text, (size_t)n);
}

void jsonw_ms(struct jsonw *w, const char *key, int64_t us)
{
    char text[40];
    start(w, key);
    uint64_t size = us < 0 ? 0 - (uint64_t)us : (uint64_t)us;
    int n = snprintf(text, sizeof text, "%s%" PRIu64, us < 0 ? "-" : "", size / 1000);
    if (size % 1000) {
        n += snprintf(text + n, sizeof text - (size_t)n, ".%03u", (unsigned)(size % 1000));
        while (text[n - 1] == '0')
            n--;
    }
    put(w, text, (size_t)n);
}

void jsonw_bool(struct jsonw *w, const char *key, bool v)
{
    jsonw_raw(w, key, v ? VIEW_LIT("true") : VIEW_LIT("false"));
}

void jsonw_null(struct jsonw *w, const char *key)
{
    jsonw_raw(w, key, VIEW_LIT("null"));
}

void jsonw_raw(struct jsonw *w, const char *key, struct view json)
{
    start(w, key);
    put(w, json.p, json.n);
}

void jsonw_open(struct jsonw *w, const char *key)
{
    start(w, key);
    put_char(w, '"');
}

void jsonw_add(struct jsonw *w, struct view utf8)
{
    put_escaped(w, utf8);
}

void jsonw_add_field(struct jsonw *w, struct view v)
{
    put_mended(w, v, !utf8_valid(v));
}

void jsonw_add_base64(struct jsonw *w, struct view bytes)
{
    base64_add(&w->base64, bytes);
}

void jsonw_close(struct jsonw *w)
{
    base64_end(&w->base64);
    put_char(w, '"');
}
