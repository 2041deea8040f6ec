// verify: proves that a capture is complete, or says what is not.
//
// The proof is store_verify()'s; this file adds up files, and tells.
#include "proto/base/clamp.h"
#include "schema/identity.h"
#include "tools/capture.h"
#include "tools/commands.h"
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/progress.h"
#include "tools/term.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

// This command's own meaning of exit codes.
enum { COMPLETE = 0, LOSSES = 1, BROKEN = 2 };

static const struct option_def options[] = {
    {.name = "json",
     .type = OPT_FLAG,
     .sentence = "One JSON object: sums, verdict and every finding.",
     .programs = CLI_PROGRAM},
    {.name = "limit",
     .type = OPT_NUMBER,
     .initial = "100",
     .min = 0,
     .max = 1000000000,
     .unit = "N",
     .sentence = "Print at most so many findings; the verdict is of all.",
     .programs = CLI_PROGRAM},
    {.name = "quiet",
     .type = OPT_FLAG,
     .sentence = "Print nothing; the exit code tells.",
     .programs = CLI_PROGRAM},
    CLI_OPTIONS_END,
};

static const struct cli_rule rules[] = {
    {"json", CLI_EXCLUDES, "quiet"},
    {"quiet", CLI_EXCLUDES, "limit"},
    {.option = NULL},
};

static const struct {
    const char *name;
    enum style style;
} kinds[] = {
    [VERIFY_DAMAGE] = {"damage", STYLE_BAD}, [VERIFY_HOLE] = {"hole", STYLE_BAD},
    [VERIFY_LEDGER] = {"ledger", STYLE_BAD}, [VERIFY_LOSS] = {"loss", STYLE_WARN},
    [VERIFY_CUT] = {"cut", STYLE_NOTE},      [VERIFY_NOTE] = {"note", STYLE_DIM},
};
#define KINDS (sizeof kinds / sizeof *kinds)

struct verify {
    struct term term;
    bool json, quiet, several, folder; // several files; a folder of them
    int64_t limit, printed, found[KINDS];
    int64_t unread; // files that another version made
    struct verify_sums sums;
    int64_t streams_before; // of the captures before the one at hand
    size_t run;             // files before the one at hand, with none missing between them
    const char *path;
    struct progress progress;
    struct jsonw w;
};

static void tell(struct verify *v, enum verify_finding what, const char *place,
                 const char *sentence)
{
    v->found[what]++;
    if (v->quiet || v->printed == v->limit)
        return;
    v->printed++;
    progress_hide();
    if (v->json) {
        jsonw_object(&v->w, NULL);
        jsonw_string(&v->w, "kind", kinds[what].name);
        jsonw_string(&v->w, "file", v->path);
        jsonw_string(&v->w, "place", place);
        jsonw_string(&v->w, "sentence", sentence);
        jsonw_object_end(&v->w);
        return;
    }
    term_on(&v->term, kinds[what].style);
    fputs(kinds[what].name, stdout);
    term_off(&v->term, kinds[what].style);
    fputs(": ", stdout);
    if (v->several) {
        term_text(&v->term, view_of(v->path), false, 0);
        fputs(": ", stdout);
    }
    if (*place) {
        term_text(&v->term, view_of(place), false, 0);
        fputs(": ", stdout);
    }
    term_text(&v->term, view_of(sentence), false, 0);
    putchar('\n');
}

static void found(void *arg, enum verify_finding what, const char *place, const char *sentence)
{
    tell(arg, what, place, sentence);
}

static void progress(void *arg, int permille)
{
    struct verify *v = arg;
    progress_permille(&v->progress, permille);
}

static void add(struct verify_sums *to, const struct verify_sums *s)
{
    to->streams = s->streams > to->streams ? s->streams : to->streams;
    to->flows += s->flows;
    to->flows_open += s->flows_open;
    to->flows_cut += s->flows_cut;
    to->flows_opened += s->flows_opened;
    to->streams_cut += s->streams_cut;
    to->transactions += s->transactions;
    to->parts += s->parts;
    to->bodies += s->bodies;
    for (int d = 0; d < 2; d++) {
        to->relayed[d] = clamp_add(to->relayed[d], s->relayed[d]);
        to->stored[d] = clamp_add(to->stored[d], s->stored[d]);
        to->omitted[d] = clamp_add(to->omitted[d], s->omitted[d]);
        to->lost[d] = clamp_add(to->lost[d], s->lost[d]);
    }
    to->lost_transactions = clamp_add(to->lost_transactions, s->lost_transactions);
    to->lost_flows = clamp_add(to->lost_flows, s->lost_flows);
    to->unbalanced += s->unbalanced;
    for (int d = 0; d < 2; d++)
        to->before[d] = clamp_add(to->before[d], s->before[d]);
    to->begun += s->begun;
    to->filtered = clamp_add(to->filtered, s->filtered);
    to->holes = clamp_add(to->holes, s->holes);
    to->damages += s->damages;
}

