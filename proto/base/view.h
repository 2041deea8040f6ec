// view: a loan of bytes that somebody else owns, valid until the call that received it returns.
#ifndef TAPEDECK_BASE_VIEW_H
#define TAPEDECK_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct view {
    const char *p; // may be NULL when n is 0
    size_t n;
};

// A view of a string literal, of a NUL-terminated string, of n bytes.
#define VIEW_LIT(s) ((struct view){(s), sizeof(s) - 1})

static inline struct view view_of(const char *s)
{
    return (struct view){s, s ? strlen(s) : 0};
}

static inline struct view view_n(const void *p, size_t n)
{
    return (struct view){p, n};
}

// The rest of v behind its first n bytes; n is at most v.n.
static inline struct view view_from(struct view v, size_t n)
{
    return (struct view){n > 0 ? v.p + n : v.p, v.n - n}; // v.p may be NULL
}

static inline struct view view_head(struct view v, size_t n)
{
    return (struct view){v.p, n < v.n ? n : v.n};
}

static inline bool view_eq(struct view a, struct view b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

// The lower case of an ASCII letter; any other byte as it is.
static inline char view_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// n bytes each, equal but for the case of ASCII letters.
bool view_same_letters(const char *a, const char *b, size_t n);
// The same of two views.
static inline bool view_ieq(struct view a, struct view b)
{
    // Most that differ do so in their first letter.
    return a.n == b.n &&
           (a.n == 0 || (((a.p[0] ^ b.p[0]) & 0xdf) == 0 && view_same_letters(a.p, b.p, a.n)));
}
bool view_starts(struct view v, struct view prefix);
bool view_istarts(struct view v, struct view prefix);

// Without the spaces and tabs at both ends (RFC 9110 OWS).
static inline struct view view_trim(struct view v)
{
    while (v.n > 0 && (v.p[0] == ' ' || v.p[0] == '\t'))
        v = view_from(v, 1);
    while (v.n > 0 && (v.p[v.n - 1] == ' ' || v.p[v.n - 1] == '\t'))
        v.n--;
    return v;
}

// Offset of the first byte c, or v.n.
size_t view_find(struct view v, char c);

// What a hexadecimal digit is worth; -1 for a byte that is none.
int view_digit(char c);

// How many letters must be changed, put in or left out to make b of a; VIEW_FAR for long ones.
#define VIEW_FAR 64
int view_distance(struct view a, struct view b);

// All of v as an unsigned number in the given base (10 or 16): no sign, no space, no overflow.
// 0, E_SYNTAX for an empty text or a foreign character, E_RANGE beyond max.
int view_number(struct view v, int base, uint64_t max, uint64_t *out);

#endif
