#include "tests/support/tape.h"

#include "proto/base/clock.h"
#include "proto/digest.h"

#include <stdio.h>
#include <stdlib.h>

static void must(struct tape *t, int e, const char *what)
{
    if (e == 0)
        return;
    fprintf(stderr, "tape: %s: %s (%s)\n", what, err_text(e), t->s ? store_why(t->s) : "");
    abort();
}

void tape_open(struct tape *t, const char *path)
{
    char why[WHY_MAX];
    uint64_t last;
    struct store_stream st = {.name = "tape",
                              .software = "test 1",
                              .host = "here",
                              .pod = "pod-1",
                              .namespace_ = "default",
                              .workload = "shop",
                              .node = "node-1",
                              .labels_json = "{\"app\":\"shop\"}",
                              .settings_json = "{\"proxy-type\":\"reverse\"}",
                              .pid = 42,
                              .started_us = 1767225600000000};
    memset(t, 0, sizeof *t);
    int e = store_open(&t->s, path, STORE_WRITE, why);
    if (e != 0)
        fprintf(stderr, "tape: %s\n", why);
    must(t, e, "open");
    must(t, store_stream(t->s, &st, 1, &t->stream, &last), "stream");
    t->seq = last + 1;
    t->now = st.started_us + (int64_t)t->seq * 1000;
}

void tape_close(struct tape *t)
{
    store_close(t->s);
    t->s = NULL;
}

void tape_begin(struct tape *t)
{
    must(t, store_begin(t->s), "begin");
    t->batch = true;
}

void tape_commit(struct tape *t)
{
    must(t, store_put_progress(t->s, t->stream, t->seq - 1, 0), "progress");
    must(t, store_commit(t->s), "commit");
    t->batch = false;
}

static bool begin_one(struct tape *t)
{
    bool own = !t->batch;
    if (own)
        tape_begin(t);
    t->now += 1000;
    return own;
}

static int64_t next_key(struct tape *t)
{
    return store_key(t->stream, t->seq++);
}

static void end_one(struct tape *t, bool own, int e, const char *what)
{
    must(t, e, what);
    if (own)
        tape_commit(t);
}

static struct tape_flow *flow_of(struct tape *t, int64_t id)
{
    for (int i = 0; i < t->flow_count; i++) {
        if (t->flows[i].id == id)
            return &t->flows[i];
    }
    if (t->flow_count == TAPE_FLOWS)
        abort();
    t->flows[t->flow_count] = (struct tape_flow){.id = id};
    return &t->flows[t->flow_count++];
}

int64_t tape_flow(struct tape *t, const char *target)
{
    bool own = begin_one(t);
    int64_t key = next_key(t);
    struct store_flow f = {.at_us = t->now,
                           .dial_us = 150,
                           .dns_us = 50,
                           .inbound = true,
                           .front = "fixed",
                           .client = key % 2 ? "10.0.0.1:5000" : "[fd00::2]:6000",
                           .local = "10.0.0.9:4143",
                           .original = "",
                           .requested = "",
                           .target = target,
                           .server = "127.0.0.1:80",
                           .server_local = "127.0.0.1:40000"};
    flow_of(t, key);
    end_one(t, own, store_put_flow(t->s, key, &f), "flow");
    return key;
}

void tape_end(struct tape *t, int64_t flow)
{
    struct tape_flow *f = flow_of(t, flow);
    bool own = begin_one(t);
    struct store_flow_end r = {.flow = flow,
                               .at_us = t->now,
                               .relayed_c2s = f->c2s,
                               .relayed_s2c = f->s2c,
                               .transactions = f->n,
                               .reason = "done",
                               .detail = "",
                               .first_speaker = 1};
    end_one(t, own, store_put_flow_end(t->s, next_key(t), &r), "flow end");
}

void tape_tls(struct tape *t, int64_t flow, const char *sni, const char *mode)
{
    bool own = begin_one(t);
    struct store_tls r = {.flow = flow,
                          .at_us = t->now,
                          .mode = mode,
                          .sni = sni,
                          .alpn_offered = "h2,http/1.1",
                          .versions_offered = "1.3,1.2",
                          .version = "1.2",
                          .cipher = "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
                          .alpn = "",
                          .has_certificate = true,
                          .subject = "CN=secure.test",
                          .issuer = "CN=An authority",
                          .names = "secure.test,10.0.0.1",
                          .not_before_us = t->now - US_PER_S,
                          .not_after_us = t->now + US_PER_S,
                          .fingerprint = VIEW_LIT("0123456789abcdef0123456789abcdef")};
    end_one(t, own, store_put_tls(t->s, next_key(t), &r), "tls");
}

