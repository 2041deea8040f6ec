// A recorder's session: what it takes, in which order, what it answers, and where it gives up.
#include "recorder/session.h"
#include "tests/support/alloc.h"
#include "tests/support/frames.h"
#include "tests/support/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A host that writes down what it is asked, and has room or not.
struct host_log {
    struct session session;
    char text[4096];
    size_t n;
    unsigned room; // calls that find room; then E_FULL
};

__attribute__((format(printf, 2, 3))) static int note(struct host_log *h, const char *format, ...)
{
    if (h->room == 0)
        return E_FULL;
    h->room--;
    va_list args;
    va_start(args, format);
    h->n += (size_t)vsnprintf(h->text + h->n, sizeof h->text - h->n, format, args);
    va_end(args);
    return 0;
}

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    return note(arg, "hello %02x %s;", name[15], payload.n ? "payload" : "");
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    return note(arg, "%d/%d t%u n%u;", (int)stream, (int)seq, type, (unsigned)payload.n);
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    return note(arg, "bye %d/%d;", (int)stream, (int)last_seq);
}

static const struct session_host host = {on_hello, on_record, on_bye};

static struct unpack *unpack;

static void begin(struct host_log *h)
{
    h->n = 0;
    h->text[0] = 0;
    h->room = 1000000;
    session_init(&h->session, &host, h, unpack);
}

// What the session has to say, as text; it is then sent.
static const char *said(struct session *s)
{
    static char text[1024];
    size_t n = 0;
    text[0] = 0;
    for (;;) {
        struct frames_answer a[8];
        size_t used;
        struct view out = session_out(s);
        size_t count = frames_answers(out, a, 8, &used);
        if (count == 0)
            return text;
        for (size_t i = 0; i < count; i++) {
            const char *why = a[i].refusal;
            n += (size_t)snprintf(text + n, sizeof text - n, "%s %d%s%s;",
                                  wire_kind_text(a[i].kind), (int)a[i].seq, why[0] ? " " : "", why);
        }
        session_sent(s, used);
    }
}

static int feed_all(struct session *s, struct view in, size_t *used)
{
    size_t need;
    return session_feed(s, in, used, &need);
}

// To OPEN: stream 7, last committed.
static void open_session(struct host_log *h, uint64_t first, uint64_t next, uint64_t committed)
{
    struct buf b;
    size_t used;
    begin(h);
    buf_init(&b, FRAMES_MAX);
    frames_hello(&b, 0xab, first, next);
    assert_int_equal(feed_all(&h->session, buf_view(&b), &used), E_FULL);
    assert_int_equal(used, buf_len(&b));
    assert_int_equal(h->session.state, SESSION_WAITING);
    assert_int_equal(session_welcome(&h->session, 7, committed, 0), 0);
    h->n = 0;
    h->text[0] = 0;
    buf_clear(&b);
}

static void a_whole_talk(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used;
    buf_init(&b, FRAMES_MAX);
    begin(&h);
    frames_hello(&b, 0xab, 1, 1);
    size_t hello = buf_len(&b);
    frames_flow_open(&b, 1, "x:1");
    frames_restart(&b, 2);
    // Nothing behind the hello is taken before the welcome.
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), E_FULL);
    assert_int_equal(used, hello);
    assert_string_equal(h.text, "hello ab payload;");
    assert_string_equal(said(&h.session), "");
    assert_int_equal(session_welcome(&h.session, 7, 0, 0), 0);
    assert_string_equal(said(&h.session), "welcome 0;");
    assert_int_equal(feed_all(&h.session, view_from(buf_view(&b), used), &used), 0);
    assert_int_equal(used, buf_len(&b) - hello);
    assert_non_null(strstr(h.text, "7/1 t1 "));
    assert_non_null(strstr(h.text, "7/2 t8 "));
    session_ack(&h.session, 1, false);
    session_ack(&h.session, 2, false);
    assert_string_equal(said(&h.session), "ack 2;");
    assert_string_equal(said(&h.session), "");
    buf_reset(&b);
    frames_bye(&b, 2);
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    assert_int_equal(h.session.state, SESSION_ENDED);
    assert_non_null(strstr(h.text, "bye 7/2;"));
    // A bye is answered by a last ACK, also where it tells nothing new.
    session_ack(&h.session, 2, true);
    assert_string_equal(said(&h.session), "ack 2;");
    buf_clear(&b);
    session_clear(&h.session);
}

