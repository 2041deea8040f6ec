// text: texts by lines and bytes by offset: the first place that differs, with what stands around
// it; what is equal at both ends is passed over.
#include "proto/digest.h"
#include "tools/compare/meeting.h"

#include <stdio.h>

#define BEFORE 60  // bytes shown of the same line before the place
#define LINES  100 // a line before is shown when it is no longer
#define DUMP   16  // bytes of a dump

static size_t common_head(struct view a, struct view b)
{
    size_t n = 0, least = a.n < b.n ? a.n : b.n;
    while (n + 256 <= least && memcmp(a.p + n, b.p + n, 256) == 0)
        n += 256;
    while (n < least && a.p[n] == b.p[n])
        n++;
    return n;
}

static size_t common_tail(struct view a, struct view b)
{
    size_t n = 0, least = a.n < b.n ? a.n : b.n;
    while (n < least && a.p[a.n - 1 - n] == b.p[b.n - 1 - n])
        n++;
    return n;
}

static size_t line_start(struct view v, size_t at)
{
    while (at > 0 && v.p[at - 1] != '\n')
        at--;
    return at;
}

static uint64_t lines_before(struct view v, size_t at)
{
    uint64_t n = 0;
    for (size_t i = 0; i < at; i++)
        n += v.p[i] == '\n';
    return n;
}

// What is shown of a side: lines from..to, and what leads up to them. lines: where the first of
// them starts, for both sides; place: the first byte that differs.
static struct view window(struct view v, size_t lines, size_t place, size_t to, char *room,
                          size_t size)
{
    static const char more[] = "…";
    size_t from = lines, n = 0;
    if (place - lines > 2 * BEFORE) {
        from = place - BEFORE;
        while (from < place && ((unsigned char)v.p[from] & 0xc0) == 0x80)
            from++;
        memcpy(room, more, sizeof more - 1);
        n = sizeof more - 1;
    } else if (lines > 0) {
        size_t before = line_start(v, lines - 1);
        from = lines - before <= LINES ? before : lines;
    }
    size_t length = to > from ? to - from : 0;
    length = length < size - n ? length : size - n;
    memcpy(room + n, v.p + from, length);
    return view_n(room, n + length);
}

void text_compare(struct meeting *m, struct view left, struct view right)
{
    char room[2][2 * DIFFERENCE_TEXT];
    if (view_eq(left, right) || meeting_over(m) || meeting_ignored(m) ||
        meeting_allowed(m, left, right))
        return;
    size_t place = common_head(left, right), start = line_start(left, place);
    struct view l = view_from(left, start), r = view_from(right, start);
    // Whole lines that are equal at the end; the last byte of all ends a line as well.
    size_t tail = common_tail(l, r);
    while (tail > 0 && !((tail == l.n || l.p[l.n - tail - 1] == '\n') &&
                         (tail == r.n || r.p[r.n - tail - 1] == '\n')))
        tail--;
    l.n -= tail;
    r.n -= tail;
    enum difference_kind kind = l.n == 0   ? DIFFERENCE_EXTRA
                                : r.n == 0 ? DIFFERENCE_MISSING
                                           : DIFFERENCE_VALUE;
    enum shape shape = shape_of(left, right);
    struct view shown[2] = {window(left, start, place, start + l.n, room[0], sizeof room[0]),
                            window(right, start, place, start + r.n, room[1], sizeof room[1])};
    if (view_find(left, '\n') == left.n && view_find(right, '\n') == right.n)
        meeting_tell(m, kind, shape, shown[0], shown[1]);
    else
        meeting_tell_at(m, kind, "line", lines_before(left, start) + 1, shown[0], shown[1]);
}

static struct view dump(struct view v, size_t at, char *room, size_t size)
{
    unsigned char digest[DIGEST_SIZE];
    char hex[2 * 8 + 1];
    digest_once(v, digest);
    size_t n =
        (size_t)snprintf(room, size, "%zu bytes, SHA-256 %s…", v.n, digest_hex(digest, 8, hex));
    if (at < v.n)
        n += (size_t)snprintf(room + n, size - n, ", here");
    else
        n += (size_t)snprintf(room + n, size - n, ", ends here");
    for (size_t i = at; i < v.n && i < at + DUMP; i++)
        n += (size_t)snprintf(room + n, size - n, " %02x", (unsigned char)v.p[i]);
    return view_n(room, n);
}

void bytes_compare(struct meeting *m, struct view left, struct view right)
{
    char room[2][DIFFERENCE_TEXT];
    if (view_eq(left, right) || meeting_over(m) || meeting_ignored(m))
        return;
    size_t place = common_head(left, right);
    while (place < left.n && place < right.n && meeting_allows_byte(m, place)) {
        place++;
        place += common_head(view_from(left, place), view_from(right, place));
    }
    if (place == left.n && place == right.n)
        return;
    meeting_tell_at(m, DIFFERENCE_VALUE, "byte", place, dump(left, place, room[0], sizeof room[0]),
                    dump(right, place, room[1], sizeof room[1]));
}
