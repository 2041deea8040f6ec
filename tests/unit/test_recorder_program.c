// The recorder as a program: killed at any moment, with a full disk, told to stop or to read its
// options again, it loses nothing, doubles nothing, and says in one line what is wrong.
#include "schema/store.h"
#include "tests/support/peer.h"
#include "tests/support/tmp.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <sqlite3.h>

static char dir[TMP_PATH], capture[TMP_PATH], address[TMP_PATH + 8], said[TMP_PATH];

static int set_up(void **state)
{
    (void)state;
    char path[TMP_PATH];
    tmp_make(dir);
    snprintf(address, sizeof address, "unix:%s", tmp_path(path, dir, "r.sock"));
    tmp_path(capture, dir, "capture.db");
    tmp_path(said, dir, "said");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tmp_remove(dir);
    return 0;
}

// Runs the program with --listen, --capture and what else is given (NULL at the end); its output
// goes behind the file said.
static pid_t start(const char *first, ...)
{
    const char *bin = getenv("TAPEDECK_BIN");
    char program[1024];
    const char *argv[32] = {program, "--listen", address, "--capture", capture};
    int n = 5;
    snprintf(program, sizeof program, "%s/tapedeck-recorder", bin ? bin : "../build/bin");
    va_list args;
    va_start(args, first);
    for (const char *a = first; a && n < 31; a = va_arg(args, const char *))
        argv[n++] = a;
    va_end(args);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid > 0)
        return pid;
    int fd = open(said, O_WRONLY | O_CREAT | O_APPEND, 0600);
    dup2(fd, 1);
    dup2(fd, 2);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(127);
}

static int ended(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int stop(pid_t pid, int signal)
{
    assert_int_equal(kill(pid, signal), 0);
    return ended(pid);
}

static bool has_said(const char *words)
{
    size_t n;
    char *text = tmp_read(said, &n);
    bool there = memmem(text, n, words, strlen(words)) != NULL;
    free(text);
    return there;
}

static void wait_until_said(const char *words)
{
    for (int i = 0; i < 3000; i++) {
        if (access(said, F_OK) == 0 && has_said(words))
            return;
        usleep(10000);
    }
    fail_msg("never said: %s", words);
}

static void finding(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    if (what == VERIFY_LOSS && strstr(sentence, "never said its end"))
        return; // these proxies end without a word
    fprintf(stderr, "verify: %s: %s\n", place, sentence);
    ++*(unsigned *)arg;
}

// The capture is whole, and holds that many transactions.
static void check(int64_t transactions)
{
    char why[WHY_MAX];
    struct store *s;
    struct verify_sums sums;
    unsigned findings = 0;
    if (store_open(&s, capture, STORE_READ, why) != 0)
        fail_msg("%s", why);
    assert_int_equal(store_verify(s, &sums, finding, NULL, &findings), 0);
    assert_int_equal(findings, 0);
    assert_int_equal(sums.transactions, transactions);
    store_close(s);
}

// Records first .. first + count + 1: a flow of count transactions with bodies of size bytes.
static void put_flow(struct buf *out, uint64_t first, unsigned count, size_t size)
{
    uint64_t wire[2] = {0, 0}, seq = first;
    char *body = malloc(size + 1);
    frames_flow_open(out, seq++, "web:80");
    for (unsigned i = 0; i < count; i++) {
        memset(body, 'a' + (int)(i % 26), size);
        snprintf(body, size + 1, "%llu", (unsigned long long)seq);
        struct frames_txn t = {.flow = first,
                               .n = i,
                               .at_us = 1767225600000000,
                               .host = "web",
                               .path = "/",
                               .status = 200,
                               .body = view_n(body, size)};
        frames_txn(out, seq++, &t);
        wire[0] += t.wire[0];
        wire[1] += t.wire[1];
    }
    frames_flow_close(out, seq, first, count, wire[0], wire[1]);
    free(body);
}

// A proxy's journal: flows of 10 transactions, records 1 .. 12 n, as frames; at[i] is where record
// i + 1 begins.
struct tape {
    struct buf frames;
    size_t *at;
    uint64_t last;
};

static void make_tape(struct tape *t, unsigned flows, size_t size)
{
    struct wire_frame f;
    size_t used;
    buf_init(&t->frames, 256u << 20);
    for (unsigned i = 0; i < flows; i++)
        put_flow(&t->frames, i * 12 + 1, 10, size);
    t->last = flows * 12;
    t->at = malloc((t->last + 1) * sizeof *t->at);
    for (size_t i = 0, at = 0; i <= t->last; i++, at += used) {
        t->at[i] = at;
        used = 0;
        if (i < t->last)
            assert_int_equal(wire_take(view_from(buf_view(&t->frames), at), &f, &used), 0);
    }
}

static void free_tape(struct tape *t)
{
    buf_clear(&t->frames);
    free(t->at);
}

// Sends what is not committed, as a link does after each connect. false: the connection broke; then
// *committed is what the recorder said at the beginning.
static bool play(const struct tape *t, int patience_ms, uint64_t *committed)
{
    struct peer p;
    struct buf out;
    struct frames_answer a = {0};
    if (!peer_try(&p, address, patience_ms))
        return false;
    buf_init(&out, 256u << 20);
    frames_hello(&out, 1, 1, t->last + 1);
    bool fine = peer_send(&p, &out) && peer_next(&p, &a) && a.kind == WIRE_WELCOME;
    if (fine) {
        assert_true(a.seq >= *committed); // what was acknowledged stays
        *committed = a.seq;
        struct view rest = view_from(buf_view(&t->frames), t->at[a.seq]);
        assert_int_equal(buf_add_view(&out, rest), 0);
        frames_bye(&out, t->last);
        fine = peer_send(&p, &out);
        while (fine && *committed < t->last) {
            fine = peer_next(&p, &a);
            if (fine && a.kind == WIRE_ACK)
                *committed = a.seq;
        }
    }
    buf_clear(&out);
    peer_close(&p);
    return fine;
}

static void killed_at_any_moment_it_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct tape t;
    uint64_t committed = 0;
    make_tape(&t, 400, 300);
    for (int round = 0;; round++) {
        pid_t pid = start("--batch-records", "64", "--batch-time", "1ms", NULL);
        pid_t killer = round < 12 ? fork() : 0;
        if (round < 12 && killer == 0) {
            usleep((useconds_t)(5000 + round * 9000));
            kill(pid, SIGKILL);
            _exit(0);
        }
        bool fine = play(&t, round < 12 ? 300 : 30000, &committed);
        if (killer > 0)
            waitpid(killer, NULL, 0);
        if (round < 12) {
            assert_int_equal(ended(pid), 128 + SIGKILL);
            continue;
        }
        assert_true(fine);
        assert_int_equal(committed, t.last);
        assert_int_equal(stop(pid, SIGTERM), 0);
        break;
    }
    check(4000);
    free_tape(&t);
}