static void what_was_committed_is_passed_over(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used;
    buf_init(&b, FRAMES_MAX);
    open_session(&h, 1, 10, 3);
    assert_string_equal(said(&h.session), "welcome 3;");
    for (uint64_t seq = 1; seq <= 5; seq++)
        frames_put(&b, WIRE_RECORD, WIRE_LOSS, seq, VIEW_LIT(""));
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    assert_string_equal(h.text, "7/4 t7 n0;7/5 t7 n0;");
    assert_int_equal(h.session.repeated, 3);
    session_clear(&h.session);
    buf_clear(&b);
}

static void a_hole_ends_the_session(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used;
    buf_init(&b, FRAMES_MAX);
    open_session(&h, 1, 10, 3);
    frames_put(&b, WIRE_RECORD, WIRE_LOSS, 4, VIEW_LIT(""));
    size_t good = buf_len(&b);
    frames_put(&b, WIRE_RECORD, WIRE_LOSS, 6, VIEW_LIT(""));
    frames_put(&b, WIRE_RECORD, WIRE_LOSS, 5, VIEW_LIT(""));
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), E_DAMAGED);
    assert_int_equal(used, good);
    assert_string_equal(h.text, "7/4 t7 n0;");
    assert_string_equal(h.session.why, "record 6 came where 5 was expected");
    // Nothing is taken any more.
    assert_int_not_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    assert_int_equal(used, 0);
    session_clear(&h.session);
    buf_clear(&b);
}

static void unknown_kinds_and_types_do_no_harm(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used;
    buf_init(&b, FRAMES_MAX);
    begin(&h);
    frames_put(&b, 77, 0, 0, VIEW_LIT("before the hello"));
    frames_hello(&b, 0xab, 1, 1);
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), E_FULL);
    assert_int_equal(session_welcome(&h.session, 7, 0, 0), 0);
    buf_reset(&b);
    frames_put(&b, 0, 0, 0, VIEW_LIT(""));
    frames_put(&b, 255, 255, UINT64_MAX, VIEW_LIT("xyz"));
    frames_put(&b, WIRE_RECORD, 0, 1, VIEW_LIT("ab"));
    frames_put(&b, WIRE_RECORD, 200, 2, VIEW_LIT("c"));
    h.n = 0;
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    assert_string_equal(h.text, "7/1 t0 n2;7/2 t200 n1;");
    assert_int_equal(h.session.skipped, 3);
    session_clear(&h.session);
    buf_clear(&b);
}

static void a_host_without_room_is_asked_again(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used, at = 0;
    buf_init(&b, FRAMES_MAX);
    open_session(&h, 1, 10, 0);
    for (uint64_t seq = 1; seq <= 3; seq++)
        frames_put(&b, WIRE_RECORD, WIRE_LOSS, seq, VIEW_LIT(""));
    frames_bye(&b, 3);
    h.room = 0;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(feed_all(&h.session, view_from(buf_view(&b), at), &used), E_FULL);
        at += used;
        h.room = 1;
    }
    assert_int_equal(feed_all(&h.session, view_from(buf_view(&b), at), &used), 0);
    assert_string_equal(h.text, "7/1 t7 n0;7/2 t7 n0;7/3 t7 n0;bye 7/3;");
    session_clear(&h.session);
    buf_clear(&b);
}

