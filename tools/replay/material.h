// material: what it takes to send a recorded request again and to judge its answer: read from the
// capture once, and kept while there is room.
//
// Small contents are here whole. A larger request is read as it is sent (material_reader()), a
// larger answer when it has to be looked at (material_answer()).
#ifndef TAPEDECK_TOOLS_REPLAY_MATERIAL_H
#define TAPEDECK_TOOLS_REPLAY_MATERIAL_H

#include "tools/load.h"
#include "tools/replay/plan.h"
#include "tools/replay/target.h"
#include "tools/speak/speak.h"

#define MATERIAL_HELD_MAX (256u << 10) // bytes of a content that is kept here

// All views are its own and live as long as it does.
struct material {
    struct material *before, *after; // in the order of use
    unsigned users;
    size_t bytes;
    uint32_t item; // of the plan
    uint32_t service;
    int64_t id;
    uint8_t kind;
    const char *unsendable; // a phrase; NULL: it can be sent

    // the request
    struct view method, host, path, query, protocol; // as recorded
    struct view head;                                // as it goes to its target
    struct view trailers, content, rhythm;
    bool held;            // content is all of it
    bool cut;             // the recording ended within it
    bool expects;         // it waited for a 100 before its content
    uint64_t size;        // of the content
    struct view wire;     // all of it, as one piece; empty: it is to be said piece by piece
    enum speak_then then; // with wire

    // the answer
    bool answered, answer_cut;
    int64_t status;
    struct view answer_head, answer_trailers, answer, answer_digest, interim;
    bool answer_held;
    uint64_t answer_size;
    int64_t latency_us; // -1: it had none

    // a conversation: bytes in each direction
    uint64_t said[2];

    char memory[];
};

struct materials;

struct materials_conf {
    const struct capture *capture;
    const struct plan *plan;
    const struct targets *targets;
    bool keep_host;
    size_t most; // bytes that are kept
};

// NULL: told.
struct materials *materials_new(const struct materials_conf *conf);
void materials_free(struct materials *m); // none has users any more; m may be NULL

// That of an item, which has one user more; NULL: it cannot be read, which was told, or there is no
// memory.
struct material *material_take(struct materials *m, uint32_t item);
void material_leave(struct materials *m, struct material *x);

// The content of the request, piece by piece. NULL: it cannot be read, which was told.
struct store_reader *material_reader(struct materials *m, const struct material *x);
// The recorded answer, decoded where it can be; with content false its head alone. Loans until the
// next call. false: it cannot be read, which was told.
bool material_answer(struct materials *m, const struct material *x, bool content,
                     struct compare_half *out);
// The pieces of a conversation. NULL: told.
struct chunks *material_chunks(struct materials *m, const struct material *x);

#endif
