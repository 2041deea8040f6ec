// target: where the requests of each recorded service go now.
//
//   --target http://new:8080          all of them
//   --target api=http://new:8080      those that went to api, whatever its port; api:80, or as
//                                     clients named it, or as TLS did
//
// A URL is [http[s]://][HOST][:PORT][/PATH]; what it leaves out stays as it was recorded. A scheme
// without a port means the port of the scheme. PATH goes before the path of every request.
#ifndef TAPEDECK_TOOLS_REPLAY_TARGET_H
#define TAPEDECK_TOOLS_REPLAY_TARGET_H

#include "proto/base/addr.h"
#include "proto/base/options.h"
#include "tools/replay/plan.h"

#define TARGET_ADDRESSES  16 // of a name
#define TARGET_PREFIX_MAX 1024

struct target {
    bool given; // a --target is for it; the rest says nothing otherwise
    bool secure;
    struct hostport at;
    char host[HOSTPORT_TEXT]; // as Host has it: without the port of the scheme
    char prefix[TARGET_PREFIX_MAX];
    struct addr addrs[TARGET_ADDRESSES]; // the first one is dialled
    size_t n;
};

struct targets {
    struct target *items; // by service of the plan
    size_t n;
};

// urls: the values of --target. Errors are told: CLI_OK, or CLI_FAILED: not a URL, no such service,
// no such host. To be cleared in any case.
int targets_make(struct targets *t, const struct plan *p, const char *const *urls,
                 size_t n) MUST_CHECK;
void targets_clear(struct targets *t);

// Whether anybody listens there: connects to each once and closes that, within about timeout_us;
// the first address that answers becomes addrs[0]. CLI_FAILED where nothing can be reached, with a
// line; where some cannot be, a line each and CLI_OK.
int targets_probe(struct targets *t, int64_t timeout_us) MUST_CHECK;

#endif
