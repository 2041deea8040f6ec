// filter: the names of the language, and how an error is shown. The grammar is in filter_parse.c.
#include "proto/filter.h"

const struct filter_field_def filter_fields[FIELD_COUNT] = {
    [FIELD_ID] = {"id", FILTER_NUMBER, false, NULL, "number of the transaction in the capture"},
    [FIELD_TIME] = {"time", FILTER_TIME, false, NULL, "when its first byte was seen"},
    [FIELD_PROTOCOL] = {"protocol", FILTER_TEXT, true, NULL, "http, raw or tls"},
    [FIELD_DIRECTION] = {"direction", FILTER_TEXT, true, "inbound|outbound",
                         "inbound (to the workload) or outbound (from it)"},
    [FIELD_METHOD] = {"method", FILTER_TEXT, false, NULL,
                      "of the request, in upper case as a rule"},
    [FIELD_SCHEME] = {"scheme", FILTER_TEXT, true, NULL, "http or https"},
    [FIELD_HOST] =
        {"host", FILTER_TEXT, true, NULL,
         "that the request names, with its port if given; else where the flow was dialled to"},
    [FIELD_PATH] = {"path", FILTER_TEXT, false, NULL, "of the request's target, without the query"},
    [FIELD_QUERY] = {"query", FILTER_TEXT, false, NULL, "behind the path, without the ?"},
    [FIELD_URL] = {"url", FILTER_TEXT, false, NULL, "scheme, host, path and query together"},
    [FIELD_STATUS] = {"status", FILTER_NUMBER, false, NULL, "of the answer; absent without one"},
    [FIELD_VERSION] = {"version", FILTER_TEXT, false, NULL, "of the protocol, such as 1.1"},
    [FIELD_DURATION] = {"duration", FILTER_DURATION, false, NULL,
                        "from the first byte to the last"},
    [FIELD_WAIT] = {"wait", FILTER_DURATION, false, NULL,
                    "from the request's last byte to the answer's first; absent without an answer"},
    [FIELD_REQ_SIZE] = {"req_size", FILTER_SIZE, false, NULL, "bytes of the request's content"},
    [FIELD_RES_SIZE] = {"res_size", FILTER_SIZE, false, NULL, "bytes of the answer's content"},
    [FIELD_REQ_TYPE] = {"req_type", FILTER_TEXT, false, NULL,
                        "value of the request's Content-Type; empty without one"},
    [FIELD_RES_TYPE] = {"res_type", FILTER_TEXT, false, NULL,
                        "value of the answer's Content-Type; empty without one"},
    [FIELD_CLIENT] = {"client", FILTER_TEXT, true, NULL, "address:port of the peer that connected"},
    [FIELD_SERVER] = {"server", FILTER_TEXT, true, NULL,
                      "address:port that answered the dial; empty when none did"},
    [FIELD_TARGET] = {"target", FILTER_TEXT, true, NULL, "host:port that was dialled"},
    [FIELD_REQUESTED] = {"requested", FILTER_TEXT, true, NULL,
                         "host:port that the client named to the proxy"},
    [FIELD_FRONT] = {"front", FILTER_TEXT, true, NULL,
                     "how it did so: fixed, http, socks4, socks5 or transparent"},
    [FIELD_FLOW] = {"flow", FILTER_NUMBER, false, NULL, "number of its connection in the capture"},
    [FIELD_N] = {"n", FILTER_NUMBER, false, NULL, "number within its connection, from 0"},
    [FIELD_STATE] = {"state", FILTER_TEXT, true,
                     "complete|unanswered|request-cut|answer-cut|answer-only",
                     "complete, unanswered, request-cut, answer-cut or answer-only"},
    [FIELD_BY_PROXY] = {"by_proxy", FILTER_NUMBER, false, NULL,
                        "1 when the answer is the proxy's own, else 0"},
    [FIELD_NOTE] = {"note", FILTER_TEXT, false, NULL, "why decoding ended there; empty as a rule"},
    [FIELD_SNI] = {"sni", FILTER_TEXT, true, NULL, "name in the TLS handshake"},
    [FIELD_POD] = {"pod", FILTER_TEXT, false, NULL, "of the proxy, in Kubernetes"},
    [FIELD_NAMESPACE] = {"namespace", FILTER_TEXT, false, NULL, "of the proxy, in Kubernetes"},
    [FIELD_WORKLOAD] = {"workload", FILTER_TEXT, false, NULL, "of the proxy, in Kubernetes"},
    [FIELD_ORIGINAL] = {"original", FILTER_NUMBER, false, NULL,
                        "of a replay or a mock: id in the capture that was played; else absent"},
    [FIELD_OUTCOME] = {"outcome", FILTER_TEXT, false, NULL,
                       "what came of it: equal, differs, hit, miss …; else absent"},
    [FIELD_REQ_HEADER] = {"req.header", FILTER_TEXT, false, NULL,
                          "a header of the request: req.header[\"name\"]"},
    [FIELD_RES_HEADER] = {"res.header", FILTER_TEXT, false, NULL,
                          "a header of the answer: res.header[\"name\"]"},
    [FIELD_REQ_BODY] = {"req.body", FILTER_BYTES, false, NULL, "content of the request, as kept"},
    [FIELD_RES_BODY] = {"res.body", FILTER_BYTES, false, NULL, "content of the answer, as kept"},
};

enum filter_field filter_field_find(struct view name)
{
    for (unsigned i = 0; i < FIELD_COUNT; i++)
        if (view_ieq(name, view_of(filter_fields[i].name)))
            return (enum filter_field)i;
    return FIELD_COUNT;
}

#define NAME_MAX_LIKE 24 // bytes of a name that are compared for likeness

enum filter_field filter_field_nearest(struct view name)
{
    enum filter_field best = FIELD_COUNT;
    if (name.n == 0 || name.n > NAME_MAX_LIKE)
        return best;
    char low[NAME_MAX_LIKE]; // as the names of all fields are
    for (size_t i = 0; i < name.n; i++)
        low[i] = view_lower(name.p[i]);
    // Half of the letters must be right.
    int least = (int)name.n / 2 + 1;
    for (unsigned i = 0; i < FIELD_COUNT; i++) {
        int d = view_distance(view_n(low, name.n), view_of(filter_fields[i].name));
        if (d < least) {
            least = d;
            best = (enum filter_field)i;
        }
    }
    return best;
}

static bool continues(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void filter_print_error(FILE *out, struct view text, size_t column, const char *why)
{
    // Only the line that the column is in: its neighbours would push the caret away.
    size_t from = column < text.n ? column : text.n, to = from;
    while (from > 0 && text.p[from - 1] != '\n')
        from--;
    while (to < text.n && text.p[to] != '\n')
        to++;
    fputs("  ", out);
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)text.p[i];
        fputc(c == '\t' ? ' ' : c < 32 || c == 127 ? '?' : c, out);
    }
    fputs("\n  ", out);
    for (size_t i = from; i < column && i < to; i++)
        if (!continues(text.p[i]))
            fputc(' ', out);
    fprintf(out, "^\n%s\n", why);
}
