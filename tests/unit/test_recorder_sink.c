// The sink that keeps: under which name its file is told, and how long the file before stays.
#include "proto/base/clock.h"
#include "proto/digest.h"
#include "proto/record.pb-c.h"
#include "recorder/sink.h"
#include "tests/support/ask.h"
#include "tests/support/tmp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH], first[TMP_PATH];
static struct recorder_sink *s;
static uint64_t seqs[3]; // the last one of each stream
static int64_t ids[3];

static void open_sink(const struct retain_conf *retain)
{
    char why[WHY_MAX] = "";
    if (sink_sqlite.open(&s, path, retain, why) != 0)
        fail_msg("%s", why);
}

static void stream(int i)
{
    struct store_stream st = {.labels_json = "{}", .settings_json = "{}"};
    memset(st.name, i + 1, sizeof st.name);
    assert_int_equal(s->ops->stream(s, &st, 1, &ids[i], &seqs[i]), 0);
}

static int set_up(void **state)
{
    (void)state;
    static const struct retain_conf one = {.rotate_size = 1, .keep_files = 1};
    tmp_make(dir);
    tmp_path(path, dir, "capture.db");
    tmp_path(first, dir, "capture-000001.db");
    open_sink(&one);
    for (int i = 0; i < 3; i++)
        stream(i);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    s->ops->close(s);
    tmp_remove(dir);
    return 0;
}

static void put(int i, enum wire_type type, const ProtobufCMessage *m)
{
    char bytes[4096];
    assert_true(protobuf_c_message_get_packed_size(m) <= sizeof bytes);
    size_t n = protobuf_c_message_pack(m, (uint8_t *)bytes);
    assert_int_equal(s->ops->put(s, ids[i], ++seqs[i], type, view_n(bytes, n)), 0);
}

static void commit(int i)
{
    assert_int_equal(s->ops->progress(s, ids[i], seqs[i], 0), 0);
    assert_int_equal(s->ops->commit(s), 0);
}

// A record of no content.
static void flow(int i)
{
    Tapedeck__FlowOpen m;
    tapedeck__flow_open__init(&m);
    assert_int_equal(s->ops->begin(s), 0);
    put(i, WIRE_FLOW_OPEN, &m.base);
    commit(i);
}

// One that refers to content that nobody brought.
static void refer(int i)
{
    uint8_t digest[DIGEST_SIZE] = {1, 2, 3};
    Tapedeck__FlowOpen open;
    Tapedeck__Transaction m;
    Tapedeck__Message half;
    tapedeck__flow_open__init(&open);
    tapedeck__transaction__init(&m);
    tapedeck__message__init(&half);
    half.known = true;
    half.end = TAPEDECK__MESSAGE_END__COMPLETE;
    half.body_digest = (ProtobufCBinaryData){sizeof digest, digest};
    half.body_size = half.body_stored = half.body_wire = 20000;
    m.response = &half;
    assert_int_equal(s->ops->begin(s), 0);
    put(i, WIRE_FLOW_OPEN, &open.base);
    m.flow = seqs[i];
    put(i, WIRE_TRANSACTION, &m.base);
    commit(i);
}

static uint64_t name(void)
{
    uint64_t file = s->ops->file(s);
    assert_true(file != 0);
    return file;
}

// All proxies are to forget what they sent, and bring it again, when it is not there.
static void a_file_gets_another_name_when_content_is_gone(void **state)
{
    (void)state;
    uint64_t names[5];
    names[0] = name();
    flow(0);
    assert_true(name() == names[0]);
    refer(0);
    names[1] = name();
    refer(1);
    names[2] = name();
    flow(0);
    assert_true(name() == names[2]);
    // Content in a record that is kept unread is in no body.
    assert_int_equal(s->ops->begin(s), 0);
    assert_int_equal(s->ops->keep(s, ids[0], ++seqs[0], WIRE_PART, VIEW_LIT("?")), 0);
    commit(0);
    names[3] = name();
    assert_int_equal(s->ops->begin(s), 0);
    assert_int_equal(s->ops->keep(s, ids[0], ++seqs[0], 200, VIEW_LIT("?")), 0);
    commit(0);
    assert_true(name() == names[3]);
    // A file that is put back from a copy while no recorder runs.
    static const struct retain_conf none;
    s->ops->close(s);
    open_sink(&none);
    names[4] = name();
    for (int i = 0; i < 5; i++)
        for (int k = 0; k < i; k++)
            assert_true(names[i] != names[k]);
}

static bool first_is_there(int64_t now_us)
{
    s->ops->tend(s, now_us);
    return access(first, F_OK) == 0;
}

static void the_file_before_stays_while_it_may_be_referred_to(void **state)
{
    (void)state;
    static const struct retain_conf tight = {.keep_size = 1};
    for (int way = 0; way < 3; way++) {
        for (int i = 0; i < 3; i++)
            flow(i);
        int64_t now = clock_wall_us();
        s->ops->tend(s, now);
        assert_int_equal(access(first, F_OK), 0);
        s->ops->set_retain(s, &tight); // rotates no more
        now += 11 * US_PER_S;
        flow(0);
        assert_true(first_is_there(now));
        if (way == 0) { // all that know of the new file
            flow(1);
            now += 11 * US_PER_S;
            assert_true(first_is_there(now));
            assert_int_equal(s->ops->begin(s), 0);
            assert_int_equal(s->ops->progress(s, ids[2], seqs[2], now), 0); // it ends
            assert_int_equal(s->ops->commit(s), 0);
        } else if (way == 1) { // references to it come still
            flow(1);
            flow(2);
            refer(1);
            assert_true(first_is_there(clock_wall_us() + 9 * US_PER_S));
            now = clock_wall_us();
        } else { // one that is never heard of again
            assert_true(first_is_there(now + 3500 * US_PER_S));
            now += 3600 * US_PER_S;
        }
        assert_false(first_is_there(now + 61 * US_PER_S));
        tear_down(NULL);
        set_up(NULL);
    }
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_file_gets_another_name_when_content_is_gone),
        TEST(the_file_before_stays_while_it_may_be_referred_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
