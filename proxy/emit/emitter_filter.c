// emitter_filter: what is known of a transaction so far, for the capture filter. The values are
// those that its row will have (schema/0002_views.sql).
#include "proxy/emit/emitter_state.h"

#include "proxy/emit/link.h"

struct facts { // what the subject points to
    struct filter_subject subject;
    char client[ADDR_TEXT], server[ADDR_TEXT];
};

static void know(struct filter_subject *s, enum filter_field f, const char *text)
{
    filter_know_text(s, f, view_of(text));
}

static void know_flow(struct facts *facts, const struct emit_flow *f, uint64_t asked, bool ended)
{
    struct filter_subject *s = &facts->subject;
    const struct link_identity *id = f->e->conf.identity;

    know(s, FIELD_DIRECTION, f->facts->direction == INBOUND ? "inbound" : "outbound");
    know(s, FIELD_TARGET, f->facts->target);
    know(s, FIELD_REQUESTED, f->facts->requested);
    know(s, FIELD_FRONT, f->facts->front);
    if (asked & FILTER_BIT(FIELD_CLIENT))
        know(s, FIELD_CLIENT, addr_text(&f->facts->client, facts->client));
    if (asked & FILTER_BIT(FIELD_SERVER))
        know(s, FIELD_SERVER, addr_text(&f->facts->server, facts->server));
    if (f->sni)
        know(s, FIELD_SNI, f->sni);
    else if (ended && !f->has_sni)
        filter_know_absent(s, FIELD_SNI);
    if (id) {
        know(s, FIELD_POD, id->pod ? id->pod : "");
        know(s, FIELD_NAMESPACE, id->namespace_ ? id->namespace_ : "");
        know(s, FIELD_WORKLOAD, id->workload ? id->workload : "");
    }
}

static void know_content(struct filter_subject *s, enum filter_field f, const struct half *h,
                         bool ended)
{
    if (!h->seen && ended)
        filter_know_absent(s, f);
    else if (h->seen && !h->in_parts && !h->known && (ended || h->end != MSG_ABSENT))
        filter_know_text(s, f, view_n(h->body_n ? h->data.p + h->body_at : "", h->body_n));
}

static void know_half(struct filter_subject *s, const struct half *h, bool ended,
                      const enum filter_field names[3])
{
    if (h->head_n)
        filter_know_text(s, names[0], view_n(h->data.p + h->head_at, h->head_n));
    else if (ended || h->begun)
        filter_know_absent(s, names[0]);
    if (ended || h->end != MSG_ABSENT)
        filter_know_number(s, names[1], (int64_t)h->size);
    know_content(s, names[2], h, ended);
}

static void know_request(struct filter_subject *s, const struct pend *p)
{
    static const enum filter_field names[TEXTS] = {
        [TEXT_METHOD] = FIELD_METHOD, [TEXT_SCHEME] = FIELD_SCHEME, [TEXT_HOST] = FIELD_HOST,
        [TEXT_PATH] = FIELD_PATH,     [TEXT_QUERY] = FIELD_QUERY,
    };

    for (int i = 0; i < TEXTS; i++)
        know(s, names[i], p->text[i] == NO_TEXT ? "" : p->half[C2S].data.p + p->text[i]);
    if (p->text[TEXT_HOST] == NO_TEXT)
        know(s, FIELD_HOST, p->flow->facts->target);
    know(s, FIELD_VERSION, p->version);
}

static const char *state_of(const struct pend *p)
{
    const struct half *request = &p->half[C2S], *answer = &p->half[S2C];

    if (!request->seen)
        return "answer-only";
    if (request->end != MSG_COMPLETE && request->end != MSG_UNTIL_CLOSE)
        return "request-cut";
    if (!answer->seen)
        return "unanswered";
    return answer->end == MSG_COMPLETE || answer->end == MSG_UNTIL_CLOSE ? "complete"
                                                                         : "answer-cut";
}

static int64_t first_us(const struct pend *p)
{
    const struct half *request = &p->half[C2S], *answer = &p->half[S2C];

    if (!request->seen || !answer->seen)
        return request->seen ? request->first_us : answer->first_us;
    return request->first_us < answer->first_us ? request->first_us : answer->first_us;
}

static void know_end(struct filter_subject *s, const struct pend *p, const char *note)
{
    const struct half *request = &p->half[C2S], *answer = &p->half[S2C];

    know(s, FIELD_STATE, state_of(p));
    know(s, FIELD_NOTE, note);
    filter_know_number(s, FIELD_BY_PROXY, p->by_proxy);
    if (p->linked && p->linked->original)
        filter_know_number(s, FIELD_ORIGINAL, p->linked->original);
    else
        filter_know_absent(s, FIELD_ORIGINAL);
    if (p->linked)
        know(s, FIELD_OUTCOME, p->linked->outcome);
    else
        filter_know_absent(s, FIELD_OUTCOME);
    filter_know_number(s, FIELD_DURATION, emit_pend_last_us(p) - first_us(p));
    if (request->seen && answer->seen)
        filter_know_number(s, FIELD_WAIT,
                           answer->first_us > request->last_us ? answer->first_us - request->last_us
                                                               : 0);
    else
        filter_know_absent(s, FIELD_WAIT);
}

enum filter_verdict emit_filter_pend(const struct pend *p, bool ended, const char *note)
{
    static const enum filter_field names[2][3] = {
        {FIELD_REQ_HEADER, FIELD_REQ_SIZE, FIELD_REQ_BODY},
        {FIELD_RES_HEADER, FIELD_RES_SIZE, FIELD_RES_BODY},
    };
    const struct emitter *e = p->flow->e;
    const struct half *request = &p->half[C2S], *answer = &p->half[S2C];
    struct facts facts;
    struct filter_subject *s = &facts.subject;

    if (!e->filter)
        return FILTER_KEEP;
    filter_subject_begin(s);
    know_flow(&facts, p->flow, e->filter_fields, ended);
    know(s, FIELD_PROTOCOL, p->protocol);
    filter_know_number(s, FIELD_N, (int64_t)p->n);
    if (request->begun || p->raw || ended)
        know_request(s, p);
    if (request->seen || ended)
        filter_know_number(s, FIELD_TIME, first_us(p));
    if (answer->begun && p->status)
        filter_know_number(s, FIELD_STATUS, p->status);
    else if (answer->begun || p->raw || ended)
        filter_know_absent(s, FIELD_STATUS);
    for (int dir = C2S; dir <= S2C; dir++)
        know_half(s, &p->half[dir], ended, names[dir]);
    if (ended)
        know_end(s, p, note);
    return filter_eval(filter_root(e->filter), s);
}

bool emit_filter_settle(struct pend *p)
{
    if (p->decided)
        return true;
    if (emit_filter_pend(p, false, "") == FILTER_DROP) {
        emit_pend_drop(p, PEND_FILTERED, 0);
        return false;
    }
    p->decided = true;
    return true;
}
