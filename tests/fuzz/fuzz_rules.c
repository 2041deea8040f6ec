// A text of rules, as somebody wrote it: every mistake names a line and a column; what is accepted
// can be used; and what it makes equal has the same key.
#include "tools/compare/key.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void keys(const struct rules *rules, const struct rules_subject *subject,
                 const struct compare_half half[2])
{
    struct differences d;
    struct key key[2];
    differences_init(&d, 10);
    int e = compare(rules, subject, &half[0], &half[1], &d);
    for (int i = 0; i < 2 && !e; i++)
        e = key_half(rules, subject, &half[i], &key[i]);
    if (e && e != E_NOMEM)
        abort();
    if (!e && d.total == 0 && key[0].hash != key[1].hash)
        abort();
    if (!e && d.total > 0 && key[0].hash == key[1].hash && !key[0].vague && !key[1].vague)
        abort();
    differences_clear(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct compare_named named[2] = {
        {{"GET", 3}, {"api.example:80", 14}, {"/a/b", 4}, {"x=1&y=2&x=3", 11}},
        {{"GET", 3}, {"api.example:81", 14}, {"/a/c", 4}, {"y=2&x=1&z=1", 11}},
    };
    static const struct rules_subject subject = {{"GET", 3}, {"api.example", 11}, {"/a/b", 4}};
    static const char left[] = "{\"a\":{\"b\":[1,2,{\"c\":\"x\"}]},\"d\":\"2026-01-31T12:00:00Z\"}";
    static const char right[] =
        "{\"a\":{\"b\":[2,1,{\"c\":\"y\"}]},\"d\":\"2026-01-31T12:00:01Z\"}";
    char why[WHY_MAX] = "";
    struct rules rules;
    struct differences d;
    int e = rules_parse(&rules, "f.yaml", view_n(data, size), why);
    if (e && (strncmp(why, "f.yaml:", 7) != 0 || why[7] < '1' || why[7] > '9'))
        abort();
    if (e)
        return 0;
    differences_init(&d, 100);
    e = compare_content(&rules, &subject, VIEW_LIT(left), VIEW_LIT("application/json"),
                        VIEW_LIT(right), VIEW_LIT("application/json"), &d);
    if (e && e != E_NOMEM)
        abort();
    struct compare_half half[2];
    for (int i = 0; i < 2; i++)
        half[i] = (struct compare_half){.named = &named[i],
                                        .head = VIEW_LIT("A: 1\r\nB: 2\r\n"),
                                        .content = i ? VIEW_LIT(right) : VIEW_LIT(left),
                                        .whole = true};
    keys(&rules, &subject, half);
    half[1].named = &named[0];
    keys(&rules, &subject, half);
    half[1].named = &named[1];
    half[1].content = half[0].content;
    keys(&rules, &subject, half);
    // What is equal needs no rule.
    differences_clear(&d);
    e = compare_content(&rules, &subject, VIEW_LIT(left), VIEW_LIT("application/json"),
                        VIEW_LIT(left), VIEW_LIT("application/json"), &d);
    if (!e && d.total)
        abort();
    differences_clear(&d);
    rules_clear(&rules);
    return 0;
}
