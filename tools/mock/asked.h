// asked: a request as it is compared, a live one or a recorded one: destination, chosen headers,
// content with its codings undone. Both go the same way, so that equal ones stay equal.
#ifndef TAPEDECK_TOOLS_MOCK_ASKED_H
#define TAPEDECK_TOOLS_MOCK_ASKED_H

#include "proto/base/buf.h"
#include "tools/compare/compare.h"
#include "tools/mock/match.h"

#define ASKED_HOST   300         // bytes of a destination, with its port; a longer one is cut
#define ASKED_FIELDS (64u << 10) // bytes of chosen headers; those beyond do not count

// Room for one request at a time, to be used again.
struct asked_room {
    struct buf fields, content;
    char host[ASKED_HOST], coding[256];
    unsigned char digest[DIGEST_SIZE];
};
void asked_room_init(struct asked_room *room);
void asked_room_clear(struct asked_room *room);

struct asked {
    struct compare_named named;
    struct rules_subject subject;
    struct compare_half half; // of a sealed request: not whole
};

uint64_t asked_body_max(const struct match_conf *conf);

// "api.test:443": in lower case, with its port. Returns what out holds.
struct view asked_host(struct view scheme, struct view host, char out[ASKED_HOST]);

// A hash of all that is compared as it stands, content by size and digest: what has the same is
// equal. Allocates nothing.
uint64_t asked_raw(const struct match_conf *conf, const struct match_request *r);

// All of out is a loan of r and of room until the next one. 0 or E_NOMEM.
int asked_make(const struct match_conf *conf, const struct match_request *r,
               struct asked_room *room, struct asked *out) MUST_CHECK;
// The same request with its content known by size and digest, or by its size alone.
struct compare_half asked_sealed(const struct asked *a, const struct match_request *r,
                                 struct asked_room *room, bool digest);

// ---- recorded ones

struct asked_reader;

// captures outlive it. For one thread at a time. NULL: out of memory.
struct asked_reader *asked_reader_new(const struct capture *captures, size_t n,
                                      const struct match_conf *conf);
void asked_reader_free(struct asked_reader *r); // r may be NULL

struct asked_row {
    struct match_request request; // sealed also where the content was not kept whole
    bool has_digest;
    struct view redacted, route; // route: the path itself where that has none
};
// The request of a transaction; file counts over all captures. What cannot be read is told with
// cli_damage(). 1, 0 (it cannot be read) or E_NOMEM. A loan until the next one.
int asked_read(struct asked_reader *r, uint32_t file, int64_t id, struct asked_row *out) MUST_CHECK;
// The store of a file; NULL: it cannot be opened, which was told.
struct store *asked_store(struct asked_reader *r, uint32_t file);

#endif
