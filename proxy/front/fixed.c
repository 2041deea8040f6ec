// fixed: the front that needs no words: every client goes to the one target of the listener
// (reverse/tcp). The smallest front, and so the one to read first.
#include "proxy/front/front.h"

struct fixed {
    const struct front_conf *conf;
};

static void fixed_init(void *front, const struct front_conf *conf)
{
    struct fixed *f = front;
    f->conf = conf;
}

static enum front_verdict fixed_feed(void *front, struct view in, size_t *used,
                                     struct front_out *out)
{
    const struct fixed *f = front;
    (void)in;
    *used = 0;
    out->target = f->conf->target;
    out->tunnel = true;
    out->requested[0] = 0;
    return FRONT_GO;
}

// A failed dial has no words here: the connection closes.
static int fixed_answer(void *front, int error, const struct addr *bound, const char *detail,
                        struct buf *to_client)
{
    (void)front, (void)error, (void)bound, (void)detail, (void)to_client;
    return 0;
}

static bool fixed_server_end(void *front)
{
    (void)front;
    return true;
}

static void fixed_clear(void *front)
{
    (void)front;
}

const struct front_ops front_fixed = {
    .name = "fixed",
    .size = sizeof(struct fixed),
    .init = fixed_init,
    .feed = fixed_feed,
    .answer = fixed_answer,
    .pass = NULL,
    .server_end = fixed_server_end,
    .clear = fixed_clear,
};
