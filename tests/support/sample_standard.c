// sample_standard: the standard capture of sample.h.
#include "tests/support/sample.h"

#include "proto/base/clock.h"

#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

const char sample_json[] =
    "{\"users\":[{\"id\":1,\"name\":\"J\303\266rg\"},{\"id\":12345678901234567890,"
    "\"score\":1.50}],\"next\":null}";
const char sample_brotli[] =
    "{\"coding\":\"br\",\"list\":[1,2,3],\"text\":\"brotli brotli brotli\"}";
const char sample_zstd[] = "zstd zstd zstd zstd zstd zstd zstd\n";
const unsigned char sample_png[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0,   0,
                                    0,    13,  'I', 'H', 'D',  'R',  0,    0xff, 0xfe};
const size_t sample_png_size = sizeof sample_png;

// sample_brotli as brotli's own encoder writes it: one block of literals.
static struct view brotli(char out[64])
{
    static const char before[] = {(char)0x8b, 0x1d, (char)0x80};
    size_t n = sizeof sample_brotli - 1;
    memcpy(out, before, sizeof before);
    memcpy(out + sizeof before, sample_brotli, n);
    out[sizeof before + n] = 3;
    return view_n(out, sizeof before + n + 1);
}

static struct view gzip(const char *text, char *out, size_t room)
{
    z_stream z = {0};
    if (deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        abort();
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)strlen(text);
    z.next_out = (unsigned char *)out;
    z.avail_out = (unsigned)room;
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    deflateEnd(&z);
    return view_n(out, z.total_out);
}

#define REQ(line) VIEW_LIT(line "\r\nHost: api.test\r\n\r\n")

static void coded(struct sample *s, int64_t *ids)
{
    char zipped[512], br[64], zstd[256];
    struct sample_txn t = {
        .method = "GET",
        .path = "/users",
        .query = "page=2&q=a%20b+c&flag",
        .status = 200,
        .wait_us = 9500,
        .req = {.head = VIEW_LIT("GET /users?page=2&q=a%20b+c&flag HTTP/1.1\r\nHost: api.test\r\n"
                                 "User-Agent: test/1\r\nAccept-Encoding: gzip\r\n"
                                 "Cookie: a=1; b=two; c\r\n\r\n"),
                .us = 1700},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
                                 "Content-Encoding: gzip\r\nX-B: 1\r\nx-a: 2\r\nX-B: 3\r\n\r\n"),
                .body = gzip(sample_json, zipped, sizeof zipped),
                .us = 1100}};
    ids[SAMPLE_GZIP] = sample_http(s, &t);
    t = (struct sample_txn){.method = "GET",
                            .path = "/br",
                            .status = 200,
                            .req = {.head = REQ("GET /br HTTP/1.1")},
                            .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n"
                                                     "Content-Type: application/json\r\n\r\n"),
                                    .body = brotli(br)}};
    ids[SAMPLE_BROTLI] = sample_http(s, &t);
    size_t n = ZSTD_compress(zstd, sizeof zstd, sample_zstd, sizeof sample_zstd - 1, 3);
    t = (struct sample_txn){.method = "GET",
                            .path = "/zstd",
                            .status = 200,
                            .req = {.head = REQ("GET /zstd HTTP/1.1")},
                            .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\n"
                                                     "Content-Type: text/plain\r\n\r\n"),
                                    .body = view_n(zstd, n)}};
    ids[SAMPLE_ZSTD] = sample_http(s, &t);
    t = (struct sample_txn){.method = "GET",
                            .path = "/bad-gzip",
                            .status = 200,
                            .req = {.head = REQ("GET /bad-gzip HTTP/1.1")},
                            .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n"
                                                     "Content-Type: text/plain\r\n\r\n"),
                                    .body = VIEW_LIT("not gzip at all")}};
    ids[SAMPLE_BAD_GZIP] = sample_http(s, &t);
}

