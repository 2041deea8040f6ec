// twin: recognises content that was stored lately, while it passes, so that it need not travel
// again. Content is cut into chunks; each is known by a keyed hash (XXH3, 128 bits, under a secret
// of this process), and each content that is remembered also by its SHA-256, with the state of that
// behind each chunk. No I/O; one of each worker.
//
//   FIRST ──begins as a known content──→ SAME ──each chunk as there, and the end──→ known
//     │                                    │
//     └──no such──→ OTHER ←──one differs───┘
//
// While it is FIRST or SAME the caller holds the chunk at hand, whole; what went before is in the
// content that it is alike. Once it is OTHER nothing is held any more, and its SHA-256 is made.
#ifndef TAPEDECK_PROXY_EMIT_TWIN_H
#define TAPEDECK_PROXY_EMIT_TWIN_H

#include "proto/digest.h"

#define TWIN_CHUNK      (64 * 1024)
#define TWIN_CHUNKS_MAX 1024 // of a content that is remembered

struct twins;
struct twin;

// max: bytes of memory for what is remembered; at most half of it for twins and what they note of
// contents that pass. NULL: out of memory.
struct twins *twins_new(size_t max);
void twins_free(struct twins *all); // no twin is left; all may be NULL
// What was remembered holds no more: its contents are to travel again.
void twins_forget(struct twins *all);
size_t twins_used(const struct twins *all); // bytes of it

// NULL: out of memory, or of max.
struct twin *twin_new(struct twins *all);
void twin_free(struct twin *t); // t may be NULL

// The next chunk: TWIN_CHUNK bytes, fewer only when last. true: it is known, and so need not be
// held. false, which it stays: the content is another one, the chunk is part of its SHA-256 now,
// and so is, by twin_add(), all that comes. Once last was said nothing more comes.
bool twin_chunk(struct twin *t, struct view chunk, bool last) MUST_CHECK;
// It is to be taken for another one, with the bytes that are held of the chunk at hand.
void twin_leave(struct twin *t, struct view held);
// More of a content that is another one, any number of bytes.
void twin_add(struct twin *t, struct view in);

// How many bytes of the content's front were known, and the content that they begin as well; 0:
// none.
uint64_t twin_known(const struct twin *t, unsigned char digest[DIGEST_SIZE]);
// The SHA-256 of the whole content, at its end.
void twin_digest(struct twin *t, unsigned char digest[DIGEST_SIZE]);
// It is stored whole from now on. At its end, behind twin_digest(). Nothing, when twins_forget()
// was called since it began.
void twin_remember(struct twin *t);

#endif
