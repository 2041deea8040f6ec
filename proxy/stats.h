// stats: a worker's counters. One thread writes each; the admin listener reads them from another.
#ifndef TAPEDECK_PROXY_STATS_H
#define TAPEDECK_PROXY_STATS_H

#include <stdint.h>

#define STATS_CAUSES 8 // numbers of Cause in record.proto

// How a handshake ended, as TLS of a client or of a server is counted.
enum stats_tls { STATS_TLS_FULL, STATS_TLS_RESUMED, STATS_TLS_FAILED, STATS_TLS_ENDS };
#define STATS_PASSED     6 // of enum pass_cause (tls/pass.h), and STATS_PASSED_ODD
#define STATS_PASSED_ODD 5 // a hello that nobody else can answer

struct stats {
    // flows
    uint64_t flows_opened[2], flows_open[2]; // by listener: 0 inbound, 1 outbound
    uint64_t flows_refused;                  // over the listener's limit, or no memory
    uint64_t dials_failed;
    uint64_t heads_refused;                // ambiguous or oversized heads answered 4xx
    uint64_t bytes[2];                     // relayed: C2S, S2C
    uint64_t added_us_sum, added_us_count; // time that first bytes spent in the proxy
    // TLS that ends here
    uint64_t tls[2][STATS_TLS_ENDS]; // handshakes: 0 with clients, 1 with servers
    uint64_t tls_minted, tls_passed[STATS_PASSED];
    // capture
    uint64_t transactions, filtered, records, record_bytes;
    uint64_t omitted_bytes;
    uint64_t lost_transactions[STATS_CAUSES], lost_bytes[STATS_CAUSES];
    uint64_t tap_bytes; // held by taps and unfinished transactions now
    // journal and link
    uint64_t ring_size, ring_used;
    uint64_t seq_next, seq_acked;
    uint64_t oldest_unacked_us; // wall clock of the oldest record that is not acknowledged; 0: none
    uint64_t link_connected, link_reconnects;
};

// The only writer may use these; readers use stat_get().
static inline void stat_set(uint64_t *s, uint64_t v)
{
    __atomic_store_n(s, v, __ATOMIC_RELAXED);
}
static inline void stat_add(uint64_t *s, uint64_t v)
{
    stat_set(s, *s + v);
}
static inline void stat_sub(uint64_t *s, uint64_t v)
{
    stat_set(s, *s - v);
}
static inline uint64_t stat_get(const uint64_t *s)
{
    return __atomic_load_n(s, __ATOMIC_RELAXED);
}

#endif