static void ordinary(struct sample *s, int64_t *ids)
{
    struct sample_txn t = {
        .method = "POST",
        .path = "/login",
        .status = 302,
        .wait_us = 5000,
        .req = {.head = VIEW_LIT("POST /login HTTP/1.1\r\nHost: api.test\r\nContent-Length: 27\r\n"
                                 "Content-Type: application/x-www-form-urlencoded\r\n\r\n"),
                .body = VIEW_LIT("user=jo&pass='sh\nsafe'&at=@")},
        .res = {.head = VIEW_LIT("HTTP/1.1 302 Found\r\nLocation: /home\r\n"
                                 "Set-Cookie: sid=abc; Path=/; Domain=api.test; HttpOnly; Secure; "
                                 "SameSite=Lax; Expires=Wed, 21 Oct 2026 07:28:00 GMT\r\n"
                                 "Set-Cookie: theme=dark\r\nContent-Length: 0\r\n\r\n")}};
    ids[SAMPLE_FORM] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "GET",
        .path = "/logo.png",
        .status = 200,
        .req = {.head = REQ("GET /logo.png HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n\r\n"),
                .body = view_n(sample_png, sample_png_size)}};
    ids[SAMPLE_PNG] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "PUT",
        .path = "/logo.png",
        .status = 204,
        .req = {.head = VIEW_LIT("PUT /logo.png HTTP/1.1\r\nHost: api.test\r\n"
                                 "Content-Type: image/png\r\nContent-Length: 19\r\n\r\n"),
                .body = view_n(sample_png, sample_png_size)},
        .res = {.head = VIEW_LIT("HTTP/1.1 204 No Content\r\n\r\n")}};
    ids[SAMPLE_UPLOAD] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "HEAD",
        .path = "/logo.png",
        .status = 200,
        .req = {.head = REQ("HEAD /logo.png HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 19\r\n\r\n")}};
    ids[SAMPLE_HEAD] = sample_http(s, &t);
}

static void sick(struct sample *s, int64_t *ids)
{
    static char kept[1000];
    memset(kept, 'k', sizeof kept);
    struct sample_txn t = {
        .method = "GET",
        .path = "/slow",
        .status = 500,
        .wait_us = 2500000,
        .req = {.head = REQ("GET /slow HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 500 Oops\r\nContent-Type: text/plain\r\n\r\n"),
                .body = VIEW_LIT("it broke\n")}};
    ids[SAMPLE_ERROR] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "GET", .path = "/silent", .req = {.head = REQ("GET /silent HTTP/1.1")}};
    ids[SAMPLE_SILENT] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "GET",
        .path = "/capped",
        .status = 200,
        .req = {.head = REQ("GET /capped HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n"),
                .body = view_n(kept, sizeof kept),
                .size = 5000}};
    ids[SAMPLE_CAPPED] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "GET",
        .path = "/\x1b[31mred\x07\"'\\\xff",
        .query = "q=<\xe9>",
        .status = 200,
        .req = {.head = VIEW_LIT("GET /\x1b[31mred\x07\"'\\\xff?q=<\xe9> HTTP/1.1\r\n"
                                 "Host: api.test\r\nX-Latin: caf\xe9\r\nX-Shell: $(id) `id` 'x'\r\n"
                                 "X-Empty:\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 caf\xe9\r\nContent-Type: text/plain\r\n\r\n"),
                .body = VIEW_LIT("\x1b]0;title\x07 and \xe2\x80\xae reversed\n")}};
    ids[SAMPLE_EVIL] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "GET",
        .path = "/cut",
        .status = 200,
        .req = {.head = REQ("GET /cut HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .body = VIEW_LIT("half of it"),
                .end = 2}};
    ids[SAMPLE_CUT] = sample_http(s, &t);
}

