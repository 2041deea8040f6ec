// admin_flows: each worker notes its flows in a plain array, which costs it little; the JSON is
// made on the main thread. The question outlives the one who gave up waiting: the last to leave
// frees it.
#include "proxy/admin_flows.h"

#include "proxy/tls/pass.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <stdlib.h>

#define FLOWS_MAX 10000 // of a worker
#define WAIT_S    2

struct snap {
    uint64_t id, moved[2];
    const char *listener, *front, *state;
    struct addr client, server;
    char target[HOSTPORT_TEXT];
    size_t buffered;
    int64_t age_us;
    int first_speaker;
};

struct answer {
    size_t total, count;
    struct snap *snaps;
};

struct question {
    pthread_mutex_t lock;
    pthread_cond_t answered;
    size_t waited_for, holders, n;
    struct answer answers[];
};

// One worker's answer on its way.
struct errand {
    struct question *q;
    struct answer answer;
    size_t index;
};

static void leave(struct question *q)
{
    pthread_mutex_lock(&q->lock);
    bool last = --q->holders == 0;
    pthread_mutex_unlock(&q->lock);
    if (!last)
        return;
    for (size_t i = 0; i < q->n; i++)
        free(q->answers[i].snaps);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

static void note(const struct flow *f, struct snap *s)
{
    const char *target = f->target ? f->target->text : f->listener->target;
    s->id = f->id;
    s->listener = f->listener->name;
    s->front = f->front ? f->front->name : "socks";
    s->state = flow_state_text(f->state);
    s->client = f->facts.client;
    s->server = f->facts.server;
    memcpy(s->target, target, strlen(target) + 1);
    s->first_speaker = f->tap.first_speaker;
    s->moved[C2S] = f->moved[C2S];
    s->moved[S2C] = f->moved[S2C];
    s->buffered =
        side_waits(&f->client) + side_waits(&f->server) + buf_len(&f->held) + buf_len(&f->heard);
    s->age_us = f->env->now - f->accepted_us;
}

static void look(struct worker *w, void *arg)
{
    struct errand *e = arg;
    struct question *q = e->q;
    const struct flow_list *live = &worker_env(w)->live;
    struct answer *a = &e->answer;
    a->total = live->count;
    a->snaps = calloc(live->count < FLOWS_MAX ? live->count + 1 : FLOWS_MAX, sizeof *a->snaps);
    for (const struct flow *f = live->first; f && a->snaps && a->count < FLOWS_MAX; f = f->next)
        note(f, &a->snaps[a->count++]);
    pthread_mutex_lock(&q->lock);
    q->answers[e->index] = *a;
    q->waited_for--;
    pthread_cond_signal(&q->answered);
    pthread_mutex_unlock(&q->lock);
    free(e);
    leave(q);
}

static struct question *question_new(size_t n)
{
    struct question *q = calloc(1, sizeof *q + n * sizeof *q->answers);
    pthread_condattr_t attr;
    if (!q)
        return NULL;
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&q->answered, &attr);
    pthread_condattr_destroy(&attr);
    q->n = n;
    q->holders = 1;
    return q;
}

// true: all have answered.
static bool ask(struct question *q, struct worker *const *workers)
{
    struct timespec until;
    size_t asked = 0;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += WAIT_S;
    pthread_mutex_lock(&q->lock);
    for (; asked < q->n; asked++) {
        struct errand *e = calloc(1, sizeof *e);
        if (!e)
            break;
        *e = (struct errand){.q = q, .index = asked};
        q->holders++;
        q->waited_for++;
        int failed = worker_post(workers[asked], look, e);
        if (failed == 0)
            continue;
        q->holders--;
        q->waited_for--;
        free(e);
        if (failed != E_EOF) // a worker that has ended has no flows
            break;
    }
    int failed = 0;
    while (q->waited_for > 0 && failed == 0)
        failed = pthread_cond_timedwait(&q->answered, &q->lock, &until);
    pthread_mutex_unlock(&q->lock);
    return asked == q->n && failed == 0;
}

static json_t *flow_json(const struct snap *s)
{
    static const char *const speakers[] = {"none", "client", "server"};
    char client[ADDR_TEXT], server[ADDR_TEXT];
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:I, s:I}", "id",
                     (json_int_t)s->id, "listener", s->listener, "front", s->front, "client",
                     addr_text(&s->client, client), "server", addr_text(&s->server, server),
                     "target", s->target, "state", s->state, "first_speaker",
                     speakers[s->first_speaker], "c2s", (json_int_t)s->moved[C2S], "s2c",
                     (json_int_t)s->moved[S2C], "buffered", (json_int_t)s->buffered, "age_ms",
                     (json_int_t)(s->age_us / US_PER_MS));
}

// All workers have the same list. false: out of memory.
static bool add_passed(json_t *list, struct worker *w)
{
    const struct secure_env *secure = worker_env(w)->secure;
    int64_t now = clock_mono_us(), wall = clock_wall_us() - now;
    struct pass_entry e;
    char until[CLOCK_TEXT];
    bool whole = true;
    for (size_t i = 0; whole && secure && tls_pass_next(secure->pass, now, &i, &e);) {
        clock_format(e.until_us + wall, until);
        whole = json_array_append_new(list, json_pack("{s:s, s:I, s:s, s:s, s:I}", "host", e.host,
                                                      "port", (json_int_t)e.port, "cause",
                                                      tls_pass_cause_text(e.cause), "until", until,
                                                      "times", (json_int_t)e.times)) == 0;
    }
    return whole;
}

static char *text_of(const struct question *q, struct worker *any)
{
    json_t *root = json_object(), *list = json_array(), *passed = json_array();
    size_t total = 0;
    for (size_t i = 0; i < q->n; i++) {
        total += q->answers[i].total;
        for (size_t k = 0; k < q->answers[i].count; k++)
            if (json_array_append_new(list, flow_json(&q->answers[i].snaps[k])))
                total = SIZE_MAX;
    }
    bool whole = json_object_set_new(root, "total", json_integer((json_int_t)total)) == 0;
    whole = json_object_set_new(root, "flows", list) == 0 && whole && total != SIZE_MAX;
    whole = whole && add_passed(passed, any);
    whole = json_object_set_new(root, "passed", passed) == 0 && whole;
    char *text = whole ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

char *admin_flows_json(struct worker *const *workers, size_t n)
{
    struct question *q = question_new(n);
    char *text = NULL;
    if (!q)
        return NULL;
    // Once all have answered, none of them touches the answers any more.
    if (ask(q, workers))
        text = text_of(q, workers[0]);
    leave(q);
    return text;
}
