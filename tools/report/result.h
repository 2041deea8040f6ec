// result: what became of one request that was to be sent again: told by who sent it, once each.
//
//   planned    ready       sent          first        end        µs since the run began
//   ───┼─────────┼───────────┼─────────────┼────────────┼──▶
//      │         ╰─ ours ────╯             │            │        what we ourselves were late by
//      ╰──────── lateness ───╯             │            │
//      │                     ╰─ first ─────╯            │
//      │                     ╰─ latency since the send ─╯
//      ╰──────── latency ───────────────────────────────╯        what a client would have waited
//
// 1. planned ≤ ready ≤ sent ≤ first ≤ end, each -1 where it did not happen; ready may be -1: all
//    lateness is ours.
// 2. Where there is no plan (as fast as it goes, a closed loop) planned is when the request could
//    have gone: equal to ready.
// 3. Every request of the plan is told of, also one that never went; what is not told was not come
//    to before the run ended.
#ifndef TAPEDECK_TOOLS_REPORT_RESULT_H
#define TAPEDECK_TOOLS_REPORT_RESULT_H

#include "tools/compare/differences.h"

enum result_kind {
    RESULT_ANSWERED,
    RESULT_CLOSED,  // the connection ended before an answer, or within it
    RESULT_TIMEOUT, // no answer, or not all of it, in time
    RESULT_REFUSED, // no connection: refused, unreachable, TLS failed
    RESULT_GARBAGE, // what came is no answer that can be read
    RESULT_UNSENT,  // we could not say it: the recording lacks what it takes, a rule forbids it
    RESULT_KINDS
};

// Members that are views are loans for the call, and may hold anything.
struct result {
    int64_t original;     // the id of the recorded transaction
    const char *file;     // of the capture that holds it; lives as long as the verdict; may be NULL
    struct view service;  // where it was recorded from: "api:80"
    struct view protocol; // "http", "raw"
    struct view method, host, path, query; // of the recorded request; method empty: it has none
    enum result_kind kind;
    const char *reason; // of a kind other than answered: a phrase, "no answer within 5s"; may be
                        // NULL
    int64_t planned_us, ready_us, sent_us, first_us, end_us;
    int64_t recorded_us;                 // latency in the recording; -1: there was no answer
    int64_t status, recorded_status;     // 0: none
    uint64_t sent_bytes, received_bytes; // on the wire
    // What differs between the recorded answer and this one; NULL: they were not compared. One that
    // was recorded without an answer and has none again is equal (total 0), and then no error.
    const struct differences *found;
};

#endif
