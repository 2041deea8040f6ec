// end: the far end of a flow: what it says next, and when.
//
//   asks   │ 0 │ 1 │ 2 │ …        in the order of their requests; 0 is being answered
//            └─ answer, forward, or 100 while its request is not whole
//   a conversation takes the place of all that, from the start or behind the last answer
#include "tools/mock/tape_in.h"

#include <event2/event.h>
#include <stdlib.h>

static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";

// ---- life

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct end *e = arg;
    (void)fd;
    (void)what;
    flow_env_touch(e->tape->given.env);
    end_stir(e);
}

void end_set_up(struct end *e, struct tape *t)
{
    memset(e, 0, sizeof *e);
    e->tape = t;
    e->far.ops = &end_ops;
    e->tap.ops = &hear_ops;
    e->asks = e->few;
    e->cap = TAPE_ASKS_FEW;
    buf_init(&e->heard.head, FLOW_HEAD_MAX + TAP_HOLD_MAX);
    buf_init(&e->heard.body, MATCH_BODY_MAX);
    buf_init(&e->wire, TAPE_WIRE_MAX);
    answer_init(&e->answer);
    talk_init(&e->talk);
    forward_init(&e->forward);
}

void end_tear_down(struct end *e)
{
    for (; e->count > 0; e->count--, e->first++)
        ask_clear(end_ask(e, 0));
    if (e->asks != e->few)
        free(e->asks);
    if (e->timer)
        event_free(e->timer);
    answer_clear(&e->answer);
    talk_clear(&e->talk);
    forward_clear(e);
    buf_clear(&e->heard.head);
    buf_clear(&e->heard.body);
    buf_clear(&e->wire);
}

void ask_clear(struct ask *a)
{
    if (a->faults) {
        fault_plan_clear(a->faults);
        free(a->faults);
    }
    a->faults = NULL;
    kept_drop(a->known);
    a->known = NULL;
    buf_clear(&a->own);
}

static bool grow(struct end *e)
{
    size_t cap = e->cap * 2;
    if (cap > TAPE_ASKS_MAX)
        return false;
    struct ask *more = malloc(cap * sizeof *more);
    if (!more)
        return false;
    for (size_t i = 0; i < e->count; i++)
        more[i] = *end_ask(e, i);
    if (e->asks != e->few)
        free(e->asks);
    e->asks = more;
    e->cap = cap;
    e->first = 0;
    return true;
}

struct ask *end_ask_new(struct end *e, uint64_t n)
{
    if (e->count == e->cap && !grow(e))
        return NULL;
    struct ask *a = end_ask(e, e->count++);
    *a = (struct ask){.n = n, .entry = INDEX_NONE};
    buf_init(&a->own, NEAR_JSON_MAX + 4096);
    return a;
}

void end_ask_over(struct end *e)
{
    ask_clear(end_ask(e, 0));
    answer_clear(&e->answer);
    e->answering = false;
    e->first = (e->first + 1) % e->cap;
    e->count--;
}

// ---- when

static bool takes_more(const struct end *e)
{
    if (e->forward.raw)
        return buf_len(&e->wire) < TAPE_WIRE_MAX / 8;
    return e->talk.mode != TALK_BY_STATE || buf_len(&e->talk.heard) < TALK_HELD_MAX;
}

void end_stir(struct end *e)
{
    io_far_tell(&e->far, true, takes_more(e));
}

void end_wait(struct end *e, int64_t due_us)
{
    int64_t us = due_us - end_now(e);
    if (us <= 0 || due_us == INT64_MAX)
        return; // something else will wake it
    struct timeval after = {.tv_sec = us / US_PER_S, .tv_usec = us % US_PER_S};
    if (!e->timer)
        e->timer = event_new(e->tape->given.base, -1, 0, on_timer, e);
    if (!e->timer || event_add(e->timer, &after))
        e->over = e->reset = true;
}

// ---- what is said

static void finish(struct end *e, bool reset)
{
    e->over = true;
    e->reset = e->reset || reset;
}

// Until then; or never, when somebody who has ended would wait for it for ever.
static void wait_until(struct end *e, int64_t due_us)
{
    if (due_us == INT64_MAX && e->client_ended)
        finish(e, false);
    else
        end_wait(e, due_us);
}

