// unpack: protobuf-c into rows.
//
// 1. protobuf-c allocates out of one block that is forgotten whole before the next payload; only a
//    payload that needs more than the block has calls malloc, and the block grows to fit the next.
// 2. What SQLite or the tools rely on is checked here: numbers fit 63 bits, a record belongs to a
//    flow that began before it, digests have their length. A payload that fails is E_SYNTAX, and is
//    kept whole by the caller.
// 3. Host names are put in lower case here, so that the index on them serves every spelling; the
//    head keeps the exact one.
#include "recorder/unpack.h"

#include "proto/base/log.h"
#include "proto/digest.h"
#include "proto/record.pb-c.h"

#include <jansson.h>
#include <stdlib.h>

#define BLOCK_FIRST (64u << 10)
#define BLOCK_KEPT  (2u << 20) // a larger need is met by malloc each time

struct piece {
    struct piece *next;
    max_align_t bytes[];
};

struct unpack {
    ProtobufCAllocator allocator;
    char *block;
    size_t cap, used;
    size_t total; // asked for since the last reset
    struct piece *pieces;
    bool no_memory;
};

// ---- memory

static void *take(void *arg, size_t n)
{
    struct unpack *u = arg;
    n = (n + sizeof(max_align_t) - 1) & ~(sizeof(max_align_t) - 1);
    if (n > UNPACK_MAX || u->total > UNPACK_MAX - n)
        return NULL;
    u->total += n;
    if (n <= u->cap - u->used) {
        u->used += n;
        return u->block + u->used - n;
    }
    struct piece *p = malloc(sizeof *p + n);
    if (!p) {
        u->no_memory = true;
        return NULL;
    }
    p->next = u->pieces;
    u->pieces = p;
    return p->bytes;
}

static void give(void *arg, void *p)
{
    (void)arg;
    (void)p; // all at once, by reset()
}

static void reset(struct unpack *u)
{
    while (u->pieces) {
        struct piece *next = u->pieces->next;
        free(u->pieces);
        u->pieces = next;
    }
    if (u->total > u->cap && u->cap < BLOCK_KEPT) {
        size_t cap = u->cap;
        while (cap < u->total && cap < BLOCK_KEPT)
            cap *= 2;
        char *larger = malloc(cap);
        if (larger) {
            free(u->block);
            u->block = larger;
            u->cap = cap;
        }
    }
    u->used = u->total = 0;
    u->no_memory = false;
}

struct unpack *unpack_new(void)
{
    struct unpack *u = calloc(1, sizeof *u);
    if (!u)
        return NULL;
    u->block = malloc(BLOCK_FIRST);
    if (!u->block) {
        free(u);
        return NULL;
    }
    u->cap = BLOCK_FIRST;
    u->allocator = (ProtobufCAllocator){.alloc = take, .free = give, .allocator_data = u};
    return u;
}

void unpack_free(struct unpack *u)
{
    if (!u)
        return;
    reset(u);
    free(u->block);
    free(u);
}

static int failed(const struct unpack *u)
{
    return u->no_memory ? E_NOMEM : E_SYNTAX;
}

static const void *message(struct unpack *u, const ProtobufCMessageDescriptor *type,
                           struct view payload)
{
    reset(u);
    const uint8_t *bytes = payload.n ? (const uint8_t *)payload.p : (const uint8_t *)"";
    return protobuf_c_message_unpack(type, &u->allocator, payload.n, bytes);
}

// ---- values

// One record on its way; bad once a value in it cannot be.
struct reading {
    struct unpack *u;
    int64_t stream;
    uint64_t seq;
    bool bad;
};

static int64_t number(struct reading *r, uint64_t v)
{
    if (v > INT64_MAX)
        r->bad = true;
    return (int64_t)(v & INT64_MAX);
}

// The key of the flow that a record belongs to.
static int64_t flow_key(struct reading *r, uint64_t flow)
{
    if (flow == 0 || flow >= r->seq)
        r->bad = true;
    return store_key(r->stream, flow);
}

static struct view bytes_of(ProtobufCBinaryData b)
{
    return b.len ? view_n(b.data, b.len) : (struct view){NULL, 0};
}

// In place: the text stands in our own block.
static const char *lower(char *text)
{
    for (char *p = text; *p; p++)
        *p = view_lower(*p);
    return text;
}

static struct store_account account_of(struct reading *r, const Tapedeck__Account *a)
{
    struct store_account out = {0};
    if (a) {
        out.stored_c2s = number(r, a->stored_c2s);
        out.stored_s2c = number(r, a->stored_s2c);
        out.omitted_c2s = number(r, a->omitted_c2s);
        out.omitted_s2c = number(r, a->omitted_s2c);
    }
    return out;
}

// ---- records

