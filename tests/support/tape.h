// tape: writes captures for tests, a few words a row; keeps each flow's ledger so that it adds up.
//
//   struct tape t;
//   tape_open(&t, path);
//   int64_t f = tape_flow(&t, "api:80");
//   tape_http(&t, f, "GET", "/users/1", 200, VIEW_LIT("hello"));
//   tape_end(&t, f);
//   tape_close(&t);
//
// Every call is a batch of its own unless tape_begin() has been called. Errors end the test.
#ifndef TAPEDECK_TESTS_TAPE_H
#define TAPEDECK_TESTS_TAPE_H

#include "schema/store.h"

#define TAPE_FLOWS 256

struct tape_flow {
    int64_t id, n, c2s, s2c;
};
struct tape {
    struct store *s;
    int64_t stream, now;
    uint64_t seq; // of the next record
    bool batch;
    int64_t original; // of the next transaction
    const char *outcome;
    struct tape_flow flows[TAPE_FLOWS];
    int flow_count;
};

void tape_open(struct tape *t, const char *path); // made or gone on with, the stream named "tape"
void tape_close(struct tape *t);
void tape_begin(struct tape *t);
void tape_commit(struct tape *t);

int64_t tape_flow(struct tape *t, const char *target); // its key
void tape_end(struct tape *t, int64_t flow);
void tape_tls(struct tape *t, int64_t flow, const char *sni, const char *mode);

// A request without content, and its answer. Returns its key.
int64_t tape_http(struct tape *t, int64_t flow, const char *method, const char *path, int status,
                  struct view body);
// The next one is linked so.
void tape_link(struct tape *t, int64_t original, const char *outcome);
// The same with all of it given; flow, n, times and the account are filled in where they are 0.
int64_t tape_txn(struct tape *t, int64_t flow, struct store_txn *txn);
// A piece of the flow's next transaction; the transaction follows.
void tape_part(struct tape *t, int64_t flow, bool s2c, int64_t at, struct view bytes);
// An answer of content in pieces of size bytes.
int64_t tape_large(struct tape *t, int64_t flow, const char *path, struct view content,
                   size_t size);
// A conversation, "c:…" and "s:…" in turn, NULL at the end.
int64_t tape_raw(struct tape *t, int64_t flow, const char *const *says);
void tape_loss(struct tape *t, int64_t flow, int64_t transactions, int64_t c2s, int64_t s2c);
void tape_txn_open(struct tape *t, int64_t flow, const char *path);
void tape_restart(struct tape *t);
void tape_stop(struct tape *t); // the stream ends in good order

// A bit of everything that the schema knows: about 60 transactions in 12 flows, one of them open.
void tape_everything(struct tape *t);

#endif
