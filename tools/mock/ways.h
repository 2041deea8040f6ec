// ways: how clients reached the proxy that recorded, as options of a proxy.
#ifndef TAPEDECK_TOOLS_MOCK_WAYS_H
#define TAPEDECK_TOOLS_MOCK_WAYS_H

#include <stdbool.h>
#include <stddef.h>

struct ways {
    const char *type, *protocol; // values of proxy-type and proxy-protocol; NULL: they do not agree
    bool tls;                    // TLS was intercepted
    char fronts[128];            // "inbound tcp, outbound http", for messages
    char maps[256];              // "db.example:5432, …": what --map led to; "": nothing
};

// Of all flows of the captures, but for those of --map, which any type may have. Errors are told:
// CLI_OK or CLI_FAILED.
int ways_of(struct ways *s, const char *const *captures, size_t n);

#endif