static void read_flow(struct reading *r, const Tapedeck__FlowOpen *m, struct store_flow *f)
{
    *f = (struct store_flow){.at_us = m->at_us,
                             .dial_us = m->dial_us,
                             .dns_us = m->dns_us,
                             .inbound = m->direction != TAPEDECK__DIRECTION__OUTBOUND,
                             .front = m->front,
                             .client = m->client,
                             .local = m->local,
                             .original = m->original,
                             .requested = lower(m->requested),
                             .target = lower(m->target),
                             .server = m->server,
                             .server_local = m->server_local};
    r->bad = r->bad || r->seq == 0;
}

static void read_flow_end(struct reading *r, const Tapedeck__FlowClose *m, struct store_flow_end *f)
{
    *f = (struct store_flow_end){.flow = flow_key(r, m->flow),
                                 .at_us = m->at_us,
                                 .relayed_c2s = number(r, m->relayed_c2s),
                                 .relayed_s2c = number(r, m->relayed_s2c),
                                 .transactions = number(r, m->transactions),
                                 .filtered = number(r, m->filtered),
                                 .reason = m->reason,
                                 .detail = m->detail,
                                 .account = account_of(r, m->account)};
    f->first_speaker = m->first_speaker == TAPEDECK__SIDE__CLIENT   ? 1
                       : m->first_speaker == TAPEDECK__SIDE__SERVER ? 2
                                                                    : 0;
}

static void read_tls(struct reading *r, const Tapedeck__Tls *m, struct store_tls *t)
{
    *t = (struct store_tls){.flow = flow_key(r, m->flow),
                            .at_us = m->at_us,
                            .mode = m->mode,
                            .sni = lower(m->sni),
                            .alpn_offered = m->alpn_offered,
                            .versions_offered = m->versions_offered,
                            .version = m->version,
                            .cipher = m->cipher,
                            .alpn = m->alpn,
                            .why = m->why,
                            .client_version = m->client_version,
                            .client_cipher = m->client_cipher,
                            .resumed = m->resumed,
                            .client_resumed = m->client_resumed};
    if (!m->certificate)
        return;
    t->has_certificate = true;
    t->subject = m->certificate->subject;
    t->issuer = m->certificate->issuer;
    t->names = m->certificate->names;
    t->not_before_us = m->certificate->not_before_us;
    t->not_after_us = m->certificate->not_after_us;
    t->fingerprint =
        view_n((const char *)m->certificate->fingerprint.data, m->certificate->fingerprint.len);
}

// The heads of interim answers, one behind the other.
static struct view join_interim(struct reading *r, const Tapedeck__Message *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n_interim; i++)
        n += m->interim[i].len;
    if (m->n_interim == 1 || n == 0)
        return n ? bytes_of(m->interim[0]) : (struct view){NULL, 0};
    char *to = take(r->u, n);
    if (!to) {
        r->bad = true;
        return (struct view){NULL, 0};
    }
    struct view joined = view_n(to, n);
    for (size_t i = 0; i < m->n_interim; i++) {
        if (m->interim[i].len)
            memcpy(to, m->interim[i].data, m->interim[i].len);
        to += m->interim[i].len;
    }
    return joined;
}

static void read_half(struct reading *r, const Tapedeck__Message *m, struct store_half *h)
{
    *h = (struct store_half){0};
    if (!m)
        return;
    h->end = (int)m->end;
    h->first_us = m->first_us;
    h->last_us = m->last_us;
    h->wire = (int64_t)((uint64_t)number(r, m->head_wire) + (uint64_t)number(r, m->body_wire));
    h->head = bytes_of(m->head);
    h->trailers = bytes_of(m->trailers);
    h->rhythm = bytes_of(m->rhythm);
    h->interim = join_interim(r, m);
    h->body = bytes_of(m->body);
    h->digest = bytes_of(m->body_digest);
    h->body_size = number(r, m->body_size);
    h->body_stored = number(r, m->body_stored);
    h->parts = m->parts;
    h->body_wire = number(r, m->body_wire);
    h->known = m->known;
    if (h->known && (h->digest.n == 0 || h->body.n || h->parts || h->body_stored < WIRE_KNOWN_MIN ||
                     h->body_stored > STORE_KNOWN_MAX || h->body_stored > h->body_size))
        r->bad = true;
    if (h->wire < 0 || h->end < 0 || h->end > TAPEDECK__MESSAGE_END__UNTIL_CLOSE ||
        (h->digest.n != 0 && h->digest.n != DIGEST_SIZE) || (h->parts && h->body.n))
        r->bad = true;
}

