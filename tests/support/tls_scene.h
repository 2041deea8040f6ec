// tls_scene: who meets whom in a test of TLS: a client and a server that get on, unless the test
// changes something of it between tls_scene_init() and tls_scene_meet().
#ifndef TAPEDECK_TESTS_TLS_SCENE_H
#define TAPEDECK_TESTS_TLS_SCENE_H

#include "tests/support/tls_ends.h"
#include "tests/support/tls_make.h"

struct tls_scene {
    struct tls_pair *ca, *leaf; // leaf: a.example, *.b.example, 127.0.0.1, of the ca
    struct tls_trust *trust;    // of the ca
    unsigned char ticket_key[TLS_TICKET_KEY];

    struct tls_connect_conf connect; // strict, by trust
    struct tls_accept_conf accept;   // with tickets
    struct tls_connect to;           // a.example
    struct tls_accept from;          // leaf; scope "one"

    struct tls_context *client, *server; // made by the first meeting
};

void tls_scene_init(struct tls_scene *s);
void tls_scene_clear(struct tls_scene *s);
void tls_scene_versions(struct tls_scene *s, int version); // no other; before the first meeting
const char *tls_scene_sni(const struct tls_engine *e);     // the name asked for, "" none
// Makes the contexts if there are none, and two engines of them. Ends the test on errors.
void tls_scene_open(struct tls_scene *s);
void tls_scene_meet(struct tls_scene *s, struct tls_ends *t);

#endif
