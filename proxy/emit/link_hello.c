// link_hello: HELLO, BYE and WELCOME as protobuf-c has them.
#include "proxy/emit/link_hello.h"

#include "proto/record.pb-c.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {s ? s : ""};
    return u.out;
}

// Room for a frame's payload behind its header.
static unsigned char *frame(struct buf *out, enum wire_kind kind, size_t n, int *error)
{
    *error = n > WIRE_PAYLOAD_MAX ? E_LIMIT : 0;
    char *room = *error ? NULL : buf_room(out, WIRE_HEADER + n);
    if (!room) {
        *error = *error ? *error : E_NOMEM;
        return NULL;
    }
    wire_put_header((unsigned char *)room, kind, 0, (uint32_t)n, 0);
    buf_grew(out, WIRE_HEADER + n);
    return (unsigned char *)room + WIRE_HEADER;
}

static size_t count_labels(const struct link_identity *id)
{
    size_t n = 0;

    while (id->labels && id->labels[n] && id->labels[n + 1])
        n += 2;
    return n / 2;
}

int link_put_hello(struct buf *out, const struct link_identity *id,
                   const struct journal_facts *facts)
{
    size_t labels = count_labels(id);
    Tapedeck__Label *label = labels ? calloc(labels, sizeof *label) : NULL;
    Tapedeck__Label **list = labels ? calloc(labels, sizeof *list) : NULL;
    unsigned char stream[sizeof facts->stream];
    Tapedeck__Hello m;
    int e = E_NOMEM;

    if (labels && (!label || !list))
        goto out;
    for (size_t i = 0; i < labels; i++) {
        tapedeck__label__init(&label[i]);
        label[i].name = text(id->labels[2 * i]);
        label[i].value = text(id->labels[2 * i + 1]);
        list[i] = &label[i];
    }
    memcpy(stream, facts->stream, sizeof stream);
    tapedeck__hello__init(&m);
    m.protocol = WIRE_VERSION;
    m.stream = (ProtobufCBinaryData){sizeof stream, stream};
    m.first_seq = facts->first_seq;
    m.next_seq = facts->next_seq;
    m.software = text(id->software);
    m.host = text(id->host);
    m.pid = (uint32_t)getpid();
    m.worker = id->worker;
    m.started_us = facts->started_us;
    m.pod = text(id->pod);
    m.namespace_ = text(id->namespace_);
    m.workload = text(id->workload);
    m.node = text(id->node);
    m.n_labels = labels;
    m.labels = list;
    m.settings = text(id->settings_json);
    m.refers = true;
    unsigned char *room = frame(out, WIRE_HELLO, tapedeck__hello__get_packed_size(&m), &e);
    if (room)
        tapedeck__hello__pack(&m, room);
out:
    free(label);
    free(list);
    return e;
}

int link_put_bye(struct buf *out, uint64_t last_seq, const char *reason)
{
    Tapedeck__Bye m;
    int e;

    tapedeck__bye__init(&m);
    m.last_seq = last_seq;
    m.reason = text(reason);
    unsigned char *room = frame(out, WIRE_BYE, tapedeck__bye__get_packed_size(&m), &e);
    if (room)
        tapedeck__bye__pack(&m, room);
    return e;
}

int link_take_welcome(struct view payload, struct link_welcome *out)
{
    Tapedeck__Welcome *m = tapedeck__welcome__unpack(NULL, payload.n, (const uint8_t *)payload.p);

    if (!m)
        return E_SYNTAX;
    out->protocol = m->protocol;
    out->last_seq = m->last_seq;
    out->file = m->file;
    snprintf(out->software, sizeof out->software, "%s", m->software);
    snprintf(out->refusal, sizeof out->refusal, "%s", m->refusal);
    tapedeck__welcome__free_unpacked(m, NULL);
    return 0;
}
