// sample: see sample.h. Times are made up, so that every run makes the same capture.
#include "tests/support/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void must(struct sample *s, int e, const char *what)
{
    if (e == 0)
        return;
    fprintf(stderr, "sample: %s: %s\n", what, s->store ? store_why(s->store) : err_text(e));
    abort();
}

static int64_t next_key(struct sample *s)
{
    return store_key(s->stream, ++s->seq);
}

int64_t sample_stream(struct sample *s, int number)
{
    struct store_stream stream = {
        .software = "tapedeck-proxy 0.1.0",
        .host = "here",
        .pod = "api-7d9f",
        .namespace_ = "shop",
        .workload = "api",
        .node = "node-1",
        .labels_json = "{\"app\":\"api\"}",
        .settings_json = "{}",
        .pid = 4711,
        .started_us = SAMPLE_START,
    };
    uint64_t last = 0;
    memset(stream.name, number, sizeof stream.name);
    must(s, store_stream(s->store, &stream, 1, &s->stream, &last), "stream");
    s->seq = last;
    return s->stream;
}

void sample_begin(struct sample *s, const char *name)
{
    char why[WHY_MAX];
    *s = (struct sample){.now_us = SAMPLE_START};
    tmp_make(s->dir);
    tmp_path(s->path, s->dir, name);
    if (store_open(&s->store, s->path, STORE_WRITE, why)) {
        fprintf(stderr, "sample: %s\n", why);
        abort();
    }
    sample_stream(s, 1);
    must(s, store_begin(s->store), "begin");
}

static void commit(struct sample *s)
{
    must(s, store_put_progress(s->store, s->stream, s->seq, 0), "progress");
    must(s, store_commit(s->store), "commit");
}

void sample_commit(struct sample *s)
{
    commit(s);
    must(s, store_begin(s->store), "begin");
}

void sample_rotate(struct sample *s)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    commit(s);
    int e = store_rotate(s->store, NULL, 0);
    for (int i = 0; i < 1000 && e == E_BUSY; i++) { // somebody reads it just now
        nanosleep(&pause, NULL);
        e = store_rotate(s->store, NULL, 0);
    }
    must(s, e, "rotate");
    must(s, store_begin(s->store), "begin");
}

void sample_close(struct sample *s)
{
    commit(s);
    store_close(s->store);
    s->store = NULL;
}

void sample_sealed(struct sample *s, int n, int later)
{
    sample_begin(s, "capture.db");
    sample_many(s, n);
    sample_rotate(s);
    sample_many(s, later);
    sample_close(s);
}

void sample_finish(struct sample *s)
{
    must(s, store_put_progress(s->store, s->stream, s->seq, s->now_us), "progress");
    must(s, store_commit(s->store), "commit");
    store_close(s->store);
    s->store = NULL;
}

void sample_remove(struct sample *s)
{
    tmp_remove(s->dir);
}

void sample_flow(struct sample *s, bool inbound)
{
    struct store_flow f = {
        .at_us = s->now_us,
        .dial_us = 1500,
        .dns_us = inbound ? 0 : 500,
        .inbound = inbound,
        .front = inbound ? "fixed" : "http",
        .client = "127.0.0.1:50123",
        .local = inbound ? "127.0.0.1:4143" : "127.0.0.1:4140",
        .original = "",
        .requested = inbound ? "" : "api.test:80",
        .target = inbound ? "localhost:80" : "api.test:80",
        .server = inbound ? "[::1]:80" : "192.0.2.7:80",
        .server_local = "127.0.0.1:50999",
    };
    s->flow = next_key(s);
    s->n = 0;
    s->sums = (struct store_account){0};
    s->now_us += 2000;
    must(s, store_put_flow(s->store, s->flow, &f), "flow");
}

void sample_flow_end(struct sample *s)
{
    struct store_flow_end e = {
        .flow = s->flow,
        .at_us = s->now_us,
        .relayed_c2s = s->sums.stored_c2s + s->sums.omitted_c2s,
        .relayed_s2c = s->sums.stored_s2c + s->sums.omitted_s2c,
        .transactions = s->n,
        .reason = "done",
        .detail = "",
        .first_speaker = 1,
    };
    must(s, store_put_flow_end(s->store, next_key(s), &e), "flow end");
}

// The parts of a message in so many pieces; they account for the content.
static void put_parts(struct sample *s, const struct sample_message *m, bool s2c)
{
    size_t piece = m->body.n / (size_t)m->parts + 1;
    for (size_t at = 0; at < m->body.n; at += piece) {
        struct store_part p = {
            .flow = s->flow,
            .n = s->n,
            .first_us = s->now_us + (int64_t)at,
            .last_us = s->now_us + (int64_t)at,
            .at = (int64_t)at,
            .s2c = s2c,
            .bytes = view_head(view_from(m->body, at), piece),
        };
        *(s2c ? &p.account.stored_s2c : &p.account.stored_c2s) = (int64_t)p.bytes.n;
        *(s2c ? &s->sums.stored_s2c : &s->sums.stored_c2s) += (int64_t)p.bytes.n;
        must(s, store_put_part(s->store, next_key(s), &p), "part");
    }
}

