// exchange: content is kept as far as it may be; once it is too much, there is its digest alone.
#include "tools/replay/exchange.h"

#include <stdlib.h>

static void forget(struct buf *b)
{
    if (b->cap > EXCHANGE_KEPT)
        buf_clear(b);
    else
        buf_reset(b);
}

#define BUFS 6

static void bufs(struct exchange *x, struct buf *out[BUFS])
{
    struct buf *all[BUFS] = {&x->head,   &x->content,  &x->answer_head,
                             &x->answer, &x->trailers, &x->interim};
    memcpy(out, all, sizeof all);
}

static size_t memory_of(struct exchange *x)
{
    struct buf *all[BUFS];
    size_t sum = 0;
    bufs(x, all);
    for (size_t i = 0; i < BUFS; i++)
        sum += all[i]->cap;
    return sum;
}

static void unclaim(struct exchanges *s, struct exchange *x)
{
    s->held -= x->claimed;
    x->claimed = 0;
}

void exchange_again(struct exchanges *s, struct exchange *x)
{
    unclaim(s, x);
    forget(&x->answer_head);
    forget(&x->answer);
    forget(&x->trailers);
    forget(&x->interim);
    x->sent_us = x->first_us = x->end_us = -1;
    x->sent_bytes = x->received_bytes = 0;
    x->said = x->numbered = x->heard = x->over = x->cut = x->until_close = x->linked = false;
    x->status = 0;
    x->whole = true;
    x->digested = false;
    x->size = 0;
    x->kind = RESULT_CLOSED;
    x->reason = NULL;
    x->note[0] = '\0';
}

struct exchange *exchange_new(struct exchanges *s)
{
    struct exchange *x = s->spare;
    if (x) {
        s->spare = x->next;
        s->spares--;
        s->idle -= memory_of(x);
    } else {
        x = calloc(1, sizeof *x);
        if (!x)
            return NULL;
        buf_init(&x->head, EXCHANGE_HEAD_MAX);
        buf_init(&x->content, EXCHANGE_BODY_MAX);
        buf_init(&x->answer_head, EXCHANGE_HEAD_MAX);
        buf_init(&x->answer, EXCHANGE_BODY_MAX);
        buf_init(&x->trailers, EXCHANGE_HEAD_MAX);
        buf_init(&x->interim, EXCHANGE_HEAD_MAX);
    }
    x->next = NULL;
    x->material = NULL;
    x->item = x->round = 0;
    x->planned_us = x->ready_us = -1;
    x->rewritten = x->new_content = x->told = x->retried = false;
    x->patience_us = 0;
    x->n = 0;
    exchange_again(s, x);
    return x;
}

static void destroy(struct exchange *x)
{
    struct buf *all[BUFS];
    bufs(x, all);
    for (size_t i = 0; i < BUFS; i++)
        buf_clear(all[i]);
    free(x);
}

void exchange_free(struct exchanges *s, struct exchange *x)
{
    struct buf *all[BUFS];
    if (!x)
        return;
    unclaim(s, x);
    if (s->spares == EXCHANGE_SPARE_MAX) {
        destroy(x);
        return;
    }
    bufs(x, all);
    for (size_t i = 0; i < BUFS; i++)
        forget(all[i]);
    for (size_t i = 0; i < BUFS && s->idle + memory_of(x) > s->most / 4; i++)
        buf_clear(all[i]);
    s->idle += memory_of(x);
    x->next = s->spare;
    s->spare = x;
    s->spares++;
}

void exchanges_clear(struct exchanges *s)
{
    for (struct exchange *x; (x = s->spare);) {
        s->spare = x->next;
        destroy(x);
    }
    s->spares = s->idle = 0;
}

// Whether so many bytes more may be kept, which are then counted.
static bool claim(struct exchanges *s, struct exchange *x, size_t n)
{
    if (n > s->most || s->held > s->most - n)
        return false;
    s->held += n;
    x->claimed += n;
    return true;
}

void exchange_hear(struct exchanges *s, struct exchange *x, struct view content)
{
    const struct material *m = x->material;
    // A large one is digested as it comes, rather than all at once at its end.
    if (x->size == 0 && m->answer_size > MATERIAL_HELD_MAX && m->kind == PLAN_HTTP) {
        digest_begin(&x->digest);
        x->digested = true;
    }
    x->size += content.n;
    if (x->digested)
        digest_more(&x->digest, content);
    if (!x->whole || (claim(s, x, content.n) && buf_add_view(&x->answer, content) == 0))
        return;
    if (!x->digested) {
        digest_begin(&x->digest);
        digest_more(&x->digest, buf_view(&x->answer));
        digest_more(&x->digest, content);
        x->digested = true;
    }
    x->whole = false;
    buf_clear(&x->answer);
    unclaim(s, x);
}
