// fault_control: see fault_control.h. On the main thread, all of it.
#include "tools/mock/fault_control.h"

#include "proto/base/log.h"
#include "proto/base/whole_file.h"

#define JSON_MAX (1u << 20) // bytes of what GET shows

// Takes a file's rules.
static int read_file(struct fault_control *c, const char *path, char why[WHY_MAX])
{
    struct buf text;
    buf_init(&text, FAULTS_TEXT_MAX);
    int e = whole_file_read(path, FAULTS_TEXT_MAX, &text, why);
    e = e ? e : faults_set(c->faults, path, buf_view(&text), why);
    buf_clear(&text);
    return e;
}

static void show_rules(struct fault_control *c, struct admin_answer *out)
{
    out->type = "application/json";
    out->status = 200;
    if (faults_json(c->faults, &out->body) || buf_add(&out->body, "\n", 1))
        out->status = 500;
}

static void take_rules(struct fault_control *c, struct view text, struct admin_answer *out)
{
    char why[WHY_MAX];
    int e = faults_set(c->faults, "faults", text, why);
    if (!e) {
        log_info("faults replaced any=%s", faults_any(c->faults) ? "yes" : "no");
        show_rules(c, out);
        return;
    }
    out->status = e == E_NOMEM ? 500 : 400;
    if (buf_printf(&out->body, "%s\n", why))
        out->status = 500;
}

static void show(void *arg, const struct admin_request *r, struct admin_answer *out)
{
    struct fault_control *c = arg;
    if (view_eq(r->method, VIEW_LIT("GET"))) {
        show_rules(c, out);
    } else if (view_eq(r->method, VIEW_LIT("POST")) || view_eq(r->method, VIEW_LIT("DELETE"))) {
        take_rules(c, r->method.p[0] == 'D' ? VIEW_LIT("") : r->body, out);
    } else {
        out->status = 405;
        out->allow = "GET, HEAD, POST, DELETE";
        if (buf_printf(&out->body, "only GET, HEAD, POST and DELETE\n"))
            out->status = 500;
    }
}

int fault_control_init(struct fault_control *c, uint64_t seed, const char *path, char why[WHY_MAX])
{
    *c = (struct fault_control){.faults = faults_new(seed)};
    c->page = (struct world_page){"/faults", FAULTS_TEXT_MAX, show, c};
    if (!c->faults)
        return err_no_memory(why, WHY_MAX);
    return path ? read_file(c, path, why) : 0;
}

void fault_control_clear(struct fault_control *c)
{
    faults_free(c->faults);
    c->faults = NULL;
}

void fault_control_again(struct fault_control *c, const char *path)
{
    char why[WHY_MAX];
    if (!path)
        return;
    if (read_file(c, path, why))
        log_error("faults stay as they were reason=\"%s\"", why);
}
