// filter_parse: the text of a filter becomes its tree, by recursive descent.
//
// 1. The filter owns one copy of the text; values and keys are views of it. Escapes are undone and
//    letters put in lower case there, always behind the cursor, so what is still to be read is as
//    it was written and offsets into the copy are columns of the original.
// 2. Nodes and values come out of blocks that the filter owns; what a compiled expression owns
//    besides is freed over the list of them.
// 3. Recursion is bounded by FILTER_DEPTH_MAX levels of "(" and "not"; a chain of "and" is a loop.
#include "proto/filter.h"

#include "proto/base/clock.h"
#include "proto/base/units.h"
#include "proto/filter_lex.h"
#include "proto/filter_pattern.h"

#include <stdlib.h>

#define BLOCK_SIZE 2048 // bytes of a block of nodes

struct block {
    struct block *next;
    size_t used;
    max_align_t room[(BLOCK_SIZE - sizeof(void *) - sizeof(size_t)) / sizeof(max_align_t)];
};

struct regex {
    regex_t compiled;
    struct regex *next;
};

struct filter {
    struct filter_node *root;
    struct block *blocks;
    struct regex *regexes;
    char *text;
};

struct parse {
    struct filter_lex in; // the copy
    struct filter *f;
    int64_t now_us;
    unsigned depth, nodes;
};

static int no_memory(struct parse *p)
{
    return filter_lex_fail(&p->in, p->in.at, E_NOMEM, "out of memory");
}

static void *take(struct filter *f, size_t size)
{
    size = (size + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    if (!f->blocks || sizeof f->blocks->room - f->blocks->used < size) {
        struct block *b = malloc(sizeof *b);
        if (!b)
            return NULL;
        b->next = f->blocks;
        b->used = 0;
        f->blocks = b;
    }
    void *p = (char *)f->blocks->room + f->blocks->used;
    f->blocks->used += size;
    return memset(p, 0, size);
}

static struct filter_node *new_node(struct parse *p, size_t column, enum filter_op op, int *e)
{
    if (p->nodes == FILTER_NODES_MAX) {
        *e = filter_lex_fail(&p->in, column, E_LIMIT, "a filter may have at most %d parts",
                             FILTER_NODES_MAX);
        return NULL;
    }
    p->nodes++;
    struct filter_node *node = take(p->f, sizeof *node);
    *e = node ? 0 : no_memory(p);
    if (node)
        node->op = op;
    return node;
}

// ---- values

static int take_value_text(struct parse *p, struct view *out, bool *was_quoted)
{
    filter_lex_space(&p->in);
    *was_quoted = p->in.at < p->in.n && (p->in.p[p->in.at] == '"' || p->in.p[p->in.at] == '\'');
    if (*was_quoted)
        return filter_lex_take_quoted(&p->in, out);
    *out = filter_lex_word(&p->in);
    if (out->n == 0 && p->in.at < p->in.n)
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX, "a value is missing before \"%c\"",
                               p->in.p[p->in.at]);
    if (out->n == 0)
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX, "a value is missing at the end");
    if (filter_lex_is_keyword(*out))
        return filter_lex_fail(
            &p->in, p->in.at, E_SYNTAX,
            "a value is missing before \"%s\"; put the word in quotes if it is meant as one",
            filter_lex_quote(*out).text);
    p->in.at += out->n;
    return 0;
}

static int read_number(struct view text, int64_t *out)
{
    uint64_t number;
    bool minus = text.n > 0 && text.p[0] == '-';
    int e = view_number(view_from(text, minus), 10, INT64_MAX, &number);
    if (!e)
        *out = minus ? -(int64_t)number : (int64_t)number;
    return e;
}

static int read_size(struct view text, int64_t *out)
{
    uint64_t bytes;
    int e = units_size(text, &bytes);
    if (!e && bytes > INT64_MAX)
        e = E_RANGE;
    if (!e)
        *out = (int64_t)bytes;
    return e;
}

