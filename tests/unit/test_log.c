// A log line is one line, whatever was in it, and says no more than was asked for.
#include "proto/base/err.h"
#include "proto/base/log.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static char dir[TMP_PATH], path[TMP_PATH];
static int real_stderr;

static int begin(void **state)
{
    (void)state;
    tmp_make(dir);
    int fd = open(tmp_path(path, dir, "log"), O_CREAT | O_WRONLY | O_APPEND, 0600);
    real_stderr = dup(STDERR_FILENO);
    dup2(fd, STDERR_FILENO);
    close(fd);
    log_init("unit");
    log_set_level(LOG_INFO);
    return log_set_topics(NULL);
}

static int end(void **state)
{
    (void)state;
    dup2(real_stderr, STDERR_FILENO);
    close(real_stderr);
    tmp_remove(dir);
    log_set_level(LOG_INFO);
    return 0;
}

// What was logged, without the time at the front of each line; freed by the caller.
static char *logged(void)
{
    size_t n;
    char *text = tmp_read(path, &n), *out = text;
    assert_true(n == 0 || text[n - 1] == '\n');
    for (char *line = text; *line;) {
        char *stop = strchr(line, '\n');
        assert_true(stop - line >= 28 && line[26] == 'Z' && line[27] == ' ');
        size_t length = (size_t)(stop - line) + 1 - 28;
        memmove(out, line + 28, length);
        out += length;
        line = stop + 1;
    }
    *out = 0;
    return text;
}

static void expect(const char *text)
{
    char *got = logged();
    assert_string_equal(got, text);
    free(got);
}

static void a_line_has_level_program_and_message(void **state)
{
    (void)state;
    log_error("cannot start code=%d", 7);
    log_warn("odd");
    log_info("flow closed id=%d reason=%s", 12, "done");
    log_libevent(0, "unasked");
    log_libevent(2, "too many open files");
    log_libevent(77, "new");
    log_debug("not at this level");
    log_trace("relay", "nor this");
    expect("error unit cannot start code=7\nwarn unit odd\ninfo unit flow closed id=12 "
           "reason=done\nwarn unit libevent reason=\"too many open files\"\n"
           "error unit libevent reason=\"new\"\n");
}

static void control_characters_stay_out_of_the_terminal(void **state)
{
    (void)state;
    log_info("a\nb\r\t\x1b[31m\x7f \xc2\x9b \xc3\xa9 \xc2\xa0 \xff\xc2");
    expect("info unit a\\x0ab\\x0d\\x09\\x1b[31m\\x7f \\xc2\\x9b \xc3\xa9 \xc2\xa0 \xff\xc2\n");
}

static void a_long_message_ends_in_dots(void **state)
{
    (void)state;
    for (int c = 'x'; c > 0; c = c == 'x' ? '\n' : 0) {
        char text[6000];
        memset(text, c, sizeof text - 1);
        text[sizeof text - 1] = 0;
        log_info("%s", text);
    }
    char *got = logged();
    assert_true(strlen(got) <= 2 * 4096);
    char *first = strchr(got, '\n');
    assert_non_null(first);
    assert_memory_equal(first - 3, "...", 3);
    assert_memory_equal(got + strlen(got) - 4, "...\n", 4);
    assert_int_equal(first[1 + strcspn(first + 1, "\n")], '\n');
    free(got);
}

static void trace_is_by_topic(void **state)
{
    (void)state;
    assert_int_equal(log_set_topics("relay, tap,link"), 0);
    assert_false(log_traces("tap")); // level info
    log_set_level(LOG_TRACE);
    assert_true(log_traces("relay") && log_traces("tap") && log_traces("link"));
    assert_false(log_traces("rela") || log_traces("relays") || log_traces(""));
    log_trace("tap", "seen n=%d", 3);
    log_trace("front", "not asked for");
    assert_int_equal(log_set_topics("all"), 0);
    log_trace("front", "now");
    assert_int_equal(log_set_topics(""), 0);
    assert_false(log_traces("tap"));
    expect("trace unit tap: seen n=3\ntrace unit front: now\n");
}

