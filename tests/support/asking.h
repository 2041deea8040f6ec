// asking: requests put into a capture, and asked for again as a mock does. Errors end the test.
//
//   asking_begin(&a);
//   asking_flow(&a);
//   asking_put(&a, &(struct asking_request){ASKING("GET", "api.test", "/x")});
//   asking_open(&a, "ignore: [query.t]");
//   assert_int_equal(asking_take(&a, &(struct asking_request){…}, NULL), 1);
//   asking_close(&a);
//   asking_end(&a);
#ifndef TAPEDECK_TESTS_ASKING_H
#define TAPEDECK_TESTS_ASKING_H

#include "tests/support/sample.h"
#include "tools/mock/match.h"

struct asking_request {
    const char *method, *host, *path, *query;
    const char *head;    // fields behind Host, each with its "\r\n"
    const char *content; // NULL: none
    size_t size;         // of content where it holds NUL; 0: as a string
    const char *scheme;  // NULL: http
    const char *redacted;
    bool sealed;
};

#define ASKING(m, h, p) .method = (m), .host = (h), .path = (p)

struct asking {
    struct sample sample;
    struct capture capture;
    struct match_conf conf; // may be set before asking_open(); rules are asking_open()'s
    struct rules rules;
    struct index *ix;
    struct match *m;
    int64_t ids[1000]; // of what was put, from 1 on
    int n;
    char head[4096]; // of the request at hand
};

void asking_begin(struct asking *a);
void asking_flow(struct asking *a);
// Answered 200; its number, from 1 on.
int asking_put(struct asking *a, const struct asking_request *r);
// The capture is whole; an index of it, under rules (NULL: none). May be done again.
void asking_open(struct asking *a, const char *rules);
struct match_request asking_request(struct asking *a, const struct asking_request *r);
// Which of those that were put answers; 0: none. flow NULL: one of its own.
int asking_take(struct asking *a, const struct asking_request *r, struct match_flow *flow);
int asking_number(const struct asking *a, uint32_t entry);
void asking_close(struct asking *a); // the index; the capture stays
void asking_end(struct asking *a);

#endif
