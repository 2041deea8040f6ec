// tokens: JSON web tokens signed anew (RFC 7515, compact form), with claims changed.
//
// Claims that the rule does not name stay byte for byte; without any, exp, iat and nbf move by the
// distance between recording and run.
#include "tools/rewrite/session.h"

#include "tools/compare/shape.h"

#include <stdio.h>

struct signing {
    struct work *w;
    size_t index;
    const struct rewrite_rule *rule;
    uint64_t hits;
    struct buf token, json, next, value;
    struct edits edits;
    struct parts parts;
    // Of the JSON at hand.
    const char *claim; // its name; NULL: all times
    struct view text;
    bool found, bare;
};

// ---- one member of a JSON object

static int member(void *arg, const struct part *p)
{
    struct signing *g = arg;
    struct view key = p->depth ? p->steps[0].key : (struct view){0};
    if (p->depth == 0 && p->container && !g->found && g->claim && p->raw.p[0] == '{') {
        size_t blank = 1;
        while (strchr(" \t\r\n", p->raw.p[blank]))
            blank++;
        buf_reset(&g->value);
        int e = coding_write(CODING_TEXT, view_of(g->claim), &g->value);
        e = e ? e : buf_add(&g->value, ":", 1);
        e = e         ? e
            : g->bare ? buf_add_view(&g->value, g->text)
                      : coding_write(CODING_TEXT, g->text, &g->value);
        e = !e && p->raw.p[blank] != '}' ? buf_add(&g->value, ",", 1) : e;
        return e ? e
                 : edits_put(&g->edits, (size_t)(p->raw.p - g->json.p) + 1, 0, buf_view(&g->value));
    }
    if (p->depth != 1 || p->steps[0].index)
        return PARTS_ON;
    buf_reset(&g->value);
    if (!g->claim) {
        int64_t us = g->w->s->setup.now_us - g->w->s->setup.recorded_us;
        bool time = view_eq(key, VIEW_LIT("exp")) || view_eq(key, VIEW_LIT("iat")) ||
                    view_eq(key, VIEW_LIT("nbf"));
        int e = time ? dates_shift(p->text, us, &g->value) : E_NOTFOUND;
        if (e)
            return e == E_NOTFOUND ? PARTS_ON : e;
        return edits_swap(&g->edits, buf_view(&g->json), p->raw, buf_view(&g->value));
    }
    if (!view_eq(key, view_of(g->claim)))
        return PARTS_ON;
    g->found = true;
    int e =
        g->bare ? buf_add_view(&g->value, g->text) : coding_write(CODING_TEXT, g->text, &g->value);
    return e ? e : edits_swap(&g->edits, buf_view(&g->json), p->raw, buf_view(&g->value));
}

// Changes g->json: the member of that name, or all times.
static int change(struct signing *g, const char *claim, struct view text, bool bare)
{
    g->claim = claim;
    g->text = text;
    g->bare = bare;
    g->found = false;
    g->parts.take = member;
    g->parts.arg = g;
    edits_reset(&g->edits);
    int e = parts_json(&g->parts, buf_view(&g->json), false);
    if (e || g->edits.n == 0)
        return e;
    buf_reset(&g->next);
    e = edits_apply(&g->edits, buf_view(&g->json), &g->next);
    struct buf was = g->json;
    g->json = g->next;
    g->next = was;
    return e;
}

// ---- a token

static int header(struct signing *g, struct view part)
{
    buf_reset(&g->json);
    int e = coding_base64_read(part, true, &g->json);
    e = e ? e : change(g, "alg", view_of(sign_algorithms[g->rule->algorithm]), false);
    return e ? e : coding_base64_write(buf_view(&g->json), true, &g->token);
}

static int payload(struct signing *g, struct view part)
{
    const struct rewrite_rule *rule = g->rule;
    buf_reset(&g->json);
    int e = coding_base64_read(part, true, &g->json);
    if (!e && rule->claim_count == 0)
        e = change(g, NULL, (struct view){0}, false);
    for (size_t i = 0; i < rule->claim_count && !e; i++) {
        e = apply_value(g->w, g->index, &rule->claims[i].value);
        if (!e)
            e = change(g, rule->claims[i].name, buf_view(&g->w->text),
                       work_is_bare(buf_view(&g->w->text)));
    }
    e = e ? e : buf_add(&g->token, ".", 1);
    return e ? e : coding_base64_write(buf_view(&g->json), true, &g->token);
}

// text: the token with what stands before it. E_SYNTAX, E_NOTFOUND: it is left as it is.
static int sign_again(struct signing *g, struct view text)
{
    size_t at = text.n;
    while (at > 0 && text.p[at - 1] != ' ')
        at--;
    struct view jwt = view_from(text, at), first = view_head(jwt, view_find(jwt, '.'));
    if (!shape_is(SHAPE_JWT, jwt))
        return E_SYNTAX;
    struct view second = view_from(jwt, first.n + 1);
    second.n = view_find(second, '.');
    buf_reset(&g->token);
    int e = buf_add(&g->token, text.p, at);
    e = e ? e : header(g, first);
    e = e ? e : payload(g, second);
    if (e)
        return e;
    buf_reset(&g->next);
    e = sign(g->w->s->keys[g->index], view_from(buf_view(&g->token), at), &g->next);
    e = e ? e : buf_add(&g->token, ".", 1);
    return e ? e : coding_base64_write(buf_view(&g->next), true, &g->token);
}

static int token_part(void *arg, const struct part *p)
{
    struct signing *g = arg;
    if (!place_is(&g->rule->place, p))
        return PARTS_ON;
    int e = sign_again(g, p->text);
    if (e == E_NOTFOUND)
        g->w->s->sums.missing++;
    if (e == E_SYNTAX || e == E_NOTFOUND)
        return PARTS_ON;
    e = e ? e : work_put(g->w, p, buf_view(&g->token));
    g->hits += !e;
    return e;
}

int tokens_rule(struct work *w, size_t i)
{
    struct signing g = {.w = w, .index = i, .rule = &w->s->rules->rules[i]};
    struct buf *bufs[] = {&g.token, &g.json, &g.next, &g.value};
    for (size_t k = 0; k < 4; k++)
        buf_init(bufs[k], REWRITE_VALUE_MAX);
    edits_init(&g.edits, REWRITE_VALUE_MAX);
    parts_init(&g.parts, NULL, NULL);
    int e =
        work_step(w, place_in_content(&g.rule->place) ? PARTS_CONTENT : PARTS_HEAD, token_part, &g);
    for (size_t k = 0; k < 4; k++)
        buf_clear(bufs[k]);
    edits_clear(&g.edits);
    parts_clear(&g.parts);
    w->s->hits[i] += g.hits;
    w->s->sums.signed_tokens += g.hits;
    return e;
}
