// work: the message goes back and forth between two buffers, a step each; what no step touches is
// never copied.
#include "tools/rewrite/session.h"

#include "tools/content.h"
#include "tools/head.h"

#include <stdarg.h>
#include <stdio.h>
#include <zlib.h>

#define HEAD_MAX (1u << 20) // bytes of a head that is changed

int work_fail(struct work *w, int e, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(w->why, WHY_MAX, format, args);
    va_end(args);
    return e;
}

static int piece(void *arg, struct view v)
{
    return buf_add_view(arg, v);
}

static void decode(struct work *w, struct view codings)
{
    struct content *c;
    char why[WHY_MAX];
    w->coded = true;
    w->gzip = view_ieq(codings, VIEW_LIT("gzip")) || view_ieq(codings, VIEW_LIT("x-gzip"));
    w->unread = true;
    if (content_new(&c, codings, REWRITE_CONTENT_MAX, piece, &w->decoded, why))
        return;
    w->unread = content_feed(c, w->raw) != 0 || content_end(c) != 0;
    content_free(c);
    w->content = w->unread ? (struct view){0} : buf_view(&w->decoded);
}

// Whether the head tells of content: then none was brought since it is too large.
static bool has_content(struct view head)
{
    struct view length = head_get(head, "content-length");
    return head_get(head, "transfer-encoding").n > 0 ||
           (length.n > 0 && !view_eq(length, VIEW_LIT("0")));
}

// s, t, now_us, head, content and why are set.
void work_begin(struct work *w)
{
    char joined[HEAD_JOINED];
    struct view codings = head_joined(w->head, "content-encoding", joined);
    for (int i = 0; i < 2; i++) {
        buf_init(&w->heads[i], HEAD_MAX);
        buf_init(&w->contents[i], REWRITE_CONTENT_MAX);
        edits_init(&w->edits[i], REWRITE_CONTENT_MAX);
        w->now[i] = 2;
    }
    buf_init(&w->decoded, REWRITE_CONTENT_MAX);
    buf_init(&w->text, REWRITE_VALUE_MAX);
    buf_init(&w->encoded, REWRITE_CONTENT_MAX);
    parts_init(&w->parts, NULL, NULL);
    w->raw = w->content;
    w->type = head_get(w->head, "content-type");
    if (w->content.n > 0 && content_is_coded(codings))
        decode(w, codings);
    w->unread = w->unread || (w->content.n == 0 && has_content(w->head));
    if (w->content.n > REWRITE_CONTENT_MAX) {
        w->content = (struct view){0};
        w->unread = true;
    }
}

void work_clear(struct work *w)
{
    for (int i = 0; i < 2; i++) {
        buf_clear(&w->heads[i]);
        buf_clear(&w->contents[i]);
        edits_clear(&w->edits[i]);
    }
    buf_clear(&w->decoded);
    buf_clear(&w->text);
    buf_clear(&w->encoded);
    parts_clear(&w->parts);
}

int work_apply(struct work *w)
{
    for (int i = 0; i < 2; i++) {
        struct buf *to = i ? w->contents : w->heads;
        if (w->edits[i].n == 0)
            continue;
        unsigned next = w->now[i] == 0 ? 1 : 0;
        buf_reset(&to[next]);
        int e = edits_apply(&w->edits[i], i ? w->content : w->head, &to[next]);
        edits_reset(&w->edits[i]);
        if (e)
            return work_fail(w, e, "the %s is too large to be changed", i ? "content" : "head");
        *(i ? &w->content : &w->head) = buf_view(&to[next]);
        w->now[i] = next;
        w->changed |= i ? REWRITE_CONTENT : REWRITE_HEAD;
        if (!i)
            w->type = head_get(w->head, "content-type");
    }
    return 0;
}

int work_step(struct work *w, unsigned wants, parts_take *take, void *arg)
{
    w->parts.wants = wants;
    w->parts.s2c = false;
    w->parts.take = take;
    w->parts.arg = arg;
    w->parts.edits[0] = &w->edits[0];
    w->parts.edits[1] = &w->edits[1];
    int e = parts_each(&w->parts, w->head, w->content, w->type);
    if (!e)
        return work_apply(w);
    edits_reset(&w->edits[0]);
    edits_reset(&w->edits[1]);
    if (e == E_NOMEM || e == E_LIMIT)
        return work_fail(w, e, "%s", e == E_NOMEM ? err_text(e) : "the request grows too large");
    return e;
}

// ---- texts

static int nothing(void *arg, const struct part *p)
{
    (void)arg, (void)p;
    return PARTS_ON;
}