static void special(struct sample *s, int64_t *ids)
{
    struct sample_txn t = {
        .method = "GET",
        .path = "/secret",
        .status = 200,
        .redacted = "header:authorization,header:cookie",
        .req = {.head = VIEW_LIT("GET /secret HTTP/1.1\r\nHost: api.test\r\n"
                                 "Authorization: redacted:0123456789abcdef\r\n"
                                 "Cookie: redacted:fedcba9876543210\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"),
                .body = VIEW_LIT("ok\n")}};
    ids[SAMPLE_REDACTED] = sample_http(s, &t);
    t = (struct sample_txn){
        .method = "POST",
        .path = "/chunked",
        .status = 201,
        .req = {.head = VIEW_LIT("POST /chunked HTTP/1.1\r\nHost: api.test\r\n"
                                 "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n"
                                 "Content-Type: text/plain\r\n\r\n"),
                .body = VIEW_LIT("hello, world\n"),
                .trailers = VIEW_LIT("X-Sum: 1\r\n"),
                .us = 3000},
        .res = {.head = VIEW_LIT("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"),
                .interim = VIEW_LIT("HTTP/1.1 100 Continue\r\n\r\n"),
                .body = VIEW_LIT("made\n"),
                .trailers = VIEW_LIT("X-Took: 3ms\r\n")}};
    ids[SAMPLE_CHUNKED] = sample_http(s, &t);
    char *large = malloc(SAMPLE_LARGE_SIZE);
    if (!large)
        abort();
    for (size_t i = 0; i < SAMPLE_LARGE_SIZE; i++)
        large[i] = i % 64 == 63 ? '\n' : (char)('a' + i / 64 % 26);
    t = (struct sample_txn){
        .method = "GET",
        .path = "/large",
        .status = 200,
        .req = {.head = REQ("GET /large HTTP/1.1")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"),
                .body = view_n(large, SAMPLE_LARGE_SIZE),
                .parts = 4,
                .us = 900000}};
    ids[SAMPLE_LARGE] = sample_http(s, &t);
    free(large);
}

static void tunnel(struct sample *s, int64_t *ids)
{
    static const char *const talk[] = {"hello\r\n", "\x01\x02\x03\xff binary", "quit\r\n",
                                       "bye\r\n", NULL};
    struct sample_txn t = {
        .method = "CONNECT",
        .host = "secure.test:443",
        .path = "",
        .status = 200,
        .req = {.head = VIEW_LIT("CONNECT secure.test:443 HTTP/1.1\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 200 Connection established\r\n\r\n")}};
    ids[SAMPLE_CONNECT] = sample_http(s, &t);
    struct store_tls tls = {.flow = s->flow,
                            .at_us = s->now_us,
                            .mode = "opaque",
                            .sni = "secure.test",
                            .alpn_offered = "h2,http/1.1",
                            .versions_offered = "1.3,1.2",
                            .version = "1.2",
                            .cipher = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                            .alpn = "",
                            .has_certificate = true,
                            .subject = "CN=secure.test",
                            .issuer = "CN=An authority",
                            .names = "secure.test,10.0.0.1",
                            .not_before_us = s->now_us - US_PER_S,
                            .not_after_us = s->now_us + US_PER_S,
                            .fingerprint = VIEW_LIT("0123456789abcdef0123456789abcdef")};
    if (store_put_tls(s->store, store_key(s->stream, ++s->seq), &tls))
        abort();
    ids[SAMPLE_RAW] = sample_raw(s, talk);
}

void sample_standard(struct sample *s, int64_t ids[SAMPLE_TXNS])
{
    sample_begin(s, "capture.db");
    sample_flow(s, true);
    ordinary(s, ids);
    sick(s, ids);
    sample_flow_end(s);
    sample_flow(s, false);
    coded(s, ids);
    special(s, ids);
    struct sample_txn t = {
        .method = "GET",
        .host = "down.test",
        .path = "/",
        .status = 502,
        .by_proxy = true,
        .original = store_key(2, 7),
        .outcome = "miss",
        .req = {.head = VIEW_LIT("GET http://down.test/ HTTP/1.1\r\nHost: down.test\r\n\r\n")},
        .res = {.head = VIEW_LIT("HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/plain\r\n\r\n"),
                .body = VIEW_LIT("connection refused\n")}};
    ids[SAMPLE_PROXY] = sample_http(s, &t);
    sample_flow_end(s);
    sample_flow(s, false);
    tunnel(s, ids);
    sample_flow_end(s);
    sample_flow(s, true);
    sample_open(s, "/stream");
    sample_close(s);
}
