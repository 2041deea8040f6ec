// hello: the first handshake message of each side, read from the records that carry it.
//
//   records:  [16 03 vv len][fragment] [16 03 vv len][fragment] …
//   message:  [type][len, 3 bytes][version][random][session id][cipher …][…][extensions]
//
// 1. What is wrong is said as soon as it is certain; E_AGAIN means that every byte so far fits.
// 2. A message within one record is read in place; only one that spans several is copied.
// 3. Every length is checked against the cursor that contains it before anything behind is read.
// 4. Names that could not stand in a capture as text (a server name that is no host name, an ALPN
//    name with other than printable characters) are left out; the hello still counts.
// 5. A hello of which something that matters to the server is left out is odd.
//
// Elsewhere: what is made of it (decode/tls.c, and who intercepts). Nothing here is verified
// against anything.
#include "proxy/tls/hello.h"

#include <stdio.h>

enum {
    RECORD_HEAD = 5,
    RECORD_MAX = 16384, // of a plaintext fragment
    RECORD_HANDSHAKE = 22,
    MESSAGE_HEAD = 4,
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CERTIFICATE = 11,
    RANDOM = 32,
    SESSION_ID_MAX = 32,
    EXT_SNI = 0,
    EXT_GROUPS = 10,
    EXT_SIGNATURES = 13,
    EXT_ALPN = 16,
    EXT_VERSIONS = 43,
    TLS_1_0 = 0x0301,
    TLS_1_2 = 0x0303,
    TLS_1_3 = 0x0304,
    GROUP_P256 = 23,
    ECDSA_P256_SHA256 = 0x0403,
};

// Those that are read here; SEEN_… are bits by their order.
static const uint16_t extensions_read[] = {
    EXT_SNI, EXT_GROUPS, EXT_SIGNATURES, EXT_ALPN, EXT_VERSIONS,
};
enum {
    SEEN_GROUPS = 1 << 1,
    SEEN_SIGNATURES = 1 << 2,
    SEEN_VERSIONS = 1 << 4,
};

// With a key of ECDSA, of TLS 1.2 and before, in ascending order; not those without encryption or
// with RC4.
static const uint16_t ecdsa_suites[] = {
    0xC008, 0xC009, 0xC00A, 0xC023, 0xC024, 0xC02B, 0xC02C, 0xC0AC, 0xC0AD, 0xC0AE, 0xC0AF, 0xCCA9,
};

// Bytes still to be read; bad once something did not fit.
struct cursor {
    const unsigned char *p;
    size_t n;
    bool bad;
};

static struct cursor cursor_take(struct cursor *c, size_t n)
{
    struct cursor part = {c->p, n, false};
    if (n > c->n) {
        c->bad = true;
        c->n = 0;
        return (struct cursor){NULL, 0, true};
    }
    c->p += n;
    c->n -= n;
    return part;
}

static unsigned take_number(struct cursor *c, size_t bytes)
{
    struct cursor part = cursor_take(c, bytes);
    unsigned value = 0;
    for (size_t i = 0; i < part.n; i++)
        value = value << 8 | part.p[i];
    return value;
}

// A vector with its length, of that many bytes, before it.
static struct cursor take_vector(struct cursor *c, size_t length_bytes)
{
    return cursor_take(c, take_number(c, length_bytes));
}

