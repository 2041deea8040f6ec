#include "tests/support/talks.h"

#include <stdio.h>
#include <stdlib.h>

struct view talks_content(const char *text)
{
    const char *end = strstr(text, "\n\n");
    return end ? view_of(end + 2) : (struct view){"", 0};
}

static const char *type_of(struct view content)
{
    if (content.n == 0)
        return "";
    if (content.p[0] == '{' || content.p[0] == '[')
        return "Content-Type: application/json\r\n";
    return content.p[0] == '<' ? "Content-Type: text/html\r\n"
                               : "Content-Type: application/x-www-form-urlencoded\r\n";
}

struct view talks_head(const char *text, bool answer, char **head)
{
    const char *end = strstr(text, "\n\n"), *line = strchr(text, '\n');
    size_t size = 2 * strlen(text) + 400, n;
    char *out = malloc(size);
    if (!out)
        abort();
    end = end ? end : text + strlen(text);
    line = line && line < end ? line : end;
    n = (size_t)snprintf(out, size,
                         answer ? "HTTP/1.1 %.*s OK\r\n" : "%.*s HTTP/1.1\r\nHost: api.test\r\n",
                         (int)(line - text), text);
    for (const char *at = line < end ? line + 1 : end; at < end;) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        next = next ? next : end;
        n += (size_t)snprintf(out + n, size - n, "%.*s\r\n", (int)(next - at), at);
        at = next < end ? next + 1 : end;
    }
    n += (size_t)snprintf(out + n, size - n, "%s\r\n", type_of(talks_content(text)));
    *head = out;
    return view_n(out, n);
}

int64_t talks_say(struct tape *t, int64_t flow, const char *request, const char *answer)
{
    char method[16] = "", target[1000] = "", *heads[2] = {0};
    if (sscanf(request, "%15s %999s", method, target) != 2)
        abort();
    char *query = strchr(target, '?');
    if (query)
        *query++ = 0;
    struct view content[] = {talks_content(request), talks_content(answer)};
    struct store_txn txn = {
        .protocol = "http",
        .version = "1.1",
        .method = method,
        .scheme = "http",
        .host = "api.test",
        .path = target,
        .query = query ? query : "",
        .redacted = strstr(request, "redacted:") ? "header:authorization" : NULL,
        .status = strtol(answer, NULL, 10),
        .req = {.end = 1,
                .head = talks_head(request, false, &heads[0]),
                .body = content[0],
                .body_size = (int64_t)content[0].n,
                .body_stored = (int64_t)content[0].n},
        .res = {.end = 1,
                .head = talks_head(answer, true, &heads[1]),
                .body = content[1],
                .body_size = (int64_t)content[1].n,
                .body_stored = (int64_t)content[1].n},
    };
    int64_t id = tape_txn(t, flow, &txn);
    t->now += 1000; // the next one begins behind the answer
    free(heads[0]);
    free(heads[1]);
    return id;
}