// NULL, and told, when it cannot be opened.
static struct store *open_file(struct verify *v, const char *path)
{
    char why[WHY_MAX];
    struct store *s = NULL;
    v->path = path;
    int e = store_open(&s, path, STORE_READ, why);
    if (e == E_VERSION) { // nothing is known of it, damage neither
        v->unread++;
        tell(v, VERIFY_NOTE, "", why);
    } else if (e) {
        if (v->several && access(path, F_OK) != 0 && errno == ENOENT)
            tell(v, VERIFY_NOTE, "", "was deleted since the folder was listed, as retention does");
        else
            tell(v, VERIFY_DAMAGE, "", why);
    }
    return s;
}

// Whether later is the next file of earlier's capture.
static bool is_next(struct store *earlier, struct store *later)
{
    struct store_identity a, b;
    return store_identity(earlier, &a) == 0 && store_identity(later, &b) == 0 &&
           memcmp(a.name, b.name, sizeof a.name) == 0 && a.number < INT64_MAX &&
           b.number == a.number + 1;
}

// File i of a list, and its seam with the one before, which is closed: s comes in its place.
static void verify_file(struct verify *v, const struct capture *c, size_t i, struct store *s,
                        bool follows, struct store **before)
{
    struct verify_sums sums = {0};
    int64_t flows = 0;
    v->path = c->paths[i];
    v->run = s && *before && is_next(*before, s) ? v->run + 1 : 0;
    if (v->run > i) // the list is younger: some are gone
        v->run = i;
    if (s)
        store_set_earlier(s, c->paths + i - v->run, v->run);
    if (s && store_verify(s, &sums, found, progress, v))
        tell(v, VERIFY_DAMAGE, "", store_why(s));
    progress_hide();
    if (*before && s && follows && store_verify_seam(*before, s, &flows, found, v))
        tell(v, VERIFY_DAMAGE, "", store_why(*before));
    sums.flows -= flows; // they are counted in the file before
    sums.flows_open -= flows;
    // All files of a capture have its streams; another capture has others.
    if (!follows)
        v->streams_before = v->sums.streams;
    sums.streams += v->streams_before;
    add(&v->sums, &sums);
    store_close(*before);
    *before = s;
}

// Under whatever inode: one that was sealed meanwhile may have been packed as well.
static bool stands_at(struct store *s, const char *path)
{
    struct stat st;
    struct store_identity own, there;
    char why[WHY_MAX];
    if (stat(path, &st) != 0)
        return false;
    return store_is(s, &st) ||
           (store_identity(s, &own) == 0 && store_identity_read(path, &there, why) == 0 &&
            own.number == there.number && memcmp(own.name, there.name, sizeof own.name) == 0);
}

// Those that were sealed since the folder was listed: between the file listed before number i, and
// live, which stood under i's name when it was opened. now: all files of its capture, none where
// they cannot be listed; live is number *at of them.
static void verify_sealed_since(struct verify *v, const struct capture *c, size_t i,
                                struct store *live, struct store **before, struct capture *now,
                                size_t *at)
{
    size_t from = 0, k;
    if (capture_siblings(now, c->paths[i]) != CLI_OK)
        return;
    for (k = 0; i > 0 && k < now->n; k++)
        if (strcmp(now->paths[k], c->paths[i - 1]) == 0)
            from = k + 1;
    for (k = from; k + 1 < now->n && !stands_at(live, now->paths[k]); k++)
        verify_file(v, now, k, open_file(v, now->paths[k]), capture_follows(now, k), before);
    *at = k;
}

