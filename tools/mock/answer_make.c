// answer_make: puts an answer together: which head, which content, how the connection goes on.
#include "tools/mock/answer.h"

#include "proxy/http/head.h"
#include "tools/head.h"
#include "tools/mock/edit.h"
#include "tools/mock/reason.h"

#include <stdio.h>
#include <stdlib.h>

// What goes into an answer, before any change.
struct parts {
    struct view head, interim, trailers, rhythm, content;
    bool in_memory, cut, made; // made: no recording has it
    uint64_t size, stored;
    const struct load_row *row; // NULL: content is in memory
};

// Heads are parsed here: too large for the stack of a deep call.
static _Thread_local struct http_head scratch, asked;

void answer_init(struct answer *a)
{
    memset(a, 0, sizeof *a);
    buf_init(&a->text, ANSWER_TEXT_MAX);
    buf_init(&a->spoilt, STORE_SLICE);
}

void answer_clear(struct answer *a)
{
    kept_drop(a->kept);
    store_reader_close(a->reader);
    a->kept = NULL;
    a->reader = NULL;
    buf_clear(&a->text);
    buf_clear(&a->spoilt);
    a->phase = ANSWER_NONE;
    a->out.n = a->view = a->at = 0;
}

static void start(struct answer *a, const struct answer_to *to, const struct fault_plan *faults,
                  double speed)
{
    answer_clear(a);
    a->id = 0;
    a->to = *to;
    a->faults = faults;
    a->speed = speed;
    a->phase = ANSWER_HEAD;
    a->memory = a->piece = view_n(NULL, 0);
    a->size = a->said = 0;
    a->stalled = a->resets = false;
    a->pace = (struct answer_pace){.left = UINT64_MAX};
}

static int64_t slower(int64_t us, double speed)
{
    return speed > 0 ? (int64_t)((double)us / speed) : 0;
}

// When its first byte goes.
static void set_due(struct answer *a, int64_t whole_us, int64_t wait_us)
{
    a->due_us = whole_us + slower(wait_us, a->speed);
    if (a->faults && a->faults->kinds & FAULT_BIT(FAULT_LATENCY))
        a->due_us += a->faults->delay_us;
    a->pace.at_us = a->due_us;
}

static bool has_fault(const struct answer *a, enum fault_kind kind)
{
    return a->faults && a->faults->kinds & FAULT_BIT(kind);
}

// ---- the changes

static bool carries_nothing(unsigned status)
{
    return status < 200 || status == 204 || status == 304;
}

