// curl: each request as a command for a shell (POSIX sh).
//
// 1. Every byte of the capture stands in single quotes, or in base64: the shell reads none of it as
//    its own.
// 2. The request that curl sends has the fields of the recorded one and no others: those that curl
//    would add by itself are taken away; those that it must make itself (Content-Length) it makes.
#include "tools/body.h"
#include "tools/commands.h"
#include "tools/export/export.h"
#include "tools/fields.h"
#include "tools/head.h"
#include "tools/quote.h"

#include <ctype.h>

#define INLINE_MAX (48u << 10) // of a text body; an argument may have 128 KiB

static const struct option_def options[] = {
    EXPORT_OUT,
    EXPORT_OPTIONS,
    CLI_OPTIONS_END,
};

static void argument(FILE *out, const char *option, struct view a, const char *between,
                     struct view b)
{
    fprintf(out, " \\\n  %s '", option);
    quote_sh_inside(out, a);
    fputs_unlocked(between, out);
    quote_sh_inside(out, b);
    putc_unlocked('\'', out);
}

// Fields that curl makes itself, or that would make it speak another way.
static bool is_curls(struct view name)
{
    static const char *const names[] = {"content-length", "host", "expect", "proxy-connection",
                                        "proxy-authorization"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (view_ieq(name, view_of(names[i])))
            return true;
    return false;
}

// "@name" would be a file to curl.
static bool is_token(struct view name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) &&
            (!name.p[i] || !strchr("!#$%&'*+-.^_`|~", name.p[i])))
            return false;
    return name.n > 0;
}

// A value with a NUL cannot be an argument of any program.
static bool can_be_argument(struct view v)
{
    return v.n == 0 || !memchr(v.p, 0, v.n);
}

static bool can_be_sent(const struct head_field *f)
{
    return is_token(f->name) && can_be_argument(f->value) && can_be_argument(f->folds);
}

static void header(FILE *out, struct head_field *f)
{
    struct view part;
    // "Name;" is how curl is told to send a field without a value.
    fputs_unlocked(" \\\n  -H '", out);
    quote_sh_inside(out, f->name);
    fputs_unlocked(f->value.n || f->folds.n ? ": " : ";", out);
    quote_sh_inside(out, f->value);
    for (bool first = f->value.n == 0; head_fold(&f->folds, &part); first = false) {
        if (!first)
            putc_unlocked(' ', out);
        quote_sh_inside(out, part);
    }
    putc_unlocked('\'', out);
}

static void headers(FILE *out, struct view head, bool body)
{
    struct view rest;
    struct head_field f;
    head_first(head, &rest);
    while (head_next(&rest, &f))
        if (can_be_sent(&f) && !is_curls(f.name))
            header(out, &f);
    if (!head_get(head, "user-agent").p)
        fputs_unlocked(" \\\n  -H 'User-Agent:'", out);
    if (!head_get(head, "accept").p)
        fputs_unlocked(" \\\n  -H 'Accept:'", out);
    if (body && !head_get(head, "content-type").p)
        fputs_unlocked(" \\\n  -H 'Content-Type:'", out);
    if (body)
        fputs_unlocked(" \\\n  -H 'Expect:'", out);
    if (head_get(head, "accept-encoding").p)
        fputs_unlocked(" \\\n  --compressed", out);
}

static int to_base64(void *arg, struct view piece)
{
    base64_add(arg, piece);
    return 0;
}

// Whether curl sends these bytes of a URL as they are: it cuts at '#', and refuses what is not
// printable.
static bool is_plain(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (v.p[i] <= ' ' || v.p[i] > '~' || v.p[i] == '#')
            return false;
    return true;
}

// "http://host/path?query" as curl takes it; the Host field where it says something else.
static void url(FILE *out, const struct store_query *q, struct view head)
{
    struct view host = store_bytes(q, FIELD_HOST), scheme = store_bytes(q, FIELD_SCHEME);
    struct view path = store_bytes(q, FIELD_PATH), query = store_bytes(q, FIELD_QUERY);
    struct view named = head_get(head, "host");
    const char *mark = query.n ? "?" : "";
    bool http = view_eq(scheme, VIEW_LIT("http")) || view_eq(scheme, VIEW_LIT("https"));
    bool plain = http && path.n > 0 && path.p[0] == '/' && is_plain(path) && is_plain(query);
    fputs_unlocked(" \\\n  '", out);
    if (plain) {
        quote_sh_inside(out, store_bytes(q, FIELD_URL));
        putc_unlocked('\'', out);
    } else {
        fputs_unlocked(view_eq(scheme, VIEW_LIT("https")) ? "https://" : "http://", out);
        quote_sh_inside(out, host);
        fputs_unlocked("/'", out);
        if (path.n > 0)
            argument(out, "--request-target", path, mark, query);
    }
    if (!named.p)
        fputs_unlocked(" \\\n  -H 'Host:'", out);
    else if (!view_ieq(named, host))
        argument(out, "-H", VIEW_LIT("Host"), ": ", named);
}

