// xml: a document to a tree, through expat, which proves it well-formed. Attributes become members
// "namespace @name", runs of text members "#text".
//
// A document type of its own could define entities, which may be bombs, and default attributes:
// such a document is E_LIMIT, and so compared as text.
#include "tools/compare/tree.h"

#include <expat.h>
#include <stdio.h>

#define SEPARATOR ' ' // between a namespace and a name

struct reader {
    struct tree *t;
    XML_Parser parser;
    uint32_t stack[TREE_DEPTH_MAX + 1];
    int depth;
    uint32_t run; // the node of the text at hand; 0: none
    size_t room;  // of it: bytes behind its text that are its own
    int error;
};

static void stop(struct reader *r, int e)
{
    r->error = r->error ? r->error : e;
    XML_StopParser(r->parser, XML_FALSE);
}

static bool is_blank(struct view v)
{
    for (size_t i = 0; i < v.n; i++)
        if (!strchr(" \t\r\n", v.p[i]))
            return false;
    return true;
}

static int copy(struct tree *t, struct view from, struct view *out)
{
    char *room = tree_room(t, from.n + 1);
    if (!room)
        return E_NOMEM;
    memcpy(room, from.p, from.n);
    *out = view_n(room, from.n);
    return 0;
}

static int add(struct reader *r, enum tree_type type, struct view key, struct view text)
{
    int e = copy(r->t, key, &key);
    e = e ? e : copy(r->t, text, &text);
    if (e)
        return e;
    int64_t node = tree_add(r->t, r->stack[r->depth - 1], type, key);
    if (node < 0)
        return (int)node;
    r->t->nodes[node].text = text;
    return 0;
}

static void XMLCALL begin(void *arg, const char *name, const char **attributes)
{
    struct reader *r = arg;
    r->run = 0;
    int e = r->depth > TREE_DEPTH_MAX ? E_LIMIT
                                      : add(r, TREE_ELEMENT, view_of(name), (struct view){"", 0});
    if (!e)
        r->stack[r->depth++] = (uint32_t)(r->t->n - 1);
    for (; !e && attributes[0]; attributes += 2) {
        const char *name_at = strrchr(attributes[0], SEPARATOR);
        size_t space = name_at ? (size_t)(name_at - attributes[0]) + 1 : 0;
        size_t size = strlen(attributes[0]);
        char *key = tree_room(r->t, size + 1); // "namespace @name"
        if (!key) {
            e = E_NOMEM;
            break;
        }
        memcpy(key, attributes[0], space);
        key[space] = '@';
        memcpy(key + space + 1, attributes[0] + space, size - space);
        e = add(r, TREE_TEXT, view_n(key, size + 1), view_of(attributes[1]));
    }
    if (e)
        stop(r, e);
}

// Takes runs of blanks out where elements stand beside them.
static void tidy(struct tree *t, struct tree_node *element)
{
    bool elements = false;
    for (uint32_t i = element->first; i; i = t->nodes[i].next)
        elements = elements || t->nodes[i].type == TREE_ELEMENT;
    uint32_t before = 0;
    for (uint32_t i = element->first; i && elements; i = t->nodes[i].next) {
        const struct tree_node *node = &t->nodes[i];
        if (node->type == TREE_ELEMENT || node->key.p[0] != '#' || !is_blank(node->text)) {
            before = i;
            continue;
        }
        element->count--;
        if (before)
            t->nodes[before].next = node->next;
        else
            element->first = node->next;
        if (element->last == i)
            element->last = before;
    }
}

static void XMLCALL end(void *arg, const char *name)
{
    struct reader *r = arg;
    (void)name;
    r->run = 0;
    tidy(r->t, &r->t->nodes[r->stack[--r->depth]]);
}

// A run of text comes in pieces; its room doubles, so that it is copied a few times at most.
static void XMLCALL characters(void *arg, const char *p, int n)
{
    struct reader *r = arg;
    struct view piece = view_n(p, (size_t)n);
    if (!r->run) {
        int e = add(r, TREE_TEXT, VIEW_LIT("#text"), piece);
        if (e)
            stop(r, e);
        else
            r->run = (uint32_t)(r->t->n - 1);
        r->room = 0;
        return;
    }
    struct view *text = &r->t->nodes[r->run].text;
    if (r->room < piece.n) {
        r->room = text->n + piece.n;
        char *room = tree_room(r->t, text->n + piece.n + r->room);
        if (!room) {
            stop(r, E_NOMEM);
            return;
        }
        memcpy(room, text->p, text->n);
        text->p = room;
        r->room += piece.n;
    }
    memcpy((char *)(uintptr_t)text->p + text->n, piece.p, piece.n);
    text->n += piece.n;
    r->room -= piece.n;
}

static void XMLCALL doctype(void *arg, const char *name, const char *system, const char *public,
                            int internal)
{
    (void)name, (void)system, (void)public;
    if (internal)
        stop(arg, E_LIMIT);
}

int tree_xml(struct tree *t, struct view in, char why[WHY_MAX])
{
    struct reader r = {.t = t, .parser = XML_ParserCreateNS(NULL, SEPARATOR), .depth = 1};
    *t = (struct tree){0};
    int64_t root = tree_add(t, UINT32_MAX, TREE_OBJECT, (struct view){0});
    int e = root < 0 ? (int)root : !r.parser ? E_NOMEM : 0;
    if (!e) {
        XML_SetUserData(r.parser, &r);
        XML_SetElementHandler(r.parser, begin, end);
        XML_SetCharacterDataHandler(r.parser, characters);
        XML_SetStartDoctypeDeclHandler(r.parser, doctype);
    }
    while (!e && r.depth > 0) { // by pieces, since a length is an int
        struct view piece = view_head(in, 1u << 20);
        in = view_from(in, piece.n);
        bool ok =
            XML_Parse(r.parser, piece.p ? piece.p : "", (int)piece.n, in.n == 0) == XML_STATUS_OK;
        e = r.error;
        if (!ok && !e) {
            enum XML_Error code = XML_GetErrorCode(r.parser);
            e = code == XML_ERROR_NO_MEMORY ? E_NOMEM : E_SYNTAX;
            snprintf(why, WHY_MAX, "line %lu, column %lu: %s",
                     (unsigned long)XML_GetCurrentLineNumber(r.parser),
                     (unsigned long)XML_GetCurrentColumnNumber(r.parser) + 1,
                     XML_ErrorString(code));
        }
        if (in.n == 0)
            break;
    }
    if (r.parser)
        XML_ParserFree(r.parser);
    if (e == E_LIMIT)
        snprintf(why, WHY_MAX, "deeper or larger than is compared by value, or with entities");
    if (e == E_NOMEM)
        snprintf(why, WHY_MAX, "%s", err_text(e));
    tree_finish(t);
    return e;
}
