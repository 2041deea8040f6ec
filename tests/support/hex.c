// hex: see hex.h.
#include "tests/support/hex.h"

#include "tests/support/tmp.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned nibble(struct view text, size_t at)
{
    static const char digits[] = "0123456789abcdef";
    int c = at < text.n ? tolower((unsigned char)text.p[at]) : 0;
    const char *found = c ? strchr(digits, c) : NULL;
    if (!found) {
        fprintf(stderr, "hex: byte %zu is no hexadecimal digit\n", at);
        abort();
    }
    return (unsigned)(found - digits);
}

unsigned char *hex_parse(struct view text, size_t *n)
{
    unsigned char *out = malloc(text.n / 2 + 1);
    if (!out)
        abort();
    *n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '#') {
            i += view_find(view_from(text, i), '\n');
        } else if (!isspace((unsigned char)text.p[i])) {
            out[(*n)++] = (unsigned char)(nibble(text, i) << 4 | nibble(text, i + 1));
            i++;
        }
    }
    return out;
}

unsigned char *hex_read(const char *path, size_t *n)
{
    size_t length;
    char *text = tmp_read(path, &length);
    unsigned char *bytes = hex_parse(view_n(text, length), n);
    free(text);
    return bytes;
}
