// fuzz_front_socks: a SOCKS handshake cut in pieces comes to the same, and not a byte behind it is
// lost. The input: a byte of flags (1 fixed target, 2 the dial fails, the rest the size of a
// piece), then what the client sends.
#include "tests/support/talk.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct talk t;
    char log[2 * HOSTPORT_TEXT + 100], heard[64];
    if (!t.ops) {
        talk_init(&t, &front_socks5);
        need(hostport_parse(&t.conf.target, VIEW_LIT("app:8080"), 0) == 0);
        need(addr_parse(&t.bound, VIEW_LIT("127.0.0.1"), 1234) == 0);
    }
    if (size < 2 || size > 16384)
        return 0;
    t.conf.fixed_target = data[0] & 1;
    t.dial_error = data[0] & 2 ? E_REFUSED : 0;
    t.client = view_n(data + 1, size - 1);
    t.ops = front_by_first_byte(data[1]);
    if (!t.ops)
        t.ops = data[0] & 4 ? &front_socks4 : &front_socks5;
    t.first[C2S] = t.step[C2S] = TALK_MAX;
    talk_run(&t);
    need(buf_len(&t.log) < sizeof log && buf_len(&t.to_client) <= sizeof heard);
    struct view first_log = view_n(log, buf_len(&t.log));
    struct view first_heard = view_n(heard, buf_len(&t.to_client));
    memcpy(log, buf_view(&t.log).p, first_log.n);
    log[first_log.n] = 0;
    if (first_heard.n > 0)
        memcpy(heard, buf_view(&t.to_client).p, first_heard.n);
    struct view relayed = buf_view(&t.to_server);
    need(relayed.n <= t.client.n);
    struct view tail = view_from(t.client, t.client.n - relayed.n);
    need(view_eq(relayed, tail));
    t.first[C2S] = t.step[C2S] = (data[0] >> 2) % 16 + 1;
    talk_run(&t);
    need(talk_was(&t, log, first_heard, tail));
    return 0;
}
