// redact_body: bodies that may be JSON are gathered until they are whole.
//
//   SNIFF ──first byte is { or [──→ GATHER ──whole, and JSON──→ handed on, changed
//     └──any other──→ passes          └──encoded, too large, cut, no JSON──→ OUT
//
// What is left out is told of by its size alone: content without bytes, and a loss of its wire
// bytes. So is what nobody could read as HTTP, but for the loss: it is left out by rule.
#include "proxy/emit/redact_state.h"

#include <stdlib.h>

static bool contains(struct view v, struct view word)
{
    for (size_t i = 0; i + word.n <= v.n; i++) {
        if (view_ieq(view_n(v.p + i, word.n), word))
            return true;
    }
    return false;
}

// Types that are no text, whatever its first byte.
static bool is_medium(struct view type)
{
    static const struct view media[] = {VIEW_LIT("image/"), VIEW_LIT("audio/"), VIEW_LIT("video/"),
                                        VIEW_LIT("font/")};

    for (size_t i = 0; i < sizeof media / sizeof *media; i++) {
        if (view_istarts(type, media[i]))
            return true;
    }
    return false;
}

// Types that say nothing about what the content is like.
static bool says_little(struct view type)
{
    static const struct view vague[] = {VIEW_LIT("text/plain"), VIEW_LIT("*/*"),
                                        VIEW_LIT("application/octet-stream"),
                                        VIEW_LIT("application/x-www-form-urlencoded")};

    type = view_trim(view_head(type, view_find(type, ';')));
    for (size_t i = 0; i < sizeof vague / sizeof *vague; i++) {
        if (view_ieq(type, vague[i]))
            return true;
    }
    return type.n == 0;
}

struct nature { // of a body, as its head has it
    bool typed, vague, text, json, encoded;
};

// Where a name stands in several lines, any of them may be the one that a reader heeds; what the
// parsed form may lack is looked for in the text.
static struct nature nature_of(const struct sink_msg *m)
{
    struct nature is = {0};
    bool odd = m->http && redact_head_odd(m->http);

    for (size_t i = 0; m->http && i < m->http->count; i++) {
        struct view name = m->http->headers[i].name, value = m->http->headers[i].value;
        if (view_ieq(name, VIEW_LIT("content-type"))) {
            is.typed = true;
            is.vague |= says_little(value);
            is.text |= !is_medium(value);
            is.json |= contains(value, VIEW_LIT("json"));
        } else if (view_ieq(name, VIEW_LIT("content-encoding"))) {
            is.encoded |= value.n && !view_ieq(value, VIEW_LIT("identity"));
        } else if (view_ieq(name, VIEW_LIT("transfer-encoding"))) {
            is.encoded |= !view_ieq(value, VIEW_LIT("chunked"));
        }
    }
    is.vague |= !is.typed || odd;
    is.json |= odd && contains(m->head, VIEW_LIT("json"));
    is.encoded |= odd && contains(m->head, VIEW_LIT("content-encoding"));
    return is;
}

// The memory of a body changed from before.
static void count(struct redact *r, const struct redact_msg *m, size_t before)
{
    size_t now = m->body.cap;

    if (!r->used)
        return;
    *r->used = *r->used - before + now;
    if (now > before)
        stat_add(&r->stats->tap_bytes, now - before);
    else
        stat_sub(&r->stats->tap_bytes, before - now);
}

static void drop(struct redact *r, struct redact_msg *m)
{
    size_t before = m->body.cap;

    r->held -= buf_len(&m->body);
    buf_clear(&m->body);
    count(r, m, before);
}

static bool gather(struct redact *r, struct redact_msg *m, struct view content)
{
    size_t before = m->body.cap;

    if (content.n > REDACT_HELD_MAX - r->held ||
        (r->used && (content.n > r->used_max || *r->used > r->used_max - content.n)))
        return false;
    int e = buf_add_view(&m->body, content);
    count(r, m, before);
    if (e)
        return false;
    r->held += content.n;
    return true;
}

static void forget(struct redact_flow *f, struct redact_msg *m)
{
    struct redact *r = f->r;
    struct redact_msg **at = &f->msgs;

    while (*at != m)
        at = &(*at)->next;
    *at = m->next;
    drop(r, m);
    if (r->spares == REDACT_SPARE_MAX) {
        free(m);
        return;
    }
    m->next = r->spare;
    r->spare = m;
    r->spares++;
}

static struct redact_msg *add(struct redact_flow *f, const struct sink_msg *m)
{
    struct redact *r = f->r;
    struct redact_msg *msg = r->spare;

