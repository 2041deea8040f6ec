// dialogue: see dialogue.h.
#include "tests/support/dialogue.h"

#include "tests/support/alloc.h"
#include "tests/support/hex.h"
#include "tests/support/tmp.h"

#include <ctype.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>

// cmocka.h wants these before it.
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define BYTES_MAX (4u << 20)
#define LOG_MAX   (4u << 20)
#define LONG      20000 // bytes; in a longer dialogue only CUTS_MAX places are tried
#define CUTS_MAX  150

static const struct flow_facts facts = {.front = "fixed", .requested = "", .target = "t:1"};

static void bad(const char *path, const char *line, const char *what)
{
    fprintf(stderr, "%s: %s: %.60s\n", path, what, line);
    abort();
}

void dialogue_init(struct dialogue *d)
{
    memset(d, 0, sizeof *d);
    snprintf(d->reason, sizeof d->reason, "done");
    guard_init(&d->guard, 512 * 1024);
    d->log = sink_log_new(LOG_MAX);
    d->env = (struct tap_env){
        .sink = sink_log_sink(d->log), .stats = &d->stats, .used = &d->used, .max = 1 << 20};
}

void dialogue_clear(struct dialogue *d)
{
    dialogue_forget(d);
    guard_free(&d->guard);
    sink_log_free(d->log);
    free(d->memory);
    free(d->expect);
}

void dialogue_forget(struct dialogue *d)
{
    d->count = d->bytes = 0;
    for (int dir = 0; dir < 2; dir++) {
        free(d->source[dir]);
        d->source[dir] = NULL;
    }
}

struct dialogue_step *dialogue_step(struct dialogue *d, int what, enum dir dir)
{
    if (d->count == DIALOGUE_STEPS)
        abort();
    struct dialogue_step *s = &d->steps[d->count++];
    *s = (struct dialogue_step){.what = what, .dir = dir};
    return s;
}

void dialogue_add(struct dialogue *d, enum dir dir, struct view bytes)
{
    dialogue_step(d, STEP_SAY, dir)->bytes = bytes;
    d->bytes += bytes.n;
}

// The bytes that text stands for, to out; how many.
static size_t unescape(const char *path, const char *text, char *out)
{
    size_t n = 0;
    for (const char *p = text; *p; p++) {
        if (*p != '\\') {
            out[n++] = *p;
            continue;
        }
        const char *from = "rnt\\", *at = strchr(from, *++p);
        if (*p == 'x' && isxdigit((unsigned char)p[1]) && isxdigit((unsigned char)p[2])) {
            char hex[3] = {p[1], p[2], 0};
            out[n++] = (char)strtol(hex, NULL, 16);
            p += 2;
        } else if (*p && at) {
            out[n++] = "\r\n\t\\"[at - from];
        } else {
            bad(path, text, "an unknown escape");
        }
    }
    return n;
}

static size_t from_file(const char *path, char *out)
{
    size_t n;
    unsigned char *p = hex_read(path, &n);
    memcpy(out, p, n);
    free(p);
    return n;
}

static void say(struct dialogue *d, const char *path, const char *line, int what, enum dir dir)
{
    const char *text = strchr(line, line[0] == 'c' ? '>' : '<') + 1;
    long times = 1;
    if (*text == '*') {
        char *behind;
        times = strtol(text + 1, &behind, 10);
        text = behind;
    }
    if ((*text != ' ' && *text != '@') || times < 1)
        bad(path, line, "a space is missing");
    char *at = d->memory + d->bytes;
    struct dialogue_step *s = dialogue_step(d, what, dir);
    size_t n = *text == '@' ? from_file(text + 1, at) : unescape(path, text + 1, at);
    if (d->bytes + n * (size_t)times > BYTES_MAX)
        bad(path, line, "too many bytes");
    for (long i = 1; i < times; i++)
        memcpy(at + n * (size_t)i, at, n);
    s->bytes = view_n(at, n * (size_t)times);
    d->bytes += s->bytes.n;
}

