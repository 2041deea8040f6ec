// results: numbers come from a fixed row, so that each run is the same.
#include "tests/support/results.h"

#include "tests/support/random.h"

struct result results_one(const char *method, const char *path, int64_t planned_us, int64_t took_us)
{
    return (struct result){.original = (INT64_C(1) << 40) + 7,
                           .file = "shop.db",
                           .service = VIEW_LIT("api:80"),
                           .protocol = VIEW_LIT("http"),
                           .method = view_of(method),
                           .host = VIEW_LIT("api.test"),
                           .path = view_of(path),
                           .kind = RESULT_ANSWERED,
                           .planned_us = planned_us,
                           .ready_us = planned_us,
                           .sent_us = planned_us + 40,
                           .first_us = planned_us + 40 + took_us / 2,
                           .end_us = planned_us + 40 + took_us,
                           .recorded_us = took_us + 100,
                           .status = 200,
                           .recorded_status = 200,
                           .sent_bytes = 120,
                           .received_bytes = 900};
}

void results_differ(struct verdict *v, struct result r, enum difference_kind kind,
                    const char *const (*places)[3])
{
    struct differences found;
    int e;
    differences_init(&found, 16);
    for (; (*places)[0]; places++) {
        struct difference *d = differences_add(&found, kind, &e);
        if (!d)
            continue;
        difference_text(d->left, view_of((*places)[1]));
        difference_text(d->right, view_of((*places)[2]));
        memcpy(d->where, (*places)[0], strlen((*places)[0]) + 1);
    }
    r.found = &found;
    verdict_add(v, &r);
    differences_clear(&found);
}

void results_equal(struct verdict *v, struct result r)
{
    static const struct differences none;
    r.found = &none;
    verdict_add(v, &r);
}

static void failed(struct verdict *v, struct result r, enum result_kind kind, const char *reason)
{
    r.kind = kind;
    r.reason = reason;
    r.status = 0;
    r.first_us = r.end_us = -1;
    r.received_bytes = 0;
    if (kind == RESULT_REFUSED || kind == RESULT_UNSENT)
        r.sent_us = r.ready_us = -1;
    verdict_add(v, &r);
}

// Hostile in each place where text of a stranger may stand.
static void hostile(struct verdict *v, struct result r)
{
    static const char *const places[][3] = {
        {"body[\"</td><script>\"]", "<script>alert(1)</script>", "]]>&lt;\x1b[31m\"'"},
        {"header x-\xff", "\x80\xfe one", "a\r\n\tb\x7f"},
        {"body.\xe2\x80\xae"
         "abc",
         "\xe2\x80\xae"
         "right to left",
         "\xef\xbf\xbe"},
        {NULL, NULL, NULL},
    };
    r.method = VIEW_LIT("G<E>T");
    r.path = VIEW_LIT("/<img src=x onerror=alert(1)>/\x01\xff&amp;");
    r.service = VIEW_LIT("\"><b>\n");
    r.file = "odd<&>\".db";
    results_differ(v, r, DIFFERENCE_VALUE, places);
    failed(v, r, RESULT_GARBAGE, "no status in '<\x1b[2J&\xff'");
}

static void changed(struct verdict *v, struct result r, int i, unsigned what)
{
    static const char *const price[][3] = {{"body.price", "12.50", "\"12.50\""},
                                           {NULL, NULL, NULL}};
    static const char *const items[][3] = {
        {"body.items[0].title", "Der alte Mann und das Meer", "Der alte Mann und die See"},
        {"body.items[3].title", "Grün ist die Heide", "Grau ist die Heide"},
        {NULL, NULL, NULL}};
    static const char *const status[][3] = {{"status", "200", "201"}, {NULL, NULL, NULL}};
    static const char *const gone[][3] = {{"header etag", "\"v17\"", ""}, {NULL, NULL, NULL}};
    static const char *const more[][3] = {{"body.debug", "", "true"}, {NULL, NULL, NULL}};
    switch (i % 20) {
    case 3:
        results_differ(v, r, DIFFERENCE_TYPE, price);
        break;
    case 7:
        results_differ(v, r, DIFFERENCE_VALUE, items);
        break;
    case 11:
        r.status = 201;
        results_differ(v, r, DIFFERENCE_VALUE, status);
        break;
    case 13:
        results_differ(v, r, DIFFERENCE_MISSING, gone);
        break;
    case 17:
        if (what & RESULTS_NEWER) {
            results_differ(v, r, DIFFERENCE_EXTRA, more);
            break;
        }
        // fall through
    default:
        results_equal(v, r);
    }
}

struct verdict *results_run(unsigned what, int requests)
{
    static const struct {
        const char *method, *path;
    } asked[] = {
        {"GET", "/items/17"}, {"GET", "/items/2026"}, {"GET", "/items"},      {"POST", "/orders"},
        {"GET", "/items/3"},  {"GET", "/health"},     {"DELETE", "/carts/9"},
    };
    uint64_t random = RANDOM_SEED;
    struct verdict *v = verdict_new(INT64_C(1796083200) * 1000000);
    if (!v)
        return NULL;
    verdict_setting(v, "capture", VIEW_LIT("shop.db"));
    verdict_setting(v, "target", VIEW_LIT("http://localhost:8080"));
    verdict_setting(v, "speed", VIEW_LIT("1"));
    for (int i = 0; i < requests; i++) {
        int64_t took = 800 + (int64_t)(random_next(&random) % 3000);
        took *= random_next(&random) % 50 == 0 ? 12 : 1;
        struct result r = results_one(asked[i % 7].method, asked[i % 7].path, i * 1000, took);
        r.original = (INT64_C(1) << 40) + 7 + 3 * i;
        r.sent_us += (int64_t)(random_next(&random) % 300);
        if ((what & RESULTS_SLOW) && i % 10 == 0)
            r.sent_us += 25000;
        if (r.first_us < r.sent_us) {
            r.first_us += 26000;
            r.end_us += 26000;
        }
        if (i % 7 == 5)
            r.service = VIEW_LIT("status:8081");
        if ((what & RESULTS_HOSTILE) && i % 50 == 10)
            hostile(v, r);
        else if ((what & RESULTS_ERRORS) && i % 100 == 42)
            failed(v, r, RESULT_TIMEOUT, "no answer within 5s");
        else if ((what & RESULTS_ERRORS) && i % 200 == 55)
            failed(v, r, RESULT_REFUSED, "connection refused by 127.0.0.1:8080");
        else if ((what & RESULTS_ERRORS) && i % 200 == 56)
            failed(v, r, RESULT_UNSENT, "the recording does not hold the body of the request");
        else if (what & RESULTS_CHANGED)
            changed(v, r, i, what);
        else
            results_equal(v, r);
    }
    verdict_end(v, requests * 1000 + 5000, NULL);
    return v;
}
