// Text of strangers in a report: a goal, a baseline, and names and values that each form has to
// write so that its readers take them for text and nothing else.
#include "proto/base/utf8.h"
#include "tests/support/results.h"
#include "tools/report/form.h"
#include "tools/report/mend.h"

#include <expat.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool it)
{
    if (!it)
        abort();
}

static void goal(struct view text)
{
    static struct goals goals;
    char why[WHY_MAX] = "";
    goals.n = 0;
    int e = goals_add(&goals, text, why);
    must((e == 0) == (goals.n == 1));
    must(e == 0 || why[0]);
    must(utf8_valid(view_of(goals.n ? goals.items[0].text : "")));
}

// Every '<' begins a tag that the page is made of.
static bool tags(const char *text)
{
    static const char *const known[] = {
        "!DOCTYPE", "html", "head",   "meta", "title",  "style",      "body",  "h1",
        "h2",       "h3",   "p",      "span", "div",    "b",          "table", "thead",
        "tbody",    "tr",   "th",     "td",   "figure", "figcaption", "svg",   "line",
        "text",     "path", "circle", "rect", "pre",    "del",        "ins",   "section",
        "header",   "dl",   "dt",     "dd",   "footer", "title",
    };
    for (const char *at = strchr(text, '<'); at; at = strchr(at + 1, '<')) {
        const char *name = at + 1 + (at[1] == '/');
        size_t n = strcspn(name, " />"), i = 0;
        while (i < sizeof known / sizeof *known && !view_eq(view_n(name, n), view_of(known[i])))
            i++;
        if (i == sizeof known / sizeof *known)
            return false;
    }
    return true;
}

static void check(const struct form *form, const char *text, size_t n)
{
    if (form == &form_json) {
        json_t *root = json_loadb(text, n, JSON_ALLOW_NUL, NULL);
        must(root);
        json_decref(root);
        return;
    }
    if (form == &form_junit) {
        XML_Parser p = XML_ParserCreate(NULL);
        must(XML_Parse(p, text, (int)n, 1) == XML_STATUS_OK);
        XML_ParserFree(p);
    }
    if (form == &form_text)
        return; // table's, which has its own
    for (struct view v = view_n(text, n); v.n > 0;) {
        size_t k;
        int32_t c = utf8_next(v, &k);
        must(c >= 0 && mend_fine(c));
        v = view_from(v, k);
    }
    if (form == &form_html)
        must(strlen(text) == n && tags(text));
}

static void forms(struct view text, const struct baseline *baseline)
{
    static struct goals goals;
    struct judged j;
    char why[WHY_MAX], value[200];
    struct verdict *v = verdict_new(0);
    struct result r = results_one("GET", "/", 0, 100);
    if (!v)
        return;
    r.service = r.method = r.path = text;
    snprintf(value, sizeof value, "%.*s", (int)(text.n < sizeof value ? text.n : sizeof value - 1),
             text.p);
    const char *const places[][3] = {{value, value, "x"}, {value, "x", value}, {NULL, NULL, NULL}};
    r.file = r.reason = value;
    verdict_setting(v, value, text);
    for (int kind = 0; kind < DIFFERENCE_KINDS; kind++)
        results_differ(v, r, (enum difference_kind)kind, places);
    r.kind = RESULT_GARBAGE;
    verdict_add(v, &r);
    verdict_end(v, 1000, value);
    goals.n = 0;
    if (goals_add(&goals, text, why))
        goals.n = 0;
    must(judge(&j, v, &goals, baseline) == 0);
    for (const struct form *const *f = form_table; *f; f++) {
        char *out = NULL;
        size_t n;
        struct term t = {.out = open_memstream(&out, &n), .utf8 = true};
        must((*f)->write(&j, &t) == 0);
        fclose(t.out);
        check(*f, out, n);
        free(out);
    }
    verdict_free(v);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = view_n(data, size);
    char why[WHY_MAX] = "";
    struct baseline *b;
    goal(text);
    int e = baseline_parse(&b, "f.json", text, why);
    must((e == 0) == (b != NULL));
    must(e == 0 || strncmp(why, "f.json:", 7) == 0);
    forms(view_n(data ? (const char *)data : "", size), b);
    baseline_free(b);
    return 0;
}
