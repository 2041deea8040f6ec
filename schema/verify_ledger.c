// verify_ledger: relayed = stored + left out + lost, for each flow that has ended and each
// direction.
//
// Flows are walked in the order of their keys; what belongs to them (transactions, parts, losses,
// what earlier files hold) comes in the order of the flow it belongs to, each from its own cursor,
// and is taken up as its flow comes by:
//
//   flow       1     4     5
//   txn        1 1 1   . 4 4   5
//   part       1           4
//
// A flow without an end is open while its stream goes on; it is cut when the proxy's process died
// behind it; in a stream that ended in good order it is damage.
#include "schema/verify.h"

#include "proto/base/clock.h"

#define PROGRESS_EVERY 1000

enum { STORED, OMITTED = 2, LOST = 4, TRANSACTIONS = 6, LOST_TRANSACTIONS, TALLIES };
typedef int64_t tally[TALLIES]; // STORED, OMITTED and LOST by direction

// Rows with the flow first, then what they add to the tally.
struct cursor {
    const char *table, *sql;
    sqlite3_stmt *stmt;
    bool there;
    int64_t flow;
};

struct ledger {
    struct verify *v;
    struct cursor parts[4];
    int64_t stream, cut;  // flows cut in the stream at hand
    struct store *oldest; // of the files that are here: v's own, or opened at the first need
    bool broken;          // a cursor broke off: what follows cannot be judged
};

// The columns stand in the order of the tally.
static const struct cursor cursors[] = {
    {"txn",
     "SELECT flow, stored_c2s, stored_s2c, omitted_c2s, omitted_s2c, 0, 0, 1, 0 FROM txn"
     " ORDER BY flow",
     NULL, false, 0},
    {"part",
     "SELECT flow, stored_c2s, stored_s2c, omitted_c2s, omitted_s2c, 0, 0, 0, 0 FROM part"
     " ORDER BY flow",
     NULL, false, 0},
    {"loss",
     "SELECT flow, 0, 0, 0, 0, lost_c2s, lost_s2c, 0, transactions FROM loss"
     " WHERE flow IS NOT NULL ORDER BY flow",
     NULL, false, 0},
    {"carried",
     "SELECT flow, stored_c2s, stored_s2c, omitted_c2s, omitted_s2c, lost_c2s, lost_s2c,"
     " transactions, lost_transactions FROM carried ORDER BY flow",
     NULL, false, 0},
};
#define CURSORS (sizeof cursors / sizeof cursors[0])

static const char flows_sql[] =
    "SELECT f.id, e.id, e.relayed_c2s, e.relayed_s2c, e.stored_c2s, e.stored_s2c, e.omitted_c2s,"
    " e.omitted_s2c, e.transactions, e.filtered, f.carried FROM flow f LEFT JOIN flow_end e ON "
    "e.flow = f.id"
    " ORDER BY f.id";

static int step(struct ledger *l, struct cursor *c)
{
    int rc = sqlite3_step(c->stmt);
    c->there = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW)
        c->flow = sqlite3_column_int64(c->stmt, 0);
    if (rc == SQLITE_ROW || rc == SQLITE_DONE)
        return 0;
    l->broken = true;
    return verify_error(l->v, rc, c->table);
}

// Adds what the cursor has for the flow; rows of flows that are not there were told as references.
static int take(struct ledger *l, struct cursor *c, int64_t flow, tally sum)
{
    int e = 0;
    while (e == 0 && c->there && c->flow <= flow) {
        for (int i = 0; i < TALLIES && c->flow == flow; i++)
            verify_add(&sum[i], sqlite3_column_int64(c->stmt, i + 1));
        e = step(l, c);
    }
    return e;
}

static void say_cut(struct ledger *l)
{
    if (l->cut > 0)
        verify_say_row(l->v, VERIFY_CUT, "stream", l->stream,
                       "%lld flow%s ended with the proxy's process; how is not known",
                       (long long)l->cut, l->cut == 1 ? "" : "s");
    l->v->sums->flows_cut += l->cut;
    l->cut = 0;
}

