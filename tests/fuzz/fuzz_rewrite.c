// Rules on any request: two lines choose the rules, the rest is head and content. What was JSON
// stays JSON, what no rule names stays byte for byte, a head stays one, and a length is the length.
#include "tools/compare/tree.h"
#include "tools/correlate/extract.h"
#include "tools/head.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const rules[] = {
    "set: {body.a: x}",
    "set: {'body.**.a': '7'}",
    "remove: ['body.*']",
    "remove: ['body[*]', 'query.*', 'cookie *', 'header *']",
    "remove: ['body.**.a']",
    "replace: [{where: 'body.**', match: '[ae]', with: '\"\\1\"'}]",
    "replace: [{where: 'body.**.a', match: '^', with: 'z'}]",
    "set: {query.a: 'a&b', header a: b, cookie a: c, path: '/x y', 'path[0]': '//', host: h}",
    "set: [{where: body.a, json: '[1, {}]'}]",
    "dates: all",
    "jwt: [{where: header authorization, alg: HS256, key: k}]",
    "set: {body.a.b: x, 'body.a[0]': y, body.b: '1'}\nremove: [body.c]",
};
#define RULES (sizeof rules / sizeof *rules)

static bool is_json(struct view v)
{
    struct tree t;
    char why[WHY_MAX];
    int e = tree_json(&t, v, false, why);
    tree_clear(&t);
    return e == 0;
}

static void check(bool good)
{
    if (!good)
        abort();
}

// The same lines but for those that the rules may have touched.
static void check_head(struct view head, struct view content, bool content_changed)
{
    struct view rest, length = {0};
    struct head_field f;
    uint64_t n;
    head_first(head, &rest);
    while (head_next(&rest, &f))
        if (content_changed && view_ieq(f.name, VIEW_LIT("content-length")) && f.folds.n == 0)
            length = f.value;
    if (length.p)
        check(view_number(length, 10, UINT64_MAX, &n) == 0 && n == content.n);
}

static int is_text(void *arg, const struct extracted *x)
{
    (void)arg;
    check(x->text.n > 0 && x->part != NULL);
    return 0;
}

static void extract(struct view head, struct view content)
{
    static const struct rules_subject about = {{"GET", 3}, {"h", 1}, {"/a/1", 4}};
    struct extract x;
    extract_init(&x, NULL, is_text, NULL);
    check(extract_each(&x, false, &about, head, content) == 0);
    check(extract_each(&x, true, &about, head, content) == 0);
    extract_clear(&x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view in = view_n(data, size), head, content;
    struct rewrite *r;
    struct rewrite_session *s;
    struct buf out[2];
    char why[WHY_MAX];
    if (size < 2)
        return 0;
    const char *text = rules[data[0] % RULES];
    in = view_from(in, 1);
    size_t at = 0;
    while (at + 4 <= in.n && memcmp(in.p + at, "\r\n\r\n", 4) != 0)
        at++;
    if (at + 4 > in.n)
        return 0;
    head = view_head(in, at + 4);
    content = view_from(in, at + 4);
    extract(head, content);
    check(rewrite_parse(&r, "r", view_of(text), why) == 0);
    struct rewrite_setup setup = {
        .rules = r, .now_us = INT64_C(1767312000000000), .recorded_us = INT64_C(1767225600000000)};
    check(rewrite_begin(&s, &setup, why) == 0);
    struct rewrite_subject t = {.id = 1};
    buf_init(&out[0], 1 << 24);
    buf_init(&out[1], 1 << 24);
    int e = rewrite_request(s, &t, setup.now_us, head, content, &out[0], &out[1], why);
    check(e >= 0 || why[0]);
    if (e > 0) {
        struct view new_head = e & REWRITE_HEAD ? buf_view(&out[0]) : head;
        struct view new_content = e & REWRITE_CONTENT ? buf_view(&out[1]) : content;
        check_head(new_head, new_content, e & REWRITE_CONTENT);
        bool coded = head_get(head, "content-encoding").n > 0;
        if (!coded && content.n > 0 && (content.p[0] == '{' || content.p[0] == '[') &&
            is_json(content))
            check(new_content.n > 0 && is_json(new_content));
    }
    if (e >= 0 && !(e & REWRITE_HEAD))
        check(buf_len(&out[0]) == 0);
    // The same again as an answer.
    struct compare_half half = {.head = head, .content = content, .whole = true};
    check(rewrite_answered(s, &t, setup.now_us, &half, &half) == 0);
    buf_clear(&out[0]);
    buf_clear(&out[1]);
    rewrite_end(s);
    rewrite_free(r);
    return 0;
}
