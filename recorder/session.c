// session: see session.h.
#include "recorder/session.h"

#include "proto/base/log.h"
#include "proto/record.pb-c.h"
#include "proto/wire.h"

#include <assert.h>
#include <stdarg.h>

#define SOFTWARE    "tapedeck-recorder " TAPEDECK_VERSION
#define SEQ_MAX     (((uint64_t)1 << STORE_SEQ_BITS) - 1)
#define WELCOME_MAX 1024

void session_init(struct session *s, const struct session_host *host, void *arg,
                  struct unpack *unpack)
{
    *s = (struct session){.host = host, .arg = arg, .unpack = unpack};
    buf_init(&s->out, SESSION_OUT_MAX);
}

void session_clear(struct session *s)
{
    buf_clear(&s->out);
}

__attribute__((format(printf, 3, 4))) static int broken(struct session *s, int e,
                                                        const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->why, sizeof s->why, format, args);
    va_end(args);
    s->state = SESSION_BROKEN;
    return e;
}

// ---- frames

static int take_hello(struct session *s, const struct wire_frame *f)
{
    struct unpack_hello h;
    int e = unpack_hello(s->unpack, f->payload, &h);
    if (e == E_NOMEM)
        return broken(s, e, "out of memory");
    if (e)
        return broken(s, e, "a hello that cannot be read, size=%zu", f->payload.n);
    if (h.protocol < 1)
        return broken(s, E_VERSION, "a hello of protocol 0; this recorder speaks 1 to %d",
                      WIRE_VERSION);
    if (h.first_seq == 0 || h.next_seq < h.first_seq || h.next_seq > SEQ_MAX)
        return broken(s, E_SYNTAX, "a hello with numbers that cannot be, first=%llu next=%llu",
                      (unsigned long long)h.first_seq, (unsigned long long)h.next_seq);
    e = s->host->hello(s->arg, h.stream.name, f->payload);
    if (e)
        return e;
    memcpy(s->name, h.stream.name, sizeof s->name);
    s->first_seq = h.first_seq;
    s->next_seq = h.next_seq;
    s->refers = h.refers;
    s->state = SESSION_WAITING;
    return 0;
}

static int take_record(struct session *s, const struct wire_frame *f)
{
    if (f->seq == 0 || f->seq > SEQ_MAX)
        return broken(s, E_SYNTAX, "a record with the number %llu", (unsigned long long)f->seq);
    if (f->seq < s->expected) {
        s->repeated++;
        return 0;
    }
    if (f->seq > s->expected)
        return broken(s, E_DAMAGED, "record %llu came where %llu was expected",
                      (unsigned long long)f->seq, (unsigned long long)s->expected);
    int e = s->host->record(s->arg, s->stream, f->seq, f->type, f->payload);
    if (e)
        return e;
    s->expected++;
    s->records++;
    return 0;
}

static int take_bye(struct session *s, const struct wire_frame *f)
{
    uint64_t last;
    int e = unpack_bye(s->unpack, f->payload, &last);
    if (e)
        return broken(s, e, e == E_NOMEM ? "out of memory" : "a bye that cannot be read");
    if (last != s->expected - 1)
        return broken(s, E_DAMAGED, "a bye after record %llu, but the last that came is %llu",
                      (unsigned long long)last, (unsigned long long)s->expected - 1);
    e = s->host->bye(s->arg, s->stream, last);
    if (e == 0)
        s->state = SESSION_ENDED;
    return e;
}

static int take_frame(struct session *s, const struct wire_frame *f)
{
    switch (f->kind) {
    case WIRE_HELLO:
        if (s->state == SESSION_HELLO)
            return take_hello(s, f);
        return broken(s, E_SYNTAX, "a second hello");
    case WIRE_RECORD:
    case WIRE_BYE:
        if (s->state == SESSION_OPEN)
            return f->kind == WIRE_RECORD ? take_record(s, f) : take_bye(s, f);
        return broken(s, E_SYNTAX, "a %s %s", wire_kind_text(f->kind),
                      s->state == SESSION_HELLO ? "before the hello" : "after the bye");
    case WIRE_WELCOME:
    case WIRE_ACK:
        return broken(s, E_SYNTAX, "a frame that only a recorder sends: %s",
                      wire_kind_text(f->kind));
    default:
        s->skipped++;
        return 0;
    }
}

