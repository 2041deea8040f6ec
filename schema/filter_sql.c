// filter_sql: a filter's tree becomes a WHERE clause over the view http AS h.
//
// 1. Every value, and every header's name, is bound: no text of the filter reaches the SQL.
// 2. NOT is pushed down to the tests (De Morgan), so only tests are negated, and the depth of
//    parentheses is the number of changes between AND and OR.
// 3. A test of NULL is false and its negation true, as in memory: a negated test is
//    "… IS NOT TRUE".
// 4. A test of an indexed column stands bare ("h.host = ?1"), so that SQLite can use the index;
//    text that is kept in lower case comes from the parser in lower case.
// 5. Both walks below go through the tree in the same order; number counts the parameters.
#include "schema/store.h"

struct walk {
    struct buf *clause;    // while writing
    struct store_query *q; // while binding
    int number;            // of the next parameter
};

static int put(struct walk *w, const char *text)
{
    return w->clause ? buf_add_view(w->clause, view_of(text)) : 0;
}

static int put_text(struct walk *w, struct view value)
{
    int number = w->number++;
    return w->clause ? buf_printf(w->clause, "?%d", number) : store_bind_text(w->q, number, value);
}

static int put_int(struct walk *w, int64_t value)
{
    int number = w->number++;
    return w->clause ? buf_printf(w->clause, "?%d", number) : store_bind_int(w->q, number, value);
}

static bool is_text(const struct filter_node *node)
{
    const enum filter_type type = filter_fields[node->field].type;
    return type == FILTER_TEXT || type == FILTER_BYTES;
}

static int put_value(struct walk *w, const struct filter_node *node, const struct filter_value *v)
{
    return is_text(node) ? put_text(w, v->text) : put_int(w, v->number);
}

static int put_field(struct walk *w, const struct filter_node *node)
{
    int e;
    switch (node->field) {
    case FIELD_TIME: // the column of that name is for people
        return put(w, "h.start_us");
    case FIELD_REQ_HEADER:
    case FIELD_RES_HEADER:
        e = put(w, node->field == FIELD_REQ_HEADER ? "header(h.req_head, " : "header(h.res_head, ");
        if (!e)
            e = put_text(w, node->key);
        return e ? e : put(w, ")");
    case FIELD_REQ_BODY:
        return put(w, node->op == OP_IS ? "h.req_size" : "h.req_body");
    case FIELD_RES_BODY:
        return put(w, node->op == OP_IS ? "h.res_size" : "h.res_body");
    default:
        e = put(w, "h.");
        return e ? e : put(w, filter_fields[node->field].name);
    }
}

// before field middle value after
static int put_parts(struct walk *w, const struct filter_node *node, const char *before,
                     const char *middle, const char *after)
{
    int e = put(w, before);
    if (!e)
        e = put_field(w, node);
    if (!e)
        e = put(w, middle);
    if (!e)
        e = put_value(w, node, node->value);
    return e ? e : put(w, after);
}

static int put_in(struct walk *w, const struct filter_node *node)
{
    int e = put_field(w, node);
    for (const struct filter_value *v = node->value; v && !e; v = v->next) {
        e = put(w, v == node->value ? " IN (" : ", ");
        if (!e)
            e = put_value(w, node, v);
    }
    return e ? e : put(w, ")");
}

static int put_match(struct walk *w, const struct filter_node *node)
{
    if (filter_fields[node->field].type == FILTER_BYTES)
        return put_parts(w, node, "body_matches(", ", ", ")");
    int e = put(w, "regexp("); // regexp(pattern, text)
    if (!e)
        e = put_value(w, node, node->value);
    if (!e)
        e = put(w, ", ");
    if (!e)
        e = put_field(w, node);
    return e ? e : put(w, ")");
}

static int put_plain(struct walk *w, const struct filter_node *node)
{
    static const char *const signs[] = {[OP_EQ] = " = ",  [OP_NE] = " = ", [OP_LT] = " < ",
                                        [OP_LE] = " <= ", [OP_GT] = " > ", [OP_GE] = " >= "};
    switch (node->op) {
    case OP_IS: {
        bool empty = is_text(node) && filter_fields[node->field].type != FILTER_BYTES;
        int e = put_field(w, node);
        return e ? e : put(w, empty ? " <> ''" : " <> 0");
    }
    case OP_MATCH:
    case OP_NOT_MATCH:
        return put_match(w, node);
    case OP_CONTAINS:
        if (filter_fields[node->field].type == FILTER_BYTES)
            return put_parts(w, node, "body_contains(", ", ", ")");
        return put_parts(w, node, "instr(", ", ", ") > 0");
    case OP_IN:
        return put_in(w, node);
    default:
        return put_parts(w, node, "", signs[node->op], "");
    }
}

static int put_test(struct walk *w, const struct filter_node *node, bool negate)
{
    if (node->op == OP_NE || node->op == OP_NOT_MATCH)
        negate = !negate;
    if (!negate)
        return put_plain(w, node);
    // start_us is never NULL, and its index is worth having.
    if (node->field == FIELD_TIME && node->op == OP_GE)
        return put_parts(w, node, "", " < ", "");
    if (node->field == FIELD_TIME && node->op == OP_LT)
        return put_parts(w, node, "", " >= ", "");
    if (node->op == OP_EQ || node->op == OP_NE)
        return put_parts(w, node, "", " IS NOT ", "");
    int e = put(w, "(");
    if (!e)
        e = put_plain(w, node);
    return e ? e : put(w, ") IS NOT TRUE");
}

static int put_tree(struct walk *w, const struct filter_node *node, bool negate, bool within_and)
{
    if (node->op == OP_NOT)
        return put_tree(w, node->left, !negate, within_and);
    if (node->op != OP_AND && node->op != OP_OR)
        return put_test(w, node, negate);
    const bool all = (node->op == OP_AND) != negate;
    const bool wrap = within_and && !all;
    int e = wrap ? put(w, "(") : 0;
    if (!e)
        e = put_tree(w, node->left, negate, all);
    if (!e)
        e = put(w, all ? " AND " : " OR ");
    if (!e)
        e = put_tree(w, node->right, negate, all);
    return e || !wrap ? e : put(w, ")");
}

int store_filter_clause(const struct filter *f, struct buf *clause, int first)
{
    struct walk w = {.clause = clause, .number = first};
    const struct filter_node *root = f ? filter_root(f) : NULL;
    int e = put(&w, "(");
    if (!e)
        e = root ? put_tree(&w, root, false, false) : put(&w, "1");
    return e ? e : put(&w, ")");
}

int store_filter_bind(struct store_query *q, const struct filter *f, int first)
{
    struct walk w = {.q = q, .number = first};
    const struct filter_node *root = f ? filter_root(f) : NULL;
    return root ? put_tree(&w, root, false, false) : 0;
}
