// asking: a sample, an index of it, a match over that.
#include "tests/support/asking.h"

#include "tests/support/alloc.h"
#include "tools/cli.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

void asking_begin(struct asking *a)
{
    *a = (struct asking){0};
    sample_begin(&a->sample, "capture.db");
    sample_flow(&a->sample, false);
}

void asking_flow(struct asking *a)
{
    sample_flow_end(&a->sample);
    sample_flow(&a->sample, false);
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

struct match_request asking_request(struct asking *a, const struct asking_request *r)
{
    size_t size = r->size ? r->size : strlen(or_empty(r->content));
    snprintf(a->head, sizeof a->head, "%s %s%s%s HTTP/1.1\r\nHost: %s\r\n%s\r\n", r->method,
             r->path, r->query ? "?" : "", or_empty(r->query), r->host, or_empty(r->head));
    struct match_request out = {.method = view_of(r->method),
                                .scheme = view_of(r->scheme ? r->scheme : "http"),
                                .host = view_of(r->host),
                                .path = view_of(r->path),
                                .query = view_of(or_empty(r->query)),
                                .head = view_of(a->head),
                                .content = view_n(or_empty(r->content), size),
                                .sealed = r->sealed};
    if (r->sealed) {
        digest_once(out.content, out.digest);
        out.size = size;
        out.content = (struct view){0};
    }
    return out;
}

int asking_put(struct asking *a, const struct asking_request *r)
{
    struct match_request q = asking_request(a, r);
    struct sample_txn t = {.method = r->method,
                           .scheme = r->scheme,
                           .host = r->host,
                           .path = r->path,
                           .query = r->query,
                           .redacted = r->redacted,
                           .status = 200,
                           .wait_us = 1000,
                           .req = {.head = q.head, .body = q.content},
                           .res = {.head = VIEW_LIT("HTTP/1.1 200 OK\r\n\r\n")}};
    a->ids[++a->n] = sample_http(&a->sample, &t);
    return a->n;
}

void asking_open(struct asking *a, const char *rules)
{
    char why[WHY_MAX];
    if (a->sample.store) {
        sample_flow_end(&a->sample);
        sample_finish(&a->sample);
        a->sample.store = NULL;
        assert_int_equal(capture_find(&a->capture, a->sample.path), CLI_OK);
    }
    if (rules_parse(&a->rules, "rules", view_of(or_empty(rules)), why))
        fail_msg("%s: %s", rules, why);
    a->conf.rules = &a->rules;
    struct index_conf conf = {.captures = &a->capture, .n = 1, .match = &a->conf};
    assert_int_equal(index_build(&a->ix, &conf), CLI_OK);
    a->m = match_new(a->ix);
    assert_non_null(a->m);
}

int asking_number(const struct asking *a, uint32_t entry)
{
    for (int i = 1; i <= a->n; i++)
        if (a->ids[i] == index_entry(a->ix, entry)->id)
            return i;
    return 0;
}

int asking_take(struct asking *a, const struct asking_request *r, struct match_flow *flow)
{
    struct match_flow own = {0};
    struct match_found found;
    struct match_request q = asking_request(a, r);
    int got = match_take(a->m, &q, flow ? flow : &own, &found);
    assert_true(got >= 0);
    return got ? asking_number(a, found.entry) : 0;
}

void asking_close(struct asking *a)
{
    match_free(a->m);
    index_free(a->ix);
    rules_clear(&a->rules);
    a->m = NULL;
    a->ix = NULL;
}

void asking_end(struct asking *a)
{
    capture_clear(&a->capture);
    sample_remove(&a->sample);
}