    if (msg) {
        r->spare = msg->next;
        r->spares--;
    } else {
        msg = malloc(sizeof *msg);
    }
    if (!msg) {
        f->all_out = true;
        return NULL;
    }
    *msg = (struct redact_msg){.next = f->msgs, .n = m->n, .dir = m->dir, .mode = BODY_OUT};
    buf_init(&msg->body, REDACT_BODY_MAX);
    f->msgs = msg;
    return msg;
}

void redact_body_withhold(struct redact_flow *f, const struct sink_msg *m)
{
    struct redact_msg *msg = add(f, m);

    if (!msg)
        return;
    msg->why = "http (unreadable)";
    msg->by_rule = true;
}

void redact_body_begin(struct redact_flow *f, const struct sink_msg *m)
{
    struct nature is = nature_of(m);

    // What is encoded cannot be looked at: pages are, as a rule, and pass.
    if (!is.json && !is.vague && (!is.text || is.encoded))
        return;
    struct redact_msg *msg = add(f, m);
    if (!msg)
        return;
    msg->why = "json (encoded)";
    if (!is.encoded)
        msg->mode = is.json ? BODY_GATHER : BODY_SNIFF;
}

static struct redact_msg *find(const struct redact_flow *f, uint64_t n, enum dir dir)
{
    struct redact_msg *m = f->msgs;

    while (m && (m->n != n || m->dir != dir))
        m = m->next;
    return m;
}

static void leave_out(struct redact_flow *f, uint64_t n, enum dir dir, size_t size, uint64_t wire,
                      int64_t at_us, const char *why)
{
    const struct sink_ops *next = f->next->ops;

    next->omitted(f->next, n, dir, why, 0);
    if (size)
        next->msg_body(f->next, n, dir, view_n(NULL, size), 0, at_us);
    if (wire)
        next->lost(f->next, n, dir, CAUSE_REDACTION_FAILED, wire, at_us);
}

static void give_up(struct redact_flow *f, struct redact_msg *m, const char *why)
{
    leave_out(f, m->n, m->dir, buf_len(&m->body), m->wire, m->at_us, why);
    drop(f->r, m);
    m->wire = 0;
    m->mode = BODY_OUT;
    m->why = why;
}

// The bytes in front of JSON, a byte order mark among them.
static size_t blanks(struct view v)
{
    static const char blank[] = {' ', '\t', '\r', '\n', '\xef', '\xbb', '\xbf'};
    size_t i = 0;

    while (i < v.n && memchr(blank, v.p[i], sizeof blank))
        i++;
    return i;
}

bool redact_body_hear(struct redact_flow *f, uint64_t n, enum dir dir, struct view content,
                      uint64_t wire, int64_t at_us)
{
    struct redact_msg *m = find(f, n, dir);
    struct redact *r = f->r;

    if (!m && !f->all_out)
        return false;
    if (m && m->mode == BODY_SNIFF) {
        size_t skip = blanks(content);
        if (skip == content.n)
            return false;
        if (content.p[skip] != '{' && content.p[skip] != '[') {
            forget(f, m);
            return f->all_out ? redact_body_hear(f, n, dir, content, wire, at_us) : false;
        }
        m->mode = BODY_GATHER;
    }
    if (m && m->by_rule) {
        f->next->ops->omitted(f->next, n, dir, m->why, wire);
        f->next->ops->msg_body(f->next, n, dir, view_n(NULL, content.n), wire, at_us);
        return true;
    }
    if (!m || m->mode == BODY_OUT) {
        leave_out(f, n, dir, content.n, wire, at_us, m ? m->why : "json (out of memory)");
        return true;
    }
    m->at_us = at_us;
    m->wire += wire;
    if (gather(r, m, content))
        return true;
    give_up(f, m, "json (too large)");
    leave_out(f, n, dir, content.n, 0, at_us, m->why);
    return true;
}

void redact_body_end(struct redact_flow *f, uint64_t n, enum dir dir, bool whole)
{
    struct redact_msg *m = find(f, n, dir);
    struct redact_edit e;

    if (!m)
        return;
    if (m->mode == BODY_GATHER && !whole) {
        give_up(f, m, "json (cut off)");
    } else if (m->mode == BODY_GATHER) {
        redact_edit_begin(&e, f->r, &f->r->text, buf_view(&m->body));
        bool fine = redact_json(&e);
        struct view out = redact_edit_end(&e);
        if (!fine || e.failed) {
            f->r->touched = 0;
            give_up(f, m, fine ? "json (out of memory)" : "json (unreadable)");
        } else {
            redact_tell_omitted(f, n, dir);
            f->next->ops->msg_body(f->next, n, dir, out, m->wire, m->at_us);
        }
    }
    forget(f, m);
}

void redact_body_clear(struct redact_flow *f)
{
    while (f->msgs)
        forget(f, f->msgs);
}
