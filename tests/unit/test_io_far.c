// A far end within the process: what an io over it hears, and when.
#include "proxy/io.h"

#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

// Says a text, takes up to room bytes.
struct echo {
    struct io_far far; // first
    const char *says;
    size_t at, room, came;
    bool ended, heard_end, closed, reset;
};

static int e_read(struct io_far *far, void *p, size_t n, size_t *got)
{
    struct echo *e = (struct echo *)(void *)far;
    size_t rest = strlen(e->says) - e->at;
    *got = n < rest ? n : rest;
    memcpy(p, e->says + e->at, *got);
    e->at += *got;
    rest -= *got;
    io_far_tell(far, rest > 0 || e->ended, far->writable);
    return *got > 0 ? 0 : e->ended ? E_EOF : E_AGAIN;
}

static int e_write(struct io_far *far, const void *p, size_t n, size_t *put)
{
    struct echo *e = (struct echo *)(void *)far;
    (void)p;
    *put = n < e->room ? n : e->room;
    e->room -= *put;
    e->came += *put;
    io_far_tell(far, far->readable, e->room > 0);
    return 0;
}

static int e_peek(struct io_far *far)
{
    struct echo *e = (struct echo *)(void *)far;
    return e->says[e->at] ? 0 : e->ended ? E_EOF : E_AGAIN;
}

static void e_shutdown(struct io_far *far)
{
    ((struct echo *)(void *)far)->heard_end = true;
}

static void e_close(struct io_far *far, bool reset)
{
    struct echo *e = (struct echo *)(void *)far;
    assert_null(far->io);
    e->closed = true;
    e->reset = reset;
}

static const struct io_far_ops echo_ops = {e_read, e_write, e_peek, e_shutdown, e_close};

// Whose io it is: reads two bytes at a time.
struct reader {
    struct io io; // first
    char text[64];
    size_t n;
    int readable, writable, last;
    bool closes;
};

static void on_readable(struct io *io)
{
    struct reader *r = (struct reader *)(void *)io;
    size_t got;
    r->readable++;
    r->last = io_read(io, r->text + r->n, 2, &got);
    r->n += got;
    if (r->closes || r->last == E_EOF)
        io_close(io);
}

static void on_writable(struct io *io)
{
    struct reader *r = (struct reader *)(void *)io;
    r->writable++;
    io_want_write(io, false);
}

static const struct io_handler reader_io = {on_readable, on_writable};

static void turns(struct event_base *base, int n)
{
    while (n-- > 0)
        event_base_loop(base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
}

static void test_reads(void **state)
{
    struct event_base *base = *state;
    struct echo e = {.far = {.ops = &echo_ops}, .says = "hello"};
    struct reader r = {.last = 0};
    io_far_open(&r.io, base, &e.far, &reader_io);
    assert_true(r.io.open);
    assert_int_equal(r.io.fd, -1);
    turns(base, 2);
    assert_int_equal(r.readable, 0);
    io_far_tell(&e.far, true, false); // nobody wants it
    turns(base, 2);
    assert_int_equal(r.readable, 0);
    io_want_read(&r.io, true); // never at once
    assert_int_equal(r.readable, 0);
    turns(base, 1);
    assert_int_equal(r.readable, 1); // one a turn
    turns(base, 8);
    assert_string_equal(r.text, "hello");
    assert_int_equal(r.readable, 3); // and no more when there is nothing
    assert_int_equal(io_peek(&r.io), E_AGAIN);
    e.ended = true;
    io_far_tell(&e.far, true, false);
    assert_int_equal(io_peek(&r.io), E_EOF);
    turns(base, 3);
    assert_int_equal(r.last, E_EOF);
    assert_true(e.closed && !e.reset);
    io_far_tell(&e.far, true, true); // closed: nobody hears it
    turns(base, 3);
    assert_int_equal(r.readable, 4);
}

static void test_stops(void **state)
{
    struct event_base *base = *state;
    struct echo e = {.far = {.ops = &echo_ops}, .says = "hello"};
    struct reader r = {.closes = true};
    io_far_open(&r.io, base, &e.far, &reader_io);
    io_want_read(&r.io, true);
    io_far_tell(&e.far, true, false);
    io_want_read(&r.io, false); // within the turn
    turns(base, 2);
    assert_int_equal(r.readable, 0);
    io_want_read(&r.io, true);
    turns(base, 5);
    assert_int_equal(r.readable, 1); // it closed, with more to read
    assert_true(e.closed);
}

static void test_writes(void **state)
{
    struct event_base *base = *state;
    struct echo e = {.far = {.ops = &echo_ops}, .says = "", .room = 3};
    struct reader r = {0};
    size_t put;
    io_far_open(&r.io, base, &e.far, &reader_io);
    assert_int_equal(io_write(&r.io, "abcde", 5, &put), 0);
    assert_int_equal(put, 3);
    io_want_write(&r.io, true);
    turns(base, 2);
    assert_int_equal(r.writable, 0);
    e.room = 8;
    io_far_tell(&e.far, false, true);
    turns(base, 3);
    assert_int_equal(r.writable, 1);
    io_shutdown(&r.io);
    assert_true(e.heard_end);
    io_reset(&r.io);
    assert_true(e.closed && e.reset);
    io_close(&r.io);
}

// What was ready before another struct io took over still is.
static void test_moves(void **state)
{
    struct event_base *base = *state;
    struct echo e = {.far = {.ops = &echo_ops}, .says = "hi"};
    struct reader from = {0}, to = {0};
    struct addr local;
    io_far_open(&from.io, base, &e.far, &reader_io);
    io_want_read(&from.io, true);
    io_far_tell(&e.far, true, true);
    io_move(&to.io, &from.io, base, &reader_io);
    assert_false(from.io.open);
    turns(base, 2);
    assert_int_equal(from.readable + to.readable, 0);
    io_want_read(&to.io, true);
    turns(base, 3);
    assert_string_equal(to.text, "hi");
    io_local(&to.io, &local);
    assert_false(addr_is_set(&local));
    io_close(&to.io);
    assert_true(e.closed);
}

static int set_up(void **state)
{
    *state = event_base_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    event_base_free(*state);
    libevent_global_shutdown();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads),
        cmocka_unit_test(test_stops),
        cmocka_unit_test(test_writes),
        cmocka_unit_test(test_moves),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