static void numbers_that_do_not_fit_are_refused_or_told(void **state)
{
    (void)state;
    struct host_log h;
    struct buf b;
    size_t used;
    buf_init(&b, FRAMES_MAX);
    // The proxy would go on with 5, but 9 is committed: its records would vanish.
    begin(&h);
    frames_hello(&b, 1, 2, 5);
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), E_FULL);
    assert_int_equal(session_welcome(&h.session, 7, 9, 0), E_DAMAGED);
    assert_int_equal(h.session.state, SESSION_REFUSED);
    assert_string_equal(said(&h.session),
                        "welcome 0 the stream goes back: its next record would be 5, but 9 is "
                        "committed;");
    assert_int_not_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    session_clear(&h.session);
    // Exactly where it should be.
    open_session(&h, 2, 10, 9);
    assert_int_equal(h.session.expected, 10);
    session_clear(&h.session);
    // The proxy cannot send 4 .. 6 any more: it goes on behind them, and the capture has a hole.
    open_session(&h, 7, 10, 3);
    assert_int_equal(h.session.expected, 7);
    buf_reset(&b);
    frames_put(&b, WIRE_RECORD, WIRE_LOSS, 7, VIEW_LIT(""));
    assert_int_equal(feed_all(&h.session, buf_view(&b), &used), 0);
    session_clear(&h.session);
    buf_clear(&b);
}

static void an_unread_peer_keeps_one_acknowledgement(void **state)
{
    (void)state;
    struct host_log h;
    open_session(&h, 1, 100000, 0);
    size_t most = 0;
    for (uint64_t seq = 1; seq <= 50000; seq++) {
        session_ack(&h.session, seq, false);
        size_t n = session_out(&h.session).n;
        most = n > most ? n : most;
    }
    assert_true(most < 200);
    assert_string_equal(said(&h.session), "welcome 0;ack 50000;");
    session_clear(&h.session);
}

// ---- every split

// The example stream and what becomes of it, whatever the pieces.
static void make_example(struct buf *b)
{
    struct frames_txn t = {.flow = 1,
                           .at_us = 1767225600000000,
                           .host = "api",
                           .path = "/a",
                           .status = 200,
                           .body = VIEW_LIT("hello")};
    frames_hello(b, 0xab, 1, 4);
    frames_put(b, 99, 0, 0, VIEW_LIT("skipped"));
    frames_flow_open(b, 1, "api:80");
    frames_txn(b, 2, &t);
    frames_flow_close(b, 3, 1, 1, t.wire[0], t.wire[1]);
    frames_bye(b, 3);
}

// Feeds pieces as a connection would: what is not used is offered again with more behind it.
static void feed_pieces(struct host_log *h, struct guard *g, struct view all, const size_t *cuts,
                        size_t count)
{
    size_t at = 0;
    begin(h);
    for (size_t i = 0; i <= count;) {
        size_t used, need, end = i < count ? cuts[i] : all.n;
        int e =
            session_feed(&h->session, guard_fill(g, view_n(all.p + at, end - at)), &used, &need);
        at += used;
        if (e == E_FULL) {
            assert_int_equal(h->session.state, SESSION_WAITING);
            assert_int_equal(session_welcome(&h->session, 7, 0, 0), 0);
            continue;
        }
        assert_int_equal(e, 0);
        assert_true(at == end || need > end - at);
        i++;
    }
    assert_int_equal(at, all.n);
}

static void every_split_gives_the_same_calls(void **state)
{
    (void)state;
    struct host_log h;
    struct guard g;
    struct buf b;
    char whole[sizeof h.text];
    buf_init(&b, FRAMES_MAX);
    make_example(&b);
    struct view all = buf_view(&b);
    guard_init(&g, all.n);
    feed_pieces(&h, &g, all, NULL, 0);
    memcpy(whole, h.text, sizeof whole);
    assert_string_equal(said(&h.session), "welcome 0;");
    session_clear(&h.session);
    for (size_t i = 0; i <= all.n; i++) {
        size_t cuts[2] = {i, i + (all.n - i) / 2};
        feed_pieces(&h, &g, all, cuts, 2);
        assert_string_equal(h.text, whole);
        session_clear(&h.session);
    }
    size_t *each = malloc(all.n * sizeof *each);
    for (size_t i = 0; i < all.n; i++)
        each[i] = i;
    feed_pieces(&h, &g, all, each, all.n);
    assert_string_equal(h.text, whole);
    session_clear(&h.session);
    free(each);
    guard_free(&g);
    buf_clear(&b);
}

