// Recorded conversations: which one goes on, as the client speaks.
#include "tests/support/alloc.h"
#include "tests/support/sample.h"
#include "tools/cli.h"
#include "tools/mock/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sample s;
static struct capture c;
static struct match_conf conf;
static struct index *ix;
static int64_t ids[20];
static int talks;

static void begin(void)
{
    talks = 0;
    conf = (struct match_conf){0};
    sample_begin(&s, "capture.db");
}

// Texts in turn from the client and the server; an empty first one: the server speaks first.
static void say(const char *const *texts)
{
    sample_flow(&s, false);
    ids[++talks] = sample_raw(&s, texts);
    sample_flow_end(&s);
}
#define SAY(...) say((const char *const[]){__VA_ARGS__, NULL})

static void ready(void)
{
    struct index_conf all = {.captures = &c, .n = 1, .match = &conf};
    sample_finish(&s);
    assert_int_equal(capture_find(&c, s.path), CLI_OK);
    assert_int_equal(index_build(&ix, &all), CLI_OK);
}

static void end(void)
{
    index_free(ix);
    capture_clear(&c);
    sample_remove(&s);
}

static int number(uint32_t talk)
{
    for (int i = 1; i <= talks; i++)
        if (ids[i] == index_talk(ix, talk)->id)
            return i;
    return 0;
}

// A live connection.
struct live {
    uint64_t state;
    uint32_t talk;
    struct talk_turn turn;
};

static int start(struct live *l)
{
    uint32_t greets;
    *l = (struct live){.talk = INDEX_NONE};
    assert_int_equal(index_talk_start(ix, VIEW_LIT("api.test:80"), &l->state, &greets), 1);
    l->talk = greets;
    if (greets != INDEX_NONE)
        index_talk_take(ix, greets);
    return greets == INDEX_NONE ? 0 : number(greets);
}

// What is heard so far: the number of the conversation that answers, 0 for more, -1 for nobody.
static int hear(struct live *l, const char *said, bool ended)
{
    enum talk_heard heard = index_talk_hear(ix, l->state, view_of(said), ended, l->talk, &l->turn);
    if (heard != TALK_FOUND)
        return heard == TALK_MORE ? 0 : -1;
    if (l->turn.talk != l->talk)
        index_talk_take(ix, l->turn.talk);
    l->talk = l->turn.talk;
    l->state = l->turn.state;
    return number(l->talk);
}

static void answers(const struct live *l, uint64_t c2s, uint64_t from, uint64_t s2c, bool last)
{
    assert_int_equal(l->turn.c2s, c2s);
    assert_int_equal(l->turn.from, from);
    assert_int_equal(l->turn.s2c, s2c);
    assert_int_equal(l->turn.last, last);
}

static void test_narrow(void **state)
{
    struct live l;
    (void)state;
    begin();
    SAY("AUTH x", "OK", "GET a", "1!");             // 1
    SAY("AUTH x", "OK", "GET b", "2", "QUIT", "."); // 2
    SAY("PING", "PONG");                            // 3
    ready();
    assert_int_equal(start(&l), 0);
    assert_int_equal(hear(&l, "AU", false), 0);
    assert_int_equal(hear(&l, "AU", true), -1);
    assert_int_equal(hear(&l, "AUTH x", false), 1);
    answers(&l, 6, 0, 2, false);
    assert_int_equal(hear(&l, "GET", false), 0);
    assert_int_equal(hear(&l, "GET b", false), 2); // the first is left for the second
    answers(&l, 5, 2, 1, false);
    assert_int_equal(hear(&l, "EXIT", false), -1);
    assert_int_equal(hear(&l, "QUIT and more", false), 2);
    answers(&l, 4, 3, 1, true);
    assert_int_equal(hear(&l, "x", false), -1);
    assert_int_equal(start(&l), 0);
    assert_int_equal(hear(&l, "zzz", false), -1);
    assert_int_equal(hear(&l, "PING", false), 3);
    answers(&l, 4, 0, 4, true);
    assert_int_equal(start(&l), 0);
    assert_int_equal(hear(&l, "AUTH x", false), 2); // both are used: the newest
    uint64_t at;
    uint32_t greets;
    assert_int_equal(index_talk_start(ix, VIEW_LIT("api.test:81"), &at, &greets), 0);
    end();
}

static void test_greeting(void **state)
{
    struct live l;
    (void)state;
    begin();
    SAY("", "hello 1\n", "EHLO", "250");          // 1
    SAY("", "hello 2\n", "EHLO", "251", "Q", ""); // 2
    SAY("", "hello 3\n");                         // 3
    conf.repeat = MATCH_CYCLE;
    ready();
    for (int i = 0; i < 6; i++) {
        assert_int_equal(start(&l), i % 3 + 1);
        assert_int_equal(index_talk(ix, l.talk)->greeting, 8);
        assert_true(index_talk(ix, l.talk)->server_first);
        if (i % 3 == 1) {
            assert_int_equal(hear(&l, "EHLO", false), 2);
            answers(&l, 4, 8, 3, false);
            assert_int_equal(hear(&l, "Q", false), 2);
            answers(&l, 1, 11, 0, true);
        }
    }
    struct index_sums sums;
    index_sums(ix, &sums);
    assert_int_equal(sums.talks, 3);
    end();
}

// When all have been used.
static void test_repeat(void **state)
{
    static const int turns[][5] = {{1, 2, 2, 2, 2}, {1, 2, 1, 2, 1}, {1, 2, -1, -1, -1}};
    (void)state;
    for (int repeat = MATCH_LAST; repeat <= MATCH_FAIL; repeat++) {
        begin();
        SAY("a", "1");
        SAY("a", "2");
        conf.repeat = (enum match_repeat)repeat;
        ready();
        for (int i = 0; i < 5; i++) {
            struct live l;
            assert_int_equal(start(&l), 0);
            assert_int_equal(hear(&l, "a", false), turns[repeat][i]);
        }
        end();
    }
}

// A turn is known by its first 64 KiB; of turns of which one begins the other the longer wins.
static void test_sizes(void **state)
{
    char *large = malloc(100001);
    struct live l;
    (void)state;
    memset(large, 'x', 100000);
    large[100000] = 0;
    begin();
    SAY(large, "large");
    SAY("ab", "1");
    SAY("abcd", "2");
    ready();
    start(&l);
    large[50000] = 0;
    assert_int_equal(hear(&l, large, false), 0);
    large[50000] = 'x';
    large[INDEX_TURN_MAX] = 0;
    assert_int_equal(hear(&l, large, false), 1);
    answers(&l, 100000, 0, 5, true);
    start(&l);
    assert_int_equal(hear(&l, "abcde", false), 3);
    answers(&l, 4, 0, 1, true);
    start(&l);
    assert_int_equal(hear(&l, "abc", true), 2);
    answers(&l, 2, 0, 1, true);
    end();
    free(large);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_greeting),
        cmocka_unit_test(test_repeat),
        cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
