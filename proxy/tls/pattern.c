// pattern: host patterns, compared with hosts in one spelling.
#include "proxy/tls/pattern.h"

void host_plain(struct view host, char out[HOST_MAX + 1])
{
    struct addr a;
    char text[ADDR_TEXT];
    if (view_find(host, ':') < host.n && addr_parse(&a, host, 0) == 0)
        host = view_of(addr_host_text(&a, text));
    else if (host.n > 1 && host.p[host.n - 1] == '.')
        host.n--;
    host = view_head(host, HOST_MAX);
    for (size_t i = 0; i < host.n; i++)
        out[i] = view_lower(host.p[i]);
    out[host.n] = '\0';
}

int host_pattern_parse(struct host_pattern *p, struct view text)
{
    struct hostport checked;
    p->kind = PATTERN_ONE;
    p->host[0] = '\0';
    if (view_eq(text, VIEW_LIT("*"))) {
        p->kind = PATTERN_ANY;
        return 0;
    }
    if (view_starts(text, VIEW_LIT("*."))) {
        p->kind = PATTERN_BELOW;
        text = view_from(text, 2);
        if (view_find(text, ':') < text.n)
            return E_SYNTAX; // nothing is below an address
    }
    if (hostport_set_host(&checked, text))
        return E_SYNTAX;
    host_plain(view_of(checked.host), p->host);
    return 0;
}

bool host_pattern_fits(const struct host_pattern *p, const char *plain)
{
    size_t n = strlen(plain), tail = strlen(p->host);
    switch (p->kind) {
    case PATTERN_ANY:
        return true;
    case PATTERN_ONE:
        return strcmp(p->host, plain) == 0;
    default:
        return n > tail + 1 && plain[n - tail - 1] == '.' && strcmp(plain + n - tail, p->host) == 0;
    }
}
