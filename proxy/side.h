// side: one end of a flow: a socket, and the bytes for it that the socket would not take yet.
#ifndef TAPEDECK_PROXY_SIDE_H
#define TAPEDECK_PROXY_SIDE_H

#include "proto/base/buf.h"
#include "proxy/io.h"

#define SIDE_OUT_MAX (1024 * 1024) // bytes that may wait: one read, what was held, own words

struct side {
    struct io io; // first: an io's events find their side by it
    struct buf out;
    bool eof;    // its input has ended
    bool finish; // no output will follow: the end is told once out is empty
    bool shut;   // and was told
    bool broken; // it takes no more output; what it sent before can still be read
    bool is_server;
};

void side_init(struct side *s, bool is_server);
void side_clear(struct side *s); // closes the socket, frees the buffer; may be used again

// Bytes for this end: written at once as far as the socket takes them, the rest is kept. 0, an
// error of the socket (s is broken then), E_LIMIT or E_NOMEM.
int side_send(struct side *s, struct view bytes) MUST_CHECK;
// The socket takes bytes again. *moved: some went out. Errors as above.
int side_flush(struct side *s, bool *moved) MUST_CHECK;
// Nothing more will be sent: the peer reads the end of input behind what is still kept.
void side_finish(struct side *s);

#endif
