// faults: which rules are done for a request.
//
//   faults ──set──▶ fault_set (rules, and a counter pair each) ◀── plans hold it while they last
//
// 1. A set never changes but for its counters; a new one takes its place. The lock is held for a
//    pointer and a count.
// 2. The n-th match of the k-th rule is decided by draw(seed, k, n) alone.
#include "tools/mock/faults.h"

#include "proto/base/log.h"
#include "proxy/emit/filter.h"
#include "tools/mock/fault_rules.h"

#include <assert.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define BLIND 4096 // bytes of a content of unknown size in which bytes are made others

// What a draw is for.
enum { FOR_DOING, FOR_DELAY, FOR_BYTES = FOR_DELAY + 16 };

struct count {
    atomic_uint_fast64_t matched, done;
};

struct fault_set {
    atomic_uint refs;
    struct fault_rules rules;
    struct count *counts; // as many
};

struct faults {
    uint64_t seed;
    atomic_bool any;
    pthread_mutex_t lock; // of set
    struct fault_set *set;
};

// ---- draws

// splitmix64's finisher: every bit of the result depends on every bit of x.
static uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static uint64_t draw(uint64_t seed, size_t rule, uint64_t match, unsigned what)
{
    uint64_t x = mix(seed + 0x9e3779b97f4a7c15u);
    x = mix(x ^ (rule + 1) * 0x9e3779b97f4a7c15u);
    return mix(x ^ mix(match + 1) ^ ((uint64_t)what << 56));
}

// From 0 to 1, without 1.
static double part(uint64_t random)
{
    return (double)(random >> 11) / 9007199254740992.0;
}

// The sum of twelve draws less six is as good as normal, and the same on every machine.
static int64_t delay_of(const struct fault_rule *r, uint64_t seed, size_t rule, uint64_t match)
{
    if (r->deviation_us == 0)
        return r->from_us + (int64_t)((double)(r->to_us - r->from_us) *
                                      part(draw(seed, rule, match, FOR_DELAY)));
    double sum = -6;
    for (unsigned i = 0; i < 12; i++)
        sum += part(draw(seed, rule, match, FOR_DELAY + i));
    double us = (double)r->mean_us + sum * (double)r->deviation_us;
    return us < 0 ? 0 : us > FAULTS_DELAY_MAX ? FAULTS_DELAY_MAX : (int64_t)us;
}

// ---- sets

static void set_free(struct fault_set *s)
{
    if (!s)
        return;
    fault_rules_clear(&s->rules);
    free(s->counts);
    free(s);
}

static void release(struct fault_set *s)
{
    if (s && atomic_fetch_sub(&s->refs, 1) == 1)
        set_free(s);
}

static void set_log(const struct fault_set *s)
{
    for (size_t i = 0; s && i < s->rules.n; i++) {
        const struct fault_rule *r = &s->rules.items[i];
        uint64_t matched = atomic_load(&s->counts[i].matched);
        log_at(matched ? LOG_INFO : LOG_WARN,
               matched ? "fault line=%zu fault=%s matched=%llu done=%llu"
                       : "fault never matched line=%zu fault=%s matched=%llu done=%llu",
               r->line, fault_names[r->kind], (unsigned long long)matched,
               (unsigned long long)atomic_load(&s->counts[i].done));
    }
}

static struct fault_set *take(struct faults *f)
{
    if (!atomic_load_explicit(&f->any, memory_order_acquire))
        return NULL;
    pthread_mutex_lock(&f->lock);
    struct fault_set *s = f->set;
    if (s)
        atomic_fetch_add(&s->refs, 1);
    pthread_mutex_unlock(&f->lock);
    return s;
}

struct faults *faults_new(uint64_t seed)
{
    struct faults *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->seed = seed;
    pthread_mutex_init(&f->lock, NULL);
    return f;
}

