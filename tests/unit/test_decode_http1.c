// The http1 decoder through the tap: every dialogue of golden/http1, cut in every way, and with
// allocations failing. With file names: prints what is heard in each, to write a dialogue with.
#include "tests/support/dialogue.h"

#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FOLDER "golden/http1/*.txt"

static void test_dialogues_in_every_cut(void **state)
{
    (void)state;
    assert_true(dialogue_each(FOLDER, 60, dialogue_holds));
}

static void test_dialogues_without_memory(void **state)
{
    (void)state;
    assert_true(dialogue_each(FOLDER, 60, dialogue_survives));
}

static size_t lines_with(const char *text, const char *part)
{
    size_t count = 0;
    for (const char *p = text; (p = strstr(p, part)); p++)
        count++;
    return count;
}

static char *repeat(const char *text, size_t times)
{
    size_t n = strlen(text);
    char *all = malloc(n * times + 1);
    assert_non_null(all);
    for (size_t i = 0; i < times; i++)
        memcpy(all + i * n, text, n);
    all[n * times] = '\0';
    return all;
}

// More than 256 requests at once: the others wait, and none is answered by another's answer.
static void test_deep_pipeline_is_paired(void **state)
{
    struct dialogue d;
    char *requests = repeat("GET /many HTTP/1.1\r\nHost: a\r\n\r\n", 600);
    char *answers = repeat("HTTP/1.1 204 No Content\r\n\r\n", 600);
    (void)state;
    dialogue_init(&d);
    dialogue_add(&d, C2S, view_of(requests));
    dialogue_add(&d, C2S, VIEW_LIT("HEAD /last HTTP/1.1\r\nHost: a\r\n\r\n"));
    dialogue_add(&d, S2C, view_of(answers));
    dialogue_add(&d, S2C, VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
    for (size_t size = 0; size < 40; size += 13) {
        dialogue_play(&d, 0, size);
        const char *log = sink_log_text(d.log);
        assert_null(sink_log_wrong(d.log));
        assert_int_equal(lines_with(log, "GET http|a|/many| 1.1"), 600);
        assert_int_equal(lines_with(log, " s2c http 1.1 204"), 600);
        assert_non_null(strstr(log, "begin 600 c2s http HEAD http|a|/last| 1.1"));
        assert_non_null(strstr(log, "begin 600 s2c http 1.1 200"));
        assert_non_null(strstr(log, "end 600 s2c complete content=0 wire=0\ntxn 600\nclose"));
        assert_null(strstr(log, "raw"));
    }
    dialogue_clear(&d);
    free(requests);
    free(answers);
}

// More than may be held behind 256 unanswered requests: raw, and nothing is lost.
static void test_pipeline_without_answers(void **state)
{
    struct dialogue d;
    char *requests = repeat("GET /many HTTP/1.1\r\nHost: a\r\n\r\n", 3500);
    (void)state;
    dialogue_init(&d);
    dialogue_add(&d, C2S, view_of(requests));
    dialogue_add(&d, S2C, VIEW_LIT("HTTP/1.1 204 No Content\r\n\r\n"));
    for (size_t size = 0; size < 2000; size += 999) {
        dialogue_play(&d, 0, size);
        const char *log = sink_log_text(d.log);
        assert_null(sink_log_wrong(d.log));
        assert_int_equal(lines_with(log, "begin "), 256 + 2);
        assert_non_null(strstr(log, "txn 0 \"http: more than 80 KiB behind unanswered requests\""));
        assert_non_null(strstr(log, "begin 256 c2s raw parts\n"));
        assert_non_null(strstr(log, "body 256 s2c \"HTTP/1.1 204"));
    }
    dialogue_clear(&d);
    free(requests);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dialogues_in_every_cut),
        cmocka_unit_test(test_dialogues_without_memory),
        cmocka_unit_test(test_deep_pipeline_is_paired),
        cmocka_unit_test(test_pipeline_without_answers),
    };
    if (argc > 1)
        return dialogue_print(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