static void no_content(struct parts *p, struct edit *e)
{
    static const char *const names[] = {"transfer-encoding", "trailer", "content-encoding",
                                        "content-length", "content-type"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        edit_drop(e, names[i]);
    p->content = p->trailers = p->rhythm = view_n(NULL, 0);
    p->in_memory = true;
    p->cut = false;
    p->size = p->stored = 0;
}

static void other_status(struct answer *a, struct parts *p, unsigned status, struct edit *e,
                         char line[128], char length[24])
{
    const char *reason =
        has_fault(a, FAULT_STATUS) && a->faults->reason ? a->faults->reason : reason_of(status);
    int n = snprintf(line, 128, "HTTP/1.1 %u %s", status, reason);
    e->first = view_n(line, n < 128 ? (size_t)n : 127);
    bool body = has_fault(a, FAULT_STATUS) && a->faults->has_body;
    if (!body && !carries_nothing(status) && has_fault(a, FAULT_STATUS))
        return; // the content stays
    no_content(p, e);
    if (carries_nothing(status))
        return;
    if (body) {
        p->content = a->faults->body;
        p->size = p->stored = p->content.n;
        if (a->faults->type)
            edit_set(e, "Content-Type", view_of(a->faults->type));
    }
    snprintf(length, 24, "%zu", p->content.n);
    edit_set(e, "Content-Length", view_of(length));
}

static void other_fields(const struct fault_plan *f, struct edit *e)
{
    for (size_t i = 0; i < f->header_count; i++) {
        for (size_t k = 0; k < f->headers[i].n; k++) {
            const struct fault_header *h = &f->headers[i].items[k];
            if (e->drops == EDIT_NAMES || e->adds == EDIT_NAMES)
                return;
            if (h->value)
                edit_set(e, h->name, view_of(h->value));
            else
                edit_drop(e, h->name);
        }
    }
}

// A client of HTTP/1.0 knows neither chunks nor interim answers.
static void for_old(struct parts *p, struct edit *e)
{
    p->interim = view_n(NULL, 0);
    char joined[HEAD_JOINED];
    if (head_joined(p->head, "transfer-encoding", joined).n == 0)
        return;
    edit_drop(e, "transfer-encoding");
    edit_drop(e, "trailer");
    edit_set(e, "Connection", VIEW_LIT("close"));
    p->trailers = view_n(NULL, 0);
}

// Interim answers but the one that the client was told already.
static int add_interim(struct answer *a, struct view interim, bool *continues)
{
    int e = 0;
    while (!e && interim.n > 0) {
        struct view one = head_split(&interim), rest, word[3];
        head_words(head_first(one, &rest), word);
        bool is_continue = view_eq(word[1], VIEW_LIT("100"));
        *continues = *continues || is_continue;
        if (!is_continue || !a->to.continued)
            e = buf_add_view(&a->text, one);
    }
    return e;
}

// ---- the answer

// Whether the connection may go on behind it, as far as the answer's head says.
static bool look_at_end(struct view head, bool stays[2])
{
    size_t used;
    stays[0] = stays[1] = false;
    if (http_head_parse(head, 0, false, &scratch, &used))
        return false;
    asked.close = false;
    for (unsigned old = 0; old < 2; old++) {
        asked.minor = old ? 0 : 1;
        asked.keep_alive = old;
        stays[old] = http_persistent(&asked, &scratch);
    }
    return scratch.chunked;
}

void answer_stays(struct view bytes, bool stays[2])
{
    struct view rest = bytes, one = head_split(&rest), line, word[3];
    for (;;) {
        head_words(head_first(one, &line), word);
        if (word[1].n == 0 || word[1].p[0] != '1' || rest.n == 0)
            break;
        one = head_split(&rest);
    }
    (void)look_at_end(one, stays);
}

static int begin(struct answer *a, const struct parts *p, struct view interim, struct view head,
                 struct view trailers, bool rewritten, char why[WHY_MAX])
{
    struct speak_half half = {.s2c = true,
                              .rewritten = rewritten,
                              .cut = p->cut,
                              .interim = interim,
                              .head = head,
                              .trailers = trailers,
                              .method = view_of(a->to.method),
                              .size = p->size,
                              .stored = p->stored};
    return speak_begin(&a->speaker, &speaker_http1, &half, &a->begun, why);
}

// Text is laid out first, since the speaker lends it.
static int lay_out(struct answer *a, const struct parts *p, const struct edit *edit,
                   bool *continues, char why[WHY_MAX])
{
    size_t at[5];
    buf_reset(&a->text);
    at[0] = 0;
    int e = add_interim(a, p->interim, continues);
    at[1] = a->text.n;
    bool changed = !edit_is_none(edit);
    e = e ? e : changed ? edit_head(edit, p->head, &a->text) : buf_add_view(&a->text, p->head);
    at[2] = a->text.n;
    e = e ? e : buf_add_view(&a->text, p->trailers);
    at[3] = a->text.n;
    e = e ? e : buf_add_view(&a->text, p->rhythm);
    at[4] = a->text.n;
    if (e) {
        snprintf(why, WHY_MAX, "%s", e == E_LIMIT ? "its head is too long" : err_text(e));
        return e;
    }
    struct view v[4];
    for (size_t i = 0; i < 4; i++)
        v[i] = view_n(a->text.p ? a->text.p + at[i] : NULL, at[i + 1] - at[i]);
    a->pace.chunked = look_at_end(v[1], a->stays);
    a->pace.rest = v[3];
    a->pace.gone = at[2];
    return begin(a, p, v[0], v[1], v[2], changed || p->made, why);
}

static int make(struct answer *a, struct parts *p, unsigned status, bool *continues,
                char why[WHY_MAX])
{
    static _Thread_local struct edit edit; // large
    char line[128], length[24], size[24];
    edit.first = view_n(NULL, 0);
    edit.drops = edit.adds = 0;
    if (status || has_fault(a, FAULT_STATUS))
        other_status(a, p, has_fault(a, FAULT_STATUS) ? a->faults->status : status, &edit, line,
                     length);
    if (has_fault(a, FAULT_HEADER))
        other_fields(a->faults, &edit);
    if (a->to.old)
        for_old(p, &edit);
    int e = lay_out(a, p, &edit, continues, why);
    bool nothing = view_eq(view_of(a->to.method), VIEW_LIT("HEAD"));
    if (e == E_RANGE && p->size == p->stored && !nothing && edit.adds < EDIT_NAMES) {
        // Redaction changed the content, or a rule the field.
        snprintf(size, sizeof size, "%llu", (unsigned long long)p->size);
        edit_set(&edit, "Content-Length", view_of(size));
        e = lay_out(a, p, &edit, continues, why);
    }
    if (e)
        return e;
    a->size = p->size;
    a->memory = p->content;
    if (p->in_memory || p->size == 0 || load_reader(p->row, 1, &a->reader))
        return 0;
    snprintf(why, WHY_MAX, "%s", load_why(p->row));
    return E_DAMAGED;
}

// ---- whole ones that are kept

static void use_kept(struct answer *a, struct kept *k, int64_t whole_us)
{

    a->kept = k;
    a->id = k->id;
    a->then = k->then;
    a->stays[0] = k->stays[0];
    a->stays[1] = k->stays[1];
    set_due(a, whole_us, k->wait_us);
}

// What was just put together, when it is small and always the same.
static struct kept *keep(struct answer *a, const struct answer_conf *conf, uint32_t entry,
                         int64_t wait_us, bool continues)
{
    size_t room = a->text.n + a->size + 128, got = 0, n;
    if (a->faults || a->to.old || (continues && a->to.continued) || !conf->cache->places ||
        (a->speed > 0 && a->pace.rest.n > 0) || a->size > KEPT_ONE_MAX || room > KEPT_ONE_MAX)
        return NULL;
    struct kept *k = malloc(sizeof *k + room);
    if (!k)
        return NULL;
    a->due_us = 0;
    while (answer_say(a, INT64_MAX, k->bytes + got, room - got, &n) == ANSWER_MORE && n > 0)
        got += n;
    got += n;
    if (a->phase != ANSWER_NONE || a->after == AFTER_SWITCH || a->then == SPEAK_CUT) {
        free(k); // not in one go, not whole, or more than an answer
        return NULL;
    }
    *k = (struct kept){.entry = entry,
                       .refs = 1,
                       .then = a->then,
                       .stays = {a->stays[0], a->stays[1]},
                       .continues = continues,
                       .wait_us = wait_us,
                       .id = a->id,
                       .n = got};
    kept_add(conf->cache, k);
    return k;
}

static int recorded_parts(const struct recorded *it, struct parts *p, char why[WHY_MAX])
{
    const struct load_row *row = &it->row;
    *p = (struct parts){.head = row->half[1].head,
                        .interim = row->interim,
                        .trailers = row->half[1].trailers,
                        .rhythm = row->rhythm[1],
                        .cut = row->half[1].cut,
                        .size = (uint64_t)row->sizes[1],
                        .stored = (uint64_t)row->stored[1],
                        .row = row};
    if (it->http)
        return 0;
    snprintf(why, WHY_MAX, "it is no answer of HTTP");
    return E_UNSUPPORTED;
}

int answer_recorded(struct answer *a, const struct answer_conf *conf, uint32_t entry,
                    const struct answer_to *to, const struct fault_plan *faults, unsigned status,
                    int64_t whole_us, char why[WHY_MAX])
{
    const struct index_entry *found = index_entry(conf->index, entry);
    struct recorded it;
    struct parts parts;
    bool continues = false;
    start(a, to, faults, conf->speed);
    struct kept *k = faults || status || to->old ? NULL : kept_find(conf->cache, entry);
    if (k && !(k->continues && to->continued)) {
        use_kept(a, k, whole_us);
        return 0;
    }
    kept_drop(k);
    if (!recorded_row(conf->reader, found->file, found->id, &it)) {
        snprintf(why, WHY_MAX, "it cannot be read");
        return E_DAMAGED;
    }
    a->id = it.row.id;
    a->flow = it.row.flow;
    a->n = it.row.n;
    int64_t wait_us = it.wait_us;
    a->resets = it.row.half[1].cut && recorded_reset(conf->reader, found->file, a->flow);
    int e = recorded_parts(&it, &parts, why);
    e = e ? e : make(a, &parts, status, &continues, why);
    if (e)
        return e;
    k = status ? NULL : keep(a, conf, entry, wait_us, continues);
    if (k) {
        start(a, to, faults, conf->speed);
        use_kept(a, k, whole_us);
        return 0;
    }
    if (a->phase != ANSWER_HEAD) // it went into what could not be kept
        return answer_recorded(
            a,
            &(struct answer_conf){&(struct kept_cache){0}, conf->reader, conf->index, conf->speed},
            entry, to, faults, status, whole_us, why);
    set_due(a, whole_us, wait_us);
    return 0;
}

int answer_given(struct answer *a, struct view head, struct view content,
                 const struct answer_to *to, const struct fault_plan *faults, int64_t whole_us,
                 char why[WHY_MAX])
{
    struct parts parts = {.head = head,
                          .content = content,
                          .in_memory = true,
                          .made = true,
                          .size = content.n,
                          .stored = content.n};
    bool continues = false;
    start(a, to, faults, 0);
    if (view_eq(view_of(to->method), VIEW_LIT("HEAD")))
        parts.size = parts.stored = parts.content.n = 0;
    int e = make(a, &parts, 0, &continues, why);
    set_due(a, whole_us, 0);
    return e;
}

void answer_kept(struct answer *a, struct kept *k, const struct answer_to *to, double speed,
                 int64_t whole_us)
{
    start(a, to, NULL, speed);
    use_kept(a, k, whole_us);
}
