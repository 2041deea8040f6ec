// A session tells its peer which file records go to: before what goes to it, and each but once.
#include "recorder/session.h"
#include "tests/support/alloc.h"
#include "tests/support/frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct unpack *unpack;

static int on_hello(void *arg, const unsigned char name[16], struct view payload)
{
    (void)arg;
    (void)name;
    (void)payload;
    return 0;
}

static int on_record(void *arg, int64_t stream, uint64_t seq, unsigned type, struct view payload)
{
    (void)arg;
    (void)stream;
    (void)seq;
    (void)type;
    (void)payload;
    return 0;
}

static int on_bye(void *arg, int64_t stream, uint64_t last_seq)
{
    (void)arg;
    (void)stream;
    (void)last_seq;
    return 0;
}

static const struct session_host host = {on_hello, on_record, on_bye};

// To OPEN, with so much committed, into a file without a name.
static void open_session(struct session *s, uint64_t committed)
{
    struct buf b;
    size_t used, need;
    session_init(s, &host, NULL, unpack);
    buf_init(&b, FRAMES_MAX);
    frames_hello(&b, 0xab, 1, 100);
    assert_int_equal(session_feed(s, buf_view(&b), &used, &need), E_FULL);
    assert_int_equal(session_welcome(s, 7, committed, 0), 0);
    buf_clear(&b);
}

// What the session has to say, as text; it is then sent.
static const char *said(struct session *s)
{
    static char text[1024];
    struct frames_answer a[8];
    size_t n = 0, used, count;
    text[0] = 0;
    while ((count = frames_answers(session_out(s), a, 8, &used)) > 0) {
        for (size_t i = 0; i < count; i++) {
            n += (size_t)snprintf(text + n, sizeof text - n, "%s %d", wire_kind_text(a[i].kind),
                                  (int)a[i].seq);
            if (a[i].kind == WIRE_WELCOME)
                n += (size_t)snprintf(text + n, sizeof text - n, "%s%s file %llx",
                                      a[i].refusal[0] ? " " : "", a[i].refusal,
                                      (unsigned long long)a[i].file);
            n += (size_t)snprintf(text + n, sizeof text - n, ";");
        }
        session_sent(s, used);
    }
    return text;
}

// The peer knows which file a record that is acknowledged went to.
static void another_file_is_told_before_what_goes_to_it(void **state)
{
    (void)state;
    struct session s;
    open_session(&s, 3);
    session_file(&s, 5);
    session_ack(&s, 4, false);
    assert_string_equal(said(&s), "welcome 3 file 0;welcome 3 file 5;ack 4;");
    session_file(&s, 5); // the same
    session_ack(&s, 5, false);
    assert_string_equal(said(&s), "ack 5;");
    // Of several that were not told only the last.
    session_file(&s, 6);
    session_ack(&s, 6, false);
    session_file(&s, UINT64_MAX);
    session_ack(&s, 7, false);
    assert_string_equal(said(&s), "welcome 5 file ffffffffffffffff;ack 7;");
    // While something is half sent it waits.
    session_ack(&s, 8, false);
    size_t half = session_out(&s).n / 2;
    session_sent(&s, half);
    session_file(&s, 7);
    session_ack(&s, 9, false);
    session_sent(&s, session_out(&s).n);
    assert_string_equal(said(&s), "welcome 8 file 7;ack 9;");
    session_file(&s, 0); // content is to be referred to no more
    assert_string_equal(said(&s), "welcome 9 file 0;");
    session_clear(&s);
    // Before the welcome, and after a refusal, nothing is told.
    session_init(&s, &host, NULL, unpack);
    session_file(&s, 5);
    assert_string_equal(said(&s), "");
    session_refuse(&s, "no");
    session_file(&s, 6);
    assert_string_equal(said(&s), "welcome 0 no file 0;");
    session_clear(&s);
}

// To it a second welcome is nonsense, and the connection would end at each rotation.
static void who_does_not_know_of_files_is_told_of_none(void **state)
{
    (void)state;
    struct session s;
    struct buf b;
    size_t used, need;
    session_init(&s, &host, NULL, unpack);
    buf_init(&b, FRAMES_MAX);
    frames_hello_plain(&b, 0xab, 1, 100);
    assert_int_equal(session_feed(&s, buf_view(&b), &used, &need), E_FULL);
    assert_int_equal(session_welcome(&s, 7, 3, 9), 0);
    session_file(&s, 5);
    session_ack(&s, 4, false);
    assert_string_equal(said(&s), "welcome 3 file 0;ack 4;");
    buf_clear(&b);
    session_clear(&s);
}

static void a_file_is_told_when_there_is_memory_for_it(void **state)
{
    (void)state;
    struct session s;
    open_session(&s, 3);
    assert_string_equal(said(&s), "welcome 3 file 0;");
    buf_clear(&s.out);
    session_file(&s, 5);
    session_ack(&s, 4, false);
    for (int i = 0; i < 3; i++) {
        alloc_fail_at(0);
        assert_int_equal(session_out(&s).n, 0);
        assert_true(alloc_fail_end());
    }
    assert_string_equal(said(&s), "welcome 3 file 5;ack 4;");
    session_clear(&s);
}

static int set_up(void **state)
{
    (void)state;
    unpack = unpack_new();
    return unpack ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    unpack_free(unpack);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(another_file_is_told_before_what_goes_to_it),
        cmocka_unit_test(who_does_not_know_of_files_is_told_of_none),
        cmocka_unit_test(a_file_is_told_when_there_is_memory_for_it),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
