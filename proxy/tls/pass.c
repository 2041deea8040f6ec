// pass: rules, and a list of hosts that were learned.
//
//   learn ──▶ holds, for span ──▶ on trial, for a day ──▶ forgotten
//                 ▲                     │ learn: span doubles
//                 └─────────────────────┘
//
// 1. What is learned while an entry holds changes nothing: connections that were begun before it
//    fail together, and count once.
// 2. Entries on trial end before all that hold, so they are the first to go.
// 3. The lock is taken once or twice a connection, not on the path of its bytes.
//
// The list is looked through by a number for each host: a thousand of them are 4 KiB. Elsewhere:
// whether a failure is one to learn from.
#include "proxy/tls/pass.h"

#include "proto/base/fnv.h"
#include "proxy/tls/pattern.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

struct rule {
    struct host_pattern host;
    unsigned port; // 0: any
};

struct rules {
    size_t n;
    struct rule all[];
};

struct learned {
    unsigned port, times;
    enum pass_cause cause;
    int64_t until_us, span_us;
    char host[];
};

struct tls_pass {
    pthread_mutex_t lock; // of all that follows
    struct rules *rules;
    size_t n;
    uint32_t keys[PASS_LEARNED_MAX]; // of the hosts and ports below, in the same order
    struct learned *all[PASS_LEARNED_MAX];
    uint32_t taken[PASS_TAKEN_MAX]; // keys of hosts and ports, each where its lowest bits say
};

static uint32_t key_of(const char *plain, unsigned port)
{
    return fnv_fold(fnv_more(FNV_START ^ port, plain, strlen(plain)));
}

// "HOST", "HOST:PORT", "[V6]:PORT", ":PORT"; *port is empty without.
static int rule_cut(struct view text, struct view *host, struct view *port)
{
    size_t colon = view_find(text, ':');
    *port = view_n(NULL, 0);
    *host = text;
    if (text.n > 0 && text.p[0] == '[') {
        size_t close = view_find(text, ']');
        if (close == text.n)
            return E_SYNTAX;
        *host = view_from(view_head(text, close), 1);
        *port = view_from(text, close + 1);
        return view_find(*host, ':') == host->n || (port->n > 0 && port->p[0] != ':') ? E_SYNTAX
                                                                                      : 0;
    }
    struct view rest = view_from(text, colon);
    if (rest.n == 0 || view_find(view_from(rest, 1), ':') < rest.n - 1)
        return 0; // none, or an IPv6 address
    *host = colon > 0 ? view_head(text, colon) : VIEW_LIT("*");
    *port = rest;
    return 0;
}

static int rule_parse(struct rule *rule, struct view text, char why[WHY_MAX])
{
    struct view host, port;
    uint64_t number = 0;
    bool fits = rule_cut(text, &host, &port) == 0 && host_pattern_parse(&rule->host, host) == 0;
    if (fits && port.n > 0)
        fits = view_number(view_from(port, 1), 10, UINT16_MAX, &number) == 0 && number > 0;
    rule->port = (unsigned)number;
    if (fits)
        return 0;
    snprintf(
        why, WHY_MAX,
        "\"%.*s\" is nothing to pass through; allowed are HOST, HOST:PORT and :PORT, where HOST "
        "is " PATTERN_ALLOWED " and PORT a number from 1 to 65535",
        text.n < 200 ? (int)text.n : 200, text.n > 0 ? text.p : "");
    return E_SYNTAX;
}

static size_t rules_count(struct view rules)
{
    size_t n = 1;
    if (view_trim(rules).n == 0)
        return 0;
    for (size_t i = 0; i < rules.n; i++)
        n += rules.p[i] == ',';
    return n;
}

static int rules_parse(struct rules **out, const char *text, char why[WHY_MAX])
{
    struct view rest = view_of(text);
    size_t n = rules_count(rest);
    *out = NULL;
    if (n > PASS_RULES_MAX) {
        snprintf(why, WHY_MAX, "%zu hosts to pass through; at most %d are allowed", n,
                 PASS_RULES_MAX);
        return E_LIMIT;
    }
    struct rules *rules = calloc(1, sizeof *rules + n * sizeof *rules->all);
    if (!rules)
        return err_no_memory(why, WHY_MAX);
    for (; rules->n < n; rules->n++) {
        struct view one = view_head(rest, view_find(rest, ','));
        int r = rule_parse(&rules->all[rules->n], view_trim(one), why);
        if (r) {
            free(rules);
            return r;
        }
        rest = view_from(rest, one.n < rest.n ? one.n + 1 : one.n);
    }
    *out = rules;
    return 0;
}

int tls_pass_new(struct tls_pass **out, const char *rules, char why[WHY_MAX])
{
    struct tls_pass *p = calloc(1, sizeof *p);
    *out = NULL;
    if (!p)
        return err_no_memory(why, WHY_MAX);
    int r = rules_parse(&p->rules, rules, why);
    if (r) {
        free(p);
        return r;
    }
    pthread_mutex_init(&p->lock, NULL);
    *out = p;
    return 0;
}

void tls_pass_free(struct tls_pass *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->n; i++)
        free(p->all[i]);
    free(p->rules);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

int tls_pass_rules(struct tls_pass *p, const char *rules, char why[WHY_MAX])
{
    struct rules *fresh;
    int r = rules_parse(&fresh, rules, why);
    if (r)
        return r;
    pthread_mutex_lock(&p->lock);
    struct rules *old = p->rules;
    p->rules = fresh;
    pthread_mutex_unlock(&p->lock);
    free(old);
    return 0;
}

