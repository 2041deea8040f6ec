// socks_named: the target that a SOCKS request names, and where that leads.
#include "proxy/front/socks_named.h"

#include <arpa/inet.h>

int socks_named_addr(struct hostport *hp, struct view bytes)
{
    // In place of a host name's 255 bytes there is room for any address.
    const char *text =
        inet_ntop(bytes.n == 4 ? AF_INET : AF_INET6, bytes.p, hp->host, sizeof hp->host);
    return text ? 0 : E_SYNTAX;
}

int socks_named_host(struct hostport *hp, struct view name)
{
    return hostport_set_host(hp, name);
}

int socks_named_port(struct hostport *hp, const char port[2])
{
    hp->port = (uint16_t)((unsigned char)port[0] << 8 | (unsigned char)port[1]);
    return hp->port ? 0 : E_RANGE;
}

enum front_verdict socks_named_go(const struct front_conf *conf, const struct hostport *named,
                                  struct front_out *out)
{
    hostport_text(named, out->requested);
    out->target = conf->fixed_target ? conf->target : *named;
    out->tunnel = true;
    out->refusal_recorded = false;
    out->reason = NULL;
    return FRONT_GO;
}

enum front_verdict socks_named_refuse(struct front_out *out, const char *reason)
{
    out->requested[0] = 0;
    out->tunnel = out->refusal_recorded = false;
    out->reason = reason;
    return FRONT_REFUSE;
}
