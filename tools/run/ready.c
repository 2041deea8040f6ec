// ready: see ready.h.
#include "tools/run/ready.h"

#include <sys/stat.h>

#define READY_MAX 65536 // bytes of a ready file

json_t *ready_load(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > READY_MAX)
        return NULL;
    return json_load_file(path, 0, NULL);
}

bool ready_address(const json_t *ready, const char *key, struct hostport *out)
{
    struct addr a;
    const char *text = json_string_value(json_object_get(ready, key));
    if (!text || hostport_parse(out, view_of(text), 0) != 0)
        return false;
    // Every address is listened on by IPv4 as well (proxy/listen.c).
    if (addr_parse(&a, view_of(out->host), 0) == 0 && addr_is_any(&a))
        (void)hostport_set_host(out, VIEW_LIT("127.0.0.1"));
    return true;
}
