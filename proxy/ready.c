#include "proxy/ready.h"

#include "proto/base/buf.h"
#include "proto/base/whole_file.h"

#include <stdio.h>
#include <unistd.h>

static int put_addr(struct buf *b, const char *key, const struct addr *a)
{
    char text[ADDR_TEXT];
    if (!a)
        return buf_printf(b, ",\"%s\":null", key);
    return buf_printf(b, ",\"%s\":\"%s\"", key, addr_text(a, text));
}

int ready_write(const char *path, const struct ready *r, char why[WHY_MAX])
{
    struct buf b;
    buf_init(&b, READY_MAPS * (READY_MAP_TEXT + 8) + 4096);
    int e = buf_printf(&b, "{\"pid\":%ld", (long)getpid());
    e = e ? e : put_addr(&b, "in", r->in);
    e = e ? e : put_addr(&b, "out", r->out);
    e = e ? e : put_addr(&b, "admin", r->admin);
    for (size_t i = 0; i < r->maps && !e; i++) // names, addresses and ports: nothing to escape
        e = buf_printf(&b, "%s\"%s\"", i ? "," : ",\"maps\":[", r->map[i]);
    e = e ? e : buf_printf(&b, r->maps ? "]}\n" : "}\n");
    char fault[WHY_MAX];
    snprintf(fault, sizeof fault, "%s", err_text(E_NOMEM));
    e = e ? e : whole_file_write(path, buf_view(&b), fault);
    if (e)
        snprintf(why, WHY_MAX, "ready-file: %.400s", fault);
    buf_clear(&b);
    return e;
}
