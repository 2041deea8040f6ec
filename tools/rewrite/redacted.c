// redacted: which requests of a recording cannot be sent as they were, since redaction replaced
// something in them (tools/compare/tag.h).
#include "tools/rewrite/session.h"

#include "tools/body.h"
#include "tools/cli.h"
#include "tools/compare/tag.h"
#include "tools/head.h"
#include "tools/rows.h"

#include <stdlib.h>

#define PLACES_MAX 256 // that are told of

struct redacted_place {
    char text[PLACE_TEXT];
    uint64_t requests;
    int64_t example, last;
    bool mended;
};
struct looking {
    const struct rewrite_session *s;
    struct rewrite_subject subject;
    struct redacted_place *places;
    size_t n;
};

static bool is_mended(const struct looking *k, const struct part *p, const char *text)
{
    const struct rewrite *rules = k->s->rules;
    if (edges_at(k->s->edges, k->subject.id, text))
        return true;
    for (size_t i = 0; i < rules->n; i++) {
        const struct rewrite_rule *rule = &rules->rules[i];
        bool brings = rule->section == RULES_SET || rule->section == RULES_REMOVE ||
                      rule->section == RULES_REPLACE;
        if (brings && place_is(&rule->place, p) && session_rule_applies(k->s, i, &k->subject))
            return true;
    }
    return false;
}

static int look_at(void *arg, const struct part *p)
{
    struct looking *k = arg;
    char text[PLACE_TEXT];
    size_t i = 0;
    bool cookies = p->kind == PART_HEADER && view_ieq(p->steps->key, VIEW_LIT("cookie"));
    if (p->container || cookies || p->kind == PART_PATH || !tag_in(p->text) ||
        !place_text(p, NULL, text))
        return PARTS_ON;
    while (i < k->n && strcmp(k->places[i].text, text) != 0)
        i++;
    if (i == PLACES_MAX)
        return PARTS_ON;
    struct redacted_place *one = &k->places[i];
    if (i == k->n) {
        *one = (struct redacted_place){.example = k->subject.id, .mended = true};
        memcpy(one->text, text, sizeof text);
        k->n++;
    }
    one->requests += one->requests == 0 || one->last != k->subject.id;
    one->last = k->subject.id;
    one->mended = one->mended && is_mended(k, p, text);
    return PARTS_ON;
}

static int hold(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

static int look_at_row(struct looking *k, struct rows *rows, struct parts *p, struct buf *content)
{
    const struct store_query *q = rows_row(rows);
    struct heads heads;
    char joined[HEAD_JOINED];
    rows_heads(rows, &heads);
    buf_reset(content);
    if (heads.redacted.n == 0 || heads.req.n == 0)
        return 0;
    k->subject = (struct rewrite_subject){.id = store_int(q, FIELD_ID),
                                          .about = {.method = store_bytes(q, FIELD_METHOD),
                                                    .host = store_bytes(q, FIELD_HOST),
                                                    .path = store_bytes(q, FIELD_PATH)}};
    struct body b;
    body_init(&b, rows_store(rows), store_int(q, STORE_REQ_BODY), store_int(q, FIELD_REQ_SIZE),
              store_int(q, STORE_REQ_STORED), head_joined(heads.req, "content-encoding", joined));
    body_look(&b, true, CORRELATE_BODY_MAX);
    if (b.length <= CORRELATE_BODY_MAX && body_give(&b, hold, content) != 0)
        buf_reset(content);
    body_clear(&b);
    return parts_each(p, heads.req, buf_view(content), head_get(heads.req, "content-type"));
}

int rewrite_redacted(const struct rewrite_session *s, const struct capture *capture,
                     const struct filter *filter, rewrite_redacted_found *found, void *arg)
{
    struct rows_spec spec = {.capture = capture, .filter = filter, .order = STORE_BY_ID};
    struct looking k = {.s = s, .places = calloc(PLACES_MAX, sizeof *k.places)};
    struct rows *rows = NULL;
    struct parts p;
    struct buf content;
    int e = k.places ? 0 : E_NOMEM;
    parts_init(&p, look_at, &k);
    buf_init(&content, CORRELATE_BODY_MAX);
    if (!e && rows_open(&rows, &spec) == CLI_OK)
        while (!e && rows_next(rows))
            e = look_at_row(&k, rows, &p, &content);
    rows_close(rows);
    for (size_t i = 0; i < k.n && !e; i++)
        e = found(arg, k.places[i].text, k.places[i].requests, k.places[i].example,
                  k.places[i].mended);
    parts_clear(&p);
    buf_clear(&content);
    free(k.places);
    return e;
}
