// speak: a recorded half of a transaction (a request, or an answer) as the bytes of the wire. A
// decoder that hears them tells what was recorded: decode(speak(x)) = x.
//
//   speak_begin ──────────→ speak_piece … ──→ speak_finish
//   interim answers, head   content           what ends the half, and how the connection goes on
//
// It does no I/O, reads no clock and takes no memory. Content comes piece by piece and is lent on,
// never held or copied; when a piece goes is the caller's business.
//
// What a capture does not keep cannot be said again: how a body was cut into chunks (each piece is
// a chunk), extensions of chunks, empty lines before a request, bytes of a framing that broke.
#ifndef TAPEDECK_TOOLS_SPEAK_H
#define TAPEDECK_TOOLS_SPEAK_H

#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proto/base/options.h"

#define SPEAK_SIZE_UNKNOWN UINT64_MAX
#define SPEAK_VIEWS        3
#define SPEAK_STATE        64 // bytes of a protocol's own state

// What to say. Views are loans until speak_finish(). What does not apply is empty.
struct speak_half {
    bool s2c;              // an answer
    bool rewritten;        // the heads are not the recorded ones: an ambiguous one is refused
    bool cut;              // the recording ended within it (bit of txn.cut)
    struct view interim;   // of an answer: 1xx heads before it, one behind the other
    struct view head;      // exact bytes with the empty line
    struct view trailers;  // exact bytes of the section, without its empty line
    struct view method;    // of an answer: that of the request it goes to; decides about content
    uint64_t size, stored; // bytes of the content, and of them those that the caller will bring
};

// Bytes to send, one view behind the other. A loan: what is not the caller's own is valid until the
// next speak_piece() or speak_begin() of the speaker, so that a begin, one piece and the finish can
// go out together.
struct speak_out {
    struct view v[SPEAK_VIEWS]; // none is empty
    size_t n;
};

// How the connection goes on behind a half, in its direction.
enum speak_then {
    SPEAK_NEXT,   // another half may follow
    SPEAK_AWAIT,  // a request that may end the protocol (CONNECT, Upgrade): what follows depends on
                  // its answer
    SPEAK_SWITCH, // an answer that ends the protocol, in both directions: what follows are other
                  // transactions, of another protocol
    SPEAK_CLOSE,  // the end of the direction belongs to the half: nothing follows
    SPEAK_CUT,    // it is not whole, and nothing of this protocol can follow: either the bytes of
                  // the flow's next transaction do (the decoder gave up within this one: its note
                  // says why), or the connection is to be closed
};

// One half at a time. It owns nothing: it may be forgotten at any time.
struct speaker {
    const struct speak_ops *ops;
    struct speak_half half;
    uint64_t came; // bytes of the content so far
    uint64_t due;  // bytes that must come; SPEAK_SIZE_UNKNOWN: as many as do
    uint64_t most; // bytes that may come
    uint64_t state[SPEAK_STATE / 8];
};

// A protocol, one const literal a file; called by the functions below alone, which count the
// content. Later protocols are a file here and a line in table.c.
struct speak_ops {
    const char *protocol; // as in txn.protocol
    // s->half is set, due and most are its size; begin may narrow them where that is unknown or the
    // half was cut. out is empty.
    int (*begin)(struct speaker *s, struct speak_out *out, char why[WHY_MAX]);
    // content is not empty.
    void (*piece)(struct speaker *s, struct view content, struct speak_out *out);
    // All that was due has come.
    enum speak_then (*finish)(struct speaker *s, struct speak_out *out);
};

extern const struct speak_ops speaker_http1, speaker_raw;

// NULL: a protocol that cannot be spoken.
const struct speak_ops *speak_for(struct view protocol);

// Begins a half; s needs no preparation. After an error there is nothing to send, and why has one
// line:
// E_NOTFOUND: not all of the content was kept. A caller that has a filler says stored = size, and
//   brings as many bytes.
// E_RANGE: head and size contradict each other (a length that is another, content where there can
//   be none). So it is where redaction changed the content: that needs another head.
// E_SYNTAX: the head or the trailers are none, or the head is rewritten and ambiguous (RFC 9112,
//   section 6); where that was recorded the content is said as it passed, without any framing.
// E_UNSUPPORTED: trailers where the framing has no place for them.
// An answer without a head, but with interim ones, is these alone: so they can go before the rest.
// With size SPEAK_SIZE_UNKNOWN (content that is rewritten under way) stored means nothing, and a
// length that the head says is checked as the content comes.
int speak_begin(struct speaker *s, const struct speak_ops *ops, const struct speak_half *half,
                struct speak_out *out, char why[WHY_MAX]) MUST_CHECK;

// The next bytes of the content; none are no piece. E_RANGE: more than there can be; nothing is to
// be sent, and s is as before.
int speak_piece(struct speaker *s, struct view content, struct speak_out *out,
                char why[WHY_MAX]) MUST_CHECK;

// E_NOTFOUND: less came than was due (content that cannot be read, or is gone): the half ends here
// without what says that it is whole, and *then is SPEAK_CUT.
int speak_finish(struct speaker *s, struct speak_out *out, enum speak_then *then,
                 char why[WHY_MAX]) MUST_CHECK;

// Bytes in all.
size_t speak_size(const struct speak_out *out);

// Appends all or nothing: 0, E_LIMIT, E_NOMEM.
int speak_add(struct buf *b, const struct speak_out *out) MUST_CHECK;

#endif
