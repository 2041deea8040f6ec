// result: what a recording brought, in a few lines on stderr.
#ifndef TAPEDECK_TOOLS_RECORD_RESULT_H
#define TAPEDECK_TOOLS_RECORD_RESULT_H

#include <stddef.h>
#include <stdint.h>

// How often a name comes; each once, the most frequent first.
struct result_list {
    struct result_name {
        char *text;
        int64_t count;
    } * all;
    size_t n, room;
};

struct result {
    size_t files;
    int64_t flows, inbound; // one that goes on in a later file counts in both
    int64_t transactions, failed, losses;
    int64_t deaths;                    // streams that never said their end: a proxy died
    int64_t tls;                       // of the transactions: not decrypted
    int64_t refused;                   // handshakes that ended at our certificate
    int64_t silent;                    // connections without any
    struct result_list hosts, reasons; // of the transactions; of those without any
};

// Reads all files of a capture that is no longer written. CLI_OK or CLI_FAILED, told; in any case
// result_clear().
int result_read(struct result *r, const char *capture);
void result_clear(struct result *r);

// The lines; and those of them that tell what is lost.
void result_tell(const struct result *r, const char *capture);
void result_tell_lost(const struct result *r, const char *capture);

#endif
