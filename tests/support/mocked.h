// mocked: a mock's worker over a capture, without listeners, threads and a network: clients are
// socket pairs, and turns of the loop are the test's.
//
//   struct mocked m;
//   mocked_begin(&m, &(struct mock_conf){.captures = &path, .count = 1}, "api:80", FRONT_TCP);
//   int fd = mocked_client(&m);
//   … write to fd … mocked_turn(&m) … read from fd …
//   mocked_end(&m);
#ifndef TAPEDECK_TESTS_MOCKED_H
#define TAPEDECK_TESTS_MOCKED_H

#include "proxy/flow.h"
#include "tests/support/sink_log.h"
#include "tools/mock/far.h"

struct mocked {
    struct event_base *base;
    struct flow_env env;
    struct stats stats;
    struct flow_sinks sinks;
    size_t used; // by taps
    struct listener listener;
    struct upstream net; // that nobody may dial by
    struct world_worker worker;
    struct mock *mock;
    struct world_hook hook;
    void *part;
    struct sink *sink;
    struct sink_log *log; // what came through
};

// target: of a fixed listener, "host:port"; http: its clients speak HTTP to a forward proxy
// instead. 0, or an error of mock_new() with why; anything else aborts.
int mocked_begin(struct mocked *m, const struct mock_conf *conf, const char *target, bool http,
                 char why[WHY_MAX]) MUST_CHECK;
void mocked_end(struct mocked *m);

// A client of a flow of its own: a descriptor that does not block, the caller's.
int mocked_client(struct mocked *m);
// Turns the loop until it has nothing to do.
void mocked_turn(struct mocked *m);

#endif