static int64_t count_unsendable(struct view head)
{
    struct view rest;
    struct head_field f;
    int64_t n = 0;
    head_first(head, &rest);
    while (head_next(&rest, &f))
        n += !can_be_sent(&f);
    return n;
}

static void comment(FILE *out, const struct store_query *q, const struct heads *heads,
                    const struct body *b)
{
    char id[FIELDS_ID], took[FIELDS_SHORT];
    struct term plain = {.out = out};
    fprintf(out, "# %s  ", fields_id(store_int(q, FIELD_ID), id));
    term_text(&plain, store_bytes(q, FIELD_TIME), false, 0);
    fputs_unlocked("  ", out);
    if (store_int(q, FIELD_STATUS))
        fprintf(out, "answered %lld in %s\n", (long long)store_int(q, FIELD_STATUS),
                fields_duration(store_int(q, FIELD_DURATION), took));
    else
        fputs_unlocked("not answered\n", out);
    if (heads->redacted.n > 0) {
        fputs_unlocked("# redacted: ", out);
        term_text(&plain, heads->redacted, false, 0);
        putc_unlocked('\n', out);
    }
    if (b->note[0])
        fprintf(out, "# the body: %s\n", b->note);
    int64_t lines = count_unsendable(heads->req);
    if (lines)
        fprintf(out, "# not sent: lines of the head that are no fields for curl: %lld\n",
                (long long)lines);
}

static void row(struct export *x)
{
    const struct store_query *q = rows_row(x->rows);
    FILE *out = x->out;
    struct view method = store_bytes(q, FIELD_METHOD);
    if (!export_is_http(x))
        return;
    if (x->heads.req.n == 0 || !is_token(method) || view_eq(method, VIEW_LIT("CONNECT")) ||
        !can_be_argument(store_bytes(q, FIELD_URL))) {
        x->left_out++;
        return;
    }
    struct body b;
    body_init(&b, rows_store(x->rows), store_int(q, STORE_REQ_BODY), store_int(q, FIELD_REQ_SIZE),
              store_int(q, STORE_REQ_STORED), (struct view){0});
    body_look(&b, false, 0);
    // Content of no length is sent as such where the request says that it has some.
    bool head_only = view_eq(method, VIEW_LIT("HEAD")) && b.length == 0;
    bool has_body = b.length > 0 || (!head_only && (head_get(x->heads.req, "content-length").p ||
                                                    head_get(x->heads.req, "transfer-encoding").p));
    bool plain = has_body && b.whole && b.text && b.length <= INLINE_MAX &&
                 can_be_argument(buf_view(&b.held));
    if (x->given > 1)
        putc_unlocked('\n', out);
    comment(out, q, &x->heads, &b);
    if (has_body && !plain)
        fputs_unlocked("base64 -d <<'END' |\n", out);
    if (has_body && !plain) {
        struct base64 encoder = {.out = out, .wrap = 76};
        body_give(&b, to_base64, &encoder);
        base64_end(&encoder);
        fputs_unlocked("END\n", out);
    }
    fputs_unlocked("curl -sS -g --path-as-is", out);
    if (view_eq(store_bytes(q, FIELD_VERSION), VIEW_LIT("1.0")))
        fputs_unlocked(" --http1.0", out);
    else
        fputs_unlocked(" --http1.1", out);
    if (head_only)
        fputs_unlocked(" --head", out);
    else if (!view_eq(method, has_body ? VIEW_LIT("POST") : VIEW_LIT("GET")))
        argument(out, "-X", method, "", (struct view){0});
    url(out, q, x->heads.req);
    headers(out, x->heads.req, has_body);
    if (plain)
        argument(out, "--data-raw", buf_view(&b.held), "", (struct view){0});
    else if (has_body)
        fputs_unlocked(" \\\n  --data-binary @-", out);
    putc_unlocked('\n', out);
    body_clear(&b);
}

static const struct format curl = {
    .left_out = "transactions without a request that curl could send are",
    .row = row,
};

static int run(const struct command *c, struct options *o, int argc, char **argv)
{
    (void)c;
    return export_run(&curl, o, argc, argv);
}

const struct command command_export_curl = {
    .name = "export curl",
    .sentence = "write each request as a curl command",
    .operands = "[CAPTURE] [FILTER]",
    .example = "tapedeck export curl 'status >= 500' -n 1\n"
               "tapedeck export curl 'id = 1099511627833' | sh",
    .text = "The commands are for any POSIX shell. They send the recorded fields and no others; "
            "what was redacted is redacted here too, and named in a comment. A body that is not "
            "text, or long, travels as base64.",
    .options = options,
    .run = run,
};
