// trouble: see trouble_impl.h. The first error is the cause, and those behind it are what came of
// it; but errors of certificates may stand before libssl's verdict on them.
#include "proxy/tls/trouble_impl.h"

#include <openssl/err.h>
#include <openssl/pem.h>

struct trouble trouble_take(void)
{
    struct trouble t = {0};
    for (unsigned long e; (e = ERR_get_error()) != 0; t.last = e) {
        t.memory = t.memory || ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE;
        if (!t.first || (ERR_GET_LIB(t.first) != ERR_LIB_SSL && ERR_GET_LIB(e) == ERR_LIB_SSL))
            t.first = e;
    }
    t.at_end = ERR_GET_LIB(t.last) == ERR_LIB_PEM && ERR_GET_REASON(t.last) == PEM_R_NO_START_LINE;
    return t;
}

const char *trouble_text(unsigned long error)
{
    const char *text = error ? ERR_reason_error_string(error) : NULL;
    return text ? text : "it failed";
}