static enum answer_said say_conversation(struct end *e, char *p, size_t n, size_t *got)
{
    struct talk *t = &e->talk;
    enum answer_said said = talk_say(e, p, n, got);
    if (said == ANSWER_WAIT)
        wait_until(e, t->due_us);
    if (said != ANSWER_OVER)
        return said;
    if (!t->missed || e->reset) {
        finish(e, false);
    } else if (!e->raw && !e->foreign && !e->client_ended && t->said == 0) {
        return ANSWER_WAIT; // it may still be told what it is
    } else if (t->said == 0 && t->id == 0 && e->tape->mock->conf.on_miss != MOCK_FAIL) {
        forward_all(e);
        return ANSWER_MORE;
    } else {
        finish(e, false);
    }
    return ANSWER_WAIT;
}

static int begin_answer(struct end *e, struct ask *a, char why[WHY_MAX])
{
    struct tape *t = e->tape;
    struct answer_conf conf = {&t->kept, t->rows, t->mock->index, t->mock->conf.speed};
    struct view own = buf_view(&a->own);
    switch (a->kind) {
    case ASK_HIT:
        return answer_recorded(&e->answer, &conf, a->entry, &a->to, a->faults, a->prefer_status,
                               a->whole_us, why);
    case ASK_LEARNED:
        answer_kept(&e->answer, a->known, &a->to, 0, a->whole_us);
        a->known = NULL;
        return 0;
    default:
        return answer_given(&e->answer, view_head(own, a->own_head), view_from(own, a->own_head),
                            &a->to, a->faults, a->whole_us, why);
    }
}

// False: nothing can be said at all.
static bool start_answer(struct end *e, struct ask *a)
{
    char why[WHY_MAX] = "";
    int error = begin_answer(e, a, why);
    if (error && a->kind == ASK_HIT) {
        hear_spoilt(e, a, why);
        error = begin_answer(e, a, why);
    }
    e->answering = error == 0;
    if (error)
        finish(e, true);
    return error == 0;
}

static void answered(struct end *e, struct ask *a)
{
    switch (e->answer.after) {
    case AFTER_NEXT:
        break;
    case AFTER_CLOSE:
        finish(e, false);
        break;
    case AFTER_RESET:
        finish(e, true);
        break;
    case AFTER_SWITCH: {
        const struct index_entry *entry =
            a->kind == ASK_HIT ? index_entry(e->tape->mock->index, a->entry) : NULL;
        e->talk.early = e->came - a->until;
        if (entry)
            talk_follow(e, entry->file, e->answer.flow, e->answer.n);
        else
            finish(e, false);
        break;
    }
    }
    end_ask_over(e);
}

static enum answer_said say_forward(struct end *e, char *p, size_t n, size_t *got)
{
    struct ask *a = end_ask(e, 0);
    if (!a->sent) {
        a->sent = true;
        forward_send(e, a->from, a->until);
    }
    enum answer_said said = forward_say(e, p, n, got);
    if (said != ANSWER_OVER)
        return said;
    if (e->forward.given > 0) {
        finish(e, e->forward.broke);
        return ANSWER_WAIT;
    }
    hear_unreached(a, e->forward.why); // nothing of it came
    return ANSWER_MORE;
}

static enum answer_said say_go_on(struct end *e, struct ask *a, char *p, size_t n, size_t *got)
{
    *got = 0;
    if (a->expects) {
        struct view rest = view_from(view_n(go_on, sizeof go_on - 1), a->went_on);
        *got = n < rest.n ? n : rest.n;
        memcpy(p, rest.p, *got);
        a->went_on += *got;
        if (*got < rest.n)
            return ANSWER_MORE;
        a->expects = false;
        a->to.continued = true;
    }
    if (e->client_ended || e->foreign)
        finish(e, false); // it will never be whole
    return ANSWER_WAIT;
}

