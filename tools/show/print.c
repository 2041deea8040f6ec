// print: summary, facts, then the two halves or the conversation.
//
// What is shown of a body is held in memory, so never more than the limit, and HOLD_MAX at most.
#include "tools/show/print.h"

#include "proto/base/clamp.h"
#include "proto/base/clock.h"
#include "tools/body.h"
#include "tools/chunks.h"
#include "tools/cli.h"
#include "tools/fields.h"
#include "tools/head.h"
#include "tools/pretty.h"
#include "tools/show/facts.h"

#include <stdlib.h>

#define HOLD_MAX   (256u << 20)
#define BINARY_MAX 1024 // bytes of a dump, unless all is wanted

static void styled(const struct term *t, enum style style, struct view v)
{
    term_on(t, style);
    term_text(t, v, false, 0);
    term_off(t, style);
}

// ---- heads

static void print_fields(const struct term *t, struct view lines)
{
    struct head_field f;
    struct view part;
    while (head_next(&lines, &f)) {
        if (f.name.n > 0) {
            styled(t, STYLE_NAME, f.name);
            fputs(": ", t->out);
        }
        term_text(t, f.value, false, 0);
        putc('\n', t->out);
        while (head_fold(&f.folds, &part)) {
            putc(' ', t->out);
            term_text(t, part, false, 0);
            putc('\n', t->out);
        }
    }
}

static void print_head(const struct term *t, struct view head)
{
    struct view rest, line = head_first(head, &rest);
    styled(t, STYLE_BOLD, line);
    putc('\n', t->out);
    print_fields(t, rest);
}

// ---- bodies

#define FULL 1 // of a sink that has what it wants

struct hold {
    struct buf bytes;
    uint64_t most;
};

static int hold(void *arg, struct view piece)
{
    struct hold *h = arg;
    uint64_t room = h->most - buf_len(&h->bytes);
    struct view some = view_head(piece, room < piece.n ? (size_t)room : piece.n);
    if (some.n > 0 && buf_add_view(&h->bytes, some))
        return E_NOMEM;
    return some.n < piece.n ? FULL : 0;
}

// A text that is cut off ends with a whole character.
static struct view whole_characters(struct view v)
{
    size_t back = 0;
    while (back < 3 && back < v.n && ((unsigned char)v.p[v.n - 1 - back] & 0xc0) == 0x80)
        back++;
    if (back < v.n && (unsigned char)v.p[v.n - 1 - back] >= 0xc0)
        v.n -= back + 1;
    return v;
}

static void more(const struct term *t, const struct body *b, uint64_t shown, const char *all)
{
    char text[FIELDS_COUNT];
    if (shown >= b->length)
        return;
    term_on(t, STYLE_DIM);
    fprintf(t->out, "… %s bytes more (%s)\n", fields_count((int64_t)(b->length - shown), text),
            all);
    term_off(t, STYLE_DIM);
}

// side: as --body calls it.
static void print_body(const struct term *t, struct body *b, const struct print_spec *spec,
                       const char *side)
{
    struct hold h = {.most = spec->limit ? (uint64_t)spec->limit : HOLD_MAX};
    buf_init(&h.bytes, HOLD_MAX);
    body_look(b, true, spec->bound);
    if (body_give(b, hold, &h) < 0)
        cli_damage("out of memory: the body is not whole");
    struct view v = buf_view(&h.bytes);
    if (v.n < b->length && b->text)
        v = whole_characters(v);
    if (!pretty_is_text(v) && spec->limit)
        v = view_head(v, BINARY_MAX);
    if (v.n > 0) {
        putc('\n', t->out);
        pretty_any(t, v);
    }
    char all[64] = "--limit 0 shows all";
    if (b->length > HOLD_MAX)
        snprintf(all, sizeof all, "--body %s%s gives all", side, b->decoded ? " --decode" : "");
    more(t, b, v.n, all);
    if (b->note[0]) {
        term_on(t, STYLE_WARN);
        fprintf(t->out, "(%s)\n", b->note);
        term_off(t, STYLE_WARN);
    }
    buf_clear(&h.bytes);
}

// ---- halves

struct half {
    const char *title, *side; // side: as --body calls it
    struct view head, trailers;
    int64_t body, size, stored;
    bool there;
};

static void print_title(const struct term *t, const struct half *h, const char *coding)
{
    char text[FIELDS_COUNT];
    putc('\n', t->out);
    styled(t, STYLE_HEAD, view_of(h->title));
    term_on(t, STYLE_DIM);
    if (!h->there)
        fputs("  none", t->out);
    else if (h->size)
        fprintf(t->out, "  %s bytes of content", fields_count(h->size, text));
    if (h->there && *coding) {
        fputs(", ", t->out);
        term_text(t, view_of(coding), false, 0);
    }
    term_off(t, STYLE_DIM);
    putc('\n', t->out);
}

