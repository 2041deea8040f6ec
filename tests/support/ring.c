// ring: see ring.h.
#include "tests/support/ring.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

// A record's payload follows from its number and size.
static void fill(unsigned char *p, size_t n, uint64_t seq)
{
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(seq * 131 + i * 7 + (i >> 8));
}

bool ring_filled(struct view v, uint64_t seq)
{
    for (size_t i = 0; i < v.n; i++) {
        if ((unsigned char)v.p[i] != (unsigned char)(seq * 131 + i * 7 + (i >> 8)))
            return false;
    }
    return true;
}

bool ring_put(struct journal *j, size_t n, size_t from_reserve)
{
    struct journal_facts facts;
    journal_facts(j, &facts);
    unsigned char *p = journal_room(j, n, from_reserve);
    if (!p)
        return false;
    fill(p, n, facts.next_seq);
    assert_int_equal(journal_commit(j, WIRE_PART, n), facts.next_seq);
    return true;
}

// All frames that are not sent, checked and counted; they stay unsent.
uint64_t ring_check_unsent(struct journal *j, uint64_t first, uint64_t next)
{
    struct iovec pieces[2];
    uint64_t seq = first;
    int n = journal_unsent(j, pieces);

    for (int i = 0; i < n; i++) {
        struct view in = view_n(pieces[i].iov_base, pieces[i].iov_len);
        while (in.n) {
            struct wire_frame frame;
            size_t used;
            assert_int_equal(wire_take(in, &frame, &used), 0);
            assert_int_equal(frame.kind, WIRE_RECORD);
            assert_int_equal(frame.seq, seq);
            assert_true(ring_filled(frame.payload, seq));
            seq++;
            in = view_from(in, used);
        }
    }
    assert_int_equal(seq, next);
    return seq - first;
}

void ring_check(struct journal *j, uint64_t first, uint64_t next)
{
    struct journal_facts facts;
    journal_facts(j, &facts);
    assert_int_equal(facts.next_seq, next);
    assert_int_equal(facts.first_seq, first);
    journal_resend(j, 0);
    ring_check_unsent(j, first, next);
}
