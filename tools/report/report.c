// report: from options to an exit code. What can be wrong in an option is told before the run.
#include "tools/report/report.h"

#include "proto/base/whole_file.h"
#include "tools/fields.h"
#include "tools/out.h"
#include "tools/report/form.h"

#include <stdlib.h>

struct report {
    struct goals goals;
    struct baseline *baseline;
};

static const struct form *form_of(const char *path)
{
    size_t n = strlen(path);
    for (const struct form *const *f = form_table; *f; f++) {
        size_t ending = strlen((*f)->ending);
        if (n > ending && strcmp(path + n - ending, (*f)->ending) == 0)
            return *f;
    }
    return NULL;
}

static int read_baseline(struct report *r, const char *path)
{
    char why[WHY_MAX];
    struct buf text;
    buf_init(&text, BASELINE_MAX);
    int e = whole_file_read(path, BASELINE_MAX, &text, why);
    e = e ? e : baseline_parse(&r->baseline, path, buf_view(&text), why);
    buf_clear(&text);
    if (e)
        cli_error("%s", why);
    return e;
}

static int read_goals(struct report *r, const struct options *o)
{
    char why[WHY_MAX];
    for (size_t i = 0; i < options_count(o, "fail-if"); i++) {
        int e = goals_add(&r->goals, view_of(options_nth(o, "fail-if", i)), why);
        const struct goal *g = &r->goals.items[i];
        if (!e && strcmp(g->measure->name, "new-mismatches") == 0 && !r->baseline) {
            snprintf(why, sizeof why, "goal '%s' needs --baseline", g->text);
            e = E_NOTFOUND;
        }
        if (e) {
            cli_error("--fail-if: %s", why);
            return e;
        }
    }
    return 0;
}

static void report_free(struct report *r)
{
    if (r)
        baseline_free(r->baseline);
    free(r);
}

int report_open(struct report **out, const struct command *c, const struct options *o)
{
    struct report *r = calloc(1, sizeof *r);
    const char *path = options_text(o, "baseline");
    int e = 0;
    (void)c;
    *out = NULL;
    if (!r) {
        cli_error("out of memory");
        return REPORT_NOT_RUN;
    }
    for (size_t i = 0; !e && i < options_count(o, "report"); i++) {
        const char *file = options_nth(o, "report", i);
        if (!form_of(file)) {
            cli_error("--report %s: what form? Allowed endings are .json, .xml, .html and .txt",
                      file);
            e = E_SYNTAX;
        }
    }
    e = e || !path ? e : read_baseline(r, path);
    e = e ? e : read_goals(r, o);
    if (e) {
        report_free(r);
        return REPORT_NOT_RUN;
    }
    *out = r;
    return CLI_OK;
}

static int write_file(const struct judged *j, const char *path)
{
    struct out out;
    if (out_open(&out, path) != CLI_OK)
        return REPORT_NOT_RUN;
    struct term t = {.out = out.f, .utf8 = true};
    int e = form_of(path)->write(j, &t);
    if (e)
        cli_error("%s: %s", path, err_text(e));
    return out_close(&out, e == 0) != CLI_OK || e ? REPORT_NOT_RUN : CLI_OK;
}

int report_close(struct report *report, struct verdict *v, const struct options *o)
{
    struct judged j;
    struct term t;
    int code = REPORT_NOT_RUN;
    if (!report || !v)
        goto out;
    if (judge(&j, v, &report->goals, report->baseline)) {
        cli_error("out of memory");
        goto out;
    }
    code = j.code;
    term_init(&t, stdout, o);
    if ((options_flag(o, "json") ? form_json : form_text).write(&j, &t)) {
        cli_error("out of memory");
        code = REPORT_NOT_RUN;
    }
    fflush(stdout);
    for (size_t i = 0; i < options_count(o, "report"); i++)
        if (write_file(&j, options_nth(o, "report", i)) != CLI_OK)
            code = REPORT_NOT_RUN;
    if (cli_result() != CLI_OK) // not all of it could be read
        code = REPORT_NOT_RUN;
out:
    report_free(report);
    return code;
}
