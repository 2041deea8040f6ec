// stage: an emitter on a journal, and the ledger of what comes out: what the emitter's tests share.
#ifndef TAPEDECK_TESTS_STAGE_H
#define TAPEDECK_TESTS_STAGE_H

#include "proxy/emit/emitter.h"
#include "tests/support/ledger_check.h"
#include "tests/support/speak.h"

#define STAGE_BEGIN 1700000000000000 // µs, when everything begins

#define STAGE_GET "GET /things/7?q=1 HTTP/1.1\r\nHost: api:80\r\n\r\n"
#define STAGE_PUT "PUT /up HTTP/1.1\r\nHost: api\r\nContent-Length: 9\r\n\r\n"
#define STAGE_OK  "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"

extern struct stage {
    struct journal *journal;
    struct emitter *emitter;
    struct emitter_conf conf; // for the next stage_begin()
    struct stats stats;
    struct ledger ledger;
    struct speak speak; // a flow, by stage_set_up()
    unsigned kicks;     // calls of on_append
} stage;

// The ring is anonymous memory when path is NULL.
void stage_begin(const char *path, uint64_t ring);
// Takes it down, and asserts that everything adds up and was given back.
void stage_end(void);

// For cmocka: a conf of defaults; the same, a stage with 8 MiB and a flow.
int stage_conf(void **state);
int stage_set_up(void **state);
int stage_tear_down(void **state);
// The same with stage.conf as it is now; what was made before is put away.
void stage_again(uint64_t ring);

void stage_drain(void); // what was appended comes into the ledger

// Its memory is the caller's.
struct filter *stage_filter(const char *text);

#endif
