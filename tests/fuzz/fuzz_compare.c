// Two contents of a form that the first byte chooses, with a NUL NUL between them:
//
// 1. Each is equal to itself. 2. If left and right are equal, so are right and left. 3. What is
// learned from their differences is a text of rules, and under these rules, after a few rounds,
// they are equal.
#include "tools/compare/compare.h"
#include "tools/compare/learn.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rules_subject subject = {{"GET", 3}, {"api.example", 11}, {"/a/b", 4}};

static bool run(const struct rules *rules, struct view l, struct view r, struct view type,
                struct differences *d)
{
    differences_clear(d);
    return compare_content(rules, &subject, l, type, r, type, d) == 0;
}

static void learn_it(struct view l, struct view r, struct view type, struct differences *d)
{
    char why[WHY_MAX];
    struct learn *learn = learn_new();
    struct buf text;
    buf_init(&text, RULES_TEXT_MAX);
    for (int round = 0; learn && d->total && round < ROUNDS; round++) {
        struct rules rules;
        buf_reset(&text);
        if (learn_add(learn, &subject, d) || learn_write(learn, &text))
            break;
        int e = rules_parse(&rules, "learned", buf_view(&text), why);
        if (e == E_NOMEM)
            break;
        if (e) {
            fprintf(stderr, "%s\n%.*s", why, (int)buf_len(&text), buf_view(&text).p);
            abort();
        }
        bool ok = run(&rules, l, r, type, d);
        rules_clear(&rules);
        if (ok && d->total && round == ROUNDS - 1 && learn_left_out(learn) == 0) {
            fprintf(stderr, "%s: %s | %s\n%.*s", d->items[0].where, d->items[0].left,
                    d->items[0].right, (int)buf_len(&text), buf_view(&text).p);
            abort();
        }
    }
    buf_clear(&text);
    learn_free(learn);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct view types[] = {
        {"application/json", 16},
        {"text/plain", 10},
        {"text/xml", 8},
        {"application/x-www-form-urlencoded", 33},
        {"application/octet-stream", 24},
        {"application/x-ndjson", 20},
        {"", 0},
    };
    struct differences d;
    if (size < 1)
        return 0;
    struct view type = types[data[0] % (sizeof types / sizeof *types)];
    struct view left = view_n(data + 1, size - 1), right = left;
    for (size_t i = 0; i + 1 < left.n; i++)
        if (left.p[i] == 0 && left.p[i + 1] == 0) {
            right = view_from(left, i + 2);
            left.n = i;
            break;
        }
    differences_init(&d, 50);
    if (run(NULL, left, left, type, &d) && d.total)
        abort();
    if (run(NULL, right, left, type, &d)) {
        uint64_t back = d.total;
        if (run(NULL, left, right, type, &d) && (back == 0) != (d.total == 0))
            abort();
        learn_it(left, right, type, &d);
    }
    differences_clear(&d);
    return 0;
}
