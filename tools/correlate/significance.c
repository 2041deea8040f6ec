// significance: judged by shape (tools/compare/shape.h) first, then by how letters and digits mix:
// words and numbered words change their kind of letter seldom, what was drawn does all the time.
#include "tools/correlate/significance.h"

#include "tools/compare/shape.h"

#define STRONG_LEAST 8
#define NUMBER_LEAST 9  // digits of a number that stands for itself
#define RUN_LEAST    16 // letters of one kind that may have been drawn
#define LONG_LEAST   20 // letters and digits of which a few changes tell enough

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_upper(char c)
{
    return c >= 'A' && c <= 'Z';
}

static bool is_letter(char c)
{
    return view_lower(c) >= 'a' && view_lower(c) <= 'z';
}

static bool all_digits(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_digit(v.p[i]))
            return false;
    return v.n > 0;
}

// What stands for itself, whatever its name is.
static bool is_plain_thing(struct view v)
{
    static const enum shape shapes[] = {SHAPE_HTTP_DATE, SHAPE_TIME,       SHAPE_DATE,
                                        SHAPE_EMAIL,     SHAPE_IP,         SHAPE_EPOCH_MS,
                                        SHAPE_EPOCH,     SHAPE_TRACEPARENT};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shape_is(shapes[i], v))
            return true;
    return shape_is(SHAPE_NUMBER, v) && !all_digits(v);
}

static bool is_one_word(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!is_digit(v.p[i]) && !is_letter(v.p[i]) && !strchr("-._~+/=:%|!$*@", v.p[i]))
            return false;
    return v.n > 0;
}

// Neither a media type, a path, nor the like.
static bool has_slash(struct view v)
{
    size_t slashes = 0;
    for (size_t i = 0; i < v.n; i++)
        slashes += v.p[i] == '/';
    return slashes > 0 && v.n < 16 * slashes;
}

static bool looks_drawn(struct view v)
{
    static const char vowels[] = "aeiouyAEIOUY";
    size_t changes = 0, known = 0, run = 0, longest = 0, digits = 0, capitals = 0;
    for (size_t i = 0; i < v.n; i++) {
        char c = v.p[i], before = i > 0 ? v.p[i - 1] : 0;
        bool letter = is_letter(c);
        known += letter || is_digit(c);
        digits += is_digit(c);
        capitals += is_upper(c) && is_upper(before);
        run = letter && !strchr(vowels, c) ? run + 1 : 0;
        longest = run > longest ? run : longest;
        bool capital = is_upper(before) && letter && !is_upper(c); // "The"
        if (is_letter(before) && letter)
            changes += is_upper(before) != is_upper(c) && !capital;
        else
            changes += (is_digit(before) && letter) || (is_letter(before) && is_digit(c));
    }
    if (known >= RUN_LEAST && longest >= 6)
        return true;
    if (digits == 0) // "getUserById" is none
        return known >= RUN_LEAST && capitals >= 2 && changes >= 3;
    return changes >= 3 && (known >= LONG_LEAST || 5 * changes >= known);
}

bool significance_strong(struct view v)
{
    static const enum shape shapes[] = {SHAPE_UUID, SHAPE_ULID, SHAPE_OBJECTID, SHAPE_JWT,
                                        SHAPE_TRACE_ID};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        if (shape_is(shapes[i], v))
            return true;
    if (v.n < STRONG_LEAST || is_plain_thing(v) || !is_one_word(v) || has_slash(v))
        return false;
    if (all_digits(v))
        return v.n >= NUMBER_LEAST;
    if (view_starts(v, VIEW_LIT("redacted:")))
        return true;
    return (v.n >= 16 && shape_is(SHAPE_HEX, v)) || looks_drawn(v);
}

bool significance_possible(struct view v)
{
    bool digit = false;
    for (size_t i = 0; i < v.n; i++)
        digit = digit || is_digit(v.p[i]);
    return v.n >= SIGNIFICANCE_LEAST && is_one_word(v) && (digit || v.n >= STRONG_LEAST) &&
           !has_slash(v) && !is_plain_thing(v) && !(all_digits(v) && v.n < NUMBER_LEAST);
}

