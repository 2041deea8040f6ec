// dialogue: what a client and a server said on one flow, as a text file, and what a tap made of it.
//
//   # a comment
//   hint http1              a decoder to begin with (http1, raw, starttls, tls); none: guess
//   c> TEXT                 the client sends TEXT; \r \n \t \\ \xNN stand for bytes
//   c>*300 TEXT             … TEXT 300 times
//   c>@FILE                 … the bytes that FILE holds as hexadecimal digits
//   s< TEXT                 the server sends
//   own< TEXT               we answer ourselves
//   c.   s.                 the end of the client's, of the server's bytes
//   close REASON            the last
//   expect                  the lines behind are the log of a sink_log
//
// A dialogue is played whole, cut in two at each of its bytes, and in pieces of one size; the log
// must be the same.
#ifndef TAPEDECK_TESTS_DIALOGUE_H
#define TAPEDECK_TESTS_DIALOGUE_H

#include "proxy/tap.h"
#include "tests/support/guard.h"
#include "tests/support/sink_log.h"

#define DIALOGUE_STEPS 64

enum { STEP_SAY, STEP_OWN, STEP_END };

struct dialogue_step {
    int what; // STEP_…
    enum dir dir;
    struct view bytes;
};

struct dialogue {
    const struct decoder_ops *hint;
    struct dialogue_step steps[DIALOGUE_STEPS];
    size_t count, bytes; // bytes: said in all
    char reason[32];
    char *expect;
    char *memory;    // of the bytes
    char *source[2]; // by enum dir: all that passes, for the sink_log to compare with
    struct guard guard;
    struct sink_log *log;
    struct stats stats;
    struct tap_env env;
    size_t used;
};

// Reads the file; aborts with its line where it is malformed. Steps may also be added by hand to
// one that dialogue_init made.
void dialogue_init(struct dialogue *d);
void dialogue_read(struct dialogue *d, const char *path);
void dialogue_add(struct dialogue *d, enum dir dir, struct view bytes); // a loan
struct dialogue_step *dialogue_step(struct dialogue *d, int what, enum dir dir);
void dialogue_forget(struct dialogue *d); // all steps
void dialogue_clear(struct dialogue *d);

// Plays it once, in pieces: up to cut, from there in pieces of size (0: the rest in one). now_us
// grows by 1000 with each piece. The log is in d->log, which was reset before.
void dialogue_play(struct dialogue *d, size_t cut, size_t size);

// Whether the last play kept the rules and the ledger, and left nothing held.
bool dialogue_kept(const struct dialogue *d, const char *name);

// Whole, at every cut, in all small sizes; each time the log must be expect and keep the rules.
// False: it was not, and the difference is printed.
bool dialogue_holds(struct dialogue *d, const char *name);

// With the i-th allocation failing, for each i: the rules and the ledger must hold.
bool dialogue_survives(struct dialogue *d, const char *name);

// The check for every file of the pattern, of which there must be at least that many; prints the
// names of those that fail.
bool dialogue_each(const char *pattern, size_t least,
                   bool (*check)(struct dialogue *d, const char *name));

// Prints what is heard in each file, as an expectation is written. For main().
int dialogue_print(int count, char **paths);
// A whole main(): with arguments the above, without any both checks for every file of the pattern.
int dialogue_main(int argc, char **argv, const char *pattern, size_t least);

#endif
