// A recorder's session over any bytes, in pieces whose sizes the input chooses: it never reads
// beyond them, calls its host in order, and never counts a record twice.
#include "recorder/session.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
    struct session session;
    uint64_t last;
    unsigned calls;
    bool said_hello;
};

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    struct seen *seen = arg;
    if (seen->said_hello || payload.n < sizeof seen->session.name)
        abort();
    (void)name;
    seen->said_hello = true;
    return 0;
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    struct seen *seen = arg;
    struct unpack_row row;
    if (!seen->said_hello || seq != seen->last + 1)
        abort();
    if (++seen->calls % 7 == 0)
        return E_FULL;
    seen->last = seq;
    int e = unpack_record(seen->session.unpack, stream, seq, type, payload, &row);
    if (e != 0 && e != E_SYNTAX && e != E_NOMEM)
        abort();
    return 0;
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    struct seen *seen = arg;
    (void)stream;
    if (last_seq != seen->last)
        abort();
    return 0;
}

static const struct session_host host = {on_hello, on_record, on_bye};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct unpack *unpack;
    struct seen seen = {.last = 2};
    if (!unpack)
        unpack = unpack_new();
    if (size < 1)
        return 0;
    size_t step = data[0] ? data[0] : size, at = 1;
    session_init(&seen.session, &host, &seen, unpack);
    for (size_t end = at; at < size;) {
        size_t used, need;
        end = end + step < size ? end + step : size;
        int e = session_feed(&seen.session, view_n(data + at, end - at), &used, &need);
        at += used;
        if (e == E_FULL && seen.session.state == SESSION_WAITING) {
            if (session_welcome(&seen.session, 1, 2, 1) != 0)
                break;
            if (seen.session.expected > 3)
                seen.last = seen.session.expected - 1;
            continue;
        }
        if ((e != 0 && e != E_FULL) || (e == 0 && end == size))
            break;
        session_file(&seen.session, data[0] + at % 3);
        session_ack(&seen.session, seen.last, false);
        session_sent(&seen.session, session_out(&seen.session).n);
    }
    session_clear(&seen.session);
    return 0;
}
