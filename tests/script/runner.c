// runner: plays a dialogue between a client, the proxy and a server, and checks what each hears.
// The flow, its relay, front, tap and decoder are the real ones; sockets, upstream and clock are
// not.
//
// usage: runner FILE.flow
//
//   # comment
//   mode TYPE PROTOCOL [in|out]     which listener of that mode the client comes in by
//   target HOST:PORT                where a fixed listener leads (default: server:80)
//   redact RULES                    what of it comes into the capture (default: all of it)
//   limit handshake|head|connect|idle DURATION, head-max BYTES, block on|off, whole (see below)
//   client> BYTES…|EOF|RST          the client says; server> likewise
//   later client> BYTES…|EOF|RST    the same, but it is heard only with the next line
//   client< BYTES…|EOF|RST|nothing  the client has heard exactly that next; server< likewise
//   client< ~"text"                 … something that begins so, and is dropped up to its end
//   client window BYTES|open        how much it takes before it stalls; server likewise
//   client gone                     it takes nothing any more: writing to it fails
//   dial HOST:PORT ok|refused|…     a dial to there is under way, and ends so
//   next-dial HOST:PORT ok|…        the same, at once when it begins
//   no-dial, cancelled              none is under way; the last one was cancelled
//   wait DURATION, drain, end       time passes; the proxy is asked to end; it ends
//   reads client|server yes|no      whether bytes from there are wanted now
//   state front|dial|relay|drain    of the flow
//   closed KEY=VALUE…               the flow has ended: reason, detail, c2s, s2c
//   heads-refused N                 counted so far
//   kept-max BYTES                  the flow keeps no more than that in its buffers now
//   txn|tls|lost|flow-open|flow-close KEY=VALUE…   the capture's next line has these values
//   no-capture                      and has no further line
//   again                           the flow has ended; from now on another client is spoken of
//   tls intercept|terminate …       what the listener does: verify=strict|warn|off, pass=RULES; or
//                                   again (TLS to the workload too), asks, demands (certificates),
//                                   late (our authority has expired), starttls
//   client tls …                    it speaks TLS: name=a.example, alpn=h2,http/1.1, version=1.3,
//                                   trusts=both|scene|other, shows (a certificate)
//   server tls …                    names=DNS:a.example, by=scene|other, alpn=, version=, asks,
//                                   demands, no-tickets, ends (in order, right behind its
//                                   handshake)
//   client is KEY=VALUE…            its TLS: state, version, alpn, resumed, issuer, why …
//   client> CLOSE                   close_notify; client< CLOSE: it has heard that
//   raw client> BYTES…              past its TLS
//   tls-count NAME N                of handshakes: client-full, server-failed, …, minted
//
//   BYTES: "text with \r \n \x00 escapes", hexadecimal pairs, 1000*"text", several of them.
//
// Each file is played as it is, byte by byte, in odd pieces (unless it says "whole", because it is
// about sizes), and once for each allocation that could fail; then only the flow's end is checked.
#include "proto/base/log.h"
#include "proto/base/units.h"
#include "tests/script/bytes.h"
#include "tests/script/play.h"
#include "tests/support/alloc.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_MAX_BYTES 8192
#define TRIED          60 // of the allocations in a performance with TLS

static bool raw; // what is said goes past the TLS of who says it

static int fd_of(const char *who)
{
    return strcmp(who, "client") == 0 ? play.client : play.server;
}

static struct peer *peer_named(const char *who)
{
    play_begin();
    int fd = fd_of(who);
    if (fd < 0) {
        wrong("there is no %s yet", who);
        return NULL;
    }
    return peer_of(fd);
}

static void says(const char *who, const char *what)
{
    struct view v;
    struct peer *p = peer_named(who);
    if (!p)
        return;
    int fd = fd_of(who);
    if (strcmp(what, "EOF") == 0)
        (void)tls_play_turn(), p->says_end = true; // behind what was said
    else if (strcmp(what, "RST") == 0)
        p->says_reset = p->gone = true;
    else if (strcmp(what, "CLOSE") == 0 && tls_play_engine(fd))
        tls_play_end(fd);
    else if (!bytes_parse(what, &v))
        wrong("not bytes: %s", what);
    else if (tls_play_engine(fd) && !raw)
        tls_play_say(fd, v);
    else
        tube_add(&p->to_us, v.p, v.n);
}

// What the script has not asked for yet.
static struct view heard_by(const char *who)
{
    int fd = fd_of(who);
    return tls_play_engine(fd) ? tls_play_heard(fd) : tube_view(&peer_of(fd)->heard);
}

static void drop(const char *who, size_t n)
{
    int fd = fd_of(who);
    if (tls_play_engine(fd))
        tls_play_drop(fd, n);
    else
        tube_drop(&peer_of(fd)->heard, n);
}

