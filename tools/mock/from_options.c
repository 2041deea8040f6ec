// from_options: see from_options.h.
#include "tools/mock/from_options.h"

#include "proto/base/clock.h"
#include "proto/base/whole_file.h"
#include "proto/filter.h"
#include "tools/compare/rules.h"
#include "tools/mock/match.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

// "none", "recorded", "x10", "x0.5".
static int take_speed(const char *text, double *out, char why[WHY_MAX])
{
    char *end = NULL;
    *out = strcmp(text, "recorded") == 0 ? 1 : 0;
    if (*out > 0 || strcmp(text, "none") == 0)
        return 0;
    bool digits = text[0] == 'x' && text[1] && strspn(text + 1, "0123456789.") == strlen(text + 1);
    if (digits)
        *out = strtod(text + 1, &end);
    if (digits && !*end && *out > 0 && *out <= FROM_OPTIONS_SPEED_MAX)
        return 0;
    snprintf(why, WHY_MAX,
             "timing: \"%s\" is not none, recorded or a factor above 0 and up to 1000000, such as "
             "x10 or x0.5",
             text);
    return E_SYNTAX;
}

static int take_tapes(struct from_options *c, const struct options *o, char why[WHY_MAX])
{
    size_t n = options_count(o, "tape");
    struct stat st;
    if (n == 0) {
        snprintf(why, WHY_MAX, "tape: which capture is to answer?");
        return E_SYNTAX;
    }
    c->tapes = calloc(n, sizeof *c->tapes);
    if (!c->tapes)
        return err_no_memory(why, WHY_MAX);
    c->mock.captures = c->tapes;
    c->mock.count = n;
    for (size_t i = 0; i < n; i++) {
        const char *path = options_nth(o, "tape", i);
        if (!(c->tapes[i] = strdup(path)))
            return err_no_memory(why, WHY_MAX);
        if (stat(path, &st) == 0)
            continue;
        snprintf(why, WHY_MAX, "tape: %.300s: %s", path, strerror(errno));
        return E_NOTFOUND;
    }
    return 0;
}

static int take_headers(struct from_options *c, const struct options *o, char why[WHY_MAX])
{
    size_t n = options_count(o, "match-header");
    if (n > MATCH_HEADERS_MAX) {
        snprintf(why, WHY_MAX, "match-header: given %zu times; at most %d", n, MATCH_HEADERS_MAX);
        return E_LIMIT;
    }
    c->headers = calloc(n + 1, sizeof *c->headers);
    if (!c->headers)
        return err_no_memory(why, WHY_MAX);
    for (size_t i = 0; i < n; i++) {
        c->headers[i] = options_nth(o, "match-header", i);
        if (http_token_run(view_of(c->headers[i])) == strlen(c->headers[i]))
            continue;
        snprintf(why, WHY_MAX, "match-header: \"%s\" is no header's name", c->headers[i]);
        return E_SYNTAX;
    }
    c->mock.headers = c->headers;
    c->mock.header_count = n;
    return 0;
}

static int check_filter(const char *text, char why[WHY_MAX])
{
    struct filter *f = NULL;
    size_t column = 0;
    char sentence[WHY_MAX];
    int e = text ? filter_parse(view_of(text), clock_wall_us(), &f, &column, sentence) : 0;
    if (e)
        snprintf(why, WHY_MAX, "tape-filter: column %zu: %.400s", column + 1, sentence);
    filter_free(f);
    return e;
}

static int check_rules(const char *path, char why[WHY_MAX])
{
    struct rules rules = {0};
    struct buf text;
    buf_init(&text, RULES_TEXT_MAX);
    int e = path ? whole_file_read(path, RULES_TEXT_MAX, &text, why) : 0;
    if (path && !e)
        e = rules_parse(&rules, path, buf_view(&text), why);
    rules_clear(&rules);
    buf_clear(&text);
    return e;
}

// The number of a word among those of a choice, in the order of its enum.
static int nth(const char *word, const char *const *words)
{
    int i = 0;
    while (strcmp(word, words[i]) != 0)
        i++;
    return i;
}

int from_options(struct from_options *out, const struct options *o, char why[WHY_MAX])
{
    static const char *const misses[] = {"fail", "passthrough", "record"};
    static const char *const repeats[] = {"last", "cycle", "fail"};
    *out = (struct from_options){0};
    struct mock_conf *m = &out->mock;
    const char *answers = options_text(o, "answers"), *host = options_text(o, "match-host");
    m->filter = options_text(o, "tape-filter");
    m->rules = options_text(o, "match-rules");
    m->any_host =
        strcmp(host, "no") == 0 ||
        (strcmp(host, "auto") == 0 && strcmp(options_text(o, "proxy-type"), "reverse") == 0);
    m->relay[INBOUND] = strcmp(answers, "outbound") == 0;
    m->relay[OUTBOUND] = strcmp(answers, "inbound") == 0;
    m->on_miss = (enum mock_on_miss)nth(options_text(o, "on-miss"), misses);
    m->repeat = (enum mock_repeat)nth(options_text(o, "repeat"), repeats);
    int e = take_speed(options_text(o, "timing"), &m->speed, why);
    e = e ? e : take_tapes(out, o, why);
    e = e ? e : take_headers(out, o, why);
    e = e ? e : check_filter(m->filter, why);
    return e ? e : check_rules(m->rules, why);
}

void from_options_clear(struct from_options *c)
{
    for (size_t i = 0; c->tapes && i < c->mock.count; i++)
        free(c->tapes[i]);
    free(c->tapes);
    free(c->headers);
    *c = (struct from_options){0};
}
