// stage: see stage.h.
#include "tests/support/stage.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define RING (8u << 20)

struct stage stage;

static void kick(void *arg)
{
    (void)arg;
    stage.kicks++;
}

void stage_begin(const char *path, uint64_t ring)
{
    char why[WHY_MAX];

    memset(&stage.stats, 0, sizeof stage.stats);
    assert_int_equal(journal_open(&stage.journal, path, ring, STAGE_BEGIN, why), 0);
    stage.emitter = emitter_new(&stage.conf, stage.journal, &stage.stats, STAGE_BEGIN);
    assert_non_null(stage.emitter);
}

void stage_end(void)
{
    struct journal_facts facts;

    emitter_free(stage.emitter);
    stage_drain();
    ledger_check(&stage.ledger, true);
    journal_facts(stage.journal, &facts);
    assert_int_equal(facts.reserved, 0);
    assert_int_equal(stage.stats.tap_bytes, 0);
    journal_close(stage.journal);
    ledger_clear(&stage.ledger);
}

int stage_conf(void **state)
{
    (void)state;
    ledger_clear(&stage.ledger);
    stage.kicks = 0;
    stage.conf =
        (struct emitter_conf){.max_body = UINT64_MAX, .budget = 4u << 20, .on_append = kick};
    return 0;
}

int stage_set_up(void **state)
{
    stage_conf(state);
    stage_begin(NULL, RING);
    speak_open(&stage.speak, emitter_sink(stage.emitter), STAGE_BEGIN);
    return 0;
}

int stage_tear_down(void **state)
{
    (void)state;
    stage_end();
    return 0;
}

void stage_again(uint64_t ring)
{
    speak_close(&stage.speak);
    emitter_free(stage.emitter);
    journal_close(stage.journal);
    stage_begin(NULL, ring);
    speak_open(&stage.speak, emitter_sink(stage.emitter), STAGE_BEGIN);
}

void stage_drain(void)
{
    ledger_drain(&stage.ledger, stage.journal);
}

struct filter *stage_filter(const char *text)
{
    struct filter *f;
    size_t column;
    char why[WHY_MAX];

    if (filter_parse(view_of(text), STAGE_BEGIN, &f, &column, why) != 0)
        fail_msg("%s: %s", text, why);
    return f;
}
