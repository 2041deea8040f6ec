// term: see the header. Styles are the eight old colours, which every theme makes readable.
//
// What comes from the network may hold sequences that move the cursor, change the title or turn the
// direction of writing. All of it passes glyph(), which knows what a terminal would obey.
#include "tools/term.h"

#include "proto/base/utf8.h"

#include <langinfo.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static const char *const codes[STYLE_COUNT] = {
    [STYLE_PLAIN] = "",         [STYLE_DIM] = "\033[2m",    [STYLE_BOLD] = "\033[1m",
    [STYLE_HEAD] = "\033[1;4m", [STYLE_GOOD] = "\033[32m",  [STYLE_NOTE] = "\033[36m",
    [STYLE_WARN] = "\033[33m",  [STYLE_BAD] = "\033[1;31m", [STYLE_NAME] = "\033[34m",
};

int term_columns(int fd, int otherwise)
{
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return otherwise;
}

void term_init(struct term *t, FILE *out, const struct options *o)
{
    const char *when = o ? options_text(o, "color") : "auto";
    const char *no_color = getenv("NO_COLOR"), *kind = getenv("TERM");
    *t = (struct term){.out = out};
    t->tty = isatty(fileno(out)) == 1;
    t->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    t->width = t->tty ? term_columns(fileno(out), 80) : 0;
    if (when && strcmp(when, "auto") != 0)
        t->color = strcmp(when, "always") == 0;
    else
        t->color = t->tty && !(no_color && *no_color) && !(kind && strcmp(kind, "dumb") == 0);
}

void term_on(const struct term *t, enum style style)
{
    if (t->color)
        fputs_unlocked(codes[style], t->out);
}

void term_off(const struct term *t, enum style style)
{
    if (t->color && style != STYLE_PLAIN)
        fputs_unlocked("\033[0m", t->out);
}

enum style term_status_style(int64_t status)
{
    if (status >= 500 || status == 0)
        return STYLE_BAD;
    if (status >= 400)
        return STYLE_WARN;
    return status >= 300 || status < 200 ? STYLE_NOTE : STYLE_GOOD;
}

// How one character is shown: its bytes (or an escape, in text) and columns.
struct glyph {
    const char *p;
    size_t bytes, n; // of the source; to write
    int columns;
    char text[8];
};

// C1 controls and the marks that turn the direction of writing would let a stranger's text lie
// about its neighbours.
static bool steers(int32_t c)
{
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069) || c == 0x2028 || c == 0x2029;
}

// Columns that a character takes: 0, 1 or 2.
static int width(int32_t c)
{
    if (c >= 0x20 && c < 0x7f)
        return 1;
    int w = wcwidth((wchar_t)c);
    return w < 0 ? 1 : w;
}

static void glyph(struct glyph *g, struct view v, bool lines)
{
    int32_t c = utf8_next(v, &g->bytes);
    if (c >= 0 && (!steers(c) || (lines && (c == '\n' || c == '\t')))) {
        g->p = v.p;
        g->n = g->bytes;
        g->columns = width(c);
        return;
    }
    if (c < 0x80)
        g->columns = snprintf(g->text, sizeof g->text, "\\x%02x", (unsigned char)v.p[0]);
    else
        g->columns = snprintf(g->text, sizeof g->text, "\\u%04x", (unsigned)c & 0xffff);
    g->p = g->text;
    g->n = (size_t)g->columns;
}

// Printable ASCII at the front of v, which needs no look at each character.
static size_t plain(struct view v)
{
    size_t n = 0;
    while (n < v.n && v.p[n] >= 0x20 && v.p[n] < 0x7f)
        n++;
    return n;
}

int term_width(const struct term *t, struct view v)
{
    int sum = 0;
    struct glyph g;
    (void)t;
    while (v.n > 0) {
        size_t n = plain(v);
        sum += (int)n;
        v = view_from(v, n);
        if (v.n == 0)
            break;
        glyph(&g, v, false);
        sum += g.columns;
        v = view_from(v, g.bytes);
    }
    return sum;
}

int term_text(const struct term *t, struct view v, bool lines, int width)
{
    int sum = 0;
    struct glyph g;
    bool cut = width > 0 && term_width(t, v) > width;
    int room = !width ? INT32_MAX : cut ? width - 1 : width;
    while (v.n > 0) {
        size_t n = plain(v);
        if (n > (size_t)(room - sum))
            n = (size_t)(room - sum);
        fwrite_unlocked(v.p, 1, n, t->out);
        sum += (int)n;
        v = view_from(v, n);
        if (v.n == 0)
            break;
        glyph(&g, v, lines);
        if (g.columns > room - sum)
            break;
        fwrite_unlocked(g.p, 1, g.n, t->out);
        if (!lines)
            sum += g.columns;
        v = view_from(v, g.bytes);
    }
    if (cut) {
        fputs_unlocked(t->utf8 ? "…" : "~", t->out);
        sum++;
    }
    return sum;
}
