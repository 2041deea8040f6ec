// wire: the header's sixteen bytes, both ways. The picture is in wire.h.
#include "proto/wire.h"

#include <assert.h>

static void put(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = bytes - 1; i >= 0; i--, value >>= 8)
        out[i] = (unsigned char)value;
}

static uint64_t get(const char *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | (unsigned char)in[i];
    return value;
}

void wire_put_header(unsigned char out[WIRE_HEADER], enum wire_kind kind, unsigned type,
                     uint32_t length, uint64_t seq)
{
    assert(length <= WIRE_PAYLOAD_MAX);
    put(out, length, 4);
    out[4] = (unsigned char)kind;
    out[5] = (unsigned char)type;
    put(out + 6, 0, 2);
    put(out + 8, seq, 8);
}

int wire_take(struct view in, struct wire_frame *out, size_t *used)
{
    // A bad length is told by its four bytes alone: waiting for the rest of the header helps
    // nobody.
    if (in.n >= 4 && get(in.p, 4) > WIRE_PAYLOAD_MAX)
        return E_RANGE;
    *used = WIRE_HEADER;
    if (in.n < WIRE_HEADER)
        return E_AGAIN;
    size_t length = (size_t)get(in.p, 4);
    *used += length;
    if (in.n < *used)
        return E_AGAIN;
    *out = (struct wire_frame){
        .kind = (uint8_t)in.p[4],
        .type = (uint8_t)in.p[5],
        .seq = get(in.p + 8, 8),
        .payload = view_head(view_from(in, WIRE_HEADER), length),
    };
    return 0;
}

const char *wire_kind_text(unsigned kind)
{
    static const char *const names[] = {
        [WIRE_HELLO] = "hello", [WIRE_WELCOME] = "welcome", [WIRE_RECORD] = "record",
        [WIRE_ACK] = "ack",     [WIRE_BYE] = "bye",
    };
    return kind < sizeof names / sizeof names[0] && names[kind] ? names[kind] : "?";
}

const char *wire_type_text(unsigned type)
{
    static const char *const names[WIRE_TYPES] = {
        [WIRE_FLOW_OPEN] = "flow-open",
        [WIRE_FLOW_CLOSE] = "flow-close",
        [WIRE_TLS] = "tls",
        [WIRE_TRANSACTION] = "transaction",
        [WIRE_TRANSACTION_OPEN] = "transaction-open",
        [WIRE_PART] = "part",
        [WIRE_LOSS] = "loss",
        [WIRE_RESTART] = "restart",
    };
    return type < WIRE_TYPES && names[type] ? names[type] : "?";
}
