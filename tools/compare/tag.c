// tag: the texts between the tags of one side are looked for in the other, one behind the other,
// each as early as it comes; the first is at its beginning and the last at its end. A tag on the
// other side is bytes like others.
#include "tools/compare/tag.h"

#define TAG        "redacted:"
#define TAG_LENGTH (sizeof TAG - 1)
#define TAG_DIGITS 16
#define TAG_SIZE   (TAG_LENGTH + TAG_DIGITS)

// Where the first tag is; text.n: there is none.
static size_t find(struct view text)
{
    for (struct view rest = text; rest.n >= TAG_SIZE;) {
        const char *at = memmem(rest.p, rest.n, TAG, TAG_LENGTH);
        size_t digits = 0;
        if (!at)
            break;
        rest = view_from(rest, (size_t)(at - rest.p));
        while (digits < TAG_DIGITS && TAG_LENGTH + digits < rest.n &&
               view_digit(rest.p[TAG_LENGTH + digits]) >= 0)
            digits++;
        if (digits == TAG_DIGITS)
            return (size_t)(at - text.p);
        rest = view_from(rest, TAG_LENGTH);
    }
    return text.n;
}

bool tag_in(struct view text)
{
    return find(text) < text.n;
}

bool tag_is(struct view text)
{
    return text.n == TAG_SIZE && find(text) == 0;
}

static bool ends_with(struct view text, struct view end)
{
    return text.n >= end.n && view_eq(view_from(text, text.n - end.n), end);
}

static bool fits(struct view tagged, struct view text)
{
    size_t n = find(tagged);
    if (n == tagged.n || !view_starts(text, view_head(tagged, n)))
        return false;
    text = view_from(text, n);
    for (;;) {
        tagged = view_from(tagged, n + TAG_SIZE);
        n = find(tagged);
        if (text.n == 0)
            return false;
        text = view_from(text, 1);
        if (n == tagged.n)
            return ends_with(text, tagged);
        const char *at = n ? memmem(text.p, text.n, tagged.p, n) : text.p;
        if (!at)
            return false;
        text = view_from(text, (size_t)(at - text.p) + n);
    }
}

bool tag_may_equal(struct view left, struct view right)
{
    return fits(left, right) || fits(right, left);
}