void faults_free(struct faults *f)
{
    if (!f)
        return;
    assert(!f->set || atomic_load(&f->set->refs) == 1);
    release(f->set);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

int faults_set(struct faults *f, const char *name, struct view text, char why[WHY_MAX])
{
    struct fault_rules rules;
    struct fault_set *s = NULL;
    int e = fault_rules_read(&rules, name, text, why);
    if (e)
        return e;
    if (rules.n > 0) {
        s = calloc(1, sizeof *s);
        struct count *counts = calloc(rules.n, sizeof *counts);
        if (!s || !counts) {
            free(s);
            free(counts);
            fault_rules_clear(&rules);
            return err_no_memory(why, WHY_MAX);
        }
        atomic_init(&s->refs, 1);
        s->rules = rules;
        s->counts = counts;
    }
    pthread_mutex_lock(&f->lock);
    struct fault_set *old = f->set;
    f->set = s;
    atomic_store_explicit(&f->any, s != NULL, memory_order_release);
    pthread_mutex_unlock(&f->lock);
    set_log(old);
    release(old);
    return 0;
}

bool faults_any(const struct faults *f)
{
    return atomic_load_explicit(&f->any, memory_order_acquire);
}

// ---- what is known

struct known {
    struct filter_subject subject;
    char client[ADDR_TEXT];
};

static void know_flow(struct known *k, const struct fault_flow *flow)
{
    struct filter_subject *s = &k->subject;
    filter_subject_begin(s);
    filter_know_text(s, FIELD_DIRECTION,
                     flow->direction == INBOUND ? VIEW_LIT("inbound") : VIEW_LIT("outbound"));
    filter_know_text(s, FIELD_FRONT, view_of(flow->front));
    filter_know_text(s, FIELD_REQUESTED, view_of(flow->requested));
    filter_know_text(s, FIELD_TARGET, view_of(flow->target));
    if (addr_is_set(&flow->client))
        filter_know_text(s, FIELD_CLIENT, view_of(addr_text(&flow->client, k->client)));
    else
        filter_know_absent(s, FIELD_CLIENT);
}

static void know_request(struct filter_subject *s, const struct fault_request *r)
{
    filter_know_text(s, FIELD_PROTOCOL, view_of(r->protocol));
    filter_know_number(s, FIELD_TIME, r->at_us);
    filter_know_number(s, FIELD_N, (int64_t)r->n);
    filter_know_text(s, FIELD_METHOD, r->method);
    filter_know_text(s, FIELD_SCHEME, r->scheme);
    filter_know_text(s, FIELD_HOST, r->host);
    filter_know_text(s, FIELD_PATH, r->path);
    filter_know_text(s, FIELD_QUERY, r->query);
    filter_know_text(s, FIELD_VERSION, r->version);
    filter_know_number(s, FIELD_REQ_SIZE, (int64_t)r->size);
    if (r->head.n)
        filter_know_text(s, FIELD_REQ_HEADER, r->head);
    else
        filter_know_absent(s, FIELD_REQ_HEADER);
    if (r->body.p || r->size == 0)
        filter_know_text(s, FIELD_REQ_BODY, r->body);
}

// ---- plans

static void plan_header(struct fault_plan *p, const struct fault_rule *r)
{
    if (p->header_count < FAULTS_AT_ONCE)
        p->headers[p->header_count++] = (struct fault_headers){r->headers, r->header_count};
}

static void plan(struct fault_plan *p, const struct faults *f, size_t rule, uint64_t match)
{
    const struct fault_rule *r = &p->set->rules.items[rule];
    switch (r->kind) {
    case FAULT_LATENCY:
        p->delay_us = delay_of(r, f->seed, rule, match);
        break;
    case FAULT_STATUS:
        p->status = r->status;
        p->reason = r->reason;
        p->has_body = r->body != NULL;
        p->body = view_n(r->body, r->body_n);
        p->type = r->type;
        break;
    case FAULT_HEADER:
        plan_header(p, r);
        break;
    case FAULT_TRUNCATE:
        p->truncate = r->place;
        break;
    case FAULT_CORRUPT:
        p->corrupt_bytes = r->bytes;
        p->corrupt_seed = draw(f->seed, rule, match, FOR_BYTES);
        break;
    case FAULT_DRIBBLE:
        p->dribble_bytes = r->bytes;
        p->dribble_us = r->every_us;
        break;
    case FAULT_RESET:
        p->reset = r->place;
        break;
    case FAULT_STALL:
        p->stall = r->place;
        p->stall_us = r->stall_us;
        break;
    case FAULT_REFUSED:
    case FAULT_KINDS:
        break;
    }
    p->kinds |= FAULT_BIT(r->kind);
}

// Whether the rule has turns left; takes one.
static bool take_turn(struct count *c, uint64_t times)
{
    uint_fast64_t done = atomic_load(&c->done);
    while (done < times)
        if (atomic_compare_exchange_weak(&c->done, &done, done + 1))
            return true;
    return false;
}

// kinds: those that are asked for.
static void decide(struct faults *f, const struct filter_subject *s, unsigned kinds,
                   struct fault_plan *p)
{
    struct fault_set *set = p->set;
    for (size_t i = 0; i < set->rules.n; i++) {
        const struct fault_rule *r = &set->rules.items[i];
        const unsigned bit = FAULT_BIT(r->kind);
        bool full = r->kind == FAULT_HEADER ? p->header_count == FAULTS_AT_ONCE : p->kinds & bit;
        if (!(kinds & bit) ||
            filter_eval(r->filter ? filter_root(r->filter) : NULL, s) != FILTER_KEEP)
            continue;
        uint64_t match = atomic_fetch_add(&set->counts[i].matched, 1);
        if (full || match < r->after ||
            draw(f->seed, i, match, FOR_DOING) % FAULT_PARTS_ALL >= r->parts)
            continue;
        if (take_turn(&set->counts[i], r->times))
            plan(p, f, i, match);
    }
    if (!p->kinds)
        fault_plan_clear(p);
}

void faults_of_flow(struct faults *f, const struct fault_flow *flow, struct fault_plan *out)
{
    struct known k;
    *out = (struct fault_plan){.set = take(f)};
    if (!out->set)
        return;
    know_flow(&k, flow);
    decide(f, &k.subject, FAULT_BIT(FAULT_REFUSED), out);
}

void faults_of_request(struct faults *f, const struct fault_flow *flow,
                       const struct fault_request *request, struct fault_plan *out)
{
    struct known k;
    *out = (struct fault_plan){.set = take(f)};
    if (!out->set)
        return;
    know_flow(&k, flow);
    know_request(&k.subject, request);
    decide(f, &k.subject, ~FAULT_BIT(FAULT_REFUSED), out);
}

void fault_plan_clear(struct fault_plan *p)
{
    release(p->set);
    p->set = NULL;
    p->kinds = 0;
}

// ---- doing

uint64_t fault_place_of(const struct fault_place *p, uint64_t size)
{
    switch (p->how) {
    case FAULT_AT:
        return p->bytes < size ? p->bytes : size;
    case FAULT_PART:
        return size == UINT64_MAX ? 0 : (uint64_t)((double)size * p->part);
    default:
        return 0;
    }
}

// The content is cut into as many slices as bytes are to be others; one byte of each is.
void fault_corrupt(const struct fault_plan *p, uint64_t size, uint64_t offset, char *bytes,
                   size_t n)
{
    if (size == UINT64_MAX)
        size = BLIND;
    uint64_t count = p->corrupt_bytes < size ? p->corrupt_bytes : size;
    if (!(p->kinds & FAULT_BIT(FAULT_CORRUPT)) || count == 0 || offset >= size)
        return;
    uint64_t each = size / count; // the last has what is left over as well
    for (uint64_t i = offset / each < count ? offset / each : count - 1; i < count; i++) {
        uint64_t begin = i * each, length = i + 1 < count ? each : size - begin;
        uint64_t random = mix(p->corrupt_seed ^ mix(i + 1));
        uint64_t at = begin + (random >> 8) % length;
        if (begin >= offset + n)
            break;
        if (at >= offset && at - offset < n)
            bytes[at - offset] = (char)(bytes[at - offset] ^ (1 + (random & 0xff) % 255));
    }
}

const char *fault_plan_text(const struct fault_plan *p, char out[FAULTS_NAMES])
{
    size_t n = 0;
    *out = 0;
    for (int i = 0; i < FAULT_KINDS; i++)
        if (p->kinds & FAULT_BIT(i))
            n += (size_t)snprintf(out + n, FAULTS_NAMES - n, "%s%s",
                                  n ? "," : " fault=", fault_names[i]);
    return out;
}

// ---- telling

static json_t *rule_json(const struct fault_rule *r, const struct count *c)
{
    json_t *o =
        json_pack("{s:I, s:s, s:f}", "line", (json_int_t)r->line, "fault", fault_names[r->kind],
                  "percent", (double)r->parts * 100 / FAULT_PARTS_ALL);
    if (o && r->when)
        json_object_set_new(o, "when", json_string(r->when));
    if (o && r->after)
        json_object_set_new(o, "after", json_integer((json_int_t)r->after));
    if (o && r->times != UINT64_MAX)
        json_object_set_new(o, "times", json_integer((json_int_t)r->times));
    json_object_set_new(o, "matched", json_integer((json_int_t)atomic_load(&c->matched)));
    json_object_set_new(o, "done", json_integer((json_int_t)atomic_load(&c->done)));
    return o;
}

int faults_json(struct faults *f, struct buf *out)
{
    json_t *all = json_object(), *rules = json_array();
    struct fault_set *s = take(f);
    for (size_t i = 0; s && i < s->rules.n; i++)
        json_array_append_new(rules, rule_json(&s->rules.items[i], &s->counts[i]));
    size_t told = s ? s->rules.n : 0;
    bool whole = rules && json_array_size(rules) == told &&
                 json_object_set_new(all, "seed", json_integer((json_int_t)f->seed)) == 0 &&
                 json_object_set(all, "rules", rules) == 0;
    char *text = whole ? json_dumps(all, JSON_INDENT(2)) : NULL;
    int e = text ? buf_add(out, text, strlen(text)) : E_NOMEM;
    free(text);
    json_decref(rules);
    json_decref(all);
    release(s);
    return e;
}

void faults_log(struct faults *f)
{
    struct fault_set *s = take(f);
    set_log(s);
    release(s);
}
