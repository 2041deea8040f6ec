// fuzz_tls_engine: what a peer can send to an engine. The first byte says how:
//
//   bit 0   to the client's engine, else to the server's
//   bit 1   a real peer takes part: the rest are changes of what it sends, three bytes each (how
//           many bytes on, two; what is flipped there); else the rest is what the engine gets
//   bit 2   TLS 1.3, else 1.2
//   bits 3… length of the pieces; 0: whole
//
// States only go forwards, a failure has its reason, what waits for the peer has its ceiling.
#include "tests/support/tls_scene.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check(const struct tls_end *end, enum tls_state before)
{
    enum tls_state now = tls_engine_state(end->e);
    need(now >= before);
    need((*tls_engine_why(end->e) != 0) == (now == TLS_FAILED));
    need(strpbrk(tls_engine_why(end->e), "\r\n") == NULL);
    need(tls_engine_out(end->e).n <= TLS_OUT_MAX);
    need(now == TLS_FAILED  ? end->last == E_DAMAGED || end->last == E_LIMIT
         : now == TLS_ENDED ? end->last == E_EOF
                            : end->last == E_AGAIN);
}

static void give(struct tls_end *to, struct view bytes)
{
    enum tls_state before = tls_engine_state(to->e);
    struct tls_facts_of f;
    tls_ends_give(to, bytes);
    check(to, before);
    tls_engine_facts(to->e, &f);
    buf_clear(&to->got);
}

static void play_raw(struct tls_end *end, struct view bytes, size_t piece)
{
    give(end, view_n(NULL, 0));
    while (bytes.n > 0) {
        struct view one = view_head(bytes, piece ? piece : bytes.n);
        give(end, one);
        bytes = view_from(bytes, one.n);
    }
    tls_engine_cut(end->e, bytes.n & 1, bytes.n & 2);
}

// A flight of the peer with the changes that fall into it. *skip: bytes until the next one.
static void change(char *p, size_t n, struct view *plan, size_t *skip)
{
    for (size_t at = 0; plan->n > 0; *plan = view_from(*plan, 3)) {
        if (*skip >= n - at) {
            *skip -= n - at;
            return;
        }
        at += *skip;
        p[at] ^= plan->n > 2 ? plan->p[2] : 1;
        *skip = plan->n > 5 ? (unsigned char)plan->p[3] * 256u + (unsigned char)plan->p[4] : 0;
        if (plan->n <= 3) {
            *plan = view_n(NULL, 0);
            return;
        }
    }
}

static void play_real(struct tls_ends *t, bool to_client, struct view plan, size_t piece)
{
    struct tls_end *end = to_client ? &t->client : &t->server;
    struct tls_end *peer = to_client ? &t->server : &t->client;
    size_t skip = plan.n > 2 ? (unsigned char)plan.p[0] * 256u + (unsigned char)plan.p[1] : 0;
    give(&t->client, view_n(NULL, 0));
    for (int turn = 0; turn < 8; turn++) {
        struct view out = tls_engine_out(end->e);
        give(peer, out);
        tls_engine_took(end->e, out.n);
        if (tls_engine_state(peer->e) == TLS_OPEN && turn < 6)
            need(tls_engine_say(peer->e, view_of("some words of the peer")) == 0);
        if (turn == 6)
            tls_engine_end(peer->e);
        out = tls_engine_out(peer->e);
        char *bytes = malloc(out.n ? out.n : 1);
        need(bytes != NULL);
        if (out.n > 0)
            memcpy(bytes, out.p, out.n);
        change(bytes, out.n, &plan, &skip);
        for (struct view rest = view_n(bytes, out.n); rest.n > 0;) {
            struct view one = view_head(rest, piece ? piece : rest.n);
            give(end, one);
            rest = view_from(rest, one.n);
        }
        free(bytes);
        tls_engine_took(peer->e, out.n);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct tls_scene scenes[2];
    struct tls_ends t;
    uint8_t how = size > 0 ? data[0] : 0;
    struct tls_scene *s = &scenes[how >> 2 & 1];
    struct view rest = size > 0 ? view_n(data + 1, size - 1) : view_n(NULL, 0);
    if (!s->ca) {
        tls_scene_init(s);
        tls_scene_versions(s, how & 4 ? 0x0304 : 0x0303);
        s->accept.ticket_key = NULL; // so that no run depends on the one before
        s->accept.clients = s->trust;
        s->to.alpn = VIEW_LIT("\x02h2\x08http/1.1");
        s->from.alpn = "h2";
    }
    tls_scene_meet(s, &t);
    if (how & 2)
        play_real(&t, how & 1, rest, how >> 3);
    else
        play_raw(how & 1 ? &t.client : &t.server, rest, how >> 3);
    tls_ends_clear(&t);
    return 0;
}