static bool is_choice(const char *choices, struct view text)
{
    struct view rest = view_of(choices);
    for (;;) {
        size_t n = view_find(rest, '|');
        if (view_eq(view_head(rest, n), text))
            return true;
        if (n == rest.n)
            return false;
        rest = view_from(rest, n + 1);
    }
}

// Turns a value's text into what its field compares with.
static int type_value(struct parse *p, enum filter_field field, size_t column,
                      struct filter_value *v)
{
    static const char *const wants[] = {
        [FILTER_NUMBER] = "a whole number",
        [FILTER_SIZE] = "a size such as 512, 64k or 10MiB",
        [FILTER_DURATION] = "a duration with its unit such as 100ms, 2s or 5m",
        [FILTER_TIME] = "a time such as 2026-01-31 or 2026-01-31T12:00:00Z",
    };
    const struct filter_field_def *def = &filter_fields[field];
    int e = E_SYNTAX;
    switch (def->type) {
    case FILTER_TEXT:
    case FILTER_BYTES:
        return 0;
    case FILTER_NUMBER:
        if (field == FIELD_BY_PROXY && view_ieq(v->text, VIEW_LIT("true")))
            v->number = 1, e = 0;
        else if (field == FIELD_BY_PROXY && view_ieq(v->text, VIEW_LIT("false")))
            v->number = 0, e = 0;
        else
            e = read_number(v->text, &v->number);
        break;
    case FILTER_SIZE:
        e = read_size(v->text, &v->number);
        break;
    case FILTER_DURATION:
        e = units_duration(v->text, &v->number);
        break;
    case FILTER_TIME:
        e = clock_parse(v->text.p, v->text.n, &v->number);
        break;
    }
    if (e)
        return filter_lex_fail(&p->in, column, E_SYNTAX, "%s takes %s, not \"%s\"%s", def->name,
                               wants[def->type], filter_lex_quote(v->text).text,
                               e == E_RANGE ? ", which is out of range" : "");
    return 0;
}

static int take_value(struct parse *p, const struct filter_node *node, struct filter_value **out)
{
    const struct filter_field_def *def = &filter_fields[node->field];
    struct filter_value *v = take(p->f, sizeof *v);
    if (!v)
        return no_memory(p);
    filter_lex_space(&p->in);
    size_t column = p->in.at;
    bool was_quoted;
    int e = take_value_text(p, &v->text, &was_quoted);
    if (e)
        return e;
    if (def->fold)
        filter_lex_lower(v->text, node->op == OP_MATCH || node->op == OP_NOT_MATCH);
    bool whole = node->op == OP_EQ || node->op == OP_NE || node->op == OP_IN;
    if (whole && def->choices && !is_choice(def->choices, v->text))
        return filter_lex_fail(&p->in, column, E_SYNTAX, "%s is one of %s, never \"%s\"", def->name,
                               def->choices, filter_lex_quote(v->text).text);
    *out = v;
    return type_value(p, node->field, column, v);
}

// ---- tests

static int take_op(struct parse *p, enum filter_op *op)
{
    static const struct {
        const char *sign;
        enum filter_op op;
    } signs[] = {{"==", OP_EQ}, {"=", OP_EQ},  {"!=", OP_NE}, {"!~", OP_NOT_MATCH}, {"<=", OP_LE},
                 {"<", OP_LT},  {">=", OP_GE}, {">", OP_GT},  {"~", OP_MATCH}};
    filter_lex_space(&p->in);
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (filter_lex_at(&p->in, signs[i].sign)) {
            p->in.at += strlen(signs[i].sign);
            *op = signs[i].op;
            return true;
        }
    if (filter_lex_take_keyword(&p->in, "contains", NULL))
        *op = OP_CONTAINS;
    else if (filter_lex_take_keyword(&p->in, "in", NULL))
        *op = OP_IN;
    else
        return false;
    return true;
}

