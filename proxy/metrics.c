// metrics: one table row a family; a family with a label has one sample for each of its words.
#include "proxy/metrics.h"

#include "proto/base/clock.h"

#include <inttypes.h>

struct family {
    const char *name, *type, *help;
    const char *label;        // NULL: one sample, or words that are whole sets of labels
    const char *const *words; // of the label, "" for a counter that is none, NULL at the end
    size_t offset;            // of the first counter in struct stats
};

static const char *const listener_words[] = {"in", "out", NULL};
static const char *const dir_words[] = {"c2s", "s2c", NULL};
// By enum cause; "" where it has no such number.
static const char *const cause_words[] = {
    "", "ring-full",   "decode-lost", "out-of-memory", "redaction-failed", "",
    "", "budget-full", NULL};

const char *metrics_cause_word(unsigned cause)
{
    return cause < STATS_CAUSES && *cause_words[cause] ? cause_words[cause] : "unknown";
}

static const char *const handshake_words[] = {"side=\"client\",result=\"full\"",
                                              "side=\"client\",result=\"resumed\"",
                                              "side=\"client\",result=\"failed\"",
                                              "side=\"server\",result=\"full\"",
                                              "side=\"server\",result=\"resumed\"",
                                              "side=\"server\",result=\"failed\"",
                                              NULL};
// By enum pass_cause, and STATS_PASSED_ODD; test_metrics.c holds them against
// tls_pass_cause_text().
static const char *const passed_words[] = {
    "rule", "client-refused", "server-untrusted", "client-cert-wanted", "protocol", "odd-hello",
    NULL};

#define AT(member) offsetof(struct stats, member)

static const struct family families[] = {
    {"tapedeck_flows_total", "counter", "Connections accepted.", "listener", listener_words,
     AT(flows_opened)},
    {"tapedeck_flows_open", "gauge", "Connections open now.", "listener", listener_words,
     AT(flows_open)},
    {"tapedeck_flows_refused_total", "counter",
     "Connections closed at once: over max-flows, or no memory.", NULL, NULL, AT(flows_refused)},
    {"tapedeck_dials_failed_total", "counter", "Servers that could not be reached.", NULL, NULL,
     AT(dials_failed)},
    {"tapedeck_heads_refused_total", "counter",
     "Requests and handshakes that were refused: ambiguous, oversized or not understood.", NULL,
     NULL, AT(heads_refused)},
    {"tapedeck_bytes_total", "counter", "Bytes relayed.", "dir", dir_words, AT(bytes)},
    {"tapedeck_tls_handshakes_total", "counter",
     "TLS handshakes that ended, with clients in the server's place and with servers in the "
     "client's.",
     NULL, handshake_words, AT(tls)},
    {"tapedeck_tls_minted_total", "counter", "Certificates made for intercepted clients.", NULL,
     NULL, AT(tls_minted)},
    {"tapedeck_tls_passed_total", "counter", "TLS connections passed through, not intercepted.",
     "cause", passed_words, AT(tls_passed)},
    {"tapedeck_transactions_total", "counter", "Transactions that ended, kept or not.", NULL, NULL,
     AT(transactions)},
    {"tapedeck_filtered_transactions_total", "counter",
     "Transactions left out by the capture filter.", NULL, NULL, AT(filtered)},
    {"tapedeck_records_total", "counter", "Records written into the journals.", NULL, NULL,
     AT(records)},
    {"tapedeck_record_bytes_total", "counter", "Bytes of records written into the journals.", NULL,
     NULL, AT(record_bytes)},
    {"tapedeck_omitted_bytes_total", "counter",
     "Bytes left out of the capture by a rule: filter, redaction, max-body.", NULL, NULL,
     AT(omitted_bytes)},
    {"tapedeck_lost_transactions_total", "counter",
     "Transactions that should have been kept and were not.", "cause", cause_words,
     AT(lost_transactions)},
    {"tapedeck_lost_bytes_total", "counter", "Bytes that should have been kept and were not.",
     "cause", cause_words, AT(lost_bytes)},
    {"tapedeck_tap_bytes", "gauge", "Bytes held for transactions that are not finished.", NULL,
     NULL, AT(tap_bytes)},
    {"tapedeck_ring_size_bytes", "gauge", "Size of the journals.", NULL, NULL, AT(ring_size)},
    {"tapedeck_ring_used_bytes", "gauge", "Bytes in the journals that are not acknowledged.", NULL,
     NULL, AT(ring_used)},
    {"tapedeck_recorder_connections", "gauge", "Workers that are connected to the recorder.", NULL,
     NULL, AT(link_connected)},
    {"tapedeck_recorder_reconnects_total", "counter", "Connections to the recorder made again.",
     NULL, NULL, AT(link_reconnects)},
};

