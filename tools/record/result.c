// result: see result.h.
#include "tools/record/result.h"

#include "tools/capture.h"
#include "tools/cli.h"

#define MOST     4 // rows of a list
#define TEXT_MAX 1024

static const char counts[] =
    "SELECT (SELECT count(*) FROM txn),"
    "       (SELECT count(*) FROM txn WHERE by_proxy = 1 OR status >= 500"
    "            OR state = 'unanswered' OR state = 'request-cut' OR state = 'answer-cut'),"
    "       (SELECT count(DISTINCT host) FROM txn),"
    "       (SELECT count(*) FROM flow),"
    "       (SELECT count(*) FROM txn WHERE protocol = 'tls'),"
    "       (SELECT count(*) FROM loss),"
    "       (SELECT count(*) FROM flow_end WHERE transactions = 0 AND filtered = 0)";

static const char hosts[] =
    "SELECT host, count(*) FROM txn GROUP BY host ORDER BY count(*) DESC, host LIMIT 5";

static const char reasons[] =
    "SELECT iif(detail <> '', reason || ': ' || detail, reason) AS how, count(*) FROM flow_end"
    " WHERE transactions = 0 AND filtered = 0 GROUP BY how ORDER BY count(*) DESC, how LIMIT 5";

int result_read(struct result *r, const char *capture)
{
    struct store *s = capture_open(capture);
    struct store_query *q = NULL;
    *r = (struct result){0};
    if (!s)
        return CLI_FAILED;
    int e = store_query(s, counts, &q);
    if (!e && (e = store_step(q)) == 1) {
        r->transactions = store_int(q, 0);
        r->failed = store_int(q, 1);
        r->hosts = store_int(q, 2);
        r->flows = store_int(q, 3);
        r->tls = store_int(q, 4);
        r->losses = store_int(q, 5);
        r->silent = store_int(q, 6);
        e = 0;
    }
    if (e < 0)
        cli_error("%s", store_why(s));
    store_query_free(q);
    store_close(s);
    return e < 0 ? CLI_FAILED : CLI_OK;
}

// " (12 a, 3 b, …)": the rows of sql, of which more than MOST are not shown.
static const char *list(const char *capture, const char *sql, char text[TEXT_MAX])
{
    struct store *s = capture_open(capture);
    struct store_query *q = NULL;
    size_t n = 0;
    int i = 0;
    *text = '\0';
    if (!s)
        return text;
    if (store_query(s, sql, &q) == 0)
        for (; i < MOST && store_step(q) == 1 && n < TEXT_MAX; i++) {
            struct view name = store_bytes(q, 0);
            n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s%lld %.*s", i ? ", " : " (",
                                  (long long)store_int(q, 1), (int)(name.n < 150 ? name.n : 150),
                                  name.p);
        }
    if (n > 0 && n < TEXT_MAX)
        snprintf(text + n, TEXT_MAX - n, "%s)", i == MOST && store_step(q) == 1 ? ", …" : "");
    store_query_free(q);
    store_close(s);
    return text;
}

static const char *many(int64_t n)
{
    return n == 1 ? "" : "s";
}

// A name as it can be pasted into a shell.
static const char *pasted(const char *name, char *out, size_t size)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/._-+,:@%";
    if (name[strspn(name, plain)] == '\0' || strchr(name, '\''))
        return name;
    return snprintf(out, size, "'%s'", name) < (int)size ? out : name;
}

void result_tell(const struct result *r, const char *capture)
{
    char text[TEXT_MAX], failed[64] = "", name[TEXT_MAX];
    if (r->failed)
        snprintf(failed, sizeof failed, ", %lld of them failed", (long long)r->failed);
    cli_error("%lld transaction%s with %lld host%s%s%s", (long long)r->transactions,
              many(r->transactions), (long long)r->hosts, many(r->hosts),
              list(capture, hosts, text), failed);
    if (r->silent)
        cli_error("%lld connection%s brought none%s", (long long)r->silent, many(r->silent),
                  list(capture, reasons, text));
    if (r->tls)
        cli_error("%lld of them %s TLS that was not decrypted: names and sizes alone are there",
                  (long long)r->tls, r->tls == 1 ? "is" : "are");
    if (r->losses)
        cli_error("not all of it is kept; tapedeck verify %s tells what is lost",
                  pasted(capture, name, sizeof name));
    cli_error("to look at it: tapedeck ls %s", pasted(capture, name, sizeof name));
}
