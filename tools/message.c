// message: head, content and trailers from their tables, one behind the other.
//
// 1. Framing by length is in the head already and is right: the content has as many bytes as came.
//    Framing by chunks is made anew, a chunk a piece.
// 2. The last chunk says that the message is whole. It is written only when it was: neither cut off
//    by the end of the connection nor unreadable here.
// 3. A failure to write is not told here: whoever opened the output judges it when it is closed.
#include "tools/message.h"

#include "tools/cli.h"
#include "tools/head.h"

struct writer {
    FILE *out;
    bool chunked;
    bool stopped; // the output takes no more; it is judged where it is closed
};

static int put(void *arg, struct view piece)
{
    struct writer *w = arg;
    if (piece.n == 0)
        return 0;
    if (w->chunked)
        fprintf(w->out, "%zx\r\n", piece.n);
    fwrite_unlocked(piece.p, 1, piece.n, w->out);
    if (w->chunked)
        fputs_unlocked("\r\n", w->out);
    w->stopped = ferror_unlocked(w->out);
    return w->stopped ? E_IO : 0;
}

// Whether a message with this head has a body in chunks (RFC 9112, section 6.3).
static bool is_chunked(const struct store_query *q, struct view head, bool s2c)
{
    char joined[HEAD_JOINED];
    int64_t status = store_int(q, FIELD_STATUS);
    struct view method = store_bytes(q, FIELD_METHOD);
    struct view last = head_joined(head, "transfer-encoding", joined);
    if (s2c &&
        (status < 200 || status == 204 || status == 304 || view_eq(method, VIEW_LIT("HEAD")) ||
         (view_eq(method, VIEW_LIT("CONNECT")) && status < 300)))
        return false;
    for (size_t n; (n = view_find(last, ',')) < last.n;)
        last = view_from(last, n + 1);
    return view_ieq(view_trim(last), VIEW_LIT("chunked"));
}

void message_write(FILE *out, struct rows *r, const struct heads *heads, bool s2c,
                   const char **note)
{
    const struct store_query *q = rows_row(r);
    struct view head = s2c ? heads->res : heads->req;
    struct view trailers = s2c ? heads->res_trailers : heads->req_trailers;
    int64_t body = store_int(q, s2c ? STORE_RES_BODY : STORE_REQ_BODY);
    bool cut = rows_cut(r, s2c);
    int torn = 0;
    struct writer w = {.out = out, .chunked = is_chunked(q, head, s2c)};
    *note = "";
    if (s2c && heads->interim.n > 0)
        fwrite_unlocked(heads->interim.p, 1, heads->interim.n, out);
    if (head.n > 0)
        fwrite_unlocked(head.p, 1, head.n, out);
    if (body) {
        int e = store_body(rows_store(r), body, put, &w);
        torn = w.stopped ? 0 : e;
        if (torn)
            cli_damage("%s", store_why(rows_store(r)));
    }
    if (w.chunked && !cut && !torn) {
        fputs_unlocked("0\r\n", out);
        if (trailers.n > 0)
            fwrite_unlocked(trailers.p, 1, trailers.n, out);
        fputs_unlocked("\r\n", out);
    }
    if (torn == E_GONE)
        *note = "the beginning of the content is in none of the files that were read";
    else if (torn)
        *note = "a part of the content cannot be read";
    else if (store_int(q, s2c ? STORE_RES_STORED : STORE_REQ_STORED) <
             store_int(q, s2c ? FIELD_RES_SIZE : FIELD_REQ_SIZE))
        *note = "a part of the content was not kept";
    else if (heads->redacted.n > 0)
        *note = "a part of this transaction was redacted or left out by a rule";
    else if (cut)
        *note = "it was cut off by the end of the connection";
}
