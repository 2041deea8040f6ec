// load: transactions of a capture by their ids: as halves that can be compared, and with all that
// it takes to play them again. Contents stay in the file until they are asked for.
#ifndef TAPEDECK_TOOLS_LOAD_H
#define TAPEDECK_TOOLS_LOAD_H

#include "proto/base/buf.h"
#include "tools/capture.h"
#include "tools/chunks.h"
#include "tools/compare/compare.h"

#define LOAD_BODY_MAX (64u << 20) // bytes of a content that is compared by value

// The outcome of what a replay sent once more, on another connection: without an answer, it says
// nothing of the target.
#define LOAD_SENT_AGAIN "sent again"

struct load_file;

// The files of a capture, each opened when it is first asked for, with its queries prepared once.
// For one thread at a time.
struct load {
    const struct capture *capture;
    struct load_file *files;
    uint64_t max_decoded;
    struct buf bodies[2]; // of the transaction at hand: request, answer
};

// A transaction. Texts and halves are loans until the next one of the same load. Arrays: request,
// answer.
struct load_row {
    int64_t id, flow, n; // n: in the flow, from 0
    struct view protocol, version, method, scheme, host, path, query;
    struct view note, redacted; // redacted: what redaction replaced, comma-separated
    bool by_proxy;              // the answer is the proxy's own
    int64_t start_us, req_end_us, res_start_us, end_us; // 0 where that half is absent
    struct view interim;                    // heads of 1xx answers, one behind the other
    struct view rhythm[2];                  // as in record.proto
    struct view codings[2], digests[2];     // codings: empty without content
    int64_t sizes[2], stored[2], bodies[2]; // bodies: body.id; 0: no content
    int64_t original;                       // that it was played from; 0: none
    struct view outcome;
    struct compare_half half[2];
    struct load_file *file;
};

// A connection. Texts are loans until the next one of the same load; empty where unknown.
struct load_flow {
    bool inbound;
    bool secured; // by TLS that was opened: its content is what was recorded
    bool ended;   // in this file
    struct view front, client, requested, target, server;
    struct view sni, alpn;           // of the first handshake; alpn: what was agreed on
    int64_t at_us, dial_us, end_us;  // end_us: 0 unless ended
    int64_t relayed[2];              // wire bytes, request and answer
    struct view reason;              // of its end
    bool client_first, server_first; // who spoke first, where it ended
};

// Errors are told: CLI_OK, CLI_FAILED. capture outlives it. To be cleared in any case.
int load_init(struct load *l, const struct capture *capture, uint64_t max_decoded) MUST_CHECK;
void load_clear(struct load *l);

// Reads the row, with its heads, without its contents: they are not whole. What cannot be read is
// told with cli_damage(): false.
bool load_row(struct load *l, size_t file, int64_t id, struct load_row *out) MUST_CHECK;
// The same of the transaction that follows number n of the flow; false also where none does, which
// is not told.
bool load_behind(struct load *l, size_t file, int64_t flow, int64_t n,
                 struct load_row *out) MUST_CHECK;
// The same of a flow.
bool load_flow(struct load *l, size_t file, int64_t id, struct load_flow *out) MUST_CHECK;

// The content of a half, decoded where it can be. What cannot be read or is too large stays not
// whole; so does what was kept in part, of which the beginning is given where no digest is known.
void load_content(struct load *l, struct load_row *row, int s2c);

// The content of a half as it was on the wire, piece by piece, for as long as the load lives.
// false: it cannot be read, which was told. *out NULL: there is none.
bool load_reader(const struct load_row *row, int s2c, struct store_reader **out) MUST_CHECK;
// The pieces of a conversation. NULL: out of memory, which was told.
struct chunks *load_chunks(const struct load_row *row);
// Why a reader of the row failed.
const char *load_why(const struct load_row *row);

#endif
