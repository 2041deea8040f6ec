// far: the captures are read once; each worker then has its tape (tape.c).
#include "tools/mock/far.h"

#include "proto/base/clock.h"
#include "proto/base/whole_file.h"
#include "tools/cli.h"
#include "tools/mock/tape_in.h"

#include <stdio.h>
#include <stdlib.h>

static int take_filter(struct mock *m, char why[WHY_MAX])
{
    char said[WHY_MAX];
    size_t column;
    if (!m->conf.filter)
        return 0;
    int e = filter_parse(view_of(m->conf.filter), clock_wall_us(), &m->filter, &column, said);
    if (e)
        snprintf(why, WHY_MAX, "filter, column %zu: %.200s", column + 1, said);
    return e;
}

static int take_rules(struct mock *m, char why[WHY_MAX])
{
    struct buf text;
    if (!m->conf.rules)
        return 0;
    buf_init(&text, RULES_TEXT_MAX);
    int e = whole_file_read(m->conf.rules, RULES_TEXT_MAX, &text, why);
    e = e ? e : rules_parse(&m->rules, m->conf.rules, buf_view(&text), why);
    buf_clear(&text);
    if (!e && m->conf.any_host)
        rules_any_host(&m->rules);
    m->match.rules = e == 0 ? &m->rules : NULL;
    return e;
}

static int take_captures(struct mock *m, char why[WHY_MAX])
{
    m->captures = calloc(m->conf.count + 1, sizeof *m->captures);
    if (!m->captures)
        return E_NOMEM;
    for (size_t i = 0; i < m->conf.count; i++) {
        if (capture_find(&m->captures[i], m->conf.captures[i]) != CLI_OK) {
            snprintf(why, WHY_MAX, "no capture to play: %.400s", m->conf.captures[i]);
            return E_NOTFOUND;
        }
        m->n_captures++;
    }
    return 0;
}

static int take_index(struct mock *m, char why[WHY_MAX])
{
    static const enum match_repeat repeats[] = {
        [MOCK_REPEAT_LAST] = MATCH_LAST,
        [MOCK_REPEAT_CYCLE] = MATCH_CYCLE,
        [MOCK_REPEAT_FAIL] = MATCH_FAIL,
    };
    m->match.headers = m->conf.headers;
    m->match.n_headers = m->conf.header_count;
    m->match.any_host = m->conf.any_host;
    m->match.repeat = repeats[m->conf.repeat];
    struct index_conf conf = {
        .captures = m->captures, .n = m->n_captures, .filter = m->filter, .match = &m->match};
    if (index_build(&m->index, &conf) == CLI_OK)
        return 0;
    snprintf(why, WHY_MAX, "the captures cannot be played");
    return E_DAMAGED;
}

int mock_new(const struct mock_conf *conf, struct mock **out, char why[WHY_MAX])
{
    struct mock *m = calloc(1, sizeof *m);
    snprintf(why, WHY_MAX, "out of memory");
    *out = NULL;
    if (!m)
        return E_NOMEM;
    m->conf = *conf;
    int e = take_filter(m, why);
    e = e ? e : take_rules(m, why);
    e = e ? e : take_captures(m, why);
    e = e ? e : take_index(m, why);
    if (e == 0 && conf->on_miss == MOCK_RECORD && !(m->remembered = remember_new()))
        e = E_NOMEM;
    if (e)
        mock_free(m);
    else
        *out = m;
    return e;
}

void mock_free(struct mock *m)
{
    if (!m)
        return;
    index_free(m->index);
    remember_free(m->remembered);
    for (size_t i = 0; m->captures && i < m->conf.count; i++)
        capture_clear(&m->captures[i]);
    free(m->captures);
    filter_free(m->filter);
    rules_clear(&m->rules);
    free(m);
}

// ---- the hook

static void *join(void *arg, const struct world_worker *w, char why[WHY_MAX])
{
    return tape_new(arg, w, why);
}

static struct upstream *upstream(void *part)
{
    return tape_upstream(part);
}

static struct sink *sink(void *part, struct sink *next)
{
    return tape_sink(part, next);
}

static void unsink(void *part, struct sink *s)
{
    (void)part;
    tape_unsink(s);
}

static void leave(void *part)
{
    tape_free(part);
}

struct world_hook mock_hook(struct mock *m)
{
    return (struct world_hook){.precise = m->conf.speed > 0 ||
                                          (m->conf.faults && faults_any(m->conf.faults)),
                               .join = join,
                               .upstream = upstream,
                               .sink = sink,
                               .unsink = unsink,
                               .leave = leave,
                               .arg = m};
}

void mock_tally(struct mock *m, struct mock_tally *out)
{
    struct index_sums sums;
    index_sums(m->index, &sums);
    *out = (struct mock_tally){.recorded = sums.transactions + sums.talks};
    for (size_t i = 0; i < sums.transactions; i++)
        out->unused += index_uses(m->index, (uint32_t)i) == 0;
    for (size_t i = 0; i < sums.talks; i++)
        out->unused += index_talk_uses(m->index, (uint32_t)i) == 0;
    for (size_t i = 0; i < SETTINGS_WORKERS_MAX; i++) {
        out->hits += atomic_load_explicit(&m->counts[i].hits, memory_order_relaxed);
        out->misses += atomic_load_explicit(&m->counts[i].misses, memory_order_relaxed);
        out->passed += atomic_load_explicit(&m->counts[i].passed, memory_order_relaxed);
        out->faults += atomic_load_explicit(&m->counts[i].faults, memory_order_relaxed);
    }
}
