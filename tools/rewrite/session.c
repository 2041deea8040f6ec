// session: what a run knows of its rewriting.
#include "tools/rewrite/rewrite.h"

#include <stdlib.h>

struct rewrite {
    size_t n;
};
struct rewrite_session {
    struct rewrite_sums sums;
};

int rewrite_parse(struct rewrite **out, const char *name, struct view text, char why[WHY_MAX])
{
    (void)name;
    (void)text;
    *out = calloc(1, sizeof **out);
    return *out ? 0 : err_no_memory(why, WHY_MAX);
}

int rewrite_read(struct rewrite **out, const char *path, char why[WHY_MAX])
{
    return rewrite_parse(out, path, (struct view){0}, why);
}

void rewrite_free(struct rewrite *r)
{
    free(r);
}

int rewrite_begin(struct rewrite_session **out, const struct rewrite_setup *setup,
                  char why[WHY_MAX])
{
    (void)setup;
    *out = calloc(1, sizeof **out);
    return *out ? 0 : err_no_memory(why, WHY_MAX);
}

void rewrite_end(struct rewrite_session *s)
{
    free(s);
}

bool rewrite_active(const struct rewrite_session *s)
{
    (void)s;
    return false;
}

bool rewrite_wants_content(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    (void)s;
    (void)t;
    return false;
}

bool rewrite_wants_answer(const struct rewrite_session *s, const struct rewrite_subject *t)
{
    (void)s;
    (void)t;
    return false;
}

bool rewrite_ready(struct rewrite_session *s, const struct rewrite_subject *t)
{
    (void)s;
    (void)t;
    return true;
}

int rewrite_request(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                    struct view head, struct view content, struct buf *new_head,
                    struct buf *new_content, char why[WHY_MAX])
{
    (void)s, (void)t, (void)now_us, (void)head, (void)content, (void)why;
    buf_reset(new_head);
    buf_reset(new_content);
    return 0;
}

int rewrite_answered(struct rewrite_session *s, const struct rewrite_subject *t, int64_t now_us,
                     const struct compare_half *recorded, const struct compare_half *live)
{
    (void)s, (void)t, (void)now_us, (void)recorded, (void)live;
    return 0;
}

void rewrite_unanswered(struct rewrite_session *s, const struct rewrite_subject *t)
{
    (void)s, (void)t;
}

void rewrite_forget(struct rewrite_session *s, uint64_t run)
{
    (void)s, (void)run;
}

const struct rewrite_sums *rewrite_sums(const struct rewrite_session *s)
{
    return &s->sums;
}

const char *rewrite_unused(const struct rewrite_session *s, size_t *i)
{
    (void)s, (void)i;
    return NULL;
}

int rewrite_redacted(const struct rewrite_session *s, const struct capture *capture,
                     const struct filter *filter, rewrite_redacted_found *found, void *arg)
{
    (void)s, (void)capture, (void)filter, (void)found, (void)arg;
    return 0;
}