void tape_link(struct tape *t, int64_t original, const char *outcome)
{
    t->original = original;
    t->outcome = outcome;
}

int64_t tape_txn(struct tape *t, int64_t flow, struct store_txn *txn)
{
    struct tape_flow *f = flow_of(t, flow);
    struct store_half *q = &txn->req, *a = &txn->res;
    bool own = begin_one(t);
    int64_t key = next_key(t);
    txn->flow = flow;
    txn->n = f->n++;
    if (t->outcome) {
        txn->original = t->original;
        txn->outcome = t->outcome;
        t->outcome = NULL;
    }
    if (q->first_us == 0 && q->end != 0) {
        q->first_us = t->now;
        q->last_us = t->now + 100;
    }
    if (a->first_us == 0 && a->end != 0) {
        a->first_us = t->now + 300;
        a->last_us = t->now + 900;
    }
    if (txn->account.stored_c2s == 0 && q->parts == 0)
        txn->account.stored_c2s = (int64_t)(q->head.n + q->body.n);
    if (txn->account.stored_s2c == 0)
        txn->account.stored_s2c = (int64_t)(a->head.n + a->body.n);
    q->wire = txn->account.stored_c2s + txn->account.omitted_c2s;
    a->wire = txn->account.stored_s2c + txn->account.omitted_s2c;
    f->c2s += txn->account.stored_c2s + txn->account.omitted_c2s;
    f->s2c += txn->account.stored_s2c + txn->account.omitted_s2c;
    end_one(t, own, store_put_txn(t->s, key, txn), "txn");
    return key;
}

#define ANSWER_HEAD                                                                                \
    "HTTP/1.1 200 Fine\r\nContent-Type: text/plain\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\n\r\n"

int64_t tape_http(struct tape *t, int64_t flow, const char *method, const char *path, int status,
                  struct view body)
{
    char head[512];
    int n = snprintf(head, sizeof head,
                     "%s %s HTTP/1.1\r\nHost: api.test\r\nUser-Agent: \"q\" \\ back\r\n\r\n",
                     method, path);
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = method,
        .scheme = "http",
        .host = "api.test",
        .path = path,
        .query = "",
        .status = status,
        .req = {.end = 1, .head = view_n(head, (size_t)n)},
        .res = {.end = status != 0,
                .head = status != 0 ? VIEW_LIT(ANSWER_HEAD) : (struct view){NULL, 0},
                .body = body,
                .body_size = (int64_t)body.n,
                .body_stored = (int64_t)body.n},
    };
    return tape_txn(t, flow, &txn);
}

void tape_part(struct tape *t, int64_t flow, bool s2c, int64_t at, struct view bytes)
{
    struct tape_flow *f = flow_of(t, flow);
    bool own = begin_one(t);
    int64_t n = (int64_t)bytes.n;
    struct store_part p = {.flow = flow,
                           .n = f->n,
                           .first_us = t->now,
                           .last_us = t->now + 10,
                           .at = at,
                           .s2c = s2c,
                           .bytes = bytes,
                           .account = {.stored_c2s = s2c ? 0 : n, .stored_s2c = s2c ? n : 0}};
    *(s2c ? &f->s2c : &f->c2s) += n;
    end_one(t, own, store_put_part(t->s, next_key(t), &p), "part");
}

int64_t tape_large(struct tape *t, int64_t flow, const char *path, struct view content, size_t size)
{
    unsigned char digest[DIGEST_SIZE];
    int64_t parts = 0;
    for (size_t at = 0; at < content.n; at += size, parts++)
        tape_part(t, flow, true, (int64_t)at, view_head(view_from(content, at), size));
    digest_once(content, digest);
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = "GET",
        .scheme = "http",
        .host = "api.test",
        .path = path,
        .status = 200,
        .req = {.end = 1, .head = VIEW_LIT("GET /large HTTP/1.1\r\n\r\n")},
        .res = {.end = 1,
                .head = VIEW_LIT("HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n\r\n"),
                .digest = view_n(digest, sizeof digest),
                .body_size = (int64_t)content.n,
                .body_stored = (int64_t)content.n,
                .parts = parts},
    };
    return tape_txn(t, flow, &txn);
}

