// result: see result.h.
#include "tools/record/result.h"

#include "tools/capture.h"
#include "tools/cli.h"
#include "tools/quote.h"

#include <stdlib.h>

#define MOST      4      // names of a list that are shown
#define NAMES_MAX 100000 // that are kept: beyond it a number of them is "at least"
#define NAME_KEPT 512    // bytes of one
#define TEXT_MAX  1024

static const char counts[] =
    "SELECT (SELECT count(*) FROM flow),"
    "       (SELECT count(*) FROM flow WHERE direction = 'inbound'),"
    "       (SELECT count(*) FROM txn),"
    "       (SELECT count(*) FROM txn WHERE by_proxy = 1 OR status >= 500"
    "            OR state = 'unanswered' OR state = 'request-cut' OR state = 'answer-cut'),"
    "       (SELECT count(*) FROM loss),"
    "       (SELECT count(*) FROM stream WHERE ended_us IS NULL),"
    "       (SELECT count(*) FROM txn WHERE protocol = 'tls'),"
    "       (SELECT count(*) FROM tls JOIN flow ON flow.id = tls.flow"
    "         WHERE mode = 'refused' AND direction = 'outbound'),"
    "       (SELECT count(*) FROM flow_end WHERE transactions = 0 AND filtered = 0)";

static const char hosts[] = "SELECT host, count(*) FROM txn GROUP BY host";

static const char reasons[] =
    "SELECT iif(detail <> '', reason || ': ' || detail, reason) AS how, count(*) FROM flow_end"
    " WHERE transactions = 0 AND filtered = 0 GROUP BY how";

// ---- lists

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct result_name *)a)->text, ((const struct result_name *)b)->text);
}

static int by_count(const void *a, const void *b)
{
    const struct result_name *x = a, *y = b;
    return x->count == y->count ? by_text(a, b) : x->count > y->count ? -1 : 1;
}

static int add(struct result_list *l, struct view name, int64_t count)
{
    if (l->n == NAMES_MAX)
        return 0;
    if (l->n == l->room) {
        size_t room = l->room ? 2 * l->room : 64;
        struct result_name *more = realloc(l->all, room * sizeof *more);
        if (!more)
            return E_NOMEM;
        l->all = more;
        l->room = room;
    }
    char *text = strndup(name.n ? name.p : "", name.n < NAME_KEPT ? name.n : NAME_KEPT);
    if (!text)
        return E_NOMEM;
    l->all[l->n++] = (struct result_name){text, count};
    return 0;
}

// Makes one of those that are the same.
static void unite(struct result_list *l)
{
    size_t kept = 0;
    if (l->n > 0)
        qsort(l->all, l->n, sizeof *l->all, by_text);
    for (size_t i = 0; i < l->n; i++) {
        if (kept > 0 && by_text(&l->all[kept - 1], &l->all[i]) == 0) {
            l->all[kept - 1].count += l->all[i].count;
            free(l->all[i].text);
        } else {
            l->all[kept++] = l->all[i];
        }
    }
    l->n = kept;
}

static void list_clear(struct result_list *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->all[i].text);
    free(l->all);
    *l = (struct result_list){0};
}

// ---- reading

static int read_list(struct result_list *l, struct store *s, const char *sql)
{
    struct store_query *q = NULL;
    int e = store_query(s, sql, &q);
    while (!e && (e = store_step(q)) == 1)
        e = add(l, store_bytes(q, 0), store_int(q, 1));
    store_query_free(q);
    unite(l);
    return e;
}

static int read_counts(struct result *r, struct store *s)
{
    int64_t *const into[] = {&r->flows,  &r->inbound, &r->transactions, &r->failed, &r->losses,
                             &r->deaths, &r->tls,     &r->refused,      &r->silent};
    struct store_query *q = NULL;
    int e = store_query(s, counts, &q);
    if (!e && (e = store_step(q)) == 1) {
        for (int i = 0; i < (int)(sizeof into / sizeof *into); i++)
            *into[i] += store_int(q, i);
        e = 0;
    }
    store_query_free(q);
    return e;
}

static int read_file(struct result *r, const char *path)
{
    struct store *s = capture_open(path);
    if (!s)
        return CLI_FAILED;
    int e = read_counts(r, s);
    e = e ? e : read_list(&r->hosts, s, hosts);
    e = e ? e : read_list(&r->reasons, s, reasons);
    if (e)
        cli_error("%s", e == E_NOMEM ? err_text(e) : store_why(s));
    store_close(s);
    return e ? CLI_FAILED : CLI_OK;
}

int result_read(struct result *r, const char *capture)
{
    struct capture files;
    *r = (struct result){0};
    int code = capture_siblings(&files, capture);
    for (size_t i = 0; i < files.n && !code; i++) {
        r->deaths = 0; // what has no end in the last one has none
        code = read_file(r, files.paths[i]);
    }
    r->files = files.n;
    capture_clear(&files);
    if (r->hosts.n > 0)
        qsort(r->hosts.all, r->hosts.n, sizeof *r->hosts.all, by_count);
    if (r->reasons.n > 0)
        qsort(r->reasons.all, r->reasons.n, sizeof *r->reasons.all, by_count);
    return code;
}

void result_clear(struct result *r)
{
    list_clear(&r->hosts);
    list_clear(&r->reasons);
}

// ---- telling

// " (12 a, 3 b, …)"
static const char *list(const struct result_list *l, char text[TEXT_MAX])
{
    size_t n = 0;
    *text = '\0';
    for (size_t i = 0; i < l->n && i < MOST && n < TEXT_MAX; i++)
        n += (size_t)snprintf(text + n, TEXT_MAX - n, "%s%lld %.150s", i ? ", " : " (",
                              (long long)l->all[i].count, l->all[i].text);
    if (n > 0 && n < TEXT_MAX)
        snprintf(text + n, TEXT_MAX - n, "%s)", l->n > MOST ? ", …" : "");
    return text;
}

static const char *many(int64_t n)
{
    return n == 1 ? "" : "s";
}

void result_tell_lost(const struct result *r, const char *capture)
{
    char name[TEXT_MAX];
    if (r->deaths)
        cli_error("warning: the sidecar's proxy died meanwhile");
    if (r->losses || r->deaths)
        cli_error("warning: not all of it is kept; tapedeck verify %s tells what is lost",
                  quote_word(capture, name, sizeof name));
}

void result_tell(const struct result *r, const char *capture)
{
    char text[TEXT_MAX], failed[64] = "", name[TEXT_MAX];
    if (r->failed)
        snprintf(failed, sizeof failed, ", %lld of them failed", (long long)r->failed);
    cli_error("%lld transaction%s with %zu host%s%s%s", (long long)r->transactions,
              many(r->transactions), r->hosts.n, many((int64_t)r->hosts.n), list(&r->hosts, text),
              failed);
    if (r->silent)
        cli_error("%lld connection%s brought none%s", (long long)r->silent, many(r->silent),
                  list(&r->reasons, text));
    if (r->tls)
        cli_error("%lld of them %s TLS that was not decrypted: names and sizes alone are there",
                  (long long)r->tls, r->tls == 1 ? "is" : "are");
    if (r->files > 1)
        cli_error("it is in %zu files, of which this is the last; a command that is given their "
                  "folder reads all of them",
                  r->files);
    cli_error("to look at it: tapedeck ls %s", quote_word(capture, name, sizeof name));
}