// ---- malformed input

enum where { FIRST, OPENED, AFTER_BYE };

// Bytes as hexadecimal text; each must end the session with an error that holds the words.
static const struct {
    enum where where;
    const char *hex, *words;
} malformed[] = {
    // length beyond the maximum
    {FIRST, "00100001", "longer than"},
    {FIRST, "ffffffff", "longer than"},
    {FIRST, "80000000 01 00 0000 0000000000000000", "longer than"},
    {OPENED, "00100001 03 04 0000 0000000000000001", "longer than"},
    {OPENED, "7fffffff 63", "longer than"},
    {AFTER_BYE, "ffffffff", "longer than"},
    // frames in the wrong place
    {FIRST, "00000000 02 00 0000 0000000000000000", "only a recorder sends: welcome"},
    {FIRST, "00000000 03 01 0000 0000000000000001", "a record before the hello"},
    {FIRST, "00000000 03 00 0000 0000000000000000", "a record before the hello"},
    {FIRST, "00000000 04 00 0000 0000000000000001", "only a recorder sends: ack"},
    {FIRST, "00000000 05 00 0000 0000000000000000", "a bye before the hello"},
    {OPENED, "00000000 01 00 0000 0000000000000000", "a second hello"},
    {OPENED, "00000002 01 00 0000 0000000000000000 0801", "a second hello"},
    {OPENED, "00000000 02 00 0000 0000000000000000", "only a recorder sends"},
    {OPENED, "00000000 04 00 0000 0000000000000005", "only a recorder sends"},
    {AFTER_BYE, "00000000 01 00 0000 0000000000000000", "a second hello"},
    {AFTER_BYE, "00000000 02 00 0000 0000000000000000", "only a recorder sends"},
    {AFTER_BYE, "00000000 03 01 0000 0000000000000001", "a record after the bye"},
    {AFTER_BYE, "00000000 04 00 0000 0000000000000000", "only a recorder sends"},
    {AFTER_BYE, "00000000 05 00 0000 0000000000000000", "a bye after the bye"},
    // hellos that are no message
    {FIRST, "00000001 01 00 0000 0000000000000000 08", "cannot be read"},
    {FIRST, "00000001 01 00 0000 0000000000000000 ff", "cannot be read"},
    {FIRST, "00000002 01 00 0000 0000000000000000 08ff", "cannot be read"},
    {FIRST, "00000002 01 00 0000 0000000000000000 1210", "cannot be read"},
    {FIRST, "00000003 01 00 0000 0000000000000000 12ff01", "cannot be read"},
    {FIRST, "00000001 01 00 0000 0000000000000000 00", "cannot be read"},
    {FIRST, "00000002 01 00 0000 0000000000000000 0f00", "cannot be read"},
    {FIRST, "00000002 01 00 0000 0000000000000000 7205", "cannot be read"},
    {FIRST, "0000000b 01 00 0000 0000000000000000 08ffffffffffffffffffff", "cannot be read"},
    // hellos without a stream of 16 bytes
    {FIRST, "00000000 01 00 0000 0000000000000000", "cannot be read"},
    {FIRST, "00000002 01 00 0000 0000000000000000 0801", "cannot be read"},
    {FIRST, "00000004 01 00 0000 0000000000000000 0801 1200", "cannot be read"},
    {FIRST, "00000005 01 00 0000 0000000000000000 0801 120141", "cannot be read"},
    {FIRST, "00000013 01 00 0000 0000000000000000 0801 120f 000102030405060708090a0b0c0d0e",
     "cannot be read"},
    {FIRST, "00000015 01 00 0000 0000000000000000 0801 1211 000102030405060708090a0b0c0d0e0f10",
     "cannot be read"},
    // hellos whose numbers cannot be
    {FIRST, "00000014 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f",
     "numbers that cannot be, first=0"},
    {FIRST,
     "00000018 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f 1800 2001",
     "first=0 next=1"},
    {FIRST,
     "00000018 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f 1801 2000",
     "first=1 next=0"},
    {FIRST,
     "00000018 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f 1805 2004",
     "first=5 next=4"},
    {FIRST,
     "0000001d 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f 1801 "
     "208080808080 20",
     "numbers that cannot be"},
    {FIRST,
     "00000021 01 00 0000 0000000000000000 0801 1210 000102030405060708090a0b0c0d0e0f 1801 "
     "20ffffffffffffffffff01",
     "numbers that cannot be"},
    // a protocol that nobody speaks
    {FIRST,
     "00000018 01 00 0000 0000000000000000 0800 1210 000102030405060708090a0b0c0d0e0f 1801 2001",
     "protocol 0"},
    {FIRST, "00000016 01 00 0000 0000000000000000 1210 000102030405060708090a0b0c0d0e0f 1801 2001",
     "protocol 0"},
    // records whose numbers cannot be
    {OPENED, "00000000 03 01 0000 0000000000000000", "a record with the number 0"},
    {OPENED, "00000000 03 01 0000 0000000000000002", "record 2 came where 1 was expected"},
    {OPENED, "00000000 03 01 0000 000000ffffffffff", "came where 1 was expected"},
    {OPENED, "00000000 03 01 0000 0000010000000000", "a record with the number 1099511627776"},
    {OPENED, "00000000 03 01 0000 ffffffffffffffff", "a record with the number"},
    {OPENED, "00000000 03 01 0000 8000000000000000", "a record with the number"},
    {OPENED, "00000000 03 ff 0000 0000000000000000", "a record with the number 0"},
    {OPENED, "00000000 03 00 0000 0000000000000003", "record 3 came where 1"},
    {OPENED, "00000003 03 04 ffff 0000000000000009 ffffff", "record 9 came where 1"},
    // behind a good one
    {OPENED, "00000000 03 07 0000 0000000000000001 00000000 03 07 0000 0000000000000003",
     "record 3 came where 2"},
    {OPENED, "00000000 63 00 0000 0000000000000001 00000000 03 07 0000 0000000000000002",
     "record 2 came where 1"},
    {OPENED, "00000000 03 07 0000 0000000000000001 ffffffff", "longer than"},
    {OPENED, "00000000 03 07 0000 0000000000000001 00000000 01 00 0000 0000000000000000",
     "a second hello"},
    // byes
    {OPENED, "00000001 05 00 0000 0000000000000000 ff", "a bye that cannot be read"},
    {OPENED, "00000001 05 00 0000 0000000000000000 08", "a bye that cannot be read"},
    {OPENED, "00000002 05 00 0000 0000000000000000 12ff", "a bye that cannot be read"},
    {OPENED, "00000002 05 00 0000 0000000000000000 0801", "a bye after record 1, but the last"},
    {OPENED, "00000006 05 00 0000 0000000000000000 08ffffffff0f", "a bye after record 4294967295"},
    {OPENED, "0000000b 05 00 0000 0000000000000000 08ffffffffffffffffff01",
     "a bye after record 18446744073709551615"},
    {OPENED, "00000000 03 07 0000 0000000000000001 00000000 05 00 0000 0000000000000000",
     "a bye after record 0, but the last that came is 1"},
    // text that is not ours at all
    {FIRST, "474554202f20485454502f312e310d0a", "longer than"},
    {FIRST, "16030100c8010000c40303", "longer than"},
    {FIRST, "5353482d322e302d", "longer than"},
    {FIRST, "050100", NULL}, // not enough to tell
};

