// engine_bio: what OpenSSL takes for a connection: the engine's loan and its out.
#include "proxy/tls/engine_impl.h"

static int bio_read(BIO *bio, char *p, int n)
{
    struct tls_engine *e = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (e->in.n == 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    struct view piece = view_head(e->in, (size_t)n);
    memcpy(p, piece.p, piece.n);
    e->in = view_from(e->in, piece.n);
    return (int)piece.n;
}

static int bio_write(BIO *bio, const char *p, int n)
{
    struct tls_engine *e = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    int r = n > 0 ? buf_add(&e->out, p, (size_t)n) : 0;
    if (r) {
        e->broken = r;
        return -1;
    }
    return n;
}

static long bio_ctrl(BIO *bio, int cmd, long number, void *p)
{
    (void)bio;
    (void)number;
    (void)p;
    return cmd == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_engine_bio(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "engine");
    if (m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
        BIO_meth_set_ctrl(m, bio_ctrl))
        return m;
    BIO_meth_free(m);
    return NULL;
}
