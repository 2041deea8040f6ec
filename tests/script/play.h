// play: one performance of a script: the flow's surroundings, the dial under way, time.
#ifndef TAPEDECK_TESTS_SCRIPT_PLAY_H
#define TAPEDECK_TESTS_SCRIPT_PLAY_H

#include "proxy/emit/redact.h"
#include "proxy/flow.h"
#include "tests/script/fake_io.h"
#include "tests/script/text_sink.h"
#include "tests/script/tls_play.h"

struct play {
    const char *path;
    int line;
    bool lenient; // an allocation fails: nothing is expected but an end
    bool whole;
    bool later; // what is said is not heard yet
    int failures;
    struct flow_env env;
    struct stats stats;
    struct flow_sinks sinks;
    struct text_sink sink;
    struct redact *redact; // NULL: none stands before the sink
    struct listener listener;
    bool block;
    int client, server;
    size_t asked; // capture lines that were asked for
    bool closed;
    char reason[32], detail[256];
    uint64_t moved[2];
    struct flow *dialling;
    char dial_target[HOSTPORT_TEXT];
    bool cancelled;
    char next_dial[HOSTPORT_TEXT], next_outcome[32];
};
extern struct play play;

// Something is not as the script has it.
void wrong(const char *format, ...) __attribute__((format(printf, 1, 2)));

int play_set_up(const char *path); // 0 or E_NOMEM
void play_tear_down(void);
void play_begin(void); // the client comes, if it has not
void play_again(void); // the next one will
void play_settle(void);
struct flow *play_flow(void); // NULL: it has ended
void play_pass_time(int64_t us);
void play_end_dial(struct flow *f, const char *outcome);
void play_mode(const char *rest);
void play_target(const char *rest);
void play_redact(const char *rules); // before the client comes

#endif
