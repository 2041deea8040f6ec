// http1_doubt: which faults of a head matter to who only watches.
//
// A front refuses every head with a fault near the framing. A watcher would lose much by that: bare
// LF, a space before a colon, a folded line and the like are common and mostly harmless. They
// matter when they touch Content-Length or Transfer-Encoding: some reader may see such a header
// where another sees none. So the head's text is searched for places where a line could begin for
// anybody (behind LF or another control character, and white space) and one of these two names
// follows. Each must be a plain header that the parser read as such.
//
// A CR that no LF follows always matters: there are readers who end a line, or the whole head, with
// it.
#include "proxy/decode/http1_doubt.h"

// Faults of the framing itself.
#define ALWAYS                                                                                     \
    (HTTP_BAD_LENGTH | HTTP_TWO_LENGTHS | HTTP_LENGTH_AND_TE | HTTP_BAD_TE | HTTP_TOO_MANY)

static bool is_framing(struct view name)
{
    return view_ieq(name, VIEW_LIT("content-length")) ||
           view_ieq(name, VIEW_LIT("transfer-encoding"));
}

// Places in the text where a line may begin and one of the names stands.
static size_t sightings(struct view text)
{
    size_t count = 0;
    bool edge = false; // a line may begin here
    for (size_t i = 0; i < text.n; i++) {
        struct view rest = view_from(text, i);
        if (http_is_control(text.p[i]))
            edge = true;
        else if (edge && text.p[i] != ' ' && text.p[i] != '\t') {
            count += is_framing(view_head(rest, http_token_run(rest)));
            edge = false;
        }
    }
    return count;
}

// Headers of these names whose line is beyond doubt.
static size_t plain(const struct http_head *head)
{
    size_t count = 0;
    for (size_t i = 0; i < head->count; i++) {
        const struct http_header *h = &head->headers[i];
        if (!is_framing(h->name) || h->name.p[-1] != '\n' || h->name.p[h->name.n] != ':')
            continue;
        size_t n = 0;
        while (n < h->value.n && !http_is_control(h->value.p[n]))
            n++;
        count += n == h->value.n;
    }
    return count;
}

static bool has_bare_cr(struct view text)
{
    const char *p = text.p, *end = text.p + text.n;
    while ((p = memchr(p, '\r', (size_t)(end - p)))) {
        p++;
        if (p == end || *p != '\n')
            return true;
    }
    return false;
}

unsigned http1_doubts(const struct http_head *head, struct view text, bool body)
{
    if ((head->faults & ~(unsigned)HTTP_FAULTS_BESIDE_FRAMING) == 0)
        return 0;
    if ((head->faults & HTTP_BARE_LF) && has_bare_cr(text))
        return HTTP_BARE_LF;
    if (!body)
        return 0;
    if (head->faults & ALWAYS)
        return head->faults & ALWAYS;
    return sightings(text) == plain(head) ? 0 : head->faults;
}