// Its place in the list; p->n when it is not in it.
static size_t place_of(const struct tls_pass *p, uint32_t key, const char *plain, unsigned port)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->keys[i] == key && p->all[i]->port == port && strcmp(p->all[i]->host, plain) == 0)
            return i;
    return p->n;
}

static bool look(const struct tls_pass *p, const char *plain, unsigned port, int64_t now_us,
                 enum pass_cause *cause)
{
    for (size_t i = 0; i < p->rules->n; i++) {
        const struct rule *rule = &p->rules->all[i];
        if ((rule->port == 0 || rule->port == port) && host_pattern_fits(&rule->host, plain)) {
            *cause = PASS_RULE;
            return true;
        }
    }
    if (p->n == 0)
        return false;
    size_t at = place_of(p, key_of(plain, port), plain, port);
    if (at == p->n || now_us >= p->all[at]->until_us)
        return false;
    *cause = p->all[at]->cause;
    return true;
}

bool tls_pass_look(struct tls_pass *p, const char *host, unsigned port, int64_t now_us,
                   enum pass_cause *cause)
{
    char plain[HOST_MAX + 1];
    host_plain(view_of(host), plain);
    pthread_mutex_lock(&p->lock);
    bool passes = look(p, plain, port, now_us, cause);
    pthread_mutex_unlock(&p->lock);
    return passes;
}

static size_t first_to_end(const struct tls_pass *p)
{
    size_t first = 0;
    for (size_t i = 1; i < p->n; i++)
        if (p->all[i]->until_us < p->all[first]->until_us)
            first = i;
    return first;
}

// A new entry, perhaps in place of another; NULL without memory: then the next connection fails
// once more.
static struct learned *entry_new(struct tls_pass *p, uint32_t key, const char *plain, unsigned port)
{
    size_t n = strlen(plain) + 1, at = p->n;
    struct learned *e = malloc(sizeof *e + n);
    if (!e)
        return NULL;
    *e = (struct learned){.port = port, .span_us = PASS_FIRST_US};
    memcpy(e->host, plain, n);
    if (at == PASS_LEARNED_MAX) {
        at = first_to_end(p);
        free(p->all[at]);
    } else {
        p->n++;
    }
    p->keys[at] = key;
    p->all[at] = e;
    return e;
}

static bool learn(struct tls_pass *p, const char *plain, unsigned port, enum pass_cause cause,
                  int64_t now_us)
{
    uint32_t key = key_of(plain, port);
    size_t at = place_of(p, key, plain, port);
    struct learned *e;
    if (at == p->n) {
        e = entry_new(p, key, plain, port);
        if (!e)
            return false;
    } else {
        e = p->all[at];
        if (now_us < e->until_us)
            return false;
        if (now_us - e->until_us >= PASS_LAST_US) {
            e->span_us = PASS_FIRST_US;
            e->times = 0;
        } else {
            e->span_us = e->span_us < PASS_LAST_US / 2 ? 2 * e->span_us : PASS_LAST_US;
        }
    }
    e->cause = cause;
    e->times++;
    e->until_us = now_us + e->span_us;
    return true;
}

bool tls_pass_learn(struct tls_pass *p, const char *host, unsigned port, enum pass_cause cause,
                    int64_t now_us)
{
    char plain[HOST_MAX + 1];
    assert(cause != PASS_RULE);
    host_plain(view_of(host), plain);
    pthread_mutex_lock(&p->lock);
    bool learned = learn(p, plain, port, cause, now_us);
    pthread_mutex_unlock(&p->lock);
    return learned;
}

void tls_pass_took(struct tls_pass *p, const char *host, unsigned port)
{
    char plain[HOST_MAX + 1];
    host_plain(view_of(host), plain);
    uint32_t key = key_of(plain, port);
    pthread_mutex_lock(&p->lock);
    p->taken[key % PASS_TAKEN_MAX] = key;
    pthread_mutex_unlock(&p->lock);
}

static bool was_taken(struct tls_pass *p, const char *host, unsigned port, bool forget)
{
    char plain[HOST_MAX + 1];
    host_plain(view_of(host), plain);
    uint32_t key = key_of(plain, port);
    pthread_mutex_lock(&p->lock);
    bool taken = key != 0 && p->taken[key % PASS_TAKEN_MAX] == key;
    if (taken && forget)
        p->taken[key % PASS_TAKEN_MAX] = 0;
    pthread_mutex_unlock(&p->lock);
    return taken;
}

bool tls_pass_was_taken(struct tls_pass *p, const char *host, unsigned port)
{
    return was_taken(p, host, port, false);
}

bool tls_pass_doubt(struct tls_pass *p, const char *host, unsigned port)
{
    return was_taken(p, host, port, true);
}

bool tls_pass_next(struct tls_pass *p, int64_t now_us, size_t *i, struct pass_entry *out)
{
    bool found = false;
    pthread_mutex_lock(&p->lock);
    for (; !found && *i < p->n; ++*i) {
        const struct learned *e = p->all[*i];
        found = now_us < e->until_us;
        if (!found)
            continue;
        *out = (struct pass_entry){
            .port = e->port, .cause = e->cause, .until_us = e->until_us, .times = e->times};
        memcpy(out->host, e->host, strlen(e->host) + 1); // as host_plain() made it
    }
    pthread_mutex_unlock(&p->lock);
    return found;
}

const char *tls_pass_cause_text(enum pass_cause cause)
{
    switch (cause) {
    case PASS_RULE:
        return "rule";
    case PASS_REFUSED:
        return "client-refused";
    case PASS_UNTRUSTED:
        return "server-untrusted";
    case PASS_WANTS_CERT:
        return "client-cert-wanted";
    case PASS_PROTOCOL:
        return "protocol";
    }
    return "";
}