static const struct decoder_ops *decoder_named(const char *name)
{
    const struct decoder_ops *all[] = {&decoder_http1, &decoder_tls, &decoder_starttls,
                                       &decoder_raw};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

static void directive(struct dialogue *d, const char *path, const char *line)
{
    if (strncmp(line, "c>", 2) == 0)
        say(d, path, line, STEP_SAY, C2S);
    else if (strncmp(line, "s<", 2) == 0)
        say(d, path, line, STEP_SAY, S2C);
    else if (strncmp(line, "own<", 4) == 0)
        say(d, path, line, STEP_OWN, S2C);
    else if (strcmp(line, "c.") == 0 || strcmp(line, "s.") == 0)
        dialogue_step(d, STEP_END, line[0] == 'c' ? C2S : S2C);
    else if (strncmp(line, "close ", 6) == 0)
        snprintf(d->reason, sizeof d->reason, "%s", line + 6);
    else if (strncmp(line, "hint ", 5) == 0 && decoder_named(line + 5))
        d->hint = decoder_named(line + 5);
    else if (line[0] && line[0] != '#')
        bad(path, line, "not understood");
}

void dialogue_read(struct dialogue *d, const char *path)
{
    size_t n;
    dialogue_init(d);
    d->memory = malloc(BYTES_MAX);
    char *text = tmp_read(path, &n), *all = malloc(n + 1);
    if (!d->memory || !all)
        abort();
    memcpy(all, text, n);
    all[n] = '\0';
    free(text);
    char *line = all;
    while (line) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        if (strcmp(line, "expect") == 0) {
            d->expect = strdup(end ? end + 1 : "");
            break;
        }
        directive(d, path, line);
        line = end ? end + 1 : NULL;
    }
    free(all);
    if (!d->expect)
        bad(path, "", "no expectation");
}

// What passes in each direction. Once for all plays.
static void find_source(struct dialogue *d)
{
    struct view all[2];
    if (d->source[C2S])
        return;
    for (enum dir dir = C2S; dir <= S2C; dir++) {
        size_t n = 0, at = 0;
        for (size_t i = 0; i < d->count; i++)
            if (d->steps[i].dir == dir)
                n += d->steps[i].bytes.n;
        d->source[dir] = calloc(1, n + 1);
        if (!d->source[dir])
            abort();
        for (size_t i = 0; i < d->count; i++) {
            const struct dialogue_step *s = &d->steps[i];
            if (s->dir != dir)
                continue;
            if (s->bytes.n > 0)
                memcpy(d->source[dir] + at, s->bytes.p, s->bytes.n);
            at += s->bytes.n;
        }
        all[dir] = view_n(d->source[dir], n);
    }
    sink_log_source(d->log, all[C2S], all[S2C]);
}

void dialogue_play(struct dialogue *d, size_t cut, size_t size)
{
    find_source(d);
    struct tap t;
    int64_t now = 1000000;
    size_t at = 0; // bytes said so far
    sink_log_reset(d->log);
    tap_open(&t, &d->env, &facts, d->hint, now);
    for (size_t i = 0; i < d->count; i++) {
        const struct dialogue_step *s = &d->steps[i];
        struct view rest = s->bytes;
        if (s->what == STEP_END)
            tap_end(&t, s->dir, now += 1000);
        while (rest.n > 0) {
            size_t n = at < cut && cut - at < rest.n ? cut - at : rest.n;
            if (at >= cut && size > 0 && size < n)
                n = size;
            struct view piece = guard_fill(&d->guard, view_head(rest, n));
            now += 1000;
            if (s->what == STEP_OWN)
                tap_feed_own(&t, piece, now);
            else
                tap_feed(&t, s->dir, piece, now);
            rest = view_from(rest, n - t.unheard);
            at += n - t.unheard;
        }
    }
    tap_close(&t, d->reason, "", now + 1000);
}