static void print_half(const struct term *t, struct store *s, const struct half *h,
                       const struct print_spec *spec)
{
    struct body b;
    char coding[HEAD_JOINED];
    head_joined(h->head, "content-encoding", coding);
    print_title(t, h, coding);
    if (h->head.n > 0)
        print_head(t, h->head);
    if (h->there && h->body && !spec->headers) {
        body_init(&b, s, h->body, h->size, h->stored, view_of(coding));
        print_body(t, &b, spec, h->side);
        body_clear(&b);
    }
    if (h->trailers.n > 0) {
        putc('\n', t->out);
        print_fields(t, h->trailers);
    }
}

static void print_interim(const struct term *t, struct view heads)
{
    while (heads.n > 0) {
        putc('\n', t->out);
        styled(t, STYLE_HEAD, VIEW_LIT("INTERIM ANSWER"));
        putc('\n', t->out);
        print_head(t, head_split(&heads));
    }
}

// ---- conversations

struct talk {
    const struct term *t;
    int64_t start_us, left; // bytes that may still be shown; -1: all
    bool full;
};

static int print_chunk(void *arg, const struct chunk *c)
{
    struct talk *talk = arg;
    const struct term *t = talk->t;
    char clock[CLOCK_TEXT], after[FIELDS_SHORT];
    if (talk->left == 0) {
        talk->full = true;
        return 1;
    }
    struct view v = talk->left > 0 ? view_head(c->bytes, (size_t)talk->left) : c->bytes;
    bool text = pretty_is_text(v);
    putc('\n', t->out);
    term_on(t, c->s2c ? STYLE_GOOD : STYLE_NOTE);
    fputs(c->s2c ? (t->utf8 ? "◀ server" : "< server") : (t->utf8 ? "▶ client" : "> client"),
          t->out);
    term_off(t, c->s2c ? STYLE_GOOD : STYLE_NOTE);
    term_on(t, STYLE_DIM);
    fprintf(t->out, "  %.15s  +%s  %zu bytes\n", clock_format(c->first_us, clock) + 11,
            fields_duration(clamp_sub(c->first_us, talk->start_us), after), c->bytes.n);
    term_off(t, STYLE_DIM);
    if (text)
        pretty_any(t, v);
    else
        pretty_hex(t, v, (uint64_t)c->at);
    if (talk->left > 0)
        talk->left -= (int64_t)v.n;
    return 0;
}

static void print_talk(const struct term *t, struct rows *r, const struct print_spec *spec)
{
    const struct store_query *q = rows_row(r);
    struct talk talk = {
        .t = t, .start_us = store_int(q, STORE_START_US), .left = spec->limit ? spec->limit : -1};
    int64_t missing = 0;
    chunks_each(rows_store(r), store_int(q, FIELD_FLOW), store_int(q, FIELD_N), &missing,
                print_chunk, &talk);
    term_on(t, STYLE_DIM);
    if (talk.full)
        fputs("… and more (--limit 0 shows all)\n", t->out);
    if (missing > 0)
        fprintf(t->out, "%lld pieces are not here: lost, or in an earlier file\n",
                (long long)missing);
    term_off(t, STYLE_DIM);
}

void print_transaction(const struct term *t, struct rows *r, const struct print_spec *spec)
{
    const struct store_query *q = rows_row(r);
    struct heads heads;
    rows_heads(r, &heads);
    facts_print(t, r, heads.redacted);
    if (!view_eq(store_bytes(q, FIELD_PROTOCOL), VIEW_LIT("http"))) {
        if (!spec->headers)
            print_talk(t, r, spec);
        return;
    }
    struct half req = {.title = "REQUEST",
                       .side = "request",
                       .head = heads.req,
                       .trailers = heads.req_trailers,
                       .body = store_int(q, STORE_REQ_BODY),
                       .size = store_int(q, FIELD_REQ_SIZE),
                       .stored = store_int(q, STORE_REQ_STORED),
                       .there = store_column_type(q, STORE_REQ_END_US) != STORE_NULL};
    struct half res = {.title = "ANSWER",
                       .side = "response",
                       .head = heads.res,
                       .trailers = heads.res_trailers,
                       .body = store_int(q, STORE_RES_BODY),
                       .size = store_int(q, FIELD_RES_SIZE),
                       .stored = store_int(q, STORE_RES_STORED),
                       .there = store_column_type(q, STORE_RES_START_US) != STORE_NULL};
    print_half(t, rows_store(r), &req, spec);
    print_interim(t, heads.interim);
    print_half(t, rows_store(r), &res, spec);
}
