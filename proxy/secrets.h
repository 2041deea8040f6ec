// secrets: what the TLS of a process is made of: our authority, those that are trusted, the
// workload's certificates, the pairs for servers that ask, the key log; and out of them what the
// flows of each worker need.
//
//   secrets_new()  as root: keys are read, files of our own are made for the user to come
//        ├─ secrets_worker() … secrets_worker_free()   contexts and leaves, one a worker
//        ├─ secrets_look(), secrets_apply()            files and rules that change; main thread
//   secrets_free() when all workers are gone
//
// 1. What workers share changes only behind locks of its own (tls/certs.h, tls/pass.h).
// 2. From before the first key is read this process leaves no core dump.
#ifndef TAPEDECK_PROXY_SECRETS_H
#define TAPEDECK_PROXY_SECRETS_H

#include "proxy/secure.h"
#include "proxy/settings.h"

struct secrets;

// *out NULL: no listener asks for TLS. owner: whom files belong to that are made here; 0: as they
// come. s outlives it. 0; or an error told in one line, with its option's name.
int secrets_new(struct secrets **out, const struct proxy_settings *s, uint32_t owner,
                char why[WHY_MAX]) MUST_CHECK;
void secrets_free(struct secrets *x); // NULL is fine

// Of a listener; x may be NULL.
enum secure_way secrets_way(const struct secrets *x, enum direction direction);

// Looks whether files of certificates have changed, and takes the new ones. What fails is logged
// once, and the old ones stay.
void secrets_look(struct secrets *x);
// What SIGHUP may change.
void secrets_apply(struct secrets *x, const struct proxy_settings *s);

// What the flows of one worker need. Before its thread runs, and after it has ended.
int secrets_worker(struct secrets *x, struct secure_env **out, char why[WHY_MAX]) MUST_CHECK;
void secrets_worker_free(struct secure_env *env); // NULL is fine

#endif
