// tls_ends: two engines back to back, without sockets: what one says to its peer is put to the
// other, in pieces of any size.
#ifndef TAPEDECK_TESTS_TLS_ENDS_H
#define TAPEDECK_TESTS_TLS_ENDS_H

#include "proto/base/buf.h"
#include "proxy/tls/context.h"

struct tls_end {
    struct tls_engine *e;
    struct buf got; // content
    int last;       // what its last get() answered
};

struct tls_ends {
    struct tls_end client, server;
    size_t piece; // bytes put at once; 0: all that are there
    // Called, when set, with every piece before it is put.
    void (*seen)(void *arg, bool from_client, struct view bytes);
    void *arg;
};

// Takes over the engines.
void tls_ends_init(struct tls_ends *t, struct tls_engine *client, struct tls_engine *server);
void tls_ends_clear(struct tls_ends *t);

// Puts bytes to one end and gets what comes of it.
void tls_ends_give(struct tls_end *to, struct view bytes);
// One piece in one direction: whether there was any. n: 0 as piece says.
bool tls_ends_step(struct tls_ends *t, bool from_client, size_t n);
// Until both have nothing to say.
void tls_ends_run(struct tls_ends *t);

#endif
