// Any head, trailers, query or body: no value that a rule names comes out, and a text that a
// library takes for JSON is no stranger to us.
#include "proxy/emit/redact_state.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned char key[32] = "a key";

static void must(bool truth)
{
    if (!truth)
        abort();
}

static bool is_tag(struct view v)
{
    return v.n == REDACT_TAG && memcmp(v.p, "redacted:", 9) == 0;
}

// Of the lines of a head or of trailers, as a reader would see them that cuts at LF only.
static void check_lines(struct view v)
{
    while (v.n) {
        size_t end = view_find(v, '\n');
        struct view line = view_trim(view_head(v, end));
        size_t colon = view_find(line, ':');
        if (colon < line.n && view_ieq(view_trim(view_head(line, colon)), VIEW_LIT("x-key"))) {
            struct view value = view_trim(view_from(line, colon + 1));
            while (value.n && value.p[value.n - 1] == '\r')
                value.n--;
            value = view_trim(value);
            must(value.n == 0 || is_tag(value) || value.p[0] == '\r');
        }
        v = view_from(v, end < v.n ? end + 1 : end);
    }
}

// Of the parameters, as two readers would part them: at '&' alone, or at ';' too.
static void check_parameters(struct view v, bool query)
{
    if (!query) {
        size_t mark = 0;
        while (mark < v.n && v.p[mark] != '?' && v.p[mark] != '#')
            mark++;
        v = view_from(v, mark < v.n ? mark + 1 : mark);
    }
    while (v.n) {
        size_t end = view_find(v, '&');
        struct view one = view_head(v, end), name = VIEW_LIT("token=");
        for (size_t i = 0; i < one.n; i++) {
            struct view value = view_from(one, i);
            if ((i == 0 || memchr("?;#", one.p[i - 1], 3)) && view_istarts(value, name)) {
                value = view_from(value, name.n);
                must(value.n == 0 || is_tag(value));
            }
        }
        v = view_from(v, end < v.n ? end + 1 : end);
    }
}

static void check_json(const json_t *j, bool named)
{
    const char *name;
    const json_t *value;
    size_t i;

    if (named && !json_is_null(j))
        must(json_is_string(j) && is_tag(view_n(json_string_value(j), json_string_length(j))));
    json_object_foreach((json_t *)(uintptr_t)j, name, value) check_json(value, !strcmp(name, "pw"));
    json_array_foreach(j, i, value) check_json(value, false);
}

static bool too_deep(struct view v)
{
    size_t depth = 0, most = 0;

    for (size_t i = 0; i < v.n; i++) {
        depth += v.p[i] == '{' || v.p[i] == '[';
        most = depth > most ? depth : most;
    }
    return most > REDACT_DEPTH_MAX;
}

static void one_json(struct redact *r, struct view in)
{
    const size_t flags = JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL;
    struct redact_edit e;
    json_error_t error;

    redact_edit_begin(&e, r, &r->text, in);
    bool fine = redact_json(&e);
    struct view out = redact_edit_end(&e);
    // The library takes a NUL for the end.
    json_t *before = view_find(in, '\0') < in.n ? NULL : json_loadb(in.p, in.n, flags, &error);
    if (before)
        must(fine || too_deep(in));
    json_t *after = fine && out.n ? json_loadb(out.p, out.n, flags, &error) : NULL;
    if (before && fine)
        must(after != NULL);
    if (after)
        check_json(after, false);
    json_decref(before);
    json_decref(after);
    r->touched = 0;
}

static void one_head(struct redact *r, struct view in, bool request)
{
    bool failed = false;
    struct view out = redact_head(r, in, request, &failed);

    must(!failed);
    uint64_t omitted = 0;
    for (uint64_t left = r->touched; left; left &= left - 1)
        omitted += r->omitted[__builtin_ctzll(left)];
    must(omitted <= in.n);
    // Behind the start line, which is the first that is not empty.
    while (out.n && (out.p[0] == '\r' || out.p[0] == '\n'))
        out = view_from(out, 1);
    size_t first = view_find(out, '\n');
    check_lines(view_from(out, first < out.n ? first + 1 : first));
    r->touched = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct redact *r;
    char why[WHY_MAX];
    bool failed = false;

    if (size == 0 || size > 1 << 16)
        return 0;
    if (!r)
        r = redact_new("default,header:x-key,query:token,json:$..pw,json:$.a[*].b[1]", key, NULL,
                       why);
    must(r != NULL);
    struct view in = view_n(data + 1, size - 1);
    switch (data[0] % 6) {
    case 0:
    case 1:
        one_head(r, in, data[0] % 6 == 0);
        break;
    case 2:
        check_lines(redact_trailers(r, in, &failed));
        break;
    case 3: {
        struct sink_msg m = {.host = in, .path = in, .query = in};
        must(redact_target(r, &m));
        check_parameters(m.host, false);
        check_parameters(m.path, false);
        check_parameters(m.query, true);
        break;
    }
    case 4: {
        char *text = malloc(size);
        must(text != NULL);
        memcpy(text, data + 1, size - 1);
        text[size - 1] = '\0';
        redact_free(redact_new(text, key, NULL, why));
        free(text);
        break;
    }
    default:
        one_json(r, in);
    }
    must(!failed);
    r->touched = 0;
    return 0;
}
