// content: a chain of decoders, the coding that was applied last first:
//
//   body --> step[0] --> step[1] --> … --> take
//
// Each step turns input into pieces of at most PIECE bytes and feeds these to the next one, so the
// stack is as deep as the chain and nothing is collected. Memory: the windows of the codings (zstd
// is held to 8 MiB, RFC 9659).
#include "tools/content.h"

#include <brotli/decode.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#define PIECE           (16u << 10)
#define ZSTD_WINDOW_LOG 23

struct step;

struct coding {
    const char *name;
    int (*start)(struct step *s);
    // Reads from *in, writes to out (PIECE bytes): 1 to be called again with what is left of *in, 0
    // when it wants more, E_….
    int (*turn)(struct step *s, struct view *in, unsigned char *out, size_t *n);
    void (*stop)(struct step *s);
};

struct step {
    const struct coding *coding;
    union {
        z_stream z;
        BrotliDecoderState *br;
        ZSTD_DStream *zstd;
    };
    bool begun, ended; // some input was read; the coding's own end was seen
    bool raw;          // deflate without zlib's wrapping
    bool padded;       // gzip: zeros stood behind the end
    bool skippable;    // zstd: the frame at hand
    unsigned magic;    // zstd: see zstd_magic()
};

struct content {
    struct step steps[CONTENT_CODINGS_MAX];
    size_t n;
    uint64_t given, limit;
    content_take *take;
    void *arg;
    int error;
    char why[128];
};

// ---- gzip and deflate

static int inflate_start(struct step *s, int bits)
{
    memset(&s->z, 0, sizeof s->z);
    return inflateInit2(&s->z, bits) == Z_OK ? 0 : E_NOMEM;
}

static int gzip_start(struct step *s)
{
    return inflate_start(s, 15 + 16);
}

static int inflate_turn(struct step *s, struct view *in, unsigned char *out, size_t *n)
{
    s->z.next_in = (unsigned char *)(uintptr_t)in->p;
    s->z.avail_in = in->n < PIECE ? (unsigned)in->n : PIECE;
    s->z.next_out = out;
    s->z.avail_out = PIECE;
    unsigned offered = s->z.avail_in;
    int r = inflate(&s->z, Z_NO_FLUSH);
    *in = view_from(*in, offered - s->z.avail_in);
    *n = PIECE - s->z.avail_out;
    s->ended = r == Z_STREAM_END;
    if (r == Z_MEM_ERROR)
        return E_NOMEM;
    if (r != Z_OK && r != Z_STREAM_END && r != Z_BUF_ERROR)
        return E_DAMAGED;
    return in->n > 0 || (s->z.avail_out == 0 && !s->ended);
}

// Behind a member another one may follow, or zeros that fill a block up.
static int gzip_turn(struct step *s, struct view *in, unsigned char *out, size_t *n)
{
    if (s->ended && in->n > 0 && !s->padded && in->p[0] != 0) {
        s->ended = false;
        if (inflateReset(&s->z) != Z_OK)
            return E_DAMAGED;
    }
    if (!s->ended)
        return inflate_turn(s, in, out, n);
    for (; in->n > 0; *in = view_from(*in, 1)) {
        if (in->p[0] != 0)
            return E_DAMAGED;
        s->padded = true;
    }
    return 0;
}

// RFC 9110 means zlib's format; some servers send the bare one. zlib's first byte is 8 in its low
// half (deflate) with a window of at most 32 KiB; a bare stream cannot start so, but for a stored
// block whose padding is not zero.
static int deflate_turn(struct step *s, struct view *in, unsigned char *out, size_t *n)
{
    if (!s->begun) {
        unsigned char first = (unsigned char)in->p[0];
        s->raw = (first & 0x0f) != 8 || first >> 4 > 7;
        int e = inflate_start(s, s->raw ? -15 : 15);
        if (e)
            return e;
        s->begun = true;
    } else if (s->ended) {
        return E_DAMAGED;
    }
    return inflate_turn(s, in, out, n);
}

static int deflate_start(struct step *s)
{
    (void)s; // its first byte tells which kind it is
    return 0;
}

