// head: the strict parser of HTTP/1 heads (RFC 9112), shared by the http front and the http1
// decoder. No I/O.
//
// Strict means: what two programs could read differently is not guessed at, but named as a fault.
// The front refuses a head with any fault; the decoder, which only watches, goes on where the
// framing is still certain.
#ifndef TAPEDECK_PROXY_HTTP_HEAD_H
#define TAPEDECK_PROXY_HTTP_HEAD_H

#include "proto/base/err.h"
#include "proto/base/view.h"

#define HTTP_HEADERS_MAX 256

enum http_fault {
    HTTP_BARE_LF = 1 << 0,       // a line ended by LF alone, or a CR that no LF follows
    HTTP_OBS_FOLD = 1 << 1,      // a line that continues the one before (RFC 9112 5.2)
    HTTP_NUL = 1 << 2,           // NUL or another control character in a name, value or target
    HTTP_BAD_LENGTH = 1 << 3,    // Content-Length is no number
    HTTP_TWO_LENGTHS = 1 << 4,   // several lengths that differ
    HTTP_LENGTH_AND_TE = 1 << 5, // Content-Length and Transfer-Encoding together
    // Transfer-Encoding in 1.0, or not a plain list; in a request: not "chunked" as its last; any
    // coding behind chunked.
    HTTP_BAD_TE = 1 << 6,
    HTTP_SPACE_BEFORE_COLON = 1 << 7,
    HTTP_BAD_NAME = 1 << 8,  // a header line without a colon, or a name that is no token
    HTTP_BAD_HOST = 1 << 9,  // 1.1 request without exactly one Host, 1.0 with two, or no authority
    HTTP_TOO_MANY = 1 << 10, // more than HTTP_HEADERS_MAX header lines
    HTTP_BAD_TARGET = 1 << 11, // empty, or with white space in it
    // Several lengths, all the same; not to be forwarded as they are (RFC 9110 8.6).
    HTTP_SAME_LENGTHS = 1 << 12,
};

// The faults that leave no doubt about where the body ends.
enum {
    HTTP_FAULTS_BESIDE_FRAMING = HTTP_BAD_HOST | HTTP_BAD_TARGET | HTTP_SAME_LENGTHS,
};

struct http_header {
    struct view name, value; // value without the white space around it; loans from the input
};

enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_head {
    bool is_request;
    unsigned major, minor;      // "HTTP/1.1"
    struct view method, target; // of a request
    unsigned status;            // of an answer
    struct view reason;
    size_t count;
    struct http_header headers[HTTP_HEADERS_MAX];
    unsigned faults; // enum http_fault, or-ed
    // What the headers say together:
    bool has_length, chunked, has_te;
    uint64_t length;                 // when has_length
    bool close, keep_alive, upgrade; // tokens of Connection
    bool expect_continue;            // Expect: 100-continue
};

// Parses the head at the front of in. Up to two empty lines before a request's start line are
// passed over and counted in *used (RFC 9112 2.2). 0: *used is the head's whole size with its empty
// line, *out loans from in. E_AGAIN: no whole head yet. E_SYNTAX: this is no HTTP/1 head (bad start
// line, or a version other than 1.x). The caller keeps the limit on a head's size. from: how much
// of in was scanned by an earlier call that answered E_AGAIN (0 at first): work stays linear when
// bytes trickle in.
int http_head_parse(struct view in, size_t from, bool request, struct http_head *out,
                    size_t *used) MUST_CHECK;

// How many bytes at the front of v are token characters (RFC 9110 5.6.2).
size_t http_token_run(struct view v);

// A control character that may not stand in a head's text: any but the tab.
static inline bool http_is_control(char c)
{
    unsigned char u = (unsigned char)c;
    return (u < 0x20 && u != '\t') || u == 0x7f;
}

// Whether v may stand in Host: no white space, and nothing that could end or hide an authority.
bool http_host_plain(struct view v);

// The first header of that name (any case), or NULL.
const struct http_header *http_head_find(const struct http_head *h, struct view name);

// How the body behind a head is framed (RFC 9112 6.3). For an answer, method is its request's.
enum http_framing http_request_framing(const struct http_head *h);
enum http_framing http_response_framing(const struct http_head *h, struct view method);

// Whether the connection may carry another exchange after this one.
bool http_persistent(const struct http_head *request, const struct http_head *response);

// A short name of the lowest fault bit, e.g. "two content-lengths"; static.
const char *http_fault_text(unsigned faults);

#endif
