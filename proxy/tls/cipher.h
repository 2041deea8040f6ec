// cipher: the IANA names of TLS cipher suites.
#ifndef TAPEDECK_PROXY_TLS_CIPHER_H
#define TAPEDECK_PROXY_TLS_CIPHER_H

#include <stdint.h>

#define CIPHER_NAME_MAX 47 // characters of the longest name

// Static; NULL for a suite that is not in our list.
const char *cipher_name(uint16_t id);

#endif
