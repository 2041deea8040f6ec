// pack_impl: what parts of a record take at most, for those who write one.
#ifndef TAPEDECK_PROXY_EMIT_PACK_IMPL_H
#define TAPEDECK_PROXY_EMIT_PACK_IMPL_H

#include "proxy/emit/pack.h"

// A number costs at most 10 bytes and its tag 2. A text costs its length in at most 4 bytes, and a
// tag.
#define NUMBER      12
#define LENGTH      6
#define ACCOUNT_MAX (LENGTH + 4 * NUMBER)

#endif