static void judge_open(struct ledger *l, int64_t flow)
{
    struct store *s = l->v->s;
    int64_t stream = flow >> STORE_SEQ_BITS;
    if (store_yes(s, "SELECT EXISTS (SELECT 1 FROM restart WHERE id > %lld AND id < %lld)",
                  (long long)flow, (long long)store_key(stream + 1, 0))) {
        l->cut++;
        return;
    }
    if (store_yes(s, "SELECT ended_us IS NOT NULL FROM stream WHERE id = %lld", (long long)stream))
        verify_say_row(l->v, VERIFY_DAMAGE, "flow", flow,
                       "its stream ended in good order, but the flow has no end");
    else
        l->v->sums->flows_open++;
}

// Adds what the files before the oldest one that is here hold of a flow.
static int add_before(struct ledger *l, int64_t flow)
{
    struct store *s = l->v->s;
    sqlite3_stmt *stmt;
    int e = 0;
    // One that cannot be opened was deleted, or proves damaged where it is verified itself.
    for (size_t i = 0; !l->oldest && i < s->earlier_count && e != E_NOMEM; i++)
        e = store_open_earlier(s, i, &l->oldest);
    if (e == E_NOMEM)
        return e;
    if (!l->oldest)
        l->oldest = s;
    int rc = store_prepare(l->oldest, "SELECT stored_c2s, stored_s2c FROM carried WHERE flow = ?1",
                           &stmt);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_int64(stmt, 1, flow);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(stmt);
    for (int dir = 0; rc == SQLITE_ROW && dir < 2; dir++)
        verify_add(&l->v->sums->before[dir], sqlite3_column_int64(stmt, dir));
    sqlite3_finalize(stmt);
    return (rc & 0xff) == SQLITE_NOMEM ? store_refuse(s, E_NOMEM, "out of memory") : 0;
}

static void judge_direction(struct ledger *l, int64_t flow, sqlite3_stmt *stmt, const tally sum,
                            int dir, bool *fits)
{
    static const char *const names[] = {"c2s", "s2c"};
    struct verify_sums *all = l->v->sums;
    int64_t relayed = sqlite3_column_int64(stmt, 2 + dir), counted = 0;
    int64_t stored = sum[STORED + dir], omitted = sum[OMITTED + dir], lost = sum[LOST + dir];
    verify_add(&counted, stored);
    verify_add(&counted, omitted);
    verify_add(&counted, lost);
    verify_add(&all->relayed[dir], relayed);
    verify_add(&all->stored[dir], stored);
    verify_add(&all->omitted[dir], omitted);
    verify_add(&all->lost[dir], lost);
    if (counted == relayed)
        return;
    *fits = false;
    verify_say_row(l->v, VERIFY_LEDGER, "flow", flow,
                   "%s: %lld bytes relayed, but %lld accounted for (%lld stored, %lld left out,"
                   " %lld lost)",
                   names[dir], (long long)relayed, (long long)counted, (long long)stored,
                   (long long)omitted, (long long)lost);
}

static void judge_ended(struct ledger *l, int64_t flow, sqlite3_stmt *stmt, tally sum)
{
    bool fits = true;
    for (int i = 0; i < 4; i++) // STORED and OMITTED of the end itself
        verify_add(&sum[i], sqlite3_column_int64(stmt, 4 + i));
    judge_direction(l, flow, stmt, sum, 0, &fits);
    judge_direction(l, flow, stmt, sum, 1, &fits);
    int64_t told = sqlite3_column_int64(stmt, 8), filtered = sqlite3_column_int64(stmt, 9);
    int64_t counted = sum[TRANSACTIONS];
    verify_add(&counted, filtered);
    verify_add(&counted, sum[LOST_TRANSACTIONS]);
    verify_add(&l->v->sums->filtered, filtered);
    if (counted != told) {
        fits = false;
        verify_say_row(l->v, VERIFY_LEDGER, "flow", flow,
                       "%lld transactions, but %lld accounted for (%lld kept, %lld filtered, %lld"
                       " lost)",
                       (long long)told, (long long)counted, (long long)sum[TRANSACTIONS],
                       (long long)filtered, (long long)sum[LOST_TRANSACTIONS]);
    }
    if (!fits)
        l->v->sums->unbalanced++;
}

static int judge_flow(struct ledger *l, sqlite3_stmt *stmt)
{
    tally sum = {0};
    int64_t flow = sqlite3_column_int64(stmt, 0);
    int e = 0;
    if (flow >> STORE_SEQ_BITS != l->stream) {
        say_cut(l);
        l->stream = flow >> STORE_SEQ_BITS;
    }
    for (size_t i = 0; i < CURSORS && e == 0; i++)
        e = take(l, &l->parts[i], flow, sum);
    if (e != 0 || l->broken)
        return e;
    if (sqlite3_column_type(stmt, 1) == SQLITE_NULL) {
        judge_open(l, flow);
        return 0;
    }
    judge_ended(l, flow, stmt, sum);
    return sqlite3_column_int64(stmt, 10) != 0 ? add_before(l, flow) : 0;
}

