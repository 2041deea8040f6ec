// fake_recorder: see fake_recorder.h.
#include "tests/support/fake_recorder.h"

#include "tests/support/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

struct fake_recorder fake;

void fake_begin(void)
{
    fake = (struct fake_recorder){.listener = -1, .fd = -1, .next = 1};
    buf_init(&fake.in, 4u << 20);
}

void fake_stop_listening(void)
{
    if (fake.listener >= 0)
        close(fake.listener);
    fake.listener = -1;
}

void fake_end(void)
{
    fake_hang_up();
    fake_stop_listening();
    tapedeck__hello__free_unpacked(fake.hello, NULL);
}

void fake_listen(const char *path)
{
    struct sockaddr_un un = {.sun_family = AF_UNIX};

    snprintf(un.sun_path, sizeof un.sun_path, "%.100s", path);
    fake.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fake.listener, (struct sockaddr *)&un, sizeof un), 0);
    assert_int_equal(listen(fake.listener, 8), 0);
}

void fake_hang_up(void)
{
    if (fake.fd >= 0)
        close(fake.fd);
    fake.fd = -1;
    buf_clear(&fake.in);
}

void fake_say(const void *bytes, size_t n)
{
    assert_int_equal(send(fake.fd, bytes, n, MSG_NOSIGNAL), n);
}

void fake_say_frame(enum wire_kind kind, uint64_t seq, const void *payload, size_t n)
{
    unsigned char header[WIRE_HEADER];

    wire_put_header(header, kind, 0, (uint32_t)n, seq);
    fake_say(header, sizeof header);
    if (n)
        fake_say(payload, n);
}

void fake_welcome_as(unsigned protocol, uint64_t last_seq, const char *refusal)
{
    uint8_t payload[300];
    char text[100];
    Tapedeck__Welcome m;

    snprintf(text, sizeof text, "%s", refusal);
    tapedeck__welcome__init(&m);
    m.protocol = protocol;
    m.last_seq = last_seq;
    m.file = fake.file;
    m.refusal = text;
    fake_say_frame(WIRE_WELCOME, 0, payload, tapedeck__welcome__pack(&m, payload));
    fake.next = last_seq + 1;
}

void fake_welcome(uint64_t last_seq)
{
    fake_welcome_as(WIRE_VERSION, last_seq, "");
}

void fake_ack(uint64_t seq)
{
    fake_say_frame(WIRE_ACK, seq, NULL, 0);
}

static void hear_frame(const struct wire_frame *f)
{
    const uint8_t *p = (const uint8_t *)f->payload.p;

    if (f->kind == WIRE_HELLO) {
        fake.hellos++;
        tapedeck__hello__free_unpacked(fake.hello, NULL);
        fake.hello = tapedeck__hello__unpack(NULL, f->payload.n, p);
        assert_non_null(fake.hello);
    } else if (f->kind == WIRE_BYE) {
        Tapedeck__Bye *bye = tapedeck__bye__unpack(NULL, f->payload.n, p);
        assert_non_null(bye);
        assert_int_equal(bye->last_seq, fake.next - 1);
        tapedeck__bye__free_unpacked(bye, NULL);
        fake.byes++;
    } else {
        assert_int_equal(f->kind, WIRE_RECORD);
        assert_int_equal(f->seq, fake.next);
        assert_true(ring_filled(f->payload, f->seq));
        fake.next++;
    }
}

// Takes what is there, at most n bytes, and a connection if one waits.
void fake_hear(size_t n)
{
    struct wire_frame frame;
    size_t used;

    if (fake.fd < 0 && fake.listener >= 0)
        fake.fd = accept4(fake.listener, NULL, NULL, SOCK_NONBLOCK);
    if (fake.fd < 0)
        return;
    char *room = buf_room(&fake.in, n);
    assert_non_null(room);
    ssize_t got = recv(fake.fd, room, n, 0);
    if (got == 0)
        fake_hang_up();
    if (got <= 0)
        return;
    buf_grew(&fake.in, (size_t)got);
    while (wire_take(buf_view(&fake.in), &frame, &used) == 0) {
        hear_frame(&frame);
        buf_drop(&fake.in, used, 0);
    }
}
