// facts: a query a subject (flow, TLS, ledger, losses), each allowed to fail by itself: what cannot
// be read of a damaged capture is told, and the other lines are still there.
//
// The ledger of a transaction is its own row and its parts: what it relayed, in wire bytes, is what
// was stored and what was left out. Losses are told of the flow, where they are booked.
#include "tools/show/facts.h"

#include "proto/base/clamp.h"
#include "tools/cli.h"
#include "tools/fields.h"

#include <inttypes.h>

static void label(const struct term *t, const char *name)
{
    term_on(t, STYLE_DIM);
    fprintf(t->out, "%-10s", name);
    term_off(t, STYLE_DIM);
}

static void put(const struct term *t, struct view v)
{
    term_text(t, v, false, 0);
}

// A query about the flow or the transaction id ?1; NULL when it cannot be asked.
static struct store_query *ask(struct store *s, const char *sql, int64_t id)
{
    struct store_query *q = NULL;
    int e = store_query(s, sql, &q);
    e = e ? e : store_bind_int(q, 1, id);
    if (e) {
        cli_damage("%s", store_why(s));
        store_query_free(q);
        q = NULL;
    }
    return q;
}

static bool next(struct store *s, struct store_query *q)
{
    int e = q ? store_step(q) : 0;
    if (e < 0)
        cli_damage("%s", store_why(s));
    return e == 1;
}

static void summary(const struct term *t, const struct store_query *q)
{
    char took[FIELDS_SHORT], id[FIELDS_ID];
    struct view method = store_bytes(q, FIELD_METHOD);
    int64_t status = store_int(q, FIELD_STATUS);
    term_on(t, STYLE_BOLD);
    put(t, method.n ? method : store_bytes(q, FIELD_PROTOCOL));
    putc(' ', t->out);
    put(t, store_bytes(q, FIELD_URL));
    term_off(t, STYLE_BOLD);
    fputs(t->utf8 ? "  →  " : "  ->  ", t->out);
    term_on(t, term_status_style(method.n ? status : 200));
    if (status)
        fprintf(t->out, "%" PRId64, status);
    else
        put(t, store_bytes(q, FIELD_STATE));
    term_off(t, term_status_style(status));
    fprintf(t->out, "  in %s\n\n", fields_duration(store_int(q, FIELD_DURATION), took));
    label(t, "id");
    fprintf(t->out, "%s  (%" PRId64 ")\n", fields_id(store_int(q, FIELD_ID), id),
            store_int(q, FIELD_ID));
    label(t, "time");
    put(t, store_bytes(q, FIELD_TIME));
    putc('\n', t->out);
}

static void timing(const struct term *t, const struct store_query *q)
{
    char text[FIELDS_SHORT];
    int64_t start = store_int(q, STORE_START_US), sent = store_int(q, STORE_REQ_END_US);
    int64_t answer = store_int(q, STORE_RES_START_US), end = store_int(q, STORE_END_US);
    bool req = store_column_type(q, STORE_REQ_END_US) != STORE_NULL;
    bool res = store_column_type(q, STORE_RES_START_US) != STORE_NULL;
    bool http = store_bytes(q, FIELD_METHOD).n > 0 || store_int(q, FIELD_STATUS);
    label(t, "timing");
    if (!http)
        fprintf(t->out, "client %s, ",
                req ? fields_duration(clamp_sub(sent, start), text) : "silent");
    if (!http)
        fprintf(t->out, "server %s",
                res ? fields_duration(clamp_sub(end, answer), text) : "silent");
    req = req && http;
    res = res && http;
    if (req)
        fprintf(t->out, "request %s", fields_duration(clamp_sub(sent, start), text));
    if (req && res)
        fprintf(t->out, ", wait %s",
                fields_duration(answer > sent ? clamp_sub(answer, sent) : 0, text));
    if (res)
        fprintf(t->out, "%sanswer %s%s", req ? ", " : "",
                fields_duration(clamp_sub(end, answer), text),
                req && answer < sent ? " (began before the request had ended)" : "");
    if (store_column_type(q, STORE_DIAL_US) != STORE_NULL) {
        fprintf(t->out, "; dial %s", fields_duration(store_int(q, STORE_DIAL_US), text));
        if (store_int(q, STORE_DNS_US))
            fprintf(t->out, ", of it DNS %s", fields_duration(store_int(q, STORE_DNS_US), text));
    }
    putc('\n', t->out);
}

static void flow(const struct term *t, struct store *s, const struct store_query *row)
{
    char id[FIELDS_ID];
    const char *arrow = t->utf8 ? " → " : " -> ";
    struct store_query *q = ask(s,
                                "SELECT direction, front, client, local, target, server, requested,"
                                " reason, detail, original FROM flows WHERE id = ?1",
                                store_int(row, FIELD_FLOW));
    if (next(s, q)) {
        struct view server = store_bytes(q, 5), requested = store_bytes(q, 6);
        struct view target = store_bytes(q, 4);
        label(t, "from, to");
        put(t, store_bytes(q, 2));
        fputs(arrow, t->out);
        put(t, store_bytes(q, 3));
        fputs(arrow, t->out);
        put(t, server.n ? server : target);
        if (server.n && !view_eq(server, target)) {
            fputs(" (", t->out);
            put(t, target);
            putc(')', t->out);
        }
        if (requested.n && !view_eq(requested, target)) {
            fputs(", asked for ", t->out);
            put(t, requested);
        }
        putc('\n', t->out);
        label(t, "flow");
        fprintf(t->out, "%s, transaction %" PRId64 " of it, ",
                fields_id(store_int(row, FIELD_FLOW), id), store_int(row, FIELD_N));
        put(t, store_bytes(q, 0));
        fputs(" by front ", t->out);
        put(t, store_bytes(q, 1));
        if (store_bytes(q, 7).n) {
            fputs("; ended: ", t->out);
            put(t, store_bytes(q, 7));
        }
        if (store_bytes(q, 8).n) {
            fputs(" (", t->out);
            put(t, store_bytes(q, 8));
            putc(')', t->out);
        }
        putc('\n', t->out);
    }
    store_query_free(q);
}

