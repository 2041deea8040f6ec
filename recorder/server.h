// server: the recorder put together: listener, connections, the batch that is being filled, and the
// writer's thread. Everything here runs in one thread, on one loop.
#ifndef TAPEDECK_RECORDER_SERVER_H
#define TAPEDECK_RECORDER_SERVER_H

#include "recorder/settings.h"

#define SERVER_CONNECTIONS_MAX 256

struct server;

// Opens the sink, listens, writes the ready file. NULL with why; *lasting: another start with the
// same settings would not fare better.
struct server *server_new(const struct recorder_settings *settings, bool *lasting,
                          char why[WHY_MAX]);
void server_free(struct server *s);

// Until SIGTERM or SIGINT; on SIGHUP on_hup is called. 0: all that was taken is stored and was
// acknowledged; E_…: something was not stored (it stays with its proxies).
int server_run(struct server *s, void (*on_hup)(void *arg), void *arg) MUST_CHECK;

// What may change while running.
void server_set_retain(struct server *s, const struct retain_conf *retain);

// Where it listens: "unix:PATH" or "ADDRESS:PORT".
const char *server_address(const struct server *s);

// Asks server_run() to end, as SIGTERM does; may be called from another thread.
void server_stop(struct server *s);

#endif