bool work_is_json(struct view text)
{
    struct parts p;
    parts_init(&p, nothing, NULL);
    int e = parts_json(&p, text, false);
    parts_clear(&p);
    return e == 0;
}

bool work_is_bare(struct view text)
{
    return text.n > 0 && text.n < 512 && !strchr("\"{[ \t\r\n", text.p[0]) && text.p[0] &&
           strchr("0123456789elsu", text.p[text.n - 1]) && work_is_json(text);
}

// Methods and hosts have no blanks.
static bool is_word(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if ((unsigned char)v.p[i] <= ' ' || v.p[i] == 0x7f)
            return false;
    return v.n > 0;
}

int work_put(struct work *w, const struct part *p, struct view text)
{
    enum coding coding = p->kind == PART_PATH ? CODING_TARGET : p->coding;
    int e = 0;
    buf_reset(&w->encoded);
    if ((p->kind == PART_METHOD || p->kind == PART_HOST) && !is_word(text))
        return work_fail(w, E_SYNTAX, "'%.*s' cannot be a %s", (int)(text.n < 60 ? text.n : 60),
                         text.p, p->kind == PART_HOST ? "host" : "method");
    if (coding == CODING_BARE && !p->container && !work_is_bare(text))
        coding = CODING_TEXT;
    if (p->kind == PART_PATH && (text.n == 0 || text.p[0] != '/') && p->raw.n > 0 &&
        p->raw.p[0] == '/')
        e = buf_add(&w->encoded, "/", 1);
    e = e ? e : coding_write(coding, text, &w->encoded);
    if (e == E_SYNTAX)
        return work_fail(w, e, "a value for a %s has a line end or another control character",
                         p->kind == PART_COOKIE ? "cookie" : "header");
    e = e ? e
          : edits_swap(&w->edits[p->content], p->content ? w->content : w->head, p->raw,
                       buf_view(&w->encoded));
    return e ? work_fail(w, e, "the value is too long, or there is no memory") : 0;
}

// ---- the end

static int compress_again(struct work *w)
{
    z_stream z = {0};
    size_t most;
    int e = E_NOMEM;
    if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return E_NOMEM;
    most = deflateBound(&z, w->content.n);
    buf_clear(&w->decoded); // content is elsewhere: it was changed
    buf_init(&w->decoded, 2 * (size_t)REWRITE_CONTENT_MAX);
    char *room = buf_room(&w->decoded, most);
    if (room) {
        z.next_in = (unsigned char *)(uintptr_t)w->content.p;
        z.avail_in = (unsigned)w->content.n;
        z.next_out = (unsigned char *)room;
        z.avail_out = (unsigned)most;
        e = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : E_NOMEM;
        buf_grew(&w->decoded, most - z.avail_out);
        w->content = buf_view(&w->decoded);
    }
    deflateEnd(&z);
    return e;
}

// The framing of what is sent now: a length says the new one; a coding that is gone is not named.
static int frame(struct work *w)
{
    struct view rest;
    struct head_field f;
    char number[24];
    bool length = false, chunked = false;
    int e = 0, n = snprintf(number, sizeof number, "%zu", w->content.n);
    head_first(w->head, &rest);
    while (!e && head_next(&rest, &f)) {
        size_t at = (size_t)(f.name.p - w->head.p), end = (size_t)(rest.p - w->head.p);
        if (view_ieq(f.name, VIEW_LIT("content-length"))) {
            e = length ? edits_put(&w->edits[0], at, end - at, (struct view){0})
                       : edits_swap(&w->edits[0], w->head, f.value, view_n(number, (size_t)n));
            length = true;
        } else if (view_ieq(f.name, VIEW_LIT("transfer-encoding"))) {
            chunked = true;
        } else if (view_ieq(f.name, VIEW_LIT("content-encoding")) && w->coded && !w->gzip) {
            e = edits_put(&w->edits[0], at, end - at, (struct view){0});
        }
    }
    if (!e && !length && !chunked && w->content.n > 0) {
        char line[64];
        n = snprintf(line, sizeof line, "Content-Length: %zu\r\n", w->content.n);
        size_t end =
            w->head.n >= 2 && w->head.p[w->head.n - 2] == '\r' ? w->head.n - 2 : w->head.n - 1;
        e = edits_put(&w->edits[0], end, 0, view_n(line, (size_t)n));
    }
    e = e ? e : work_apply(w);
    w->changed |= REWRITE_HEAD;
    return e;
}

int work_finish(struct work *w)
{
    int e = 0;
    if (!(w->changed & REWRITE_CONTENT))
        return 0;
    if (w->coded && w->gzip)
        e = compress_again(w);
    e = e ? e : frame(w);
    return e ? work_fail(w, e, "%s", err_text(e)) : 0;
}
