// result: what a recording brought, in a few lines on stderr.
#ifndef TAPEDECK_TOOLS_RECORD_RESULT_H
#define TAPEDECK_TOOLS_RECORD_RESULT_H

#include <stdbool.h>
#include <stdint.h>

struct result {
    int64_t transactions, failed, hosts, flows, losses;
    int64_t tls;    // of the transactions: not decrypted
    int64_t silent; // connections without any
};

// Reads a capture that is no longer written. CLI_OK or CLI_FAILED, told.
int result_read(struct result *r, const char *capture);

// The lines; the hosts asked most are read from the capture.
void result_tell(const struct result *r, const char *capture);

#endif