// What redaction replaced in both halves, comma-separated.
static const char *join_redacted(struct reading *r, const Tapedeck__Transaction *m)
{
    const Tapedeck__Message *halves[2] = {m->request, m->response};
    size_t n = 1;
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; halves[i] && j < halves[i]->n_redacted; j++)
            n += strlen(halves[i]->redacted[j]) + 1;
    if (n == 1)
        return "";
    char *joined = take(r->u, n), *to = joined;
    if (!joined) {
        r->bad = true;
        return "";
    }
    for (int i = 0; i < 2; i++)
        for (size_t j = 0; halves[i] && j < halves[i]->n_redacted; j++) {
            size_t length = strlen(halves[i]->redacted[j]);
            if (to != joined)
                *to++ = ',';
            memcpy(to, halves[i]->redacted[j], length);
            to += length;
        }
    *to = 0;
    return joined;
}

static void read_txn(struct reading *r, const Tapedeck__Transaction *m, struct store_txn *t)
{
    *t = (struct store_txn){.flow = flow_key(r, m->flow),
                            .n = number(r, m->n),
                            .protocol = m->protocol,
                            .version = m->version,
                            .method = m->method,
                            .scheme = lower(m->scheme),
                            .host = lower(m->host),
                            .path = m->path,
                            .query = m->query,
                            .note = m->note,
                            .redacted = join_redacted(r, m),
                            .status = m->status,
                            .by_proxy = m->by_proxy,
                            .original = number(r, m->original),
                            .outcome = m->outcome,
                            .account = account_of(r, m->account)};
    read_half(r, m->request, &t->req);
    read_half(r, m->response, &t->res);
}

static void read_txn_open(struct reading *r, const Tapedeck__TransactionOpen *m,
                          struct store_txn_open *t)
{
    *t = (struct store_txn_open){.flow = flow_key(r, m->flow),
                                 .n = number(r, m->n),
                                 .first_us = m->first_us,
                                 .status = m->status,
                                 .protocol = m->protocol,
                                 .method = m->method,
                                 .scheme = lower(m->scheme),
                                 .host = lower(m->host),
                                 .path = m->path,
                                 .query = m->query};
}

static void read_part(struct reading *r, const Tapedeck__Part *m, struct store_part *p)
{
    *p = (struct store_part){.flow = flow_key(r, m->flow),
                             .n = number(r, m->n),
                             .first_us = m->first_us,
                             .last_us = m->last_us,
                             .at = number(r, m->offset),
                             .s2c = m->s2c,
                             .bytes = bytes_of(m->bytes),
                             .like = bytes_of(m->like),
                             .size = number(r, m->size),
                             .account = account_of(r, m->account)};
    bool refers = p->like.n == DIGEST_SIZE && p->bytes.n == 0 && p->size > 0 &&
                  p->size <= STORE_LIKE_MAX && p->at <= INT64_MAX - p->size;
    if (!refers && (p->like.n || p->size))
        r->bad = true;
}

static const char *cause_text(Tapedeck__Cause cause)
{
    switch (cause) {
    case TAPEDECK__CAUSE__RING_FULL:
        return "ring-full";
    case TAPEDECK__CAUSE__DECODE_LOST:
        return "decode-lost";
    case TAPEDECK__CAUSE__OUT_OF_MEMORY:
        return "out-of-memory";
    case TAPEDECK__CAUSE__REDACTION_FAILED:
        return "redaction-failed";
    case TAPEDECK__CAUSE__RECORDER_REFUSED:
        return "recorder-refused";
    case TAPEDECK__CAUSE__DIED:
        return "died";
    case TAPEDECK__CAUSE__BUDGET_FULL:
        return "budget-full";
    default:
        return "unknown";
    }
}

static void read_loss(struct reading *r, const Tapedeck__Loss *m, struct store_loss *l)
{
    *l = (struct store_loss){.flow = m->flow ? flow_key(r, m->flow) : 0,
                             .cause = cause_text(m->cause),
                             .detail = m->detail,
                             .transactions = number(r, m->transactions),
                             .flows = number(r, m->flows),
                             .lost_c2s = number(r, m->lost_c2s),
                             .lost_s2c = number(r, m->lost_s2c),
                             .first_us = m->first_us,
                             .last_us = m->last_us};
}

static const ProtobufCMessageDescriptor *descriptor_of(unsigned type)
{
    switch (type) {
    case WIRE_FLOW_OPEN:
        return &tapedeck__flow_open__descriptor;
    case WIRE_FLOW_CLOSE:
        return &tapedeck__flow_close__descriptor;
    case WIRE_TLS:
        return &tapedeck__tls__descriptor;
    case WIRE_TRANSACTION:
        return &tapedeck__transaction__descriptor;
    case WIRE_TRANSACTION_OPEN:
        return &tapedeck__transaction_open__descriptor;
    case WIRE_PART:
        return &tapedeck__part__descriptor;
    case WIRE_LOSS:
        return &tapedeck__loss__descriptor;
    case WIRE_RESTART:
        return &tapedeck__restart__descriptor;
    default:
        return NULL;
    }
}

