// secure_peek: PEEK: whether what a client says begins TLS, and whether that is ours to answer.
#include "proxy/secure_in.h"
#include "proxy/tls/hello.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

bool secure_begins(const struct flow *f)
{
    return f->listener->secure == SECURE_TERMINATE && flow_is_exchange(f);
}

bool secure_follows(const struct flow *f)
{
    return f->blind && f->listener->secure != SECURE_NEVER && !f->client.tls;
}

bool secure_peek(struct flow *f, bool dialled)
{
    assert(!f->secure);
    f->secure = calloc(1, sizeof *f->secure);
    if (!f->secure)
        return false;
    f->secure->dialled = dialled;
    flow_set_state(f, FLOW_PEEK);
    flow_expect(f, f->env->limits.idle);
    return true;
}

void secure_midway(struct flow *f)
{
    const struct secure_env *env = secure_env_of(f);
    if (f->secure || !secure_follows(f) || f->client.eof || f->server.eof)
        return;
    // Who agreed to TLS must get it: a workload from us, a server of the world if that is wished.
    if (f->listener->secure == SECURE_TERMINATE ? !env->to_workload : !env->midway)
        return;
    f->opened = true; // the client was told long ago
    f->begun_us = flow_env_wall(f->env);
    if (secure_peek(f, true))
        f->secure->midway = true;
    else
        flow_fail(f, FLOW_NO_MEMORY, NULL);
}

// All goes on as it came: there is no hello, or it is not ours to answer.
static void go_on(struct flow *f)
{
    bool dialled = f->secure->dialled;
    bool silent = f->client.eof && buf_len(&f->held) == 0;
    if (f->listener->secure == SECURE_TERMINATE && secure_env_of(f)->demands && !silent) {
        flow_fail(f, FLOW_REFUSED, "no tls, in which a certificate is demanded");
        return;
    }
    secure_clear(f);
    if (dialled) {
        flow_go_on(f);
        secure_hand_over(f);
    } else {
        flow_set_state(f, FLOW_FRONT);
        flow_expect(f, f->env->limits.idle);
    }
    flow_input(f, (struct view){0});
}

void secure_peek_overdue(struct flow *f)
{
    bool asked = buf_len(&f->held) > 0;
    if (buf_len(&f->heard) > 0)
        go_on(f);
    else if (asked && !f->server.io.open)
        flow_fail(f, FLOW_HANDSHAKE_TIMEOUT, NULL);
    else
        flow_fail(f, f->env->draining && !asked ? FLOW_DRAINED : FLOW_IDLE_TIMEOUT, NULL);
}

static bool passes(struct flow *f)
{
    const struct secure *x = f->secure;
    enum pass_cause cause = PASS_RULE;
    bool odd = x->hello.odd != NULL;
    if (!odd && !tls_pass_look(secure_env_of(f)->pass, x->host, x->port, f->env->now, &cause))
        return false;
    secure_count_passed(f, odd ? STATS_PASSED_ODD : cause);
    f->facts.tls_why = odd ? x->hello.odd : tls_pass_cause_text(cause);
    return true;
}

static void begin(struct flow *f)
{
    const struct secure_env *env = secure_env_of(f);
    struct secure *x = f->secure;
    const struct hostport *to = flow_target_of(f);
    bool by_name = x->hello.sni[0] && !secure_means_target(f, x->hello.sni);
    snprintf(x->host, sizeof x->host, "%s", by_name ? x->hello.sni : to->host);
    x->port = to->port;
    bool intercept = f->listener->secure == SECURE_INTERCEPT, far = f->server.io.far != NULL;
    if (intercept && !far && passes(f)) {
        go_on(f);
        return;
    }
    flow_set_state(f, FLOW_SECURE);
    flow_expect(f, f->env->limits.handshake);
    if (far)
        secure_begin_client(f);
    else if (intercept)
        secure_begin_server(f, env->to_servers);
    else if (x->dialled && env->to_workload)
        secure_begin_server(f, env->to_workload);
    else
        secure_begin_client(f);
}

static void look(struct flow *f)
{
    struct view in = buf_view(&f->held);
    enum hello_may may = hello_may_be(in);
    int e = may == HELLO_YES ? hello_client(in, &f->secure->hello) : E_AGAIN;
    bool ends_here = f->listener->secure == SECURE_TERMINATE && !secure_env_of(f)->to_workload;
    if (may == HELLO_YES && e != 0 && e != E_AGAIN && ends_here)
        flow_fail(f, FLOW_TLS_CLIENT, "a hello that cannot be read"); // no plain workload could
    else if (may == HELLO_NO || (may == HELLO_YES && e != 0 && e != E_AGAIN) ||
             (e && f->client.eof))
        go_on(f);
    else if (may == HELLO_YES && e == 0)
        begin(f);
}

// Before its client did. Where TLS is to end here, a client that is far away may be about to begin
// it; where it goes on behind us, and where we intercept, nobody would speak first in it.
static void server_speaks(struct flow *f, struct view bytes, int error)
{
    if (error == E_AGAIN)
        return;
    if (error || f->listener->secure != SECURE_TERMINATE || secure_env_of(f)->to_workload) {
        go_on(f);
        if (!flow_ended(f))
            relay_server_came(f, bytes, error);
        return;
    }
    if (buf_len(&f->heard) == 0)
        flow_expect(f, FIRST_WORD_US);
    if (secure_keep(f, &f->heard, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
}

void secure_peek_heard(struct flow *f, struct side *s, struct view bytes, int error)
{
    if (s->is_server) {
        server_speaks(f, bytes, error);
        return;
    }
    if (buf_len(&f->held) == 0)
        f->begun_us = flow_env_wall(f->env);
    // A hello that has begun must come to its end; at accept so must what may be one.
    if (buf_len(&f->heard) > 0 || (!f->secure->dialled && bytes.n > 0 && buf_len(&f->held) == 0))
        flow_expect(f, f->env->limits.handshake);
    if (secure_keep(f, &f->held, bytes))
        flow_fail(f, FLOW_NO_MEMORY, NULL);
    else
        look(f);
}
