#include "tests/support/rewriting.h"

#include "tools/head.h"

#include <stdio.h>
#include <stdlib.h>

static struct view with_crlf(const char *text, size_t n, struct buf *out)
{
    buf_init(out, 1 << 24);
    for (size_t i = 0; i < n; i++)
        if ((text[i] == '\n' && buf_add(out, "\r", 1)) || buf_add(out, text + i, 1))
            abort();
    return buf_view(out);
}

static size_t head_size(const char *text)
{
    const char *end = strstr(text, "\n\n");
    return end ? (size_t)(end - text) + 2 : strlen(text);
}

void rewriting_with(struct rewriting *r, const char *rules, const struct rewrite_setup *setup)
{
    struct rewrite_setup own = *setup;
    *r = (struct rewriting){
        .subject = {
            .id = 1, .client = 7, .about = {VIEW_LIT("GET"), VIEW_LIT("api.test"), VIEW_LIT("/")}}};
    buf_init(&r->head, 1 << 24);
    buf_init(&r->content, 1 << 24);
    buf_init(&r->whole, 1 << 24);
    if (rules && rewrite_parse(&r->rules, "rules.yaml", view_of(rules), r->why)) {
        fprintf(stderr, "rewriting: %s\n", r->why);
        abort();
    }
    own.rules = r->rules;
    if (rewrite_begin(&r->session, &own, r->why)) {
        fprintf(stderr, "rewriting: %s\n", r->why);
        abort();
    }
}

void rewriting_begin(struct rewriting *r, const char *rules)
{
    struct rewrite_setup setup = {.now_us = INT64_C(1767312000) * 1000000,
                                  .recorded_us = INT64_C(1767225600) * 1000000};
    rewriting_with(r, rules, &setup);
}

void rewriting_end(struct rewriting *r)
{
    rewrite_end(r->session);
    rewrite_free(r->rules);
    buf_clear(&r->head);
    buf_clear(&r->content);
    buf_clear(&r->whole);
}

const char *rewriting_do(struct rewriting *r, const char *request)
{
    struct buf head;
    size_t n = head_size(request);
    struct view in = with_crlf(request, n, &head), content = view_of(request + n);
    int e = rewrite_request(r->session, &r->subject, INT64_C(1767312000) * 1000000, in, content,
                            &r->head, &r->content, r->why);
    buf_reset(&r->whole);
    if (e < 0) {
        if (buf_printf(&r->whole, "!%s", r->why))
            abort();
    } else {
        struct view new_head = e & REWRITE_HEAD ? buf_view(&r->head) : in;
        struct view new_content = e & REWRITE_CONTENT ? buf_view(&r->content) : content;
        for (size_t i = 0; i < new_head.n; i++)
            if (new_head.p[i] != '\r' && buf_add(&r->whole, new_head.p + i, 1))
                abort();
        if (buf_add_view(&r->whole, new_content))
            abort();
    }
    if (buf_add(&r->whole, "", 1))
        abort();
    buf_clear(&head);
    return r->whole.p;
}

const char *rewriting_once(struct rewriting *r, const char *rules, const char *request)
{
    rewriting_begin(r, rules);
    return rewriting_do(r, request);
}

void rewriting_answer(struct rewriting *r, const char *recorded, const char *live)
{
    const char *texts[] = {recorded, live};
    struct compare_half half[2];
    struct buf heads[2];
    for (int i = 0; i < 2; i++) {
        size_t n = head_size(texts[i]);
        half[i] = (struct compare_half){.head = with_crlf(texts[i], n, &heads[i]),
                                        .content = view_of(texts[i] + n),
                                        .whole = true};
        half[i].type = head_get(half[i].head, "content-type");
    }
    if (rewrite_answered(r->session, &r->subject, INT64_C(1767312000) * 1000000, &half[0],
                         &half[1]))
        abort();
    buf_clear(&heads[0]);
    buf_clear(&heads[1]);
}
