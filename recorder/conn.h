// conn: one proxy's connection: a socket, its session, and when to read.
//
//   readable ─▶ recvmsg: first what the frame at hand lacks, then scratch ─▶ session ─▶ host
//
// 1. Reading stops while the session has no use for bytes (the host has no room, the welcome is
//    awaited); what is kept meanwhile is at most one frame and one read.
// 2. A dead conn is told to its owner once and freed by it, never in a callback of its own.
#ifndef TAPEDECK_RECORDER_CONN_H
#define TAPEDECK_RECORDER_CONN_H

#include "recorder/session.h"

#define CONN_READ      (256u << 10) // bytes of one read beyond the frame at hand
#define CONN_HELLO_S   10           // within which a connection says hello
#define CONN_GOODBYE_S 2            // within which a refused one goes away

struct event_base;
struct conn;

// What all connections share; outlives them.
struct conn_env {
    struct event_base *base;
    const struct session_host *host; // called with the conn as arg
    struct unpack *unpack;
    char *scratch; // CONN_READ bytes
    void (*died)(void *arg, struct conn *c);
    void *arg;
};

// Takes fd over, also when it fails: NULL, out of memory.
struct conn *conn_new(const struct conn_env *env, int fd, uint64_t id);
void conn_free(struct conn *c); // says its one line in the log

uint64_t conn_id(const struct conn *c);
void *conn_owner(const struct conn *c); // env->arg
bool conn_is_dead(const struct conn *c);
// The peer has hung up, though its last bytes may not be read yet.
bool conn_is_gone(const struct conn *c);
struct session *conn_session(struct conn *c);

// Ends it; reason is static.
void conn_kill(struct conn *c, const char *reason);
// Does not read until conn_resume(), which offers the session what has waited.
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
// Sends what the session has to say.
void conn_flush(struct conn *c);

#endif