static bool is_grease(unsigned value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

// What stands in front of one fragment. 0: *length bytes of it follow; E_AGAIN, E_SYNTAX.
static int record_head(struct view in, size_t *length)
{
    const unsigned char *p = (const unsigned char *)in.p;
    if ((in.n > 0 && p[0] != RECORD_HANDSHAKE) || (in.n > 1 && p[1] != 3) || (in.n > 2 && p[2] > 4))
        return E_SYNTAX;
    if (in.n < RECORD_HEAD)
        return E_AGAIN;
    *length = (size_t)p[3] << 8 | p[4];
    return *length == 0 || *length > RECORD_MAX ? E_SYNTAX : 0;
}

// The next piece of handshake bytes at the front of *in, as much of it as is there. 0, E_AGAIN,
// E_SYNTAX.
static int fragment_next(struct view *in, struct view *piece)
{
    size_t length;
    int r = record_head(*in, &length);
    if (r)
        return r;
    *piece = view_head(view_from(*in, RECORD_HEAD), length);
    *in = view_from(*in, RECORD_HEAD + piece->n);
    return 0;
}

// The size of the message, its head included. 0, E_AGAIN, E_SYNTAX, E_LIMIT.
static int message_size(struct view in, unsigned char type, size_t *size)
{
    unsigned char head[MESSAGE_HEAD];
    size_t have = 0;
    while (have < MESSAGE_HEAD) {
        struct view piece;
        int r = fragment_next(&in, &piece);
        if (r)
            return r;
        for (size_t i = 0; i < piece.n && have < MESSAGE_HEAD; i++)
            head[have++] = (unsigned char)piece.p[i];
        if (have > 0 && head[0] != type)
            return E_SYNTAX;
    }
    *size = MESSAGE_HEAD + ((size_t)head[1] << 16 | (size_t)head[2] << 8 | head[3]);
    return *size > HELLO_MAX ? E_LIMIT : 0;
}

// The whole message without its head, in place or gathered in memory. 0, E_AGAIN, E_SYNTAX,
// E_LIMIT.
static int message_find(struct view in, unsigned char type, char memory[HELLO_MAX],
                        struct cursor *out)
{
    size_t size = 0, have = 0;
    int r = message_size(in, type, &size);
    if (r)
        return r;
    for (unsigned records = 0; have < size; records++) {
        struct view piece;
        r = records < HELLO_RECORDS_MAX ? fragment_next(&in, &piece) : E_LIMIT;
        if (r)
            return r;
        if (records == 0 && piece.n >= size) {
            *out = (struct cursor){(const unsigned char *)piece.p + MESSAGE_HEAD,
                                   size - MESSAGE_HEAD, false};
            return 0;
        }
        size_t n = piece.n < size - have ? piece.n : size - have;
        memcpy(memory + have, piece.p, n);
        have += n;
    }
    *out = (struct cursor){(unsigned char *)memory + MESSAGE_HEAD, size - MESSAGE_HEAD, false};
    return 0;
}

// Adds text to a comma-separated list, if it fits whole.
static void list_add(char *list, size_t size, const char *text, size_t n)
{
    size_t at = strlen(list);
    size_t comma = at > 0;
    if (at + comma + n >= size)
        return;
    if (comma)
        list[at++] = ',';
    memcpy(list + at, text, n);
    list[at + n] = '\0';
}

static void version_text(unsigned version, char out[8])
{
    if (version >= 0x0301 && version <= 0x0304)
        snprintf(out, 8, "1.%u", version - 0x0301);
    else if (version == 0x0300)
        snprintf(out, 8, "ssl3");
    else
        snprintf(out, 8, "0x%04x", version & 0xffff);
}

static void read_sni(struct cursor ext, struct client_hello *out, bool *bad)
{
    struct cursor list = take_vector(&ext, 2);
    if (ext.n > 0 || list.n == 0)
        *bad = true;
    while (list.n > 0) {
        unsigned type = take_number(&list, 1);
        struct cursor name = take_vector(&list, 2);
        struct hostport host;
        if (type == 0 && out->sni[0] == '\0' && name.n > 0 &&
            hostport_set_host(&host, view_n(name.p, name.n)) == 0)
            snprintf(out->sni, sizeof out->sni, "%s", host.host);
        else
            out->odd = "its server name is no host name, or not the only one";
    }
    *bad = *bad || ext.bad || list.bad;
}

static bool alpn_is_text(struct cursor name)
{
    if (name.n == 2 && is_grease((unsigned)name.p[0] << 8 | name.p[1]))
        return false;
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ',')
            return false;
    return true;
}

static void read_alpn(struct cursor ext, char *out, size_t size, bool *bad)
{
    struct cursor list = take_vector(&ext, 2);
    if (ext.n > 0 || list.n == 0)
        *bad = true;
    while (list.n > 0) {
        struct cursor name = take_vector(&list, 1);
        if (name.n == 0)
            *bad = true;
        else if (alpn_is_text(name))
            list_add(out, size, (const char *)name.p, name.n);
    }
    *bad = *bad || ext.bad || list.bad;
}

static void keep_alpn(struct cursor ext, struct client_hello *out)
{
    struct cursor list = take_vector(&ext, 2);
    if (list.n > sizeof out->wire) {
        out->odd = "its list of protocols is too long";
        return;
    }
    if (list.n > 0)
        memcpy(out->wire, list.p, list.n);
    out->wire_n = list.n;
}

// Whether a list of numbers has that one.
static bool list_has(struct cursor ext, unsigned wanted, bool *bad)
{
    struct cursor list = take_vector(&ext, 2);
    bool has = false;
    if (ext.n > 0 || ext.bad || list.n == 0 || list.n % 2)
        *bad = true;
    while (list.n > 1)
        if (take_number(&list, 2) == wanted)
            has = true;
    return has;
}

