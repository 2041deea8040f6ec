// talk: plays a flow's part (proxy/flow.c) without sockets. It offers what was not used again, with
// more behind it, always against the end of a page; it relays what passed, and nothing else.
#include "tests/support/talk.h"
#include "tests/support/guard.h"

#include <stdio.h>
#include <stdlib.h>

#define LONG 1024 // an input of more bytes is cut in two at every seventh place only

struct end { // one direction of bytes
    struct view all;
    size_t at, have; // used; arrived
    size_t next, step;
};

struct play {
    struct talk *t;
    _Alignas(16) char state[4096];
    struct guard guard;
    struct end ends[2];
    size_t exchange;
};

void talk_init(struct talk *t, const struct front_ops *ops)
{
    *t = (struct talk){.ops = ops, .conf = {.head_max = 4096}};
    t->first[C2S] = t->first[S2C] = t->step[C2S] = t->step[S2C] = TALK_MAX;
    struct buf *bufs[] = {&t->to_client, &t->to_server, &t->log, &t->recorded};
    // Taken now, so that a test may let the front's allocations fail and no other.
    for (size_t i = 0; i < sizeof bufs / sizeof *bufs; i++) {
        buf_init(bufs[i], 2 * TALK_MAX);
        if (!buf_room(bufs[i], 2 * TALK_MAX))
            abort();
    }
    buf_init(&t->own_client, 1 << 16);
    buf_init(&t->own_server, 1 << 16);
}

void talk_clear(struct talk *t)
{
    buf_clear(&t->to_client);
    buf_clear(&t->to_server);
    buf_clear(&t->log);
    buf_clear(&t->recorded);
    buf_clear(&t->own_client);
    buf_clear(&t->own_server);
}

static void need(bool ok, const char *what)
{
    if (ok)
        return;
    fprintf(stderr, "talk: %s\n", what);
    abort();
}

static void say(struct play *p, const char *word)
{
    need(buf_printf(&p->t->log, "%s\n", word) == 0, "log full");
}

// The front's own words take their way.
static void own_words(struct play *p)
{
    struct talk *t = p->t;
    need(buf_add_view(&t->to_client, buf_view(&t->own_client)) == 0, "to_client full");
    need(buf_add_view(&t->to_server, buf_view(&t->own_server)) == 0, "to_server full");
    buf_clear(&t->own_client);
    buf_clear(&t->own_server);
}

static void relay(struct play *p, enum dir dir, size_t n)
{
    struct end *e = &p->ends[dir];
    struct buf *to = dir == C2S ? &p->t->to_server : &p->t->to_client;
    need(n <= e->have - e->at, "more passed than was offered");
    need(buf_add_view(to, view_head(view_from(e->all, e->at), n)) == 0, "relayed too much");
    e->at += n;
}

// The next piece arrives; false when there is none.
static bool arrive(struct end *e)
{
    size_t left = e->all.n - e->have;
    if (left == 0)
        return false;
    size_t n = e->next > 0 ? e->next : e->step;
    e->next = 0;
    e->have += n < left ? n : left;
    return true;
}

static struct view offered(struct play *p, enum dir dir)
{
    const struct end *e = &p->ends[dir];
    struct view all = e->all.p ? e->all : VIEW_LIT("");
    return guard_fill(&p->guard, view_head(view_from(all, e->at), e->have - e->at));
}

static bool tunnel(struct play *p)
{
    for (int dir = 0; dir < 2; dir++) {
        p->ends[dir].have = p->ends[dir].all.n;
        relay(p, dir, p->ends[dir].have - p->ends[dir].at);
    }
    say(p, "tunnel");
    return false;
}

// The end of a flow, with what the front still has to say of it.
static bool fail(struct play *p, int error, const char *word)
{
    int e = p->t->ops->answer(p->state, error, NULL, "", &p->t->own_client);
    own_words(p);
    say(p, e ? "nomem" : word);
    return false;
}

// FRONT and DIAL. False: the flow is over.
static bool hear_request(struct play *p)
{
    struct talk *t = p->t;
    struct end *e = &p->ends[C2S];
    enum front_verdict verdict;
    for (;;) {
        struct front_out out = {.to_client = &t->own_client, .to_server = &t->own_server};
        struct view in = offered(p, C2S);
        char text[HOSTPORT_TEXT];
        size_t used;
        verdict = t->ops->feed(p->state, in, &used, &out);
        need(used <= in.n, "feed() used more than there is");
        e->at += used;
        if (verdict == FRONT_REFUSE) {
            struct buf *to = out.refusal_recorded ? &t->own_server : NULL;
            if (to)
                need(buf_add_view(&t->recorded, buf_view(to)) == 0, "recorded too much");
            buf_clear(&t->own_server);
            own_words(p);
            need(buf_printf(&t->log, "refuse %s%s\n", out.reason, to ? " recorded" : "") == 0,
                 "log");
            return false;
        }
        own_words(p);
        if (verdict == FRONT_GO) {
            need(buf_printf(&t->log, "go %s for %s%s\n", hostport_text(&out.target, text),
                            out.requested, out.tunnel ? " tunnel" : "") == 0,
                 "log full");
            int error = t->ops->answer(p->state, t->dial_error, &t->bound, "", &t->own_client);
            own_words(p);
            if (error || t->dial_error) {
                say(p, error ? "nomem" : "failed");
                return false;
            }
            if (p->exchange == TALK_ANSWERS) {
                say(p, "enough");
                return false;
            }
            p->ends[S2C] = (struct end){
                .all = t->answers[p->exchange], .next = t->first[S2C], .step = t->step[S2C]};
            return t->ops->pass && !out.tunnel ? true : tunnel(p);
        }
        if (!arrive(e)) {
            say(p, "wait");
            return false;
        }
    }
}

