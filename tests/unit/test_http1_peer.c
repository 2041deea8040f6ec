// The http1 decoder beside another parser (libhttp-parser, that of Node before llhttp): where both
// accept, messages begin and end at the same places with the same content. Streams are those of
// golden/http1 and of the fuzz corpora, each direction by itself. With file names: those inputs of
// a fuzz target instead.
//
// One may be stricter than the other; then the messages before must agree, and what it refused must
// be in the table below with the reason why that is right.
#include "proxy/tap.h"
#include "tests/support/dialogue.h"
#include "tests/support/dialogue_fuzz.h"
#include "tests/support/tmp.h"

#include <dirent.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#ifdef HAVE_HTTP_PARSER
#include <http_parser.h>

#define SAID_MAX  400
#define START_MAX 400

// One message, as one of the two heard it.
struct said {
    char start[START_MAX]; // "METHOD target" or "STATUS"
    size_t headers;
    struct buf body;
    bool whole;
};

struct hearing {
    struct said said[SAID_MAX];
    size_t count;
    const char *refusal; // why it heard no more, NULL: it heard everything
    char note[160];
    size_t field_run;
    bool in_trailers, raw;
};

static struct hearing ours, theirs;

struct refusal {
    const char *who, *what, *why;
};

static const struct refusal refusals[] = {
    {"ours", "not http: bad start line",
     "they take HTTP/0.9, other major versions, white space around the parts"},
    {"ours", "not http: bad status line", "they take other major versions and short status lines"},
    {"ours", "http: broken chunked framing",
     "they take any character in an extension, bare LF, spaces in sizes, bare CR in trailers"},
    {"ours", "ambiguous framing", "they choose one reading where two are possible"},
    {"ours", "http: head larger than 80 KiB", "their limit counts differently"},
    {"ours", "waits", "behind Upgrade or CONNECT we wait for the answer"},
    {"ours", "switched", "101 ends HTTP whatever its headers say"},
    {"ours", "too many", "more messages than this test keeps"},
    {"theirs", "HPE_INVALID_STATUS", "we judge a status line when it is whole"},
    {"theirs", "HPE_INVALID_METHOD", "they know a list of methods, we take every token"},
    {"theirs", "HPE_INVALID_HEADER_TOKEN",
     "we record heads with odd header lines where the framing is certain"},
    {"theirs", "HPE_INVALID_URL", "the target is recorded, not judged"},
    {"theirs", "HPE_INVALID_CONSTANT", "the target may have spaces"},
    {"theirs", "HPE_INVALID_VERSION", "a CR in the target or before the version is recorded"},
    {"theirs", "HPE_LF_EXPECTED", "a CR within a line is recorded"},
    {"theirs", "HPE_STRICT", "a CR within a line is recorded"},
    {"theirs", "HPE_INVALID_CONTENT_LENGTH", "a length that a 1xx, 204 or 304 does not use"},
    {"theirs", "HPE_UNEXPECTED_CONTENT_LENGTH", "as for HPE_INVALID_CONTENT_LENGTH"},
    {"theirs", "HPE_HEADER_OVERFLOW", "their limit counts differently"},
    {"theirs", "upgrade", "they stop behind Upgrade"},
};

static void hearing_reset(struct hearing *h)
{
    for (size_t i = 0; i < SAID_MAX; i++)
        buf_clear(&h->said[i].body);
    memset(h, 0, sizeof *h);
    for (size_t i = 0; i < SAID_MAX; i++)
        buf_init(&h->said[i].body, 1 << 24);
}

static struct said *said_last(struct hearing *h)
{
    return h->count > 0 ? &h->said[h->count - 1] : NULL;
}

static void refuse(struct hearing *h, const char *what)
{
    if (h->refusal)
        return;
    snprintf(h->note, sizeof h->note, "%s", what);
    h->refusal = h->note;
}

static struct said *said_next(struct hearing *h)
{
    if (h->count == SAID_MAX) {
        refuse(h, "too many");
        return NULL;
    }
    return &h->said[h->count++];
}

// Ours: a sink.

