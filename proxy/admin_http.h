// admin_http: the admin listener's side of HTTP: kept connections, content of requests up to a
// ceiling. For few clients: at most ADMIN_CONNECTIONS_MAX at once, the others wait in the kernel.
#ifndef TAPEDECK_PROXY_ADMIN_HTTP_H
#define TAPEDECK_PROXY_ADMIN_HTTP_H

#include "proto/base/buf.h"

#include <event2/util.h>

#define ADMIN_CONNECTIONS_MAX 64
#define ADMIN_HEAD_MAX        8192 // bytes
#define ADMIN_TIMEOUT_S       10   // for a request to come, and for its answer to be taken

struct event_base;
struct admin_http;

struct admin_request {
    struct view method; // GET also for HEAD
    struct view path;   // without its query
    struct view body;
};

struct admin_answer {
    unsigned status;
    const char *type;  // of the content
    const char *allow; // with 405: the methods that there are; static
    struct buf body;   // emptied when it is sent
};

// What to answer to a request; what it holds are loans until return.
typedef void admin_show(void *arg, const struct admin_request *r, struct admin_answer *out);

// fd listens; it is taken over, and closed by admin_http_free(). body_max: bytes of content that a
// request may have; 0: none. NULL: out of memory; fd stays.
struct admin_http *admin_http_new(struct event_base *base, evutil_socket_t fd, size_t body_max,
                                  admin_show *show, void *arg);
void admin_http_free(struct admin_http *h); // h may be NULL

#endif
