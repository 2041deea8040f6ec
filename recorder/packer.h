// packer: packs sealed files, one after the other, in a process of its own at the lowest priority,
// which is the recorder's program once more, with PACKER_MODE as its first argument.
//
//   retain ─► packer_tend() ─spawn─► packer_main(), files ─► pack_sealed(), in place
//                  ▲                      │
//                  └────── a pipe ────────┘ what came of each file
//
// A list of files is given to a process, which ends with it, and its memory with it. It ends with
// the recorder, however that does; what is left of a file that was not done stays beside it and is
// taken over by the next try (pack.h). It has nothing of the recorder's open but standard error.
#ifndef TAPEDECK_RECORDER_PACKER_H
#define TAPEDECK_RECORDER_PACKER_H

#include "recorder/retain.h"

#define PACKER_MODE    "--pack-these-files"
#define PACKER_PROGRAM "/proc/self/exe"
#define PACKER_MAX     64 // files of a list

struct packer;

// program: what is run. For one thread, which is not to end before the last call: what it began
// ends with it. NULL: out of memory.
struct packer *packer_new(const char *program);
void packer_free(struct packer *p); // packer_stop(), too; p may be NULL

// After each sweep, which made sealed what it is. Ends what is done with a file that is not there
// any more.
void packer_swept(struct packer *p, struct retain *sealed);
// Every now and then: takes what came of files, tells it and notes it in sealed, and begins with
// what is to be packed next of it. Waits for nothing; a system call while there is something to do,
// none otherwise.
void packer_tend(struct packer *p, struct retain *sealed, const char *live, int64_t now_us);
// Kills what is at work, wherever it is, and removes what it leaves; waits for no more than the
// disk holds it up.
void packer_stop(struct packer *p);

// The process, when its arguments are argv[1] = PACKER_MODE, the number of the process that it
// works for, and the files: its exit code.
int packer_main(int argc, char **argv);

#endif
