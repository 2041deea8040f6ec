// pack: the generated types are filled on the stack with borrowed pointers, and packed.
//
// protobuf-c wants pointers to what it may write; it only reads here, hence the casts.
#include "proto/base/utf8.h"
#include "proto/digest.h"
#include "proto/record.pb-c.h"
#include "proxy/emit/pack_impl.h"
#include "proxy/tls/certificate.h"

#include <assert.h>

static char *text(const char *s)
{
    union {
        const char *in;
        char *out;
    } u = {s};
    return u.out;
}

static ProtobufCBinaryData bytes(struct view v)
{
    union {
        const char *in;
        uint8_t *out;
    } u = {v.p};
    return (ProtobufCBinaryData){v.n, u.out};
}

size_t pack_txn_open_bound(const struct pack_txn *t)
{
    return 10 * NUMBER + strlen(t->protocol) + strlen(t->method) + strlen(t->scheme) +
           strlen(t->host) + strlen(t->path) + strlen(t->query);
}

size_t pack_txn_open(void *out, const struct pack_txn *t)
{
    Tapedeck__TransactionOpen m;
    int64_t c2s = t->half[C2S].first_us, s2c = t->half[S2C].first_us;

    tapedeck__transaction_open__init(&m);
    m.flow = t->flow;
    m.n = t->n;
    m.protocol = text(t->protocol);
    m.method = text(t->method);
    m.scheme = text(t->scheme);
    m.host = text(t->host);
    m.path = text(t->path);
    m.query = text(t->query);
    m.status = t->status;
    m.first_us = c2s && (!s2c || c2s < s2c) ? c2s : s2c;
    return tapedeck__transaction_open__pack(&m, out);
}

size_t pack_part_bound(const struct pack_part *p)
{
    return 12 * NUMBER + DIGEST_SIZE + ACCOUNT_MAX + p->bytes.n;
}

size_t pack_part(void *out, const struct pack_part *p)
{
    Tapedeck__Part m;
    Tapedeck__Account account;

    tapedeck__part__init(&m);
    tapedeck__account__init(&account);
    m.flow = p->flow;
    m.n = p->n;
    m.s2c = p->dir == S2C;
    m.offset = p->offset;
    m.first_us = p->first_us;
    m.last_us = p->last_us;
    m.bytes = bytes(p->bytes);
    if (p->like) {
        _Static_assert(12 * NUMBER + DIGEST_SIZE + ACCOUNT_MAX <= PACK_LIKE_MAX, "it fits");
        m.like = bytes(view_n(p->like, DIGEST_SIZE));
        m.size = p->size;
    }
    if (p->dir == S2C) {
        account.stored_s2c = p->stored;
        account.omitted_s2c = p->omitted;
    } else {
        account.stored_c2s = p->stored;
        account.omitted_c2s = p->omitted;
    }
    m.account = &account;
    return tapedeck__part__pack(&m, out);
}

// s, or its beginning in room, which has max + 1 bytes; a character is never cut in two.
static char *cut(const char *s, char *room, size_t max)
{
    size_t n = strnlen(s, max + 1);

    if (n <= max)
        return text(s);
    for (n = max; n > 0 && ((unsigned char)s[n] & 0xc0) == 0x80; n--)
        ;
    memcpy(room, s, n);
    room[n] = '\0';
    return room;
}

size_t pack_flow_open(void *out, const struct flow_facts *facts)
{
    Tapedeck__FlowOpen m;
    char address[5][ADDR_TEXT], front[PACK_REASON_MAX + 1], requested[PACK_TEXT_MAX + 1],
        target[PACK_TEXT_MAX + 1];

    tapedeck__flow_open__init(&m);
    m.at_us = facts->at_us;
    m.direction = (Tapedeck__Direction)facts->direction;
    m.front = cut(facts->front, front, PACK_REASON_MAX);
    m.client = text(addr_text(&facts->client, address[0]));
    m.local = text(addr_text(&facts->local, address[1]));
    m.original = text(addr_text(&facts->original, address[2]));
    m.server = text(addr_text(&facts->server, address[3]));
    m.server_local = text(addr_text(&facts->server_local, address[4]));
    m.requested = cut(facts->requested, requested, PACK_TEXT_MAX);
    m.target = cut(facts->target, target, PACK_TEXT_MAX);
    m.dial_us = facts->dial_us;
    m.dns_us = facts->dns_us;
    _Static_assert(4 * NUMBER + 8 * LENGTH + 5 * ADDR_TEXT + PACK_REASON_MAX + 2 * PACK_TEXT_MAX <=
                       PACK_FLOW_OPEN_MAX,
                   "a FlowOpen fits");
    return tapedeck__flow_open__pack(&m, out);
}

