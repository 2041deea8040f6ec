// raw: the decoder of last resort, and of what passes unread.
//
//   half:  SILENT ─first byte→ BEGUN ─end of input→ ENDED
//                  msg_begin    msg_body    msg_end UNTIL_CLOSE
//
// 1. Every byte is used at once, so raw never makes the tap hold anything.
// 2. A transaction is open exactly while a half of it has begun.
// 3. It allocates nothing: falling back to raw cannot fail.
#include "proxy/decode/raw.h"

enum { SILENT, BEGUN, ENDED };

void raw_begin(struct raw *r, const char *protocol)
{
    *r = (struct raw){.protocol = protocol};
}

static void begin_half(struct raw *r, struct decode_ctx *ctx, enum dir dir)
{
    if (!r->open) {
        r->n = ctx->next_n++;
        r->open = true;
    }
    r->half[dir] = BEGUN;
    struct sink_msg m = {
        .n = r->n,
        .dir = dir,
        .protocol = r->protocol,
        .at_us = ctx->first_us,
        .as_parts = true,
        .by_proxy = ctx->by_proxy,
        .unreadable = ctx->unreadable,
    };
    ctx->sink->ops->msg_begin(ctx->sink, &m);
}

void raw_hear(struct raw *r, struct decode_ctx *ctx, enum dir dir, struct view in)
{
    // Our own words can follow the server's end; they are another conversation.
    if (r->half[dir] == ENDED)
        raw_finish(r, ctx, "");
    if (r->half[dir] == SILENT)
        begin_half(r, ctx, dir);
    ctx->sink->ops->msg_body(ctx->sink, r->n, dir, in, in.n, ctx->first_us);
}

static void end_half(struct raw *r, struct decode_ctx *ctx, enum dir dir, enum msg_end how)
{
    if (r->half[dir] == BEGUN)
        ctx->sink->ops->msg_end(ctx->sink, r->n, dir, how, view_n(NULL, 0), 0, ctx->now_us);
    r->half[dir] = ENDED;
}

void raw_end(struct raw *r, struct decode_ctx *ctx, enum dir dir)
{
    if (r->half[dir] == BEGUN)
        end_half(r, ctx, dir, MSG_UNTIL_CLOSE);
}

void raw_finish(struct raw *r, struct decode_ctx *ctx, const char *note)
{
    if (!r->open)
        return;
    end_half(r, ctx, C2S, MSG_CUT);
    end_half(r, ctx, S2C, MSG_CUT);
    ctx->sink->ops->txn_end(ctx->sink, r->n, note);
    raw_begin(r, r->protocol);
}

static void decoder_init(void *d, struct decode_ctx *ctx)
{
    (void)ctx;
    raw_begin(d, "raw");
}

static enum decode_verdict decoder_feed(void *d, struct decode_ctx *ctx, enum dir dir,
                                        struct view in, size_t *used)
{
    raw_hear(d, ctx, dir, in);
    *used = in.n;
    return DECODE_MORE;
}

static void decoder_end(void *d, struct decode_ctx *ctx, enum dir dir)
{
    raw_end(d, ctx, dir);
}

static void decoder_clear(void *d, struct decode_ctx *ctx)
{
    raw_finish(d, ctx, ctx->note);
}

const struct decoder_ops decoder_raw = {
    .name = "raw",
    .size = sizeof(struct raw),
    .init = decoder_init,
    .feed = decoder_feed,
    .end = decoder_end,
    .clear = decoder_clear,
};