static void hears_bytes(const char *who, const char *what)
{
    struct view v, heard = heard_by(who);
    bool open_end = *what == '~';
    if (!bytes_parse(what + open_end, &v)) {
        wrong("not bytes: %s", what);
    } else if (!view_eq(view_head(heard, v.n), v)) {
        wrong("%s heard %s, not %s", who, bytes_show(heard), bytes_show(v));
    } else {
        drop(who, open_end ? heard.n : v.n);
        return;
    }
    drop(who, heard.n);
}

static void hears(const char *who, const char *what)
{
    struct peer *p = peer_named(who);
    if (!p)
        return;
    bool end = strcmp(what, "EOF") == 0, reset = strcmp(what, "RST") == 0;
    bool close = strcmp(what, "CLOSE") == 0 && tls_play_engine(fd_of(who));
    if (!end && !reset && !close && strcmp(what, "nothing") != 0) {
        hears_bytes(who, what);
        return;
    }
    if (heard_by(who).n > 0)
        wrong("%s heard %s before", who, bytes_show(heard_by(who)));
    if (close) {
        if (tls_engine_state(tls_play_engine(fd_of(who))) != TLS_ENDED)
            wrong("%s heard no close_notify", who);
        return;
    }
    if (p->heard_reset != reset)
        wrong("%s was %sreset", who, reset ? "not " : "");
    if (!reset && p->heard_end != end)
        wrong("%s heard %s end", who, end ? "no" : "an");
}

static void window(const char *who, const char *what)
{
    struct peer *p = peer_named(who);
    if (!p)
        return;
    p->bounded = strcmp(what, "open") != 0;
    p->window = strtoul(what, NULL, 10);
    play_settle();
}

static void dial(char *rest)
{
    char *outcome = strchr(rest, ' ');
    play_begin();
    if (!play.dialling || !outcome) {
        wrong("no dial is under way");
        return;
    }
    *outcome++ = 0;
    if (strcmp(rest, play.dial_target) != 0)
        wrong("dialled %s, not %s", play.dial_target, rest);
    struct flow *f = play.dialling;
    play.dialling = NULL;
    play_end_dial(f, outcome);
    play_settle();
}

static void next_dial(char *rest)
{
    char *outcome = strchr(rest, ' ');
    if (!outcome)
        return;
    *outcome++ = 0;
    snprintf(play.next_dial, sizeof play.next_dial, "%s", rest);
    snprintf(play.next_outcome, sizeof play.next_outcome, "%s", outcome);
}

// The words of what, each of which must be among those of have; a word may hold quoted blanks, and
// end in * for whatever follows.
static void compare(const char *have, const char *what)
{
    char padded[70000];
    snprintf(padded, sizeof padded, " %s ", have);
    while (*what) {
        bool in_quotes = false;
        size_t n = 0;
        for (; what[n] && (in_quotes || what[n] != ' '); n++)
            in_quotes ^= what[n] == '"' && (n == 0 || what[n - 1] != '\\');
        char word[LINE_MAX_BYTES];
        size_t shown = n;
        if (n > 1 && what[n - 1] == '"' && what[n - 2] == '*')
            shown -= 2;
        else if (n > 0 && what[n - 1] == '*')
            shown--;
        snprintf(word, sizeof word, " %.*s%s", (int)shown, what, shown == n ? " " : "");
        if (!strstr(padded, word))
            wrong("no%s in: %.2000s", word, have);
        what += n;
        what += strspn(what, " ");
    }
}

static void capture(const char *kind, const char *what)
{
    if (play.asked == play.sink.count) {
        wrong("the capture has no further line");
        return;
    }
    const char *line = play.sink.lines[play.asked++];
    if (strncmp(line, kind, strlen(kind)) != 0 || line[strlen(kind)] != ' ')
        wrong("the capture has: %.2000s", line);
    else
        compare(line, what);
}

static void speak_tls(const char *who, const char *how)
{
    if (!peer_named(who))
        return;
    tls_play_peer(strcmp(who, "server") == 0, fd_of(who), how + strspn(how, " "));
    if (!play.later)
        play_settle();
}

static void is(const char *who, const char *what)
{
    if (!peer_named(who))
        return;
    if (tls_play_engine(fd_of(who)))
        compare(tls_play_facts(fd_of(who)), what);
    else
        wrong("%s speaks no TLS", who);
}

static void tls_count(const char *rest)
{
    static const char *const ends[] = {"full", "resumed", "failed"};
    char name[32] = "", have[32];
    unsigned long want = 0;
    uint64_t n = UINT64_MAX;
    sscanf(rest, "%31s %lu", name, &want);
    for (int side = 0; side < 2; side++)
        for (int end = 0; end < STATS_TLS_ENDS; end++) {
            snprintf(have, sizeof have, "%s-%s", side ? "server" : "client", ends[end]);
            if (strcmp(have, name) == 0)
                n = play.stats.tls[side][end];
        }
    if (strcmp(name, "minted") == 0)
        n = play.stats.tls_minted;
    if (n != want)
        wrong("%s is %llu", name, (unsigned long long)n);
}

