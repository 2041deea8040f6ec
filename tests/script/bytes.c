#include "tests/script/bytes.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define SHOWN 60

static char bytes[BYTES_MAX];
static size_t count;

static void add(char c)
{
    if (count < BYTES_MAX)
        bytes[count++] = c;
}

static int digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0'
           : c >= 'a' && c <= 'f'    ? c - 'a' + 10
           : c >= 'A' && c <= 'F'    ? c - 'A' + 10
                                     : -1;
}

// p stands at the opening quote; the result behind the closing one, or NULL.
static const char *quoted(const char *p)
{
    static const char names[] = "rnt0\\\"", values[] = "\r\n\t\0\\\"";
    for (p++; *p && *p != '"'; p++) {
        if (*p != '\\') {
            add(*p);
        } else if (p[1] == 'x' && digit(p[2]) >= 0 && digit(p[3]) >= 0) {
            add((char)(digit(p[2]) * 16 + digit(p[3])));
            p += 3;
        } else if (p[1] && strchr(names, p[1])) {
            add(values[strchr(names, *++p) - names]);
        } else {
            return NULL;
        }
    }
    return *p == '"' ? p + 1 : NULL;
}

static const char *piece(const char *p)
{
    size_t begun = count;
    char *star;
    unsigned long times = strtoul(p, &star, 10);
    if (star > p && *star == '*')
        p = star + 1;
    else
        times = 1;
    if (*p == '"') {
        p = quoted(p);
    } else if (digit(p[0]) >= 0 && digit(p[1]) >= 0) {
        add((char)(digit(p[0]) * 16 + digit(p[1])));
        p += 2;
    } else {
        p = NULL;
    }
    for (size_t n = count - begun; times > 1; times--)
        for (size_t i = 0; i < n; i++)
            add(bytes[begun + i]);
    return p;
}

bool bytes_parse(const char *text, struct view *out)
{
    count = 0;
    while (text && *text) {
        if (isspace((unsigned char)*text))
            text++;
        else
            text = piece(text);
    }
    *out = view_n(bytes, count);
    return text != NULL;
}

const char *bytes_show(struct view v)
{
    static char texts[2][SHOWN * 4 + 64];
    static int turn;
    char *out = texts[turn ^= 1];
    size_t n = 0, size = sizeof texts[0];
    n += (size_t)snprintf(out, size, "%zu bytes \"", v.n);
    for (size_t i = 0; i < v.n && i < SHOWN; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c == '\r' || c == '\n')
            n += (size_t)snprintf(out + n, size - n, "\\%c", c == '\r' ? 'r' : 'n');
        else if (isprint(c))
            n += (size_t)snprintf(out + n, size - n, "%c", c);
        else
            n += (size_t)snprintf(out + n, size - n, "\\x%02x", c);
    }
    snprintf(out + n, size - n, "\"%s", v.n > SHOWN ? "…" : "");
    return out;
}
