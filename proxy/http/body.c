// body: finds the end of an HTTP/1 message body.
//
// The chunked grammar (RFC 9112 7.1), a step for each place where input may stop:
//
//   SIZE ─CR→ SIZE_LF ─LF→ DATA ─(left 0)→ DATA_CR → DATA_LF → SIZE …
//    │ └SP→ BWS ─;─┐  └(size 0)→ LINE
//    └──;──→ EXT ←─┘ ─CR→ SIZE_LF
//   LINE ─CR→ END_LF ─LF→ FINISHED
//    └ token ─→ NAME ─:─→ VALUE ─CR→ VALUE_LF ─LF→ LINE
//
// 1. left is what is still to come of the length or of the present chunk; 0 outside DATA.
// 2. line counts the bytes of the chunk's size line, or of the whole trailer section.
// 3. FINISHED answers DONE for ever; after BAD the caller steps no more.
#include "proxy/http/body.h"

enum {
    SIZE,
    BWS,
    EXT,
    SIZE_LF,
    DATA,
    DATA_CR,
    DATA_LF,
    LINE,
    NAME,
    VALUE,
    VALUE_LF,
    END_LF,
    FINISHED
};

#define SIZE_DIGITS_MAX 16
#define EXT_MAX         16384

void http_body_begin(struct http_body *b, enum http_framing framing, uint64_t length)
{
    *b = (struct http_body){.framing = framing, .left = framing == HTTP_LENGTH ? length : 0};
}

static bool is_text(char c)
{
    unsigned char u = (unsigned char)c;
    return (u >= 0x20 && u != 0x7f) || u == '\t';
}

static bool size_byte(struct http_body *b, char c)
{
    int digit = view_digit(c);
    if (digit >= 0) {
        b->left = b->left << 4 | (unsigned)digit;
        return ++b->line <= SIZE_DIGITS_MAX;
    }
    if (b->line == 0)
        return false;
    b->step = c == '\r' ? SIZE_LF : c == ';' ? EXT : BWS;
    return c == '\r' || c == ';' || c == ' ' || c == '\t';
}

// One byte of the framing around chunks. False: it breaks the grammar.
static bool chunk_byte(struct http_body *b, char c)
{
    switch (b->step) {
    case SIZE:
        return size_byte(b, c);
    case BWS:
        if (c == ';')
            b->step = EXT;
        return (c == ';' || c == ' ' || c == '\t') && ++b->line <= EXT_MAX;
    case EXT:
        if (c == '\r')
            b->step = SIZE_LF;
        return (c == '\r' || is_text(c)) && ++b->line <= EXT_MAX;
    case SIZE_LF:
        b->step = b->left ? DATA : LINE;
        b->line = 0;
        return c == '\n';
    case DATA_CR:
        b->step = DATA_LF;
        return c == '\r';
    case DATA_LF:
        b->step = SIZE;
        return c == '\n';
    default:
        return false;
    }
}

// One byte of a trailer line.
static bool trailer_byte(struct http_body *b, char c)
{
    if (++b->line > HTTP_TRAILERS_MAX)
        return false;
    switch (b->step) {
    case LINE:
        b->step = NAME;
        return http_token_run(view_n(&c, 1)) == 1;
    case NAME:
        if (c == ':')
            b->step = VALUE;
        return c == ':' || http_token_run(view_n(&c, 1)) == 1;
    case VALUE:
        if (c == '\r')
            b->step = VALUE_LF;
        return c == '\r' || is_text(c);
    case VALUE_LF:
        b->step = LINE;
        return c == '\n';
    default:
        return false;
    }
}

// From in.p[i] on, behind the last chunk.
static enum http_body_step trailer(struct http_body *b, struct view in, size_t i,
                                   struct view *content, size_t *used)
{
    size_t start = i;
    for (; i < in.n; i++) {
        char c = in.p[i];
        *used = i;
        if (b->step == END_LF) {
            if (c != '\n')
                return HTTP_BODY_BAD;
            b->step = FINISHED;
            *used = i + 1;
            return HTTP_BODY_DONE;
        }
        if (b->step == LINE && c == '\r') {
            if (i > start)
                break;
            b->step = END_LF;
            start = i + 1;
        } else if (!trailer_byte(b, c)) {
            return HTTP_BODY_BAD;
        }
    }
    *used = i;
    *content = view_n(in.p + start, i - start);
    return i > start ? HTTP_BODY_TRAILER : HTTP_BODY_MORE;
}

// Content at in.p[i] up to the end of the length or chunk.
static enum http_body_step counted(struct http_body *b, struct view in, size_t i,
                                   struct view *content, size_t *used)
{
    size_t n = in.n - i < b->left ? in.n - i : (size_t)b->left;
    b->left -= n;
    b->content += n;
    *content = view_n(in.p + i, n);
    *used = i + n;
    return HTTP_BODY_CONTENT;
}

static enum http_body_step chunked(struct http_body *b, struct view in, struct view *content,
                                   size_t *used)
{
    if (b->step == FINISHED)
        return HTTP_BODY_DONE;
    for (size_t i = 0; i < in.n; i++) {
        if (b->step == DATA) {
            enum http_body_step step = counted(b, in, i, content, used);
            if (b->left == 0)
                b->step = DATA_CR;
            return step;
        }
        if (b->step >= LINE)
            return trailer(b, in, i, content, used);
        if (!chunk_byte(b, in.p[i])) {
            *used = i;
            return HTTP_BODY_BAD;
        }
    }
    *used = in.n;
    return HTTP_BODY_MORE;
}

enum http_body_step http_body_step(struct http_body *b, struct view in, struct view *content,
                                   size_t *used)
{
    *content = (struct view){NULL, 0};
    *used = 0;
    switch (b->framing) {
    case HTTP_CHUNKED:
        return chunked(b, in, content, used);
    case HTTP_LENGTH:
        if (b->left == 0)
            return HTTP_BODY_DONE;
        return in.n ? counted(b, in, 0, content, used) : HTTP_BODY_MORE;
    case HTTP_UNTIL_CLOSE:
        b->content += in.n;
        *content = in;
        *used = in.n;
        return in.n ? HTTP_BODY_CONTENT : HTTP_BODY_MORE;
    default:
        return HTTP_BODY_DONE;
    }
}

bool http_body_end(const struct http_body *b)
{
    switch (b->framing) {
    case HTTP_CHUNKED:
        return b->step == FINISHED;
    case HTTP_LENGTH:
        return b->left == 0;
    default:
        return true;
    }
}