// Offers what is there in one direction. True: the exchange goes on.
static bool offer(struct play *p, enum dir dir, enum front_pass *verdict)
{
    size_t n;
    struct view in = offered(p, dir);
    *verdict = p->t->ops->pass(p->state, dir, in, &n);
    relay(p, dir, n);
    return *verdict == PASS_MORE;
}

// What follows a verdict that ends the exchange. True: another may come.
static bool ended(struct play *p, enum front_pass verdict)
{
    struct end *server = &p->ends[S2C];
    size_t n;
    if (verdict == PASS_TUNNEL)
        return tunnel(p);
    if (verdict == PASS_BAD)
        return fail(p, E_DAMAGED, "bad");
    if (verdict == PASS_DONE && server->at < server->all.n) {
        struct view rest = view_from(server->all, server->at);
        verdict = p->t->ops->pass(p->state, S2C, rest, &n);
        need(verdict == PASS_CLOSE && n == 0, "bytes of no exchange passed");
    }
    say(p, verdict == PASS_DONE ? "done" : "close");
    return verdict == PASS_DONE;
}

// RELAY, one exchange. True: back to FRONT.
static bool hear_exchange(struct play *p)
{
    struct talk *t = p->t;
    enum front_pass verdict;
    bool fresh[2] = {p->ends[C2S].have > p->ends[C2S].at, false};
    size_t i = p->exchange++;
    for (bool going = true; going;) {
        going = false;
        for (int turn = 0; turn < 2; turn++) {
            enum dir dir = (turn == 1) != (t->order == SERVER_FIRST) ? S2C : C2S;
            while (fresh[dir] || arrive(&p->ends[dir])) {
                fresh[dir] = false;
                going = true;
                if (!offer(p, dir, &verdict))
                    return ended(p, verdict);
                if (t->order == BY_TURNS)
                    break;
            }
        }
    }
    if (!t->ends[i]) {
        say(p, "wait");
        return false;
    }
    if (!t->ops->server_end(p->state))
        return fail(p, E_EOF, "cut");
    say(p, "end");
    return false;
}

void talk_run(struct talk *t)
{
    struct play p = {.t = t};
    need(t->ops->size <= sizeof p.state, "state too large");
    size_t most = t->client.n;
    for (size_t i = 0; i < TALK_ANSWERS; i++)
        most = t->answers[i].n > most ? t->answers[i].n : most;
    guard_init(&p.guard, most);
    buf_reset(&t->to_client);
    buf_reset(&t->to_server);
    buf_reset(&t->log);
    buf_reset(&t->recorded);
    p.ends[C2S] = (struct end){.all = t->client, .next = t->first[C2S], .step = t->step[C2S]};
    t->ops->init(p.state, &t->conf);
    while (hear_request(&p) && hear_exchange(&p))
        continue;
    t->ops->clear(p.state);
    guard_free(&p.guard);
}

static char *copy(const struct buf *b, size_t *n)
{
    *n = buf_len(b);
    char *p = malloc(*n + 1);
    need(p != NULL, "out of memory");
    if (*n > 0)
        memcpy(p, buf_view(b).p, *n);
    p[*n] = 0;
    return p;
}

static void print(const char *name, struct view v)
{
    fprintf(stderr, "%s (%zu): ", name, v.n);
    for (size_t i = 0; i < v.n && i < 2000; i++) {
        unsigned char c = (unsigned char)v.p[i];
        fprintf(stderr, c >= ' ' && c < 0x7f ? "%c" : "\\x%02x", c);
    }
    fprintf(stderr, "\n");
}

bool talk_was(const struct talk *t, const char *log, struct view to_client, struct view to_server)
{
    if (view_eq(buf_view(&t->log), view_of(log)) && view_eq(buf_view(&t->to_client), to_client) &&
        view_eq(buf_view(&t->to_server), to_server))
        return true;
    fprintf(stderr, "cut at %zu, step %zu; at %zu, step %zu\n", t->first[C2S], t->step[C2S],
            t->first[S2C], t->step[S2C]);
    print("log", buf_view(&t->log));
    print("not", view_of(log));
    print("to_client", buf_view(&t->to_client));
    print("not      ", to_client);
    print("to_server", buf_view(&t->to_server));
    print("not      ", to_server);
    return false;
}

void talk_everywhere(struct talk *t)
{
    size_t n[3], longest = 0;
    talk_run(t);
    char *log = copy(&t->log, &n[0]);
    char *client = copy(&t->to_client, &n[1]), *server = copy(&t->to_server, &n[2]);
    for (size_t i = 0; i < TALK_ANSWERS; i++)
        if (t->answers[i].n > longest)
            longest = t->answers[i].n;
    for (int dir = 0; dir < 3; dir++) {
        size_t end = dir == C2S ? t->client.n : dir == S2C ? longest : 40;
        for (size_t k = 1; k <= end; k += end > LONG ? 7 : 1) {
            if (dir < 2) {
                t->first[dir] = k;
            } else {
                t->first[C2S] = t->step[C2S] = k;
                t->first[S2C] = t->step[S2C] = 1 + (k * 7) % 40;
            }
            talk_run(t);
            need(talk_was(t, log, view_n(client, n[1]), view_n(server, n[2])), "cut otherwise");
        }
        t->first[C2S] = t->first[S2C] = t->step[C2S] = t->step[S2C] = TALK_MAX;
    }
    talk_run(t);
    free(log);
    free(client);
    free(server);
}
