// sample: captures for tests of what reads them, made through the store's own writer: every kind of
// transaction that people meet, with a ledger that adds up.
#ifndef TAPEDECK_TESTS_SAMPLE_H
#define TAPEDECK_TESTS_SAMPLE_H

#include "schema/store.h"
#include "tests/support/tmp.h"

#define SAMPLE_START 1767258000000000LL // 2026-01-01T09:00:00Z, when the first flow is accepted

// What is told of one message of an HTTP transaction; {NULL, 0}: not there.
struct sample_message {
    struct view head, body, trailers, interim;
    int64_t size;  // of the content, when it is more than was kept
    int64_t parts; // 0: the body travels in the transaction; else in so many parts
    int end;       // MessageEnd; 0: complete, or absent without a head
    int64_t us;    // from its first byte to its last
};
struct sample_txn {
    const char *method, *scheme, *host, *path, *query, *version, *note, *redacted;
    int64_t status, wait_us; // wait_us: from the request to the answer
    int64_t original;        // it was played from, outcome too
    const char *outcome;
    bool by_proxy;
    struct sample_message req, res;
};

struct sample {
    char dir[TMP_PATH], path[TMP_PATH];
    struct store *store;
    int64_t stream, now_us;
    uint64_t seq;
    // of the flow at hand:
    int64_t flow, n;
    struct store_account sums;
};

// A new capture DIR/name in a new temporary directory, within a batch. Aborts on errors, like all
// below.
void sample_begin(struct sample *s, const char *name);
// Another stream of records to go on with; its number in the capture.
int64_t sample_stream(struct sample *s, int number);

// A flow to go on with: inbound through front "fixed", or outbound through "http".
void sample_flow(struct sample *s, bool inbound);
void sample_flow_end(struct sample *s);
// A transaction in it: its id.
int64_t sample_http(struct sample *s, const struct sample_txn *t);
// A conversation: texts in turn from the client and the server, NULL at the end.
int64_t sample_raw(struct sample *s, const char *const *texts);
// The beginning of a long transaction.
int64_t sample_open(struct sample *s, const char *path);
// n transactions of 200 bytes each: GET /items/i, every 10th answered 404, every 100th 500.
void sample_many(struct sample *s, int n);

void sample_commit(struct sample *s); // and begins a new batch
void sample_rotate(struct sample *s);
// A capture of two files, closed: the sealed one has n transactions of sample_many(), the live one
// later ones.
void sample_sealed(struct sample *s, int n, int later);
// Commits and closes the store; the files stay.
void sample_close(struct sample *s);
// The same, and the stream says its end: all its flows must have ended.
void sample_finish(struct sample *s);
// Removes the directory.
void sample_remove(struct sample *s);

// The standard capture, and the ids of its transactions.
enum sample_kind {
    SAMPLE_GZIP,     // GET /users?page=2&q=a%20b → 200, JSON, gzip
    SAMPLE_FORM,     // POST a form → 302 with cookies
    SAMPLE_PNG,      // a binary answer
    SAMPLE_UPLOAD,   // a binary request
    SAMPLE_ERROR,    // 500, slow
    SAMPLE_SILENT,   // never answered
    SAMPLE_PROXY,    // 502 by the proxy itself
    SAMPLE_LARGE,    // a text answer of SAMPLE_LARGE_SIZE bytes in parts
    SAMPLE_REDACTED, // Authorization and Cookie redacted
    SAMPLE_CHUNKED,  // 100-continue, chunked with a trailer both ways
    SAMPLE_CAPPED,   // 1000 of 5000 bytes of the answer kept
    SAMPLE_BROTLI,   // content coding br
    SAMPLE_ZSTD,     // content coding zstd
    SAMPLE_EVIL,     // control characters, quotes, Latin-1 in path and fields
    SAMPLE_HEAD,     // HEAD, with the length of what GET would give
    SAMPLE_BAD_GZIP, // says gzip and is not
    SAMPLE_CUT,      // an answer cut off
    SAMPLE_CONNECT,  // CONNECT, answered 200; TLS follows in the flow
    SAMPLE_RAW,      // a conversation: text and binary pieces both ways
    SAMPLE_TXNS
};
#define SAMPLE_LARGE_SIZE (3 * 1024 * 1024 + 100)
extern const char sample_json[];   // what SAMPLE_GZIP becomes
extern const char sample_brotli[]; // SAMPLE_BROTLI
extern const char sample_zstd[];   // SAMPLE_ZSTD
extern const unsigned char sample_png[];
extern const size_t sample_png_size;

// Begins, fills and closes it as DIR/capture.db; one transaction stays open (GET /stream).
void sample_standard(struct sample *s, int64_t ids[SAMPLE_TXNS]);

#endif