static int judge_flows(struct ledger *l)
{
    sqlite3_stmt *stmt;
    int64_t done = 0;
    int rc = store_prepare(l->v->s, flows_sql, &stmt), e = 0;
    if (rc != SQLITE_OK)
        return verify_error(l->v, rc, "flow");
    while (e == 0 && !l->broken && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        e = judge_flow(l, stmt);
        if (++done % PROGRESS_EVERY == 0)
            verify_progress(l->v, done, l->v->sums->flows);
    }
    say_cut(l);
    if (e == 0 && !l->broken && rc != SQLITE_DONE)
        e = verify_error(l->v, rc, "flow");
    sqlite3_finalize(stmt);
    return e;
}

// Each declared loss. Those of a flow are in its ledger; the others add up here.
static int tell_losses(struct verify *v)
{
    sqlite3_stmt *stmt;
    int rc = store_prepare(v->s,
                           "SELECT id, cause, transactions, flows, lost_c2s, lost_s2c, first_us,"
                           " last_us, detail, flow FROM loss NOT INDEXED ORDER BY id",
                           &stmt);
    if (rc != SQLITE_OK)
        return verify_error(v, rc, "loss");
    while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
        char from[CLOCK_TEXT], to[CLOCK_TEXT];
        const char *cause = (const char *)sqlite3_column_text(stmt, 1);
        const char *detail = (const char *)sqlite3_column_text(stmt, 8);
        int64_t n[4];
        for (int i = 0; i < 4; i++)
            n[i] = sqlite3_column_int64(stmt, 2 + i);
        verify_add(&v->sums->lost_transactions, n[0]);
        verify_add(&v->sums->lost_flows, n[1]);
        for (int dir = 0; dir < 2 && sqlite3_column_type(stmt, 9) == SQLITE_NULL; dir++) {
            verify_add(&v->sums->relayed[dir], n[2 + dir]);
            verify_add(&v->sums->lost[dir], n[2 + dir]);
        }
        verify_say_row(v, VERIFY_LOSS, "loss", sqlite3_column_int64(stmt, 0),
                       "%s: %lld transactions, %lld whole flows, %lld bytes c2s, %lld bytes s2c,"
                       " from %s to %s%s%s",
                       cause ? cause : "", (long long)n[0], (long long)n[1], (long long)n[2],
                       (long long)n[3], clock_format(sqlite3_column_int64(stmt, 6), from),
                       clock_format(sqlite3_column_int64(stmt, 7), to),
                       detail && detail[0] ? ": " : "", detail ? detail : "");
    }
    int e = rc == SQLITE_DONE ? 0 : verify_error(v, rc, "loss");
    sqlite3_finalize(stmt);
    return e;
}

// Those whose ledger is one of content, not of what the wire had.
static int count_opened(struct verify *v)
{
    int rc = store_scalar(v->s,
                          "SELECT count(DISTINCT flow) FROM tls"
                          " WHERE mode = 'intercepted' OR mode = 'terminated'",
                          &v->sums->flows_opened);
    return rc == SQLITE_OK ? 0 : verify_error(v, rc, "tls");
}

int verify_ledger(struct verify *v)
{
    struct ledger l = {.v = v};
    int e = tell_losses(v);
    e = e ? e : count_opened(v);
    memcpy(l.parts, cursors, sizeof cursors);
    for (size_t i = 0; i < CURSORS && e == 0; i++) {
        int rc = store_prepare(v->s, cursors[i].sql, &l.parts[i].stmt);
        if (rc != SQLITE_OK)
            l.broken = true;
        e = rc == SQLITE_OK ? step(&l, &l.parts[i]) : verify_error(v, rc, cursors[i].table);
    }
    if (e == 0 && !l.broken)
        e = judge_flows(&l);
    for (size_t i = 0; i < CURSORS; i++)
        sqlite3_finalize(l.parts[i].stmt);
    if (l.oldest != v->s)
        store_close(l.oldest);
    if (l.broken)
        verify_say(v, VERIFY_NOTE, "ledger", "not all flows could be judged");
    return e;
}
