// http1: halves of HTTP/1.0 and 1.1. The head alone says how the content is framed, by the same
// rules as for the decoder: its parser reads it here.
//
//   NO_BODY       head                                                   NEXT, AWAIT, SWITCH
//   LENGTH        head  content of that length                           NEXT, AWAIT
//   CHUNKED       head  size CRLF piece CRLF …  0 CRLF trailers CRLF     NEXT, AWAIT
//   UNTIL_CLOSE   head  content                                          CLOSE
//   in doubt      head  content as it passed                             CUT
//
// 1. A head goes out as it was given, byte for byte.
// 2. Of a half that was cut, nothing says that it is whole: its length has not come, its last chunk
//    is not sent.
// 3. Whatever goes out with heads that are not in doubt is heard as exactly this half.
//
// Elsewhere: counting (speak.c); when a half goes, on which connection, and whether that is kept
// (the callers).
#include "proxy/decode/http1_doubt.h"
#include "proxy/http/body.h"
#include "tools/speak/speak.h"

#include <inttypes.h>
#include <stdio.h>

struct http1 {
    enum http_framing framing;
    enum speak_then then;
    char line[20]; // of a chunk: its size, CRLF
};

_Static_assert(sizeof(struct http1) <= SPEAK_STATE, "the state has its place");

static struct http1 *state_of(struct speaker *s)
{
    return (struct http1 *)(void *)s->state;
}

static void put(struct speak_out *out, struct view v)
{
    if (v.n > 0)
        out->v[out->n++] = v;
}

static int refuse(int e, const char *text, char why[WHY_MAX])
{
    snprintf(why, WHY_MAX, "http: %s", text);
    return e;
}

// The one head that text is.
static int parse(struct view text, bool request, struct http_head *head, char why[WHY_MAX])
{
    size_t used = 0;
    int e = http_head_parse(text, 0, request, head, &used);
    if (e == E_AGAIN)
        return refuse(E_SYNTAX, "a head without the empty line at its end", why);
    if (e || (request && head->method.p != text.p)) // the parser passes over empty lines
        return refuse(E_SYNTAX, request ? "bad start line" : "bad status line", why);
    if (used < text.n)
        return refuse(E_SYNTAX, "more behind the empty line of a head", why);
    if (!request && head->status < 200 && head->status != 101)
        return refuse(E_SYNTAX, "an interim answer in the place of the answer", why);
    return 0;
}

static int refuse_doubts(unsigned doubts, char why[WHY_MAX])
{
    snprintf(why, WHY_MAX, "http: ambiguous framing: %s", http_fault_text(doubts));
    return E_SYNTAX;
}

static int check_interim(const struct speak_half *h, char why[WHY_MAX])
{
    struct view rest = h->interim;
    struct http_head head;
    while (rest.n > 0) {
        size_t used = 0;
        if (http_head_parse(rest, 0, false, &head, &used) || head.status >= 200 ||
            head.status == 101)
            return refuse(E_SYNTAX, "what stands for interim answers is something else", why);
        unsigned doubts = http1_doubts(&head, view_head(rest, used), false);
        if (doubts && h->rewritten)
            return refuse_doubts(doubts, why);
        rest = view_from(rest, used);
    }
    return 0;
}

// Whether the section, with its empty line, would be heard as the end of chunks and nothing more.
static bool trailers_fit(struct view trailers)
{
    struct http_body body;
    struct view content, rest[] = {VIEW_LIT("0\r\n"), trailers};
    size_t used;
    http_body_begin(&body, HTTP_CHUNKED, 0);
    for (size_t i = 0; i < 2; i++) {
        while (rest[i].n > 0) {
            enum http_body_step step = http_body_step(&body, rest[i], &content, &used);
            if (step == HTTP_BODY_DONE || step == HTTP_BODY_BAD)
                return false;
            rest[i] = view_from(rest[i], used);
        }
    }
    return http_body_step(&body, VIEW_LIT("\r\n"), &content, &used) == HTTP_BODY_DONE;
}

static int check_trailers(const struct speaker *s, enum http_framing framing, char why[WHY_MAX])
{
    const struct speak_half *h = &s->half;
    if (h->trailers.n == 0)
        return 0;
    if (framing != HTTP_CHUNKED)
        return refuse(E_UNSUPPORTED, "trailers, but the head does not say chunked", why);
    if (h->cut)
        return refuse(E_UNSUPPORTED, "trailers of a half that was cut", why);
    if (!trailers_fit(h->trailers))
        return refuse(E_SYNTAX, "what stands for trailers is something else", why);
    return 0;
}