size_t pack_flow_close(void *out, const struct pack_flow_close *c)
{
    Tapedeck__FlowClose m;
    Tapedeck__Account account;
    char reason[PACK_REASON_MAX + 1], detail[PACK_DETAIL_MAX + 1];

    tapedeck__flow_close__init(&m);
    tapedeck__account__init(&account);
    m.flow = c->flow;
    m.at_us = c->totals->at_us;
    m.reason = cut(c->totals->reason, reason, PACK_REASON_MAX);
    m.detail = cut(c->totals->detail, detail, PACK_DETAIL_MAX);
    m.relayed_c2s = c->totals->relayed[C2S];
    m.relayed_s2c = c->totals->relayed[S2C];
    m.transactions = c->transactions;
    m.filtered = c->filtered;
    m.first_speaker = (Tapedeck__Side)c->totals->first_speaker;
    account.omitted_c2s = c->omitted[C2S];
    account.omitted_s2c = c->omitted[S2C];
    m.account = &account;
    _Static_assert(7 * NUMBER + ACCOUNT_MAX + 2 * LENGTH + PACK_REASON_MAX + PACK_DETAIL_MAX <=
                       PACK_FLOW_CLOSE_MAX,
                   "a FlowClose fits");
    return tapedeck__flow_close__pack(&m, out);
}

#define CLEAN PACK_TEXT_ROOM(PACK_TEXT_MAX)

static char *fit(const char *in, char clean[CLEAN], char shortened[PACK_TEXT_MAX + 1])
{
    pack_text(clean, view_n(in, strnlen(in, PACK_TEXT_MAX)));
    return cut(clean, shortened, PACK_TEXT_MAX);
}

size_t pack_tls(void *out, uint64_t flow, const struct tls_facts *t)
{
    enum { TEXTS_OF_TLS = 12 };
    static const struct certificate none;
    const struct certificate *c = t->certificate ? t->certificate : &none;
    Tapedeck__Tls m;
    Tapedeck__Certificate certificate;
    const struct {
        const char *in;
        char **to;
    } texts[TEXTS_OF_TLS] = {
        {t->sni, &m.sni},
        {t->alpn_offered, &m.alpn_offered},
        {t->versions_offered, &m.versions_offered},
        {t->version, &m.version},
        {t->cipher, &m.cipher},
        {t->alpn, &m.alpn},
        {t->mode, &m.mode},
        {t->why ? t->why : "", &m.why},
        {t->client_version ? t->client_version : "", &m.client_version},
        {t->client_cipher ? t->client_cipher : "", &m.client_cipher},
        {c->subject, &certificate.subject},
        {c->issuer, &certificate.issuer},
    };
    char clean[TEXTS_OF_TLS][CLEAN], shortened[TEXTS_OF_TLS][PACK_TEXT_MAX + 1];

    tapedeck__tls__init(&m);
    tapedeck__certificate__init(&certificate);
    m.flow = flow;
    m.at_us = t->at_us;
    m.resumed = t->resumed;
    m.client_resumed = t->client_resumed;
    for (int i = 0; i < TEXTS_OF_TLS; i++)
        *texts[i].to = fit(texts[i].in, clean[i], shortened[i]);
    if (t->certificate) {
        certificate.not_before_us = c->not_before_us;
        certificate.not_after_us = c->not_after_us;
        certificate.names = text(c->names); // plain by its contract, and whole
        certificate.fingerprint =
            bytes(view_n((const char *)c->fingerprint, sizeof c->fingerprint));
        m.certificate = &certificate;
    }
    _Static_assert(6 * NUMBER + TEXTS_OF_TLS * (LENGTH + PACK_TEXT_MAX) + 3 * LENGTH +
                           sizeof none.names + sizeof none.fingerprint <=
                       PACK_TLS_MAX,
                   "a Tls fits");
    return tapedeck__tls__pack(&m, out);
}

size_t pack_loss(void *out, const struct pack_loss *l)
{
    Tapedeck__Loss m;

    tapedeck__loss__init(&m);
    m.flow = l->flow;
    m.cause = (Tapedeck__Cause)l->cause;
    m.transactions = l->transactions;
    m.flows = l->flows;
    m.lost_c2s = l->bytes[C2S];
    m.lost_s2c = l->bytes[S2C];
    m.first_us = l->first_us;
    m.last_us = l->last_us;
    _Static_assert(8 * NUMBER <= PACK_LOSS_MAX, "a Loss fits");
    return tapedeck__loss__pack(&m, out);
}

size_t pack_restart(void *out, int64_t at_us, unsigned pid)
{
    Tapedeck__Restart m;

    tapedeck__restart__init(&m);
    m.at_us = at_us;
    m.pid = pid;
    return tapedeck__restart__pack(&m, out);
}

static bool plain_ascii(struct view v)
{
    for (size_t i = 0; i < v.n; i++) {
        if ((signed char)v.p[i] <= 0)
            return false;
    }
    return true;
}

size_t pack_text(char *out, struct view in)
{
    static const char digits[] = "0123456789ABCDEF";
    size_t at = 0;

    if (plain_ascii(in)) {
        if (in.n)
            memcpy(out, in.p, in.n);
        out[in.n] = '\0';
        return in.n;
    }
    while (in.n) {
        size_t n;
        if (utf8_next(in, &n) > 0) { // a NUL would end the text

            memcpy(out + at, in.p, n);
            at += n;
        } else {
            unsigned char c = (unsigned char)in.p[0];
            out[at++] = '%';
            out[at++] = digits[c >> 4];
            out[at++] = digits[c & 15];
        }
        in = view_from(in, n);
    }
    out[at] = '\0';
    return at;
}