static void verify_all(struct verify *v, const struct capture *c)
{
    struct store *before = NULL;
    for (size_t i = 0; i < c->n; i++) {
        struct capture now = {0};
        size_t at = 0;
        struct store *s = open_file(v, c->paths[i]);
        bool last = i + 1 == c->n || !capture_follows(c, i + 1), alone = !before;
        if (s && c->folder && last)
            verify_sealed_since(v, c, i, s, &before, &now, &at);
        bool follows = capture_follows(c, i) || (alone && before);
        if (at < now.n)
            verify_file(v, &now, at, s, follows, &before);
        else
            verify_file(v, c, i, s, follows, &before);
        if (s)
            store_set_earlier(s, NULL, 0);
        capture_clear(&now);
    }
    store_close(before);
}

static bool is_broken(const struct verify *v)
{
    return v->found[VERIFY_DAMAGE] || v->found[VERIFY_HOLE] || v->found[VERIFY_LEDGER] ||
           v->sums.holes || v->sums.damages || v->sums.unbalanced;
}

static int verdict(const struct verify *v)
{
    if (is_broken(v) || v->unread)
        return BROKEN;
    bool lost =
        v->found[VERIFY_LOSS] || v->sums.lost_transactions || v->sums.lost[0] || v->sums.lost[1];
    return lost ? LOSSES : COMPLETE;
}

// ---- output

static void line(const char *name)
{
    printf("%-18s", name);
}

// Where that is which the files at hand do not have.
static const char *elsewhere(const struct verify *v)
{
    return v->folder ? "files that are gone" : "earlier files";
}

static void print_direction(const struct verify *v, const char *name, int d)
{
    char a[FIELDS_COUNT], b[FIELDS_COUNT], c[FIELDS_COUNT], e[FIELDS_COUNT];
    const struct verify_sums *s = &v->sums;
    bool even = s->relayed[d] == clamp_add(clamp_add(s->stored[d], s->omitted[d]), s->lost[d]);
    line(name);
    printf("%s bytes relayed %s %s stored + %s left out + %s lost", fields_count(s->relayed[d], a),
           even ? "=" : "!=", fields_count(clamp_sub(s->stored[d], s->before[d]), b),
           fields_count(s->omitted[d], c), fields_count(s->lost[d], e));
    if (s->before[d])
        printf(" + %s in %s", fields_count(s->before[d], a), elsewhere(v));
    putchar('\n');
}

static void print_begun(const struct verify *v)
{
    char a[FIELDS_COUNT];
    if (!v->sums.begun)
        return;
    line("content");
    printf("%s %s in %s\n", fields_count(v->sums.begun, a),
           v->sums.begun == 1 ? "body that ends here began" : "bodies that end here began",
           elsewhere(v));
}

static void print(const struct verify *v, int code)
{
    static const char *const words[] = {"complete", "losses declared", "holes or damage"};
    static const enum style styles[] = {STYLE_GOOD, STYLE_WARN, STYLE_BAD};
    char a[FIELDS_COUNT], b[FIELDS_COUNT];
    const struct verify_sums *s = &v->sums;
    int64_t all = 0;
    for (size_t i = 0; i < KINDS; i++)
        all += v->found[i];
    if (all > v->printed)
        printf("… and %s findings more\n", fields_count(all - v->printed, a));
    line("transactions");
    printf("%s of %s", fields_count(s->transactions, a),
           fields_count(clamp_add(s->transactions, s->lost_transactions), b));
    if (s->holes)
        printf(" known; %s records are missing", fields_count(s->holes, a));
    if (s->filtered)
        printf("; %s more left out by the capture filter", fields_count(s->filtered, a));
    putchar('\n');
    line("flows");
    printf("%s ended", fields_count(s->flows - s->flows_open - s->flows_cut, a));
    if (s->flows_open)
        printf(", %s open", fields_count(s->flows_open, a));
    if (s->lost_flows)
        printf(", %s lost whole", fields_count(s->lost_flows, a));
    if (s->flows_cut)
        printf(", %s cut by the death of the proxy", fields_count(s->flows_cut, a));
    putchar('\n');
    print_direction(v, "client to server", 0);
    print_direction(v, "server to client", 1);
    print_begun(v);
    if (s->flows_opened) {
        line("tls");
        printf("was opened in %s flow%s: the bytes of those are of the content, without TLS's "
               "own\n",
               fields_count(s->flows_opened, a), s->flows_opened == 1 ? "" : "s");
    }
    line("verdict");
    term_on(&v->term, styles[code]);
    fputs(code == BROKEN && !is_broken(v) ? "not known: made by another version" : words[code],
          stdout);
    term_off(&v->term, styles[code]);
    if (code != BROKEN && (s->begun || s->before[0] || s->before[1]))
        printf(", but for what is in %s", elsewhere(v));
    putchar('\n');
}