bool dialogue_kept(const struct dialogue *d, const char *name)
{
    const char *broken = sink_log_wrong(d->log);
    if (broken)
        fprintf(stderr, "%s: %s\n", name, broken);
    if (d->used || d->stats.tap_bytes)
        fprintf(stderr, "%s: %zu bytes are still held\n", name, d->used);
    return !broken && d->used == 0 && d->stats.tap_bytes == 0;
}

static bool was_right(struct dialogue *d, const char *name, size_t cut, size_t size)
{
    const char *text = sink_log_text(d->log);
    if (!dialogue_kept(d, name))
        return false;
    if (d->expect && strcmp(text, d->expect) != 0) {
        size_t i = 0;
        while (text[i] && text[i] == d->expect[i])
            i++;
        fprintf(stderr, "%s (cut %zu, size %zu): differs at %zu\n--- expected\n%s--- heard\n%s",
                name, cut, size, i, d->expect, text);
        return false;
    }
    return true;
}

static bool try_one(struct dialogue *d, const char *name, size_t cut, size_t size)
{
    dialogue_play(d, cut, size);
    return was_right(d, name, cut, size);
}

bool dialogue_holds(struct dialogue *d, const char *name)
{
    if (!try_one(d, name, 0, 0))
        return false;
    if (!d->expect)
        d->expect = strdup(sink_log_text(d->log));
    size_t stride = d->bytes > LONG ? d->bytes / CUTS_MAX : 1;
    for (size_t cut = 1; cut < d->bytes; cut += stride)
        if (!try_one(d, name, cut, 0))
            return false;
    for (size_t size = 1; size < 64 && size < d->bytes; size++)
        if (!try_one(d, name, 0, size))
            return false;
    return true;
}

bool dialogue_survives(struct dialogue *d, const char *name)
{
    char *expect = d->expect;
    bool fine = true;
    d->expect = NULL;
    find_source(d);
    for (size_t size = 0; size < 32 && fine; size += 7) {
        for (long i = 0, failed = 1; failed && fine; i++) {
            alloc_fail_at(i);
            dialogue_play(d, 0, size);
            failed = alloc_fail_end();
            fine = was_right(d, name, 0, size);
        }
        alloc_fail_from(0);
        dialogue_play(d, 0, size);
        alloc_fail_end();
        fine = fine && was_right(d, name, 0, size);
    }
    d->expect = expect;
    return fine;
}

bool dialogue_each(const char *pattern, size_t least,
                   bool (*check)(struct dialogue *, const char *))
{
    glob_t found;
    size_t right = 0, count = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        count = found.gl_pathc;
    for (size_t i = 0; i < count; i++) {
        struct dialogue d;
        dialogue_read(&d, found.gl_pathv[i]);
        right += check(&d, found.gl_pathv[i]);
        dialogue_clear(&d);
    }
    globfree(&found);
    if (count < least)
        fprintf(stderr, "%s: %zu files\n", pattern, count);
    return right == count && count >= least;
}

int dialogue_print(int count, char **paths)
{
    for (int i = 0; i < count; i++) {
        struct dialogue d;
        dialogue_read(&d, paths[i]);
        dialogue_play(&d, 0, 0);
        printf("%s", sink_log_text(d.log));
        if (sink_log_wrong(d.log))
            printf("wrong: %s\n", sink_log_wrong(d.log));
        dialogue_clear(&d);
    }
    return 0;
}

struct files {
    const char *pattern;
    size_t least;
};

static void test_dialogues_in_every_cut(void **state)
{
    const struct files *f = *state;
    assert_true(dialogue_each(f->pattern, f->least, dialogue_holds));
}

static void test_dialogues_without_memory(void **state)
{
    const struct files *f = *state;
    assert_true(dialogue_each(f->pattern, f->least, dialogue_survives));
}

int dialogue_main(int argc, char **argv, const char *pattern, size_t least)
{
    struct files files = {pattern, least};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(test_dialogues_in_every_cut, &files),
        cmocka_unit_test_prestate(test_dialogues_without_memory, &files),
    };
    if (argc > 1)
        return dialogue_print(argc - 1, argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
