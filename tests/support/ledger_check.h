// ledger_check: takes a stream's frames as a recorder would and proves that they add up.
//
//   numbers follow each other; a flow's records stand between its FlowOpen and its FlowClose
//   of each closed flow and direction:  relayed = stored + omitted + lost, in wire bytes
//   of each closed flow:                transactions = Transactions + filtered + lost ones
//   of each half:                       parts, stored bytes, sizes and digests agree
#ifndef TAPEDECK_TESTS_LEDGER_CHECK_H
#define TAPEDECK_TESTS_LEDGER_CHECK_H

#include "proto/record.pb-c.h"
#include "proto/wire.h"

struct journal;

struct ledger_flow {
    uint64_t id;        // sequence number of the FlowOpen; 0: losses of whole flows
    bool closed, ended; // ended: by a Restart
    uint64_t relayed[2], stored[2], omitted[2], lost[2]; // C2S, S2C
    uint64_t rows, filtered, lost_transactions, transactions, lost_flows;
    Tapedeck__FlowOpen *open;
    Tapedeck__FlowClose *close;
};

struct ledger {
    uint64_t next_seq; // 0: whatever comes first
    uint64_t records, restarts;
    struct ledger_flow *flow;
    size_t flows;
    Tapedeck__Transaction **txn;
    size_t txns;
    Tapedeck__Part **part;
    size_t parts;
    Tapedeck__TransactionOpen **open;
    size_t opens;
    Tapedeck__Loss **loss;
    size_t losses;
    Tapedeck__Tls **tls;
    size_t tlss;
};

void ledger_clear(struct ledger *l); // zeroed is empty

// One record; asserts what can be asserted at once.
void ledger_take(struct ledger *l, const struct wire_frame *frame);
// Everything that the journal has not sent yet, which is then sent and acknowledged.
void ledger_drain(struct ledger *l, struct journal *j);

// Asserts the identities of all closed flows; with all_closed, that no flow is open either.
void ledger_check(const struct ledger *l, bool all_closed);

const struct ledger_flow *ledger_find_flow(const struct ledger *l, uint64_t id); // or NULL
const Tapedeck__Transaction *ledger_find(const struct ledger *l, uint64_t flow, uint64_t n);
// The stored content of one half, put together from body or parts; the memory is the caller's.
// Bytes that were lost on the way are 0.
unsigned char *ledger_content(const struct ledger *l, const Tapedeck__Transaction *t, bool s2c,
                              size_t *n);

#endif
