// fuzz_front_http: a client and a server talk through the http front; cut in pieces, or heard in
// another order, the talk must come to the same. What is forwarded, rewritten, must be a head
// without a fault.
//
// The input: a byte of flags (1 reverse, 2 the server ends its last answer, the rest the size of a
// piece), then what the client sends and what the server answers, set apart by FF FE.
#include "tests/support/talk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct talk t;

static void need(bool ok)
{
    if (!ok)
        abort();
}

static struct view next_part(struct view *rest)
{
    const char *mark = rest->n > 0 ? memmem(rest->p, rest->n, "\xff\xfe", 2) : NULL;
    struct view part = *rest;
    if (!mark) {
        *rest = VIEW_LIT("");
        return part;
    }
    part.n = (size_t)(mark - rest->p);
    *rest = view_from(*rest, part.n + 2);
    return part;
}

// The first request that was forwarded, as its server reads it.
static void check_forwarded(void)
{
    static struct http_head h;
    struct view log = buf_view(&t.log), to_server = buf_view(&t.to_server);
    size_t used, line = view_find(log, '\n');
    struct view first = view_head(log, line);
    if (!view_starts(first, VIEW_LIT("go ")) || memmem(first.p, first.n, " tunnel", 7))
        return;
    need(http_head_parse(to_server, 0, true, &h, &used) == 0);
    need(h.faults == 0);
    if (t.conf.fixed_target)
        return;
    need(h.target.p[0] == '/' || view_eq(h.target, VIEW_LIT("*")));
    const struct http_header *host = http_head_find(&h, VIEW_LIT("Host"));
    struct hostport hp;
    char text[HOSTPORT_TEXT];
    need(host && hostport_parse(&hp, host->value, 80) == 0);
    need(view_starts(view_from(first, 3), view_of(hostport_text(&hp, text))));
    for (size_t i = 0; i < h.count; i++)
        need(!view_istarts(h.headers[i].name, VIEW_LIT("Proxy-")));
}

static struct view keep(const struct buf *b)
{
    char *p = malloc(buf_len(b) + 1);
    need(p != NULL);
    memcpy(p, buf_view(b).p, buf_len(b));
    p[buf_len(b)] = 0;
    return view_n(p, buf_len(b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!t.ops) {
        talk_init(&t, &front_http);
        t.conf.head_max = 512;
        need(hostport_parse(&t.conf.target, VIEW_LIT("app:8080"), 0) == 0);
    }
    if (size < 1 || size > 16384)
        return 0;
    struct view rest = view_n(data + 1, size - 1);
    t.conf.fixed_target = data[0] & 1;
    t.client = next_part(&rest);
    for (size_t i = 0; i < TALK_ANSWERS; i++) {
        t.answers[i] = next_part(&rest);
        t.ends[i] = data[0] & 2 && rest.n == 0;
    }
    t.first[C2S] = t.first[S2C] = t.step[C2S] = t.step[S2C] = TALK_MAX;
    talk_run(&t);
    check_forwarded();
    struct view log = keep(&t.log), to_client = keep(&t.to_client), to_server = keep(&t.to_server);
    size_t step = (data[0] >> 2) + 1;
    t.first[C2S] = t.step[C2S] = step;
    t.first[S2C] = t.step[S2C] = 1 + (step * 7) % 64;
    talk_run(&t);
    need(talk_was(&t, log.p, to_client, to_server));
    free((void *)(uintptr_t)log.p);
    free((void *)(uintptr_t)to_client.p);
    free((void *)(uintptr_t)to_server.p);
    // Nothing is expected of another order, but that it ends.
    for (t.order = SERVER_FIRST; t.order <= BY_TURNS; t.order++)
        talk_run(&t);
    t.order = CLIENT_FIRST;
    return 0;
}
