// folder: the folder that a file stands in.
#ifndef TAPEDECK_SCHEMA_FOLDER_H
#define TAPEDECK_SCHEMA_FOLDER_H

// Its path, "." where path has none; the caller's to free. NULL: out of memory.
char *folder_of(const char *path);

// Makes a rename, a link or a removal in path's folder durable. Where that cannot be done it may be
// undone by a loss of power, no more.
void folder_sync(const char *path);

#endif