bool significance_counted(struct view v)
{
    return all_digits(v) && v.n < NUMBER_LEAST && (v.p[0] != '0' || v.n > 4);
}

// ---- names

static bool contains(struct view name, const char *word)
{
    struct view w = view_of(word);
    for (size_t i = 0; i + w.n <= name.n; i++)
        if (view_ieq((struct view){name.p + i, w.n}, w))
            return true;
    return false;
}

static bool ends(struct view name, const char *with)
{
    size_t n = strlen(with);
    return name.n >= n && memcmp(name.p + name.n - n, with, n) == 0;
}

bool significance_id(struct view name)
{
    return view_ieq(name, VIEW_LIT("id")) || ends(name, "_id") || ends(name, "-id") ||
           ends(name, "Id") || ends(name, "ID") || view_ieq(name, VIEW_LIT("uuid")) ||
           view_ieq(name, VIEW_LIT("guid"));
}

bool significance_token(struct view name)
{
    static const char *const words[] = {"token",    "csrf",    "xsrf",   "session",      "secret",
                                        "nonce",    "cursor",  "ticket", "bearer",       "jwt",
                                        "verifier", "refresh", "sessid", "continuation", NULL};
    for (size_t i = 0; words[i]; i++)
        if (contains(name, words[i]))
            return true;
    return view_ieq(name, VIEW_LIT("sid"));
}

bool significance_name(struct view name)
{
    static const char *const words[] = {"number", "reference", "etag",   "location",
                                        "uuid",   "guid",      "handle", NULL};
    static const char *const whole[] = {"state", "code", "key", "ref", "next", "no", "hash", NULL};
    if (significance_id(name) || significance_token(name))
        return true;
    for (size_t i = 0; words[i]; i++)
        if (contains(name, words[i]))
            return true;
    for (size_t i = 0; whole[i]; i++)
        if (view_ieq(name, view_of(whole[i])))
            return true;
    return ends(name, "_key") || ends(name, "Key") || ends(name, "_ref") || ends(name, "_code");
}

struct view significance_noun(struct view name, char out[SIGNIFICANCE_NOUN])
{
    static const char *const generic[] = {"id",       "data",  "result",  "item_list", "content",
                                          "record",   "row",   "payload", "response",  "list",
                                          "value",    "entry", "object",  "api",       "_embedded",
                                          "embedded", "uuid",  NULL};
    size_t n = 0;
    if (name.n > 2 && (ends(name, "Id") || ends(name, "ID")))
        name.n -= 2;
    else if (name.n > 3 && (ends(name, "_id") || ends(name, "-id")))
        name.n -= 3;
    // The last word of several: "parentItem", "parent_item".
    for (size_t i = name.n; i > 1; i--)
        if (name.p[i - 1] == '_' || name.p[i - 1] == '-' ||
            (is_upper(name.p[i - 1]) && !is_upper(name.p[i - 2]))) {
            name = view_from(name, is_upper(name.p[i - 1]) ? i - 1 : i);
            break;
        }
    for (; n < name.n && n < SIGNIFICANCE_NOUN - 2; n++)
        out[n] = view_lower(name.p[n]);
    struct view v = {out, n};
    if (n > 3 && ends(v, "ies")) {
        out[n - 3] = 'y';
        n -= 2;
    } else if (n > 4 && (ends(v, "sses") || ends(v, "xes") || ends(v, "ches") || ends(v, "shes"))) {
        n -= 2;
    } else if (n > 2 && ends(v, "s") && !ends(v, "ss")) {
        n--;
    }
    out[n] = 0;
    for (size_t i = 0; generic[i]; i++)
        if (strcmp(out, generic[i]) == 0)
            n = 0;
    out[n] = 0;
    return view_n(out, n);
}