static size_t from_hex(const char *hex, unsigned char *out)
{
    size_t n = 0;
    for (; *hex; hex++) {
        char pair[3] = {hex[0], hex[1], 0};
        if (*hex == ' ')
            continue;
        out[n++] = (unsigned char)strtoul(pair, NULL, 16);
        hex++;
    }
    return n;
}

static void prepare(struct host_log *h, enum where where)
{
    struct buf b;
    size_t used;
    if (where == FIRST) {
        begin(h);
        return;
    }
    open_session(h, 1, 1, 0);
    if (where == AFTER_BYE) {
        buf_init(&b, FRAMES_MAX);
        frames_bye(&b, 0);
        assert_int_equal(feed_all(&h->session, buf_view(&b), &used), 0);
        buf_clear(&b);
    }
}

static void malformed_input_ends_the_session(void **state)
{
    (void)state;
    struct guard g;
    guard_init(&g, 512);
    assert_true(sizeof malformed / sizeof *malformed >= 60);
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++) {
        struct host_log h;
        unsigned char bytes[512];
        size_t used = 0, n = from_hex(malformed[i].hex, bytes);
        // As a whole, then byte by byte with the rest kept.
        prepare(&h, malformed[i].where);
        int e = feed_all(&h.session, guard_fill(&g, view_n(bytes, n)), &used);
        if (!malformed[i].words) {
            assert_int_equal(e, 0);
            session_clear(&h.session);
            continue;
        }
        if (e == 0 || e == E_FULL || !strstr(h.session.why, malformed[i].words))
            fail_msg("%s: %d \"%s\", wanted \"%s\"", malformed[i].hex, e, h.session.why,
                     malformed[i].words);
        session_clear(&h.session);
        prepare(&h, malformed[i].where);
        e = 0;
        for (size_t at = 0, end = 1; end <= n && e == 0; end++) {
            e = feed_all(&h.session, guard_fill(&g, view_n(bytes + at, end - at)), &used);
            at += used;
        }
        assert_true(e != 0 && e != E_FULL);
        assert_non_null(strstr(h.session.why, malformed[i].words));
        assert_int_equal(h.session.state, SESSION_BROKEN);
        session_clear(&h.session);
    }
    guard_free(&g);
}

