// filter: does a filter take this transaction? Evaluated in memory, while it is still being heard.
//
// The tree comes from proto/filter.h; the answer agrees with what schema/filter_sql selects from
// the same transaction once it is a row. A test of a value that is absent (no answer, no such
// header) is false, and "!=" and "!~" are the opposites of "=" and "~", so they are true then. A
// test of a value that is not known yet leaves the verdict open, unless the rest decides it.
#ifndef TAPEDECK_PROXY_EMIT_FILTER_H
#define TAPEDECK_PROXY_EMIT_FILTER_H

#include "proto/filter.h"

enum filter_verdict { FILTER_DROP, FILTER_KEEP, FILTER_UNDECIDED };

// What is known of a transaction. Only the two masks need a beginning (filter_subject_begin);
// values are read where their bit is set. Views are loans for the calls that get the subject.
//   FIELD_REQ_HEADER, FIELD_RES_HEADER  the exact head bytes, as they are kept
//   FIELD_REQ_BODY, FIELD_RES_BODY      the content, once it is whole (or the part that is kept)
//   FIELD_TIME                          µs of the first byte;  FIELD_BY_PROXY  0 or 1
//   FIELD_HOST                          as in the row: without a name in the request, the target
// Need not be given, since they follow from others: FIELD_URL (protocol, scheme, host, path,
// query), FIELD_REQ_TYPE and FIELD_RES_TYPE (the heads), bodies that are only asked whether they
// are empty (FIELD_REQ_SIZE, FIELD_RES_SIZE).
struct filter_subject {
    uint64_t known;  // bits of the fields whose value is settled
    uint64_t absent; // of these, the ones that there are not
    union filter_fact {
        struct view text;
        int64_t number; // µs for durations and times
    } of[FIELD_COUNT];
};

#define FILTER_BIT(field) ((uint64_t)1 << (field))

// Fields that only a row has: a capture filter cannot use them.
#define FILTER_ROW_ONLY (FILTER_BIT(FIELD_ID) | FILTER_BIT(FIELD_FLOW))

static inline void filter_subject_begin(struct filter_subject *s)
{
    s->known = s->absent = 0;
}

static inline void filter_know_text(struct filter_subject *s, enum filter_field f, struct view text)
{
    s->known |= FILTER_BIT(f);
    s->absent &= ~FILTER_BIT(f);
    s->of[f].text = text;
}

static inline void filter_know_number(struct filter_subject *s, enum filter_field f, int64_t number)
{
    s->known |= FILTER_BIT(f);
    s->absent &= ~FILTER_BIT(f);
    s->of[f].number = number;
}

// There is none: no answer, no status, no head.
static inline void filter_know_absent(struct filter_subject *s, enum filter_field f)
{
    s->known |= FILTER_BIT(f);
    s->absent |= FILTER_BIT(f);
}

// The bits of all fields that the tree asks for, those behind derived ones included; root may be
// NULL. So the caller gathers no more than that.
uint64_t filter_fields_of(const struct filter_node *root);

// root NULL takes all. UNDECIDED once everything is known means out of memory; keep then.
enum filter_verdict filter_eval(const struct filter_node *root, const struct filter_subject *s);

#endif
