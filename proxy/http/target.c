// target: the scheme of an absolute one.
#include "proxy/http/target.h"

size_t http_scheme_run(struct view target)
{
    size_t n = 0;
    for (; n < target.n; n++) {
        char c = view_lower(target.p[n]);
        bool letter = c >= 'a' && c <= 'z';
        bool later = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (!letter && (n == 0 || !later))
            break;
    }
    return view_starts(view_from(target, n), VIEW_LIT("://")) ? n : 0;
}
