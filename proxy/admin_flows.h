// admin_flows: the live flows of all workers as JSON.
#ifndef TAPEDECK_PROXY_ADMIN_FLOWS_H
#define TAPEDECK_PROXY_ADMIN_FLOWS_H

#include "proxy/worker.h"

// {"total": N, "flows": [{"id", "listener", "front", "client", "server", "target", "state",
// "first_speaker", "c2s", "s2c", "buffered", "age_ms"} …], "passed": [{"host", "port", "cause",
// "until", "times"} …]}; flows has at most 10,000 of a worker; passed are the hosts that were
// learned not to be intercepted, and hold.
// Asks each worker and waits, at most 2 seconds. Memory of the caller's; NULL: no memory, or a
// worker did not answer.
char *admin_flows_json(struct worker *const *workers, size_t n);

#endif