static void our_begin(struct sink_flow *f, const struct sink_msg *m)
{
    (void)f;
    if (!m->http) {
        ours.raw = true;
        return;
    }
    struct said *s = ours.refusal ? NULL : said_next(&ours);
    if (!s)
        return;
    if (m->dir == C2S)
        snprintf(s->start, sizeof s->start, "%.*s %.*s", (int)m->method.n, m->method.p,
                 (int)m->http->target.n, m->http->target.p);
    else
        snprintf(s->start, sizeof s->start, "%u", m->status);
    // White space around the target is no part of it for them.
    for (size_t n = strlen(s->start); n > 0 && s->start[n - 1] == ' '; n--)
        s->start[n - 1] = '\0';
    s->headers = m->http->count;
    s->whole = m->interim;
    if (m->dir == C2S && (m->http->upgrade || view_eq(m->method, VIEW_LIT("CONNECT"))))
        refuse(&ours, "waits");
    if (m->status == 101)
        refuse(&ours, "switched");
}

static void our_body(struct sink_flow *f, uint64_t n, enum dir dir, struct view content,
                     uint64_t wire, int64_t at_us)
{
    (void)f, (void)n, (void)dir, (void)wire, (void)at_us;
    struct said *s = said_last(&ours);
    if (s && !ours.raw && !s->whole)
        assert_int_equal(buf_add_view(&s->body, content), 0);
}

static void our_end(struct sink_flow *f, uint64_t n, enum dir dir, enum msg_end how,
                    struct view trailers, uint64_t wire, int64_t at_us)
{
    (void)f, (void)n, (void)dir, (void)trailers, (void)wire, (void)at_us;
    struct said *s = said_last(&ours);
    if (s && !ours.raw && !s->whole)
        s->whole = how == MSG_COMPLETE || how == MSG_UNTIL_CLOSE;
}

static void our_txn_end(struct sink_flow *f, uint64_t n, const char *note)
{
    (void)f, (void)n;
    // The end of an interim head can be in doubt as well.
    if (strncmp(note, "ambiguous", 9) == 0 && said_last(&ours) && !ours.raw)
        said_last(&ours)->whole = false;
    if (note[0] && strncmp(note, "http: ended", 11) != 0 &&
        strncmp(note, "http: an empty", 14) != 0)
        refuse(&ours, note);
}

static void our_lost(struct sink_flow *f, uint64_t n, enum dir dir, enum cause cause, uint64_t wire,
                     int64_t at_us)
{
    (void)f, (void)n, (void)dir, (void)cause, (void)wire, (void)at_us;
}

static void our_close(struct sink_flow *f, const struct flow_totals *totals)
{
    (void)f, (void)totals;
}

static void our_linked(struct sink_flow *f, uint64_t n, int64_t original, const char *outcome)
{
    (void)f, (void)n, (void)original, (void)outcome;
}

static const struct sink_ops our_ops = {
    .msg_begin = our_begin,
    .msg_body = our_body,
    .msg_end = our_end,
    .txn_end = our_txn_end,
    .lost = our_lost,
    .linked = our_linked,
    .close = our_close,
};

static struct sink_flow *our_open(struct sink *s, const struct flow_facts *facts)
{
    static struct sink_flow flow = {.ops = &our_ops};
    (void)s, (void)facts;
    return &flow;
}

static void hear_ours(enum dir dir, struct view stream)
{
    static const struct sink_factory factory = {.open = our_open};
    static const struct flow_facts facts = {.front = "fixed", .requested = "", .target = ""};
    struct sink sink = {.ops = &factory};
    struct stats stats = {0};
    size_t used = 0;
    struct tap_env env = {.sink = &sink, .stats = &stats, .used = &used, .max = 1 << 20};
    struct tap t;
    hearing_reset(&ours);
    tap_open(&t, &env, &facts, &decoder_http1, 1);
    tap_feed(&t, dir, stream, 1);
    tap_end(&t, dir, 1);
    tap_close(&t, "done", "", 1);
}

// Theirs: callbacks.

static int their_begin(http_parser *p)
{
    (void)p;
    theirs.field_run = 0;
    theirs.in_trailers = false;
    return said_next(&theirs) ? 0 : 1;
}

static int their_url(http_parser *p, const char *at, size_t n)
{
    struct said *s = said_last(&theirs);
    size_t have = strlen(s->start);
    (void)p;
    snprintf(s->start + have, sizeof s->start - have, "%.*s", (int)n, at);
    return 0;
}

static int their_field(http_parser *p, const char *at, size_t n)
{
    (void)p, (void)at, (void)n;
    if (!theirs.in_trailers && theirs.field_run++ == 0)
        said_last(&theirs)->headers++;
    return 0;
}

static int their_value(http_parser *p, const char *at, size_t n)
{
    (void)p, (void)at, (void)n;
    theirs.field_run = 0;
    return 0;
}

