// table: every front, and which of them a "socks" listener's client speaks to, told by its first
// byte. A new front is a file in this folder and a line here.
#include "proxy/front/front.h"

#include <stddef.h>

const struct front_ops *const front_table[] = {
    &front_fixed, &front_http, &front_socks4, &front_socks5, NULL,
};

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
