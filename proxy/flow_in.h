// flow_in: what flow.c, approach.c and relay.c tell each other; nobody else's business.
#ifndef TAPEDECK_PROXY_FLOW_IN_H
#define TAPEDECK_PROXY_FLOW_IN_H

#include "proxy/flow.h"

static inline void *flow_front(struct flow *f)
{
    return f + 1;
}
static inline struct flow *flow_of_client(struct side *s)
{
    return (struct flow *)(void *)((char *)s - offsetof(struct flow, client));
}
static inline struct flow *flow_of_server(struct side *s)
{
    return (struct flow *)(void *)((char *)s - offsetof(struct flow, server));
}
static inline bool flow_ended(const struct flow *f)
{
    return f->state >= FLOW_DRAIN;
}

// flow.c
void flow_set_state(struct flow *f, enum flow_state to);
void flow_bury(struct flow *f);   // DRAIN is over
void flow_update(struct flow *f); // which events are wanted now
// Nothing may be read or shown to the tap for the journal's sake, until flow_env_resume().
bool flow_must_pause(struct flow *f);
void flow_expect(struct flow *f, int64_t us); // the deadline, from now; 0: none
// To an end of f; counted as kept where the socket does not take them. An error of the socket
// leaves that side broken; no memory ends the flow.
void flow_send(struct flow *f, struct side *s, struct view bytes);
// The front's words to the client, if any, about an error (0: none); true when it had some. They
// are told to the tap when it is open and there is an error.
bool flow_answer(struct flow *f, int error, const char *detail);
void flow_tap_open(struct flow *f, const struct decoder_ops *hint);
void flow_tap_close(struct flow *f, enum flow_reason reason, const char *detail);

// approach.c
// Client bytes, which may be none: they go to the front, or to the server, behind those that wait.
void flow_input(struct flow *f, struct view fresh);
bool flow_is_exchange(const struct flow *f);
// The kept upstream of a flow that rests in FRONT is gone.
void flow_lose_upstream(struct flow *f, enum flow_reason reason);

// To where the flow was dialled last.
const struct hostport *flow_target_of(const struct flow *f);
// There is none for the exchange at hand, for that reason: it is captured as far as it came, the
// client is told, and the flow ends.
void flow_no_upstream(struct flow *f, enum flow_reason reason, int error, const char *detail);
// Behind PEEK and SECURE, with the dial behind it: the exchange begins.
void flow_go_on(struct flow *f);
// Away from this server, for that reason, and to the same target again.
void flow_redial(struct flow *f, enum flow_reason reason, const char *detail);

// relay.c
extern const struct io_handler relay_client_io, relay_server_io;
// One step with client bytes in RELAY: how many of them were relayed; true when there may be more
// to do.
bool relay_client_step(struct flow *f, struct view in, size_t *n);
// What was read of the server, or its end, or an error.
void relay_server_came(struct flow *f, struct view in, int error);
void relay_client_end(struct flow *f); // no client bytes are left, and none will come
// Bytes that are told to the tap and sent on.
// How many of them: less than all where TLS begins behind those, and the flow is in PEEK.
size_t relay_move(struct flow *f, enum dir dir, struct view bytes);
// DRAIN begins: the side's last bytes go out, then its end is told, or it is reset.
void relay_drain(struct flow *f, struct side *last, bool reset);

#endif
