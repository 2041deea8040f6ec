// Frames and the messages in them, as the recorder and the proxy meet them on a socket.
#include "proto/record.pb-c.h"
#include "proto/wire.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *message_of(const struct wire_frame *f)
{
    static const ProtobufCMessageDescriptor *const of_kind[] = {
        [WIRE_HELLO] = &tapedeck__hello__descriptor,
        [WIRE_WELCOME] = &tapedeck__welcome__descriptor,
        [WIRE_BYE] = &tapedeck__bye__descriptor,
    };
    static const ProtobufCMessageDescriptor *const of_type[WIRE_TYPES] = {
        [WIRE_FLOW_OPEN] = &tapedeck__flow_open__descriptor,
        [WIRE_FLOW_CLOSE] = &tapedeck__flow_close__descriptor,
        [WIRE_TLS] = &tapedeck__tls__descriptor,
        [WIRE_TRANSACTION] = &tapedeck__transaction__descriptor,
        [WIRE_TRANSACTION_OPEN] = &tapedeck__transaction_open__descriptor,
        [WIRE_PART] = &tapedeck__part__descriptor,
        [WIRE_LOSS] = &tapedeck__loss__descriptor,
        [WIRE_RESTART] = &tapedeck__restart__descriptor,
    };
    if (f->kind == WIRE_RECORD)
        return f->type < WIRE_TYPES ? of_type[f->type] : NULL;
    return f->kind < sizeof of_kind / sizeof of_kind[0] ? of_kind[f->kind] : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view in = view_n(data, size);
    struct wire_frame f;
    size_t used;
    int e;
    while ((e = wire_take(in, &f, &used)) == 0) {
        unsigned char header[WIRE_HEADER];
        if (used != WIRE_HEADER + f.payload.n || used > in.n)
            abort();
        wire_put_header(header, f.kind, f.type, (uint32_t)f.payload.n, f.seq);
        if (memcmp(header, in.p, 6) != 0 || memcmp(header + 8, in.p + 8, 8) != 0)
            abort();
        const ProtobufCMessageDescriptor *d = message_of(&f);
        ProtobufCMessage *m =
            d ? protobuf_c_message_unpack(d, NULL, f.payload.n, (const uint8_t *)f.payload.p)
              : NULL;
        if (m)
            protobuf_c_message_free_unpacked(m, NULL);
        if (!*wire_kind_text(f.kind) || !*wire_type_text(f.type))
            abort();
        in = view_from(in, used);
    }
    if (e == E_AGAIN ? used <= in.n : e != E_RANGE)
        abort();
    return 0;
}