static void closed(const char *what)
{
    char have[1024];
    if (!play.closed)
        wrong("the flow is open, state %s",
              play_flow() ? flow_state_text(play_flow()->state) : "?");
    snprintf(have, sizeof have, "reason=%s detail=\"%s\" c2s=%llu s2c=%llu", play.reason,
             play.detail, (unsigned long long)play.moved[C2S], (unsigned long long)play.moved[S2C]);
    compare(have, what);
}

static void reads(char *rest)
{
    struct flow *f = play_flow();
    bool server = strncmp(rest, "server", 6) == 0;
    char *want = strchr(rest, ' ');
    bool is = f && (server ? f->server.io.reading : f->client.io.reading);
    if (!want || is != (strcmp(want + 1, "yes") == 0))
        wrong("%s is%s read", rest, is ? "" : " not");
}

static void limit(char *rest)
{
    int64_t us;
    char *value = strchr(rest, ' ');
    struct flow_limits *l = &play.env.limits;
    if (!value || units_duration(view_of(value + 1), &us)) {
        wrong("limit NAME DURATION");
        return;
    }
    *value = 0;
    if (strcmp(rest, "handshake") == 0)
        l->handshake = us;
    else if (strcmp(rest, "head") == 0)
        l->head = us;
    else if (strcmp(rest, "connect") == 0)
        l->connect = us;
    else if (strcmp(rest, "idle") == 0)
        l->idle = us;
    else
        wrong("no such limit: %s", rest);
}

static void wait(const char *rest)
{
    int64_t us = 0;
    play_begin();
    if (units_duration(view_of(rest), &us))
        wrong("no duration: %s", rest);
    play_pass_time(us);
}

static void drain(void)
{
    flow_env_touch(&play.env);
    flow_env_drain(&play.env);
    play_settle();
}

static void end(void)
{
    flow_env_touch(&play.env);
    flow_env_end_all(&play.env);
    play_settle();
}

static void block(const char *rest)
{
    play.block = strcmp(rest, "on") == 0;
    if (!play.block)
        flow_env_resume(&play.env);
    play_settle();
}

static void kept_max(const char *rest)
{
    if (play.env.kept > strtoul(rest, NULL, 10))
        wrong("%zu bytes are kept", play.env.kept);
}

static bool capture_line(const char *verb, const char *rest)
{
    static const char *const kinds[] = {"txn", "tls", "lost", "flow-open", "flow-close"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(verb, kinds[i]) == 0) {
            capture(verb, rest);
            return true;
        }
    }
    if (strcmp(verb, "no-capture") != 0)
        return false;
    if (play.asked < play.sink.count)
        wrong("the capture has: %s", play.sink.lines[play.asked]);
    return true;
}

static bool check_line(const char *verb, char *rest)
{
    if (strcmp(verb, "closed") == 0)
        closed(rest);
    else if (strcmp(verb, "reads") == 0)
        reads(rest);
    else if (strcmp(verb, "kept-max") == 0)
        kept_max(rest);
    else if (strcmp(verb, "state") == 0) {
        if (!play_flow() || strcmp(rest, flow_state_text(play_flow()->state)) != 0)
            wrong("state is %s", play_flow() ? flow_state_text(play_flow()->state) : "closed");
    } else if (strcmp(verb, "heads-refused") == 0) {
        if (play.stats.heads_refused != strtoul(rest, NULL, 10))
            wrong("%llu heads were refused", (unsigned long long)play.stats.heads_refused);
    } else if (strcmp(verb, "tls-count") == 0) {
        tls_count(rest);
    } else if (strcmp(verb, "no-dial") == 0) {
        if (play.dialling)
            wrong("a dial to %s is under way", play.dial_target);
    } else if (strcmp(verb, "cancelled") == 0) {
        if (!play.cancelled)
            wrong("the dial was not cancelled");
    } else {
        return capture_line(verb, rest);
    }
    return true;
}

static bool setting_line(const char *verb, char *rest)
{
    if (strcmp(verb, "mode") == 0)
        play_mode(rest);
    else if (strcmp(verb, "target") == 0)
        play_target(rest);
    else if (strcmp(verb, "limit") == 0)
        limit(rest);
    else if (strcmp(verb, "head-max") == 0)
        play.listener.front_conf.head_max = strtoul(rest, NULL, 10);
    else if (strcmp(verb, "redact") == 0)
        play_redact(rest);
    else if (strcmp(verb, "block") == 0)
        block(rest);
    else if (strcmp(verb, "whole") == 0)
        play.whole = true;
    else if (strcmp(verb, "tls") == 0 && !play.listener.secure)
        tls_play_begin(rest);
    else if (strcmp(verb, "again") == 0)
        play_again();
    else
        return false;
    return true;
}