static uint64_t sum(const struct stats *const *workers, size_t n, size_t offset)
{
    uint64_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += stat_get((const uint64_t *)(const void *)((const char *)workers[i] + offset));
    return total;
}

static int put_sample(struct buf *out, const struct family *f, const char *word, uint64_t v)
{
    int e = buf_printf(out, "%s", f->name);
    if (e == 0 && word)
        e = f->label ? buf_printf(out, "{%s=\"%s\"}", f->label, word)
                     : buf_printf(out, "{%s}", word);
    if (e)
        return e;
    return buf_printf(out, " %" PRIu64 "\n", v);
}

static int put_family(struct buf *out, const struct family *f, const struct stats *const *workers,
                      size_t n)
{
    int e = buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
    if (!f->words)
        return e ? e : put_sample(out, f, NULL, sum(workers, n, f->offset));
    for (size_t i = 0; e == 0 && f->words[i]; i++)
        if (*f->words[i])
            e = put_sample(out, f, f->words[i], sum(workers, n, f->offset + i * sizeof(uint64_t)));
    return e;
}

static int put_latency(struct buf *out, const struct stats *const *workers, size_t n)
{
    uint64_t us = sum(workers, n, AT(added_us_sum));
    return buf_printf(
        out,
        "# HELP tapedeck_added_latency_seconds Time that the first bytes of exchanges "
        "spent in the proxy.\n"
        "# TYPE tapedeck_added_latency_seconds summary\n"
        "tapedeck_added_latency_seconds_sum %" PRIu64 ".%06" PRIu64 "\n"
        "tapedeck_added_latency_seconds_count %" PRIu64 "\n",
        us / (uint64_t)US_PER_S, us % (uint64_t)US_PER_S, sum(workers, n, AT(added_us_count)));
}

// The age of the oldest record that any worker waits for.
static int put_lag(struct buf *out, const struct stats *const *workers, size_t n, int64_t wall_us)
{
    uint64_t lag = 0;
    for (size_t i = 0; i < n; i++) {
        uint64_t oldest = stat_get(&workers[i]->oldest_unacked_us);
        if (oldest != 0 && (uint64_t)wall_us > oldest && (uint64_t)wall_us - oldest > lag)
            lag = (uint64_t)wall_us - oldest;
    }
    return buf_printf(out,
                      "# HELP tapedeck_recorder_lag_seconds Age of the oldest record that the "
                      "recorder has not acknowledged.\n"
                      "# TYPE tapedeck_recorder_lag_seconds gauge\n"
                      "tapedeck_recorder_lag_seconds %" PRIu64 ".%06" PRIu64 "\n",
                      lag / (uint64_t)US_PER_S, lag % (uint64_t)US_PER_S);
}

int metrics_text(const struct stats *const *workers, size_t n, int64_t wall_us, struct buf *out)
{
    int e = 0;
    for (size_t i = 0; e == 0 && i < sizeof families / sizeof *families; i++)
        e = put_family(out, &families[i], workers, n);
    e = e ? e : put_latency(out, workers, n);
    return e ? e : put_lag(out, workers, n, wall_us);
}
