// options_show: options as people and files read them: --help, --dump-options, JSON.
#include "proto/base/options_slot.h"

#include "proto/base/err.h"
#include "proto/base/utf8.h"

#define SENTENCE_AT 27 // column of the sentences in --help
#define WIDTH_MIN   50

// ---- help

// A sentence that is written word by word, wrapped at width, each line indented by SENTENCE_AT.
struct wrap {
    FILE *out;
    int width, column;
};

static void wrap_word(struct wrap *w, struct view word)
{
    if (w->column > SENTENCE_AT && w->column + 1 + (int)word.n > w->width) {
        fprintf(w->out, "\n%*s", SENTENCE_AT, "");
        w->column = SENTENCE_AT;
    } else if (w->column > SENTENCE_AT) {
        fputc(' ', w->out);
        w->column++;
    }
    fwrite(word.p, 1, word.n, w->out);
    w->column += (int)word.n;
}

static void wrap_text(struct wrap *w, const char *text)
{
    for (struct view rest = view_of(text); rest.n > 0;) {
        size_t n = view_find(rest, ' ');
        if (n > 0)
            wrap_word(w, view_head(rest, n));
        rest = view_from(rest, n < rest.n ? n + 1 : n);
    }
}

static const char *unit_text(const struct option_def *def)
{
    static const char *const texts[] = {
        [OPT_FLAG] = "",         [OPT_NUMBER] = "NUMBER", [OPT_SIZE] = "SIZE",
        [OPT_DURATION] = "TIME", [OPT_CHOICE] = "WORD",   [OPT_WORDS] = "WORDS",
        [OPT_TEXT] = "TEXT",
    };
    return def->unit ? def->unit : texts[def->type];
}

// "(from 1 to 65535; default 80)" from what the table says, or nothing.
static void wrap_facts(struct wrap *w, const struct option_def *def)
{
    char takes[OPTIONS_TAKES], facts[OPTIONS_TAKES + 128];
    const char *range =
        def->max && def->type != OPT_TEXT ? strstr(options_takes(def, takes), "from ") : NULL;
    if (def->choices)
        range = options_takes(def, takes);
    bool has_default = def->initial && def->type != OPT_FLAG && def->initial[0];
    if (!range && !has_default)
        return;
    snprintf(facts, sizeof facts, "(%s%s%s%.100s)", range ? range : "",
             range && has_default ? "; " : "", has_default ? "default " : "",
             has_default ? def->initial : "");
    wrap_text(w, facts);
}

int options_help(const struct options *o, FILE *out, int width)
{
    if (width < WIDTH_MIN)
        width = WIDTH_MIN;
    for (size_t i = 0; i < o->count; i++) {
        const struct option_def *def = o->slots[i].def;
        const char *no = def->type == OPT_FLAG && def->initial && strcmp(def->initial, "true") == 0
                             ? "[no-]"
                             : "";
        const char *unit = unit_text(def);
        int n = fprintf(out, "  --%s%s%s%s", no, def->name, *unit ? " " : "", unit);
        if (n < 0)
            return E_IO;
        // A name that leaves no room for two spaces has a line of its own.
        fprintf(out, n + 2 > SENTENCE_AT ? "\n%*s" : "%*s",
                n + 2 > SENTENCE_AT ? SENTENCE_AT : SENTENCE_AT - n, "");
        struct wrap w = {out, width, SENTENCE_AT};
        wrap_text(&w, def->sentence);
        wrap_facts(&w, def);
        if (def->flags & OPT_REPEATS)
            wrap_text(&w, "May be given several times.");
        if (def->flags & OPT_RELOADABLE)
            wrap_text(&w, OPTIONS_RELOADABLE);
        fputc('\n', out);
    }
    return ferror(out) ? E_IO : 0;
}

// ---- dump