static void json_sums(struct jsonw *w, const struct verify_sums *s)
{
    static const char *const sides[] = {"c2s", "s2c"};
    jsonw_int(w, "transactions", s->transactions);
    jsonw_int(w, "lost_transactions", s->lost_transactions);
    jsonw_int(w, "lost_flows", s->lost_flows);
    jsonw_int(w, "filtered", s->filtered);
    jsonw_int(w, "streams", s->streams);
    jsonw_int(w, "streams_cut", s->streams_cut);
    jsonw_int(w, "flows", s->flows);
    jsonw_int(w, "flows_open", s->flows_open);
    jsonw_int(w, "flows_cut", s->flows_cut);
    jsonw_int(w, "flows_opened", s->flows_opened);
    jsonw_int(w, "parts", s->parts);
    jsonw_int(w, "bodies", s->bodies);
    jsonw_int(w, "bodies_begun_earlier", s->begun);
    jsonw_int(w, "holes", s->holes);
    jsonw_int(w, "damages", s->damages);
    jsonw_int(w, "unbalanced", s->unbalanced);
    for (int d = 0; d < 2; d++) {
        jsonw_object(w, sides[d]);
        jsonw_int(w, "relayed", s->relayed[d]);
        jsonw_int(w, "stored", clamp_sub(s->stored[d], s->before[d]));
        jsonw_int(w, "in_earlier_files", s->before[d]);
        jsonw_int(w, "left_out", s->omitted[d]);
        jsonw_int(w, "lost", s->lost[d]);
        jsonw_object_end(w);
    }
}

static void print_json(struct verify *v, int code)
{
    static const char *const words[] = {"complete", "losses", "broken"};
    jsonw_array_end(&v->w);
    jsonw_object(&v->w, "found");
    for (size_t i = 0; i < KINDS; i++)
        jsonw_int(&v->w, kinds[i].name, v->found[i]);
    jsonw_object_end(&v->w);
    json_sums(&v->w, &v->sums);
    jsonw_string(&v->w, "verdict", code == BROKEN && !is_broken(v) ? "unread" : words[code]);
    jsonw_object_end(&v->w);
    putchar('\n');
}

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    struct verify v = {.json = options_flag(o, "json"),
                       .quiet = options_flag(o, "quiet"),
                       .limit = options_number(o, "limit")};
    struct capture capture;
    if (argc > 1)
        return cli_usage(c, "one capture only, not '%s' as well", argv[1]);
    term_init(&v.term, stdout, o);
    progress_init(&v.progress, "verifying", NULL);
    if (capture_find(&capture, argc ? argv[0] : NULL) != CLI_OK) {
        capture_clear(&capture);
        return BROKEN;
    }
    v.several = capture.n > 1;
    v.folder = capture.folder;
    jsonw_init(&v.w, stdout);
    if (v.json) {
        v.w.lines = 2;
        jsonw_object(&v.w, NULL);
        jsonw_array(&v.w, "findings");
    }
    verify_all(&v, &capture);
    int code = verdict(&v);
    if (v.json)
        print_json(&v, code);
    else if (!v.quiet)
        print(&v, code);
    capture_clear(&capture);
    return code;
}

const struct command command_verify = {
    .name = "verify",
    .sentence = "prove that a capture is complete, or say what is not",
    .operands = "[CAPTURE]",
    .example = "tapedeck verify\n"
               "tapedeck verify captures/ --json | jq .verdict\n"
               "tapedeck verify --quiet capture.db || echo 'not complete'",
    .text = "Recomputes every sum from the rows: each row's checksum, each body's digest, the "
            "numbers of each stream, and for each connection that the bytes relayed are the bytes "
            "stored, left out by a rule, or declared lost. Where TLS was opened, these are the "
            "bytes of its content.\n"
            "Exit code 0: complete. 1: losses are declared. 2: there are holes or damage, or the "
            "capture cannot be read, for damage or because another version made it. Connections "
            "that were cut by the death of the proxy are told; "
            "they are no loss by themselves. Nor is what was in files that are gone from the front "
            "of the capture, as keep-files and the like delete them: it is told, and not counted "
            "as stored.",
    .options = options,
    .rules = rules,
    .failed = BROKEN,
    .run = run,
};
