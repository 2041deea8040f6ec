// fuzz_hello: both hello readers, and that of a certificate, at every prefix: what is refused stays
// refused, what is whole stays whole, every text is short and printable, what can be offered again
// is well-formed, and the look at the first bytes agrees with the readers.
#include "proxy/tls/hello.h"

#include "proto/base/utf8.h"
#include "proxy/tls/certificate.h"

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

static void check_offer(const struct client_hello *h)
{
    size_t at = 0;
    need(h->wire_n <= sizeof h->wire && h->least <= h->most && h->most <= 0x0304);
    need(h->odd || h->most >= 0x0300);
    if (h->wire_n == 0 && !h->odd)
        need(h->alpn[0] == '\0');
    while (at < h->wire_n) {
        need(h->wire[at] > 0);
        at += 1u + h->wire[at];
    }
    need(at == h->wire_n);
}

static void check_may(enum hello_may may, int r)
{
    need(may != HELLO_NO || r == E_SYNTAX);
    need(may != HELLO_MORE || r == E_AGAIN);
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
            check_offer(&h);
        }
        check_may(hello_may_be(in), r);
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

static int read_certificate(struct view in)
{
    unsigned char memory[HELLO_MAX];
    struct certificate c;
    struct view der = {0};
    int r = hello_certificate(in, memory, &der);
    need(r == 0 || r == E_AGAIN || r == E_SYNTAX || r == E_LIMIT || r == E_NOTFOUND);
    if (r)
        return r;
    need(der.n > 0 && der.n <= HELLO_MAX && der.p == (char *)memory);
    if (certificate_read_der(der, &c) == 0) {
        need(utf8_valid(view_n(c.subject, strnlen(c.subject, sizeof c.subject))));
        need(utf8_valid(view_n(c.issuer, strnlen(c.issuer, sizeof c.issuer))));
        check_text(c.names, sizeof c.names);
    }
    return 0;
}

static int read_as(int what, struct view in)
{
    return what == 2 ? read_certificate(in) : read_one(what == 1, in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t step = size < 600 ? 1 : size / 200;
    for (int what = 0; what < 3; what++) {
        int before = E_AGAIN;
        for (size_t n = 0; n <= size; n += step) {
            char *block = malloc(n ? n : 1);
            need(block != NULL);
            if (n > 0)
                memcpy(block, data, n);
            int r = read_as(what, view_n(block, n));
            free(block);
            need(before == E_AGAIN || r == before);
            before = r;
        }
    }
    return 0;
}