static void tls(const struct term *t, struct store *s, int64_t flow_id)
{
    static const char *const names[] = {
        "",
        " (",
        ", SNI ",
        ", TLS ",
        ", ",
        ", ALPN ",
        ", offered ",
        ", ALPN offered ",
        "; with the client TLS ",
        ", ",
        "; certificate of ",
        " by ",
        ", until ",
    };
    struct store_query *q = ask(s,
                                "SELECT mode, why, sni, version, cipher, alpn, versions_offered,"
                                " alpn_offered, client_version, client_cipher, subject, issuer,"
                                " not_after FROM handshakes WHERE flow = ?1 ORDER BY id",
                                flow_id);
    while (next(s, q)) {
        label(t, "tls");
        for (int i = 0; i < (int)(sizeof names / sizeof *names); i++) {
            if (store_bytes(q, i).n == 0)
                continue;
            fputs(names[i], t->out);
            put(t, store_bytes(q, i));
            if (i == 1)
                putc(')', t->out);
        }
        putc('\n', t->out);
    }
    store_query_free(q);
}

// Wire bytes of a half: what is kept of it, and what was left out by a rule.
static void ledger(const struct term *t, struct store *s, const struct store_query *row)
{
    char wire[FIELDS_COUNT], stored[FIELDS_COUNT], omitted[FIELDS_COUNT];
    struct store_query *q =
        ask(s,
            "SELECT t.req_wire, t.stored_c2s + p.sc, t.omitted_c2s + p.oc,"
            " t.res_wire, t.stored_s2c + p.ss, t.omitted_s2c + p.os FROM txn t,"
            " (SELECT coalesce(sum(stored_c2s), 0) AS sc, coalesce(sum(omitted_c2s), 0) AS oc,"
            " coalesce(sum(stored_s2c), 0) AS ss, coalesce(sum(omitted_s2c), 0) AS os FROM part"
            " WHERE (flow, n) = (SELECT flow, n FROM txn WHERE id = ?1)) p WHERE t.id = ?1",
            store_int(row, FIELD_ID));
    if (next(s, q)) {
        label(t, "ledger");
        for (int side = 0; side < 2; side++) {
            int64_t left_out = store_int(q, 3 * side + 2);
            fprintf(t->out, "%s%s wire bytes from the %s: %s stored", side ? "; " : "",
                    fields_count(store_int(q, 3 * side), wire), side ? "server" : "client",
                    fields_count(store_int(q, 3 * side + 1), stored));
            if (left_out)
                fprintf(t->out, ", %s left out", fields_count(left_out, omitted));
        }
        putc('\n', t->out);
    }
    store_query_free(q);
}

static void losses(const struct term *t, struct store *s, int64_t flow_id)
{
    struct store_query *q = ask(s,
                                "SELECT cause, lost_c2s, lost_s2c, transactions, detail FROM loss"
                                " WHERE flow = ?1 ORDER BY id",
                                flow_id);
    while (next(s, q)) {
        label(t, "lost");
        term_on(t, STYLE_WARN);
        put(t, store_bytes(q, 0));
        term_off(t, STYLE_WARN);
        fprintf(t->out, " in this flow: %" PRId64 " + %" PRId64 " bytes, %" PRId64 " transactions",
                store_int(q, 1), store_int(q, 2), store_int(q, 3));
        if (store_bytes(q, 4).n) {
            fputs(": ", t->out);
            put(t, store_bytes(q, 4));
        }
        putc('\n', t->out);
    }
    store_query_free(q);
}

static void note(const struct term *t, const char *name, struct view v)
{
    if (v.n == 0)
        return;
    label(t, name);
    put(t, v);
    putc('\n', t->out);
}

void facts_print(const struct term *t, struct rows *r, struct view redacted)
{
    const struct store_query *q = rows_row(r);
    struct store *s = rows_store(r);
    int64_t flow_id = store_int(q, FIELD_FLOW);
    struct view state = store_bytes(q, FIELD_STATE);
    char original[FIELDS_ID];
    summary(t, q);
    timing(t, q);
    flow(t, s, q);
    tls(t, s, flow_id);
    ledger(t, s, q);
    losses(t, s, flow_id);
    note(t, "pod", store_bytes(q, FIELD_POD));
    if (!view_eq(state, VIEW_LIT("complete")))
        note(t, "state", state);
    if (store_int(q, FIELD_BY_PROXY))
        note(t, "answer", VIEW_LIT("by the proxy itself"));
    note(t, "note", store_bytes(q, FIELD_NOTE));
    if (store_int(q, FIELD_ORIGINAL))
        note(t, "original", view_of(fields_id(store_int(q, FIELD_ORIGINAL), original)));
    note(t, "outcome", store_bytes(q, FIELD_OUTCOME));
    note(t, "redacted", redacted);
}
