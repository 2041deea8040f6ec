// front: how a client says where it wants to go. Bytes in, bytes out, no I/O, no clock.
//
//            FRONT               DIAL            RELAY
//   client → feed() … GO → flow dials → answer() → pass() for each piece of bytes, both ways
//              ↑                                        │ an exchange front (http) ends its
//              exchange └────────────────────────────────────────┘ and reads the next head
#ifndef TAPEDECK_PROXY_FRONT_H
#define TAPEDECK_PROXY_FRONT_H

#include "proto/base/addr.h"
#include "proto/base/buf.h"
#include "proto/base/err.h"
#include "proxy/emit/sink.h"

enum front_verdict {
    FRONT_MORE,   // not enough bytes yet
    FRONT_GO,     // out->target is known
    FRONT_REFUSE, // out->to_client holds the answer, if the protocol has one; then the flow ends
};

struct front_conf {
    bool fixed_target;      // reverse: always go to target, whatever the client names
    struct hostport target; // when fixed_target
    size_t head_max;        // bytes of a request head
};

// What to_client and to_server of front_out must be able to hold beyond head_max: an answer of our
// own, a Host line that a rewritten head gains.
#define FRONT_ROOM 2048

struct front_out {
    struct buf *to_client;  // appended to: the front's own words to the client
    struct buf *to_server;  // appended to: bytes that open the exchange upstream (a rewritten head)
    struct hostport target; // with FRONT_GO: where to dial
    bool tunnel; // with FRONT_GO: everything behind it passes, both ways; pass() is not called
    char requested[HOSTPORT_TEXT]; // what the client named, "" if nothing
    bool refusal_recorded; // with FRONT_REFUSE: to_server holds the refused request's bytes for the
                           // capture
    // With FRONT_REFUSE: static word for log and capture. http: "ambiguous-framing", "bad-head",
    // "head-too-large", "bad-target", "http-version", "not-http", "tls-to-http", "socks-to-http".
    // socks: "bad-socks", "socks-method", "socks-command", "socks-address-type", "bad-target".
    // All: "out-of-memory".
    const char *reason;
};

enum front_pass {
    PASS_MORE,   // the first *n bytes belong to this exchange; it goes on
    PASS_DONE,   // and with these *n bytes it is over in both directions: the flow returns to FRONT
    PASS_TUNNEL, // all bytes from here on, both ways, are relayed blindly: pass() is not called
                 // again
    PASS_CLOSE,  // with these *n bytes the exchange is over and the connections must close
    PASS_BAD, // behind *n bytes the framing is broken: answer(E_DAMAGED) is asked what the client
              // is told (nothing, once an answer has begun), then the flow ends ("bad-framing")
};

struct front_ops {
    const char *name; // "fixed", "http", "socks4", "socks5"
    size_t size;      // of the state, zeroed by the flow before init
    void (*init)(void *front, const struct front_conf *conf); // conf outlives the state
    // C2S bytes. *used of them are consumed; the rest is offered again with more behind it, or
    // relayed after GO. A front that needs no bytes (fixed) answers GO to an empty view; so feed()
    // is called once at accept. out->to_client may be written to with FRONT_MORE as well (the
    // SOCKS5 method choice).
    enum front_verdict (*feed)(void *front, struct view in, size_t *used, struct front_out *out);
    // Once after each FRONT_GO: the dial ended, or was not needed (a connection is reused): error
    // 0, or E_NOTFOUND (no such host), E_REFUSED, E_UNREACHABLE, E_TIMEOUT, E_LOOP, E_…; bound is
    // our end towards the server, or NULL. And once more when the exchange fails later: E_DAMAGED
    // after PASS_BAD, E_TIMEOUT when the server or the rest of the request is silent for too long,
    // E_EOF or E_RESET when the server ended early.
    // Appends what the client is to be told, which may be nothing; detail ("" or NULL) is for its
    // text. The flow closes after an error. 0, E_NOMEM or E_LIMIT: it could not be written whole;
    // the flow ends.
    int (*answer)(void *front, int error, const struct addr *bound, const char *detail,
                  struct buf *to_client);
    // NULL: everything passes, in both directions. in is never empty. 0 <= *n <= in.n. What is left
    // over with PASS_MORE is offered again with more behind it: C2S, the rest belongs to a later
    // exchange (feed() gets it after PASS_DONE); S2C, the rest is a head that is not whole yet,
    // less than head_max bytes. S2C bytes that come while no exchange is open are answered
    // PASS_CLOSE.
    enum front_pass (*pass)(void *front, enum dir dir, struct view in, size_t *n);
    // The server's side ended while in RELAY, and all it sent was offered to pass(): true when that
    // ends the exchange in order (body until close, or the answer was complete).
    bool (*server_end)(void *front);
    void (*clear)(void *front);
};

extern const struct front_ops front_fixed, front_http, front_socks4, front_socks5;

extern const struct front_ops *const front_table[]; // NULL at the end

// "socks" listeners: by the first byte. NULL when it is neither 4 nor 5.
const struct front_ops *front_by_first_byte(unsigned char first);

#endif
