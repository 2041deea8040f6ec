// plan: what of a capture is to be sent again, in its order, with its times.
//
//   services   where the recording went: "api:80", and by TLS or not
//   flows      recorded connections, in the order in which they began; each has
//   items      its transactions, in their order
//   order      all items by the time at which they began
//
// Times are µs since the first thing in the plan. Within a flow they never go back: where the
// capture interleaves, the number in the flow counts.
//
// Left out, and counted with the reason: TLS that was not opened, answers without a request, what
// the proxy itself answered, requests of a protocol that nobody speaks.
#ifndef TAPEDECK_TOOLS_REPLAY_PLAN_H
#define TAPEDECK_TOOLS_REPLAY_PLAN_H

#include "tools/capture.h"

#define PLAN_ITEMS_MAX    5000000
#define PLAN_SERVICES_MAX 4096

enum plan_kind { PLAN_HTTP, PLAN_RAW };
enum plan_direction { PLAN_EITHER, PLAN_INBOUND, PLAN_OUTBOUND };

struct plan_item {
    int64_t id;
    int64_t start_us, end_us; // its first byte; the last one of its answer, or of itself
    int64_t sent_us;          // the last byte of the request
    uint32_t flow, file;      // indexes
    uint32_t n;               // in the flow
    uint8_t kind;             // enum plan_kind
    bool answered;
};

struct plan_flow {
    int64_t id;
    int64_t opened_us, closed_us; // closed: not before the end of its last item
    uint32_t first, count;        // of its items
    uint32_t service;
    uint32_t client; // the same for all flows of one client's address
    bool inbound;
};

struct plan_service {
    char *name;      // "api:80": the target that was dialled
    char *requested; // as clients named it, or ""
    char *sni;       // of the first flow that said one, or ""
    bool secure;     // by TLS, which was opened
    uint64_t items;
};

enum plan_left { LEFT_TLS, LEFT_NO_REQUEST, LEFT_BY_PROXY, LEFT_PROTOCOL, LEFT_DIRECTION, LEFTS };
extern const char *const plan_left_texts[LEFTS];

struct plan {
    struct plan_service *services;
    size_t n_services;
    struct plan_flow *flows;
    size_t n_flows;
    struct plan_item *items; // by flow and number
    size_t n;
    uint32_t *order;    // of items, by start
    uint32_t peak;      // flows that were open at once
    int64_t length_us;  // to the end of the last item
    int64_t started_us; // wall clock of time 0
    uint64_t left[LEFTS];
};

// Errors are told, what cannot be read with cli_damage(): CLI_OK or CLI_FAILED; nothing to send is
// CLI_FAILED. PLAN_EITHER: what came to the workload, unless there is only what went out of it. To
// be cleared in any case.
int plan_load(struct plan *p, const struct capture *c, const struct filter *f,
              enum plan_direction direction) MUST_CHECK;
void plan_clear(struct plan *p);

// Takes the items of those services out: left[i] is of service i. CLI_OK or CLI_FAILED, told.
int plan_leave(struct plan *p, const bool *left) MUST_CHECK;

#endif
