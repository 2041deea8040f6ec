// body: body_look() runs the bytes through a measure: length, UTF-8, and what fits is held. When
// decoding fails the measure starts again with the bytes as they are stored.
#include "tools/body.h"

#include "proto/base/utf8.h"
#include "tools/cli.h"

#include <inttypes.h>

#define STOPPED 1 // of a sink that wants no more

void body_init(struct body *b, struct store *s, int64_t id, int64_t size, int64_t stored,
               struct view codings)
{
    *b = (struct body){.store = s, .id = id, .size = size, .stored = stored};
    if (codings.n < sizeof b->codings && codings.n > 0) {
        memcpy(b->codings, codings.p, codings.n);
        b->codings[codings.n] = 0;
    }
    buf_init(&b->held, BODY_HELD_MAX);
}

void body_clear(struct body *b)
{
    buf_clear(&b->held);
}

// ---- reading

struct reader {
    struct content *content;
    int error; // of the decoder or of take
};

static int feed(void *arg, struct view piece)
{
    struct reader *r = arg;
    r->error = content_feed(r->content, piece);
    return r->error ? STOPPED : 0;
}

// 0, E_… of the store in *damage, else of the decoder or take.
static int read_decoded(struct body *b, uint64_t limit, content_take *take, void *arg, int *damage)
{
    char why[WHY_MAX];
    struct reader r = {0};
    *damage = 0;
    int e = content_new(&r.content, view_of(b->codings), limit, take, arg, why);
    if (e) {
        snprintf(b->note, sizeof b->note, "as on the wire: %.150s", why);
        return e;
    }
    e = store_body(b->store, b->id, feed, &r);
    if (e && !r.error)
        *damage = e;
    // Content of which only a part was kept ends within its coding; what that gives is shown.
    e = r.error;
    if (!e && !*damage && b->stored >= b->size)
        e = content_end(r.content);
    if (e < 0 && content_why(r.content)[0]) // and not an answer of take
        snprintf(b->note, sizeof b->note, "as on the wire: %s", content_why(r.content));
    content_free(r.content);
    return e;
}

struct plain {
    content_take *take;
    void *arg;
    int error;
};

static int pass(void *arg, struct view piece)
{
    struct plain *p = arg;
    p->error = p->take(p->arg, piece);
    return p->error ? STOPPED : 0;
}

static int read_plain(struct body *b, content_take *take, void *arg, int *damage)
{
    struct plain p = {take, arg, 0};
    int e = store_body(b->store, b->id, pass, &p);
    *damage = e && !p.error ? e : 0;
    return p.error;
}

// ---- looking

struct measure {
    struct body *b;
    struct utf8 utf8;
    bool text, holding;
};

static int measure(void *arg, struct view piece)
{
    struct measure *m = arg;
    m->b->length += piece.n;
    m->text = m->text && utf8_feed(&m->utf8, piece);
    if (m->holding && buf_add_view(&m->b->held, piece)) {
        m->holding = false;
        buf_clear(&m->b->held);
    }
    return 0;
}

static struct measure start(struct body *b)
{
    buf_reset(&b->held);
    b->length = 0;
    return (struct measure){.b = b, .text = true, .holding = true};
}

void body_look(struct body *b, bool decode, uint64_t limit)
{
    int damage = 0;
    b->decoded = false;
    b->note[0] = 0;
    struct measure m = start(b);
    if (b->id) {
        b->decoded = decode && content_is_coded(view_of(b->codings));
        if (b->decoded && read_decoded(b, limit, measure, &m, &damage) != 0) {
            b->decoded = false;
            m = start(b);
        }
        if (!b->decoded)
            (void)read_plain(b, measure, &m, &damage);
    }
    b->text = m.text && utf8_whole(&m.utf8);
    b->whole = m.holding;
    b->damaged = damage != 0;
    if (damage) {
        cli_damage("%s", store_why(b->store));
        snprintf(b->note, sizeof b->note, "%s",
                 damage == E_GONE ? "its beginning is in none of the files that were read"
                                  : "damaged: only a part can be read");
    } else if (b->stored < b->size) {
        snprintf(b->note, sizeof b->note, "%" PRId64 " of %" PRId64 " bytes were kept", b->stored,
                 b->size);
    }
}

int body_give(struct body *b, content_take *take, void *arg)
{
    int damage = 0;
    if (!b->id)
        return 0;
    if (b->whole)
        return buf_len(&b->held) ? take(arg, buf_view(&b->held)) : 0;
    char note[sizeof b->note];
    memcpy(note, b->note, sizeof note);
    int e = b->decoded ? read_decoded(b, UINT64_MAX, take, arg, &damage)
                       : read_plain(b, take, arg, &damage);
    if (strcmp(note, b->note) != 0) { // it could be decoded a moment ago: memory has run out
        cli_damage("out of memory: a body is not whole");
        memcpy(b->note, note, sizeof note);
    }
    if (damage && !b->damaged)
        cli_damage("%s", store_why(b->store));
    return e;
}

static int put_text(void *arg, struct view piece)
{
    jsonw_add(arg, piece);
    return 0;
}

static int put_base64(void *arg, struct view piece)
{
    jsonw_add_base64(arg, piece);
    return 0;
}

void body_json(struct jsonw *w, const char *key, struct body *b)
{
    jsonw_open(w, key);
    (void)body_give(b, b->text ? put_text : put_base64, w);
    jsonw_close(w);
}
