// retell: see retell.h. Bytes of all kinds go into one store, and are named by their place there.
#include "tests/support/retell.h"

#include "tools/speak/speak.h"

#include <stdio.h>
#include <stdlib.h>

#define BYTES_MAX  (8u << 20)
#define MSGS_MAX   2048
#define EVENTS_MAX 65536
#define LONG       2000 // bytes; the content of a longer dialogue is cut at some places only

struct place {
    size_t at, n;
};

struct msg {
    uint64_t n;
    enum dir dir;
    char protocol[8];
    bool begun, by_proxy, spoken;
    struct place interim, head, trailers, method;
    struct buf content;
    enum msg_end how;
};

enum what { BEGIN, BODY, END, TXN };

struct event {
    enum what what;
    size_t msg;         // index; of TXN: of nothing
    struct place bytes; // BODY: content; TXN: the note
    uint64_t n;         // TXN
};

struct retell {
    struct sink sink;
    struct sink_flow flow;
    struct sink *onward;
    struct sink_flow *next;
    char *bytes;
    size_t used;
    struct msg *msgs;
    size_t msg_count;
    struct event *events;
    size_t event_count, txns;
    bool noted, switched;
    struct buf said;
};

// ---- keeping

static struct retell *retell_of(struct sink_flow *f)
{
    return (struct retell *)(void *)((char *)f - offsetof(struct retell, flow));
}

static struct place keep(struct retell *r, struct view v)
{
    if (v.n > BYTES_MAX - r->used)
        abort();
    struct place p = {r->used, v.n};
    if (v.n > 0)
        memcpy(r->bytes + r->used, v.p, v.n);
    r->used += v.n;
    return p;
}

static struct view view_at(const struct retell *r, struct place p)
{
    return view_n(r->bytes + p.at, p.n);
}

static struct event *event_add(struct retell *r, enum what what, size_t msg)
{
    if (r->event_count == EVENTS_MAX)
        abort();
    struct event *e = &r->events[r->event_count++];
    *e = (struct event){.what = what, .msg = msg};
    return e;
}

// The message, or msg_count.
static size_t msg_find(const struct retell *r, uint64_t n, enum dir dir)
{
    size_t i = r->msg_count;
    while (i > 0 && (r->msgs[i - 1].n != n || r->msgs[i - 1].dir != dir))
        i--;
    return i > 0 ? i - 1 : r->msg_count;
}

static size_t msg_get(struct retell *r, uint64_t n, enum dir dir)
{
    size_t i = msg_find(r, n, dir);
    if (i < r->msg_count)
        return i;
    if (i == MSGS_MAX)
        abort();
    r->msgs[r->msg_count++] = (struct msg){.n = n, .dir = dir};
    buf_init(&r->msgs[i].content, BYTES_MAX);
    return i;
}

static void on_begin(struct sink_flow *f, const struct sink_msg *m)
{
    struct retell *r = retell_of(f);
    size_t i = msg_get(r, m->n, m->dir);
    struct msg *msg = &r->msgs[i];
    snprintf(msg->protocol, sizeof msg->protocol, "%s", m->protocol);
    msg->by_proxy = m->by_proxy;
    if (m->interim) { // behind those before it
        struct view before = view_at(r, msg->interim);
        struct place p = keep(r, before);
        p.n += keep(r, m->head).n;
        msg->interim = p;
    } else {
        msg->begun = true;
        msg->head = keep(r, m->head);
        msg->method = keep(r, m->method);
        event_add(r, BEGIN, i);
    }
    r->next->ops->msg_begin(r->next, m);
}

static void on_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                    uint64_t wire, int64_t at_us)
{
    struct retell *r = retell_of(f);
    size_t i = msg_get(r, n, dir);
    if (buf_add_view(&r->msgs[i].content, content))
        abort();
    if (content.n > 0)
        event_add(r, BODY, i)->bytes = keep(r, content);
    r->next->ops->msg_body(r->next, n, dir, content, wire, at_us);
}

static void on_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                   struct view trailers, uint64_t wire, int64_t at_us)
{
    struct retell *r = retell_of(f);
    size_t i = msg_get(r, n, dir);
    r->msgs[i].how = how;
    r->msgs[i].trailers = keep(r, trailers);
    event_add(r, END, i);
    r->next->ops->msg_end(r->next, n, dir, how, trailers, wire, at_us);
}

static void on_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    struct retell *r = retell_of(f);
    struct event *e = event_add(r, TXN, 0);
    e->n = n;
    e->bytes = keep(r, view_of(note));
    r->txns++;
    r->noted = r->noted || note[0];
    r->next->ops->txn_end(r->next, n, note);
}