// Which operators a type knows; the sentence names them all.
static int check_op(struct parse *p, enum filter_field field, enum filter_op op, size_t column)
{
    const char *name = filter_fields[field].name;
    bool order = op == OP_LT || op == OP_LE || op == OP_GT || op == OP_GE;
    bool inside = op == OP_MATCH || op == OP_NOT_MATCH || op == OP_CONTAINS;
    switch (filter_fields[field].type) {
    case FILTER_TEXT:
        if (order)
            return filter_lex_fail(&p->in, column, E_SYNTAX,
                                   "%s is text and has no order: use =, !=, ~, !~, contains or in",
                                   name);
        return 0;
    case FILTER_BYTES:
        if (!inside)
            return filter_lex_fail(&p->in, column, E_SYNTAX, "%s is a body: use ~, !~ or contains",
                                   name);
        return 0;
    default:
        if (inside)
            return filter_lex_fail(&p->in, column, E_SYNTAX,
                                   "%s is no text: use =, !=, <, <=, >, >= or in", name);
        return 0;
    }
}

static int take_key(struct parse *p, struct filter_node *node)
{
    const char *name = filter_fields[node->field].name;
    filter_lex_space(&p->in);
    if (p->in.at >= p->in.n || p->in.p[p->in.at] != '[')
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                               "%s needs the header's name: %s[\"x-name\"]", name, name);
    p->in.at++;
    filter_lex_space(&p->in);
    size_t column = p->in.at;
    if (p->in.at < p->in.n && (p->in.p[p->in.at] == '"' || p->in.p[p->in.at] == '\'')) {
        int e = filter_lex_take_quoted(&p->in, &node->key);
        if (e)
            return e;
    } else {
        size_t n = p->in.at;
        while (n < p->in.n && (filter_lex_in_name(p->in.p[n]) || p->in.p[n] == '-'))
            n++;
        node->key = view_n(p->in.p + p->in.at, n - p->in.at);
        p->in.at = n;
    }
    if (node->key.n == 0)
        return filter_lex_fail(&p->in, column, E_SYNTAX,
                               "the header's name is missing: %s[\"x-name\"]", name);
    filter_lex_lower(node->key, false);
    filter_lex_space(&p->in);
    if (p->in.at >= p->in.n || p->in.p[p->in.at] != ']')
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                               "a ] is missing behind the header's name");
    p->in.at++;
    return 0;
}

static int take_field(struct parse *p, struct filter_node *node)
{
    size_t column = p->in.at;
    struct view name = filter_lex_name(&p->in);
    if (name.n == 0 && p->in.at < p->in.n)
        return filter_lex_fail(
            &p->in, column, E_SYNTAX, "a field is wanted here, such as status or host, not \"%s\"",
            filter_lex_quote(view_head(view_n(p->in.p + p->in.at, p->in.n - p->in.at), 1)).text);
    if (name.n == 0)
        return filter_lex_fail(&p->in, column, E_SYNTAX, "a field is missing at the end");
    if (filter_lex_is_keyword(name))
        return filter_lex_fail(&p->in, column, E_SYNTAX, "a field is missing before \"%s\"",
                               filter_lex_quote(name).text);
    node->field = filter_field_find(name);
    if (node->field == FIELD_COUNT) {
        enum filter_field near = filter_field_nearest(name);
        if (near != FIELD_COUNT)
            return filter_lex_fail(&p->in, column, E_SYNTAX, "\"%s\" is no field; did you mean %s?",
                                   filter_lex_quote(name).text, filter_fields[near].name);
        int n = snprintf(p->in.why, WHY_MAX, "\"%s\" is no field; there are",
                         filter_lex_quote(name).text);
        for (unsigned i = 0; i < FIELD_COUNT && n < WHY_MAX - 1; i++)
            n += snprintf(p->in.why + n, (size_t)(WHY_MAX - n), "%s %s", i ? "," : "",
                          filter_fields[i].name);
        *p->in.column = column;
        return E_SYNTAX;
    }
    p->in.at += name.n;
    if (node->field == FIELD_REQ_HEADER || node->field == FIELD_RES_HEADER)
        return take_key(p, node);
    return 0;
}

