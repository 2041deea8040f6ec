// print: see print.h. What adds to a variable refers to its present value in a shell; a file has
// no present value, and gets ours.
#include "tools/env/print.h"

#include "tools/jsonw.h"
#include "tools/quote.h"

static void sh(FILE *out, const struct vars *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const char *name = v->all[i].name;
        fprintf(out, "export %s=", name);
        if (v->all[i].adds)
            fprintf(out, "\"${%s:+$%s }\"", name, name);
        quote_sh(out, v->all[i].value);
        putc('\n', out);
    }
}

static void fish(FILE *out, const struct vars *v)
{
    for (size_t i = 0; i < v->n; i++) {
        const char *name = v->all[i].name;
        fprintf(out, "set -gx %s ", name);
        if (v->all[i].adds)
            fprintf(out, "(string join ' ' $%s ", name);
        quote_fish(out, v->all[i].value);
        fputs(v->all[i].adds ? ")\n" : "\n", out);
    }
}

// A value in JSON's quotes, which YAML reads as well; each escaped character is written twice.
static void yaml_quoted(FILE *out, const char *s, const char *doubled)
{
    struct jsonw w;
    jsonw_init(&w, out);
    jsonw_open(&w, NULL);
    for (; *s; s++) {
        if (strncmp(s, doubled, strlen(doubled)) == 0)
            jsonw_add(&w, VIEW_LIT("$"));
        jsonw_add(&w, view_n(s, 1));
    }
    jsonw_close(&w);
}

// compose puts variables of its own in for $NAME.
static void compose(FILE *out, const struct vars *v)
{
    fputs("environment:\n", out);
    for (size_t i = 0; i < v->n; i++) {
        fprintf(out, "  %s: ", v->all[i].name);
        yaml_quoted(out, v->all[i].value, "$");
        putc('\n', out);
    }
}

// The kubelet does so for $(NAME).
static void pod(FILE *out, const struct vars *v)
{
    fputs("env:\n", out);
    for (size_t i = 0; i < v->n; i++) {
        fprintf(out, "  - name: %s\n    value: ", v->all[i].name);
        yaml_quoted(out, v->all[i].value, "$(");
        putc('\n', out);
    }
}

static void json(FILE *out, const struct vars *v)
{
    struct jsonw w;
    jsonw_init(&w, out);
    w.lines = 1;
    jsonw_object(&w, NULL);
    for (size_t i = 0; i < v->n; i++)
        jsonw_string(&w, v->all[i].name, v->all[i].value);
    jsonw_object_end(&w);
    putc('\n', out);
}

static const struct {
    const char *name;
    void (*print)(FILE *out, const struct vars *v);
} formats[] = {{"sh", sh}, {"fish", fish}, {"compose", compose}, {"pod", pod}, {"json", json}};

void print_vars(FILE *out, const char *format, const struct vars *v)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (strcmp(formats[i].name, format) == 0)
            formats[i].print(out, v);
}
