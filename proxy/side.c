#include "proxy/side.h"

#include <assert.h>

#define RECORD_MAX (18 * 1024) // bytes of a TLS record, with its header

void side_init(struct side *s, bool is_server, size_t *kept)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->out, SIDE_OUT_MAX);
    s->is_server = is_server;
    s->kept = kept;
}

static void forget_out(struct side *s)
{
    *s->kept -= buf_len(&s->out);
    buf_clear(&s->out);
}

void side_clear(struct side *s)
{
    io_close(&s->io);
    forget_out(s);
    tls_engine_free(s->tls);
    s->tls = NULL;
    s->eof = s->finish = s->shut = s->broken = s->truncated = false;
}

static int broke(struct side *s, int error)
{
    s->broken = true;
    forget_out(s);
    io_want_write(&s->io, false);
    return error;
}

// Bytes as the socket takes them.
static int put_out(struct side *s, struct view bytes)
{
    size_t put = 0;
    if (buf_len(&s->out) == 0 && bytes.n > 0) {
        int e = io_write(&s->io, bytes.p, bytes.n, &put);
        if (e)
            return broke(s, e);
    }
    if (put == bytes.n)
        return 0;
    io_want_write(&s->io, true);
    int e = buf_add_view(&s->out, view_from(bytes, put));
    *s->kept += e == 0 ? bytes.n - put : 0;
    return e;
}

// What the engine has for the peer. Once a side is broken, or was told our end, that goes nowhere.
static int pump(struct side *s)
{
    struct view bytes = tls_engine_out(s->tls);
    int e = s->broken || s->shut ? 0 : put_out(s, bytes);
    tls_engine_took(s->tls, bytes.n);
    return e;
}

int side_send(struct side *s, struct view bytes)
{
    assert(!s->finish);
    if (s->broken)
        return E_RESET;
    if (!s->tls)
        return put_out(s, bytes);
    int e = tls_engine_say(s->tls, bytes);
    if (e && e != E_NOMEM && e != E_LIMIT)
        return broke(s, e); // what it did not take is lost
    return e ? e : pump(s);
}

static void tell_end(struct side *s)
{
    if (!s->finish || s->shut || s->broken || side_waits(s) > 0)
        return;
    s->shut = true;
    io_shutdown(&s->io);
}

int side_flush(struct side *s, bool *moved)
{
    struct view rest = buf_view(&s->out);
    *moved = false;
    if (rest.n > 0) {
        size_t put;
        int e = io_write(&s->io, rest.p, rest.n, &put);
        if (e)
            return broke(s, e);
        buf_drop(&s->out, put, 0);
        *s->kept -= put;
        *moved = put > 0;
    }
    if (buf_len(&s->out) == 0)
        io_want_write(&s->io, false);
    tell_end(s);
    return 0;
}

void side_part(struct side *s)
{
    bool rests = s->tls && !s->finish && !s->broken && !s->truncated && buf_len(&s->out) == 0;
    if (!rests)
        return;
    tls_engine_end(s->tls);
    (void)pump(s);
}

void side_finish(struct side *s, bool truncated)
{
    s->finish = true;
    if (s->tls && !truncated && !s->broken) {
        tls_engine_end(s->tls);
        (void)pump(s); // without memory the peer sees a truncation, which it is
    }
    tell_end(s);
}

// ---- reading

static int take(struct side *s, struct view bytes, char *p, size_t n, size_t *got)
{
    size_t some;
    int e;
    tls_engine_put(s->tls, bytes);
    do {
        e = tls_engine_get(s->tls, p + *got, n - *got, &some);
        *got += e == 0 ? some : 0;
    } while (e == 0 && *got < n);
    int sent = pump(s);
    tell_end(s); // the engine may have had something left to say
    if (e == E_NOMEM || e == E_LIMIT || (e == E_DAMAGED && *got == 0))
        return e;
    if (sent == E_NOMEM || sent == E_LIMIT)
        return sent;
    return *got > 0 ? 0 : e == E_EOF ? E_EOF : E_AGAIN;
}

int side_secure(struct side *s, struct tls_engine *tls, struct view first, void *p, size_t n,
                size_t *got)
{
    assert(!s->tls);
    s->tls = tls;
    *got = 0;
    return take(s, first, p, n, got);
}

int side_read(struct side *s, void *p, size_t size, size_t n, void *room, size_t *got)
{
    size_t came;
    *got = 0;
    if (!s->tls)
        return io_read(&s->io, p, n, got);
    if (side_has_ended(s))
        return tls_engine_state(s->tls) == TLS_ENDED ? E_EOF : E_DAMAGED;
    // What was left of a record comes on top.
    size_t most = size - RECORD_MAX;
    int e = io_read(&s->io, room, n < most ? n : most, &came);
    if (e == E_EOF || e == E_RESET) {
        s->truncated = true;
        if (tls_engine_state(s->tls) == TLS_HANDSHAKE)
            tls_engine_cut(s->tls, e == E_RESET, buf_len(&s->out) == 0);
    }
    return e ? e : take(s, view_n(room, came), p, size, got);
}

bool side_has_ended(const struct side *s)
{
    return s->tls && !s->eof && tls_engine_state(s->tls) >= TLS_ENDED;
}
