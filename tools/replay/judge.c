// judge: what is the same byte for byte is not looked at any further; so most answers cost a
// comparison of memory. Of a head the lines of headers that never count may differ, as Date does.
#include "tools/replay/judge.h"

#include "tools/content.h"
#include "tools/head.h"

#include <inttypes.h>
#include <stdio.h>

void judge_init(struct judge *j, struct materials *m, const struct rules *rules,
                uint64_t max_decoded)
{
    *j = (struct judge){.materials = m, .rules = rules, .max_decoded = max_decoded};
    differences_init(&j->found, JUDGE_LISTED_MAX);
    buf_init(&j->decoded, EXCHANGE_BODY_MAX);
}

void judge_clear(struct judge *j)
{
    differences_clear(&j->found);
    buf_clear(&j->decoded);
}

// ---- the quick way

static struct view line_of(struct view v)
{
    const char *end = v.n ? memchr(v.p, '\n', v.n) : NULL;
    return end ? view_head(v, (size_t)(end + 1 - v.p)) : v;
}

// Equal but for values of headers that never count, line by line.
static bool same_head(struct view a, struct view b)
{
    if (view_eq(a, b))
        return true;
    struct view x = line_of(a), y = line_of(b);
    if (!view_eq(x, y))
        return false;
    for (;;) {
        a = view_from(a, x.n);
        b = view_from(b, y.n);
        if (a.n == 0 || b.n == 0)
            return a.n == b.n;
        x = line_of(a);
        y = line_of(b);
        if (view_eq(x, y))
            continue;
        size_t n = view_find(x, ':');
        if (n == x.n || n != view_find(y, ':') || !view_ieq(view_head(x, n), view_head(y, n)) ||
            view_ieq(view_head(x, n), VIEW_LIT("connection")) ||
            view_ieq(view_head(x, n), VIEW_LIT("transfer-encoding")) ||
            !rules_ignores(view_head(x, n)))
            return false;
    }
}

static bool same_content(struct exchange *x)
{
    const struct material *m = x->material;
    unsigned char digest[DIGEST_SIZE];
    if (x->size != m->answer_size)
        return false;
    if (x->size == 0)
        return true;
    if (m->answer_held && x->whole)
        return view_eq(buf_view(&x->answer), m->answer);
    if (m->answer_digest.n != DIGEST_SIZE)
        return false;
    if (x->digested) {
        struct digest_state copy = x->digest;
        digest_end(&copy, digest);
    } else {
        digest_once(buf_view(&x->answer), digest);
    }
    return memcmp(digest, m->answer_digest.p, DIGEST_SIZE) == 0;
}

static bool is_same(struct exchange *x)
{
    const struct material *m = x->material;
    return x->status == m->status && x->cut == m->answer_cut && x->heard == m->answered &&
           view_eq(buf_view(&x->trailers), m->answer_trailers) &&
           same_head(m->answer_head, buf_view(&x->answer_head)) &&
           view_eq(buf_view(&x->interim), m->interim) && same_content(x);
}

// ---- the whole way

static int take_decoded(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

// The content of the live answer, decoded where it can be.
static void decode(struct judge *j, struct exchange *x, struct compare_half *h)
{
    char joined[HEAD_JOINED], why[WHY_MAX];
    struct view codings = head_joined(h->head, "content-encoding", joined);
    struct content *c = NULL;
    h->content = buf_view(&x->answer);
    if (!x->whole || !content_is_coded(codings))
        return;
    buf_reset(&j->decoded);
    int e = content_new(&c, codings, j->max_decoded, take_decoded, &j->decoded, why);
    e = e ? e : content_feed(c, buf_view(&x->answer));
    e = e ? e : content_end(c);
    content_free(c);
    if (e)
        h->type = VIEW_LIT("application/octet-stream"); // as on the wire
    else
        h->content = buf_view(&j->decoded);
}

static void live_half(struct judge *j, struct exchange *x, bool content)
{
    struct compare_half *h = &j->live;
    *h = (struct compare_half){
        .absent = !x->heard,
        .cut = x->cut,
        .status = x->status,
        .head = buf_view(&x->answer_head),
        .size = (int64_t)x->size,
        .trailers = buf_view(&x->trailers),
        .whole = x->whole,
    };
    h->type = head_get(h->head, "content-type");
    if (!content)
        return;
    if (x->digested) {
        struct digest_state copy = x->digest;
        digest_end(&copy, j->digest);
        h->digest = view_n(j->digest, DIGEST_SIZE);
    } else if (x->size > 0 && !j->recorded.whole) {
        digest_once(buf_view(&x->answer), j->digest);
        h->digest = view_n(j->digest, DIGEST_SIZE);
    }
    decode(j, x, h);
}

// The recorded half. false: it cannot be read.
static bool recorded_half(struct judge *j, const struct material *m, bool content)
{
    char joined[HEAD_JOINED];
    bool here = m->answer_held &&
                (m->answer_size == 0 ||
                 !content_is_coded(head_joined(m->answer_head, "content-encoding", joined)));
    if (content && !here)
        return material_answer(j->materials, m, true, &j->recorded);
    j->recorded = (struct compare_half){
        .absent = !m->answered,
        .cut = m->answer_cut,
        .status = m->status,
        .head = m->answer_head,
        .type = head_get(m->answer_head, "content-type"),
        .content = here ? m->answer : view_n(NULL, 0),
        .whole = here,
        .size = (int64_t)m->answer_size,
        .digest = m->answer_digest,
        .trailers = m->answer_trailers,
    };
    return true;
}

static bool next_status(struct view *interim, unsigned *status)
{
    struct view word[3], rest, head = head_split(interim);
    uint64_t n = 0;
    if (head.n == 0)
        return false;
    head_words(head_first(head, &rest), word);
    *status = view_number(word[1], 10, 999, &n) ? 0 : (unsigned)n;
    return true;
}

// Interim answers, by their statuses.
static int compare_interim(struct judge *j, struct view left, struct view right)
{
    unsigned a = 0, b = 0;
    bool l, r, differs = false;
    int e = 0;
    struct view lv = left, rv = right;
    do {
        l = next_status(&lv, &a);
        r = next_status(&rv, &b);
        differs = differs || l != r || (l && a != b);
    } while (l && r && !differs);
    struct difference *d = differs ? differences_add(&j->found,
                                                     left.n == 0    ? DIFFERENCE_EXTRA
                                                     : right.n == 0 ? DIFFERENCE_MISSING
                                                                    : DIFFERENCE_VALUE,
                                                     &e)
                                   : NULL;
    if (d) {
        struct view rest;
        snprintf(d->where, sizeof d->where, "interim");
        difference_text(d->left, head_first(left, &rest));
        difference_text(d->right, head_first(right, &rest));
    }
    return e;
}

const struct differences *judge_answer(struct judge *j, struct exchange *x,
                                       enum judge_halves wanted)
{
    const struct material *m = x->material;
    differences_clear(&j->found);
    bool same = is_same(x);
    if (same && wanted == JUDGE_NONE)
        return &j->found;
    if (!recorded_half(j, m, !same || wanted == JUDGE_CONTENTS))
        return NULL;
    live_half(j, x, !same || wanted == JUDGE_CONTENTS);
    if (same)
        return &j->found;
    struct rules_subject subject = {m->method, m->host, m->path};
    int e = compare(j->rules, &subject, &j->recorded, &j->live, &j->found);
    if (m->interim.n + buf_len(&x->interim) > 0 && !j->recorded.absent && !j->live.absent)
        e = e ? e : compare_interim(j, m->interim, buf_view(&x->interim));
    return e ? NULL : &j->found;
}
