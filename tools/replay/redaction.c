// redaction: the rules of each stream, one behind the other; the proxy takes a rule once however
// often it stands there. So that a recording of many files does not make a long text, the same
// rules as those of the stream before are left out.
#include "tools/replay/redaction.h"

#include "proxy/emit/redact.h"
#include "schema/store.h"
#include "tools/cli.h"

// last: where in out the rules of the stream before begin.
static int add_file(struct store *s, struct buf *out, size_t *last)
{
    static const char sql[] =
        "SELECT DISTINCT json_extract(settings, '$.redact') FROM stream ORDER BY 1";
    struct store_query *q = NULL;
    int e = store_query(s, sql, &q);
    while (!e && (e = store_step(q)) == 1) {
        struct view rules = store_bytes(q, 0);
        e = 0;
        if (rules.n == 0 || view_eq(view_from(buf_view(out), *last), rules))
            continue;
        e = buf_len(out) > 0 ? buf_add(out, ",", 1) : 0;
        *last = buf_len(out);
        e = e ? e : buf_add_view(out, rules);
    }
    store_query_free(q);
    return e;
}

int redaction_of(const struct capture *c, struct buf *out)
{
    char why[WHY_MAX];
    size_t last = 0;
    int e = 0;
    buf_reset(out);
    for (size_t i = 0; i < c->n && !e; i++) {
        struct store *s = capture_open_file(c, i);
        if (!s)
            continue;
        e = add_file(s, out, &last);
        if (e < 0 && e != E_LIMIT && e != E_NOMEM) {
            cli_damage("%s", store_why(s));
            e = 0;
        }
        store_close(s);
    }
    if (!e && buf_len(out) == 0)
        e = buf_add(out, "default", 7);
    e = e ? e : buf_add(out, "", 1);
    if (e)
        snprintf(why, sizeof why, "%s", err_text(e));
    else
        e = redact_check(buf_view(out).p, why);
    if (e)
        cli_error("what the recording's --redact replaced cannot be replaced here: %s; "
                  "--redact RULES says what is",
                  why);
    return e ? CLI_FAILED : CLI_OK;
}
