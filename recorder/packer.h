// packer: packs sealed files, one after the other, in a thread of its own at the lowest priority.
//
//   retain ─► packer_give(list) ─► pack_file() ─► in place
//
// The list is given anew at each sweep; what is being packed and does not stand in it any more is
// left as it was. So a file that was not packed when the recorder ended is packed by the next one.
#ifndef TAPEDECK_RECORDER_PACKER_H
#define TAPEDECK_RECORDER_PACKER_H

#define PACKER_MAX     64 // files that wait
#define PACKER_REFUSED 64 // files that it remembers not to try again while they stay as they are

struct packer;

// The thread begins with the first file. NULL: out of memory.
struct packer *packer_new(void);
// Ends what is being packed, within the time that a group takes, and the thread. p may be NULL.
void packer_free(struct packer *p);

// The n files to pack, at most PACKER_MAX, the first one first, in place of those that wait. Takes
// the strings over.
void packer_give(struct packer *p, char **paths, int n);

#endif
