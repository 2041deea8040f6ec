// fuzz_hello: both hello readers at every prefix: what is refused stays refused, what is whole
// stays whole, and every text is short and printable.
#include "proxy/tls/hello.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok)
        abort();
}

static void check_text(const char *text, size_t size)
{
    size_t n = strnlen(text, size);
    need(n < size);
    for (size_t i = 0; i < n; i++)
        need(text[i] > ' ' && text[i] <= '~');
}

static int read_one(bool client, struct view in)
{
    int r;
    if (client) {
        struct client_hello h;
        r = hello_client(in, &h);
        if (r == 0) {
            check_text(h.sni, sizeof h.sni);
            check_text(h.alpn, sizeof h.alpn);
            check_text(h.versions, sizeof h.versions);
        }
    } else {
        struct server_hello h;
        r = hello_server(in, &h);
        if (r == 0) {
            check_text(h.version, sizeof h.version);
            check_text(h.cipher, sizeof h.cipher);
            check_text(h.alpn, sizeof h.alpn);
        }
    }
    need(r == 0 || r == E_AGAIN || r == E_SYNTAX || r == E_LIMIT);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size < 600 ? 1 : size / 200;
    for (int client = 0; client < 2; client++) {
        int before = E_AGAIN;
        for (size_t n = 0; n <= size; n += step) {
            char *block = malloc(n ? n : 1);
            need(block != NULL);
            if (n > 0)
                memcpy(block, data, n);
            int r = read_one(client, view_n(block, n));
            free(block);
            need(before == E_AGAIN || r == before);
            before = r;
        }
    }
    return 0;
}
