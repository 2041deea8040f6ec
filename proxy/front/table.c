// table: which front a "socks" listener's client speaks to, told by its first byte.
#include "proxy/front/front.h"

#include <stddef.h>

const struct front_ops *front_by_first_byte(unsigned char first)
{
    switch (first) {
    case 4:
        return &front_socks4;
    case 5:
        return &front_socks5;
    default:
        return NULL;
    }
}
