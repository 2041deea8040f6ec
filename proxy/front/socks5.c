// socks5: SOCKS 5 (RFC 1928), CONNECT only, without authentication.
//
//   GREETING  client: 05 n method(n)                    we: 05 method, or 05 FF
//   PASSWORD  client: 01 n user(n) n password(n)        we: 01 00             (RFC 1929)
//   REQUEST   client: 05 command 00 type address port   we, when the dial is over:
//                                                           05 reply 00 type address port
//
// 1. Each message is taken whole, so a client may send all of them, and its data, without waiting.
// 2. A client that offers nothing but a password is let in by any; it is passed over and never
// kept.
#include "proxy/front/socks_named.h"

enum { VERSION = 5, PASSWORD_VERSION = 1, CONNECT = 1 };
enum { NO_AUTHENTICATION = 0, BY_PASSWORD = 2, NO_METHOD = 0xff };
enum { ADDR_V4 = 1, ADDR_NAME = 3, ADDR_V6 = 4 };
enum {
    SUCCEEDED = 0,
    FAILED = 1,
    NOT_ALLOWED = 2,
    NET_UNREACHABLE = 3,
    HOST_UNREACHABLE = 4,
    REFUSED = 5,
    TTL_EXPIRED = 6,
    BAD_COMMAND = 7,
    BAD_ADDR_TYPE = 8,
};

struct socks5 {
    const struct front_conf *conf;
    enum { GREETING, PASSWORD, REQUEST } step;
    bool answered;
};

static void socks5_init(void *front, const struct front_conf *conf)
{
    struct socks5 *f = front;
    f->conf = conf;
}

static int say_two(struct buf *to_client, unsigned version, unsigned code)
{
    unsigned char reply[2] = {(unsigned char)version, (unsigned char)code};
    return buf_add(to_client, reply, sizeof reply);
}

static int say_reply(struct buf *to_client, unsigned code, const struct addr *bound)
{
    unsigned char reply[22] = {VERSION, (unsigned char)code, 0, ADDR_V4};
    if (bound && bound->sa.sa_family == AF_INET6) {
        reply[3] = ADDR_V6;
        memcpy(reply + 4, &bound->in6.sin6_addr, 16);
        memcpy(reply + 20, &bound->in6.sin6_port, 2);
        return buf_add(to_client, reply, 22);
    }
    if (bound && bound->sa.sa_family == AF_INET) {
        memcpy(reply + 4, &bound->in4.sin_addr, 4);
        memcpy(reply + 8, &bound->in4.sin_port, 2);
    }
    return buf_add(to_client, reply, 10);
}

// Ends in FRONT_REFUSE; written: how the last words to the client went.
static enum front_verdict refused(struct front_out *out, int written, const char *reason)
{
    return socks_named_refuse(out, written ? "out-of-memory" : reason);
}

// The steps: FRONT_MORE with *size 0: the message is not whole; with its size: the next one
// follows.

static enum front_verdict greeting(struct socks5 *f, struct view in, size_t *size,
                                   struct front_out *out)
{
    if (in.p[0] != VERSION)
        return socks_named_refuse(out, "bad-socks");
    if (in.n < 2 || in.n < 2 + (size_t)(unsigned char)in.p[1])
        return FRONT_MORE;
    struct view methods = view_n(in.p + 2, (unsigned char)in.p[1]);
    *size = 2 + methods.n;
    f->step = REQUEST;
    if (view_find(methods, NO_AUTHENTICATION) < methods.n) {
        if (say_two(out->to_client, VERSION, NO_AUTHENTICATION))
            return socks_named_refuse(out, "out-of-memory");
        return FRONT_MORE;
    }
    f->step = PASSWORD;
    if (view_find(methods, BY_PASSWORD) == methods.n)
        return refused(out, say_two(out->to_client, VERSION, NO_METHOD), "socks-method");
    if (say_two(out->to_client, VERSION, BY_PASSWORD))
        return socks_named_refuse(out, "out-of-memory");
    return FRONT_MORE;
}