static void told_to_stop_it_stores_what_it_has(void **state)
{
    (void)state;
    char path[TMP_PATH];
    struct peer p;
    struct buf out;
    struct frames_answer a;
    struct stat st;
    buf_init(&out, FRAMES_MAX);
    // Batches end by the signal alone.
    pid_t pid = start("--batch-time", "60s", "--ready-file", tmp_path(path, dir, "ready"), NULL);
    peer_connect(&p, address);
    peer_hello(&p, 1, 1, 1);
    put_flow(&out, 1, 10, 100);
    size_t bytes = buf_len(&out);
    assert_true(peer_send(&p, &out));
    // Long enough for the recorder to have read them; if it has not, that only makes this test
    // weaker.
    usleep(200000);
    assert_true(bytes > 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(kill(pid, SIGTERM), 0);
    assert_true(peer_next(&p, &a));
    assert_int_equal(a.kind, WIRE_ACK);
    assert_int_equal(a.seq, 12);
    assert_int_equal(ended(pid), 0);
    assert_int_not_equal(stat(path, &st), 0);
    peer_close(&p);
    check(10);
    // Closed in order: nothing is left in a WAL.
    char wal[TMP_PATH];
    assert_true(stat(tmp_path(wal, dir, "capture.db-wal"), &st) != 0 || st.st_size == 0);
    buf_clear(&out);
}

static void a_full_disk_stops_the_acknowledgements_only(void **state)
{
    (void)state;
    char disk[TMP_PATH], filler[TMP_PATH];
    struct tape t;
    uint64_t committed = 0;
    tmp_path(disk, dir, "disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    if (!tmp_disk(disk, 6)) {
        print_message("no file system can be mounted here: the full disk is left out\n");
        skip();
    }
    tmp_path(capture, disk, "capture.db");
    tmp_path(filler, disk, "filler");
    char *zeros = calloc(1, 3u << 20);
    tmp_write(filler, zeros, 3u << 20);
    free(zeros);
    make_tape(&t, 30, 8000); // 2.4 MB of bodies, written twice: WAL and file
    pid_t pid = start("--batch-records", "50", "--batch-time", "1ms", NULL);
    // Somebody makes room once it has said so twice.
    pid_t helper = fork();
    if (helper == 0) {
        wait_until_said("CANNOT STORE");
        usleep(1500000);
        unlink(filler);
        _exit(0);
    }
    assert_true(play(&t, 30000, &committed));
    waitpid(helper, NULL, 0);
    assert_true(has_said("no space left"));
    assert_true(has_said("storing again"));
    assert_int_equal(committed, t.last);
    assert_int_equal(stop(pid, SIGTERM), 0);
    check(300);
    tmp_disk_end(disk);
    free_tape(&t);
}

static void stopped_with_a_full_disk_it_says_what_is_missing(void **state)
{
    (void)state;
    char disk[TMP_PATH];
    struct tape t;
    tmp_path(disk, dir, "disk");
    assert_int_equal(mkdir(disk, 0700), 0);
    if (!tmp_disk(disk, 1)) {
        print_message("no file system can be mounted here: the full disk is left out\n");
        skip();
    }
    tmp_path(capture, disk, "capture.db");
    make_tape(&t, 30, 8000);
    pid_t pid = start("--batch-records", "50", "--batch-time", "1ms", NULL);
    struct peer p;
    struct buf out;
    buf_init(&out, 256u << 20);
    peer_connect(&p, address);
    peer_hello(&p, 1, 1, t.last + 1);
    assert_int_equal(buf_add_view(&out, buf_view(&t.frames)), 0);
    pid_t sender = fork();
    if (sender == 0) {
        peer_send(&p, &out);
        _exit(0);
    }
    wait_until_said("CANNOT STORE");
    assert_int_equal(stop(pid, SIGTERM), 1);
    assert_true(has_said("records not stored, their proxies keep them records="));
    peer_close(&p);
    waitpid(sender, NULL, 0);
    tmp_disk_end(disk);
    buf_clear(&out);
    free_tape(&t);
}

static void options_are_read_again(void **state)
{
    (void)state;
    char config[TMP_PATH];
    tmp_path(config, dir, "config.yaml");
    tmp_write(config, "keep-files: 3\n", 14);
    pid_t pid = start("--config", config, NULL);
    wait_until_said("recording listen=");
    tmp_write(config, "keep-files: 9\nbatch-records: 77\nlog-level: debug\n", 49);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_until_said("option changed keep-files=9");
    wait_until_said("option changed log-level=\"debug\"");
    wait_until_said("these options change only with a restart names=\"batch-records");
    tmp_write(config, "keep-files: many\n", 17);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_until_said("options stay as they were reason=\"");
    tmp_write(config, "log-level: loud\n", 16);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_until_said("log-level cannot be \"loud\"");
    tmp_write(config, "keep-files: 9\nlog-level: debug\n", 31);
    assert_int_equal(kill(pid, SIGHUP), 0);
    wait_until_said("options read again, nothing changed");
    assert_int_equal(stop(pid, SIGINT), 0);
}

static void two_recorders_do_not_share(void **state)
{
    (void)state;
    char other[TMP_PATH];
    pid_t pid = start(NULL);
    wait_until_said("recording listen=");
    // The same capture.
    assert_int_equal(ended(start("--listen", "unix:/nonexistent/x.sock", NULL)), 1);
    assert_true(has_said("cannot start reason=\""));
    assert_true(has_said("capture.db"));
    // The same socket.
    assert_int_equal(ended(start("--capture", tmp_path(other, dir, "other.db"), NULL)), 1);
    assert_true(has_said("another recorder listens there"));
    assert_int_equal(stop(pid, SIGTERM), 0);
    assert_true(has_said("stopped connections=")); // the look at its socket may still be one
}

static void what_it_cannot_do_it_says_in_a_line(void **state)
{
    (void)state;
    char long_name[300] = {0};
    memset(long_name, 'a', sizeof long_name - 1);
    const struct {
        const char *option, *value, *words;
        int code;
    } wrong[] = {
        {"--batch-records", "0", "batch-records", 2},
        {"--batch-time", "5", "batch-time", 2},
        {"--sink", "paper", "sqlite", 2},
        {"--log-topics", "all", "log-topics", 2}, // it traces nothing
        {"--no-such-option", "1", "no-such-option", 2},
        {"--proxy-type", "dual", "proxy-type", 2},
        {"operand", NULL, "\"operand\" is no option", 2},
        {"--listen", "0.0.0.0:4000", "only a loopback address", 1},
        {"--listen", "nowhere", "neither unix:PATH nor HOST:PORT", 1},
        {"--capture", "/nonexistent/dir/x.db", "cannot start reason=\"/nonexistent/dir/x.db: ", 2},
        {"--capture", "/dev/null/x.db", "cannot start reason=\"/dev/null/x.db: ", 2},
        {"--capture", "/dev/null", "cannot start reason=\"/dev/null: not a file", 2},
        {"--capture", "/", "cannot start reason=\"/: not a file", 2},
        {"--capture", "", "cannot start reason=\"the capture's path is empty", 2},
        {"--capture", long_name, "cannot start reason=\"", 2},
        {"--ready-file", "/nonexistent/dir/ready", "ready-file: /nonexistent/dir/ready", 1},
        {"--config", "/nonexistent/config", "/nonexistent/config", 2},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        unlink(said);
        int code = ended(start(wrong[i].option, wrong[i].value, NULL));
        if (code != wrong[i].code || !has_said(wrong[i].words))
            fail_msg("%s %s: %d", wrong[i].option, wrong[i].value ? wrong[i].value : "", code);
    }
}

// The file stays as it is, and the answer is one line: no later start would fare better.
static void refused(const char *words)
{
    size_t before_n, after_n, said_n;
    char *before = tmp_read(capture, &before_n);
    unlink(said);
    assert_int_equal(ended(start(NULL)), 2);
    assert_true(has_said("cannot start reason=\"") && has_said(capture) && has_said(words));
    char *text = tmp_read(said, &said_n), *after = tmp_read(capture, &after_n);
    assert_ptr_equal(memchr(text, '\n', said_n), text + said_n - 1);
    assert_int_equal(before_n, after_n);
    assert_memory_equal(before, after, before_n);
    free(before);
    free(after);
    free(text);
    assert_int_equal(unlink(capture), 0);
}

static void what_is_no_capture_is_refused_for_good(void **state)
{
    (void)state;
    tmp_write(capture, "SQLite format 3, or so it says, but no.............................", 64);
    refused("file is not a database");
    tmp_write(capture, "short\n", 6);
    refused("file is not a database");
    sqlite3 *other;
    assert_int_equal(sqlite3_open(capture, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "CREATE TABLE cats (name TEXT)", NULL, NULL, NULL), 0);
    sqlite3_close(other);
    refused("not a capture of Tapedeck's");

    assert_int_equal(mkfifo(capture, 0600), 0);
    unlink(said);
    assert_int_equal(ended(start(NULL)), 2);
    assert_true(has_said("not a file"));
}

// The workload is not to suffer from what happened to our own file: it is tried again.
static void a_damaged_capture_is_no_refusal(void **state)
{
    (void)state;
    pid_t pid = start(NULL);
    wait_until_said("recording listen=");
    assert_int_equal(stop(pid, SIGTERM), 0);
    int fd = open(capture, O_WRONLY);
    assert_int_equal(pwrite(fd, "ÿÿÿÿÿÿÿÿ", 8, 100), 8);
    close(fd);
    assert_int_equal(ended(start(NULL)), 1);
    assert_true(has_said("cannot start reason=\"") && has_said("malformed"));
}

static void it_tells_about_itself(void **state)
{
    (void)state;
    assert_int_equal(ended(start("--help", NULL)), 0);
    assert_true(has_said("Usage: tapedeck-recorder"));
    assert_true(has_said("--batch-records"));
    assert_true(has_said("Example:"));
    assert_false(has_said("--proxy-type"));
    assert_int_equal(ended(start("--version", NULL)), 0);
    assert_true(has_said("tapedeck-recorder " TAPEDECK_VERSION));
    assert_int_equal(ended(start("--dump-options", "--keep-age", "7d", NULL)), 0);
    assert_true(has_said("keep-age = 7d"));
    struct stat st;
    assert_int_not_equal(stat(capture, &st), 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(killed_at_any_moment_it_loses_and_doubles_nothing),
        TEST(told_to_stop_it_stores_what_it_has),
        TEST(a_full_disk_stops_the_acknowledgements_only),
        TEST(stopped_with_a_full_disk_it_says_what_is_missing),
        TEST(options_are_read_again),
        TEST(two_recorders_do_not_share),
        TEST(what_it_cannot_do_it_says_in_a_line),
        TEST(what_is_no_capture_is_refused_for_good),
        TEST(a_damaged_capture_is_no_refusal),
        TEST(it_tells_about_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
