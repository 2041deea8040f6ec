// tmp: a directory for one test, below $TMPDIR or /tmp, and files in it.
#ifndef TAPEDECK_TESTS_TMP_H
#define TAPEDECK_TESTS_TMP_H

#include <stdbool.h>
#include <stddef.h>

#define TMP_PATH 256

// Makes it; aborts where that is impossible. dir is what the calls below take.
void tmp_make(char dir[TMP_PATH]);
// Removes it with the files and directories in it.
void tmp_remove(const char *dir);
// "DIR/NAME" into out, which it returns.
char *tmp_path(char out[TMP_PATH], const char *dir, const char *name);
// The same in static memory, which is taken again TMP_TURNS calls later. For one thread.
#define TMP_TURNS 16
const char *tmp_in(const char *dir, const char *name);

// Whole files; both abort on errors. The memory of tmp_read() is the caller's; *n may be NULL.
void tmp_write(const char *path, const void *bytes, size_t n);
void *tmp_read(const char *path, size_t *n);
// Whether anything has that name; whether it is a file of just these bytes.
bool tmp_there(const char *path);
bool tmp_holds(const char *path, const void *bytes, size_t n);

// Mounts an empty file system of that many MiB over a directory, out of others' sight where the
// kernel lets it (not in a chroot). false: not allowed here.
bool tmp_disk(const char *path, unsigned mib);
void tmp_disk_end(const char *path);

#endif