static int their_head(http_parser *p)
{
    struct said *s = said_last(&theirs);
    char target[START_MAX];
    theirs.in_trailers = true;
    snprintf(target, sizeof target, "%s", s->start);
    if (p->type == HTTP_REQUEST)
        snprintf(s->start, sizeof s->start, "%s %.300s",
                 http_method_str((enum http_method)p->method), target);
    else
        snprintf(s->start, sizeof s->start, "%u", (unsigned)p->status_code);
    return 0;
}

static int their_body(http_parser *p, const char *at, size_t n)
{
    (void)p;
    return buf_add(&said_last(&theirs)->body, at, n) ? 1 : 0;
}

static int their_end(http_parser *p)
{
    (void)p;
    said_last(&theirs)->whole = true;
    return 0;
}

static void hear_theirs(enum dir dir, struct view stream)
{
    static const http_parser_settings settings = {
        .on_message_begin = their_begin,
        .on_url = their_url,
        .on_header_field = their_field,
        .on_header_value = their_value,
        .on_headers_complete = their_head,
        .on_body = their_body,
        .on_message_complete = their_end,
    };
    http_parser p;
    hearing_reset(&theirs);
    http_parser_init(&p, dir == C2S ? HTTP_REQUEST : HTTP_RESPONSE);
    size_t used = http_parser_execute(&p, &settings, stream.p, stream.n);
    if (p.upgrade && used < stream.n)
        refuse(&theirs, "upgrade");
    else if (HTTP_PARSER_ERRNO(&p) != HPE_OK)
        refuse(&theirs, http_errno_name(HTTP_PARSER_ERRNO(&p)));
    else
        http_parser_execute(&p, &settings, NULL, 0);
}

// A length in an answer that has no body counts for them (RFC 9112 6.3 says it does not).
static bool no_body(const struct said *s)
{
    return s->start[0] == '1' || strcmp(s->start, "204") == 0 || strcmp(s->start, "304") == 0;
}

// With CR alone they end a line and even a head.
static bool has_bare_cr(struct view v)
{
    for (size_t i = 0; i + 1 < v.n; i++)
        if (v.p[i] == '\r' && v.p[i + 1] != '\n')
            return true;
    return false;
}

// Where they differ, or NULL.
static const char *difference(struct view stream)
{
    size_t n = ours.count < theirs.count ? ours.count : theirs.count;
    for (size_t i = 0; i < n; i++) {
        const struct said *a = &ours.said[i], *b = &theirs.said[i];
        bool a_stopped = ours.refusal && i + 1 == ours.count;
        bool b_stopped = theirs.refusal && i + 1 == theirs.count;
        if ((a_stopped && !a->whole) || (b_stopped && !b->whole))
            return NULL;
        // Without a target, what follows is one for them.
        bool target = a->start[0] < 'A' || strchr(a->start, ' ');
        if (strncmp(a->start, b->start, target ? 300 : strlen(a->start)) != 0)
            return "start line";
        if (no_body(a) && (buf_len(&b->body) > 0 || !b->whole))
            return NULL;
        if (a->whole != b->whole && !a_stopped && !b_stopped)
            return "end";
        if (a->headers != b->headers && a->whole && b->whole)
            return "number of headers";
        if (a->whole && b->whole && !view_eq(buf_view(&a->body), buf_view(&b->body)))
            return "body";
    }
    if (ours.count > n && !theirs.refusal && ours.said[n].whole)
        return "they hear fewer messages";
    if (theirs.count > n && !ours.refusal && theirs.said[n].whole && !has_bare_cr(stream))
        return "we hear fewer messages";
    return NULL;
}

static bool is_known(const char *who, const char *what)
{
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++)
        if (strcmp(who, refusals[i].who) == 0 &&
            strncmp(what, refusals[i].what, strlen(refusals[i].what)) == 0)
            return true;
    return false;
}

struct tally {
    size_t streams, messages, both, ours, theirs, wrong;
};

static void show(const char *who, const struct hearing *h)
{
    print_error("%s: %s\n", who, h->refusal ? h->refusal : "fine");
    for (size_t i = 0; i < h->count; i++)
        print_error("  %.60s headers=%zu body=%zu %s\n", h->said[i].start, h->said[i].headers,
                    buf_len(&h->said[i].body), h->said[i].whole ? "whole" : "open");
}