static void on_tls(struct sink_flow *f, const struct tls_facts *t)
{
    struct retell *r = retell_of(f);
    r->next->ops->tls(r->next, t);
}

static void on_omitted(struct sink_flow *f, uint64_t n, enum dir dir, const char *what,
                       uint64_t wire)
{
    struct retell *r = retell_of(f);
    r->next->ops->omitted(r->next, n, dir, what, wire);
}

static void on_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                    int64_t at_us)
{
    struct retell *r = retell_of(f);
    r->next->ops->lost(r->next, n, dir, cause, wire, at_us);
}

static void on_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    struct retell *r = retell_of(f);
    r->next->ops->linked(r->next, n, original, outcome);
}

static void on_close(struct sink_flow *f, const struct flow_totals *totals)
{
    struct retell *r = retell_of(f);
    r->next->ops->close(r->next, totals);
}

static const struct sink_ops flow_ops = {
    .msg_begin = on_begin,
    .msg_body = on_body,
    .msg_end = on_end,
    .txn_end = on_txn_end,
    .tls = on_tls,
    .omitted = on_omitted,
    .lost = on_lost,
    .linked = on_linked,
    .close = on_close,
};

static struct sink_flow *on_open(struct sink *s, const struct flow_facts *facts)
{
    struct retell *r = (struct retell *)s;
    retell_reset(r);
    r->next = r->onward->ops->open(r->onward, facts);
    r->flow.ops = &flow_ops;
    return &r->flow;
}

static const struct sink_factory factory_ops = {.open = on_open};

struct retell *retell_new(void)
{
    struct retell *r = calloc(1, sizeof *r);
    if (!r)
        abort();
    r->sink.ops = &factory_ops;
    r->bytes = malloc(BYTES_MAX);
    r->msgs = calloc(MSGS_MAX, sizeof *r->msgs);
    r->events = calloc(EVENTS_MAX, sizeof *r->events);
    if (!r->bytes || !r->msgs || !r->events)
        abort();
    buf_init(&r->said, BYTES_MAX);
    return r;
}

void retell_reset(struct retell *r)
{
    for (size_t i = 0; i < r->msg_count; i++)
        buf_clear(&r->msgs[i].content);
    r->used = r->msg_count = r->event_count = r->txns = 0;
    r->noted = r->switched = false;
}

void retell_free(struct retell *r)
{
    retell_reset(r);
    buf_clear(&r->said);
    free(r->bytes);
    free(r->msgs);
    free(r->events);
    free(r);
}

struct sink *retell_sink(struct retell *r, struct sink *next)
{
    r->onward = next;
    return &r->sink;
}

bool retell_noted(const struct retell *r)
{
    return r->noted;
}

bool retell_switched(const struct retell *r)
{
    return r->switched;
}

const struct decoder_ops *retell_hint(const struct retell *r)
{
    if (r->msg_count > 0 && strcmp(r->msgs[0].protocol, "http") == 0)
        return &decoder_http1;
    return r->txns == 1 ? &decoder_raw : NULL;
}

// ---- saying

struct teller {
    struct retell *r;
    struct dialogue *d;
    struct speaker speakers[2]; // by enum dir
    size_t cut, size, told;     // content: where to cut it, how much there was
};

static int step_add(struct teller *t, int what, enum dir dir, size_t at)
{
    struct dialogue *d = t->d;
    struct dialogue_step *last = d->count ? &d->steps[d->count - 1] : NULL;
    size_t n = buf_len(&t->r->said) - at;
    if (what == STEP_END ? false : n == 0)
        return 0;
    if (what != STEP_END && last && last->what == what && last->dir == dir) {
        last->bytes.n += n;
    } else {
        if (d->count == DIALOGUE_STEPS)
            return E_FULL;
        dialogue_step(d, what, dir)->bytes.n = n;
    }
    d->bytes += n;
    return 0;
}

static void must(int e, const char *why)
{
    if (!e)
        return;
    fprintf(stderr, "retell: %s (%s)\n", why, err_text(e));
    abort();
}

static int put(struct teller *t, const struct msg *m, const struct speak_out *out)
{
    size_t at = buf_len(&t->r->said);
    must(speak_add(&t->r->said, out), "too much was said");
    return step_add(t, m->by_proxy ? STEP_OWN : STEP_SAY, m->dir, at);
}