static int compile(struct parse *p, struct filter_node *node, size_t column)
{
    char phrase[128];
    size_t at;
    struct regex *regex = take(p->f, sizeof *regex);
    if (!regex)
        return no_memory(p);
    int e = filter_pattern_compile(node->value->text, &regex->compiled, &at, phrase);
    if (e == E_NOMEM)
        return no_memory(p);
    if (e)
        return filter_lex_fail(&p->in, column, e,
                               "this is no regular expression that can be used: %s", phrase);
    regex->next = p->f->regexes;
    p->f->regexes = regex;
    node->regex = &regex->compiled;
    return 0;
}

static int take_list(struct parse *p, struct filter_node *node)
{
    struct filter_value **tail = &node->value;
    filter_lex_space(&p->in);
    if (p->in.at >= p->in.n || p->in.p[p->in.at] != '(')
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                               "\"in\" takes values in parentheses: in (200, 204)");
    size_t open = p->in.at++;
    for (;;) {
        int e = take_value(p, node, tail);
        if (e)
            return e;
        tail = &(*tail)->next;
        filter_lex_space(&p->in);
        if (p->in.at >= p->in.n)
            return filter_lex_fail(&p->in, open, E_SYNTAX, "this ( is not closed");
        char c = p->in.p[p->in.at];
        if (c != ',' && c != ')')
            return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                                   "a comma or ) is wanted between values");
        p->in.at++;
        if (c == ')')
            return 0;
    }
}

static int take_test(struct parse *p, struct filter_node **out)
{
    int e;
    size_t column = p->in.at;
    struct filter_node *node = new_node(p, column, OP_IS, &e);
    if (!node)
        return e;
    e = take_field(p, node);
    if (e)
        return e;
    filter_lex_space(&p->in);
    column = p->in.at;
    *out = node;
    if (!take_op(p, &node->op))
        return 0;
    e = check_op(p, node->field, node->op, column);
    if (e)
        return e;
    if (node->op == OP_IN)
        return take_list(p, node);
    filter_lex_space(&p->in);
    column = p->in.at;
    e = take_value(p, node, &node->value);
    if (!e && (node->op == OP_MATCH || node->op == OP_NOT_MATCH))
        e = compile(p, node, column);
    return e;
}

// since and until: a duration before now, or a time.
static int take_when(struct parse *p, enum filter_op op, const char *word, struct filter_node **out)
{
    int e;
    struct filter_node *node = new_node(p, p->in.at, op, &e);
    if (!node)
        return e;
    node->field = FIELD_TIME;
    node->value = take(p->f, sizeof *node->value);
    if (!node->value)
        return no_memory(p);
    filter_lex_space(&p->in);
    size_t column = p->in.at;
    bool was_quoted;
    struct view *text = &node->value->text;
    e = take_value_text(p, text, &was_quoted);
    if (e)
        return e;
    int64_t ago;
    if (!units_duration(*text, &ago))
        node->value->number = p->now_us - ago;
    else if (clock_parse(text->p, text->n, &node->value->number))
        return filter_lex_fail(&p->in, column, E_SYNTAX,
                               "%s takes a duration before now such as 10m, or a time such as "
                               "2026-01-31T12:00:00Z, not \"%s\"",
                               word, filter_lex_quote(*text).text);
    *out = node;
    return 0;
}

// ---- the grammar

static int take_or(struct parse *p, struct filter_node **out);

static int enter(struct parse *p, size_t column)
{
    if (p->depth == FILTER_DEPTH_MAX)
        return filter_lex_fail(&p->in, column, E_LIMIT, "a filter may be nested at most %d deep",
                               FILTER_DEPTH_MAX);
    p->depth++;
    return 0;
}

static int take_group(struct parse *p, struct filter_node **out)
{
    size_t open = p->in.at++;
    int e = enter(p, open);
    if (!e)
        e = take_or(p, out);
    if (e)
        return e;
    p->depth--;
    filter_lex_space(&p->in);
    if (p->in.at >= p->in.n)
        return filter_lex_fail(&p->in, open, E_SYNTAX, "this ( is not closed");
    if (p->in.p[p->in.at] != ')')
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                               "and, or or ) is wanted here, not \"%s\"",
                               filter_lex_quote(filter_lex_word(&p->in)).text);
    p->in.at++;
    return 0;
}