static void inflate_stop(struct step *s)
{
    if (s->z.state)
        inflateEnd(&s->z);
}

// ---- brotli

static int br_start(struct step *s)
{
    s->br = BrotliDecoderCreateInstance(NULL, NULL, NULL);
    return s->br ? 0 : E_NOMEM;
}

static int br_turn(struct step *s, struct view *in, unsigned char *out, size_t *n)
{
    if (s->ended)
        return E_DAMAGED;
    const unsigned char *next = (const unsigned char *)in->p;
    size_t left = in->n, room = PIECE;
    BrotliDecoderResult r = BrotliDecoderDecompressStream(s->br, &left, &next, &room, &out, NULL);
    *in = view_from(*in, in->n - left);
    *n = PIECE - room;
    s->ended = r == BROTLI_DECODER_RESULT_SUCCESS;
    if (r == BROTLI_DECODER_RESULT_ERROR) {
        int code = (int)BrotliDecoderGetErrorCode(s->br);
        return code <= BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES &&
                       code >= BROTLI_DECODER_ERROR_ALLOC_BLOCK_TYPE_TREES
                   ? E_NOMEM
                   : E_DAMAGED;
    }
    return r == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT || in->n > 0;
}

static void br_stop(struct step *s)
{
    if (s->br)
        BrotliDecoderDestroyInstance(s->br);
}

// ---- zstd

static int zstd_start(struct step *s)
{
    s->zstd = ZSTD_createDStream();
    if (!s->zstd)
        return E_NOMEM;
    return ZSTD_isError(ZSTD_DCtx_setParameter(s->zstd, ZSTD_d_windowLogMax, ZSTD_WINDOW_LOG))
               ? E_NOMEM
               : 0;
}

// A frame of RFC 8878, or one to be skipped. The library may know older formats, which are no
// content coding. s->magic: bytes of the frame's magic number that were read.
static bool zstd_magic(const struct step *s, struct view in)
{
    static const unsigned char frame[] = {0x28, 0xb5, 0x2f, 0xfd},
                               skipped[] = {0x50, 0x2a, 0x4d, 0x18};
    bool is_frame = s->magic == 0 || !s->skippable, is_skipped = s->magic == 0 || s->skippable;
    for (size_t i = 0; i < in.n && s->magic + i < 4; i++) {
        unsigned char c = (unsigned char)in.p[i];
        is_frame = is_frame && c == frame[s->magic + i];
        is_skipped = is_skipped && (s->magic + i == 0 ? c & 0xf0 : c) == skipped[s->magic + i];
    }
    return is_frame || is_skipped;
}

static int zstd_turn(struct step *s, struct view *in, unsigned char *out, size_t *n)
{
    if (!zstd_magic(s, *in))
        return E_DAMAGED;
    if (s->magic == 0 && in->n > 0)
        s->skippable = ((unsigned char)in->p[0] & 0xf0) == 0x50;
    ZSTD_inBuffer from = {in->p, in->n, 0};
    ZSTD_outBuffer to = {out, PIECE, 0};
    size_t r = ZSTD_decompressStream(s->zstd, &to, &from);
    *in = view_from(*in, from.pos);
    *n = to.pos;
    if (ZSTD_isError(r))
        return ZSTD_getErrorCode(r) == ZSTD_error_memory_allocation ? E_NOMEM : E_DAMAGED;
    s->ended = r == 0; // a further frame may follow
    s->magic = s->ended ? 0 : s->magic + from.pos < 4 ? s->magic + (unsigned)from.pos : 4;
    return in->n > 0 || (to.pos == to.size && !s->ended);
}

static void zstd_stop(struct step *s)
{
    ZSTD_freeDStream(s->zstd);
}

// ---- the chain

static const struct coding codings[] = {
    {"gzip", gzip_start, gzip_turn, inflate_stop},
    {"x-gzip", gzip_start, gzip_turn, inflate_stop},
    {"deflate", deflate_start, deflate_turn, inflate_stop},
    {"br", br_start, br_turn, br_stop},
    {"zstd", zstd_start, zstd_turn, zstd_stop},
};