static struct speak_half half_of(const struct retell *r, const struct msg *m)
{
    size_t request = msg_find(r, m->n, C2S);
    uint64_t size = buf_len(&m->content);
    return (struct speak_half){
        .s2c = m->dir == S2C,
        .cut = m->how == MSG_CUT,
        .interim = view_at(r, m->interim),
        .head = view_at(r, m->head),
        .trailers = view_at(r, m->trailers),
        .method = request < r->msg_count ? view_at(r, r->msgs[request].method) : view_n(NULL, 0),
        .size = size,
        .stored = size,
    };
}

static int say_begin(struct teller *t, struct msg *m)
{
    const struct speak_ops *ops = speak_for(view_of(m->protocol));
    struct speak_half half = half_of(t->r, m);
    struct speak_out out;
    char why[WHY_MAX];
    if (!ops)
        return E_UNSUPPORTED;
    m->spoken = true;
    must(speak_begin(&t->speakers[m->dir], ops, &half, &out, why), why);
    return put(t, m, &out);
}

static int say_content(struct teller *t, const struct msg *m, struct view content)
{
    int e = 0;
    while (content.n > 0 && !e) {
        struct speak_out out;
        char why[WHY_MAX];
        size_t n = content.n;
        if (t->told < t->cut && t->cut - t->told < n)
            n = t->cut - t->told;
        else if (t->told >= t->cut && t->size > 0 && t->size < n)
            n = t->size;
        must(speak_piece(&t->speakers[m->dir], view_head(content, n), &out, why), why);
        e = put(t, m, &out);
        content = view_from(content, n);
        t->told += n;
    }
    return e;
}

static struct view note_of(const struct retell *r, uint64_t n)
{
    for (size_t i = 0; i < r->event_count; i++)
        if (r->events[i].what == TXN && r->events[i].n == n)
            return view_at(r, r->events[i].bytes);
    return VIEW_LIT("it never ended");
}

// Whether the half, were it not cut, would go on until the end of its direction.
static bool until_close(const struct retell *r, const struct msg *m)
{
    struct speak_half half = half_of(r, m);
    struct speaker s;
    struct speak_out out;
    enum speak_then then;
    char why[WHY_MAX];
    half.cut = false;
    half.size = SPEAK_SIZE_UNKNOWN;
    return speak_begin(&s, speak_for(view_of(m->protocol)), &half, &out, why) == 0 &&
           speak_finish(&s, &out, &then, why) == 0 && then == SPEAK_CLOSE;
}

// Whether it was the end of the direction that cut the half: nobody gave up, and no conversation
// without a decoder follows.
static bool by_end(const struct retell *r, const struct msg *m)
{
    const struct msg *next = m + 1, *last = r->msgs + r->msg_count;
    while (next < last && next->dir != m->dir)
        next++;
    return !until_close(r, m) && note_of(r, m->n).n == 0 &&
           (next == last || strcmp(next->protocol, "raw") != 0);
}

static int say_end(struct teller *t, const struct msg *m)
{
    struct speak_out out;
    enum speak_then then;
    char why[WHY_MAX];
    must(speak_finish(&t->speakers[m->dir], &out, &then, why), why);
    int e = put(t, m, &out);
    t->r->switched = t->r->switched || then == SPEAK_SWITCH;
    if ((then == SPEAK_CLOSE) != (m->how == MSG_UNTIL_CLOSE) ||
        (then == SPEAK_CUT) != (m->how == MSG_CUT))
        must(E_RANGE, "another end than was heard");
    if (then == SPEAK_CLOSE || (then == SPEAK_CUT && by_end(t->r, m)))
        e = e ? e : step_add(t, STEP_END, m->dir, buf_len(&t->r->said));
    return e;
}

// Interim answers of a transaction that ended without another.
static int say_interim(struct teller *t, uint64_t n)
{
    size_t i = msg_find(t->r, n, S2C);
    struct speak_out out;
    enum speak_then then;
    char why[WHY_MAX];
    if (i == t->r->msg_count || t->r->msgs[i].begun || t->r->msgs[i].spoken)
        return 0;
    int e = say_begin(t, &t->r->msgs[i]);
    if (e)
        return e;
    must(speak_finish(&t->speakers[S2C], &out, &then, why), why);
    return 0;
}

static int say(struct teller *t, const struct event *e)
{
    struct msg *m = &t->r->msgs[e->msg];
    switch (e->what) {
    case BEGIN:
        return say_begin(t, m);
    case BODY:
        return say_content(t, m, view_at(t->r, e->bytes));
    case END:
        return say_end(t, m);
    default:
        return say_interim(t, e->n);
    }
}