static enum front_verdict password(struct socks5 *f, struct view in, size_t *size,
                                   struct front_out *out)
{
    if (in.p[0] != PASSWORD_VERSION)
        return refused(out, say_two(out->to_client, PASSWORD_VERSION, FAILED), "bad-socks");
    if (in.n < 2)
        return FRONT_MORE;
    size_t user = (unsigned char)in.p[1];
    if (in.n < 3 + user || in.n < 3 + user + (unsigned char)in.p[2 + user])
        return FRONT_MORE;
    *size = 3 + user + (unsigned char)in.p[2 + user];
    f->step = REQUEST;
    if (say_two(out->to_client, PASSWORD_VERSION, SUCCEEDED))
        return socks_named_refuse(out, "out-of-memory");
    return FRONT_MORE;
}

// The address of a request: 0, E_AGAIN, or E_UNSUPPORTED for its type.
static int address(struct view in, struct view *host)
{
    size_t skip = 0, n;
    if (in.n < 4)
        return E_AGAIN;
    switch (in.p[3]) {
    case ADDR_V4:
        n = 4;
        break;
    case ADDR_V6:
        n = 16;
        break;
    case ADDR_NAME:
        if (in.n < 5)
            return E_AGAIN;
        skip = 1;
        n = (unsigned char)in.p[4];
        break;
    default:
        return E_UNSUPPORTED;
    }
    *host = view_n(in.p + 4 + skip, n);
    return in.n < 4 + skip + n + 2 ? E_AGAIN : 0;
}

static enum front_verdict request(struct socks5 *f, struct view in, size_t *size,
                                  struct front_out *out)
{
    struct hostport named;
    struct view host;
    if (in.p[0] != VERSION)
        return refused(out, say_reply(out->to_client, FAILED, NULL), "bad-socks");
    int e = address(in, &host);
    if (e == E_AGAIN)
        return FRONT_MORE;
    if (in.p[1] != CONNECT)
        return refused(out, say_reply(out->to_client, BAD_COMMAND, NULL), "socks-command");
    if (e)
        return refused(out, say_reply(out->to_client, BAD_ADDR_TYPE, NULL), "socks-address-type");
    *size = (size_t)(host.p - in.p) + host.n + 2;
    e = in.p[3] == ADDR_NAME ? socks_named_host(&named, host) : socks_named_addr(&named, host);
    if (e)
        return refused(out, say_reply(out->to_client, HOST_UNREACHABLE, NULL), "bad-target");
    if (socks_named_port(&named, host.p + host.n))
        return refused(out, say_reply(out->to_client, FAILED, NULL), "bad-target");
    return socks_named_go(f->conf, &named, out);
}

static enum front_verdict socks5_feed(void *front, struct view in, size_t *used,
                                      struct front_out *out)
{
    struct socks5 *f = front;
    size_t size = 1;
    enum front_verdict verdict = FRONT_MORE;
    for (*used = 0; verdict == FRONT_MORE && size > 0 && *used < in.n; *used += size) {
        struct view rest = view_from(in, *used);
        size = 0;
        if (f->step == GREETING)
            verdict = greeting(f, rest, &size, out);
        else if (f->step == PASSWORD)
            verdict = password(f, rest, &size, out);
        else
            verdict = request(f, rest, &size, out);
    }
    return verdict;
}

static unsigned reply_code(int error)
{
    switch (error) {
    case 0:
        return SUCCEEDED;
    case E_LOOP:
        return NOT_ALLOWED;
    case E_UNREACHABLE:
        return NET_UNREACHABLE;
    case E_NOTFOUND:
        return HOST_UNREACHABLE;
    case E_REFUSED:
        return REFUSED;
    case E_TIMEOUT:
        return TTL_EXPIRED;
    default:
        return FAILED;
    }
}

static int socks5_answer(void *front, int error, const struct addr *bound, const char *detail,
                         struct buf *to_client)
{
    struct socks5 *f = front;
    (void)detail;
    if (f->answered)
        return 0;
    f->answered = true;
    return say_reply(to_client, reply_code(error), error ? NULL : bound);
}

static bool socks5_server_end(void *front)
{
    (void)front;
    return true;
}

static void socks5_clear(void *front)
{
    (void)front;
}

const struct front_ops front_socks5 = {
    .name = "socks5",
    .size = sizeof(struct socks5),
    .init = socks5_init,
    .feed = socks5_feed,
    .answer = socks5_answer,
    .pass = NULL,
    .server_end = socks5_server_end,
    .clear = socks5_clear,
};