// What the framing says about the size of the content.
static int check_size(struct speaker *s, enum http_framing framing, uint64_t length,
                      char why[WHY_MAX])
{
    uint64_t size = s->half.size, says = framing == HTTP_LENGTH ? length : 0;
    bool known = size != SPEAK_SIZE_UNKNOWN, cut = s->half.cut && framing == HTTP_LENGTH;
    if (framing != HTTP_LENGTH && framing != HTTP_NO_BODY)
        return 0;
    if (known && (cut ? size > says : size != says)) {
        snprintf(why, WHY_MAX,
                 framing == HTTP_LENGTH
                     ? "http: a content-length of %" PRIu64 ", a content of %" PRIu64
                     : "http: this head has %" PRIu64 " bytes of content behind it, not %" PRIu64,
                 says, size);
        return E_RANGE;
    }
    if (!known) {
        s->most = says;
        s->due = cut ? SPEAK_SIZE_UNKNOWN : says;
    }
    return 0;
}

static bool is_connect(struct view method)
{
    return view_eq(method, VIEW_LIT("CONNECT"));
}

static enum speak_then what_follows(const struct speak_half *h, const struct http_head *head,
                                    enum http_framing framing, bool doubtful)
{
    if (h->cut || doubtful)
        return SPEAK_CUT;
    if (h->s2c && (head->status == 101 || (is_connect(h->method) && head->status < 300)))
        return SPEAK_SWITCH;
    if (framing == HTTP_UNTIL_CLOSE)
        return SPEAK_CLOSE;
    if (!h->s2c && (head->upgrade || is_connect(head->method)))
        return SPEAK_AWAIT;
    return SPEAK_NEXT;
}

static int begin_headed(struct speaker *s, char why[WHY_MAX])
{
    const struct speak_half *h = &s->half;
    struct http_head head;
    int e = parse(h->head, !h->s2c, &head, why);
    if (e)
        return e;
    enum http_framing framing =
        h->s2c ? http_response_framing(&head, h->method) : http_request_framing(&head);
    unsigned doubts = http1_doubts(&head, h->head, !h->s2c || framing != HTTP_NO_BODY);
    if (doubts && h->rewritten)
        return refuse_doubts(doubts, why);
    if (doubts)
        framing = HTTP_UNTIL_CLOSE;
    e = check_size(s, framing, head.length, why);
    e = e ? e : check_trailers(s, framing, why);
    state_of(s)->framing = framing;
    state_of(s)->then = what_follows(h, &head, framing, doubts != 0);
    return e;
}

static int http1_begin(struct speaker *s, struct speak_out *out, char why[WHY_MAX])
{
    const struct speak_half *h = &s->half;
    if (!h->s2c && h->interim.n > 0)
        return refuse(E_SYNTAX, "a request with interim answers", why);
    int e = check_interim(h, why);
    if (e)
        return e;
    if (h->head.n > 0) {
        e = begin_headed(s, why);
    } else if (h->interim.n == 0) {
        e = refuse(E_SYNTAX, "no head", why);
    } else {
        e = check_size(s, HTTP_NO_BODY, 0, why);
        e = e ? e : check_trailers(s, HTTP_NO_BODY, why);
        state_of(s)->framing = HTTP_NO_BODY;
        state_of(s)->then = h->cut ? SPEAK_CUT : SPEAK_NEXT;
    }
    put(out, h->interim);
    put(out, h->head);
    return e;
}

static void http1_piece(struct speaker *s, struct view content, struct speak_out *out)
{
    struct http1 *h = state_of(s);
    if (h->framing != HTTP_CHUNKED) {
        put(out, content);
        return;
    }
    int n = snprintf(h->line, sizeof h->line, "%zx\r\n", content.n);
    put(out, view_n(h->line, (size_t)n));
    put(out, content);
    put(out, VIEW_LIT("\r\n"));
}

static enum speak_then http1_finish(struct speaker *s, struct speak_out *out)
{
    const struct http1 *h = state_of(s);
    if (h->framing == HTTP_CHUNKED && !s->half.cut) {
        bool plain = s->half.trailers.n == 0;
        put(out, plain ? VIEW_LIT("0\r\n\r\n") : VIEW_LIT("0\r\n"));
        put(out, s->half.trailers);
        put(out, plain ? view_n(NULL, 0) : VIEW_LIT("\r\n"));
    }
    return h->then;
}

const struct speak_ops speaker_http1 = {
    .protocol = "http",
    .begin = http1_begin,
    .piece = http1_piece,
    .finish = http1_finish,
};
