// show: the graph as text, as DOT, as JSON, and as rules.
#include "tools/correlate/graph.h"
#include "tools/fields.h"
#include "tools/jsonw.h"
#include "tools/rewrite/rules.h"

#include <inttypes.h>

#define VALUE_SHOWN 20 // bytes of a value

static void put(FILE *out, struct view v)
{
    fwrite(v.n ? v.p : "", 1, v.n, out);
}

static void put_endpoint(const struct graph *g, uint32_t i, FILE *out)
{
    struct view piece[3];
    graph_endpoint(g, i, piece);
    put(out, piece[0]);
    putc(' ', out);
    put(out, piece[1]);
    put(out, piece[2]);
}

static const char *plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}

// As much of a value as tells it from others.
static void put_value(const struct graph *g, const struct graph_edge *e, FILE *out)
{
    struct view v = g->c->values[e->value].text;
    for (size_t i = 0; i < v.n && i < VALUE_SHOWN; i++)
        putc((unsigned char)v.p[i] < 0x20 || (unsigned char)v.p[i] >= 0x7f ? '?' : v.p[i], out);
    if (v.n > VALUE_SHOWN)
        fputs("…", out);
}

void graph_show(const struct graph *g, FILE *out)
{
    char id[2][FIELDS_ID];
    if (g->n == 0)
        fputs("no request carries a value that an answer issued\n", out);
    for (size_t i = 0; i < g->n; i++) {
        const struct graph_edge *e = &g->edges[i];
        if (!graph_same_from(g, i)) {
            fprintf(out, "%s", i ? "\n" : "");
            put_endpoint(g, e->from.endpoint, out);
            fprintf(out, "  answers %s\n", graph_text(g, e->from.place));
        }
        fputs("  → ", out);
        put_endpoint(g, e->to.endpoint, out);
        fprintf(out, "  %s  (%" PRIu64 " time%s, %" PRIu64 " value%s: %s ",
                graph_text(g, e->to.place), e->times, plural(e->times), e->values,
                plural(e->values), fields_id(e->from_id, id[0]));
        put_value(g, e, out);
        fprintf(out, " %s%s)\n", fields_id(e->to_id, id[1]),
                e->assumed ? ", assumed: redaction hid it" : "");
    }
}

// ---- DOT

static void put_dot(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '"' || *text == '\\')
            putc('\\', out);
        putc(*text, out);
    }
}

void graph_show_dot(const struct graph *g, FILE *out)
{
    fputs("digraph correlate {\n  rankdir=LR;\n  node [shape=box, fontname=monospace];\n"
          "  edge [fontname=monospace, fontsize=10];\n",
          out);
    for (size_t i = 0; i < g->n; i++) {
        const struct graph_edge *e = &g->edges[i];
        fputs("  \"", out);
        put_dot(out, graph_text(g, e->from.endpoint));
        fputs("\" -> \"", out);
        put_dot(out, graph_text(g, e->to.endpoint));
        fputs("\" [label=\"", out);
        put_dot(out, graph_text(g, e->from.place));
        fputs(" → ", out);
        put_dot(out, graph_text(g, e->to.place));
        fprintf(out, " (%" PRIu64 ")\"%s];\n", e->times, e->assumed ? ", style=dashed" : "");
    }
    fputs("}\n", out);
}

// ---- JSON

static void json_end(const struct graph *g, struct jsonw *w, const char *key,
                     const struct graph_end *end, int64_t example)
{
    struct view piece[3];
    char id[FIELDS_ID];
    graph_endpoint(g, end->endpoint, piece);
    jsonw_object(w, key);
    jsonw_text(w, "method", piece[0]);
    jsonw_text(w, "host", piece[1]);
    jsonw_text(w, "path", piece[2]);
    jsonw_string(w, "where", graph_text(g, end->place));
    jsonw_string(w, "example", fields_id(example, id));
    jsonw_object_end(w);
}

void graph_show_json(const struct graph *g, FILE *out)
{
    struct jsonw w;
    jsonw_init(&w, out);
    for (size_t i = 0; i < g->n; i++) {
        const struct graph_edge *e = &g->edges[i];
        jsonw_object(&w, NULL);
        json_end(g, &w, "from", &e->from, e->from_id);
        json_end(g, &w, "to", &e->to, e->to_id);
        jsonw_field(&w, "value", g->c->values[e->value].text);
        jsonw_int(&w, "values", (int64_t)e->values);
        jsonw_int(&w, "times", (int64_t)e->times);
        jsonw_bool(&w, "assumed", e->assumed);
        jsonw_object_end(&w);
        putc('\n', out);
    }
}

// ---- rules

static void put_yaml(FILE *out, const char *key, struct view v)
{
    fprintf(out, "%s'", key);
    for (size_t i = 0; i < v.n; i++) {
        if (v.p[i] == '\'')
            putc('\'', out);
        putc(v.p[i], out);
    }
    putc('\'', out);
}

static void put_end(const struct graph *g, const struct graph_end *end, FILE *out)
{
    struct view piece[3];
    graph_endpoint(g, end->endpoint, piece);
    put_yaml(out, "{where: ", view_of(graph_text(g, end->place)));
    if (piece[0].n)
        put_yaml(out, ", method: ", piece[0]);
    if (piece[1].n && piece[1].n <= WHERE_GLOB_MAX)
        put_yaml(out, ", host: ", piece[1]);
    if (piece[2].n && piece[2].n <= WHERE_GLOB_MAX)
        put_yaml(out, ", path: ", piece[2]);
    putc('}', out);
}

void graph_write_rules(const struct graph *g, FILE *out, size_t *left)
{
    char id[2][FIELDS_ID];
    size_t rules = 0, to = 0;
    *left = 0;
    fputs(
        "# Which values of answers later requests carry, found by tapedeck correlate; to be gone\n"
        "# over. Under these rules replay puts the values of its own run there, and correlates\n"
        "# nothing else.\ncorrelate:\n",
        out);
    for (size_t i = 0; i < g->n; i++) {
        const struct graph_edge *e = &g->edges[i];
        if (!graph_same_from(g, i) || to == RULES_TO_MAX) {
            to = 0;
            if (rules == REWRITE_RULES_MAX) {
                *left = g->n - i;
                break;
            }
            rules++;
            fputs("  - from: ", out);
            put_end(g, &e->from, out);
            fputs("\n    to:\n", out);
        }
        to++;
        fputs("      - ", out);
        put_end(g, &e->to, out);
        fprintf(out, " # %" PRIu64 " time%s: %s → %s%s\n", e->times, plural(e->times),
                fields_id(e->from_id, id[0]), fields_id(e->to_id, id[1]),
                e->assumed ? ", assumed: redaction hid it" : "");
    }
    if (g->n == 0)
        fputs("  []\n", out);
}
