// har_parts: see har.h, and the rules in har.c.
//
//   start          req_end     res_start       end      of the transaction
//     |-----send------|----wait----|---receive---|
//       |dns|connect|                                     the dial: behind the http front it is
//                                                       within the first transaction of a flow
//
// Cookies are read as RFC 6265 says user agents do. Values that a consumer would choke on are left
// as they came rather than dropped: a query that is no UTF-8 when decoded stays encoded.
#include "proto/base/clamp.h"
#include "proto/base/clock.h"
#include "proto/base/utf8.h"
#include "tools/export/har.h"
#include "tools/head.h"
#include "tools/record.h"

#include <stdlib.h>
#include <time.h>

// ---- times

static int64_t not_negative(int64_t v)
{
    return v > 0 ? v : 0;
}

void har_times(const struct store_query *q, struct har_times *t)
{
    int64_t start = store_int(q, STORE_START_US), end = store_int(q, STORE_END_US);
    bool req = store_column_type(q, STORE_REQ_END_US) != STORE_NULL;
    bool res = store_column_type(q, STORE_RES_START_US) != STORE_NULL;
    int64_t sent = req ? store_int(q, STORE_REQ_END_US) : start;
    int64_t answer = res ? store_int(q, STORE_RES_START_US) : end;
    int64_t dial = store_int(q, STORE_DIAL_US), dns = store_int(q, STORE_DNS_US);
    *t = (struct har_times){.started = start, .dns = -1, .connect = -1};
    t->send = not_negative(clamp_sub(sent, start));
    t->wait = not_negative(clamp_sub(answer, sent));
    t->receive = not_negative(clamp_sub(end, answer > sent ? answer : sent));
    // The dial belongs to the first request of a connection. Behind the http front it happens
    // between the request's first byte and its last; elsewhere before the first byte is read.
    if (store_int(q, FIELD_N) == 0 && store_column_type(q, STORE_DIAL_US) != STORE_NULL) {
        bool within = view_eq(store_bytes(q, FIELD_FRONT), VIEW_LIT("http")) && t->send >= dial;
        t->dns = dns > 0 && dns <= dial ? dns : -1;
        t->connect = clamp_sub(dial, not_negative(t->dns));
        if (within)
            t->send = clamp_sub(t->send, dial);
        else
            t->started = clamp_sub(t->started, dial);
    }
    const int64_t all[] = {not_negative(t->dns), not_negative(t->connect), t->send, t->wait,
                           t->receive};
    t->total = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        t->total = clamp_add(t->total, all[i]);
}

static void ms_or_unknown(struct jsonw *w, const char *key, int64_t us)
{
    if (us < 0)
        jsonw_int(w, key, -1);
    else
        jsonw_ms(w, key, us);
}

void har_timings(struct jsonw *w, const struct har_times *t)
{
    jsonw_object(w, "timings");
    jsonw_int(w, "blocked", -1);
    ms_or_unknown(w, "dns", t->dns);
    ms_or_unknown(w, "connect", t->connect);
    jsonw_ms(w, "send", t->send);
    jsonw_ms(w, "wait", t->wait);
    jsonw_ms(w, "receive", t->receive);
    jsonw_int(w, "ssl", -1);
    jsonw_object_end(w);
}

// ---- names and values

static struct view or_empty(struct view v)
{
    return v.p ? v : VIEW_LIT("");
}

