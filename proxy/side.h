// side: one end of a flow: a socket, perhaps a TLS engine over it, and the bytes for it that the
// socket would not take yet.
//
//   content ──say──▶ engine ──▶ out ──▶ socket        without an engine content goes straight
//   content ◀──get── engine ◀────────── socket
#ifndef TAPEDECK_PROXY_SIDE_H
#define TAPEDECK_PROXY_SIDE_H

#include "proto/base/buf.h"
#include "proxy/io.h"
#include "proxy/tls/engine.h"

#define SIDE_OUT_MAX (1024 * 1024) // bytes that may wait: one read, what was held, own words

struct side {
    struct io io;           // first: an io's events find their side by it
    struct buf out;         // as the socket takes it
    size_t *kept;           // a sum of many sides' out, kept up to date
    struct tls_engine *tls; // NULL: plain
    bool eof;               // its input has ended
    bool finish;            // no output will follow: the end is told once out is empty
    bool shut;              // and was told
    bool broken;            // it takes no more output; what it sent before can still be read
    bool is_server;
    bool truncated; // its input ended without TLS's own end
};

void side_init(struct side *s, bool is_server, size_t *kept);
// Closes the socket, frees the engine and the buffer; may be used again.
void side_clear(struct side *s);

// Content that came. At most n bytes are taken from the socket; p and room have size bytes, and
// size is at least 64 KiB with an engine, without which room is not used. 0: *got > 0; E_AGAIN:
// nothing yet, also when only the handshake went on; E_EOF: its end, see truncated; E_DAMAGED: the
// engine failed; else an error of the socket.
int side_read(struct side *s, void *p, size_t size, size_t n, void *room, size_t *got) MUST_CHECK;
// Whether its content has ended although the socket has nothing to tell: side_read() does.
bool side_has_ended(const struct side *s);
// Puts an engine over the socket, which s owns from then on. first: bytes that came before, or
// none; what they bring is told as by side_read().
int side_secure(struct side *s, struct tls_engine *tls, struct view first, void *p, size_t n,
                size_t *got) MUST_CHECK;

// Bytes for this end: written at once as far as the socket takes them, the rest is kept. 0, an
// error of the socket (s is broken then), E_LIMIT or E_NOMEM.
int side_send(struct side *s, struct view bytes) MUST_CHECK;
// The socket takes bytes again. *moved: some went out. Errors as above.
int side_flush(struct side *s, bool *moved) MUST_CHECK;
// It is about to be closed between two exchanges: the peer hears TLS's own end, as far as its
// socket takes it at once.
void side_part(struct side *s);
// Bytes that are still to go to the socket, in out or in the engine; those go no more when the peer
// has ended.
static inline size_t side_waits(const struct side *s)
{
    return buf_len(&s->out) + (s->tls && !s->eof && !s->broken ? tls_engine_waits(s->tls) : 0);
}

// Nothing more will be sent: the peer reads the end of input behind what is still kept. truncated:
// without TLS's own end, as the other side ended.
void side_finish(struct side *s, bool truncated);

#endif
