// asked: destinations, chosen headers, contents; live and recorded.
#include "tools/mock/asked.h"

#include "tools/compare/key.h"
#include "tools/compare/parts.h"
#include "tools/content.h"
#include "tools/head.h"

#include <stdio.h>

void asked_room_init(struct asked_room *room)
{
    *room = (struct asked_room){0};
    buf_init(&room->fields, ASKED_FIELDS);
    buf_init(&room->content, MATCH_BODY_MAX);
}

void asked_room_clear(struct asked_room *room)
{
    buf_clear(&room->fields);
    buf_clear(&room->content);
}

uint64_t asked_body_max(const struct match_conf *conf)
{
    return conf->body_max && conf->body_max < MATCH_BODY_MAX ? conf->body_max : MATCH_BODY_MAX;
}

// ---- parts

struct view asked_host(struct view scheme, struct view host, char out[ASKED_HOST])
{
    size_t colon = host.n, n = 0;
    while (colon > 0 && host.p[colon - 1] >= '0' && host.p[colon - 1] <= '9')
        colon--;
    bool port = colon > 1 && colon < host.n && host.p[colon - 1] == ':' &&
                (host.p[0] == '[' ? host.p[colon - 2] == ']' : view_find(host, ':') == colon - 1);
    for (; n < host.n && n < ASKED_HOST - 8; n++)
        out[n] = view_lower(host.p[n]);
    if (port || n == 0)
        return view_n(out, n);
    const char *usual = view_ieq(scheme, VIEW_LIT("https")) ? ":443" : ":80";
    return view_n(out, n + (size_t)snprintf(out + n, 8, "%s", usual));
}

static bool is_chosen(const struct match_conf *conf, struct view name)
{
    for (size_t i = 0; i < conf->n_headers; i++)
        if (view_ieq(name, view_of(conf->headers[i])))
            return true;
    return false;
}

// The fields behind the first line.
static struct view fields_of(const struct match_request *r)
{
    struct view rest;
    head_first(r->head, &rest);
    return rest;
}

uint64_t asked_raw(const struct match_conf *conf, const struct match_request *r)
{
    char host[ASKED_HOST];
    unsigned char digest[DIGEST_SIZE];
    uint64_t size = r->sealed ? r->size : r->content.n;
    uint64_t h = conf->any_host ? 1 : key_mix(1, asked_host(r->scheme, r->host, host));
    h = key_mix(h, r->method);
    h = key_mix(h, r->path);
    h = key_mix(h, r->query);
    if (conf->n_headers > 0) {
        struct head_field f;
        for (struct view rest = fields_of(r); head_next(&rest, &f);)
            if (is_chosen(conf, f.name)) {
                h = key_mix(h, f.name);
                h = key_mix(h, f.value);
                h = key_mix(h, f.folds);
            }
    }
    h = key_mix(h, view_n(&size, sizeof size));
    if (size == 0)
        return h;
    if (!r->sealed)
        digest_once(r->content, digest);
    return key_mix(h, view_n(r->sealed ? r->digest : digest, DIGEST_SIZE));
}

// The lines of chosen headers, one behind the other.
static int choose(const struct match_conf *conf, const struct match_request *r, struct buf *out)
{
    struct head_field f;
    int e = 0;
    if (conf->n_headers == 0)
        return 0;
    for (struct view rest = fields_of(r); !e && head_next(&rest, &f);) {
        struct view part;
        if (!is_chosen(conf, f.name))
            continue;
        e = buf_printf(out, "%.*s: %.*s", (int)f.name.n, f.name.p, (int)f.value.n,
                       f.value.n ? f.value.p : "");
        while (!e && head_fold(&f.folds, &part))
            e = buf_printf(out, " %.*s", (int)part.n, part.n ? part.p : "");
        e = e ? e : buf_add(out, "\r\n", 2);
    }
    return e == E_LIMIT ? 0 : e;
}

// ---- content

static int hold(void *arg, struct view piece)
{
    return buf_add_view(arg, piece);
}

// The content without its codings; as it is where these cannot be undone: *coded.
static int decode(const struct match_conf *conf, struct view codings, struct view content,
                  struct buf *out, bool *coded)
{
    char why[WHY_MAX];
    struct content *c = NULL;
    *coded = false;
    if (content.n == 0 || !content_is_coded(codings))
        return 0;
    int e = content_new(&c, codings, asked_body_max(conf), hold, out, why);
    e = e ? e : content_feed(c, content);
    e = e ? e : content_end(c);
    content_free(c);
    *coded = e != 0;
    return e == E_NOMEM ? e : 0;
}

int asked_make(const struct match_conf *conf, const struct match_request *r,
               struct asked_room *room, struct asked *out)
{
    bool coded = false;
    buf_reset(&room->fields);
    buf_reset(&room->content);
    out->subject = (struct rules_subject){r->method, r->host, r->path};
    out->named = (struct compare_named){
        .method = r->method,
        .host = conf->any_host ? (struct view){0} : asked_host(r->scheme, r->host, room->host),
        .path = r->path,
        .query = r->query};
    struct view codings = head_joined(r->head, "content-encoding", room->coding);
    int e = choose(conf, r, &room->fields);
    if (!e && !r->sealed)
        e = decode(conf, codings, r->content, &room->content, &coded);
    bool plain = coded || !content_is_coded(codings);
    out->half = (struct compare_half){
        .named = &out->named,
        .head = buf_view(&room->fields),
        .type = coded ? VIEW_LIT("application/octet-stream") : head_get(r->head, "content-type"),
        .content = plain || r->content.n == 0 ? r->content : buf_view(&room->content),
        .whole = !r->sealed,
        .size = r->sealed ? (int64_t)r->size : (int64_t)r->content.n};
    // So that the form is known from one side alone, as the key of that side has to know it.
    if (parts_form_of(out->half.type) == PARTS_UNKNOWN)
        out->half.type = parts_like_json(out->half.content) ? VIEW_LIT("application/json")
                                                            : VIEW_LIT("text/plain");
    if (r->sealed) {
        out->half.content = (struct view){0};
        out->half.digest = view_n(r->digest, DIGEST_SIZE);
    }
    return e;
}

struct compare_half asked_sealed(const struct asked *a, const struct match_request *r,
                                 struct asked_room *room, bool digest)
{
    struct compare_half h = a->half;
    if (h.whole)
        digest_once(r->content, room->digest);
    else
        memcpy(room->digest, r->digest, DIGEST_SIZE);
    h.whole = false;
    h.content = (struct view){0};
    h.digest = digest ? view_n(room->digest, DIGEST_SIZE) : (struct view){0};
    return h;
}