void har_headers(struct jsonw *w, struct view head)
{
    struct view rest;
    struct head_field f;
    head_first(head, &rest);
    jsonw_array(w, "headers");
    while (head_next(&rest, &f)) {
        jsonw_object(w, NULL);
        jsonw_field(w, "name", or_empty(f.name));
        record_value(w, "value", &f);
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

// Percent-decoded with '+' as a blank; as it is where that does not give UTF-8.
static void decoded(struct jsonw *w, const char *key, struct view v)
{
    char *text = malloc(v.n + 1);
    size_t n = 0;
    for (size_t i = 0; text && i < v.n; i++) {
        int high = v.p[i] == '%' && i + 2 < v.n ? view_digit(v.p[i + 1]) : -1;
        int low = high >= 0 ? view_digit(v.p[i + 2]) : -1;
        if (low >= 0) {
            text[n++] = (char)(high << 4 | low);
            i += 2;
        } else {
            text[n++] = v.p[i] == '+' ? ' ' : v.p[i];
        }
    }
    bool good = text && utf8_valid(view_n(text, n));
    jsonw_text(w, key, good ? view_n(text, n) : or_empty(v));
    free(text);
}

void har_query(struct jsonw *w, struct view query)
{
    jsonw_array(w, "queryString");
    while (query.n > 0) {
        size_t n = view_find(query, '&');
        struct view pair = view_head(query, n);
        query = view_from(query, n < query.n ? n + 1 : n);
        if (pair.n == 0)
            continue;
        size_t eq = view_find(pair, '=');
        jsonw_object(w, NULL);
        decoded(w, "name", view_head(pair, eq));
        decoded(w, "value", eq < pair.n ? view_from(pair, eq + 1) : view_n("", 0));
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}

// ---- cookies

// The text before the next ';', which is taken from *rest.
static struct view next_part(struct view *rest)
{
    size_t n = view_find(*rest, ';');
    struct view part = view_trim(view_head(*rest, n));
    *rest = view_from(*rest, n < rest->n ? n + 1 : n);
    return part;
}

static void split(struct view part, struct view *name, struct view *value)
{
    size_t eq = view_find(part, '=');
    *name = view_trim(view_head(part, eq));
    *value = eq < part.n ? view_trim(view_from(part, eq + 1)) : view_n("", 0);
}

void har_cookies(struct jsonw *w, struct view head)
{
    struct view rest, name, value;
    struct head_field f;
    head_first(head, &rest);
    jsonw_array(w, "cookies");
    while (head_next(&rest, &f)) {
        if (!view_ieq(f.name, VIEW_LIT("cookie")))
            continue;
        while (f.value.n > 0) {
            struct view part = next_part(&f.value);
            if (part.n == 0)
                continue;
            split(part, &name, &value);
            jsonw_object(w, NULL);
            jsonw_field(w, "name", or_empty(name));
            jsonw_field(w, "value", or_empty(value));
            jsonw_object_end(w);
        }
    }
    jsonw_array_end(w);
}

// "Wed, 21 Oct 2026 07:28:00 GMT" and its older brothers, as ISO 8601. Nothing when it is none.
static void expires(struct jsonw *w, struct view v)
{
    static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S", "%a, %d-%b-%Y %H:%M:%S",
                                        "%A, %d-%b-%y %H:%M:%S", "%a %b %d %H:%M:%S %Y"};
    char text[64], out[CLOCK_TEXT];
    if (v.n >= sizeof text)
        return;
    snprintf(text, sizeof text, "%.*s", (int)v.n, v.p);
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct tm tm = {0};
        if (!strptime(text, forms[i], &tm))
            continue;
        jsonw_string(w, "expires", clock_format((int64_t)timegm(&tm) * US_PER_S, out));
        return;
    }
}

static void attribute(struct jsonw *w, struct view name, struct view value, bool seen[6])
{
    static const struct view names[] = {{"path", 4},   {"domain", 6},   {"expires", 7},
                                        {"secure", 6}, {"httponly", 8}, {"samesite", 8}};
    static const char *const keys[] = {"path", "domain", NULL, "secure", "httpOnly", "sameSite"};
    for (int i = 0; i < 6; i++) {
        if (!view_ieq(name, names[i]) || seen[i])
            continue;
        seen[i] = true;
        if (i == 2)
            expires(w, value);
        else if (i == 3 || i == 4)
            jsonw_bool(w, keys[i], true);
        else
            jsonw_field(w, keys[i], or_empty(value));
    }
}

void har_set_cookies(struct jsonw *w, struct view head)
{
    struct view rest, name, value;
    struct head_field f;
    head_first(head, &rest);
    jsonw_array(w, "cookies");
    while (head_next(&rest, &f)) {
        if (!view_ieq(f.name, VIEW_LIT("set-cookie")) || f.value.n == 0)
            continue;
        bool seen[6] = {false};
        split(next_part(&f.value), &name, &value);
        jsonw_object(w, NULL);
        jsonw_field(w, "name", or_empty(name));
        jsonw_field(w, "value", or_empty(value));
        while (f.value.n > 0) {
            split(next_part(&f.value), &name, &value);
            attribute(w, name, value, seen);
        }
        jsonw_object_end(w);
    }
    jsonw_array_end(w);
}