static void compare(const char *name, enum dir dir, struct view stream, struct tally *t)
{
    if (stream.n == 0)
        return;
    hear_ours(dir, stream);
    hear_theirs(dir, stream);
    const char *what = difference(stream);
    if (!what && ours.refusal && !theirs.refusal && !is_known("ours", ours.refusal))
        what = "our refusal has no reason in the table";
    if (!what && theirs.refusal && !ours.refusal && !is_known("theirs", theirs.refusal))
        what = "their refusal has no reason in the table";
    if (what) {
        char text[1200];
        sink_log_escape(stream, 250, text, sizeof text);
        print_error("%s %s: %s: %s\n", name, dir == C2S ? "c2s" : "s2c", what, text);
        show("ours", &ours);
        show("theirs", &theirs);
        t->wrong++;
    }
    t->streams++;
    t->messages += ours.count < theirs.count ? ours.count : theirs.count;
    t->ours += ours.refusal && !theirs.refusal;
    t->theirs += theirs.refusal && !ours.refusal;
    t->both += ours.refusal && theirs.refusal;
}

// Each direction of a dialogue by itself.
static void compare_dialogue(const char *name, struct dialogue *d, struct tally *t)
{
    for (enum dir dir = C2S; dir <= S2C; dir++) {
        struct buf all;
        buf_init(&all, 1 << 24);
        for (size_t i = 0; i < d->count; i++)
            if (d->steps[i].dir == dir)
                assert_int_equal(buf_add_view(&all, d->steps[i].bytes), 0);
        compare(name, dir, buf_view(&all), t);
        buf_clear(&all);
    }
}

static void compare_file(const char *path, bool steps, struct dialogue *d, struct tally *t)
{
    size_t n;
    char *bytes = tmp_read(path, &n);
    if (steps) {
        dialogue_from_bytes(d, view_n(bytes, n));
        compare_dialogue(path, d, t);
        dialogue_forget(d);
    } else if (n > 1) {
        compare(path, C2S, view_n(bytes + 1, n - 1), t);
        compare(path, S2C, view_n(bytes + 1, n - 1), t);
    }
    free(bytes);
}

static void finish(const struct tally *t)
{
    print_message("%zu streams, %zu messages; refused: %zu by both, %zu by us, %zu by them\n",
                  t->streams, t->messages, t->both, t->ours, t->theirs);
    hearing_reset(&ours);
    hearing_reset(&theirs);
    assert_int_equal(t->wrong, 0);
}

static void test_golden_streams(void **state)
{
    struct tally t = {0};
    glob_t found;
    (void)state;
    assert_int_equal(glob("golden/http1/*.txt", 0, NULL, &found), 0);
    for (size_t i = 0; i < found.gl_pathc; i++) {
        struct dialogue d;
        dialogue_read(&d, found.gl_pathv[i]);
        compare_dialogue(found.gl_pathv[i], &d, &t);
        dialogue_clear(&d);
    }
    globfree(&found);
    assert_true(t.streams > 100);
    finish(&t);
}

static void test_corpora(void **state)
{
    static const struct {
        const char *pattern;
        bool steps;
    } corpora[] = {
        {"fuzz/corpus/decode_http1/*", true}, {"fuzz/corpus/tap/*", true},
        {"fuzz/corpus/http_head/*", false},   {"fuzz/corpus/http_body/*", false},
        {"fuzz/corpus/front_http/*", false},
    };
    struct tally t = {0};
    struct dialogue d;
    (void)state;
    dialogue_init(&d);
    for (size_t i = 0; i < sizeof corpora / sizeof *corpora; i++) {
        glob_t found;
        if (glob(corpora[i].pattern, 0, NULL, &found) == 0)
            for (size_t k = 0; k < found.gl_pathc; k++)
                compare_file(found.gl_pathv[k], corpora[i].steps, &d, &t);
        globfree(&found);
    }
    dialogue_clear(&d);
    assert_true(t.streams > 500);
    finish(&t);
}

static int compare_files(int count, char **paths)
{
    struct tally t = {0};
    struct dialogue d;
    dialogue_init(&d);
    for (int i = 0; i < count; i++)
        compare_file(paths[i], true, &d, &t);
    dialogue_clear(&d);
    print_message("%zu streams, %zu messages; refused: %zu by both, %zu by us, %zu by them\n",
                  t.streams, t.messages, t.both, t.ours, t.theirs);
    return t.wrong > 0;
}

#else

static void test_golden_streams(void **state)
{
    (void)state;
    skip();
}

static void test_corpora(void **state)
{
    (void)state;
    skip();
}

static int compare_files(int count, char **paths)
{
    (void)count, (void)paths;
    return 2;
}

#endif

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_streams),
        cmocka_unit_test(test_corpora),
    };
    if (argc > 1)
        return compare_files(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