int unpack_record(struct unpack *u, int64_t stream, uint64_t seq, unsigned type,
                  struct view payload, struct unpack_row *out)
{
    const ProtobufCMessageDescriptor *descriptor = descriptor_of(type);
    const void *m = descriptor ? message(u, descriptor, payload) : NULL;
    if (!m)
        return descriptor ? failed(u) : E_SYNTAX;
    struct reading r = {.u = u, .stream = stream, .seq = seq};
    out->type = (enum wire_type)type;
    switch (out->type) {
    case WIRE_FLOW_OPEN:
        read_flow(&r, m, &out->flow);
        break;
    case WIRE_FLOW_CLOSE:
        read_flow_end(&r, m, &out->flow_end);
        break;
    case WIRE_TLS:
        read_tls(&r, m, &out->tls);
        break;
    case WIRE_TRANSACTION:
        read_txn(&r, m, &out->txn);
        break;
    case WIRE_TRANSACTION_OPEN:
        read_txn_open(&r, m, &out->txn_open);
        break;
    case WIRE_PART:
        read_part(&r, m, &out->part);
        break;
    case WIRE_LOSS:
        read_loss(&r, m, &out->loss);
        break;
    case WIRE_RESTART:
        out->restart.at_us = ((const Tapedeck__Restart *)m)->at_us;
        out->restart.pid = ((const Tapedeck__Restart *)m)->pid;
        break;
    default:
        return E_SYNTAX;
    }
    return r.bad ? failed(u) : 0;
}

// ---- who speaks

// The JSON text in our block; consumes value, which may be NULL (then: out of memory).
static const char *json_text(struct unpack *u, json_t *value)
{
    char *text = value ? json_dumps(value, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(value);
    char *copy = text ? take(u, strlen(text) + 1) : NULL;
    if (copy)
        memcpy(copy, text, strlen(text) + 1);
    free(text);
    return copy;
}

static const char *labels_json(struct unpack *u, const Tapedeck__Hello *m)
{
    json_t *all = json_object();
    for (size_t i = 0; i < m->n_labels && all; i++) {
        const Tapedeck__Label *l = m->labels[i];
        // What is no UTF-8 cannot be JSON; the label's name stays, so that it is not missed.
        json_t *value = json_string(l->value);
        if (json_object_set_new(all, l->name, value ? value : json_null()) != 0)
            log_warn("a label is left out name=\"%s\"", l->name);
    }
    return json_text(u, all);
}

// The settings as they came when they are an object of plain values, else an empty one.
static const char *settings_json(struct unpack *u, const char *text)
{
    json_t *all = text[0] ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *name;
    json_t *value, *item;
    size_t i;
    bool plain = json_is_object(all);
    json_object_foreach(all, name, value)
    {
        if (json_is_object(value))
            plain = false;
        json_array_foreach(value, i, item) if (json_is_object(item) || json_is_array(item)) plain =
            false;
    }
    if (text[0] && !plain)
        log_warn("the settings that a proxy tells are not kept reason=\"no plain JSON object\"");
    if (!plain) {
        json_decref(all);
        return "{}";
    }
    return json_text(u, all);
}

int unpack_hello(struct unpack *u, struct view payload, struct unpack_hello *out)
{
    const Tapedeck__Hello *m = message(u, &tapedeck__hello__descriptor, payload);
    if (!m)
        return failed(u);
    *out = (struct unpack_hello){.protocol = m->protocol,
                                 .first_seq = m->first_seq,
                                 .next_seq = m->next_seq,
                                 .refers = m->refers};
    if (m->stream.len != sizeof out->stream.name)
        return E_SYNTAX;
    memcpy(out->stream.name, m->stream.data, m->stream.len);
    out->stream.software = m->software;
    out->stream.host = m->host;
    out->stream.pod = m->pod;
    out->stream.namespace_ = m->namespace_;
    out->stream.workload = m->workload;
    out->stream.node = m->node;
    out->stream.pid = m->pid;
    out->stream.worker = m->worker;
    out->stream.started_us = m->started_us;
    out->stream.labels_json = labels_json(u, m);
    out->stream.settings_json = settings_json(u, m->settings);
    return out->stream.labels_json && out->stream.settings_json ? 0 : E_NOMEM;
}

int unpack_bye(struct unpack *u, struct view payload, uint64_t *last_seq)
{
    const Tapedeck__Bye *m = message(u, &tapedeck__bye__descriptor, payload);
    if (!m)
        return failed(u);
    *last_seq = m->last_seq;
    return 0;
}