// The next name of a comma-separated list from its end; false: none is left.
static bool last_name(struct view *list, struct view *name)
{
    do {
        size_t at = list->n;
        while (at > 0 && list->p[at - 1] != ',')
            at--;
        *name = view_trim(view_from(*list, at));
        if (at == 0 && name->n == 0)
            return false;
        list->n = at ? at - 1 : 0;
    } while (name->n == 0 || view_ieq(*name, VIEW_LIT("identity")));
    return true;
}

bool content_is_coded(struct view list)
{
    struct view name;
    return last_name(&list, &name);
}

static int add_step(struct content *c, struct view name, char why[WHY_MAX])
{
    const struct coding *found = NULL;
    for (size_t i = 0; i < sizeof codings / sizeof *codings; i++)
        if (view_ieq(name, view_of(codings[i].name)))
            found = &codings[i];
    if (!found || c->n == CONTENT_CODINGS_MAX) {
        size_t shown = 0;
        while (shown < name.n && shown < 40 && name.p[shown] > ' ' && name.p[shown] <= '~')
            shown++;
        if (found)
            snprintf(why, WHY_MAX, "more than %d content codings", CONTENT_CODINGS_MAX);
        else
            snprintf(why, WHY_MAX, "unknown content coding '%.*s'%s", (int)shown, name.p,
                     shown < name.n ? " …" : "");
        return E_UNSUPPORTED;
    }
    struct step *s = &c->steps[c->n];
    s->coding = found;
    c->n++;
    int e = found->start(s);
    if (e)
        snprintf(why, WHY_MAX, "out of memory");
    return e;
}

int content_new(struct content **out, struct view list, uint64_t limit, content_take *take,
                void *arg, char why[WHY_MAX])
{
    struct content *c = calloc(1, sizeof *c);
    struct view name;
    int e = c ? 0 : E_NOMEM;
    *out = NULL;
    if (!c) {
        snprintf(why, WHY_MAX, "out of memory");
        return e;
    }
    c->limit = limit;
    c->take = take;
    c->arg = arg;
    while (!e && last_name(&list, &name))
        e = add_step(c, name, why);
    if (e) {
        content_free(c);
        return e;
    }
    *out = c;
    return 0;
}

void content_free(struct content *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n; i++)
        c->steps[i].coding->stop(&c->steps[i]);
    free(c);
}

static int give(struct content *c, struct view piece)
{
    if (piece.n == 0)
        return 0;
    if (piece.n > c->limit - c->given) {
        snprintf(c->why, sizeof c->why, "decoded it is larger than %llu bytes",
                 (unsigned long long)c->limit);
        return E_LIMIT;
    }
    c->given += piece.n;
    return c->take(c->arg, piece);
}

// s: the step that takes in, or the place behind the last.
static int feed(struct content *c, struct step *s, struct view in)
{
    if (s == c->steps + c->n)
        return give(c, in);
    unsigned char out[PIECE];
    int more = in.n > 0, e = 0;
    while (more > 0 && !e) {
        size_t n = 0;
        more = s->coding->turn(s, &in, out, &n);
        s->begun = true;
        if (more == E_DAMAGED)
            snprintf(c->why, sizeof c->why, "it is not %s all through", s->coding->name);
        else if (more == E_NOMEM)
            snprintf(c->why, sizeof c->why, "out of memory");
        e = feed(c, s + 1, view_n(out, n)); // what came before the damage is given as well
        if (!e && more < 0)
            e = more;
    }
    return e;
}

int content_feed(struct content *c, struct view in)
{
    if (!c->error)
        c->error = feed(c, c->steps, in);
    return c->error;
}

int content_end(struct content *c)
{
    for (size_t i = 0; i < c->n && !c->error; i++) {
        const struct step *s = &c->steps[i];
        if (!s->begun || s->ended)
            continue;
        snprintf(c->why, sizeof c->why, "the %s coding has no end", s->coding->name);
        c->error = E_DAMAGED;
    }
    return c->error;
}

const char *content_why(const struct content *c)
{
    return c->why;
}
