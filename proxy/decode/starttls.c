// starttls: conversations that begin in the clear and may go over to TLS. It announces where that
// is, and decodes nothing else: what is said before is a raw conversation.
//
//   lines        S: greeting  C: a line that asks    S: a line that agrees │ TLS
//                (SMTP RFC 3207, IMAP and POP3 RFC 2595, FTP RFC 4217, NNTP RFC 4642)
//   PostgreSQL                C: SSLRequest          S: "S"                │ TLS
//   MySQL        S: greeting  C: SSLRequest                                │ TLS
//
// 1. All bytes are used as they come: nothing is ever held.
// 2. An announcement may be wrong at no price: whoever heeds it waits for a hello, and lets pass
//    what is none.
// 3. A line that asks counts until the client says more; so the answers to what it said before do
//    no harm.
// 4. TLS begins early or not at all: after WATCHED bytes of one direction nobody looks any more.
#include "proxy/decode/raw.h"

#include <ctype.h>

#define WATCHED   (16 * 1024)
#define LINE_KEPT 32 // bytes of a line's beginning; a tag of IMAP is no longer
#define MYSQL_ASK 36 // bytes of its SSLRequest

struct starttls {
    struct raw raw;
    // Whether TLS begins, behind *n of the bytes.
    bool (*watch)(struct starttls *t, enum dir dir, struct view in, size_t *n);
    uint16_t heard[2]; // bytes, by enum dir; at most WATCHED
    uint8_t line_n[2]; // of the present line, or of the client's message
    bool asked;
    char line[2][LINE_KEPT];
    char asks[LINE_KEPT]; // the client's line
    uint8_t asks_n;
};

static struct view line_of(const struct starttls *t, enum dir dir)
{
    return view_n(t->line[dir], t->line_n[dir]);
}

// Puts bytes behind the line as far as they fit.
static void keep(struct starttls *t, enum dir dir, struct view more)
{
    size_t room = LINE_KEPT - t->line_n[dir], n = more.n < room ? more.n : room;
    memcpy(t->line[dir] + t->line_n[dir], more.p, n);
    t->line_n[dir] += (uint8_t)n;
}

// ---- lines

// Behind the tag of IMAP; empty without.
static struct view behind_tag(struct view line)
{
    size_t n = view_find(line, ' ');
    return view_from(line, n < line.n ? n + 1 : n);
}

static const struct {
    struct view asks, agrees;
    bool tagged;
} ways[] = {
    {VIEW_LIT("STARTTLS"), VIEW_LIT("220"), false}, // SMTP
    {VIEW_LIT("STARTTLS"), VIEW_LIT("382"), false}, // NNTP
    {VIEW_LIT("STARTTLS"), VIEW_LIT("OK"), true},   // IMAP
    {VIEW_LIT("STLS"), VIEW_LIT("+OK"), false},     // POP3
    {VIEW_LIT("AUTH TLS"), VIEW_LIT("234"), false}, // FTP
    {VIEW_LIT("AUTH SSL"), VIEW_LIT("234"), false},
};

#define WAYS (sizeof ways / sizeof *ways)

// Without its end, and blanks before that.
static struct view bare(struct view line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return view_trim(line);
}

static bool line_asks(struct view line)
{
    line = bare(line);
    for (size_t i = 0; i < WAYS; i++)
        if (view_ieq(ways[i].tagged ? behind_tag(line) : line, ways[i].asks))
            return true;
    return false;
}

static bool line_agrees(struct view asked, struct view line)
{
    asked = bare(asked);
    line = bare(line);
    for (size_t i = 0; i < WAYS; i++) {
        struct view question = ways[i].tagged ? behind_tag(asked) : asked, answer = line;
        if (!view_ieq(question, ways[i].asks))
            continue;
        if (ways[i].tagged) {
            size_t tag = view_find(asked, ' ');
            if (!view_starts(line, view_head(asked, tag + 1)))
                continue;
            answer = view_from(line, tag + 1);
        }
        // A hyphen behind it would mean that more lines belong to it.
        if (view_istarts(answer, ways[i].agrees) &&
            (answer.n == ways[i].agrees.n || answer.p[ways[i].agrees.n] == ' '))
            return true;
    }
    return false;
}

static void client_line(struct starttls *t)
{
    t->asked = line_asks(line_of(t, C2S));
    if (!t->asked)
        return;
    memcpy(t->asks, t->line[C2S], t->line_n[C2S]);
    t->asks_n = t->line_n[C2S];
}

static bool watch_lines(struct starttls *t, enum dir dir, struct view in, size_t *n)
{
    bool agreed = false;
    if (dir == C2S)
        t->asked = false;
    for (*n = 0; *n < in.n && !agreed;) {
        struct view rest = view_from(in, *n);
        size_t end = view_find(rest, '\n');
        keep(t, dir, view_head(rest, end));
        *n += end + 1;
        if (end == rest.n) {
            t->asked = t->asked && (dir == S2C || rest.n == 0);
            return false;
        }
        if (dir == C2S)
            client_line(t);
        else
            agreed = t->asked && line_agrees(view_n(t->asks, t->asks_n), line_of(t, S2C));
        t->line_n[dir] = 0;
    }
    return agreed;
}

