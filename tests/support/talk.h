// talk: a client and a server that talk through a front, in pieces of any size; what each of them
// heard, and what the front said, are compared between the ways of cutting.
//
//   struct talk t;
//   talk_init(&t, &front_http);
//   t.client = VIEW_LIT("GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n");
//   t.answers[0] = VIEW_LIT("HTTP/1.1 204 No Content\r\n\r\n");
//   talk_everywhere(&t);      // t.log: "go a:80 for a:80\ndone\nwait\n"
//   talk_clear(&t);
#ifndef TAPEDECK_TESTS_TALK_H
#define TAPEDECK_TESTS_TALK_H

#include "proxy/front/front.h"

#define TALK_ANSWERS 8
#define TALK_MAX     (1 << 20) // bytes of each side

struct talk {
    const struct front_ops *ops;
    struct front_conf conf;            // forward, heads of 4096 bytes, unless changed
    struct view client;                // all that the client sends
    struct view answers[TALK_ANSWERS]; // what the server sends in each exchange
    bool ends[TALK_ANSWERS];           // and then its end comes
    int dial_error;
    struct addr bound;
    enum { CLIENT_FIRST, SERVER_FIRST, BY_TURNS } order; // who is heard first in an exchange
    size_t first[2], step[2]; // by enum dir: bytes of the first piece, and of the others

    // What came of it: the bytes that each heard, and a line for each of the front's verdicts:
    // "go TARGET for REQUESTED[ tunnel]", "refuse REASON[ recorded]", "failed" (the dial), "done",
    // "close", "tunnel", "bad", "end" and "cut" (the server's end, in order or not), "nomem",
    // "wait" (for bytes that do not come), "enough" (of exchanges).
    struct buf to_client, to_server, log, recorded;
    struct buf own_client, own_server; // the front's; empty between the runs
};

void talk_init(struct talk *t, const struct front_ops *ops);
void talk_clear(struct talk *t);

void talk_run(struct talk *t); // as the fields say, once

// In one piece; then cut in two at each place (of a long input: at every seventh), in each
// direction; then in equal small pieces. Ends the test where the outcome is another; leaves the
// first one's.
void talk_everywhere(struct talk *t);

// Whether log, to_client and to_server are this; prints them where they are not.
bool talk_was(const struct talk *t, const char *log, struct view to_client, struct view to_server);

#endif
