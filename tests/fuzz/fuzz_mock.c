// A mock over a small capture, asked by a client that says anything, in pieces whose size the input
// chooses, to a server of HTTP, one of a conversation, or by a forward proxy: what is told is told
// in order, and no flow stays when the client has gone.
#include "proto/base/log.h"
#include "tests/support/mocked.h"
#include "tests/support/tape.h"
#include "tests/support/tmp.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WAYS 3

static struct mocked mocks[WAYS];
static char dir[TMP_PATH];

static void clean_up(void)
{
    tmp_remove(dir);
}

static void record(const char *path)
{
    struct tape t;
    tape_open(&t, path);
    int64_t f = tape_flow(&t, "api:80");
    tape_http(&t, f, "GET", "/a", 200, VIEW_LIT("hello"));
    tape_http(&t, f, "HEAD", "/a", 200, VIEW_LIT(""));
    tape_http(&t, f, "GET", "/b", 404, VIEW_LIT("{\"x\":1}"));
    tape_end(&t, f);
    f = tape_flow(&t, "mail:25");
    tape_raw(&t, f, (const char *const[]){"s:hi\n", "c:a\n", "s:b\n", "c:c\n", "s:d\n", NULL});
    tape_end(&t, f);
    f = tape_flow(&t, "mail:25");
    tape_raw(&t, f, (const char *const[]){"s:hi\n", "c:a\n", "s:b\n", "c:e\n", NULL});
    tape_end(&t, f);
    tape_close(&t);
}

static void set_up(void)
{
    static const char *const targets[WAYS] = {"api:80", "mail:25", ""};
    char path[TMP_PATH], why[WHY_MAX], *paths[] = {path};
    struct mock_conf conf = {.captures = paths, .count = 1, .any_host = true};
    log_set_level(LOG_ERROR);
    tmp_make(dir);
    atexit(clean_up);
    tmp_path(path, dir, "tape.db");
    record(path);
    for (int i = 0; i < WAYS; i++)
        if (mocked_begin(&mocks[i], &conf, targets[i], i == 2, why))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char heard[65536];
    if (!mocks[0].mock)
        set_up();
    if (size < 2)
        return 0;
    struct mocked *m = &mocks[data[0] % WAYS];
    size_t step = data[1] ? data[1] : size;
    sink_log_reset(m->log);
    int fd = mocked_client(m);
    for (size_t at = 2; at < size; at += step) {
        size_t n = size - at < step ? size - at : step;
        if (send(fd, data + at, n, MSG_NOSIGNAL) < 0)
            break;
        mocked_turn(m);
        while (recv(fd, heard, sizeof heard, 0) > 0)
            mocked_turn(m);
    }
    if (data[0] & 0x80)
        shutdown(fd, SHUT_WR);
    mocked_turn(m);
    close(fd);
    mocked_turn(m);
    flow_env_end_all(&m->env);
    flow_env_reap(&m->env);
    if (sink_log_wrong(m->log) || m->env.live.count > 0)
        abort();
    return 0;
}
