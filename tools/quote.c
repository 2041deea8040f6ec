// quote: see quote.h.
#include "tools/quote.h"

static void put(FILE *out, struct view v)
{
    fwrite_unlocked(v.p, 1, v.n, out);
}

void quote_sh_inside(FILE *out, struct view text)
{
    for (size_t n; text.n > 0; text = view_from(text, n + 1)) {
        n = view_find(text, '\'');
        put(out, view_head(text, n));
        if (n == text.n)
            break;
        fputs_unlocked("'\\''", out);
    }
}

void quote_sh(FILE *out, const char *text)
{
    putc('\'', out);
    quote_sh_inside(out, view_of(text));
    putc('\'', out);
}

void quote_fish(FILE *out, const char *text)
{
    putc('\'', out);
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
    putc('\'', out);
}

const char *quote_word(const char *word, char *out, size_t size)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "/._-+,:@%";
    if (*word && word[strspn(word, plain)] == '\0')
        return word;
    size_t n = 0;
    if (size < 3)
        return word;
    out[n++] = '\'';
    for (const char *c = word; *c; c++) {
        const char *as = *c == '\'' ? "'\\''" : (const char[]){*c, '\0'};
        size_t more = strlen(as);
        if (n + more + 2 > size)
            return word;
        memcpy(out + n, as, more);
        n += more;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}