static bool has_ecdsa_suite(struct cursor ciphers)
{
    while (ciphers.n > 1) {
        unsigned suite = take_number(&ciphers, 2);
        for (size_t i = 0; i < sizeof ecdsa_suites / sizeof *ecdsa_suites; i++)
            if (ecdsa_suites[i] == suite)
                return true;
    }
    return false;
}

static void read_versions(struct cursor ext, struct client_hello *out, bool *bad)
{
    struct cursor list = take_vector(&ext, 1);
    if (ext.n > 0 || list.n == 0 || list.n % 2)
        *bad = true;
    while (list.n > 0) {
        unsigned version = take_number(&list, 2);
        char text[8];
        version_text(version, text);
        if (!is_grease(version) && !list.bad)
            list_add(out->versions, sizeof out->versions, text, strlen(text));
        if (list.bad || version < TLS_1_0 - 1 || version > TLS_1_3)
            continue;
        out->most = version > out->most ? (uint16_t)version : out->most;
        out->least = out->least == 0 || version < out->least ? (uint16_t)version : out->least;
    }
    *bad = *bad || ext.bad || list.bad;
}

// Cuts the next extension off. seen: those that were met before, of the ones that are read here; a
// second one of a kind is malformed (RFC 8446 4.2).
static unsigned next_extension(struct cursor *all, struct cursor *ext, unsigned *seen)
{
    unsigned type = take_number(all, 2), bit = 0;
    for (size_t i = 0; i < sizeof extensions_read / sizeof *extensions_read; i++)
        if (extensions_read[i] == type)
            bit = 1u << i;
    *ext = take_vector(all, 2);
    if (*seen & bit)
        all->bad = true;
    *seen |= bit;
    return type;
}

// What a client that does not list its versions takes (RFC 8446 4.2.1: 1.2 at most).
static void read_legacy_version(unsigned legacy, struct client_hello *out)
{
    out->most = legacy > TLS_1_2 ? TLS_1_2 : (uint16_t)legacy;
    out->least = out->most < TLS_1_0 ? out->most : TLS_1_0;
    version_text(out->most, out->versions);
}

// What the lists of a client say of ECDSA P-256.
struct verifies {
    bool signature, group, suite;
};

// In 1.3 the signature alone decides; before, a suite and the group of the key must be offered too,
// and a client that lists no signatures or groups leaves them to the server (RFC 5246 7.4.1.4.1,
// RFC 8422 4).
static bool verifies_ecdsa_p256(const struct client_hello *hello, const struct verifies *v,
                                unsigned seen)
{
    bool by_1_2 = v->suite && (v->signature || !(seen & SEEN_SIGNATURES)) &&
                  (v->group || !(seen & SEEN_GROUPS));
    return (hello->most < TLS_1_3 || v->signature) && (hello->least >= TLS_1_3 || by_1_2);
}

static void read_client_extension(unsigned type, struct cursor ext, struct client_hello *out,
                                  struct verifies *v, bool *bad)
{
    switch (type) {
    case EXT_SNI:
        read_sni(ext, out, bad);
        break;
    case EXT_GROUPS:
        v->group = list_has(ext, GROUP_P256, bad);
        break;
    case EXT_SIGNATURES:
        v->signature = list_has(ext, ECDSA_P256_SHA256, bad);
        break;
    case EXT_ALPN:
        read_alpn(ext, out->alpn, sizeof out->alpn, bad);
        keep_alpn(ext, out);
        break;
    case EXT_VERSIONS:
        read_versions(ext, out, bad);
        break;
    default:
        break;
    }
}

static int read_client(struct cursor c, struct client_hello *out)
{
    unsigned legacy = take_number(&c, 2), seen = 0;
    struct verifies verifies = {0};
    bool bad = legacy >> 8 != 3;
    cursor_take(&c, RANDOM);
    bad = take_vector(&c, 1).n > SESSION_ID_MAX || bad;
    struct cursor ciphers = take_vector(&c, 2);
    bad = ciphers.n == 0 || ciphers.n % 2 || bad;
    verifies.suite = has_ecdsa_suite(ciphers);
    bad = take_vector(&c, 1).n == 0 || bad;
    struct cursor all = {NULL, 0, false};
    if (c.n > 0)
        all = take_vector(&c, 2);
    while (all.n > 0 && !all.bad) {
        struct cursor ext;
        unsigned type = next_extension(&all, &ext, &seen);
        if (!all.bad)
            read_client_extension(type, ext, out, &verifies, &bad);
    }
    if (!(seen & SEEN_VERSIONS))
        read_legacy_version(legacy, out);
    if (out->most == 0)
        out->odd = "none of its versions is known";
    out->ecdsa_p256 = verifies_ecdsa_p256(out, &verifies, seen);
    return bad || c.bad || c.n > 0 || all.bad ? E_SYNTAX : 0;
}

