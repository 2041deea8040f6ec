// babble: see babble.h.
#include "tests/support/babble.h"

#include "proto/filter.h"
#include "proxy/emit/emitter.h"
#include "tests/support/ledger_check.h"
#include "tests/support/speak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define FLOWS 4
#define OPEN  8 // transactions under way in a flow

struct half_way {
    bool begun, ended;
    uint64_t told; // less what was left out
    size_t at;     // in the text that all contents are pieces of, of its next byte
};

struct under_way {
    bool on, raw;
    uint64_t n;
    struct half_way half[2];
};

struct world {
    struct view in;
    struct journal *journal;
    struct emitter *emitter;
    struct stats stats;
    struct ledger ledger;
    struct filter *filter;
    bool block, careless; // careless: goes on although it should wait
    int64_t now_us;
    struct party {
        bool open;
        struct speak speak;
        uint64_t next_n;
        struct under_way txn[OPEN];
    } party[FLOWS];
    struct babble_result result;
};

static unsigned byte(struct world *w)
{
    if (w->in.n == 0)
        return 0;
    unsigned c = (unsigned char)w->in.p[0];
    w->in = view_from(w->in, 1);
    return c;
}

static size_t some_size(struct world *w)
{
    unsigned c = byte(w);

    return c < 160 ? c : c < 240 ? (c - 150) * 97u : (c - 239) * 4096u;
}

static const char *const heads[] = {
    "GET /a HTTP/1.1\r\nHost: h\r\n\r\n",
    "POST /b?x=y HTTP/1.1\r\nHost: h\r\nCookie: a=b\r\n\r\n",
    "PUT /c/\xc3\xa4\xff HTTP/1.0\r\n\r\n",
};
static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.1 404 Not Found\r\nServer: s\r\n\r\n",
    "HTTP/1.1 500 No\r\n\r\n",
};

static void end_half(struct world *w, struct party *p, struct under_way *t, enum dir dir)
{
    unsigned c = byte(w);

    speak_end(&p->speak, t->n, dir, c & 1 ? MSG_COMPLETE : MSG_CUT, c & 2 ? "T: v\r\n" : "",
              c >> 4);
    t->half[dir].told += c >> 4;
    t->half[dir].ended = true;
}

static void end_txn(struct world *w, struct party *p, struct under_way *t)
{
    speak_txn_end(&p->speak, t->n, byte(w) & 1 ? "a note" : "");
    t->on = false;
    w->result.ended++;
}

static void close_party(struct world *w, struct party *p)
{
    for (int i = 0; i < OPEN; i++) {
        if (p->txn[i].on)
            end_txn(w, p, &p->txn[i]);
    }
    p->speak.relayed[byte(w) & 1] += byte(w); // bytes that nobody told of
    w->result.relayed += p->speak.relayed[C2S] + p->speak.relayed[S2C];
    speak_close(&p->speak);
    p->open = false;
}

static void begin_half(struct world *w, struct party *p, struct under_way *t, enum dir dir)
{
    unsigned c = byte(w);
    const char *head = dir == C2S ? heads[c % 3] : answers[c % 3];

    if (t->raw) {
        speak_raw_begin(&p->speak, t->n, dir);
    } else {
        if (dir == S2C && c > 200)
            speak_head(&p->speak, t->n, "HTTP/1.1 100 Continue\r\n\r\n");
        speak_head(&p->speak, t->n, head);
        t->half[dir].told += strlen(head);
    }
    t->half[dir].begun = true;
    t->half[dir].at = c % 3;
}

// n bytes at at of a text without end.
static struct view piece(size_t at, size_t n)
{
    static char text[(1u << 20) + 65536];

    assert_true(n <= 65536);
    if (!text[1]) {
        struct view all = speak_bytes(sizeof text, 1);
        memcpy(text, all.p, all.n);
        text[1] = 1;
    }
    return view_n(text + at % (1u << 20), n);
}

static void say_body(struct world *w, struct party *p, struct under_way *t, enum dir dir)
{
    size_t n = some_size(w), how = t->raw ? 0 : byte(w), wire = n + how % 9;
    struct half_way *h = &t->half[dir];

    if (how > 250)
        h->at++; // another content from here on
    struct view content = piece(h->at, n);
    if (how > 245 && how <= 250)
        content.p = NULL; // not to be kept, but for its size
    else if (how > 235 && how <= 245)
        wire = n / 4; // redaction made it longer
    speak_body(&p->speak, t->n, dir, content, wire);
    h->at += n;
    h->told += wire;
}

static void leave_out(struct world *w, struct party *p, struct under_way *t, enum dir dir)
{
    struct half_way *h = &t->half[dir];
    uint64_t n = some_size(w);

    if (n > h->told)
        n = h->told;
    h->told = 0; // once a message, so that it is never more than what waits
    if (p->speak.flow && n && !t->raw)
        p->speak.flow->ops->omitted(p->speak.flow, t->n, dir, byte(w) & 1 ? "header:a" : "json:$.b",
                                    n);
}