int retell_say(struct retell *r, struct dialogue *d, size_t cut, size_t size)
{
    struct teller t = {.r = r, .d = d, .cut = cut, .size = size};
    int e = 0;
    buf_reset(&r->said);
    for (size_t i = 0; i < r->msg_count; i++)
        r->msgs[i].spoken = false;
    for (size_t i = 0; i < r->event_count && !e; i++)
        e = say(&t, &r->events[i]);
    const char *p = buf_view(&r->said).p;
    for (size_t i = 0; i < d->count; i++) {
        d->steps[i].bytes.p = p;
        p += p ? d->steps[i].bytes.n : 0;
    }
    return e;
}

// ---- comparing

static void show(const char *name, const char *what, uint64_t n, enum dir dir, struct view a,
                 struct view b)
{
    char left[2048], right[2048];
    sink_log_escape(a, 400, left, sizeof left);
    sink_log_escape(b, 400, right, sizeof right);
    fprintf(stderr, "%s: %s of %llu %s\n  told  \"%s\"\n  heard \"%s\"\n", name, what,
            (unsigned long long)n, dir == C2S ? "c2s" : "s2c", left, right);
}

static bool same(const char *name, const char *what, const struct msg *m, struct view a,
                 struct view b)
{
    if (view_eq(a, b))
        return true;
    if (name)
        show(name, what, m->n, m->dir, a, b);
    return false;
}

static bool same_msg(const struct retell *a, const struct msg *m, const struct retell *b,
                     const struct msg *o, const char *name)
{
    static const char *const ends[] = {"absent", "complete", "cut", "until-close"};
    return same(name, "protocol", m, view_of(m->protocol), view_of(o->protocol)) &&
           same(name, "interim", m, view_at(a, m->interim), view_at(b, o->interim)) &&
           same(name, "head", m, view_at(a, m->head), view_at(b, o->head)) &&
           same(name, "content", m, buf_view(&m->content), buf_view(&o->content)) &&
           same(name, "trailers", m, view_at(a, m->trailers), view_at(b, o->trailers)) &&
           same(name, "end", m, view_of(ends[m->how]), view_of(ends[o->how])) &&
           m->begun == o->begun;
}

bool retell_same(const struct retell *a, const struct retell *b, bool notes, const char *name)
{
    bool right = a->msg_count == b->msg_count && a->txns == b->txns;
    if (!right && name)
        fprintf(stderr, "%s: %zu halves of %zu transactions told, %zu of %zu heard\n", name,
                a->msg_count, a->txns, b->msg_count, b->txns);
    for (size_t i = 0; i < a->msg_count && right; i++) {
        const struct msg *m = &a->msgs[i];
        size_t other = msg_find(b, m->n, m->dir);
        right = other < b->msg_count && same_msg(a, m, b, &b->msgs[other], name) &&
                (!notes || same(name, "note", m, note_of(a, m->n), note_of(b, m->n)));
    }
    return right;
}

bool retell_only(const struct retell *r, enum dir dir, struct retell_half *out)
{
    size_t count = 0;
    for (size_t i = 0; i < r->msg_count; i++) {
        const struct msg *m = &r->msgs[i];
        if (m->dir != dir)
            continue;
        count++;
        *out = (struct retell_half){
            .interim = view_at(r, m->interim),
            .head = view_at(r, m->head),
            .content = buf_view(&m->content),
            .trailers = view_at(r, m->trailers),
            .how = m->how,
        };
    }
    return count == 1;
}

int retell_once(struct retell *told, struct retell *heard, struct dialogue *again, size_t cut,
                size_t size, bool notes, const char *name)
{
    dialogue_forget(again);
    int e = retell_say(told, again, cut, size);
    if (e)
        return e;
    again->env.sink = retell_sink(heard, sink_log_sink(again->log));
    dialogue_play(again, 0, 0);
    bool kept = dialogue_kept(again, name ? name : "said again");
    return kept && retell_same(told, heard, notes, name) ? 0 : E_DAMAGED;
}

int retell_check(struct dialogue *d, bool notes, const char *name)
{
    struct retell *told = retell_new(), *heard = retell_new();
    struct dialogue again;
    int e = 0;
    dialogue_init(&again);
    again.hint = d->hint;
    d->env.sink = retell_sink(told, sink_log_sink(d->log));
    dialogue_play(d, 0, 0);
    size_t unit = d->bytes > LONG ? d->bytes / 20 : 1;
    for (size_t cut = 0; cut < d->bytes && !e; cut += unit)
        e = retell_once(told, heard, &again, cut, 0, notes, name);
    for (size_t size = 1; size < 8 && !e; size += 3)
        e = retell_once(told, heard, &again, 0, size * unit, notes, name);
    dialogue_clear(&again);
    retell_free(told);
    retell_free(heard);
    return e;
}