static int read_server(struct cursor c, struct server_hello *out)
{
    unsigned version = take_number(&c, 2), seen = 0;
    bool bad = version >> 8 != 3;
    cursor_take(&c, RANDOM);
    bad = take_vector(&c, 1).n > SESSION_ID_MAX || bad;
    unsigned cipher = take_number(&c, 2);
    take_number(&c, 1);
    struct cursor all = {NULL, 0, false};
    if (c.n > 0)
        all = take_vector(&c, 2);
    while (all.n > 0 && !all.bad) {
        struct cursor ext;
        unsigned type = next_extension(&all, &ext, &seen);
        if (all.bad)
            break;
        if (type == EXT_ALPN)
            read_alpn(ext, out->alpn, sizeof out->alpn, &bad);
        if (type != EXT_VERSIONS)
            continue;
        bad = ext.n != 2 || bad;
        version = take_number(&ext, 2);
    }
    version_text(version, out->version);
    const char *name = cipher_name((uint16_t)cipher);
    if (name)
        snprintf(out->cipher, sizeof out->cipher, "%s", name);
    else
        snprintf(out->cipher, sizeof out->cipher, "0x%04X", cipher & 0xffff);
    return bad || c.bad || c.n > 0 || all.bad ? E_SYNTAX : 0;
}

enum hello_may hello_may_be(struct view first)
{
    size_t length;
    int r = record_head(first, &length);
    if (r == 0 && first.n > RECORD_HEAD)
        return first.p[RECORD_HEAD] == CLIENT_HELLO ? HELLO_YES : HELLO_NO;
    return r == E_SYNTAX ? HELLO_NO : HELLO_MORE;
}

int hello_client(struct view in, struct client_hello *out)
{
    char memory[HELLO_MAX];
    struct cursor message;
    memset(out, 0, sizeof *out);
    int r = message_find(in, CLIENT_HELLO, memory, &message);
    return r ? r : read_client(message, out);
}

int hello_server(struct view in, struct server_hello *out)
{
    char memory[HELLO_MAX];
    struct cursor message;
    memset(out, 0, sizeof *out);
    int r = message_find(in, SERVER_HELLO, memory, &message);
    return r ? r : read_server(message, out);
}

// Handshake bytes [from, from + n) of the records in in. 0, E_AGAIN, E_SYNTAX, E_LIMIT.
static int gather(struct view in, size_t from, size_t n, unsigned char *memory)
{
    size_t at = 0;
    for (unsigned records = 0; at < from + n; records++) {
        struct view piece;
        int r = records < HELLO_RECORDS_MAX ? fragment_next(&in, &piece) : E_LIMIT;
        if (r)
            return r;
        size_t skip = at < from ? from - at : 0;
        at += piece.n;
        if (skip >= piece.n)
            continue;
        piece = view_from(piece, skip);
        size_t have = at - piece.n - from;
        memcpy(memory + have, piece.p, piece.n < n - have ? piece.n : n - have);
    }
    return 0;
}

static size_t number_of(const unsigned char p[3])
{
    return (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
}

int hello_certificate(struct view in, unsigned char memory[HELLO_MAX], struct view *out)
{
    size_t hello;
    unsigned char head[MESSAGE_HEAD], lengths[6]; // of the list, of the first certificate in it
    int r = message_size(in, SERVER_HELLO, &hello);
    if (r)
        return r;
    r = gather(in, hello, sizeof head, head);
    if (r == E_SYNTAX) // no handshake, but what ends one, or what is encrypted
        return E_NOTFOUND;
    if (r)
        return r;
    if (head[0] != CERTIFICATE)
        return E_NOTFOUND;
    size_t size = number_of(head + 1);
    if (size < sizeof lengths)
        return E_SYNTAX; // there is none in it, or not even a list
    r = gather(in, hello + MESSAGE_HEAD, sizeof lengths, lengths);
    if (r)
        return r;
    size_t list = number_of(lengths), first = number_of(lengths + 3);
    if (list != size - 3 || first == 0 || first > list - 3)
        return E_SYNTAX;
    if (first > HELLO_MAX)
        return E_LIMIT;
    r = gather(in, hello + MESSAGE_HEAD + sizeof lengths, first, memory);
    if (r == 0)
        *out = view_n((const char *)memory, first);
    return r;
}
