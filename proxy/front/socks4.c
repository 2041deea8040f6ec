// socks4: SOCKS 4 and its extension 4a (names), as their memos of 1992 and 1995 have them.
//
//   client: 04 command port(2) address(4) user… 00 [name… 00, when the address is 0.0.0.1…255]
//   we:     00 5A port(2) address(4)       granted; 5B and zeros: rejected or failed
//
// 1. The request is taken whole, so bytes right behind it are relayed.
// 2. The user's name is passed over and never kept.
#include "proxy/front/socks_named.h"

enum { VERSION = 4, CONNECT = 1, GRANTED = 0x5a, REJECTED = 0x5b };
enum { FIXED = 8, USER_MAX = 255, REPLY = 8 };

struct socks4 {
    const struct front_conf *conf;
    bool answered;
};

static void socks4_init(void *front, const struct front_conf *conf)
{
    struct socks4 *f = front;
    f->conf = conf;
}

static int say(struct buf *to_client, unsigned char code, const struct addr *bound)
{
    unsigned char reply[REPLY] = {0, code};
    if (bound && bound->sa.sa_family == AF_INET) {
        memcpy(reply + 2, &bound->in4.sin_port, 2);
        memcpy(reply + 4, &bound->in4.sin_addr, 4);
    }
    return buf_add(to_client, reply, sizeof reply);
}

static enum front_verdict reject(struct front_out *out, const char *reason)
{
    return socks_named_refuse(out, say(out->to_client, REJECTED, NULL) ? "out-of-memory" : reason);
}

// A text up to its NUL, in from *at on, which moves behind the NUL. 0, E_AGAIN, E_LIMIT.
static int text_next(struct view in, size_t *at, size_t max, struct view *text)
{
    struct view rest = view_from(in, *at);
    *text = view_head(rest, view_find(view_head(rest, max + 1), 0));
    if (text->n > max)
        return E_LIMIT;
    if (text->n == rest.n)
        return E_AGAIN;
    *at += text->n + 1;
    return 0;
}

static enum front_verdict socks4_feed(void *front, struct view in, size_t *used,
                                      struct front_out *out)
{
    const struct socks4 *f = front;
    struct hostport named;
    struct view user, name = {NULL, 0};
    size_t at = FIXED;
    *used = 0;
    if (in.n > 0 && in.p[0] != VERSION)
        return socks_named_refuse(out, "bad-socks");
    if (in.n < FIXED)
        return FRONT_MORE;
    int e = text_next(in, &at, USER_MAX, &user);
    bool by_name = memcmp(in.p + 4, "\0\0\0", 3) == 0 && in.p[7] != 0;
    if (e == 0 && by_name)
        e = text_next(in, &at, HOST_MAX, &name);
    if (e == E_AGAIN)
        return FRONT_MORE;
    if (e)
        return reject(out, "bad-socks");
    *used = at;
    if (in.p[1] != CONNECT)
        return reject(out, "socks-command");
    if (socks_named_port(&named, in.p + 2) ||
        (by_name ? socks_named_host(&named, name) : socks_named_addr(&named, view_n(in.p + 4, 4))))
        return reject(out, "bad-target");
    return socks_named_go(f->conf, &named, out);
}

static int socks4_answer(void *front, int error, const struct addr *bound, const char *detail,
                         struct buf *to_client)
{
    struct socks4 *f = front;
    (void)detail;
    if (f->answered)
        return 0;
    f->answered = true;
    return error ? say(to_client, REJECTED, NULL) : say(to_client, GRANTED, bound);
}

static bool socks4_server_end(void *front)
{
    (void)front;
    return true;
}

static void socks4_clear(void *front)
{
    (void)front;
}

const struct front_ops front_socks4 = {
    .name = "socks4",
    .size = sizeof(struct socks4),
    .init = socks4_init,
    .feed = socks4_feed,
    .answer = socks4_answer,
    .pass = NULL,
    .server_end = socks4_server_end,
    .clear = socks4_clear,
};