static int take_factor(struct parse *p, struct filter_node **out)
{
    filter_lex_space(&p->in);
    size_t column = p->in.at;
    if (p->in.at < p->in.n && p->in.p[p->in.at] == '(')
        return take_group(p, out);
    if (filter_lex_take_keyword(&p->in, "since", NULL))
        return take_when(p, OP_GE, "since", out);
    if (filter_lex_take_keyword(&p->in, "until", NULL))
        return take_when(p, OP_LT, "until", out);
    if (!filter_lex_take_keyword(&p->in, "not", "!"))
        return take_test(p, out);

    int e = enter(p, column);
    if (e)
        return e;
    struct filter_node *node = new_node(p, column, OP_NOT, &e);
    if (!node)
        return e;
    e = take_factor(p, &node->left);
    p->depth--;
    *out = node;
    return e;
}

// One level of a chain: operands from next, joined by the keyword.
static int take_chain(struct parse *p, enum filter_op op,
                      int (*next)(struct parse *p, struct filter_node **out),
                      struct filter_node **out)
{
    int e = next(p, out);
    while (!e && filter_lex_take_keyword(&p->in, op == OP_AND ? "and" : "or",
                                         op == OP_AND ? "&&" : "||")) {
        struct filter_node *node = new_node(p, p->in.at, op, &e);
        if (!node)
            return e;
        node->left = *out;
        *out = node;
        e = next(p, &node->right);
    }
    return e;
}

static int take_and(struct parse *p, struct filter_node **out)
{
    return take_chain(p, OP_AND, take_factor, out);
}

static int take_or(struct parse *p, struct filter_node **out)
{
    return take_chain(p, OP_OR, take_and, out);
}

static int take_all(struct parse *p)
{
    filter_lex_space(&p->in);
    if (p->in.at == p->in.n)
        return 0;
    int e = take_or(p, &p->f->root);
    filter_lex_space(&p->in);
    if (e || p->in.at == p->in.n)
        return e;
    if (p->in.p[p->in.at] == ')')
        return filter_lex_fail(&p->in, p->in.at, E_SYNTAX, "this ) has no ( before it");
    struct view word = filter_lex_word(&p->in);
    if (word.n == 0)
        word = view_n(p->in.p + p->in.at, 1);
    return filter_lex_fail(&p->in, p->in.at, E_SYNTAX,
                           "and, or or the end is wanted here, not \"%s\"",
                           filter_lex_quote(word).text);
}

int filter_parse(struct view text, int64_t now_us, struct filter **out, size_t *column,
                 char why[WHY_MAX])
{
    struct parse p = {.in = {.n = text.n, .column = column, .why = why}, .now_us = now_us};
    *out = NULL;
    if (text.n > FILTER_TEXT_MAX)
        return filter_lex_fail(&p.in, FILTER_TEXT_MAX, E_LIMIT,
                               "a filter may have at most %d bytes", FILTER_TEXT_MAX);
    const char *zero = text.n ? memchr(text.p, 0, text.n) : NULL;
    if (zero)
        return filter_lex_fail(&p.in, (size_t)(zero - text.p), E_SYNTAX,
                               "a NUL byte cannot stand in a filter");
    p.f = calloc(1, sizeof *p.f);
    if (!p.f)
        return no_memory(&p);
    p.in.p = p.f->text = malloc(text.n + 1);
    int e = p.in.p ? 0 : no_memory(&p);
    if (!e) {
        if (text.n)
            memcpy(p.in.p, text.p, text.n);
        p.in.p[text.n] = 0;
        e = take_all(&p);
    }
    if (e) {
        filter_free(p.f);
        return e;
    }
    *out = p.f;
    return 0;
}

void filter_free(struct filter *f)
{
    if (!f)
        return;
    for (struct regex *r = f->regexes; r; r = r->next)
        regfree(&r->compiled);
    while (f->blocks) {
        struct block *next = f->blocks->next;
        free(f->blocks);
        f->blocks = next;
    }
    free(f->text);
    free(f);
}

const struct filter_node *filter_root(const struct filter *f)
{
    return f ? f->root : NULL;
}