static void say(struct world *w, struct party *p)
{
    struct under_way *t = &p->txn[byte(w) % OPEN];
    unsigned c = byte(w);
    enum dir dir = c & 1 ? S2C : C2S;

    if (!t->on) {
        *t = (struct under_way){.on = true, .raw = (c & 0xc0) == 0xc0, .n = p->next_n++};
        begin_half(w, p, t, dir);
    } else if (!t->half[dir].begun) {
        begin_half(w, p, t, dir);
    } else if (!t->half[dir].ended && (c & 0x0e)) {
        say_body(w, p, t, dir);
    } else if (!t->half[dir].ended && (c & 0x10)) {
        leave_out(w, p, t, dir);
    } else if (!t->half[dir].ended) {
        end_half(w, p, t, dir);
    } else if (c & 0x20) {
        speak_linked(&p->speak, t->n, byte(w), c & 0x40 ? "hit" : "differs");
    } else {
        end_txn(w, p, t);
    }
}

static void drain(struct world *w)
{
    do {
        ledger_drain(&w->ledger, w->journal);
        emitter_catch_up(w->emitter);
    } while (emitter_waits(w->emitter));
}

static void set(struct world *w, unsigned c)
{
    if (c >= 250)
        emitter_set_file(w->emitter, c - 250);
    else
        emitter_set_max_body(w->emitter, c < 200 ? UINT64_MAX : byte(w) * 400u);
}

static void step(struct world *w)
{
    unsigned c = byte(w);
    struct party *p = &w->party[c % FLOWS];

    if (w->block && !w->careless && emitter_blocked(w->emitter))
        drain(w);
    w->now_us += (c & 0x40) ? 30000 : 100;
    if (!p->open) {
        speak_open(&p->speak, emitter_sink(w->emitter), w->now_us);
        p->open = true;
        p->next_n = 0;
        memset(p->txn, 0, sizeof p->txn);
        return;
    }
    p->speak.now_us = w->now_us;
    switch (c >> 2 & 15) {
    case 0:
        w->now_us += (int64_t)byte(w) * 10000;
        emitter_tick(w->emitter, w->now_us);
        break;
    case 1:
        drain(w);
        break;
    case 2:
        if (byte(w) < 40)
            close_party(w, p);
        break;
    case 3:
        speak_lost(&p->speak, c & 0x80 ? S2C : C2S, 2 + byte(w) % 3, byte(w));
        break;
    case 4: {
        struct tls_facts tls = {.at_us = w->now_us,
                                .sni = "sni",
                                .alpn_offered = "h2",
                                .versions_offered = "1.3",
                                .version = "1.3",
                                .cipher = "",
                                .alpn = "",
                                .mode = "opaque"};
        if (p->speak.flow)
            p->speak.flow->ops->tls(p->speak.flow, &tls);
        break;
    }
    case 5:
        set(w, byte(w));
        break;
    default:
        say(w, p);
    }
}

static void add_up(struct world *w)
{
    struct babble_result *r = &w->result;

    ledger_check(&w->ledger, true);
    for (size_t i = 0; i < w->ledger.flows; i++) {
        const struct ledger_flow *f = &w->ledger.flow[i];
        r->rows += f->rows;
        r->filtered += f->filtered;
        r->lost += f->lost_transactions;
        for (int dir = 0; dir < 2; dir++) {
            r->stored += f->stored[dir];
            r->omitted += f->omitted[dir];
            r->lost_bytes += f->lost[dir];
        }
    }
    for (size_t i = 0; i < w->ledger.losses; i++) {
        const Tapedeck__Loss *l = w->ledger.loss[i];
        if (l->cause == TAPEDECK__CAUSE__RING_FULL)
            r->lost_ring += l->transactions + l->lost_c2s + l->lost_s2c + l->flows;
    }
    // Flows that found no memory are told of by their number alone, so this holds without them.
    assert_int_equal(r->ended, r->rows + r->filtered + r->lost);
    assert_int_equal(r->relayed, r->stored + r->omitted + r->lost_bytes);
    if (w->block && !w->careless)
        assert_int_equal(r->lost_ring, 0);
}

struct babble_result babble(struct view bytes)
{
    static const char *const filters[] = {"", "status < 400", "path = '/a'", "res_size > 100"};
    struct world *w = calloc(1, sizeof *w);
    char why[WHY_MAX];
    size_t column;

    assert_non_null(w);
    w->in = bytes;
    w->now_us = 1700000000000000;
    unsigned c = byte(w);
    assert_int_equal(filter_parse(view_of(filters[c & 3]), 0, &w->filter, &column, why), 0);
    w->block = c & 4;
    w->careless = c & 32;
    struct emitter_conf conf = {
        .max_body = UINT64_MAX,
        .block = w->block,
        .budget = c & 8 ? 0 : 1u << 20,
        .filter = w->filter,
    };
    assert_int_equal(journal_open(&w->journal, NULL, c & 16 ? 1u << 20 : JOURNAL_MIN, 0, why), 0);
    w->emitter = emitter_new(&conf, w->journal, &w->stats, w->now_us);
    assert_non_null(w->emitter);
    emitter_set_file(w->emitter, c & 64 ? 0 : 1);
    while (w->in.n)
        step(w);
    for (int i = 0; i < FLOWS; i++) {
        if (w->block && !w->careless)
            drain(w);
        if (w->party[i].open)
            close_party(w, &w->party[i]);
    }
    drain(w);
    emitter_free(w->emitter);
    ledger_drain(&w->ledger, w->journal);
    struct journal_facts facts;
    journal_facts(w->journal, &facts);
    assert_int_equal(facts.reserved, 0);
    assert_int_equal(w->stats.tap_bytes, 0);
    add_up(w);
    journal_close(w->journal);
    ledger_clear(&w->ledger);
    filter_free(w->filter);
    struct babble_result result = w->result;
    free(w);
    return result;
}