static void no_memory_ends_the_session_alone(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, FRAMES_MAX);
    make_example(&b);
    for (long i = 0, failed = 1; failed; i++) {
        struct host_log h;
        size_t at = 0, used;
        begin(&h);
        alloc_fail_at(i);
        int e = feed_all(&h.session, buf_view(&b), &used);
        if (e == E_FULL)
            e = session_welcome(&h.session, 7, 0, 0);
        at = used;
        if (e == 0)
            e = feed_all(&h.session, view_from(buf_view(&b), at), &used);
        if (e == 0) {
            session_sent(&h.session, session_out(&h.session).n);
            session_ack(&h.session, 3, true);
            (void)session_out(&h.session);
        }
        failed = alloc_fail_end();
        assert_true(e == 0 || (failed && e == E_NOMEM));
        session_clear(&h.session);
    }
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_talk),
        cmocka_unit_test(what_was_committed_is_passed_over),
        cmocka_unit_test(a_hole_ends_the_session),
        cmocka_unit_test(unknown_kinds_and_types_do_no_harm),
        cmocka_unit_test(a_host_without_room_is_asked_again),
        cmocka_unit_test(numbers_that_do_not_fit_are_refused_or_told),
        cmocka_unit_test(an_unread_peer_keeps_one_acknowledgement),
        cmocka_unit_test(every_split_gives_the_same_calls),
        cmocka_unit_test(malformed_input_ends_the_session),
        cmocka_unit_test(no_memory_ends_the_session_alone),
    };
    unpack = unpack_new();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unpack_free(unpack);
    return failed;
}
