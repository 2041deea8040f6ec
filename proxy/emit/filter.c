// filter: evaluates a tree over what is known of a transaction, in three-valued logic.
//
// 1. A leaf answers KEEP or DROP when its field is known, else UNDECIDED; NOT swaps the first two;
//    AND is DROP as soon as one side is, OR is KEEP as soon as one side is (Kleene).
// 2. An absent value fails every test; NE and NOT_MATCH are NOT of EQ and MATCH, so they pass.
// 3. Fields with fold set are compared in lower case; the parser has put the other side so.
// Nothing is allocated unless a text must be changed before it is compared and is longer than
// SCRATCH_SIZE.
#include "proxy/emit/filter.h"

#include "proto/filter_pattern.h"

#include <stdlib.h>

#define SCRATCH_SIZE 512

// A text that was made for a test, not lent.
struct scratch {
    char local[SCRATCH_SIZE];
    char *heap;
    size_t n;
};

static char *scratch_room(struct scratch *s, size_t n)
{
    s->n = 0;
    s->heap = n > sizeof s->local ? malloc(n) : NULL;
    return n > sizeof s->local ? s->heap : s->local;
}

static enum filter_verdict verdict(bool passes)
{
    return passes ? FILTER_KEEP : FILTER_DROP;
}

static bool knows(const struct filter_subject *s, uint64_t bits)
{
    return (s->known & bits) == bits;
}

static bool is_absent(const struct filter_subject *s, enum filter_field f)
{
    return s->absent & FILTER_BIT(f);
}

static struct view text_of(const struct filter_subject *s, enum filter_field f)
{
    return is_absent(s, f) ? (struct view){NULL, 0} : s->of[f].text;
}

// ---- derived values

#define URL_PARTS                                                                                  \
    (FILTER_BIT(FIELD_PROTOCOL) | FILTER_BIT(FIELD_SCHEME) | FILTER_BIT(FIELD_HOST) |              \
     FILTER_BIT(FIELD_PATH) | FILTER_BIT(FIELD_QUERY))

// As the view http puts it together.
static enum filter_verdict make_url(const struct filter_subject *s, struct scratch *made,
                                    struct view *out)
{
    struct view scheme = text_of(s, FIELD_SCHEME), path = text_of(s, FIELD_PATH);
    struct view protocol = text_of(s, FIELD_PROTOCOL), query = text_of(s, FIELD_QUERY);
    if (scheme.n == 0)
        scheme = view_eq(protocol, VIEW_LIT("raw")) ? VIEW_LIT("tcp") : protocol;
    if (view_eq(path, VIEW_LIT("*")))
        path.n = 0;
    struct view parts[] = {scheme, VIEW_LIT("://"), text_of(s, FIELD_HOST),
                           path,   VIEW_LIT("?"),   query};
    const size_t count = query.n ? 6 : 4;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += parts[i].n;
    char *to = scratch_room(made, n);
    if (!to)
        return FILTER_UNDECIDED;
    *out = view_n(to, n);
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < parts[i].n; j++) // scheme and host are kept in lower case
            *to++ = i < 3 ? view_lower(parts[i].p[j]) : parts[i].p[j];
    return FILTER_KEEP;
}

// The value of the first header of that name, or false: there is none.
static bool find_header(struct view head, struct view name, struct view *value)
{
    size_t at = view_find(head, '\n') + 1; // behind the start line
    while (at < head.n) {
        struct view line = view_from(head, at);
        line.n = view_find(line, '\n');
        at += line.n + 1;
        if (line.n > 0 && line.p[line.n - 1] == '\r')
            line.n--;
        size_t colon = view_find(line, ':');
        if (colon == line.n || !view_ieq(view_head(line, colon), name))
            continue;
        *value = view_trim(view_from(line, colon + 1));
        return true;
    }
    return false;
}

// The value of Content-Type: the first, "" without one, also where there is no head at all.
static struct view content_type(const struct filter_subject *s, enum filter_field head_field)
{
    struct view head = text_of(s, head_field), value = {NULL, 0};
    if (!find_header(head, VIEW_LIT("content-type"), &value))
        value.n = 0;
    return value;
}

// The text that a test looks at. KEEP: it is *out; DROP: absent; UNDECIDED: not known, no memory.
static enum filter_verdict get_text(const struct filter_node *node, const struct filter_subject *s,
                                    struct scratch *made, struct view *out)
{
    const enum filter_field f = node->field;
    const bool known = knows(s, FILTER_BIT(f));
    if (f == FIELD_REQ_TYPE || f == FIELD_RES_TYPE) {
        enum filter_field head = f == FIELD_REQ_TYPE ? FIELD_REQ_HEADER : FIELD_RES_HEADER;
        if (!known && !knows(s, FILTER_BIT(head)))
            return FILTER_UNDECIDED;
        *out = known ? text_of(s, f) : content_type(s, head);
        return FILTER_KEEP;
    }
    if (f == FIELD_URL && !known)
        return knows(s, URL_PARTS) ? make_url(s, made, out) : FILTER_UNDECIDED;
    if (!known)
        return FILTER_UNDECIDED;
    if (is_absent(s, f))
        return FILTER_DROP;
    *out = s->of[f].text;
    if (f == FIELD_REQ_HEADER || f == FIELD_RES_HEADER)
        return verdict(find_header(s->of[f].text, node->key, out));
    if (filter_fields[f].type == FILTER_BYTES && out->n == 0)
        return FILTER_DROP; // as a row without a body
    return FILTER_KEEP;
}