static void play_line(char *line)
{
    play.later = strncmp(line, "later ", 6) == 0;
    if (play.later)
        line += 6;
    raw = strncmp(line, "raw ", 4) == 0;
    if (raw)
        line += 4;
    char *rest = strchr(line, ' ');
    if (rest) {
        *rest++ = 0;
        rest += strspn(rest, " ");
    } else {
        rest = line + strlen(line);
    }
    size_t n = strlen(line);
    bool speech = strcmp(line, "client>") == 0 || strcmp(line, "server>") == 0;
    bool heard = strcmp(line, "client<") == 0 || strcmp(line, "server<") == 0;
    bool peer = strcmp(line, "client") == 0 || strcmp(line, "server") == 0;
    if (speech || heard)
        line[n - 1] = 0;
    if (speech) {
        says(line, rest);
        if (!play.later)
            play_settle();
    } else if (heard)
        hears(line, rest);
    else if (peer && strncmp(rest, "window ", 7) == 0)
        window(line, rest + 7);
    else if (peer && strcmp(rest, "gone") == 0 && peer_named(line))
        peer_named(line)->gone = true;
    else if (peer && strncmp(rest, "tls", 3) == 0)
        speak_tls(line, rest + 3);
    else if (peer && strncmp(rest, "is ", 3) == 0)
        is(line, rest + 3);
    else if (strcmp(line, "dial") == 0)
        dial(rest);
    else if (strcmp(line, "next-dial") == 0)
        next_dial(rest);
    else if (strcmp(line, "wait") == 0)
        wait(rest);
    else if (strcmp(line, "drain") == 0)
        drain();
    else if (strcmp(line, "end") == 0)
        end();
    else if (!setting_line(line, rest) && !check_line(line, rest))
        wrong("no such line: %s", line);
}

static void play_file(FILE *file)
{
    char line[LINE_MAX_BYTES];
    rewind(file);
    while (fgets(line, sizeof line, file)) {
        play.line++;
        line[strcspn(line, "\n")] = 0;
        char *begun = line + strspn(line, " ");
        if (*begun && *begun != '#')
            play_line(begun);
    }
}

// One performance; how: what is told when it goes wrong.
static bool perform(const char *path, FILE *file, size_t chunk, const char *how, bool *whole,
                    bool *tls)
{
    fake_io_chunk(chunk);
    if (play_set_up(path) == 0)
        play_file(file);
    *whole = play.whole;
    *tls = play.listener.secure != SECURE_NEVER;
    play_tear_down();
    if (play.failures)
        fprintf(stderr, "%s: played %s\n", path, how);
    return play.failures == 0;
}

// all: also that which OpenSSL has, of which there is so much that only some are tried.
static bool perform_without_memory(const char *path, FILE *file, bool all)
{
    bool failed = true;
    long n = 0, step = 1, first = 0;
    if (all) {
        tls_play_all_memory(true);
        alloc_fail_at(LONG_MAX);
        if (play_set_up(path) == 0)
            play_file(file);
        play_tear_down();
        n = alloc_count();
        (void)alloc_fail_end();
        step = n / TRIED + 1;
        const char *name = strrchr(path, '/');
        for (const char *p = name ? name : path; *p; p++)
            first = (first * 31 + *p) % step; // others in each script
    }
    for (long i = first; failed; i += step) {
        fake_io_chunk(0);
        alloc_fail_at(i);
        int e = play_set_up(path);
        play.lenient = true;
        if (e == 0)
            play_file(file);
        play_tear_down();
        failed = alloc_fail_end();
        if (play.failures)
            fprintf(stderr, "%s: played without memory at allocation %ld\n", path, i);
        if (play.failures)
            break;
    }
    tls_play_all_memory(false);
    return play.failures == 0;
}

int main(int argc, char **argv)
{
    bool whole = false, tls = false;
    FILE *file = argc == 2 ? fopen(argv[1], "r") : NULL;
    if (!file) {
        fprintf(stderr, "usage: runner FILE.flow\n");
        return 2;
    }
    log_init("runner");
    log_set_level(LOG_ERROR);
    tls_play_memory();
    bool good = perform(argv[1], file, 0, "as it is", &whole, &tls);
    if (good && !whole)
        good = perform(argv[1], file, 1, "byte by byte", &whole, &tls) &&
               perform(argv[1], file, 7, "in odd pieces", &whole, &tls);
    if (good)
        good = perform_without_memory(argv[1], file, false);
    if (good && tls)
        good = perform_without_memory(argv[1], file, true);
    fclose(file);
    tls_play_clear();
    return good ? 0 : 1;
}