// ---- PostgreSQL

#define PG_ASK 8 // bytes of a request for encryption
static const char pg_tls[PG_ASK] = "\x00\x00\x00\x08\x04\xd2\x16\x2f";
static const char pg_gss[PG_ASK] = "\x00\x00\x00\x08\x04\xd2\x16\x30";

static bool watch_postgres(struct starttls *t, enum dir dir, struct view in, size_t *n)
{
    if (dir == C2S) {
        keep(t, C2S, in);
        t->asked = view_eq(line_of(t, C2S), view_n(pg_tls, PG_ASK));
        return false;
    }
    bool agreed = t->asked && in.p[0] == 'S';
    t->asked = false;
    t->line_n[C2S] = 0; // what it says next is another message
    *n = 1;
    return agreed;
}

// ---- MySQL

// The client's first message: its length and number, capabilities with CLIENT_SSL, and no name.
static bool watch_mysql(struct starttls *t, enum dir dir, struct view in, size_t *n)
{
    static const unsigned char head[] = {MYSQL_ASK - 4, 0, 0, 1};
    size_t before = t->heard[C2S];
    if (dir == S2C)
        return false;
    keep(t, C2S, in);
    if (before >= MYSQL_ASK || before + in.n < MYSQL_ASK)
        return false;
    struct view ask = line_of(t, C2S);
    if (!view_starts(ask, view_n(head, sizeof head)) || !(ask.p[5] & 0x08))
        return false;
    *n = MYSQL_ASK - before;
    return true;
}

// ---- the decoder

static enum decode_sniff sniff_client(struct view first)
{
    struct view head = view_head(first, PG_ASK);
    if (!view_starts(view_n(pg_tls, PG_ASK), head) && !view_starts(view_n(pg_gss, PG_ASK), head))
        return SNIFF_NO;
    return head.n < PG_ASK ? SNIFF_MORE : SNIFF_YES;
}

// How greetings begin: 9 stands for a digit, L for any length of a packet.
static const struct {
    struct view text;
    bool (*watch)(struct starttls *t, enum dir dir, struct view in, size_t *n);
} greetings[] = {
    {VIEW_LIT("299 "), watch_lines},       {VIEW_LIT("299-"), watch_lines},
    {VIEW_LIT("+OK"), watch_lines},        {VIEW_LIT("* OK"), watch_lines},
    {VIEW_LIT("L\0\0\0\n9"), watch_mysql}, // number 0, protocol 10, the server's version
};

#define GREETINGS (sizeof greetings / sizeof *greetings)

static bool fits(struct view shape, struct view first)
{
    for (size_t i = 0; i < shape.n && i < first.n; i++) {
        char c = shape.p[i], is = first.p[i];
        if (c != 'L' && (c == '9' ? !isdigit((unsigned char)is) : is != c))
            return false;
    }
    return true;
}

static enum decode_sniff sniff_server(struct view first)
{
    enum decode_sniff answer = SNIFF_NO;
    for (size_t i = 0; i < GREETINGS && answer != SNIFF_YES; i++)
        if (fits(greetings[i].text, first))
            answer = first.n < greetings[i].text.n ? SNIFF_MORE : SNIFF_YES;
    return answer;
}

static enum decode_sniff starttls_sniff(enum dir dir, struct view first)
{
    return dir == C2S ? sniff_client(first) : sniff_server(first);
}

static void starttls_init(void *d, struct decode_ctx *ctx)
{
    struct starttls *t = d;
    (void)ctx;
    raw_begin(&t->raw, "raw");
}

static void choose(struct starttls *t, enum dir dir, struct view first)
{
    t->watch = dir == C2S ? watch_postgres : watch_lines;
    for (size_t i = 0; dir == S2C && i < GREETINGS; i++)
        if (first.n >= greetings[i].text.n && fits(greetings[i].text, first))
            t->watch = greetings[i].watch;
}

static enum decode_verdict starttls_feed(void *d, struct decode_ctx *ctx, enum dir dir,
                                         struct view in, size_t *used)
{
    struct starttls *t = d;
    struct view watched = view_head(in, WATCHED - t->heard[dir]);
    if (!t->watch)
        choose(t, dir, in);
    bool starts = watched.n > 0 && t->watch(t, dir, watched, used);
    if (!starts)
        *used = in.n;
    t->heard[dir] += (uint16_t)watched.n;
    raw_hear(&t->raw, ctx, dir, view_head(in, *used));
    if (!starts)
        return DECODE_MORE;
    raw_end(&t->raw, ctx, C2S);
    raw_end(&t->raw, ctx, S2C);
    return DECODE_STARTTLS;
}

static void starttls_end(void *d, struct decode_ctx *ctx, enum dir dir)
{
    struct starttls *t = d;
    raw_end(&t->raw, ctx, dir);
}

static void starttls_clear(void *d, struct decode_ctx *ctx)
{
    struct starttls *t = d;
    raw_finish(&t->raw, ctx, ctx->note);
}

const struct decoder_ops decoder_starttls = {
    .name = "starttls",
    .size = sizeof(struct starttls),
    .sniff = starttls_sniff,
    .init = starttls_init,
    .feed = starttls_feed,
    .end = starttls_end,
    .clear = starttls_clear,
};