int session_feed(struct session *s, struct view in, size_t *used, size_t *need)
{
    *used = 0;
    *need = WIRE_HEADER;
    while (s->state != SESSION_BROKEN && s->state != SESSION_REFUSED) {
        if (s->state == SESSION_WAITING)
            return E_FULL;
        struct wire_frame f;
        size_t n;
        int e = wire_take(view_from(in, *used), &f, &n);
        if (e == E_AGAIN) {
            *need = n;
            return 0;
        }
        if (e)
            return broken(s, e, "a frame that is longer than %u bytes", WIRE_PAYLOAD_MAX);
        e = take_frame(s, &f);
        if (e)
            return e;
        *used += n;
    }
    return E_SYNTAX;
}

// ---- answers

// Appends WELCOME, whole or not at all.
static int put_welcome(struct session *s, uint64_t last_seq, const char *refusal)
{
    unsigned char frame[WIRE_HEADER + WELCOME_MAX];
    char software[] = SOFTWARE, text[WHY_MAX];
    snprintf(text, sizeof text, "%s", refusal);
    Tapedeck__Welcome m;
    tapedeck__welcome__init(&m);
    m.protocol = WIRE_VERSION;
    m.last_seq = last_seq;
    m.software = software;
    m.refusal = text;
    m.file = s->file;
    size_t n = tapedeck__welcome__get_packed_size(&m);
    assert(n <= WELCOME_MAX);
    tapedeck__welcome__pack(&m, frame + WIRE_HEADER);
    wire_put_header(frame, WIRE_WELCOME, 0, (uint32_t)n, 0);
    return buf_add(&s->out, frame, WIRE_HEADER + n);
}

void session_refuse(struct session *s, const char *why)
{
    snprintf(s->why, sizeof s->why, "%s", why);
    s->state = SESSION_REFUSED;
    s->file = 0;
    if (put_welcome(s, 0, why))
        broken(s, E_NOMEM, "out of memory");
}

int session_welcome(struct session *s, int64_t stream, uint64_t last_seq, uint64_t file)
{
    char text[WHY_MAX];
    // What follows would be taken for repetitions, and be lost without a word.
    if (s->next_seq <= last_seq) {
        snprintf(text, sizeof text,
                 "the stream goes back: its next record would be %llu, but %llu is committed",
                 (unsigned long long)s->next_seq, (unsigned long long)last_seq);
        session_refuse(s, text);
        return E_DAMAGED;
    }
    s->stream = stream;
    s->expected = last_seq + 1;
    if (s->first_seq > s->expected) {
        log_error("records are gone before they came here, verify will show the hole stream=%lld "
                  "seq=%llu..%llu",
                  (long long)stream, (unsigned long long)s->expected,
                  (unsigned long long)s->first_seq - 1);
        s->expected = s->first_seq;
    }
    s->ack = s->acked = last_seq;
    s->state = SESSION_OPEN;
    s->file = s->refers ? file : 0;
    return put_welcome(s, last_seq, "") ? broken(s, E_NOMEM, "out of memory") : 0;
}

void session_file(struct session *s, uint64_t file)
{
    if (s->state != SESSION_OPEN || !s->refers || s->file == file)
        return;
    s->file = file;
    s->file_due = true;
}

void session_ack(struct session *s, uint64_t seq, bool last)
{
    if (seq > s->ack)
        s->ack = seq;
    s->ack_due = s->ack_due || s->ack > s->acked || last;
}

struct view session_out(struct session *s)
{
    if (buf_len(&s->out) > 0)
        return buf_view(&s->out);
    if (s->file_due)
        s->file_due = put_welcome(s, s->acked, "") != 0;
    if (s->ack_due && !s->file_due) {
        unsigned char header[WIRE_HEADER];
        wire_put_header(header, WIRE_ACK, 0, 0, s->ack);
        if (buf_add(&s->out, header, sizeof header) == 0) {
            s->acked = s->ack;
            s->ack_due = false;
        }
    }
    return buf_view(&s->out);
}

void session_sent(struct session *s, size_t n)
{
    buf_drop(&s->out, n, SESSION_OUT_MAX);
}