int64_t tape_raw(struct tape *t, int64_t flow, const char *const *says)
{
    int64_t at[2] = {0}, parts[2] = {0};
    for (; *says; says++) {
        bool s2c = (*says)[0] == 's';
        struct view bytes = view_of(*says + 2);
        tape_part(t, flow, s2c, at[s2c], bytes);
        at[s2c] += (int64_t)bytes.n;
        parts[s2c]++;
    }
    struct store_txn txn = {
        .protocol = "raw",
        .req = {.end = parts[0] > 0, .parts = parts[0], .body_size = at[0], .body_stored = at[0]},
        .res = {.end = parts[1] > 0, .parts = parts[1], .body_size = at[1], .body_stored = at[1]},
    };
    return tape_txn(t, flow, &txn);
}

void tape_loss(struct tape *t, int64_t flow, int64_t transactions, int64_t c2s, int64_t s2c)
{
    bool own = begin_one(t);
    struct store_loss l = {.flow = flow,
                           .cause = "ring-full",
                           .detail = "",
                           .transactions = transactions,
                           .flows = flow == 0,
                           .lost_c2s = c2s,
                           .lost_s2c = s2c,
                           .first_us = t->now,
                           .last_us = t->now + 5};
    if (flow != 0) {
        struct tape_flow *f = flow_of(t, flow);
        f->c2s += c2s;
        f->s2c += s2c;
        f->n += transactions;
    }
    end_one(t, own, store_put_loss(t->s, next_key(t), &l), "loss");
}

void tape_txn_open(struct tape *t, int64_t flow, const char *path)
{
    bool own = begin_one(t);
    struct store_txn_open r = {.flow = flow,
                               .n = flow_of(t, flow)->n,
                               .first_us = t->now,
                               .protocol = "http",
                               .method = "GET",
                               .scheme = "http",
                               .host = "api.test",
                               .path = path,
                               .query = ""};
    end_one(t, own, store_put_txn_open(t->s, next_key(t), &r), "txn open");
}

void tape_restart(struct tape *t)
{
    bool own = begin_one(t);
    end_one(t, own, store_put_restart(t->s, next_key(t), t->now, 43), "restart");
}

void tape_stop(struct tape *t)
{
    must(t, store_begin(t->s), "begin");
    must(t, store_put_progress(t->s, t->stream, t->seq - 1, t->now), "progress");
    must(t, store_commit(t->s), "commit");
}

void tape_everything(struct tape *t)
{
    static const char *const talk[] = {"c:hello\n", "s:who?\n", "c:me\n", "s:bye\n", NULL};
    char path[64], body[6000];
    static char large[200000];
    for (size_t i = 0; i < sizeof large; i++)
        large[i] = (char)(i * 7 + i / 251);
    for (int i = 0; i < 6; i++) {
        int64_t flow = tape_flow(t, "localhost:8080");
        for (int n = 0; n < 9; n++) {
            snprintf(path, sizeof path, "/users/%d/items", i * 100 + n);
            memset(body, 'a' + (i * 9 + n) % 20, sizeof body);
            tape_http(t, flow, n % 3 ? "GET" : "POST", path,
                      n == 8   ? 503
                      : n == 7 ? 0
                               : 200,
                      view_n(body, n % 2 ? sizeof body : 20));
        }
        tape_end(t, flow);
    }
    for (int i = 0; i < 2; i++) { // the second time the body is known
        int64_t flow = tape_flow(t, "localhost:8080");
        tape_txn_open(t, flow, "/large");
        tape_large(t, flow, "/large", view_n(large, sizeof large), 65536);
        tape_end(t, flow);
    }
    for (int i = 0; i < 2; i++) {
        int64_t flow = tape_flow(t, "db:5432");
        tape_tls(t, flow, "db.test", "opaque");
        tape_raw(t, flow, talk);
        tape_end(t, flow);
    }
    int64_t lossy = tape_flow(t, "localhost:8080");
    tape_link(t, store_key(2, 7), "hit fault=latency");
    tape_http(t, lossy, "GET", "/kept", 200, VIEW_LIT("kept"));
    tape_loss(t, lossy, 2, 100, 2000);
    tape_end(t, lossy);
    tape_loss(t, 0, 0, 10, 20);
    tape_begin(t);
    must(t, store_put_unknown(t->s, next_key(t), 99, VIEW_LIT("from the future")), "unknown");
    tape_commit(t);
    int64_t open = tape_flow(t, "localhost:8080");
    tape_link(t, 0, "miss");
    tape_http(t, open, "GET", "/open", 200, VIEW_LIT("still here"));
}