// The next of all that is to be said.
static enum answer_said say(struct end *e, char *p, size_t n, size_t *got)
{
    *got = 0;
    if (e->forward.raw) {
        enum answer_said said = forward_say(e, p, n, got);
        if (said == ANSWER_OVER)
            finish(e, e->forward.broke);
        return said;
    }
    if (end_talks(e))
        return say_conversation(e, p, n, got);
    if (e->count == 0) {
        if (e->client_ended || e->foreign || (e->forward.drained && e->forward.opened))
            finish(e, false);
        return ANSWER_WAIT;
    }
    struct ask *a = end_ask(e, 0);
    if (a->kind == ASK_HEARD)
        return say_go_on(e, a, p, n, got);
    if (a->kind == ASK_FORWARD)
        return say_forward(e, p, n, got);
    if (!e->answering && !start_answer(e, a))
        return ANSWER_WAIT;
    enum answer_said said = answer_say(&e->answer, end_now(e), p, n, got);
    if (said == ANSWER_WAIT)
        wait_until(e, e->answer.due_us);
    if (said != ANSWER_OVER)
        return said;
    answered(e, a);
    return ANSWER_MORE;
}

static int end_read(struct io_far *far, void *p, size_t n, size_t *got)
{
    struct end *e = end_of_far(far);
    enum answer_said said = ANSWER_MORE;
    *got = 0;
    while (*got < n && !e->over && said == ANSWER_MORE) {
        size_t some;
        said = say(e, (char *)p + *got, n - *got, &some);
        *got += some;
    }
    io_far_tell(far, e->over || said == ANSWER_MORE, takes_more(e));
    if (*got > 0)
        return 0;
    return !e->over ? E_AGAIN : e->reset ? E_RESET : E_EOF;
}

// ---- what is heard

// What of it may still have to be passed on begins here.
static uint64_t wire_needed(const struct end *e)
{
    if (e->forward.raw)
        return e->forward.sent;
    for (size_t i = 0; i < e->count; i++) {
        const struct ask *a = end_ask(e, i);
        if (a->kind == ASK_FORWARD || a->kind == ASK_HEARD)
            return a->sent && e->forward.sent > a->from ? e->forward.sent : a->from;
    }
    return e->http ? e->told : 0;
}

void end_trim_wire(struct end *e)
{
    uint64_t needed = wire_needed(e), have = e->wire_at + buf_len(&e->wire);
    uint64_t drop = needed > have         ? have - e->wire_at
                    : needed > e->wire_at ? needed - e->wire_at
                                          : 0;
    buf_drop(&e->wire, (size_t)drop, 4096);
    e->wire_at += drop;
}

// Beyond the ceiling it cannot be passed on.
static void keep_wire(struct end *e, struct view bytes)
{
    if (e->tape->mock->conf.on_miss == MOCK_FAIL)
        return;
    if (buf_add_view(&e->wire, bytes)) {
        buf_clear(&e->wire);
        e->wire_at = e->came + bytes.n;
    }
    end_trim_wire(e);
}

static int end_write(struct io_far *far, const void *p, size_t n, size_t *put)
{
    struct end *e = end_of_far(far);
    struct view bytes = view_n(p, n);
    if (e->forward.raw)
        bytes = view_head(bytes, TAPE_WIRE_MAX / 8 - buf_len(&e->wire));
    else if (end_talks(e))
        bytes.n = talk_hear(e, bytes);
    keep_wire(e, bytes);
    e->came += bytes.n;
    *put = bytes.n;
    forward_push(e);
    end_stir(e);
    return e->broken ? E_RESET : 0;
}

static int end_peek(struct io_far *far)
{
    const struct end *e = end_of_far(far);
    if (e->over)
        return e->reset ? E_RESET : E_EOF;
    return e->count == 0 && e->forward.opened && e->forward.drained ? E_EOF : E_AGAIN;
}

static void end_shutdown(struct io_far *far)
{
    struct end *e = end_of_far(far);
    e->client_ended = true;
    if (end_talks(e))
        talk_client_end(e);
    forward_push(e);
    end_stir(e);
}

static void end_close(struct io_far *far, bool reset)
{
    struct end *e = end_of_far(far);
    (void)reset;
    e->closed = true;
    if (e->timer)
        event_del(e->timer);
    forward_clear(e);
    if (!e->next)
        tape_bury(e);
}

const struct io_far_ops end_ops = {
    .read = end_read,
    .write = end_write,
    .peek = end_peek,
    .shutdown = end_shutdown,
    .close = end_close,
};