static void topics_have_a_ceiling(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof text);
    text[257] = 0;
    assert_int_equal(log_set_topics(text), E_LIMIT);
    text[256] = 0;
    assert_int_equal(log_set_topics(text), 0);
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_INFO;
    static const char *const names[] = {"error", "warn", "info", "debug", "trace"};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(log_level_parse(names[i], &level), 0);
        assert_int_equal(level, i);
    }
    assert_int_equal(log_level_parse("WARN", &level), E_SYNTAX);
    assert_int_equal(log_level_parse("", &level), E_SYNTAX);
    log_set_level(LOG_ERROR);
    assert_int_equal(log_get_level(), LOG_ERROR);
    log_warn("not at this level");
    expect("");
}

static void logging_leaves_errno_alone(void **state)
{
    (void)state;
    errno = ENOENT;
    log_info("hello");
    assert_int_equal(errno, ENOENT);
    close(STDERR_FILENO); // nobody listens: nothing happens
    log_info("hello");
    assert_int_equal(errno, ENOENT);
}

// The test would hang here if a line waited for its reader.
static void a_full_pipe_costs_lines_and_no_time(void **state)
{
    (void)state;
    int ends[2];
    char text[4096];
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    for (int i = 0; i < 5000; i++)
        log_info("a line that nobody reads i=%d", i);
    while (read(ends[0], text, sizeof text) == (ssize_t)sizeof text)
        if (poll(&(struct pollfd){.fd = ends[0], .events = POLLIN}, 1, 0) == 0)
            break;
    log_info("after");
    ssize_t n = read(ends[0], text, sizeof text - 1);
    assert_true(n > 0);
    text[n] = 0;
    assert_non_null(strstr(text, "lines were dropped"));
    assert_non_null(strstr(text, "after"));
    close(ends[0]);
    close(ends[1]);
}

static void every_error_has_words(void **state)
{
    (void)state;
    for (int e = E_GONE; e <= E_OK; e++) {
        assert_non_null(err_text(e));
        assert_string_not_equal(err_text(e), "unknown error");
    }
    assert_string_equal(err_text(E_GONE - 1), "unknown error");
    assert_string_equal(err_text(1), "unknown error");
    assert_string_equal(err_text(-2147483647 - 1), "unknown error");
    assert_string_equal(err_text(E_TIMEOUT), "timed out");
}

static void system_errors_keep_their_meaning(void **state)
{
    (void)state;
    assert_int_equal(err_from_errno(0), E_OK);
    assert_int_equal(err_from_errno(ECONNREFUSED), E_REFUSED);
    assert_int_equal(err_from_errno(ECONNRESET), E_RESET);
    assert_int_equal(err_from_errno(EPIPE), E_RESET);
    assert_int_equal(err_from_errno(ETIMEDOUT), E_TIMEOUT);
    assert_int_equal(err_from_errno(EHOSTUNREACH), E_UNREACHABLE);
    assert_int_equal(err_from_errno(ENETUNREACH), E_UNREACHABLE);
    assert_int_equal(err_from_errno(EAGAIN), E_AGAIN);
    assert_int_equal(err_from_errno(EINTR), E_AGAIN);
    assert_int_equal(err_from_errno(ENOSPC), E_FULL);
    assert_int_equal(err_from_errno(EADDRINUSE), E_BUSY);
    assert_int_equal(err_from_errno(ENOMEM), E_NOMEM);
    assert_int_equal(err_from_errno(EMFILE), E_LIMIT);
    assert_int_equal(err_from_errno(EIO), E_IO);
    assert_int_equal(err_from_errno(99999), E_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_line_has_level_program_and_message, begin, end),
        cmocka_unit_test_setup_teardown(control_characters_stay_out_of_the_terminal, begin, end),
        cmocka_unit_test_setup_teardown(a_long_message_ends_in_dots, begin, end),
        cmocka_unit_test_setup_teardown(trace_is_by_topic, begin, end),
        cmocka_unit_test_setup_teardown(topics_have_a_ceiling, begin, end),
        cmocka_unit_test_setup_teardown(levels_have_names, begin, end),
        cmocka_unit_test_setup_teardown(logging_leaves_errno_alone, begin, end),
        cmocka_unit_test_setup_teardown(a_full_pipe_costs_lines_and_no_time, begin, end),
        cmocka_unit_test(every_error_has_words),
        cmocka_unit_test(system_errors_keep_their_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
