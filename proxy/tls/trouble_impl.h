// trouble_impl: what OpenSSL's calls failed of, out of the thread's queue of errors.
#ifndef TAPEDECK_PROXY_TLS_TROUBLE_IMPL_H
#define TAPEDECK_PROXY_TLS_TROUBLE_IMPL_H

#include <stdbool.h>

struct trouble {
    unsigned long first; // the first error of libssl, else the first of all; 0: none was queued
    unsigned long last;  // 0: none was queued, perhaps for want of memory for that
    bool memory;         // want of memory is among them
    bool at_end;         // the last one is that there was nothing more in a PEM file
};

// The queue is empty afterwards.
struct trouble trouble_take(void);
// The words for one of them, never NULL; static memory.
const char *trouble_text(unsigned long error);

#endif
