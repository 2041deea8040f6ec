// recorded: columns of a row, and of the head that belongs to it.
#include "tools/speak/recorded.h"

static uint64_t count(const struct store_query *q, int column)
{
    int64_t n = store_int(q, column);
    return n > 0 ? (uint64_t)n : 0;
}

bool recorded_half(struct rows *r, const struct heads *heads, bool s2c, struct speak_half *out)
{
    const struct store_query *q = rows_row(r);
    bool seen = store_column_type(q, s2c ? STORE_RES_START_US : STORE_REQ_END_US) != STORE_NULL;
    if (!seen && !(s2c && heads->interim.n > 0)) // interim answers that no answer followed
        return false;
    *out = (struct speak_half){
        .s2c = s2c,
        .cut = rows_cut(r, s2c),
        .head = s2c ? heads->res : heads->req,
        .trailers = s2c ? heads->res_trailers : heads->req_trailers,
        .size = count(q, s2c ? FIELD_RES_SIZE : FIELD_REQ_SIZE),
        .stored = count(q, s2c ? STORE_RES_STORED : STORE_REQ_STORED),
    };
    if (s2c) {
        out->interim = heads->interim;
        out->method = store_bytes(q, FIELD_METHOD);
    }
    return true;
}
