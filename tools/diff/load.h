// load: transactions of a capture by their ids, as halves that can be compared.
#ifndef TAPEDECK_TOOLS_DIFF_LOAD_H
#define TAPEDECK_TOOLS_DIFF_LOAD_H

#include "proto/base/buf.h"
#include "tools/capture.h"
#include "tools/compare/compare.h"

#define LOAD_BODY_MAX (64u << 20) // bytes of a content that is compared by value

struct load_file;

// The files of a capture, each opened when it is first asked for.
struct load {
    const struct capture *capture;
    struct load_file *files;
    uint64_t max_decoded;
    struct buf bodies[2]; // of the transaction at hand: request, answer
};

// A transaction. Texts and halves are loans until the next one of the same load.
struct load_row {
    struct view method, host, path, query, protocol;
    struct view codings[2], digests[2]; // request, answer
    int64_t sizes[2], stored[2], bodies[2];
    struct compare_half half[2];
    struct load_file *file;
};

// Errors are told: CLI_OK, CLI_FAILED. capture outlives it. To be cleared in any case.
int load_init(struct load *l, const struct capture *capture, uint64_t max_decoded) MUST_CHECK;
void load_clear(struct load *l);

// Reads the row, with its heads, without its contents: they are not whole. What cannot be read is
// told with cli_damage(): false.
bool load_row(struct load *l, size_t file, int64_t id, struct load_row *out) MUST_CHECK;
// The content of a half, decoded where it can be. What cannot be read or is too large stays not
// whole; so does what was kept in part, of which the beginning is given where no digest is known.
void load_content(struct load *l, struct load_row *row, int s2c);

#endif