static void put_half(struct sample *s, const struct sample_message *m, bool s2c,
                     struct store_half *h, struct store_account *a)
{
    if (!m->head.p && !m->interim.p)
        return;
    int64_t kept = (int64_t)m->body.n, size = m->size > kept ? m->size : kept;
    int64_t overhead = (int64_t)(m->head.n + m->interim.n + m->trailers.n);
    h->end = m->end ? m->end : 1;
    h->first_us = s->now_us;
    h->last_us = s->now_us + m->us;
    h->head = m->head;
    h->interim = m->interim;
    h->trailers = m->trailers;
    h->wire = overhead + size;
    h->body_size = size;
    h->body_stored = kept;
    h->parts = m->parts;
    if (m->parts)
        put_parts(s, m, s2c);
    else
        h->body = m->body;
    *(s2c ? &a->stored_s2c : &a->stored_c2s) = overhead + (m->parts ? 0 : kept);
    *(s2c ? &a->omitted_s2c : &a->omitted_c2s) = size - kept;
    s->now_us += m->us;
}

static void sum_up(struct sample *s, const struct store_account *a)
{
    s->sums.stored_c2s += a->stored_c2s;
    s->sums.stored_s2c += a->stored_s2c;
    s->sums.omitted_c2s += a->omitted_c2s;
    s->sums.omitted_s2c += a->omitted_s2c;
}

int64_t sample_http(struct sample *s, const struct sample_txn *t)
{
    struct store_txn x = {
        .flow = s->flow,
        .n = s->n,
        .protocol = "http",
        .version = t->version ? t->version : "1.1",
        .method = t->method,
        .scheme = t->scheme ? t->scheme : "http",
        .host = t->host ? t->host : "api.test",
        .path = t->path,
        .query = t->query ? t->query : "",
        .note = t->note ? t->note : "",
        .redacted = t->redacted ? t->redacted : "",
        .status = t->status,
        .by_proxy = t->by_proxy,
        .original = t->original,
        .outcome = t->outcome,
    };
    put_half(s, &t->req, false, &x.req, &x.account);
    s->now_us += t->wait_us;
    put_half(s, &t->res, true, &x.res, &x.account);
    sum_up(s, &x.account);
    s->n++;
    s->now_us += 1000;
    int64_t id = next_key(s);
    must(s, store_put_txn(s->store, id, &x), "transaction");
    return id;
}

int64_t sample_raw(struct sample *s, const char *const *texts)
{
    struct store_txn x = {.flow = s->flow, .n = s->n, .protocol = "raw", .note = ""};
    struct store_half *halves[] = {&x.req, &x.res};
    for (int i = 0; texts[i]; i++) {
        struct store_half *h = halves[i & 1];
        struct view v = view_of(texts[i]);
        struct store_part p = {.flow = s->flow,
                               .n = s->n,
                               .first_us = s->now_us,
                               .last_us = s->now_us,
                               .at = h->body_size,
                               .s2c = i & 1,
                               .bytes = v};
        *(i & 1 ? &p.account.stored_s2c : &p.account.stored_c2s) = (int64_t)v.n;
        sum_up(s, &p.account);
        must(s, store_put_part(s->store, next_key(s), &p), "part");
        if (h->parts++ == 0)
            h->first_us = s->now_us;
        h->last_us = s->now_us;
        h->end = 3;
        h->body_size += (int64_t)v.n;
        h->body_stored = h->wire = h->body_size;
        s->now_us += 250000;
    }
    s->n++;
    int64_t id = next_key(s);
    must(s, store_put_txn(s->store, id, &x), "conversation");
    return id;
}

int64_t sample_open(struct sample *s, const char *path)
{
    struct store_txn_open o = {.flow = s->flow,
                               .n = s->n,
                               .first_us = s->now_us,
                               .protocol = "http",
                               .method = "GET",
                               .scheme = "http",
                               .host = "api.test",
                               .path = path,
                               .query = ""};
    int64_t id = next_key(s);
    must(s, store_put_txn_open(s->store, id, &o), "open transaction");
    return id;
}

void sample_many(struct sample *s, int n)
{
    for (int i = 0; i < n; i++) {
        char req[200], res[200], path[32];
        if (i % 50 == 0) {
            if (i > 0)
                sample_flow_end(s);
            sample_flow(s, i % 100 == 0);
        }
        snprintf(path, sizeof path, "/items/%d", i);
        snprintf(req, sizeof req, "GET %s HTTP/1.1\r\nHost: api.test\r\nX-N: %d\r\n\r\n", path, i);
        int status = i % 100 == 99 ? 500 : i % 10 == 9 ? 404 : 200;
        snprintf(res, sizeof res,
                 "HTTP/1.1 %d Some\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n",
                 status);
        struct sample_txn t = {
            .method = "GET",
            .path = path,
            .status = status,
            .wait_us = 100 + i % 1000 * 10,
            .req = {.head = view_of(req), .us = 10},
            .res = {.head = view_of(res), .body = VIEW_LIT("12345678"), .us = 20}};
        sample_http(s, &t);
    }
    sample_flow_end(s);
}
