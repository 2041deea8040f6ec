// keylog: the secrets of connections, for Wireshark and the like (NSS key log format). Off unless
// asked for. One file a process, 0600, lines written whole by any thread.
#ifndef TAPEDECK_PROXY_TLS_KEYLOG_H
#define TAPEDECK_PROXY_TLS_KEYLOG_H

#include "proto/base/err.h"
#include "proto/base/options.h"

struct tls_keylog;

// Appends to path; makes it when it is not there. E_… with why; E_REFUSED: others can read it.
int tls_keylog_open(struct tls_keylog **out, const char *path, char why[WHY_MAX]) MUST_CHECK;
// Lost, which is logged, when the disk is full or it has more than 1024 bytes.
void tls_keylog_line(struct tls_keylog *k, const char *line);
void tls_keylog_close(struct tls_keylog *k); // NULL is fine

#endif
