// A request that a mock is asked, whatever is in it: it is answered, or why not is JSON within its
// bounds, and the rules that are proposed can be read.
//
//   METHOD NUL HOST NUL PATH NUL QUERY NUL FIELDS NUL CONTENT
#include "tests/support/sample.h"
#include "tools/cli.h"
#include "tools/mock/near.h"

#include <jansson.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct sample sample;
static struct capture capture;
static struct rules rules;
static const char *const headers[] = {"x-tenant", "accept"};
static struct match_conf conf = {
    .rules = &rules, .headers = headers, .n_headers = 2, .repeat = MATCH_CYCLE, .body_max = 4096};
static struct index *ix;
static struct match *m;

static void end(void)
{
    match_free(m);
    index_free(ix);
    rules_clear(&rules);
    capture_clear(&capture);
    sample_remove(&sample);
}

static void begin(void)
{
    static const char text[] =
        "ignore: [query.t]\ntolerance: {body.n: 1}\nshape: {body.id: uuid}\n";
    int64_t ids[SAMPLE_TXNS];
    char why[WHY_MAX];
    struct index_conf all = {.captures = &capture, .n = 1, .match = &conf};
    sample_standard(&sample, ids);
    if (rules_parse(&rules, "r", VIEW_LIT(text), why) ||
        capture_find(&capture, sample.path) != CLI_OK || index_build(&ix, &all) != CLI_OK ||
        !(m = match_new(ix)))
        abort();
    atexit(end);
}

static void miss(const struct match_request *r)
{
    struct near_miss n;
    struct buf json, text;
    buf_init(&json, NEAR_JSON_MAX);
    buf_init(&text, 1u << 20);
    if (near_find(m, r, &n) == 0) {
        if (near_json(&n, r, &json) || near_text(&n, &text))
            abort();
        json_t *j = json_loadb(json.p, buf_len(&json), 0, NULL);
        if (!j)
            abort();
        json_decref(j);
        for (size_t i = 0; i < n.n; i++) {
            struct rules proposed;
            char why[WHY_MAX];
            if (rules_parse(&proposed, "r", buf_view(&n.one[i].rules), why))
                abort();
            rules_clear(&proposed);
        }
    }
    near_clear(&n);
    buf_clear(&json);
    buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view part[6], rest = view_n(data, size);
    struct match_flow flow = {0};
    struct match_found found;
    if (!ix)
        begin();
    for (int i = 0; i < 6; i++) {
        size_t n = i < 5 ? view_find(rest, 0) : rest.n;
        part[i] = view_head(rest, n);
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
    struct match_request r = {.method = part[0],
                              .host = part[1],
                              .path = part[2],
                              .query = part[3],
                              .head = part[4],
                              .content = part[5]};
    r.sealed = r.content.n > conf.body_max;
    if (r.sealed) {
        digest_once(r.content, r.digest);
        r.size = r.content.n;
    }
    if (match_take(m, &r, &flow, &found) == 0)
        miss(&r);
    return 0;
}