static void dump_one(const struct options_slot *slot, const char *value, FILE *out)
{
    static const char *const sources[] = {"default", "file", "annotations", "environment",
                                          "command line"};
    fprintf(out, "%s =%s%s  # ", slot->def->name, *value ? " " : "", value);
    if (slot->by == OPT_BY_ENVIRONMENT && slot->where)
        fprintf(out, "%s\n", slot->where); // says "environment" itself
    else
        fprintf(out, "%s%s%s\n", sources[slot->by], slot->where ? ", " : "",
                slot->where ? slot->where : "");
}

int options_dump(const struct options *o, FILE *out)
{
    for (size_t i = 0; i < o->count; i++) {
        const struct options_slot *slot = &o->slots[i];
        if (slot->def->flags & OPT_CLI_ONLY)
            continue;
        if (slot->count == 0)
            fprintf(out, "%s =  # not set\n", slot->def->name);
        for (size_t j = 0; j < slot->count; j++)
            dump_one(slot, slot->values[j], out);
    }
    return ferror(out) ? E_IO : 0;
}

// ---- JSON

// A JSON string; bytes that are no UTF-8 become U+FFFD.
static int json_string(struct buf *out, const char *text)
{
    int e = buf_add(out, "\"", 1);
    for (struct view rest = view_of(text); rest.n > 0 && !e;) {
        size_t n;
        int32_t whole = utf8_next(rest, &n);
        unsigned char c = (unsigned char)rest.p[0];
        if (whole < 0)
            e = buf_add_view(out, VIEW_LIT("\xef\xbf\xbd"));
        else if (c == '"' || c == '\\')
            e = buf_printf(out, "\\%c", c);
        else if (c < 0x20)
            e = buf_printf(out, "\\u%04x", c);
        else
            e = buf_add(out, rest.p, n);
        rest = view_from(rest, n);
    }
    return e ? e : buf_add(out, "\"", 1);
}

static int json_slot(struct buf *out, const struct options_slot *slot)
{
    bool list = slot->def->flags & OPT_REPEATS;
    int e = json_string(out, slot->def->name);
    if (!e)
        e = buf_add_view(out, list ? VIEW_LIT(":[") : VIEW_LIT(":"));
    for (size_t i = 0; i < slot->count && !e; i++) {
        if (i > 0)
            e = buf_add(out, ",", 1);
        if (!e)
            e = json_string(out, slot->values[i]);
    }
    return e || !list ? e : buf_add(out, "]", 1);
}

int options_json(const struct options *o, struct buf *out)
{
    size_t before = buf_len(out);
    bool first = true;
    int e = buf_add(out, "{", 1);
    for (size_t i = 0; i < o->count && !e; i++) {
        const struct options_slot *slot = &o->slots[i];
        if (slot->count == 0 || (slot->def->flags & OPT_CLI_ONLY))
            continue;
        if (!first)
            e = buf_add(out, ",", 1);
        first = false;
        if (!e)
            e = json_slot(out, slot);
    }
    if (!e)
        e = buf_add(out, "}", 1);
    if (e)
        out->n = out->at + before;
    return e;
}

// ---- reload

static bool slot_eq(const struct options_slot *a, const struct options_slot *b)
{
    if (a->count != b->count || a->number != b->number)
        return false;
    bool text = a->def->type == OPT_TEXT || a->def->choices;
    for (size_t i = 0; text && i < a->count; i++)
        if (strcmp(a->values[i], b->values[i]) != 0)
            return false;
    return true;
}

int options_frozen_changes(const struct options *a, const struct options *b, char out[WHY_MAX])
{
    int changes = 0;
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < a->count && i < b->count; i++) {
        const struct option_def *def = a->slots[i].def;
        if ((def->flags & (OPT_RELOADABLE | OPT_CLI_ONLY)) || slot_eq(&a->slots[i], &b->slots[i]))
            continue;
        const char *comma = changes++ ? ", " : "";
        if (n + strlen(def->name) + 8 < WHY_MAX)
            n += (size_t)snprintf(out + n, WHY_MAX - n, "%s%s", comma, def->name);
        else if (n < WHY_MAX - 4 && out[n - 1] != '.')
            n += (size_t)snprintf(out + n, WHY_MAX - n, "...");
    }
    return changes;
}
