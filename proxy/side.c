#include "proxy/side.h"

#include <assert.h>

void side_init(struct side *s, bool is_server)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->out, SIDE_OUT_MAX);
    s->is_server = is_server;
}

void side_clear(struct side *s)
{
    io_close(&s->io);
    buf_clear(&s->out);
    s->eof = s->finish = s->shut = s->broken = false;
}

static int broke(struct side *s, int error)
{
    s->broken = true;
    buf_clear(&s->out);
    io_want_write(&s->io, false);
    return error;
}

int side_send(struct side *s, struct view bytes)
{
    size_t put = 0;
    assert(!s->finish);
    if (s->broken)
        return E_RESET;
    if (buf_len(&s->out) == 0 && bytes.n > 0) {
        int e = io_write(&s->io, bytes.p, bytes.n, &put);
        if (e)
            return broke(s, e);
    }
    if (put == bytes.n)
        return 0;
    io_want_write(&s->io, true);
    return buf_add_view(&s->out, view_from(bytes, put));
}

static void tell_end(struct side *s)
{
    if (!s->finish || s->shut || s->broken || buf_len(&s->out) > 0)
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
        *moved = put > 0;
    }
    if (buf_len(&s->out) == 0)
        io_want_write(&s->io, false);
    tell_end(s);
    return 0;
}

void side_finish(struct side *s)
{
    s->finish = true;
    tell_end(s);
}
