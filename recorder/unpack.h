// unpack: a record's payload becomes a row. The only place that knows both.
#ifndef TAPEDECK_RECORDER_UNPACK_H
#define TAPEDECK_RECORDER_UNPACK_H

#include "proto/base/err.h"
#include "proto/wire.h"
#include "schema/store.h"

#define UNPACK_MAX (16u << 20) // bytes that one payload may become in memory

// Memory that is used again for each payload.
struct unpack;
struct unpack *unpack_new(void); // NULL: out of memory
void unpack_free(struct unpack *u);

struct unpack_row {
    enum wire_type type;
    union {
        struct store_flow flow;
        struct store_flow_end flow_end;
        struct store_tls tls;
        struct store_txn txn;
        struct store_txn_open txn_open;
        struct store_part part;
        struct store_loss loss;
        struct {
            int64_t at_us, pid;
        } restart;
    };
};

// The row of a record of one of our types. Its texts are loans from payload and u until the next
// call. stream and seq are those of the record: flow numbers become keys by the one, and cannot be
// above the other. 0; E_SYNTAX: the payload is no such message, or says what cannot be; E_NOMEM.
int unpack_record(struct unpack *u, int64_t stream, uint64_t seq, unsigned type,
                  struct view payload, struct unpack_row *out) MUST_CHECK;

struct unpack_hello {
    uint32_t protocol;
    uint64_t first_seq, next_seq;
    struct store_stream stream; // labels and settings are valid JSON objects
    bool refers;                // to content by a file's name; takes a welcome at any time
};
int unpack_hello(struct unpack *u, struct view payload, struct unpack_hello *out) MUST_CHECK;

int unpack_bye(struct unpack *u, struct view payload, uint64_t *last_seq) MUST_CHECK;

#endif
