// plan_in: what plan.c, which reads, and plan_order.c, which puts in order, share.
#ifndef TAPEDECK_TOOLS_REPLAY_PLAN_IN_H
#define TAPEDECK_TOOLS_REPLAY_PLAN_IN_H

#include "tools/replay/plan.h"

#define PLAN_NONE UINT32_MAX

int plan_nomem(void); // tells: CLI_FAILED
// The service of that name, made when it is new; PLAN_NONE: told.
uint32_t plan_service_of(struct plan *p, struct view name, struct view requested, bool secure);

// Flows and items as they were read; tls_us, by flow: when TLS was opened, 0: it was not.
int plan_put_in_order(struct plan *p, const int64_t *tls_us,
                      enum plan_direction direction) MUST_CHECK;

#endif
