// forge_mint: one leaf, from names to signature.
//
// 1. The subject is the first DNS name that fits into a common name; where none does it is empty,
//    and the subjectAltName is critical (RFC 5280 4.2.1.6).
// 2. Names are bytes: "xn--…" and UTF-8 go in as they came. Only what could not be shown in a log
//    line is refused.
//
// Elsewhere: which leaf is asked for, and whether there is one already (forge.c).
#include "proxy/tls/forge_impl.h"

#include "proto/base/addr.h"
#include "proxy/tls/issue_impl.h"
#include "proxy/tls/pem_impl.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <stdlib.h>

int forge_name_check(struct view name)
{
    if (name.n == 0)
        return E_SYNTAX;
    if (name.n > HOST_MAX)
        return E_LIMIT;
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] < ' ' || name.p[i] == 0x7f)
            return E_SYNTAX;
    return 0;
}

static ASN1_STRING *octets(ASN1_STRING *s, const void *p, size_t n)
{
    if (s && ASN1_STRING_set(s, p, (int)n) == 1)
        return s;
    ASN1_STRING_free(s);
    return NULL;
}

static bool add_name(GENERAL_NAMES *all, struct view name)
{
    struct addr a;
    GENERAL_NAME *g = GENERAL_NAME_new();
    ASN1_STRING *s;
    int type = GEN_IPADD;
    if (addr_parse(&a, name, 0) != 0) {
        type = GEN_DNS;
        s = octets(ASN1_IA5STRING_new(), name.p, name.n);
    } else if (a.sa.sa_family == AF_INET6) {
        s = octets(ASN1_OCTET_STRING_new(), &a.in6.sin6_addr, 16);
    } else {
        s = octets(ASN1_OCTET_STRING_new(), &a.in4.sin_addr, 4);
    }
    if (!g || !s) {
        GENERAL_NAME_free(g);
        ASN1_STRING_free(s);
        return false;
    }
    GENERAL_NAME_set0_value(g, type, s);
    if (sk_GENERAL_NAME_push(all, g) > 0)
        return true;
    GENERAL_NAME_free(g);
    return false;
}

// Those that can be used, at most FORGE_NAMES_MAX; NULL: OpenSSL failed.
static GENERAL_NAMES *names_of(const struct forge_order *o)
{
    struct view rest = view_head(view_of(o->names), FORGE_NAMES_TEXT);
    bool cut = rest.n < strlen(o->names), done = true;
    GENERAL_NAMES *all = sk_GENERAL_NAME_new_null();
    while (all && done && rest.n > 0 && sk_GENERAL_NAME_num(all) < FORGE_NAMES_MAX) {
        size_t n = view_find(rest, ',');
        struct view name = view_trim(view_head(rest, n));
        if (n == rest.n && cut)
            break; // half a name
        rest = view_from(rest, n < rest.n ? n + 1 : n);
        if (forge_name_check(name) == 0)
            done = add_name(all, name);
    }
    if (all && done && sk_GENERAL_NAME_num(all) == 0)
        done = add_name(all, view_of(o->host));
    if (all && done)
        return all;
    sk_GENERAL_NAME_pop_free(all, GENERAL_NAME_free);
    return NULL;
}

// "" when there is none that fits. Only ASCII: the bytes of others need not be UTF-8.
static void common_name(const GENERAL_NAMES *all, char out[ISSUE_CN_MAX + 1])
{
    *out = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(all) && !*out; i++) {
        int type;
        const ASN1_STRING *s = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all, i), &type);
        const char *p = (const char *)ASN1_STRING_get0_data(s);
        int n = ASN1_STRING_length(s);
        bool plain = type == GEN_DNS && n <= ISSUE_CN_MAX;
        for (int k = 0; k < n && plain; k++)
            plain = (unsigned char)p[k] < 0x80;
        if (plain)
            snprintf(out, ISSUE_CN_MAX + 1, "%.*s", n, p);
    }
}

static bool add_purpose(X509 *x)
{
    EXTENDED_KEY_USAGE *purpose = sk_ASN1_OBJECT_new_null();
    bool done = purpose && sk_ASN1_OBJECT_push(purpose, OBJ_nid2obj(NID_server_auth)) > 0 &&
                issue_extension(x, NID_ext_key_usage, purpose, false);
    sk_ASN1_OBJECT_free(purpose); // its object is a constant
    return done;
}

static bool add_all(X509 *x, const struct forge_order *o, GENERAL_NAMES *names)
{
    static const int usage[] = {0, 2}; // digitalSignature; keyEncipherment, for RSA of TLS 1.2
    char name[ISSUE_CN_MAX + 1];
    common_name(names, name);
    return (!*name || issue_name(x, "CN", name)) &&
           X509_set_issuer_name(x, X509_get_subject_name(o->ca->cert)) &&
           issue_constraints(x, false) && issue_usage(x, usage, o->rsa ? 2 : 1) && add_purpose(x) &&
           issue_subject_id(x) && issue_authority_id(x, o->ca->cert) &&
           issue_extension(x, NID_subject_alt_name, names, !*name) && issue_sign(x, o->ca->key);
}

int forge_mint(const struct forge_order *o, struct tls_pair **out)
{
    ERR_clear_error();
    *out = NULL;
    GENERAL_NAMES *names = names_of(o);
    X509 *x = names ? issue_begin(o->key, o->from_us, o->until_us) : NULL;
    int e = x && add_all(x, o, names) ? tls_pair_make(out, x, o->ca->sent, o->key)
                                      : pem_failed("leaf", NULL);
    sk_GENERAL_NAME_pop_free(names, GENERAL_NAME_free);
    X509_free(x);
    return e;
}
