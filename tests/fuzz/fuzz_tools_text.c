// Bytes of strangers on their way to a person or a program: heads, JSON, dumps, terminal texts.
// What is written as JSON is JSON; what is written for a terminal has no control character.
#include "tools/export/har.h"
#include "tools/head.h"
#include "tools/jsonw.h"
#include "tools/pretty.h"
#include "tools/record.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void to_json(struct view v)
{
    char *text = NULL, joined[HEAD_JOINED];
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct jsonw w;
    jsonw_init(&w, f);
    jsonw_object(&w, NULL);
    jsonw_text(&w, "text", v.p ? v : view_n("", 0));
    jsonw_field(&w, "field", v);
    record_bytes(&w, "bytes", v);
    record_fields(&w, "fields", v);
    har_headers(&w, v);
    har_query(&w, v);
    har_cookies(&w, v);
    jsonw_string(&w, "joined", head_joined(v, "a", joined).p);
    jsonw_object_end(&w);
    fclose(f);
    json_t *j = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
    if (!j && (n == 0 || !memmem(text, n, "\\u0000", 6))) // jansson wants no NUL in a key
        abort();
    json_decref(j);
    free(text);
    f = open_memstream(&text, &n);
    jsonw_init(&w, f);
    har_set_cookies(&w, v);
    fclose(f);
    free(text);
}

static void to_terminal(struct view v)
{
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);
    struct term t = {.out = f, .utf8 = true};
    pretty_any(&t, v);
    int columns = term_text(&t, v, false, 20);
    fclose(f);
    if (columns > 20)
        abort();
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 && text[i] != '\n' && text[i] != '\t')
            abort();
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view v = view_n(data, size), words[3], rest, heads = v;
    to_json(v);
    to_terminal(v);
    head_words(head_first(v, &rest), words);
    while (heads.n > 0)
        head_split(&heads);
    return 0;
}
