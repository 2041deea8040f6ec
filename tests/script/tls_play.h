// tls_play: the TLS of a script: what the flow needs for it, and engines in the script's own ends.
//
// Authorities: "ours", which intercepts; "scene", which the proxy trusts, and in whose name servers
// and the workload speak; "other", which nobody knows. What is made here is never made to fail.
#ifndef TAPEDECK_TESTS_TLS_PLAY_H
#define TAPEDECK_TESTS_TLS_PLAY_H

#include "proto/base/view.h"
#include "proxy/tls/engine.h"

void tls_play_memory(void); // OpenSSL's comes from where ours does; first of all
// Whether an allocation of OpenSSL's may be made to fail as well.
void tls_play_all_memory(bool all);

// "intercept|terminate …": the listener's, and the environment's.
void tls_play_begin(const char *rest);
// That end speaks TLS from now on, as rest says.
void tls_play_peer(bool is_server, int fd, const char *rest);
// NULL: it speaks plainly.
struct tls_engine *tls_play_engine(int fd);
struct view tls_play_heard(int fd); // content
void tls_play_drop(int fd, size_t n);
void tls_play_say(int fd, struct view content);
void tls_play_end(int fd);
bool tls_play_turn(void); // whether bytes moved between the engines and their sockets
// "name=value …" of the connection as this end has it, in static memory.
const char *tls_play_facts(int fd);
// The performance is over: its engines are freed; what the flow needed, when all flows are gone.
void tls_play_close(void);
void tls_play_clear(void);

#endif
