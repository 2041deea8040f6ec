// head: the strict parser of HTTP/1 heads.
//
//   in:  [empty lines ≤ 2] start line CRLF (header line CRLF)* CRLF | what follows
//         \____________________________ *used ___________________/
//
// One pass: each line is cut at its end, sixteen or eight bytes at a time, then split; a header is
// applied (Content-Length, Transfer-Encoding, …) when the next line shows that it is not continued.
//
// 1. No byte behind in is read, and every answer depends on the bytes alone, not on their pieces.
// 2. E_SYNTAX is for the start line only; whatever is wrong behind it is a fault, and the head is
//    still parsed to its end.
// 3. The 8 KiB of headers in struct http_head are never cleared: only headers[0 .. count) count.
//
// Elsewhere: the limit on a head's size, and what a fault leads to (front, decoder).
#include "proxy/http/head.h"

#include "proxy/http/head_recent.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum {
    EMPTY_LINES_MAX = 2, // before a request's start line
    METHOD_PEEK = 32,    // bytes of an unfinished request line that must look like a method
};

#define LENGTH_MAX ((uint64_t)INT64_MAX)

// Letters, digits and !#$%&'*+-.^_`|~ (RFC 9110 5.6.2).
static const bool token_char[256] = {
    ['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1,
    ['-'] = 1, ['.'] = 1, ['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1,  ['~'] = 1, ['0'] = 1,
    ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1, ['5'] = 1, ['6'] = 1,  ['7'] = 1, ['8'] = 1,
    ['9'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1,
    ['H'] = 1, ['I'] = 1, ['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1,  ['N'] = 1, ['O'] = 1,
    ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1, ['T'] = 1, ['U'] = 1,  ['V'] = 1, ['W'] = 1,
    ['X'] = 1, ['Y'] = 1, ['Z'] = 1, ['a'] = 1, ['b'] = 1, ['c'] = 1,  ['d'] = 1, ['e'] = 1,
    ['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1,
    ['n'] = 1, ['o'] = 1, ['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1,  ['t'] = 1, ['u'] = 1,
    ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1, ['z'] = 1,
};

// Visible, but it could end or hide an authority.
static const bool not_in_host[128] = {
    ['"'] = 1, ['#'] = 1,  [','] = 1, ['/'] = 1, ['<'] = 1, ['>'] = 1, ['?'] = 1,
    ['@'] = 1, ['\\'] = 1, ['^'] = 1, ['`'] = 1, ['{'] = 1, ['|'] = 1, ['}'] = 1,
};

struct cursor {
    const char *p, *end;
    unsigned faults;
};

// What is known of the header lines so far.
struct gather {
    struct http_head *out;
    struct http_header last; // not applied yet: it may be continued
    bool has_last;
    unsigned hosts;
    bool te_done; // chunked was seen: nothing may follow it
    bool bad_length, two_lengths, same_lengths, bad_te, bad_host, too_many;
};

#ifdef __SSE2__

static __m128i load_16(const char *p)
{
    return _mm_loadu_si128((const __m128i *)(const void *)p);
}

// 0xff for each byte of x that lies in first..last.
static __m128i within(__m128i x, char first, char last)
{
    __m128i from_first = _mm_sub_epi8(x, _mm_set1_epi8(first));
    return _mm_cmpeq_epi8(_mm_min_epu8(from_first, _mm_set1_epi8((char)(last - first))),
                          from_first);
}

// As text_run(), of whole sixteens: stops where one is not, or is not there.
static size_t text_run_16(const char *p, size_t n, bool *found)
{
    size_t i = 0;
    for (; n - i >= 16; i += 16) {
        __m128i x = load_16(p + i);
        __m128i low = _mm_andnot_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('\t')), within(x, 0, 0x1f));
        unsigned stops =
            (unsigned)_mm_movemask_epi8(_mm_or_si128(low, _mm_cmpeq_epi8(x, _mm_set1_epi8(0x7f))));
        *found = stops != 0;
        if (stops)
            return i + (size_t)__builtin_ctz(stops);
    }
    return i;
}

// How many bytes at p are letters, digits or '-', as nearly all of a name are; sixteen at most.
static size_t name_run_16(const char *p, size_t n)
{
    if (n < 16)
        return 0;
    __m128i x = load_16(p);
    __m128i lower = _mm_or_si128(x, _mm_set1_epi8(0x20));
    __m128i fits = _mm_or_si128(within(lower, 'a', 'z'), within(x, '0', '9'));
    unsigned stops =
        ~(unsigned)_mm_movemask_epi8(_mm_or_si128(fits, _mm_cmpeq_epi8(x, _mm_set1_epi8('-'))));
    return (size_t)__builtin_ctz(stops | 1U << 16);
}

#else

static size_t text_run_16(const char *p, size_t n, bool *found)
{
    (void)p, (void)n, (void)found;
    return 0;
}

static size_t name_run_16(const char *p, size_t n)
{
    (void)p, (void)n;
    return 0;
}

#endif

// How many bytes at p are not control characters.
static size_t text_run(const char *p, size_t n)
{
    const uint64_t ones = 0x0101010101010101, highs = ones << 7;
    bool found = false;
    size_t i = text_run_16(p, n, &found);
    if (found)
        return i;
    for (; n - i >= 8; i += 8) {
        uint64_t x, del;
        memcpy(&x, p + i, 8);
        del = x ^ (ones * 0x7f);
        if ((((x - ones * 0x20) & ~x) | ((del - ones) & ~del)) & highs) {
            for (size_t stop = i + 8; i < stop; i++)
                if (http_is_control(p[i]))
                    return i;
            i -= 8;
        }
    }
    while (i < n && !http_is_control(p[i]))
        i++;
    return i;
}

size_t http_token_run(struct view v)
{
    size_t i = name_run_16(v.p, v.n);
    while (i < v.n && token_char[(unsigned char)v.p[i]])
        i++;
    return i;
}

// Cuts the next line off, without its end. False: it is not whole yet.
static bool line_next(struct cursor *c, struct view *line)
{
    const char *start = c->p, *p = c->p;
    for (;; p++) {
        p += text_run(p, (size_t)(c->end - p));
        if (p == c->end)
            return false;
        if (*p == '\n') {
            c->faults |= HTTP_BARE_LF;
            *line = view_n(start, (size_t)(p - start));
            c->p = p + 1;
            return true;
        }
        if (*p != '\r') {
            c->faults |= HTTP_NUL;
            continue;
        }
        if (p + 1 == c->end)
            return false;
        if (p[1] == '\n') {
            *line = view_n(start, (size_t)(p - start));
            c->p = p + 2;
            return true;
        }
        c->faults |= HTTP_BARE_LF;
    }
}

// "HTTP/1.x"
static bool version_parse(struct view v, struct http_head *out)
{
    if (v.n != 8 || memcmp(v.p, "HTTP/1.", 7) != 0 || v.p[7] < '0' || v.p[7] > '9')
        return false;
    out->major = 1;
    out->minor = (unsigned)(v.p[7] - '0');
    return true;
}

// method SP target SP version
static bool request_line(struct view line, struct http_head *out, unsigned *faults)
{
    size_t m = http_token_run(line);
    if (m == 0 || m == line.n || line.p[m] != ' ')
        return false;
    const char *last = memrchr(line.p, ' ', line.n);
    size_t at = (size_t)(last - line.p);
    if (at == m || !version_parse(view_from(line, at + 1), out))
        return false;
    out->method = view_head(line, m);
    out->target = view_n(line.p + m + 1, at - m - 1);
    if (out->target.n == 0 || memchr(out->target.p, ' ', out->target.n) ||
        memchr(out->target.p, '\t', out->target.n))
        *faults |= HTTP_BAD_TARGET;
    return true;
}

// version SP 3DIGIT [SP reason]
static bool status_line(struct view line, struct http_head *out)
{
    if (line.n < 12 || line.p[8] != ' ' || !version_parse(view_head(line, 8), out))
        return false;
    const char *d = line.p + 9;
    if (d[0] < '1' || d[0] > '9' || d[1] < '0' || d[1] > '9' || d[2] < '0' || d[2] > '9')
        return false;
    if (line.n > 12 && line.p[12] != ' ')
        return false;
    out->status = (unsigned)((d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0'));
    out->reason = line.n > 13 ? view_from(line, 13) : view_n(line.p + line.n, 0);
    return true;
}

static bool start_line(struct view line, bool request, struct http_head *out, unsigned *faults)
{
    return request ? request_line(line, out, faults) : status_line(line, out);
}

// Cuts the next element off a comma-separated list, trimmed; false behind the last.
static bool list_next(struct view *rest, struct view *item)
{
    if (!rest->p)
        return false;
    size_t comma = view_find(*rest, ',');
    *item = view_trim(view_head(*rest, comma));
    *rest = comma < rest->n ? view_from(*rest, comma + 1) : (struct view){NULL, 0};
    return true;
}

static void apply_length(struct gather *g, struct view value)
{
    struct view item;
    while (list_next(&value, &item)) {
        uint64_t n;
        if (view_number(item, 10, LENGTH_MAX, &n)) {
            g->bad_length = true;
            continue;
        }
        if (g->out->has_length && g->out->length != n) {
            g->two_lengths = true;
            continue;
        }
        g->same_lengths = g->out->has_length;
        g->out->has_length = true;
        g->out->length = n;
    }
}

// A quoted parameter could hide a comma, so any quote is a fault.
static void apply_te(struct gather *g, struct view value)
{
    struct view item;
    g->out->has_te = true;
    if (view_find(value, '"') < value.n)
        g->bad_te = true;
    while (list_next(&value, &item)) {
        if (item.n == 0 || g->te_done)
            g->bad_te = true;
        g->te_done = g->te_done || view_ieq(item, VIEW_LIT("chunked"));
    }
}

static void apply_connection(struct http_head *out, struct view value)
{
    struct view item;
    while (list_next(&value, &item)) {
        if (view_ieq(item, VIEW_LIT("close")))
            out->close = true;
        else if (view_ieq(item, VIEW_LIT("keep-alive")))
            out->keep_alive = true;
        else if (view_ieq(item, VIEW_LIT("upgrade")))
            out->upgrade = true;
    }
}

bool http_host_plain(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        unsigned char c = (unsigned char)v.p[i];
        if (c <= ' ' || c >= 0x7f || not_in_host[c])
            return false;
    }
    return true;
}

static void apply_host(struct gather *g, struct view value)
{
    g->hosts++;
    if (!http_host_plain(value))
        g->bad_host = true;
}

static void apply(struct gather *g, const struct http_header *h)
{
    switch (h->name.n) {
    case 4:
        if (view_ieq(h->name, VIEW_LIT("host")))
            apply_host(g, h->value);
        break;
    case 6:
        if (view_ieq(h->name, VIEW_LIT("expect")) && view_ieq(h->value, VIEW_LIT("100-continue")))
            g->out->expect_continue = true;
        break;
    case 10:
        if (view_ieq(h->name, VIEW_LIT("connection")))
            apply_connection(g->out, h->value);
        break;
    case 14:
        if (view_ieq(h->name, VIEW_LIT("content-length")))
            apply_length(g, h->value);
        break;
    case 17:
        if (view_ieq(h->name, VIEW_LIT("transfer-encoding")))
            apply_te(g, h->value);
        break;
    default:
        break;
    }
}

static void settle(struct gather *g)
{
    if (!g->has_last)
        return;
    apply(g, &g->last);
    if (g->out->count < HTTP_HEADERS_MAX)
        g->out->headers[g->out->count++] = g->last;
    else
        g->too_many = true;
    g->has_last = false;
}

// Takes one header line; answers its faults.
static unsigned header_line(struct gather *g, struct view line)
{
    if (line.p[0] == ' ' || line.p[0] == '\t') {
        if (g->has_last) {
            const char *end = line.p + line.n;
            g->last.value = view_trim(view_n(g->last.value.p, (size_t)(end - g->last.value.p)));
        }
        return HTTP_OBS_FOLD;
    }
    settle(g);
    g->has_last = true;
    size_t n = http_token_run(line), colon = n;
    unsigned faults = 0;
    if (n == line.n || line.p[n] != ':') {
        colon = view_find(line, ':');
        g->last.name = view_trim(view_head(line, colon));
        if (colon == line.n) {
            g->last.value = view_n(line.p + line.n, 0);
            return HTTP_BAD_NAME;
        }
        if (g->last.name.n < colon)
            faults |= HTTP_SPACE_BEFORE_COLON;
        if (http_token_run(g->last.name) < g->last.name.n)
            faults |= HTTP_BAD_NAME;
    } else {
        g->last.name = view_head(line, n);
    }
    g->last.value = view_trim(view_from(line, colon + 1));
    return g->last.name.n == 0 ? faults | HTTP_BAD_NAME : faults;
}

// The faults that only all headers together show.
static unsigned conclude(struct gather *g)
{
    struct http_head *out = g->out;
    unsigned faults = 0;
    if (out->has_te && (out->minor == 0 || (out->is_request && !g->te_done)))
        g->bad_te = true;
    out->chunked = out->has_te && g->te_done && !g->bad_te;
    if (g->bad_length)
        faults |= HTTP_BAD_LENGTH;
    if (g->two_lengths)
        faults |= HTTP_TWO_LENGTHS;
    else if (g->same_lengths)
        faults |= HTTP_SAME_LENGTHS;
    if (out->has_te && (out->has_length || g->bad_length))
        faults |= HTTP_LENGTH_AND_TE;
    if (g->bad_te)
        faults |= HTTP_BAD_TE;
    if (out->is_request && (g->bad_host || g->hosts > 1 || (g->hosts == 0 && out->minor > 0)))
        faults |= HTTP_BAD_HOST;
    if (g->too_many)
        faults |= HTTP_TOO_MANY;
    return faults;
}

static void head_reset(struct http_head *out, bool request)
{
    out->is_request = request;
    out->major = out->minor = out->status = out->faults = 0;
    out->method = out->target = out->reason = (struct view){NULL, 0};
    out->count = 0;
    out->has_length = out->chunked = out->has_te = false;
    out->length = 0;
    out->close = out->keep_alive = out->upgrade = out->expect_continue = false;
}

// Passes over the empty lines that may precede a request. 0, E_AGAIN, E_SYNTAX (too many).
static int skip_empty(struct cursor *c)
{
    for (int i = 0; c->p < c->end && (*c->p == '\r' || *c->p == '\n'); i++) {
        if (i == EMPTY_LINES_MAX)
            return E_SYNTAX;
        if (*c->p == '\n') {
            c->faults |= HTTP_BARE_LF;
            c->p++;
            continue;
        }
        if (c->p + 1 == c->end)
            return E_AGAIN;
        if (c->p[1] != '\n')
            return E_SYNTAX;
        c->p += 2;
    }
    return c->p == c->end ? E_AGAIN : 0;
}

// Whether an unfinished first line can still become a start line.
static int start_plausible(const struct cursor *c, bool request)
{
    struct view v = view_n(c->p, (size_t)(c->end - c->p));
    if (!request) {
        v = view_head(v, 7);
        return memcmp(v.p, "HTTP/1.", v.n) == 0 ? E_AGAIN : E_SYNTAX;
    }
    v = view_head(v, METHOD_PEEK);
    size_t n = http_token_run(v);
    return n == v.n || (n > 0 && v.p[n] == ' ') ? E_AGAIN : E_SYNTAX;
}

// Whether an empty line may end within [from, end): if not, a second parse would be for nothing.
static bool end_in_sight(const struct cursor *c, size_t from)
{
    size_t have = (size_t)(c->end - c->p);
    const char *p = c->p + (from > 3 && from - 3 < have ? from - 3 : 0);
    while (p < c->end && (p = memchr(p, '\n', (size_t)(c->end - p)))) {
        if (c->end - p > 1 && p[1] == '\n')
            return true;
        if (c->end - p > 2 && p[1] == '\r' && p[2] == '\n')
            return true;
        p++;
    }
    return false;
}

int http_head_parse(struct view in, size_t from, bool request, struct http_head *out, size_t *used)
{
    struct cursor c = {in.p, in.p + in.n, 0};
    *used = 0;
    if (in.n == 0)
        return E_AGAIN;
    if (head_recent_take(in, request, out, used))
        return 0;
    if (request) {
        int r = skip_empty(&c);
        if (r)
            return r;
    }
    size_t lead = (size_t)(c.p - in.p);
    size_t seen = from > lead ? from - lead : 0;
    if (seen > (size_t)(c.end - c.p))
        seen = (size_t)(c.end - c.p);
    // The start line was judged by an earlier call, or is still unfinished.
    if (seen > 0 && !end_in_sight(&c, seen) &&
        (!memchr(c.p + seen, '\n', (size_t)(c.end - c.p) - seen) || memchr(c.p, '\n', seen)))
        return memchr(c.p, '\n', seen) ? E_AGAIN : start_plausible(&c, request);

    head_reset(out, request);
    struct view line;
    if (!line_next(&c, &line))
        return start_plausible(&c, request);
    if (!start_line(line, request, out, &c.faults))
        return E_SYNTAX;
    struct gather g = {.out = out};
    for (;;) {
        if (!line_next(&c, &line))
            return E_AGAIN;
        if (line.n == 0)
            break;
        c.faults |= header_line(&g, line);
    }
    settle(&g);
    out->faults = c.faults | conclude(&g);
    *used = (size_t)(c.p - in.p);
    head_recent_put(in.p, *used, out);
    return 0;
}

const struct http_header *http_head_find(const struct http_head *h, struct view name)
{
    for (size_t i = 0; i < h->count; i++)
        if (h->headers[i].name.n == name.n && view_ieq(h->headers[i].name, name))
            return &h->headers[i];
    return NULL;
}

enum http_framing http_request_framing(const struct http_head *h)
{
    if (h->has_te)
        return h->chunked ? HTTP_CHUNKED : HTTP_NO_BODY;
    return h->has_length ? HTTP_LENGTH : HTTP_NO_BODY;
}

enum http_framing http_response_framing(const struct http_head *h, struct view method)
{
    if (h->status < 200 || h->status == 204 || h->status == 304)
        return HTTP_NO_BODY;
    if (view_eq(method, VIEW_LIT("HEAD")))
        return HTTP_NO_BODY;
    if (view_eq(method, VIEW_LIT("CONNECT")) && h->status < 300)
        return HTTP_NO_BODY;
    if (h->has_te)
        return h->chunked ? HTTP_CHUNKED : HTTP_UNTIL_CLOSE;
    return h->has_length ? HTTP_LENGTH : HTTP_UNTIL_CLOSE;
}

bool http_persistent(const struct http_head *request, const struct http_head *response)
{
    if (request->close || response->close)
        return false;
    // A 1.0 client holds the connection open only when the answer says so too.
    if (request->minor == 0)
        return request->keep_alive && response->keep_alive;
    return response->minor > 0 || response->keep_alive;
}

const char *http_fault_text(unsigned faults)
{
    static const char *const texts[] = {
        "line not ended by CRLF",    "folded header line",
        "control character in head", "content-length is not a number",
        "two content-lengths",       "content-length with transfer-encoding",
        "bad transfer-encoding",     "space before colon",
        "bad header name",           "missing, repeated or bad host",
        "too many header lines",     "bad request target",
        "content-length repeated",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (faults & (1U << i))
            return texts[i];
    return "no fault";
}
