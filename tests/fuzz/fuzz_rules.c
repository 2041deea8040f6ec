// A text of rules, as somebody wrote it: every mistake names a line and a column; what is accepted
// can be used.
#include "tools/compare/compare.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
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