// ---- tests

static bool contains(struct view text, struct view needle, bool fold)
{
    if (!fold)
        return needle.n == 0 || (text.n >= needle.n && memmem(text.p, text.n, needle.p, needle.n));
    for (size_t i = 0; i + needle.n <= text.n; i++)
        if (view_ieq(view_n(text.p + i, needle.n), needle))
            return true;
    return needle.n == 0;
}

static bool equals(struct view text, struct view other, bool fold)
{
    return fold ? view_ieq(text, other) : view_eq(text, other);
}

static enum filter_verdict matches(const struct filter_node *node, struct view text, bool fold)
{
    struct scratch folded;
    folded.heap = NULL;
    if (fold) {
        char *to = scratch_room(&folded, text.n);
        if (!to)
            return FILTER_UNDECIDED;
        for (size_t i = 0; i < text.n; i++)
            to[i] = view_lower(text.p[i]);
        text.p = to;
    }
    int found = filter_pattern_match(node->regex, text);
    free(folded.heap);
    return found < 0 ? FILTER_UNDECIDED : verdict(found);
}

static enum filter_verdict test_text(const struct filter_node *node, struct view text)
{
    const bool fold = filter_fields[node->field].fold;
    switch (node->op) {
    case OP_IS:
        return verdict(text.n > 0);
    case OP_EQ:
    case OP_NE:
        return verdict(equals(text, node->value->text, fold));
    case OP_CONTAINS:
        return verdict(contains(text, node->value->text, fold));
    case OP_IN:
        for (const struct filter_value *v = node->value; v; v = v->next)
            if (equals(text, v->text, fold))
                return FILTER_KEEP;
        return FILTER_DROP;
    default:
        return matches(node, text, fold);
    }
}

static enum filter_verdict test_number(const struct filter_node *node, int64_t number)
{
    switch (node->op) {
    case OP_IS:
        return verdict(number != 0);
    case OP_EQ:
    case OP_NE:
        return verdict(number == node->value->number);
    case OP_LT:
        return verdict(number < node->value->number);
    case OP_LE:
        return verdict(number <= node->value->number);
    case OP_GT:
        return verdict(number > node->value->number);
    case OP_GE:
        return verdict(number >= node->value->number);
    default:
        for (const struct filter_value *v = node->value; v; v = v->next)
            if (number == v->number)
                return FILTER_KEEP;
        return FILTER_DROP;
    }
}

static bool is_text(enum filter_field f)
{
    return filter_fields[f].type == FILTER_TEXT || filter_fields[f].type == FILTER_BYTES;
}

// "req.body" alone asks for the size of the content, kept or not.
static enum filter_field asked_field(const struct filter_node *node)
{
    if (node->op == OP_IS && node->field == FIELD_REQ_BODY)
        return FIELD_REQ_SIZE;
    if (node->op == OP_IS && node->field == FIELD_RES_BODY)
        return FIELD_RES_SIZE;
    return node->field;
}

static enum filter_verdict opposite(enum filter_verdict v)
{
    return v == FILTER_UNDECIDED ? v : v == FILTER_KEEP ? FILTER_DROP : FILTER_KEEP;
}

static enum filter_verdict test(const struct filter_node *node, const struct filter_subject *s)
{
    const enum filter_field f = asked_field(node);
    enum filter_verdict v;
    if (is_text(f)) {
        struct scratch made;
        made.heap = NULL;
        struct view text;
        v = get_text(node, s, &made, &text);
        if (v == FILTER_KEEP)
            v = test_text(node, text);
        free(made.heap);
    } else if (!knows(s, FILTER_BIT(f))) {
        v = FILTER_UNDECIDED;
    } else {
        v = is_absent(s, f) ? FILTER_DROP : test_number(node, s->of[f].number);
    }
    return node->op == OP_NE || node->op == OP_NOT_MATCH ? opposite(v) : v;
}

enum filter_verdict filter_eval(const struct filter_node *root, const struct filter_subject *s)
{
    if (!root)
        return FILTER_KEEP;
    if (root->op == OP_NOT)
        return opposite(filter_eval(root->left, s));
    if (root->op != OP_AND && root->op != OP_OR)
        return test(root, s);
    const enum filter_verdict decides = root->op == OP_AND ? FILTER_DROP : FILTER_KEEP;
    enum filter_verdict left = filter_eval(root->left, s);
    if (left == decides)
        return left;
    enum filter_verdict right = filter_eval(root->right, s);
    return right == decides || left != FILTER_UNDECIDED ? right : left;
}

uint64_t filter_fields_of(const struct filter_node *root)
{
    if (!root)
        return 0;
    if (root->op == OP_AND || root->op == OP_OR || root->op == OP_NOT)
        return filter_fields_of(root->left) | filter_fields_of(root->right);
    enum filter_field f = asked_field(root);
    if (f == FIELD_URL)
        return URL_PARTS;
    if (f == FIELD_REQ_TYPE)
        return FILTER_BIT(FIELD_REQ_HEADER);
    if (f == FIELD_RES_TYPE)
        return FILTER_BIT(FIELD_RES_HEADER);
    return FILTER_BIT(f);
}
