// wire: the frames between a proxy and the recorder, and in the journal. No I/O, no allocation.
//
//   offset  size  field      big-endian
//        0     4  length     of the payload, 0 .. WIRE_PAYLOAD_MAX
//        4     1  kind       enum wire_kind
//        5     1  type       enum wire_type; 0 unless kind is WIRE_RECORD
//        6     2  reserved   written as 0, ignored by readers
//        8     8  sequence   RECORD: its number, from 1 on, without holes in a stream
//                            ACK: the highest number committed; others: 0
//       16  length payload   a protobuf message (record.proto)
//
// A connection: HELLO →, ← WELCOME, then RECORD → and ← ACK in any order, at the end BYE →,
// answered by a last ACK. A frame of an unknown kind, or a record of an unknown type, is skipped by
// its length.
#ifndef TAPEDECK_WIRE_H
#define TAPEDECK_WIRE_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#define WIRE_VERSION     1
#define WIRE_HEADER      16
#define WIRE_PAYLOAD_MAX (1u << 20)   // longer content travels in several Parts
#define WIRE_KNOWN_MIN   16384        // content of which fewer bytes are kept is not referred to
#define WIRE_LIKE_MAX    (256 * 1024) // bytes of content that one Part says are like another's

enum wire_kind { WIRE_HELLO = 1, WIRE_WELCOME = 2, WIRE_RECORD = 3, WIRE_ACK = 4, WIRE_BYE = 5 };

enum wire_type {
    WIRE_FLOW_OPEN = 1,
    WIRE_FLOW_CLOSE = 2,
    WIRE_TLS = 3,
    WIRE_TRANSACTION = 4,
    WIRE_TRANSACTION_OPEN = 5,
    WIRE_PART = 6,
    WIRE_LOSS = 7,
    WIRE_RESTART = 8,
    WIRE_TYPES
};

struct wire_frame {
    uint8_t kind, type;
    uint64_t seq;
    struct view payload;
};

// Writes the header of a frame whose payload has length bytes (at most WIRE_PAYLOAD_MAX, asserted).
void wire_put_header(unsigned char out[WIRE_HEADER], enum wire_kind kind, unsigned type,
                     uint32_t length, uint64_t seq);

// Takes one frame from the front of in. On 0, *out is a loan from in and *used its whole size.
// E_AGAIN: not whole yet; *used is then how many bytes a whole frame (or header) needs in all.
// E_RANGE: the length is beyond the maximum; the connection cannot go on.
int wire_take(struct view in, struct wire_frame *out, size_t *used) MUST_CHECK;

// "record", "transaction" …; "?" for an unknown number. Static memory.
const char *wire_kind_text(unsigned kind);
const char *wire_type_text(unsigned type);

#endif
