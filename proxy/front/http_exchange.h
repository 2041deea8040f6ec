// http_exchange: watches one request and its answer pass, and says where both are over. No I/O.
#ifndef TAPEDECK_PROXY_FRONT_HTTP_EXCHANGE_H
#define TAPEDECK_PROXY_FRONT_HTTP_EXCHANGE_H

#include "proxy/front/front.h"
#include "proxy/http/body.h"

struct http_exchange {
    size_t head_max;
    // the request
    bool is_head;     // its method is HEAD
    bool keeps;       // its client would send another behind it
    unsigned minor;   // of its version
    size_t head_left; // bytes of its head that are still to pass as they are
    struct http_body request;
    // the answer
    enum { ANSWER_HEAD, ANSWER_BODY, ANSWER_OVER } at;
    size_t seen; // bytes scanned of a head that is not whole
    bool persists;
    struct http_body answer;
    // after PASS_BAD
    enum dir broken;
    const char *why; // static
};

// request: without faults. head_left: bytes of its head that pass() will see.
void http_exchange_begin(struct http_exchange *x, const struct http_head *request, size_t head_left,
                         size_t head_max);

// As front_ops.pass, from begin until anything but PASS_MORE is answered.
enum front_pass http_exchange_pass(struct http_exchange *x, enum dir dir, struct view in,
                                   size_t *n);

// Whether the whole request has passed.
bool http_exchange_request_over(const struct http_exchange *x);

// As front_ops.server_end.
bool http_exchange_server_end(const struct http_exchange *x);

#endif
